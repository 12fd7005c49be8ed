package salesforce

import (
	"net/http"
	"strings"
	"testing"
)

func TestConvertLead(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	if a := s.soap(token, "createMetadata", fieldXML("Lead.RH_SUB_ID__c", subIDBody)); !strings.Contains(a.body, "<success>true") {
		t.Fatal(a.body)
	}
	if err := s.SetVisible(administrator, "Lead", "RH_SUB_ID__c", true); err != nil {
		t.Fatal(err)
	}
	if a := s.api(token, "POST", v66+"/sobjects/Lead", `{"LastName":"Lead"}`); codeOf(a) != "REQUIRED_FIELD_MISSING" {
		t.Errorf("without a company: %s", a.body)
	}
	a := s.api(token, "PATCH", v66+"/sobjects/Lead/RH_SUB_ID__c/sub_1", `{"FirstName":"New","LastName":"Lead","Company":"New Company","Email":"lead@example.com"}`)
	if a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	lead := decode[struct{ ID string }](t, a.body).ID
	if a := s.form("/leads/" + lead + "/convert"); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := s.query(token, "SELECT IsConverted, ConvertedContact.Email, ConvertedAccount.Name FROM Lead WHERE Email = 'lead@example.com'"); !strings.Contains(a.body, `"IsConverted":true`) ||
		!strings.Contains(a.body, `"Email":"lead@example.com"`) || !strings.Contains(a.body, `"Name":"New Company"`) {
		t.Errorf("the lead: %s", a.body)
	}
	if a := s.api(token, "PATCH", v66+"/sobjects/Lead/"+lead, `{"Title":"T"}`); codeOf(a) != "CANNOT_UPDATE_CONVERTED_LEAD" {
		t.Errorf("a write to the converted lead: %s", a.body)
	}
	if a := s.api("", "POST", "/__control/convert", `{"lead":"`+lead+`"}`); a.status != http.StatusBadRequest {
		t.Errorf("converted twice: %s", a.body)
	}
	if a := s.do(s.request("GET", "/leads/"+lead, nil)); !strings.Contains(a.body, "sub_1") || !strings.Contains(a.body, "/contacts/003") {
		t.Errorf("its page: %s", a.body)
	}
}
