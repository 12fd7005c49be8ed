package salesforce

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const data = "/services/data/v66.0"

func TestVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	token := s.token()
	list := decode[[]map[string]string](t, s.do(s.request("GET", "/services/data/", nil)).body)
	if got := list[len(list)-1]; len(list) != 36 || got["version"] != "66.0" || got["label"] != "Spring '26" || list[len(list)-2]["label"] != "Winter '26" || list[len(list)-3]["label"] != "Summer '25" {
		t.Errorf("%d versions, the last %v", len(list), got)
	}
	if a := s.api(token, "GET", data+"/limits/", ""); a.status != 200 {
		t.Errorf("a path that ends with a slash: %d, want 200", a.status)
	}
	for version, want := range map[string]int{"v66.0": 200, "v31.0": 200, "v30.0": 410, "v21.0": 410, "v20.0": 404, "v67.0": 404, "v66": 404, "latest": 404} {
		if a := s.api(token, "GET", "/services/data/"+version+"/limits", ""); a.status != want {
			t.Errorf("%s: %d, want %d", version, a.status, want)
		}
	}
}

func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 5})
	token := s.token()
	contact := "/sobjects/Contact/" + string(makeID("003", 1))
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"no such resource":             {"GET", "/nothing", "", 404, "NOT_FOUND"},
		"no such object":               {"GET", "/sobjects/Kontakt/describe", "", 404, "NOT_FOUND"},
		"no such record":               {"GET", "/sobjects/Contact/" + string(makeID("003", 99)), "", 404, "NOT_FOUND"},
		"an id of another object":      {"GET", "/sobjects/Contact/" + string(makeID("001", 1)), "", 404, "NOT_FOUND"},
		"a method that is not there":   {"PUT", contact, "{}", 405, "METHOD_NOT_ALLOWED"},
		"no statement":                 {"GET", "/query", "", 400, "MALFORMED_QUERY"},
		"a very long statement":        {"GET", "/query?q=SELECT+" + strings.Repeat("x", longestURI), "", 414, "URI_TOO_LONG"},
		"a locator of nobody":          {"GET", "/query/0r85g0000000001AAA-2000", "", 400, "INVALID_QUERY_LOCATOR"},
		"a body that is no JSON":       {"PATCH", contact, "{", 400, "JSON_PARSER_ERROR"},
		"a body with more behind":      {"PATCH", contact, "{} {}", 400, "JSON_PARSER_ERROR"},
		"a field that is not there":    {"PATCH", contact, `{"RH_CODE__c":"x"}`, 400, "INVALID_FIELD"},
		"a field that the org sets":    {"PATCH", contact, `{"CreatedDate":"2026-01-01T00:00:00Z"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"an id in the body":            {"PATCH", contact, `{"Id":"003000000000000"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"an address that is none":      {"PATCH", contact, `{"Email":"ann at example.com"}`, 400, "INVALID_EMAIL_ADDRESS"},
		"too long a name":              {"PATCH", contact, `{"FirstName":"` + strings.Repeat("é", 41) + `"}`, 400, "STRING_TOO_LONG"},
		"no last name":                 {"PATCH", contact, `{"LastName":"  "}`, 400, "REQUIRED_FIELD_MISSING"},
		"a contact without last name":  {"POST", "/sobjects/Contact", `{"FirstName":"Ann"}`, 400, "REQUIRED_FIELD_MISSING"},
		"a number for a name":          {"PATCH", contact, `{"FirstName":5}`, 400, "JSON_PARSER_ERROR"},
		"text for a boolean":           {"PATCH", contact, `{"HasOptedOutOfEmail":"yes"}`, 400, "JSON_PARSER_ERROR"},
		"a reference to nothing":       {"PATCH", contact, `{"AccountId":"0015g00000000zz"}`, 400, "INVALID_CROSS_REFERENCE_KEY"},
		"a reference to another thing": {"PATCH", contact, `{"AccountId":"` + string(makeID("003", 1)) + `"}`, 400, "MALFORMED_ID"},
		"a stage that is not there":    {"POST", "/sobjects/Opportunity", `{"Name":"x","CloseDate":"2026-12-01","StageName":"Dreaming"}`, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		"an inactive stage":            {"POST", "/sobjects/Opportunity", `{"Name":"x","CloseDate":"2026-12-01","StageName":"Verbal Yes (old)"}`, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		"a date that is none":          {"POST", "/sobjects/Opportunity", `{"Name":"x","CloseDate":"tomorrow","StageName":"Prospecting"}`, 400, "JSON_PARSER_ERROR"},
		"an immense amount":            {"POST", "/sobjects/Opportunity", `{"Name":"x","CloseDate":"2026-12-01","StageName":"Prospecting","Amount":1e17}`, 400, "NUMBER_OUTSIDE_VALID_RANGE"},
		"a stage of one's own":         {"POST", "/sobjects/OpportunityStage", `{"ApiName":"x"}`, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.api(token, tc.method, data+tc.path, tc.body)
			if a.status != tc.status || codeOf(a) != tc.code {
				t.Errorf("answer = %d %s, want %d %s", a.status, a.body, tc.status, tc.code)
			}
			if !strings.HasPrefix(a.header.Get("Sforce-Limit-Info"), "api-usage=") && tc.status != 414 {
				t.Error("no Sforce-Limit-Info")
			}
		})
	}
	r := s.request("GET", data+"/limits", nil)
	r.Header.Set("Authorization", "Basic abc")
	if a := s.do(r); a.status != 401 || codeOf(a) != "INVALID_AUTH_HEADER" {
		t.Errorf("Basic authentication: %d %s, want 401 INVALID_AUTH_HEADER", a.status, a.body)
	}
	if a := s.do(s.request("GET", data+"/limits", nil)); a.status != 401 || codeOf(a) != "INVALID_SESSION_ID" {
		t.Errorf("no authentication: %d %s, want 401 INVALID_SESSION_ID", a.status, a.body)
	}
}

func TestRecordLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 5})
	token := s.token()
	made := s.api(token, "POST", data+"/sobjects/Contact", `{"attributes":{"type":"Contact"},"LastName":" Nuñez ","FirstName":"Ana","Email":"ana@example.com","HasOptedOutOfEmail":true}`)
	created := decode[struct {
		ID      string
		Success bool
	}](t, made.body)
	if want := string(makeID("003", 6)); made.status != 201 || !created.Success || created.ID != want {
		t.Fatalf("create: %d %s, want 201 and %s", made.status, made.body, want)
	}
	path := data + "/sobjects/Contact/" + created.ID
	s.forward(time.Minute)
	if a := s.api(token, "PATCH", path, `{"Email":"ANA@example.com","FirstName":null}`); a.status != 204 || a.body != "" {
		t.Fatalf("update: %d %s, want 204 and nothing", a.status, a.body)
	}
	got := decode[map[string]any](t, s.api(token, "GET", path+"?fields=Id,Name,FirstName,Email,HasOptedOutOfEmail,CreatedDate,SystemModstamp", "").body)
	for field, want := range map[string]any{"Name": "Nuñez", "FirstName": nil, "Email": "ANA@example.com", "HasOptedOutOfEmail": true,
		"CreatedDate": "2026-11-03T10:15:30.000+0000", "SystemModstamp": "2026-11-03T10:16:30.000+0000"} {
		if got[field] != want {
			t.Errorf("%s = %v, want %v", field, got[field], want)
		}
	}
	byEmail := "SELECT Id FROM Contact WHERE Email = 'ana@example.com'"
	if got := records(t, s.query(token, byEmail), "Id"); got != created.ID {
		t.Errorf("found by e-mail after the change: %q, want %s", got, created.ID)
	}
	if a := s.api(token, "DELETE", path, ""); a.status != 204 {
		t.Fatalf("delete: %d %s", a.status, a.body)
	}
	for method, body := range map[string]string{"GET": "", "PATCH": "{}", "DELETE": ""} {
		if a := s.api(token, method, path, body); a.status != 404 || codeOf(a) != "ENTITY_IS_DELETED" {
			t.Errorf("%s of a deleted record: %d %s, want 404 ENTITY_IS_DELETED", method, a.status, a.body)
		}
	}
	if got := records(t, s.query(token, byEmail), "Id"); got != "" {
		t.Errorf("query finds the deleted %s", got)
	}
	all := s.api(token, "GET", data+"/queryAll?q="+url.QueryEscape(byEmail+" AND IsDeleted = true"), "")
	if got := records(t, all, "Id"); got != created.ID {
		t.Errorf("queryAll finds %q, want %s", got, created.ID)
	}
}

func TestOpportunityLife(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 5, SessionTimeout: 24 * time.Hour})
	token := s.token()
	first, second := string(makeID("003", 1)), string(makeID("003", 2))
	made := s.api(token, "POST", data+"/sobjects/Opportunity", `{"Name":"Tents","StageName":"prospecting","CloseDate":"2026-12-24","Amount":99.995,"ContactId":"`+first+`"}`)
	of := decode[struct{ ID string }](t, made.body).ID
	if made.status != 201 {
		t.Fatal(made.body)
	}
	s.forward(time.Hour)
	if a := s.api(token, "PATCH", data+"/sobjects/Opportunity/"+of, `{"StageName":"Closed Won"}`); a.status != 204 {
		t.Fatal(a.body)
	}
	s.forward(time.Hour)
	if a := s.api(token, "PATCH", data+"/sobjects/Opportunity/"+of, `{"Name":"Tents and pegs"}`); a.status != 204 {
		t.Fatal(a.body)
	}
	if a := s.api(token, "PATCH", data+"/sobjects/Opportunity/"+of, `{"ContactId":"`+second+`"}`); codeOf(a) != "INVALID_FIELD_FOR_INSERT_UPDATE" {
		t.Errorf("writing ContactId: %d %s, want INVALID_FIELD_FOR_INSERT_UPDATE", a.status, a.body)
	}
	history := s.query(token, "SELECT StageName, Probability, Amount, CreatedDate FROM OpportunityHistory WHERE OpportunityId = '"+of+"' ORDER BY CreatedDate")
	if got, want := records(t, history, "StageName"), "Prospecting Closed Won"; got != want {
		t.Errorf("history = %s, want %s", got, want)
	}
	if got, want := records(t, history, "Probability"), "10 100"; got != want {
		t.Errorf("probabilities = %s, want %s", got, want)
	}
	if a := s.api(token, "POST", data+"/sobjects/OpportunityContactRole", `{"OpportunityId":"`+of+`","ContactId":"`+second+`","IsPrimary":true}`); a.status != 201 {
		t.Fatal(a.body)
	}
	roles := s.query(token, "SELECT ContactId FROM OpportunityContactRole WHERE OpportunityId IN ('"+of+"') AND IsDeleted = false ORDER BY IsPrimary DESC, CreatedDate")
	if got, want := records(t, roles, "ContactId"), second+" "+first; got != want {
		t.Errorf("roles = %s, want %s", got, want)
	}
	got := decode[map[string]any](t, s.api(token, "GET", data+"/sobjects/Opportunity/"+of, "").body)
	for field, want := range map[string]any{"ContactId": second, "IsWon": true, "IsClosed": true, "Amount": 100.0, "CloseDate": "2026-12-24", "ForecastCategoryName": "Closed", "LastStageChangeDate": "2026-11-03T11:15:30.000+0000"} {
		if got[field] != want {
			t.Errorf("%s = %v, want %v", field, got[field], want)
		}
	}
	if a := s.api(token, "DELETE", data+"/sobjects/Opportunity/"+of, ""); a.status != 204 {
		t.Fatal(a.body)
	}
	if got := records(t, s.query(token, "SELECT Id FROM OpportunityContactRole WHERE OpportunityId = '"+of+"'"), "Id"); got != "" {
		t.Errorf("roles of a deleted opportunity: %s", got)
	}
}

func TestKeysetPagesSeeEveryContactOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 4_500})
	token := s.token()
	last, seen := "000000000000000", map[string]bool{}
	for {
		page := decode[struct {
			TotalSize int
			Records   []struct{ ID string }
		}](t, s.query(token, "SELECT Id FROM Contact WHERE Id > '"+last+"' ORDER BY Id LIMIT 2000").body)
		if page.TotalSize == 0 {
			break
		}
		for _, r := range page.Records {
			if seen[r.ID] || r.ID <= last {
				t.Fatalf("%s after %s", r.ID, last)
			}
			seen[r.ID], last = true, r.ID
		}
	}
	if len(seen) != 4_500 {
		t.Errorf("saw %d contacts, want 4500", len(seen))
	}
}

func TestLocators(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 2_500})
	token := s.token()
	fetch := func(token, path, hint string) (page struct {
		TotalSize      int
		Done           bool
		NextRecordsURL string
		Records        []struct{ ID string }
	}, code string) {
		r := s.request("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Sforce-Query-Options", hint)
		a := s.do(r)
		if a.status == http.StatusOK {
			if err := json.Unmarshal([]byte(a.body), &page); err != nil {
				t.Fatal(err)
			}
		}
		return page, codeOf(a)
	}
	start := data + "/query?q=" + url.QueryEscape("SELECT Id FROM Contact")
	for hint, want := range map[string][]int{"": {2000, 500}, "batchSize=1000": {1000, 1000, 500}, "batchSize=5": {200, 200}, "batchSize=9999": {2000, 500}} {
		path := start
		for i, n := range want {
			page, _ := fetch(token, path, hint)
			if len(page.Records) != n || page.TotalSize != 2_500 || page.Done != (path == "") {
				if last := page.NextRecordsURL == ""; len(page.Records) != n || page.Done != last {
					t.Errorf("%q, page %d: %d of %d records, done %t", hint, i+1, len(page.Records), page.TotalSize, page.Done)
				}
			}
			path = page.NextRecordsURL
		}
	}
	first, _ := fetch(token, start, "")
	other, err := s.Org.Token("marco.sales@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, code := fetch(other, first.NextRecordsURL, ""); code != "INVALID_QUERY_LOCATOR" {
		t.Errorf("another user's locator: %q, want INVALID_QUERY_LOCATOR", code)
	}
	s.forward(cursorLife + time.Second)
	if _, code := fetch(s.token(), first.NextRecordsURL, ""); code != "INVALID_QUERY_LOCATOR" {
		t.Errorf("after two days: %q, want INVALID_QUERY_LOCATOR", code)
	}
}

func TestDescribeHonoursFieldLevelSecurity(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 5})
	token := s.token()
	names := func(object string) []string {
		about := decode[struct {
			KeyPrefix string
			Fields    []struct{ Name string }
		}](t, s.api(token, "GET", data+"/sobjects/"+object+"/describe", "").body)
		var names []string
		for _, f := range about.Fields {
			names = append(names, f.Name)
		}
		return names
	}
	if !slices.Contains(names("contact"), "HasOptedOutOfEmail") {
		t.Fatal("HasOptedOutOfEmail is hidden from the start")
	}
	if err := s.SetVisible(administrator, "Contact", "HasOptedOutOfEmail", false); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(names("Contact"), "HasOptedOutOfEmail") {
		t.Error("describe shows a hidden field")
	}
	if a := s.query(token, "SELECT HasOptedOutOfEmail FROM Contact"); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("query of a hidden field: %d %s, want INVALID_FIELD", a.status, a.body)
	}
	if a := s.api(token, "PATCH", data+"/sobjects/Contact/"+string(makeID("003", 1)), `{"HasOptedOutOfEmail":true}`); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("write of a hidden field: %d %s, want INVALID_FIELD", a.status, a.body)
	}
	other, err := s.Org.Token("marco.sales@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.query(other, "SELECT HasOptedOutOfEmail FROM Contact LIMIT 1"); a.status != http.StatusOK {
		t.Errorf("the field is hidden from another user: %s", a.body)
	}
	if err := s.SetVisible(administrator, "Contact", "LastName", false); err != nil || !slices.Contains(names("Contact"), "LastName") {
		t.Error("LastName could be hidden")
	}
}

func TestDailyAllowance(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, DailyRequests: 3})
	for n := range 3 {
		a := s.api(s.token(), "GET", data+"/limits", "")
		if want := fmt.Sprintf("api-usage=%d/3", n+1); a.header.Get("Sforce-Limit-Info") != want || !strings.Contains(a.body, fmt.Sprintf(`"Remaining":%d`, 2-n)) {
			t.Errorf("call %d: %q and %s, want %s", n+1, a.header.Get("Sforce-Limit-Info"), a.body, want)
		}
		s.forward(time.Hour)
	}
	if a := s.api(s.token(), "GET", data+"/limits", ""); a.status != 403 || codeOf(a) != "REQUEST_LIMIT_EXCEEDED" {
		t.Errorf("call 4: %d %s, want 403 REQUEST_LIMIT_EXCEEDED", a.status, a.body)
	}
	s.forward(21 * time.Hour) // 24 hours after the first
	if !s.alive(s.token()) || s.alive(s.token()) {
		t.Error("a day later: not exactly one call is left")
	}
	if got := s.Counts(); got.API != 4 || got.Refused != 2 || got.Other != 6 {
		t.Errorf("counts = %+v", got)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 100})
	r := s.request("GET", data+"/query?q="+url.QueryEscape("SELECT Id, Email FROM Contact"), nil)
	r.Header.Set("Authorization", "Bearer "+s.token())
	r.Header.Set("Accept-Encoding", "gzip") // said by hand, so that the client leaves the answer alone
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	unzipped, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(unzipped)
	if err != nil || response.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(string(body), `{"totalSize":100,`) {
		t.Errorf("answer = %s %.60s, %v", response.Header.Get("Content-Encoding"), body, err)
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 5})
	token := s.token()
	for name, tc := range map[string]struct{ path, want string }{
		"resources":         {"", `"sobjects":"/services/data/v66.0/sobjects"`},
		"all objects":       {"/sobjects", `"keyPrefix":"00K"`},
		"an object, short":  {"/sobjects/contact", `"recentItems":[]`},
		"a stage":           {"/sobjects/Opportunity/describe", `{"active":true,"defaultValue":false,"label":"Closed Won","validFor":null,"value":"Closed Won"}`},
		"an inactive stage": {"/sobjects/Opportunity/describe", `{"active":false,"defaultValue":false,"label":"Verbal Yes (old)","validFor":null,"value":"Verbal Yes (old)"}`},
		"a reference":       {"/sobjects/Contact/describe", `"referenceTo":["Account"],"relationshipName":"Account"`},
		"a number":          {"/sobjects/Opportunity/describe", `"soapType":"xsd:double"`},
		"a count":           {"/sobjects/OpportunityStage/describe", `"soapType":"xsd:int"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := s.api(token, "GET", data+tc.path, ""); a.status != 200 || !strings.Contains(a.body, tc.want) {
				t.Errorf("%d %s does not say %s", a.status, a.body, tc.want)
			}
		})
	}
}

func TestGzippedRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	if _, err := io.WriteString(zip, `{"LastName":"Zip"}`); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		kind, encoding string
		status         int
	}{
		"gzip": {"application/json", "gzip", 201}, "gzip, but not said": {"application/json", "", 400}, "a form": {"application/x-www-form-urlencoded", "gzip", 415},
	} {
		r := s.request("POST", data+"/sobjects/Contact", bytes.NewReader(body.Bytes()))
		r.Header.Set("Authorization", "Bearer "+s.token())
		r.Header.Set("Content-Type", tc.kind)
		r.Header.Set("Content-Encoding", tc.encoding)
		if a := s.do(r); a.status != tc.status {
			t.Errorf("%s: %d %s, want %d", what, a.status, a.body, tc.status)
		}
	}
}
