package provision_test

import (
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/provision"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// may says what the permission set of the connected user allows with an object.
func (w *world) may(object string) string {
	w.t.Helper()
	set := string(w.ask("SELECT Id FROM PermissionSet WHERE Name = 'RH_Integration'")[0])
	var rights []string
	for _, o := range w.rows("query", "SELECT PermissionsRead, PermissionsCreate, PermissionsEdit, PermissionsDelete FROM ObjectPermissions WHERE ParentId = '"+set+"' AND SobjectType = '"+object+"'") {
		for _, name := range []string{"Read", "Create", "Edit", "Delete"} {
			if o["Permissions"+name] == true {
				rights = append(rights, strings.ToLower(name))
			}
		}
	}
	return strings.Join(rights, ", ")
}

// TestPersonAccountsAreWrittenByTheirAccounts sets up orgs with and without person accounts: the connected user may do with
// accounts what is needed, and no more.
func TestPersonAccountsAreWrittenByTheirAccounts(t *testing.T) {
	t.Parallel()
	contacts, persons, leads := choices(provision.Contact), choices(provision.Contact), choices(provision.Lead)
	persons.Persons = true
	for name, tc := range map[string]struct {
		persons  bool // the org has person accounts
		hidden   bool // contacts are, from the connected user
		choices  []provision.Choices
		accounts string
		plan     bool
	}{
		"contacts, where there are no person accounts":   {choices: []provision.Choices{contacts}, accounts: "read"},
		"contacts, some of which are of person accounts": {persons: true, choices: []provision.Choices{contacts}, accounts: "read, edit", plan: true},
		"leads, which may become person accounts":        {persons: true, choices: []provision.Choices{leads}, accounts: "read, edit", plan: true},
		"person accounts":                                      {persons: true, choices: []provision.Choices{persons}, accounts: "read, create, edit", plan: true},
		"person accounts, after contacts":                      {persons: true, choices: []provision.Choices{contacts, persons}, accounts: "read, create, edit", plan: true},
		"contacts of one campaign, person accounts of another": {persons: true, choices: []provision.Choices{persons, leads}, accounts: "read, create, edit", plan: true},
		"person accounts, while the contacts are hidden":       {persons: true, hidden: true, choices: []provision.Choices{persons}, accounts: "read, create, edit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.turn(func(s *simorg.Switches) {
				s.PersonAccounts = tc.persons
				if tc.hidden {
					s.HiddenObjects = simorg.Names{"Contact"}
				}
			})
			for _, c := range tc.choices {
				w.begin(c)
			}
			if got := w.may("Account"); got != tc.accounts {
				t.Errorf("accounts: %s; want %s", got, tc.accounts)
			}
			if got := w.may("Contact"); got != "read, create, edit" { // without which no person account can be made either
				t.Errorf("contacts: %s", got)
			}
			plan, err := w.service.Plan(t.Context(), account, connection, provision.Contact, provision.Prefixed)
			if err != nil || plan.Persons != tc.plan {
				t.Errorf("the plan speaks of person accounts: %t, %v; want %t", plan.Persons, err, tc.plan)
			}
		})
	}
}

// TestPersonAccountsAreForgottenByARemoval has everything taken away, and set up anew for contacts.
func TestPersonAccountsAreForgottenByARemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.turn(func(s *simorg.Switches) { s.PersonAccounts = true })
	c := choices(provision.Contact)
	c.Persons = true
	w.begin(c)
	if err := w.service.Remove(t.Context(), account, connection, false); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.begin(choices(provision.Contact))
	if got := w.may("Account"); got != "read, edit" {
		t.Errorf("accounts: %s", got)
	}
}
