package salesforce

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// sees lists the custom fields of contacts that a token's user sees.
func (s *site) sees(token string) []string {
	s.t.Helper()
	var list []string
	described := decode[struct {
		Fields []struct {
			Name, Type string
			Custom     bool
		}
	}](s.t, s.api(token, "GET", "/services/data/v66.0/sobjects/Contact/describe", "").body)
	for _, f := range described.Fields {
		if f.Custom {
			list = append(list, f.Name+" "+f.Type)
		}
	}
	slices.Sort(list)
	return list
}

func (s *site) withSet(token string) {
	s.t.Helper()
	a := s.soap(token, "createMetadata", fieldXML("Contact.RH_POINTS__c", pointsBody)+fieldXML("Contact.RH_CODE__c", textBody))
	a = s.soap(token, "createMetadata", `<met:metadata xsi:type="met:PermissionSet"><met:fullName>RH_Reader</met:fullName>`+
		`<met:fieldPermissions><met:editable>false</met:editable><met:field>Contact.RH_POINTS__c</met:field><met:readable>true</met:readable></met:fieldPermissions>`+
		`<met:label>Reader</met:label></met:metadata>`)
	if !strings.Contains(a.body, "<success>true") {
		s.t.Fatal(a.body)
	}
}

func TestFieldsAreEditedByHand(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withSet(token)
	form := func(path string, pairs ...string) {
		t.Helper()
		if a := s.form(path, pairs...); a.status != http.StatusSeeOther {
			t.Errorf("%s %v: %d %s", path, pairs, a.status, a.body)
		}
	}
	form("/setup/sets/RH_Reader", "user", administrator, "assigned", "on")
	form("/setup/fields/Contact.RH_POINTS__c", "name", "Points_of_us")
	if got := s.sees(token); !slices.Equal(got, []string{"Points_of_us__c double"}) {
		t.Errorf("renamed: %v", got)
	}
	form("/setup/fields/Contact.Points_of_us__c", "type", "Text", "length", "20")
	form("/setup/fields/Contact.RH_CODE__c/visibility", "user", administrator, "visible", "on")
	if got := s.sees(token); !slices.Equal(got, []string{"Points_of_us__c string", "RH_CODE__c string"}) {
		t.Errorf("another type, and one more that is shown: %v", got)
	}
	form("/setup/fields/Contact.RH_CODE__c/visibility", "user", administrator)
	form("/setup/sets/RH_Reader", "user", administrator)
	if got := s.sees(token); got != nil {
		t.Errorf("hidden again: %v", got)
	}
	kept, err := s.Snapshot()
	if err == nil {
		err = s.Restore(kept)
	}
	if err != nil {
		t.Errorf("a snapshot of edited fields: %v", err)
	}
	for name, path := range map[string]string{"no such field": "/setup/fields/Contact.No__c", "no such set": "/setup/sets/No"} {
		if a := s.form(path, "user", administrator, "assigned", "on", "name", "X"); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for name, err := range map[string]error{
		"a name that is taken": s.EditField("Contact.RH_CODE__c", "points_OF_us", "", 0),
		"a name that is none":  s.EditField("Contact.RH_CODE__c", "a__b", "", 0),
		"a type without size":  s.EditField("Contact.RH_CODE__c", "", "Number", 0),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestPermissionsTakeTheirTime(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withSet(token)
	s.turn(func(w *Switches) { w.AccessDelay = Duration(20 * time.Second) })
	if err := s.SetAssigned(administrator, "RH_Reader", true); err != nil {
		t.Fatal(err)
	}
	if got := s.sees(token); got != nil {
		t.Errorf("at once: %v", got)
	}
	s.clock.forward(19 * time.Second)
	if got := s.sees(token); got != nil {
		t.Errorf("a second too early: %v", got)
	}
	s.clock.forward(time.Second)
	if got := s.sees(token); len(got) != 1 {
		t.Errorf("in time: %v", got)
	}
}

func TestAssignedPermissionSetsAreNotDeleted(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	s.withSet(token)
	if err := s.SetAssigned(administrator, "RH_Reader", true); err != nil {
		t.Fatal(err)
	}
	const inner = `<met:type>PermissionSet</met:type><met:fullNames>RH_Reader</met:fullNames>`
	if a := s.soap(token, "deleteMetadata", inner); !strings.Contains(a.body, "DELETE_FAILED") {
		t.Errorf("assigned: %s", a.body)
	}
	if err := s.SetAssigned(administrator, "RH_Reader", false); err != nil {
		t.Fatal(err)
	}
	if a := s.soap(token, "deleteMetadata", inner); !strings.Contains(a.body, "<success>true") {
		t.Errorf("not assigned any more: %s", a.body)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	s := five(t)
	token := s.token()
	for statement, want := range map[string]string{
		"SELECT ProfileId, Profile.Name, COUNT(Id) people FROM User WHERE IsActive = true AND UserType = 'Standard' GROUP BY ProfileId, Profile.Name ORDER BY Profile.Name LIMIT 2 OFFSET 1": `"Name":"Sales User","ProfileId":"00e`,
		"SELECT COUNT(Id) FROM Contact":                                                    `"expr0":5`,
		"SELECT COUNT(Email) mails, COUNT(Id) FROM Contact":                                `"expr1":5,"mails":4`,
		"SELECT Email FROM Contact WHERE LastName = 'Nobody' GROUP BY Email":               `"totalSize":0`,
		"SELECT AccountId, COUNT(Id) n FROM Contact GROUP BY AccountId ORDER BY AccountId": `{"AccountId":null,"attributes":{"type":"AggregateResult"},"n":2}`,
	} {
		if a := s.query(token, statement); a.status != http.StatusOK || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", statement, a.status, a.body, want)
		}
	}
}
