package salesforce

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotContinues(t *testing.T) {
	t.Parallel()
	before := newSite(t, Options{Generated: 60})
	token := before.connect()
	contact := data + "/sobjects/Contact/" + string(makeID("003", 3))
	if a := before.api(token.AccessToken, "PATCH", contact, `{"Email":"changed@example.com"}`); a.status != 204 {
		t.Fatal(a.body)
	}
	if a := before.api(token.AccessToken, "DELETE", data+"/sobjects/Contact/"+string(makeID("003", 4)), ""); a.status != 204 {
		t.Fatal(a.body)
	}
	if err := before.SetVisible(administrator, "Contact", "Phone", false); err != nil {
		t.Fatal(err)
	}
	rotated := decode[wireToken](t, before.refresh(token.RefreshToken).body)
	saved, err := before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}

	after := newSite(t, Options{Generated: 5})
	if err := after.Restore(saved); err != nil {
		t.Fatal(err)
	}
	again, err := after.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(saved), string(again)); diff != "" {
		t.Errorf("the snapshot of what was restored differs: %s", diff)
	}
	if got := records(t, after.query(rotated.AccessToken, "SELECT Id FROM Contact WHERE Email = 'CHANGED@example.com'"), "Id"); got != string(makeID("003", 3)) {
		t.Errorf("changed contact: %q", got)
	}
	if got := decode[struct{ TotalSize int }](t, after.query(rotated.AccessToken, "SELECT COUNT() FROM Contact").body).TotalSize; got != 59 {
		t.Errorf("contacts = %d, want 59", got)
	}
	if a := after.query(rotated.AccessToken, "SELECT Phone FROM Contact"); codeOf(a) != "INVALID_FIELD" {
		t.Error("the hidden field is visible")
	}
	// A superseded token is still known as one.
	if a := after.refresh(token.RefreshToken); a.status != http.StatusBadRequest || after.alive(rotated.AccessToken) {
		t.Errorf("superseded token: %d %s, want 400 and the grant's end", a.status, a.body)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	saved, err := New(Options{Generated: 3}).Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"no JSON":              "{",
		"another version":      strings.Replace(string(saved), `"version":1`, `"version":2`, 1),
		"another organization": strings.Replace(string(saved), `"organization":"00D5g000004AbCd`, `"organization":"00D5g000004AbCe`, 1),
		"another column":       strings.Replace(string(saved), `"FirstName"`, `"Vorname"`, 1),
		"an id that is none":   strings.Replace(string(saved), `["`+string(makeID("003", 2)), `["nobody`, 1),
		"no grants":            strings.Replace(string(saved), `"Grants":{}`, `"Grants":null`, 1),
		"nobody in charge":     strings.Replace(string(saved), `["`+string(makeID("005", 1)), `["`+string(makeID("005", 9)), 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := New(Options{Generated: 7})
			if data == string(saved) {
				t.Fatal("the snapshot was not spoilt")
			}
			if err := o.Restore([]byte(data)); err == nil {
				t.Error("restored")
			}
			if got := o.state().Records["Contact"]; got != 7 {
				t.Errorf("contacts after a failed restore = %d, want 7", got)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule  Rule
		wants []string // the answers to the same query, one after the other
	}{
		"a code of the API, twice": {Rule{Kind: KindQuery, Times: 2, Fault: Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"}}, []string{"403 REQUEST_LIMIT_EXCEEDED", "403 REQUEST_LIMIT_EXCEEDED", "200 "}},
		"after one is spared":      {Rule{Kind: KindAPI, Skip: 1, Times: 1, Fault: Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}}, []string{"200 ", "500 UNKNOWN_EXCEPTION", "200 "}},
		"a page of HTML":           {Rule{Times: 1, Fault: Fault{Status: 503, HTML: true}}, []string{"503 ", "200 "}},
		"another kind of request":  {Rule{Kind: KindToken, Fault: Fault{Status: 500}}, []string{"200 "}},
		"by path":                  {Rule{Path: "COUNT", Fault: Fault{Status: 503}}, []string{"503 SERVER_UNAVAILABLE", "503 SERVER_UNAVAILABLE"}},
		"another path":             {Rule{Path: "Opportunity", Fault: Fault{Status: 503}}, []string{"200 "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: -1})
			token := s.token()
			s.SetRules(tc.rule)
			for i, want := range tc.wants {
				a := s.query(token, "SELECT COUNT() FROM Contact")
				if got := fmt.Sprintf("%d %s", a.status, codeOf(a)); got != want {
					t.Errorf("answer %d = %s, want %s", i+1, got, want)
				}
				if html := strings.Contains(a.header.Get("Content-Type"), "html"); html != (tc.rule.HTML && i == 0) {
					t.Errorf("answer %d is HTML: %t", i+1, html)
				}
			}
		})
	}
}

func TestDroppedAnswerIsDone(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	first := s.connect()
	s.SetRules(Rule{Kind: KindToken, Times: 1, Fault: Fault{Drop: true}})
	r := s.request("POST", "/services/oauth2/token", strings.NewReader(values("grant_type", "refresh_token", "refresh_token", first.RefreshToken,
		"client_id", DefaultClientID, "client_secret", DefaultClientSecret).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if response, err := s.client.Do(r); err == nil {
		response.Body.Close()
		t.Fatalf("answer = %d, want a cut connection", response.StatusCode)
	}
	if a := s.refresh(first.RefreshToken); a.status != http.StatusBadRequest {
		t.Errorf("the old token after an answer that was lost: %d, want 400", a.status)
	}
}

func TestFaultByFunction(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	token := s.token()
	s.SetFault(func(r *http.Request) *Fault {
		if r.Header.Get("Authorization") == "Bearer "+token {
			return &Fault{Status: http.StatusBadGateway, Code: "SERVER_UNAVAILABLE"}
		}
		return nil
	})
	if s.alive(token) || !s.alive(s.token()) {
		t.Error("the fault did not happen to the one session and no other")
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 20})
	send := func(method, path, body string) answer { return s.do(s.request(method, path, strings.NewReader(body))) }

	token := decode[wireToken](t, send("POST", "/__control/tokens", "").body)
	if token.InstanceURL != s.URL || !s.alive(token.AccessToken) {
		t.Errorf("token = %+v", token)
	}
	if a := send("POST", "/__control/switches", `{"rotation":false,"latency":"1ms"}`); a.status != 200 || s.Switches().Rotation || !s.Switches().AppInstalled || time.Duration(s.Switches().Latency) != time.Millisecond {
		t.Errorf("switches: %d %s", a.status, a.body)
	}
	if a := send("PUT", "/__control/faults", `[{"kind":"query","status":503,"code":"SERVER_UNAVAILABLE","times":1,"delay":"1ms"}]`); a.status != 200 || len(s.Rules()) != 1 {
		t.Errorf("faults: %d %s", a.status, a.body)
	}
	if a := s.query(token.AccessToken, "SELECT Id FROM Contact"); a.status != 503 || len(s.Rules()) != 0 {
		t.Errorf("query: %d with %d rules left, want 503 with none", a.status, len(s.Rules()))
	}
	if a := send("POST", "/__control/visibility", `{"object":"Contact","field":"phone","visible":false}`); a.status != 200 || codeOf(s.query(token.AccessToken, "SELECT Phone FROM Contact")) != "INVALID_FIELD" {
		t.Errorf("visibility: %d %s", a.status, a.body)
	}
	state := decode[state](t, send("GET", "/__control/", "").body)
	if state.Records["Contact"] != 20 || state.Counts.Query != 2 || state.AccessTokens != 1 || state.Organization != DefaultOrganizationID {
		t.Errorf("state = %+v", state)
	}
	if send("POST", "/__control/expire-tokens", ""); s.alive(token.AccessToken) {
		t.Error("alive after expire-tokens")
	}
	if send("POST", "/__control/reset-counts", ""); s.Counts().Query != 0 {
		t.Errorf("counts after a reset = %+v", s.Counts())
	}
	for name, bad := range map[string][2]string{
		"a switch that is not there": {"/__control/switches", `{"rotatoin":false}`},
		"a kind that is not there":   {"/__control/faults", `[{"kind":"all","status":500}]`},
		"a status that is no error":  {"/__control/faults", `[{"status":200}]`},
		"a code without status":      {"/__control/faults", `[{"code":"X"}]`},
		"a negative delay":           {"/__control/faults", `[{"delay":"-1s"}]`},
		"nobody":                     {"/__control/tokens", `{"user":"nobody@acme.example"}`},
		"a field that is not there":  {"/__control/visibility", `{"object":"Contact","field":"Shoe","visible":false}`},
	} {
		method := "POST"
		if strings.HasSuffix(bad[0], "faults") {
			method = "PUT"
		}
		if a := send(method, bad[0], bad[1]); a.status != http.StatusBadRequest || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s: %d %s, want 400", name, a.status, a.body)
		}
	}
	r := s.request("POST", "/__control/revoke-grants", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := s.do(r); a.status != http.StatusForbidden {
		t.Errorf("from another site's page: %d, want 403", a.status)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 120})
	get := func(path string, wants ...string) {
		t.Helper()
		a := s.do(s.request("GET", path, nil))
		if a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
		for _, want := range wants {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
	}
	contact, opportunity := string(makeID("003", 8)), string(makeID("006", 1))
	get("/", "00D5g000004AbCdEAK", administrator, DefaultClientID)
	get("/contacts", "120 in all", "/contacts/"+string(makeID("003", 50)), "after="+string(makeID("003", 50)))
	get("/contacts?after="+string(makeID("003", 50)), "/contacts/"+string(makeID("003", 51)))
	get("/contacts?q="+contact, "/contacts/"+contact)
	get("/contacts/"+contact, `name="Email"`, "SystemModstamp")
	get("/opportunities", "/opportunities/"+opportunity)
	get("/opportunities/"+opportunity, "<option>Closed Won</option>", "Contact roles", "Stage history")
	get("/faults", "api-quota", "Refresh tokens rotate")

	// An edit goes the way of the API: the same checks, the same history.
	if a := s.form("/contacts/"+contact, "Email", "  new@example.com ", "HasOptedOutOfEmail", "on"); a.status != http.StatusSeeOther {
		t.Errorf("edit: %d %s", a.status, a.body)
	}
	token := s.token()
	if got := records(t, s.query(token, "SELECT Id FROM Contact WHERE Email = 'new@example.com' AND HasOptedOutOfEmail = true"), "Id"); got != contact {
		t.Errorf("edited contact = %q, want %s", got, contact)
	}
	if a := s.form("/contacts/"+contact, "Email", "<nobody>"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "invalid email address: &lt;nobody&gt;") {
		t.Errorf("edit of a wrong address: %d", a.status)
	}
	historyOf := "SELECT StageName FROM OpportunityHistory WHERE OpportunityId = '" + opportunity + "'"
	before := len(decode[struct{ Records []any }](t, s.query(token, historyOf).body).Records)
	if a := s.form("/opportunities/"+opportunity, "StageName", "Closed Won", "Amount", "1234.5"); a.status != http.StatusSeeOther {
		t.Errorf("edit: %d %s", a.status, a.body)
	}
	if got := records(t, s.query(token, historyOf+" ORDER BY Id DESC LIMIT 1"), "StageName"); got != "Closed Won" {
		t.Errorf("newest history = %q, want Closed Won", got)
	}
	if after := len(decode[struct{ Records []any }](t, s.query(token, historyOf).body).Records); after != before+1 {
		t.Errorf("history rows = %d, want %d", after, before+1)
	}
	if a := s.form("/opportunities/"+opportunity+"/roles", "contact", string(makeID("003", 9)), "role", "Buyer", "primary", "on"); a.status != http.StatusSeeOther {
		t.Errorf("add a role: %d %s", a.status, a.body)
	}
	if got := records(t, s.query(token, "SELECT ContactId FROM OpportunityContactRole WHERE IsPrimary = true AND OpportunityId = '"+opportunity+"'"), "ContactId"); got != string(makeID("003", 9)) {
		t.Errorf("primary contact = %q", got)
	}
	if a := s.form("/faults", "do", "switches", "latency", "0s", "dailyRequests", "7"); a.status != http.StatusSeeOther || s.Switches().Rotation || s.Switches().DailyRequests != 7 {
		t.Errorf("switches: %d, %+v", a.status, s.Switches())
	}
	if a := s.form("/faults", "do", "token-503"); a.status != http.StatusSeeOther || len(s.Rules()) != 1 {
		t.Errorf("a fault: %d, %d rules", a.status, len(s.Rules()))
	}
	for path, want := range map[string]int{"/contacts/nobody": 404, "/contacts/" + string(makeID("003", 999)): 404, "/nothing": 404} {
		if a := s.do(s.request("GET", path, nil)); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "contacts.csv")
	if err := os.WriteFile(file, []byte("LastName\nLee\nKatz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.csv")
	if err := os.WriteFile(broken, []byte("LastName,Id\nLee,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func(args ...string) (*Options, error) {
		fs := flag.NewFlagSet("salesforce", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		o := Flags(fs)
		return o, fs.Parse(args)
	}
	o, err := parse("-rotation=false", "-csv", file, "-session-timeout", "1m", "-redirect-uris", "https://a.example/cb,https://b.example/cb", "-speed", "1000")
	if err != nil {
		t.Fatal(err)
	}
	org := New(*o)
	if org.Switches().Rotation || org.state().Records["Contact"] != 2 || len(o.RedirectURIs) != 2 || o.SessionTimeout != time.Minute {
		t.Errorf("options = %+v", o)
	}
	if org := New(Options{}); org.state().Records["Contact"] != 1000 || !org.Switches().Rotation {
		t.Error("the zero Options are not 1,000 contacts and rotation")
	}
	for _, args := range [][]string{{"-csv", broken}, {"-csv", broken + "x"}, {"-speed", "0"}, {"-organization", "acme"}, {"-rotation=perhaps"}} {
		if _, err := parse(args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	if _, err := parse("-csv", broken); err == nil || !strings.Contains(err.Error(), "line 2, column 2 (Id)") {
		t.Errorf("broken file: %v", err)
	}
}
