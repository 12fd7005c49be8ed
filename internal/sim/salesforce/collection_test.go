package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const (
	v66        = "/services/data/v66.0"
	upsertPath = v66 + "/composite/sobjects/Contact/RH_SUB_ID__c"
	ann        = "0035g00000000AaAAI"
)

// batchOf is the body of a collection of contacts, each given as the inside of an object.
func batchOf(records ...string) string {
	for i, r := range records {
		records[i] = `{"attributes":{"type":"Contact"},` + r + `}`
	}
	return `{"allOrNone":false,"records":[` + strings.Join(records, ",") + `]}`
}

// outcomes is what became of the records of a call, in its order: created, updated, done or a code.
func outcomes(t *testing.T, a answer) string {
	t.Helper()
	if a.status != http.StatusOK {
		return codeOf(a)
	}
	var list []string
	for _, r := range decode[[]recordResult](t, a.body) {
		switch {
		case !r.Success:
			list = append(list, r.Errors[0].Code)
		case r.Created == nil:
			list = append(list, "done")
		case *r.Created:
			list = append(list, "created")
		default:
			list = append(list, "updated")
		}
	}
	return strings.Join(list, " ")
}

func TestUpsertCollection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want string
	}{
		"new and known, in order": {batchOf(`"RH_SUB_ID__c":"new","LastName":"New"`, `"RH_SUB_ID__c":"known","RH_POINTS__c":41`), "created updated"},
		"each for itself":         {batchOf(`"RH_SUB_ID__c":"a","FirstName":"Nameless"`, `"RH_SUB_ID__c":"b","LastName":"B"`), "REQUIRED_FIELD_MISSING created"},
		"the same key twice": {batchOf(`"RH_SUB_ID__c":"a","LastName":"A"`, `"RH_SUB_ID__c":"b","LastName":"B"`, `"RH_SUB_ID__c":"a","LastName":"A"`),
			"DUPLICATE_VALUE created DUPLICATE_VALUE"},
		"keys that differ by case only":  {batchOf(`"RH_SUB_ID__c":"KNOWN","LastName":"Other"`), "created"},
		"no key":                         {batchOf(`"LastName":"A"`), "MISSING_ARGUMENT"},
		"a null key":                     {batchOf(`"RH_SUB_ID__c":null,"LastName":"A"`), "MISSING_ARGUMENT"},
		"a field that is not there":      {batchOf(`"RH_SUB_ID__c":"a","LastName":"A","RH_NO__c":1`, `"RH_SUB_ID__c":"b","LastName":"B"`), "INVALID_FIELD created"},
		"text that is too long":          {batchOf(`"RH_SUB_ID__c":"known","RH_CODE__c":"` + strings.Repeat("x", 256) + `"`), "STRING_TOO_LONG"},
		"a number as text":               {batchOf(`"RH_SUB_ID__c":"known","RH_POINTS__c":"many"`), "JSON_PARSER_ERROR"},
		"a number too large":             {batchOf(`"RH_SUB_ID__c":"known","RH_POINTS__c":1e18`), "NUMBER_OUTSIDE_VALID_RANGE"},
		"an id beside the key":           {batchOf(`"id":"` + ann + `","RH_SUB_ID__c":"known"`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"another type":                   {`{"records":[{"attributes":{"type":"Account"},"RH_SUB_ID__c":"a","Name":"A"}]}`, "INVALID_TYPE"},
		"no type":                        {`{"records":[{"RH_SUB_ID__c":"a","LastName":"A"}]}`, "INVALID_INPUT"},
		"no records":                     {`{"records":[]}`, "REQUIRED_FIELD_MISSING"},
		"201 records":                    {batchOf(strings.Split(strings.Repeat(`"LastName":"A"|`, 200)+`"LastName":"A"`, "|")...), "EXCEEDED_ID_LIMIT"},
		"no list":                        {`{"records":{}}`, "JSON_PARSER_ERROR"},
		"all or none, and one is amiss":  {strings.Replace(batchOf(`"RH_SUB_ID__c":"a","LastName":"A"`, `"RH_SUB_ID__c":"b"`), "false", "true", 1), "ALL_OR_NONE_OPERATION_ROLLED_BACK REQUIRED_FIELD_MISSING"},
		"a contact with a known address": {batchOf(`"RH_SUB_ID__c":"a","LastName":"A","Email":"ANN@example.com"`), "DUPLICATES_DETECTED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := five(t)
			token := s.token()
			s.withFields(token)
			if a := s.api(token, "PATCH", v66+"/sobjects/Contact/"+ann, `{"RH_SUB_ID__c":"known","RH_POINTS__c":40}`); a.status != http.StatusNoContent {
				t.Fatal(a.body)
			}
			a := s.api(token, "PATCH", upsertPath, tc.body)
			if got := outcomes(t, a); got != tc.want {
				t.Errorf("%s, want %s; %s", got, tc.want, a.body)
			}
			want := 5 + strings.Count(tc.want, "created")
			if got := s.state().Records["Contact"]; got != want {
				t.Errorf("%d contacts, want %d", got, want)
			}
		})
	}
}

func TestUpsertCollectionTakesTheKeyForTheRecord(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withFields(token)
	var records []string
	for i := range 200 {
		records = append(records, fmt.Sprintf(`"RH_SUB_ID__c":"sub_%d","LastName":"L%d","RH_POINTS__c":%d,"RH_LAST_REF__c":"2026-11-03T10:15:30Z"`, i, i, i))
	}
	before := s.Counts().API
	a := s.api(token, "PATCH", upsertPath, batchOf(records...))
	if got := outcomes(t, a); got != strings.TrimSpace(strings.Repeat("created ", 200)) {
		t.Fatal(got)
	}
	if got := s.Counts().API - before; got != 1 {
		t.Errorf("%d calls of the allowance, want 1", got)
	}
	first := decode[[]recordResult](t, a.body)[17].ID
	if got := outcomes(t, s.api(token, "PATCH", upsertPath, batchOf(`"RH_SUB_ID__c":"sub_17","RH_POINTS__c":null`))); got != "updated" {
		t.Error(got)
	}
	read := s.query(token, "SELECT Id, RH_POINTS__c, RH_LAST_REF__c, LastName FROM Contact WHERE RH_SUB_ID__c = 'sub_17'")
	want := fmt.Sprintf(`"Id":%q,"RH_POINTS__c":null,"RH_LAST_REF__c":"2026-11-03T10:15:30.000+0000","LastName":"L17"`, first)
	if !strings.Contains(read.body, want) {
		t.Errorf("%s, want %s", read.body, want)
	}
	hidden := "/services/data/v66.0/composite/sobjects/Contact/RH_CODE__c"
	if a := s.api(token, "PATCH", hidden, batchOf(`"RH_CODE__c":"x","LastName":"A"`)); codeOf(a) != "NOT_FOUND" || a.status != 404 {
		t.Errorf("by a field that is no external id: %d %s", a.status, a.body)
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	const path = v66 + "/composite/sobjects"
	a := s.api(token, "POST", path, batchOf(`"LastName":"One"`, `"FirstName":"None"`, `"LastName":"Two","Email":"no address"`))
	if got := outcomes(t, a); got != "done REQUIRED_FIELD_MISSING INVALID_EMAIL_ADDRESS" {
		t.Errorf("create: %s", got)
	}
	one := string(decode[[]recordResult](t, a.body)[0].ID)
	a = s.api(token, "PATCH", path, batchOf(`"id":"`+one+`","Title":"T"`, `"LastName":"x"`, `"Id":"003000000000000","LastName":"x"`, `"id":"0035g000000zzzz","LastName":"x"`))
	if got := outcomes(t, a); got != "done MISSING_ARGUMENT INVALID_CROSS_REFERENCE_KEY INVALID_CROSS_REFERENCE_KEY" {
		t.Errorf("update: %s", got)
	}
	a = s.api(token, "DELETE", path+"?ids="+one+",nonsense,"+one+"&allOrNone=false", "")
	if got := outcomes(t, a); got != "done MALFORMED_ID ENTITY_IS_DELETED" {
		t.Errorf("delete: %s", got)
	}
	a = s.api(token, "PATCH", path, batchOf(`"id":"`+one+`","Title":"T"`))
	if got := outcomes(t, a); got != "ENTITY_IS_DELETED" {
		t.Errorf("update of a deleted one: %s", got)
	}
	a = s.api(token, "GET", path+"/Contact?ids="+ann+","+one+"&fields=Id,LastName", "")
	if !strings.HasPrefix(a.body, "[{") || !strings.Contains(a.body, `"LastName":"Lee"},null]`) {
		t.Errorf("read: %s", a.body)
	}
	mixed := `{"records":[{"attributes":{"type":"PermissionSet"},"Name":"A","Label":"A"},{"attributes":{"type":"Contact"},"LastName":"A"}]}`
	if got := outcomes(t, s.api(token, "POST", path, mixed)); got != "done MIXED_DML_OPERATION" {
		t.Errorf("setup and data: %s", got)
	}
}

func TestUpsertByKey(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withFields(token)
	s.soap(token, "createMetadata", fieldXML("Contact.Legacy__c", `<met:externalId>true</met:externalId><met:label>L</met:label><met:length>20</met:length><met:type>Text</met:type>`))
	if err := s.SetVisible(administrator, "Contact", "Legacy__c", true); err != nil {
		t.Fatal(err)
	}
	const path = v66 + "/sobjects/Contact/RH_SUB_ID__c/"
	for _, tc := range []struct {
		title, method, path, body string
		status                    int
		want                      string
	}{
		{"none yet", "GET", path + "a%2Fb", "", 404, "NOT_FOUND"},
		{"creates", "PATCH", path + "a%2Fb", `{"LastName":"New"}`, 201, `"created":true`},
		{"updates", "PATCH", path + "a%2Fb", `{"LastName":"Newer"}`, 200, `"created":false`},
		{"updates, as before version 46", "PATCH", "/services/data/v45.0/sobjects/Contact/RH_SUB_ID__c/a%2Fb", `{"Title":"T"}`, 204, ""},
		{"reads", "GET", path + "a%2Fb", "", 200, `"LastName":"Newer"`},
		{"the key in the body", "PATCH", path + "a%2Fb", `{"RH_SUB_ID__c":"c"}`, 400, "INVALID_FIELD"},
		{"a value that another one has", "PATCH", v66 + "/sobjects/Contact/" + ann, `{"RH_SUB_ID__c":"a/b"}`, 400, "duplicates value on record with id: 003"},
		{"no external id", "PATCH", v66 + "/sobjects/Contact/RH_CODE__c/x", `{"LastName":"New"}`, 404, "Provided external ID field does not exist or is not accessible: RH_CODE__c"},
		{"one of two", "PATCH", v66 + "/sobjects/Contact/" + ann, `{"Legacy__c":"twice"}`, 204, ""},
		{"two of two", "PATCH", v66 + "/sobjects/Contact/0035g00000000aA", `{"Legacy__c":"TWICE"}`, 204, ""},
		{"ambiguous", "PATCH", v66 + "/sobjects/Contact/Legacy__c/twice", `{"LastName":"New"}`, 300, `["/services/data/v66.0/sobjects/Contact/` + ann + `","`},
		{"ambiguous to read", "GET", v66 + "/sobjects/Contact/Legacy__c/twice", "", 300, `["/services/data/v66.0/sobjects/Contact/` + ann + `","`},
		{"deletes", "DELETE", path + "a%2Fb", "", 204, ""},
		{"creates anew, for the deleted one does not count", "PATCH", path + "a%2Fb", `{"LastName":"New"}`, 201, `"created":true`},
	} {
		if a := s.api(token, tc.method, tc.path, tc.body); a.status != tc.status || !strings.Contains(a.body, tc.want) {
			t.Errorf("%s: %d %s, want %d %s", tc.title, a.status, a.body, tc.status, tc.want)
		}
	}
}

func TestDuplicateRule(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup  Setup
		header string
		email  string
		want   int
	}{
		"warns":                         {Setup{}, "", "Ann@Example.com", 400},
		"warns, and the app goes on":    {Setup{}, "includeRecordDetails=false; allowSave=true", "Ann@Example.com", 201},
		"warns, and the app does not":   {Setup{}, "allowSave=false", "Ann@Example.com", 400},
		"has nothing to say":            {Setup{}, "", "ann.other@example.com", 201},
		"lets it pass":                  {Setup{DuplicateAction: "allow"}, "", "ann@example.com", 201},
		"blocks, whatever the app says": {Setup{DuplicateAction: "block"}, "allowSave=true", "ann@example.com", 400},
		"is off":                        {Setup{DuplicatesAllowed: true, DuplicateAction: "block"}, "", "ann@example.com", 201},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := five(t)
			s.turn(func(w *Switches) { w.Setup = tc.setup })
			r := s.request("POST", v66+"/sobjects/Contact", strings.NewReader(`{"LastName":"Lee","Email":"`+tc.email+`"}`))
			r.Header.Set("Authorization", "Bearer "+s.token())
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Sforce-Duplicate-Rule-Header", tc.header)
			a := s.do(r)
			if a.status != tc.want {
				t.Fatalf("%d %s, want %d", a.status, a.body, tc.want)
			}
			if tc.want == 201 {
				return
			}
			var list []struct {
				ErrorCode string
				Duplicate struct {
					AllowSave    bool
					MatchResults []struct {
						MatchRecords []struct{ Record struct{ ID string } }
					}
				} `json:"duplicateResut"`
			}
			if err := json.Unmarshal([]byte(a.body), &list); err != nil {
				t.Fatal(err)
			}
			d := list[0].Duplicate
			if list[0].ErrorCode != "DUPLICATES_DETECTED" || d.AllowSave != (tc.setup.DuplicateAction != "block") || d.MatchResults[0].MatchRecords[0].Record.ID != ann {
				t.Errorf("%s", a.body)
			}
		})
	}
}

func TestRulesForRecords(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	rules := `[{"kind":"record","object":"Contact","field":"LastName","contains":"test","message":"No tests, please"},` +
		`{"kind":"record","object":"Contact","operation":"update","code":"UNABLE_TO_LOCK_ROW","skip":1,"times":2}]`
	if a := s.api("", "PUT", "/__control/faults", rules); a.status != 200 {
		t.Fatal(a.body)
	}
	write := func(name string) string {
		return outcomes(t, s.api(token, "PATCH", v66+"/composite/sobjects", batchOf(`"id":"`+ann+`","LastName":"`+name+`"`)))
	}
	if got := write("A Tester"); got != "FIELD_CUSTOM_VALIDATION_EXCEPTION" {
		t.Error(got)
	}
	var got []string
	for i := range 4 {
		got = append(got, write("Lee"+strconv.Itoa(i)))
	}
	if want := "done UNABLE_TO_LOCK_ROW UNABLE_TO_LOCK_ROW done"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if left := len(s.Rules()); left != 1 {
		t.Errorf("%d rules left, want the validation rule", left)
	}
	for _, bad := range []string{`[{"kind":"record","status":400}]`, `[{"kind":"record","operation":"merge"}]`, `[{"kind":"query","object":"Contact"}]`} {
		if a := s.api("", "PUT", "/__control/faults", bad); a.status != 400 {
			t.Errorf("%s is a rule: %s", bad, a.body)
		}
	}
}

func TestComposite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		allOrNone bool
		last      string // the last record's fields
		statuses  string
		contacts  int
	}{
		"what refers to what came before": {true, `{"LastName":"Child","AccountId":"@{account.id}"}`, "201 200 201", 6},
		"the others stay":                 {false, `{"FirstName":"Nameless","AccountId":"@{account.id}"}`, "201 200 400", 5},
		"nothing stays":                   {true, `{"FirstName":"Nameless"}`, "400 400 400", 5},
		"what refers to nothing":          {false, `{"LastName":"Child","AccountId":"@{account.nothing}"}`, "201 200 400", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := five(t)
			token := s.token()
			accounts, calls := s.state().Records["Account"], s.Counts().API
			a := s.api(token, "POST", v66+"/composite", fmt.Sprintf(`{"allOrNone":%t,"compositeRequest":[
				{"method":"POST","url":"%s/sobjects/Account","referenceId":"account","body":{"Name":"New Account"}},
				{"method":"GET","url":"%[2]s/query?q=SELECT+Name+FROM+Account+WHERE+Id='@{account.id}'","referenceId":"found"},
				{"method":"POST","url":"%[2]s/sobjects/Contact","referenceId":"contact","body":%s}]}`, tc.allOrNone, v66, tc.last))
			var statuses []string
			for _, part := range decode[struct {
				CompositeResponse []struct {
					HTTPStatusCode int
					ReferenceID    string
				}
			}](t, a.body).CompositeResponse {
				statuses = append(statuses, strconv.Itoa(part.HTTPStatusCode))
			}
			if got := strings.Join(statuses, " "); got != tc.statuses {
				t.Errorf("%s, want %s: %s", got, tc.statuses, a.body)
			}
			state := s.state()
			if state.Records["Contact"] != tc.contacts || (state.Records["Account"] > accounts) != strings.HasPrefix(tc.statuses, "201") {
				t.Errorf("afterwards %d contacts and %d accounts", state.Records["Contact"], state.Records["Account"])
			}
			if got := state.Counts.API - calls; got != 1 {
				t.Errorf("%d calls of the allowance, want 1", got)
			}
		})
	}
	s := five(t)
	token := s.token()
	a := s.api(token, "POST", v66+"/composite/batch", `{"batchRequests":[{"method":"GET","url":"v66.0/sobjects/Contact/`+ann+`?fields=LastName"},{"method":"GET","url":"v66.0/sobjects/Contact/003000000000000"}]}`)
	if !strings.Contains(a.body, `"hasErrors":true`) || !strings.Contains(a.body, `"LastName":"Lee"`) || !strings.Contains(a.body, `"statusCode":404`) {
		t.Errorf("batch: %s", a.body)
	}
	part := fmt.Sprintf(`{"method":"GET","url":"%s/query?q=SELECT+Id+FROM+Contact","referenceId":"q%%d"}`, v66)
	for n, want := range map[int]string{5: "", 6: "INVALID_INPUT", 26: "INVALID_INPUT", 0: "INVALID_INPUT"} {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(part, i))
		}
		if a := s.api(token, "POST", v66+"/composite", `{"compositeRequest":[`+strings.Join(parts, ",")+`]}`); codeOf(a) != want {
			t.Errorf("%d queries: %s, want %q", n, a.body, want)
		}
	}
}
