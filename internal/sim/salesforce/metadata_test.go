package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// soap makes a call of the Metadata API.
func (s *site) soap(token, operation, inner string, headers ...string) answer {
	s.t.Helper()
	return s.soapAt("/services/Soap/m/66.0", token, operation, inner, headers...)
}

func (s *site) soapAt(path, token, operation, inner string, headers ...string) answer {
	s.t.Helper()
	body := `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:met="http://soap.sforce.com/2006/04/metadata"><soapenv:Header>` +
		`<met:SessionHeader><met:sessionId>` + token + `</met:sessionId></met:SessionHeader>` + strings.Join(headers, "") + `</soapenv:Header>` +
		`<soapenv:Body><met:` + operation + `>` + inner + `</met:` + operation + `></soapenv:Body></soapenv:Envelope>`
	r := s.request("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	r.Header.Set("SOAPAction", `""`)
	return s.do(r)
}

const (
	subIDBody  = `<met:caseSensitive>true</met:caseSensitive><met:externalId>true</met:externalId><met:label>RH SUB_ID</met:label><met:length>64</met:length><met:required>false</met:required><met:type>Text</met:type><met:unique>true</met:unique>`
	pointsBody = `<met:externalId>false</met:externalId><met:label>RH POINTS</met:label><met:precision>18</met:precision><met:required>false</met:required><met:scale>0</met:scale><met:type>Number</met:type><met:unique>false</met:unique>`
	textBody   = `<met:label>Text</met:label><met:length>255</met:length><met:type>Text</met:type>`
)

// fieldXML is a component of the Metadata API.
func fieldXML(fullName, body string) string {
	return `<met:metadata xsi:type="met:CustomField"><met:fullName>` + fullName + `</met:fullName>` + body + `</met:metadata>`
}

// withFields gives the org a key and a number for contacts, which the administrator sees.
func (s *site) withFields(token string) {
	s.t.Helper()
	a := s.soap(token, "createMetadata", fieldXML("Contact.RH_SUB_ID__c", subIDBody)+fieldXML("Contact.RH_POINTS__c", pointsBody)+
		fieldXML("Contact.RH_CODE__c", textBody)+fieldXML("Contact.RH_LAST_REF__c", `<met:label>RH LAST_REF</met:label><met:type>DateTime</met:type>`))
	if strings.Count(a.body, "<success>true</success>") != 4 {
		s.t.Fatalf("fields: %d %s", a.status, a.body)
	}
	for _, field := range []string{"RH_SUB_ID__c", "RH_POINTS__c", "RH_CODE__c", "RH_LAST_REF__c"} {
		if err := s.SetVisible(administrator, "Contact", field, true); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestMetadataAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		operation, inner string
		headers          string
		want             []string // in order
	}{
		"two fields": {"createMetadata", fieldXML("Contact.A__c", subIDBody) + fieldXML("Contact.B__c", pointsBody), "",
			[]string{"<fullName>Contact.A__c</fullName><success>true</success>", "<fullName>Contact.B__c</fullName><success>true</success>"}},
		"a name that is taken, in other letters": {"createMetadata", fieldXML("Contact.tAKEN__c", pointsBody) + fieldXML("Contact.B__c", pointsBody), "",
			[]string{"There is already a field named tAKEN on Contact.", "DUPLICATE_DEVELOPER_NAME", "<success>false</success>", "<success>true</success>"}},
		"all or none": {"createMetadata", fieldXML("Contact.B__c", pointsBody) + fieldXML("Contact.Taken__c", pointsBody),
			"<met:AllOrNoneHeader><met:allOrNone>true</met:allOrNone></met:AllOrNoneHeader>",
			[]string{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "DUPLICATE_DEVELOPER_NAME"}},
		"an upsert of one and of another": {"upsertMetadata", fieldXML("Contact.Taken__c", textBody) + fieldXML("Contact.B__c", textBody), "",
			[]string{"<created>false</created>", "<created>true</created>"}},
		"another type":   {"updateMetadata", fieldXML("Contact.Taken__c", pointsBody), "", []string{"FIELD_INTEGRITY_EXCEPTION"}},
		"none to update": {"updateMetadata", fieldXML("Contact.Nothing__c", textBody), "", []string{"INVALID_CROSS_REFERENCE_KEY"}},
		"read": {"readMetadata", `<met:type>CustomField</met:type><met:fullNames>Contact.Taken__c</met:fullNames><met:fullNames>Contact.No__c</met:fullNames>`, "",
			[]string{`<records xsi:type="CustomField"><fullName>Contact.Taken__c</fullName>`, "<length>255</length>", `<records xsi:nil="true"/>`}},
		"delete": {"deleteMetadata", `<met:type>CustomField</met:type><met:fullNames>Contact.Taken__c</met:fullNames><met:fullNames>Contact.No__c</met:fullNames>`, "",
			[]string{"<success>true</success>", "INVALID_CROSS_REFERENCE_KEY"}},
		"too many":                   {"createMetadata", strings.Repeat(fieldXML("Contact.A__c", textBody), 11), "", []string{"sf:EXCEEDED_ID_LIMIT"}},
		"types that are mixed":       {"createMetadata", fieldXML("Contact.A__c", textBody) + `<met:metadata xsi:type="met:PermissionSet"/>`, "", []string{"sf:INVALID_TYPE"}},
		"an unknown type":            {"createMetadata", `<met:metadata xsi:type="met:Flow"/>`, "", []string{"sf:INVALID_TYPE"}},
		"an unknown operation":       {"dance", fieldXML("Contact.A__c", textBody), "", []string{"soapenv:Client", "No operation available"}},
		"no XML":                     {"createMetadata", "<", "", []string{"soapenv:Client"}},
		"no length":                  {"createMetadata", fieldXML("Contact.A__c", `<met:label>A</met:label><met:type>Text</met:type>`), "", []string{"&#39;length&#39;", "FIELD_INTEGRITY_EXCEPTION"}},
		"a short long text":          {"createMetadata", fieldXML("Contact.A__c", `<met:label>A</met:label><met:length>255</met:length><met:type>LongTextArea</met:type><met:visibleLines>3</met:visibleLines>`), "", []string{"Invalid length, minimum is: 256"}},
		"a required checkbox":        {"createMetadata", fieldXML("Contact.A__c", `<met:label>A</met:label><met:required>true</met:required><met:type>Checkbox</met:type>`), "", []string{"Can not specify &#39;required&#39; for a CustomField of type Checkbox"}},
		"two underscores":            {"createMetadata", fieldXML("Contact.A__B__c", textBody), "", []string{"FIELD_INTEGRITY_EXCEPTION"}},
		"an object that is not here": {"createMetadata", fieldXML("Nothing.A__c", textBody), "", []string{"INVALID_CROSS_REFERENCE_KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: 3})
			token := s.token()
			if a := s.soap(token, "createMetadata", fieldXML("Contact.Taken__c", textBody)); !strings.Contains(a.body, "<success>true") {
				t.Fatal(a.body)
			}
			a := s.soap(token, tc.operation, tc.inner, tc.headers)
			rest := a.body
			for _, want := range tc.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%d %s, want %q, in this order", a.status, a.body, tc.want)
				}
				rest = after
			}
			if fault := strings.Contains(a.body, "<soapenv:Fault>"); fault != (a.status == http.StatusInternalServerError) || !fault && a.status != http.StatusOK {
				t.Errorf("status %d of %s", a.status, a.body)
			}
			if exists := s.Org.field("Contact.B__c"); name == "all or none" && exists {
				t.Error("a field of the call that failed is there")
			}
		})
	}
}

// field reports whether an org has a custom field.
func (o *Org) field(fullName string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	_, name, _ := strings.Cut(fullName, ".")
	return o.findField(fullName) >= 0 && o.table("Contact").field(name) != nil
}

func TestMetadataAddresses(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	for _, path := range []string{"/services/Soap/m/66.0", "/services/Soap/m/59.0/", "/services/Soap/m/66.0/" + s.orgID.short()} {
		if a := s.soapAt(path, token, "readMetadata", `<met:type>CustomField</met:type><met:fullNames>Contact.No__c</met:fullNames>`); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestMetadataFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*site)
		want   string
	}{
		"an edition without it": {func(s *site) { s.turn(func(w *Switches) { w.Edition = "Professional Edition" }) }, "sf:API_DISABLED_FOR_ORG"},
		"no permission to do so": {func(s *site) {
			s.turn(func(w *Switches) { w.MissingPermissions = Names{"ModifyMetadata", "ModifyAllData"} })
		}, "sf:INSUFFICIENT_ACCESS"},
		"another one that suffices": {func(s *site) { s.turn(func(w *Switches) { w.MissingPermissions = Names{"ModifyMetadata"} }) }, "<success>true"},
		"a session that is over":    {func(s *site) { s.ExpireTokens() }, "sf:INVALID_SESSION_ID"},
		"no calls left":             {func(s *site) { s.turn(func(w *Switches) { w.DailyRequests = 0 }) }, "sf:REQUEST_LIMIT_EXCEEDED"},
		"an outage":                 {func(s *site) { s.SetRules(Rule{Kind: KindAPI, Fault: Fault{Status: 503}}) }, "sf:SERVER_UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: 3})
			token := s.token()
			tc.change(s)
			if a := s.soap(token, "createMetadata", fieldXML("Contact.A__c", textBody)); !strings.Contains(a.body, tc.want) {
				t.Errorf("%d %s, want %s", a.status, a.body, tc.want)
			}
		})
	}
}

// turn changes the org's switches.
func (s *site) turn(change func(*Switches)) {
	switches := s.Switches()
	change(&switches)
	s.SetSwitches(switches)
}

func TestNewFieldIsSeenByNobodyUntilAPermissionSetSaysSo(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	other, err := s.Org.Token("integration@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.soap(token, "createMetadata", fieldXML("Contact.RH_POINTS__c", pointsBody)); !strings.Contains(a.body, "<success>true") {
		t.Fatal(a.body)
	}
	const contact = "/services/data/v66.0/sobjects/Contact/0035g00000000Aa"
	// what a user can do with the field: nothing, read, edit
	can := func(token string) string {
		t.Helper()
		described := strings.Contains(s.api(token, "GET", "/services/data/v66.0/sobjects/Contact/describe", "").body, "RH_POINTS__c")
		queried := s.query(token, "SELECT RH_POINTS__c FROM Contact WHERE RH_POINTS__c = null")
		written := s.api(token, "PATCH", contact, `{"RH_POINTS__c":40}`)
		switch {
		case !described && codeOf(queried) == "INVALID_FIELD" && codeOf(written) == "INVALID_FIELD":
			return "nothing"
		case described && queried.status == 200 && codeOf(written) == "INVALID_FIELD_FOR_INSERT_UPDATE":
			return "read"
		case described && queried.status == 200 && written.status == http.StatusNoContent:
			return "edit"
		}
		return fmt.Sprintf("described %t, queried %s, written %s", described, queried.body, written.body)
	}
	if got := can(token) + can(other); got != "nothingnothing" {
		t.Fatalf("before: %s", got)
	}
	tooling := s.api(token, "GET", "/services/data/v66.0/tooling/query?q=SELECT+Id,FullName,Metadata+FROM+CustomField+WHERE+TableEnumOrId='Contact'+AND+NamespacePrefix=null+AND+DeveloperName+IN+('RH_POINTS')", "")
	if !strings.Contains(tooling.body, `"url":"/services/data/v66.0/tooling/sobjects/CustomField/00N`) || !strings.Contains(tooling.body, `"FullName":"Contact.RH_POINTS__c","Metadata":{"externalId":false,"label":"RH POINTS"`) {
		t.Errorf("the Tooling API: %s", tooling.body)
	}
	if a := s.query(token, "SELECT Id FROM CustomField"); codeOf(a) != "INVALID_TYPE" {
		t.Errorf("the data API knows CustomField: %s", a.body)
	}

	s.turn(func(w *Switches) { w.MissingPermissions = Names{"ViewSetup", "ManageProfilesPermissionsets"} })
	if a := s.query(token, "SELECT Id FROM FieldPermissions"); codeOf(a) != "INVALID_TYPE" {
		t.Errorf("permissions, read by one who may not view Setup: %s", a.body)
	}
	if a := s.api(token, "POST", "/services/data/v66.0/sobjects/PermissionSet", `{"Name":"A","Label":"A"}`); codeOf(a) != "INSUFFICIENT_ACCESS_OR_READONLY" {
		t.Errorf("a permission set, made by one who may not: %s", a.body)
	}
	s.turn(func(w *Switches) { w.MissingPermissions = nil })

	// By the data API: a permission set to read, for one user.
	create := func(object, body string) string {
		t.Helper()
		a := s.api(token, "POST", "/services/data/v66.0/sobjects/"+object, body)
		if a.status != http.StatusCreated {
			t.Fatalf("%s: %s", object, a.body)
		}
		return decode[struct{ ID string }](t, a.body).ID
	}
	set := create("PermissionSet", `{"Name":"RH_Reader","Label":"Reader"}`)
	permission := create("FieldPermissions", `{"ParentId":"`+set+`","SobjectType":"Contact","Field":"Contact.RH_POINTS__c","PermissionsRead":true,"PermissionsEdit":false}`)
	if got := can(other); got != "nothing" {
		t.Errorf("not assigned, and %s", got)
	}
	user := decode[struct{ Records []struct{ ID string } }](t, s.query(token, "SELECT Id FROM User WHERE Username = 'integration@acme.example'").body).Records[0].ID
	assignment := create("PermissionSetAssignment", `{"AssigneeId":"`+user+`","PermissionSetId":"`+set+`"}`)
	if got := can(other) + can(token); got != "readnothing" {
		t.Errorf("assigned to one: %s", got)
	}
	again := s.api(token, "POST", "/services/data/v66.0/sobjects/PermissionSetAssignment", `{"AssigneeId":"`+user+`","PermissionSetId":"`+set+`"}`)
	if codeOf(again) != "DUPLICATE_VALUE" || !strings.Contains(again.body, "Duplicate PermissionSetAssignment") {
		t.Errorf("assigned twice: %s", again.body)
	}
	if a := s.api(token, "PATCH", "/services/data/v66.0/sobjects/FieldPermissions/"+permission, `{"PermissionsEdit":true}`); a.status != http.StatusNoContent {
		t.Errorf("to edit: %s", a.body)
	}
	if got := can(other); got != "edit" {
		t.Errorf("with the right to edit: %s", got)
	}
	if a := s.query(other, "SELECT RH_POINTS__c FROM Contact WHERE RH_POINTS__c = 40"); !strings.Contains(a.body, `"RH_POINTS__c":40.0`) {
		t.Errorf("the value: %s", a.body)
	}

	// A snapshot keeps field, value, permission and assignment.
	s.clock.forward(time.Hour)
	kept, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if a := s.api(token, "DELETE", "/services/data/v66.0/sobjects/PermissionSetAssignment/"+assignment, ""); a.status != http.StatusNoContent {
		t.Errorf("to end the assignment: %s", a.body)
	}
	if got := can(other); got != "nothing" {
		t.Errorf("without the assignment: %s", got)
	}
	if a := s.soap(token, "deleteMetadata", `<met:type>CustomField</met:type><met:fullNames>contact.rh_points__C</met:fullNames>`); !strings.Contains(a.body, "<success>true") {
		t.Errorf("delete: %s", a.body)
	}
	if err := s.Restore(kept); err != nil {
		t.Fatal(err)
	}
	if a := s.query(other, "SELECT RH_POINTS__c FROM Contact WHERE RH_POINTS__c = 40"); !strings.Contains(a.body, `"RH_POINTS__c":40.0`) {
		t.Errorf("the value after Restore: %s", a.body)
	}
	if a := s.api(token, "DELETE", "/services/data/v66.0/sobjects/PermissionSetAssignment/"+assignment, ""); a.status != http.StatusNoContent {
		t.Errorf("to end the assignment once more: %s", a.body)
	}
	if a := s.api(token, "DELETE", "/services/data/v66.0/sobjects/PermissionSet/"+set, ""); a.status != http.StatusNoContent {
		t.Errorf("to delete the permission set: %s", a.body)
	}
	if got := can(other); got != "nothing" {
		t.Errorf("without the permission set: %s", got)
	}
}

func TestPermissionSetByMetadata(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.soap(token, "createMetadata", fieldXML("Contact.A__c", textBody)+fieldXML("Contact.B__c", textBody))
	set := func(fields ...string) answer {
		t.Helper()
		inner := `<met:metadata xsi:type="met:PermissionSet"><met:fullName>RH_Integration</met:fullName>`
		for _, f := range fields {
			inner += `<met:fieldPermissions><met:editable>true</met:editable><met:field>` + f + `</met:field><met:readable>true</met:readable></met:fieldPermissions>`
		}
		return s.soap(token, "upsertMetadata", inner+`<met:label>Integration</met:label><met:objectPermissions><met:allowCreate>true</met:allowCreate><met:allowEdit>true</met:allowEdit>`+
			`<met:allowRead>true</met:allowRead><met:object>Contact</met:object></met:objectPermissions></met:metadata>`)
	}
	if a := set("Contact.A__c", "Contact.No__c"); !strings.Contains(a.body, "no CustomField named Contact.No__c found") {
		t.Errorf("a field that is not there: %s", a.body)
	}
	if a := set("Contact.LastName"); !strings.Contains(a.body, "You cannot deploy to a required field") {
		t.Errorf("a field that cannot be hidden: %s", a.body)
	}
	if a := s.query(token, "SELECT Id FROM PermissionSet"); !strings.Contains(a.body, `"totalSize":0`) {
		t.Errorf("a refused permission set is there: %s", a.body)
	}
	if a := set("Contact.A__c", "Contact.B__c"); !strings.Contains(a.body, "<created>true</created>") {
		t.Errorf("created: %s", a.body)
	}
	if a := set("Contact.B__c"); !strings.Contains(a.body, "<created>false</created>") { // which takes A away
		t.Errorf("updated: %s", a.body)
	}
	a := s.query(token, "SELECT Field, PermissionsEdit, Parent.Name FROM FieldPermissions WHERE ParentId IN ('"+
		decode[struct{ Records []struct{ ID string } }](t, s.query(token, "SELECT Id FROM PermissionSet WHERE Name = 'RH_Integration' AND NamespacePrefix = null").body).Records[0].ID+"')")
	if !strings.Contains(a.body, `"totalSize":1`) || !strings.Contains(a.body, `"Field":"Contact.B__c"`) {
		t.Errorf("the content is not replaced: %s", a.body)
	}
	if a := s.soap(token, "readMetadata", `<met:type>PermissionSet</met:type><met:fullNames>RH_Integration</met:fullNames>`); !strings.Contains(a.body,
		"<fieldPermissions><editable>true</editable><field>Contact.B__c</field><readable>true</readable></fieldPermissions><label>Integration</label>") {
		t.Errorf("read back: %s", a.body)
	}
}

func TestToolingCustomField(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	const path = "/services/data/v66.0/tooling/sobjects/CustomField"
	body := func(change map[string]any) string {
		metadata := map[string]any{"label": "Code", "type": "Text", "length": 20, "required": false}
		for name, v := range change {
			metadata[name] = v
		}
		b, _ := json.Marshal(map[string]any{"FullName": "Contact.Code__c", "Metadata": metadata}) // of plain values
		return string(b)
	}
	a := s.api(token, "POST", path, body(nil))
	if a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	created := decode[struct{ ID string }](t, a.body).ID
	if !strings.HasPrefix(created, "00N") || len(created) != 18 {
		t.Errorf("id %q", created)
	}
	if a := s.api(token, "POST", path, body(nil)); codeOf(a) != "DUPLICATE_DEVELOPER_NAME" {
		t.Errorf("twice: %s", a.body)
	}
	if err := s.SetVisible(administrator, "Contact", "Code__c", true); err != nil {
		t.Fatal(err)
	}
	const contact = "/services/data/v66.0/sobjects/Contact/0035g00000000Aa"
	long := `{"Code__c":"` + strings.Repeat("é", 21) + `"}`
	if a := s.api(token, "PATCH", contact, long); codeOf(a) != "STRING_TOO_LONG" {
		t.Errorf("21 characters: %s", a.body)
	}
	if a := s.api(token, "PATCH", path+"/"+created, body(map[string]any{"length": 21})); a.status != http.StatusNoContent {
		t.Errorf("longer: %s", a.body)
	}
	if a := s.api(token, "PATCH", contact, long); a.status != http.StatusNoContent {
		t.Errorf("21 characters, when there is room: %s", a.body)
	}
	if a := s.api(token, "GET", path+"/"+created, ""); !strings.Contains(a.body, `"length":21`) {
		t.Errorf("read: %s", a.body)
	}
	if a := s.api(token, "DELETE", path+"/"+created, ""); a.status != http.StatusNoContent {
		t.Errorf("delete: %s", a.body)
	}
	if a := s.api(token, "PATCH", contact, long); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("after the field was deleted: %s", a.body)
	}
	kept, err := s.Snapshot()
	if err == nil {
		err = s.Restore(kept)
	}
	if err != nil {
		t.Errorf("a snapshot after a field was deleted: %v", err)
	}
	if a := s.query(token, "SELECT Email FROM Contact WHERE LastName = 'Lee'"); !strings.Contains(a.body, "ann@example.com") {
		t.Errorf("afterwards: %s", a.body)
	}
}
