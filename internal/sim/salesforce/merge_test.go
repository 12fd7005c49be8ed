package salesforce

import (
	"net/http"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	const bo = "0035g00000000aAAAQ"
	opportunity := decode[struct{ ID string }](t, s.api(token, "POST", v66+"/sobjects/Opportunity",
		`{"Name":"Deal","StageName":"Prospecting","CloseDate":"2026-12-01","ContactId":"`+bo+`"}`).body).ID
	if a := s.form("/contacts/"+ann+"/merge", "loser", bo); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	deleted := s.api(token, "GET", v66+"/queryAll?q=SELECT+IsDeleted,MasterRecordId+FROM+Contact+WHERE+Id='"+bo+"'", "")
	if !strings.Contains(deleted.body, `"IsDeleted":true,"MasterRecordId":"`+ann+`"`) {
		t.Errorf("the loser: %s", deleted.body)
	}
	if a := s.api(token, "PATCH", v66+"/sobjects/Contact/"+bo, `{"Title":"T"}`); codeOf(a) != "ENTITY_IS_DELETED" {
		t.Errorf("a write to the loser: %s", a.body)
	}
	if a := s.query(token, "SELECT ContactId FROM Opportunity WHERE Id = '"+opportunity+"'"); !strings.Contains(a.body, ann) {
		t.Errorf("what hung on the loser: %s", a.body)
	}
	for title, body := range map[string]string{"itself": `{"winner":"` + ann + `","loser":"` + ann + `"}`, "a deleted one": `{"winner":"` + ann + `","loser":"` + bo + `"}`,
		"nobody": `{"winner":"` + ann + `","loser":"0035g0000000zzz"}`} {
		if a := s.api("", "POST", "/__control/merge", body); a.status != http.StatusBadRequest {
			t.Errorf("merged with %s: %d %s", title, a.status, a.body)
		}
	}
}

func TestSetupPageOfFields(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.turn(func(w *Switches) { w.Edition = "Professional Edition" })
	add := func(name, label string, more ...string) answer {
		return s.form("/setup/fields", append([]string{"object", "Contact", "name", name, "label", label, "type", "Text", "length", "64"}, more...)...)
	}
	if a := add("RH_CODE", "RH CODE", "visible", "on", "unique", "on", "external", "on"); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := add("rh_code", "RH CODE"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "DUPLICATE_DEVELOPER_NAME") {
		t.Errorf("twice: %d %s", a.status, a.body)
	}
	if a := add("RH_HIDDEN", "RH HIDDEN"); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.api(token, "PATCH", v66+"/sobjects/Contact/RH_CODE__c/x", `{"LastName":"New"}`); a.status != http.StatusCreated {
		t.Errorf("an upsert by the new field: %s", a.body)
	}
	if a := s.api(token, "POST", v66+"/tooling/sobjects/CustomField", `{"FullName":"Contact.A__c","Metadata":{"label":"A","type":"Url"}}`); codeOf(a) != "API_DISABLED_FOR_ORG" {
		t.Errorf("by an app, in an edition that has no such thing: %s", a.body)
	}
	page := s.do(s.request("GET", "/setup", nil)).body
	if !strings.Contains(page, "Contact.RH_CODE__c") || !strings.Contains(page, administrator) || !strings.Contains(page, "nobody") {
		t.Errorf("the page: %s", page)
	}
	// A person at the page of a contact sees and edits every field.
	if a := s.form("/contacts/"+ann, "RH_HIDDEN__c", "by hand"); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if page := s.do(s.request("GET", "/contacts/"+ann, nil)).body; !strings.Contains(page, "by hand") {
		t.Error("the contact does not show the field")
	}
	if a := s.form("/setup/fields/Contact.RH_CODE__c/delete"); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.query(token, "SELECT RH_CODE__c FROM Contact"); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("deleted, and still there: %s", a.body)
	}
}
