package salesforce

import (
	"net/http"
	"strings"
	"testing"
)

// withPersons is an org with person accounts, and the ids of the record types for businesses and for persons.
func withPersons(t *testing.T, contacts ...Contact) (s *site, token, business, person string) {
	t.Helper()
	if contacts == nil {
		contacts = []Contact{}
	}
	s = newSite(t, Options{Contacts: contacts, PersonAccounts: true})
	token = s.token()
	s.withFields(token)
	for _, r := range decode[struct {
		Records []struct{ Id, DeveloperName string }
	}](t, s.query(token, "SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Account' AND IsActive = true").body).Records {
		if r.DeveloperName == "PersonAccount" {
			person = r.Id
		} else {
			business = r.Id
		}
	}
	return s, token, business, person
}

// accountOf makes a collection of one account.
func accountOf(record string) string {
	return `{"records":[{"attributes":{"type":"Account"},` + record + `}]}`
}

func TestPersonAccountsAreAccountsAndContacts(t *testing.T) {
	t.Parallel()
	s, token, _, person := withPersons(t)
	const path = v66 + "/composite/sobjects"
	a := s.api(token, "POST", path, accountOf(`"RecordTypeId":"`+person+`","LastName":"Lee","FirstName":"Ann","PersonEmail":"ann@example.com","Phone":"+1 415","RH_SUB_ID__pc":"sub_1","RH_POINTS__pc":3`))
	if got := outcomes(t, a); got != "done" {
		t.Fatal(a.body)
	}
	of := string(decode[[]recordResult](t, a.body)[0].ID)
	read := s.query(token, "SELECT Id, Name, Email, Phone, IsPersonAccount, AccountId, RH_SUB_ID__c, RH_POINTS__c FROM Contact WHERE IsPersonAccount = true").body
	if !strings.Contains(read, `"Name":"Ann Lee","Email":"ann@example.com","Phone":"+1 415","IsPersonAccount":true,"AccountId":"`+of+`","RH_SUB_ID__c":"sub_1","RH_POINTS__c":3`) {
		t.Errorf("the contact: %s", read)
	}
	a = s.api(token, "PATCH", path, accountOf(`"id":"`+of+`","RH_POINTS__pc":null,"RH_SUB_ID__pc":"sub_2","LastName":"Moore"`))
	if got := outcomes(t, a); got != "done" {
		t.Fatal(a.body)
	}
	read = s.query(token, "SELECT Name, PersonEmail, IsPersonAccount, PersonContact.Name, RH_SUB_ID__pc, RH_POINTS__pc FROM Account WHERE RH_SUB_ID__pc = 'sub_2'").body
	if !strings.Contains(read, `"Name":"Ann Moore","PersonEmail":"ann@example.com","IsPersonAccount":true,"PersonContact":{`) ||
		!strings.Contains(read, `"Name":"Ann Moore"},"RH_SUB_ID__pc":"sub_2","RH_POINTS__pc":null`) {
		t.Errorf("the account: %s", read)
	}
	s.api(token, "DELETE", v66+"/sobjects/Account/"+of, "")
	if got := s.state().Records; got["Account"] != 0 || got["Contact"] != 0 {
		t.Errorf("after it was deleted: %v", got)
	}
}

func TestWhatPersonAccountsRefuse(t *testing.T) {
	t.Parallel()
	s, token, business, person := withPersons(t, Contact{LastName: "Lee", Email: "ann@example.com", Person: true}, Contact{LastName: "Katz", AccountID: "0015g0000000001"})
	contacts := decode[struct {
		Records []struct{ Id, AccountId string }
	}](t, s.query(token, "SELECT Id, AccountId FROM Contact ORDER BY Id").body).Records
	lee, katz := contacts[0], contacts[1]
	const collection, upsert = v66 + "/composite/sobjects", upsertPath
	for name, tc := range map[string]struct {
		method, path, body, want string
	}{
		"a person's field of a business":      {"POST", collection, accountOf(`"Name":"Acme","PersonEmail":"x@example.com"`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"the same, by its record type":        {"POST", collection, accountOf(`"Name":"Acme","RecordTypeId":"` + business + `","LastName":"x"`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"a business as ever":                  {"POST", collection, accountOf(`"Name":"Acme"`), "done"},
		"a person by name":                    {"POST", collection, accountOf(`"Name":"Ann Lee","RecordTypeId":"` + person + `"`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"a person without one":                {"POST", collection, accountOf(`"FirstName":"Ann","RecordTypeId":"` + person + `"`), "REQUIRED_FIELD_MISSING"},
		"a person with no address":            {"POST", collection, accountOf(`"LastName":"Ann","PersonEmail":"none","RecordTypeId":"` + person + `"`), "INVALID_EMAIL_ADDRESS"},
		"a field that there is not":           {"POST", collection, accountOf(`"LastName":"Ann","RH_NO__pc":1,"RecordTypeId":"` + person + `"`), "INVALID_FIELD"},
		"the contact of a person":             {"PATCH", collection, batchOf(`"id":"` + lee.Id + `","RH_POINTS__c":1`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"another contact":                     {"PATCH", collection, batchOf(`"id":"` + katz.Id + `","RH_POINTS__c":1`), "done"},
		"a business's person":                 {"PATCH", collection, accountOf(`"id":"` + katz.AccountId + `","RH_POINTS__pc":1`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		"a person's text that is too long":    {"PATCH", collection, accountOf(`"id":"` + lee.AccountId + `","RH_SUB_ID__pc":"` + strings.Repeat("x", 70) + `"`), "STRING_TOO_LONG"},
		"a person's key that another one has": {"PATCH", collection, accountOf(`"id":"` + lee.AccountId + `","RH_SUB_ID__pc":"taken"`), "DUPLICATE_VALUE"},
		"deleting the contact of a person":    {"DELETE", collection + "?ids=" + lee.Id, "", "INSUFFICIENT_ACCESS_OR_READONLY"},
		"upserting by the account":            {"PATCH", collection + "/Account/RH_SUB_ID__pc", accountOf(`"RH_SUB_ID__pc":"x","LastName":"y"`), "NOT_FOUND"},
		"upserting the contact of a person":   {"PATCH", upsert, batchOf(`"RH_SUB_ID__c":"lee","RH_POINTS__c":1`), "INVALID_FIELD_FOR_INSERT_UPDATE"},
	} {
		t.Run(name, func(t *testing.T) {
			s.api(token, "PATCH", v66+"/sobjects/Contact/"+katz.Id, `{"RH_SUB_ID__c":"taken"}`)
			s.api(token, "PATCH", v66+"/sobjects/Account/"+lee.AccountId, `{"RH_SUB_ID__pc":"lee"}`)
			a := s.api(token, tc.method, tc.path, tc.body)
			if got := outcomes(t, a); got != tc.want {
				t.Errorf("%s, want %s; %s", got, tc.want, a.body)
			}
			if strings.Contains(tc.body, `"Account"`) && strings.Contains(a.body, "__c") {
				t.Errorf("named as contacts do: %s", a.body)
			}
		})
	}
}

func TestPersonAccountsHaveTheContactsVisibility(t *testing.T) {
	t.Parallel()
	s, token, _, _ := withPersons(t, Contact{LastName: "Lee", Person: true})
	describe := func() string { return s.api(token, "GET", v66+"/sobjects/Account/describe", "").body }
	if about := describe(); !strings.Contains(about, `"name":"RH_POINTS__pc"`) || !strings.Contains(about, `"name":"IsPersonAccount"`) {
		t.Errorf("describe: %s", about)
	}
	if err := s.SetVisible(administrator, "Contact", "RH_POINTS__c", false); err != nil {
		t.Fatal(err)
	}
	if about := describe(); strings.Contains(about, `"name":"RH_POINTS__pc"`) {
		t.Error("a field that is hidden on contacts is seen on accounts")
	}
	if a := s.query(token, "SELECT RH_POINTS__pc FROM Account"); codeOf(a) != "INVALID_FIELD" {
		t.Errorf("query: %s", a.body)
	}
	t.Run("and are not there if they are off", func(t *testing.T) {
		switches := s.Switches()
		switches.PersonAccounts = false
		s.SetSwitches(switches)
		if about := describe(); strings.Contains(about, "Person") || strings.Contains(about, "__pc") {
			t.Errorf("describe: %s", about)
		}
		for _, statement := range []string{"SELECT IsPersonAccount FROM Contact", "SELECT PersonEmail FROM Account", "SELECT IsPersonType FROM RecordType"} {
			if a := s.query(token, statement); codeOf(a) != "INVALID_FIELD" {
				t.Errorf("%s: %s", statement, a.body)
			}
		}
	})
}

func TestPersonAccountsAreMergedAndRestored(t *testing.T) {
	t.Parallel()
	s, token, _, _ := withPersons(t, Contact{LastName: "Lee", Person: true}, Contact{LastName: "Katz", Person: true}, Contact{LastName: "Plain"})
	accounts := decode[struct {
		Records []struct{ Id, PersonContactId string }
	}](t, s.query(token, "SELECT Id, PersonContactId FROM Account ORDER BY Id").body).Records
	if err := s.Merge(accounts[0].PersonContactId, accounts[1].PersonContactId); err == nil {
		t.Error("contacts of persons were merged")
	}
	if err := s.Merge(accounts[0].Id, accounts[1].Id); err != nil {
		t.Fatal(err)
	}
	image, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	other := newSite(t, Options{Contacts: []Contact{}, PersonAccounts: true})
	if err := other.Restore(image); err != nil {
		t.Fatal(err)
	}
	a := other.api(token, "GET", v66+"/queryAll?q=SELECT+Name,IsDeleted,MasterRecordId,IsPersonAccount,RH_POINTS__pc+FROM+Account+ORDER+BY+Id", "")
	want := `"Name":"Lee","IsDeleted":false,"MasterRecordId":null,"IsPersonAccount":true,"RH_POINTS__pc":null}`
	if !strings.Contains(a.body, want) || !strings.Contains(a.body, `"Name":"Katz","IsDeleted":true,"MasterRecordId":"`+accounts[0].Id+`","IsPersonAccount":true`) {
		t.Errorf("after a merge and a restart: %s", a.body)
	}
}

func TestPersonAccountsOnPages(t *testing.T) {
	t.Parallel()
	s, token, _, _ := withPersons(t, Contact{LastName: "Lee", Email: "ann@example.com", Person: true})
	account := decode[struct {
		Records []struct{ Id, PersonContactId string }
	}](t, s.query(token, "SELECT Id, PersonContactId FROM Account").body).Records[0]
	if page := s.page("/accounts"); page.status != http.StatusOK || !strings.Contains(page.body, "ann@example.com") {
		t.Errorf("the list: %d %s", page.status, page.body)
	}
	if a := s.form("/accounts/"+account.Id, "LastName", "Moore", "RH_POINTS__pc", "7"); a.status != http.StatusSeeOther {
		t.Errorf("the form: %d %s", a.status, a.body)
	}
	page := s.page("/contacts/" + account.PersonContactId)
	if !strings.Contains(page.body, "Moore") || strings.Contains(page.body, `name="LastName"`) || !strings.Contains(page.body, "/accounts/"+account.Id) {
		t.Errorf("the contact's page: %s", page.body)
	}
}

func (s *site) page(path string) answer {
	s.t.Helper()
	return s.do(s.request("GET", path, nil))
}

func TestSeveralLongTextsMakeShortPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 450})
	token := s.token()
	for _, name := range []string{"One", "Two"} {
		s.form("/setup/fields", "object", "Contact", "name", name, "label", name, "type", "LongTextArea", "length", "1000", "visible", "on")
	}
	for statement, want := range map[string]int{"SELECT Id, One__c FROM Contact": 450, "SELECT Id, One__c, Two__c FROM Contact": 200} {
		page := decode[struct {
			Records        []struct{ Id string }
			NextRecordsURL string
		}](t, s.query(token, statement).body)
		if len(page.Records) != want || (page.NextRecordsURL != "") != (want < 450) {
			t.Errorf("%s: %d rows, want %d", statement, len(page.Records), want)
		}
	}
}
