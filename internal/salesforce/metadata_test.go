package salesforce_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// fourteen are the fields as they are made.
func fourteen() []provision.NewField {
	var list []provision.NewField
	for _, f := range bridge.Fields {
		list = append(list, provision.NewField{
			Name: "RH_" + f.Name + "__c", Label: "RH " + f.Name, Description: "<" + provision.Mark + " & others>", Help: f.Text, Of: f,
		})
	}
	return list
}

func ofNames(list []provision.NewField) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

// failing returns the errors that are not nil, by index.
func failing(list []error) map[int]bridge.Kind {
	found := map[int]bridge.Kind{}
	for i, err := range list {
		if err != nil {
			found[i] = bridge.KindOf(err)
		}
	}
	return found
}

func TestFieldsAreMade(t *testing.T) {
	t.Parallel()
	c, org, _ := newClient(t, simulated.Options{Generated: 1})
	ctx, made := t.Context(), fourteen()
	before := c.Calls()
	results, err := c.CreateFields(ctx, "Contact", made)
	if err != nil || len(results) != 14 || len(failing(results)) != 0 || c.Calls()-before != 2 {
		t.Fatalf("made in %d calls: %v, %v", c.Calls()-before, results, err)
	}
	defined, err := c.Definitions(ctx, "Contact", append(ofNames(made), "RH_NOTHING__c"))
	if err != nil || len(defined) != 14 {
		t.Fatalf("%d definitions, %v", len(defined), err)
	}
	for i, d := range defined {
		f := bridge.Fields[i]
		want := provision.Shape{Name: "RH_" + f.Name + "__c", Type: f.Type, Word: string(f.Type), Key: f.Key}
		switch f.Type {
		case bridge.TextField:
			want.Length = f.Length
		case bridge.NumberField:
			want.Digits = bridge.Digits
		}
		if d.Shape != want || d.Description != "<"+provision.Mark+" & others>" {
			t.Errorf("defined as %+v, want %+v", d, want)
		}
	}
	// Nobody sees them, and Setup knows them, by any name or by their ids.
	layout := bridge.Layout{Object: "Contact"}
	for i, f := range made {
		layout.Names[i] = f.Name
	}
	if l, err := c.Look(ctx, layout); err != nil || l.Visible != 0 {
		t.Errorf("seen by nobody: %v, %v", l.Visible.Names(), err)
	}
	found, err := c.CustomFields(ctx, "Contact", []string{"rh_code__c", "RH_POINTS__c", "Nothing__c"}, nil)
	if err != nil || len(found) != 2 {
		t.Fatalf("by name: %v, %v", found, err)
	}
	byID, err := c.CustomFields(ctx, "Contact", []string{"RH_SOURCE__c"}, []bridge.SalesforceID{found[0].ID, id(t, "00N5g00000000zz")})
	if err != nil || len(byID) != 2 || !slices.Contains(byID, found[0]) {
		t.Errorf("by id and name: %v, %v", byID, err)
	}
	if names, err := c.Existing(ctx, "Contact", []string{"RH_CODE__c", "RH_NOTHING__c"}); err != nil || !slices.Equal(names, []string{"RH_CODE__c"}) {
		t.Errorf("existing: %v, %v", names, err)
	}
	if other, err := c.CustomFields(ctx, "Lead", []string{"RH_CODE__c"}, nil); err != nil || other != nil {
		t.Errorf("of leads: %v, %v", other, err)
	}
	// A second time, they are there.
	again := append([]provision.NewField{{Name: "rh_CODE__c", Label: "x", Of: bridge.Fields[bridge.Code]}}, made[10:]...)
	again = append(again, provision.NewField{Name: "RH_NEW__c", Label: "New", Of: bridge.Fields[bridge.Code]})
	results, err = c.CreateFields(ctx, "Contact", again)
	want := map[int]bridge.Kind{0: bridge.Conflict, 1: bridge.Conflict, 2: bridge.Conflict, 3: bridge.Conflict, 4: bridge.Conflict}
	if diff := cmp.Diff(failing(results), want); err != nil || diff != "" {
		t.Errorf("%v, made again (-got +want):\n%s", err, diff)
	}
	if code := bridge.CodeOf(results[0]); code != "DUPLICATE_DEVELOPER_NAME" {
		t.Errorf("code %s", code)
	}
	if words, _ := bridge.MessageOf(results[0]); !strings.Contains(words, "There is already a field named") || strings.Contains(results[0].Error(), "already") {
		t.Errorf("words %q of %q", words, results[0])
	}
	// They are deleted, twice.
	if results, err := c.DeleteFields(ctx, "Contact", ofNames(made)); err != nil || len(failing(results)) != 0 {
		t.Errorf("deleted: %v, %v", results, err)
	}
	if results, err := c.DeleteFields(ctx, "Contact", ofNames(made)[:2]); err != nil || len(failing(results)) != 2 || bridge.KindOf(results[1]) != bridge.NotFound {
		t.Errorf("deleted twice: %v, %v", results, err)
	}
	if none, err := c.CreateFields(ctx, "Contact", nil); err != nil || none != nil {
		t.Errorf("nothing made: %v, %v", none, err)
	}
	_ = org
}

func TestPermissionSets(t *testing.T) {
	t.Parallel()
	c, org, _ := newClient(t, simulated.Options{Generated: 1})
	ctx := t.Context()
	if _, err := c.CreateFields(ctx, "Contact", fourteen()); err != nil {
		t.Fatal(err)
	}
	want := []provision.PermissionSet{
		{Name: "RH_Integration", Label: "Integration", Description: "Ours & theirs",
			Fields:  []provision.FieldAccess{{Field: "Contact.RH_CODE__c", Edit: true}, {Field: "Contact.RH_POINTS__c"}},
			Objects: []provision.ObjectAccess{{Object: "Account"}, {Object: "Contact", Create: true, Edit: true}}},
		{Name: "RH_Reader", Label: "Reader"},
	}
	if results, err := c.SavePermissionSets(ctx, want); err != nil || len(failing(results)) != 0 {
		t.Fatalf("saved: %v, %v", results, err)
	}
	got, err := c.ReadPermissionSets(ctx, []string{"RH_Integration", "RH_Nothing", "RH_Reader"})
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, read back (-got +want):\n%s", err, diff)
	}
	sets, err := c.PermissionSets(ctx, []string{"RH_Integration", "RH_Reader", "It's none"})
	if err != nil || len(sets) != 2 || sets[0].Description != "Ours & theirs" {
		t.Fatalf("found: %v, %v", sets, err)
	}
	// A field that is not there is refused for that set alone.
	bad := []provision.PermissionSet{{Name: "RH_Bad", Label: "Bad", Fields: []provision.FieldAccess{{Field: "Contact.No__c"}}}, want[1]}
	if results, err := c.SavePermissionSets(ctx, bad); err != nil || cmp.Diff(failing(results), map[int]bridge.Kind{0: bridge.NotFound}) != "" {
		t.Errorf("a field that is not there: %v, %v", results, err)
	}

	users, more, err := c.Users(ctx, "")
	if err != nil || more || len(users) != 4 {
		t.Fatalf("users: %v, %t, %v", users, more, err)
	}
	var list []provision.Assignment
	for _, u := range users {
		list = append(list, provision.Assignment{Set: sets[0].ID, User: u.ID})
	}
	list = append(list, provision.Assignment{Set: sets[0].ID, User: id(t, "0055g00000zzzzz")})
	for range 2 { // a second time, they have it
		if results, err := c.Assign(ctx, list); err != nil || len(results) != 5 || len(failing(results)) != 1 || results[4] == nil {
			t.Errorf("assigned: %v, %v", results, err)
		}
	}
	if l, err := c.Look(ctx, bridge.Layout{Object: "Contact", Names: [bridge.FieldCount]string{bridge.Code: "rh_code__c", bridge.Points: "RH_POINTS__c", bridge.Source: "RH_SOURCE__c"}}); err != nil ||
		l.Visible != bridge.FieldSet(0).With(bridge.Code) || l.Lengths[bridge.Code] != 64 {
		t.Errorf("edited by us: %v, %v, %v", l.Visible.Names(), l.Lengths, err)
	}
	have, err := c.Assignments(ctx, sets[0].ID, "")
	if err != nil || len(have) != 4 {
		t.Errorf("assignments: %v, %v", have, err)
	}
	if one, err := c.Assignments(ctx, sets[0].ID, users[1].ID); err != nil || len(one) != 1 || one[0].User != users[1].ID {
		t.Errorf("of one: %v, %v", one, err)
	}
	for set, want := range map[string]bool{"RH_Integration": true, "RH_Inte": true, "RH_Reader": false} {
		if holds, err := c.Holds(ctx, users[1].ID, set); err != nil || holds != want {
			t.Errorf("holds %s: %t, %v", set, holds, err)
		}
	}
	if results, err := c.DeletePermissionSets(ctx, []string{"RH_Integration"}); err != nil || len(failing(results)) != 1 {
		t.Errorf("deleted while assigned: %v, %v", results, err)
	}
	for range 2 {
		if results, err := c.Unassign(ctx, have); err != nil || len(failing(results)) != 0 {
			t.Errorf("taken away: %v, %v", results, err)
		}
	}
	if results, err := c.DeletePermissionSets(ctx, []string{"RH_Integration", "RH_Reader"}); err != nil || len(failing(results)) != 0 {
		t.Errorf("deleted: %v, %v", results, err)
	}
	_ = org
}

// TestMetadataRenewsOnce lets the session end before a call: the token is inside of what is sent.
func TestMetadataRenewsOnce(t *testing.T) {
	t.Parallel()
	c, org, tokens := newClient(t, simulated.Options{Generated: 1})
	if _, err := c.Definitions(t.Context(), "Contact", []string{"A__c"}); err != nil {
		t.Fatal(err)
	}
	org.ExpireTokens()
	results, err := c.CreateFields(t.Context(), "Contact", fourteen())
	if err != nil || len(failing(results)) != 0 || tokens.renewed.Load() != 2 {
		t.Errorf("%v, %v, %d renewals", results, err, tokens.renewed.Load())
	}
	org.SetRules(simulated.Rule{Kind: simulated.KindMetadata, Fault: simulated.Fault{Status: 500, Code: "INVALID_SESSION_ID", Message: "Illegal Session"}})
	if _, err := c.Definitions(t.Context(), "Contact", []string{"A__c"}); bridge.KindOf(err) != bridge.Revoked || tokens.renewed.Load() != 3 {
		t.Errorf("a session that is refused for ever: %v, %d renewals", err, tokens.renewed.Load())
	}
}

func TestMetadataRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault       simulated.Fault
		read, write bridge.Kind
		code        string
	}{
		"the Metadata API is not for us": {simulated.Fault{Status: 500, Code: "INSUFFICIENT_ACCESS", Message: "use of the Metadata API requires..."}, bridge.Denied, bridge.Denied, "INSUFFICIENT_ACCESS"},
		"the edition has none":           {simulated.Fault{Status: 500, Code: "API_DISABLED_FOR_ORG", Message: "no"}, bridge.Denied, bridge.Denied, "API_DISABLED_FOR_ORG"},
		"no calls are left":              {simulated.Fault{Status: 500, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, bridge.Throttled, bridge.Throttled, "REQUEST_LIMIT_EXCEEDED"},
		"busy":                           {simulated.Fault{Status: 500, Code: "SERVER_UNAVAILABLE", Message: "busy"}, bridge.Unavailable, bridge.Unavailable, "SERVER_UNAVAILABLE"},
		"a version that is gone":         {simulated.Fault{Status: 500, Code: "UNSUPPORTED_API_VERSION", Message: "gone"}, bridge.Internal, bridge.Internal, "UNSUPPORTED_API_VERSION"},
		"we send nonsense":               {simulated.Fault{Status: 500, Code: "soapenv:Client", Message: "what?"}, bridge.Internal, bridge.Internal, "Client"},
		"down for maintenance":           {simulated.Fault{Status: 503, HTML: true}, bridge.Unavailable, bridge.Unavailable, ""},
		"an outage in the middle":        {simulated.Fault{Status: 502, HTML: true}, bridge.Unavailable, bridge.UnknownOutcome, ""},
		"no answer":                      {simulated.Fault{Drop: true}, bridge.Unavailable, bridge.UnknownOutcome, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, org, _ := newClient(t, simulated.Options{Generated: 1})
			org.SetRules(simulated.Rule{Kind: simulated.KindMetadata, Fault: tc.fault})
			_, err := c.Definitions(t.Context(), "Contact", []string{"A__c"})
			if bridge.KindOf(err) != tc.read || bridge.CodeOf(err) != tc.code || err != nil && tc.fault.Message != "" && strings.Contains(err.Error(), tc.fault.Message) {
				t.Errorf("read: %v, want %s %s", err, tc.read, tc.code)
			}
			if _, err = c.CreateFields(t.Context(), "Contact", fourteen()); bridge.KindOf(err) != tc.write {
				t.Errorf("write: %v, want %s", err, tc.write)
			}
		})
	}
}

// TestOddAnswers answers calls of the Metadata API with what is no answer to them.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	envelope := func(body string) string {
		return `<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` + body + `</e:Body></e:Envelope>`
	}
	fine := `<createMetadataResponse><result><fullName>Contact.A__c</fullName><success>true</success></result></createMetadataResponse>`
	for name, tc := range map[string]struct {
		status int
		body   string
		want   bridge.Kind // "" for none
	}{
		"fine":                    {200, envelope(fine), ""},
		"with other prefixes":     {200, strings.ReplaceAll(strings.ReplaceAll(envelope(fine), "e:", "S:"), ":e", ":S"), ""},
		"a result too few":        {200, envelope(`<createMetadataResponse/>`), bridge.UnknownOutcome},
		"a result too many":       {200, envelope(strings.Replace(fine, "<result>", "<result></result><result>", 1)), bridge.UnknownOutcome},
		"no XML":                  {200, "hello", bridge.UnknownOutcome},
		"half of it":              {200, envelope(fine)[:200], bridge.UnknownOutcome},
		"something after it":      {200, envelope(fine) + "<more/>", bridge.UnknownOutcome},
		"a document type":         {200, `<!DOCTYPE x [<!ENTITY a "b">]>` + envelope(fine), bridge.UnknownOutcome},
		"an entity":               {200, envelope(`<createMetadataResponse><result><fullName>&a;</fullName><success>true</success></result></createMetadataResponse>`), bridge.UnknownOutcome},
		"nested too deep":         {200, envelope(strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40)), bridge.UnknownOutcome},
		"too large":               {200, envelope(fine + "<!--" + strings.Repeat("x", 5<<20) + "-->"), bridge.UnknownOutcome},
		"another space":           {200, strings.Replace(envelope(fine), "schemas.xmlsoap", "schemas.example", 1), bridge.UnknownOutcome},
		"moved":                   {302, "", bridge.Unavailable},
		"a fault without a code":  {500, envelope(`<e:Fault><faultstring>hm</faultstring></e:Fault>`), bridge.Invalid},
		"a refusal without words": {200, envelope(`<createMetadataResponse><result><success>false</success></result></createMetadataResponse>`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			t.Cleanup(server.Close)
			hosts := salesforce.Hosts{Simulator: server.URL}
			c := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: fixed{server.URL}}
			results, err := c.CreateFields(t.Context(), "Contact", fourteen()[:1])
			if bridge.KindOf(err) != tc.want {
				t.Errorf("%v, %v, want %s", results, err, tc.want)
			}
			if name == "a refusal without words" && (len(results) != 1 || bridge.KindOf(results[0]) != bridge.Unavailable) {
				t.Errorf("results: %v", results)
			}
		})
	}
}

func TestPeopleAreSearched(t *testing.T) {
	t.Parallel()
	var asked string
	people := 3
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("q")
		var records []string
		for i := range people {
			records = append(records, fmt.Sprintf(`{"Id":"0055g000001JkLmAAK","Name":"N %d","Username":"u","Profile":null}`, i))
		}
		_, _ = io.WriteString(w, `{"done":true,"records":[`+strings.Join(records, ",")+`]}`)
	}))
	t.Cleanup(server.Close)
	hosts := salesforce.Hosts{Simulator: server.URL}
	c := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: fixed{server.URL}}
	for search, want := range map[string]string{
		"":             "UserType = 'Standard' ORDER BY",
		" ann ":        `(Name LIKE '%ann%' OR Username LIKE '%ann%')`,
		"O'Neil":       `Name LIKE '%O\'Neil%'`,
		"it'":          `Name LIKE '%it\'%'`,
		"50%_off":      `Name LIKE '%50\%\_off%'`,
		`back\slash`:   `Name LIKE '%back\\slash%'`,
		"x' OR Id > '": `Name LIKE '%x\' OR Id > \'%'`,
	} {
		if _, more, err := c.Users(t.Context(), search); err != nil || more || !strings.Contains(asked, want) {
			t.Errorf("%q asks %s, want %s in it; %v", search, asked, want, err)
		}
	}
	people = 201
	if found, more, err := c.Users(t.Context(), ""); err != nil || !more || len(found) != 200 {
		t.Errorf("%d people, more: %t, %v", len(found), more, err)
	}
	if none, err := c.UsersOf(t.Context(), provision.Readers{}); err != nil || none != nil {
		t.Errorf("of nobody: %v, %v", none, err)
	}
	if _, err := c.UsersOf(t.Context(), provision.Readers{Users: []bridge.SalesforceID{"005a"}, Profiles: []bridge.SalesforceID{"00ea", "00eb"}}); err != nil ||
		!strings.HasSuffix(asked, "AND (Id IN ('005a') OR ProfileId IN ('00ea','00eb'))") {
		t.Errorf("asks %s; %v", asked, err)
	}
}

// fixed is a token for an instance.
type fixed struct{ instance string }

func (f fixed) Token(context.Context) (bridge.AccessToken, error) {
	return bridge.AccessToken{Token: bridge.NewSecret("t"), Instance: f.instance}, nil
}

func (f fixed) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return f.Token(ctx)
}
