package provision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

func TestFieldsAreMadeAndSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := choices(provision.Contact)
	c.Readers.Users = []bridge.SalesforceID{w.id(aiko)}
	w.begin(c)
	s := w.current()
	if s.Step != provision.Done || states(s) != "14 visible" || s.Problems != nil {
		t.Errorf("%s: %s; %v", s.Step, states(s), s.Problems)
	}
	l := w.layout(provision.Contact)
	if l.Visible != bridge.EveryField || l.Names[bridge.Code] != "RH_CODE__c" || l.Lengths[bridge.Code] != 64 || l.Lengths[bridge.ReferralLink] != 255 || l.Persons {
		t.Errorf("layout %+v", l)
	}
	if got, want := len(w.customFields()), 14; got != want {
		t.Errorf("%d custom fields, want %d", got, want)
	}
	if got := w.has("RH_Integration") + "; " + w.has("RH_Reader"); got != "integration; aiko.sales" {
		t.Errorf("assigned to %s", got)
	}
	if len(w.layouts) != 1 || w.layouts[0].Visible != bridge.EveryField {
		t.Errorf("announced: %+v", w.layouts)
	}
	// Again: nothing changes, and nothing is announced.
	before := slices.Concat(w.customFields(), w.sets())
	w.wire.count()
	if err := w.service.Repair(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if diff := cmp.Diff(before, slices.Concat(w.customFields(), w.sets())); diff != "" || len(w.layouts) != 1 {
		t.Errorf("repaired, %d announced:\n%s", len(w.layouts), diff)
	}
}

// TestCalls holds the numbers of calls of the org that setting up takes.
func TestCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.service.Plan(t.Context(), account, connection, provision.Contact, provision.Prefixed); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{"plan": len(w.wire.count())}
	c := choices(provision.Contact)
	w.begin(c)
	got["first"] = len(w.wire.count())
	w.begin(c)
	got["again"] = len(w.wire.count())
	w.check()
	got["check"] = len(w.wire.count())
	w = newWorld(t)
	w.wire.count()
	c.Readers.Profiles = []bridge.SalesforceID{w.profile("Sales User")}
	w.begin(c)
	got["first, with a profile of readers"] = len(w.wire.count())
	w.begin(c)
	got["again, with them"] = len(w.wire.count())
	w.check()
	got["check, with them"] = len(w.wire.count())
	c.Object = provision.Lead
	w.begin(c)
	got["leads too"] = len(w.wire.count())
	want := map[string]int{"plan": 5, "first": 10, "again": 6, "check": 3,
		"first, with a profile of readers": 11, "again, with them": 8, "check, with them": 5, "leads too": 14}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("calls (-got +want):\n%s", diff)
	}
}

func TestLeadsCarryTheFieldsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Lead))
	if s := w.current(); states(s) != "28 visible" {
		t.Errorf("%s; %v", states(s), s.Problems)
	}
	if l := w.layout(provision.Lead); l.Visible != bridge.EveryField {
		t.Errorf("leads: %+v", l)
	}
	if l := w.layout(provision.Contact); l.Visible != bridge.EveryField {
		t.Errorf("contacts: %+v", l)
	}
}

func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		theirs []string // full names, with types behind a blank
		prefix string
		want   map[string]string
	}{
		"a field of theirs with our name":            {[]string{"RH_CODE Text"}, provision.Prefixed, map[string]string{"CODE": "RH_CODE_2__c"}},
		"in other letters, and of another type":      {[]string{"rh_Points Date"}, provision.Prefixed, map[string]string{"POINTS": "RH_POINTS_2__c"}},
		"two of theirs":                              {[]string{"RH_CODE Text", "RH_CODE_2 Text"}, provision.Prefixed, map[string]string{"CODE": "RH_CODE_3__c"}},
		"bare names":                                 {nil, provision.Bare, map[string]string{"CODE": "CODE__c", "SOURCE": "SOURCE__c"}},
		"a bare name that is taken":                  {[]string{"Source Text"}, provision.Bare, map[string]string{"CODE": "CODE__c", "SOURCE": "RH_SOURCE__c"}},
		"a bare name and the one with the prefix":    {[]string{"Source Text", "RH_SOURCE Text"}, provision.Bare, map[string]string{"SOURCE": "RH_SOURCE_2__c"}},
		"a bare name does not matter if not wanted":  {[]string{"Source Text"}, provision.Prefixed, map[string]string{"SOURCE": "RH_SOURCE__c"}},
		"theirs has the number of another of ours":   {[]string{"EX_FIELD Text"}, provision.Bare, map[string]string{"EX_FIELD": "RH_EX_FIELD__c", "EX_FIELD_2": "EX_FIELD_2__c"}},
		"our own alternatives do not get in the way": {[]string{"RH_EX_FIELD Text"}, provision.Prefixed, map[string]string{"EX_FIELD": "RH_EX_FIELD_3__c", "EX_FIELD_2": "RH_EX_FIELD_2__c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, their := range tc.theirs {
				name, kind, _ := strings.Cut(their, " ")
				w.setup("/setup/fields", "object", "Contact", "name", name, "label", "Theirs", "type", kind, "length", map[string]string{"Text": "64"}[kind], "visible", "on")
			}
			before := w.customFields()
			plan, err := w.service.Plan(t.Context(), account, connection, provision.Contact, tc.prefix)
			if err != nil {
				t.Fatal(err)
			}
			c := choices(provision.Contact)
			c.Prefix = tc.prefix
			w.begin(c)
			s := w.current()
			if states(s) != "14 visible" {
				t.Errorf("%s; %v", states(s), s.Problems)
			}
			for of, want := range tc.want {
				if got := field(s, of).Name; got != want {
					t.Errorf("%s is %s, want %s", of, got, want)
				}
			}
			for i, f := range plan.Fields {
				if f.Name != s.Fields[i].Name || f.Exists {
					t.Errorf("planned %+v, and it became %s", f, s.Fields[i].Name)
				}
			}
			for _, their := range before {
				if !slices.Contains(w.customFields(), their) {
					t.Errorf("%s is not as it was", their)
				}
			}
		})
	}
}

func TestPlanSaysWhatIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setup("/setup/fields", "object", "Contact", "name", "RH_CODE", "label", "Theirs", "type", "Text", "length", "64")
	plan, err := w.service.Plan(t.Context(), account, connection, provision.Contact, provision.Prefixed)
	if err != nil {
		t.Fatal(err)
	}
	if f := plan.Fields[bridge.Code]; f.Taken != "RH_CODE__c" || f.Name != "RH_CODE_2__c" || f.Exists {
		t.Errorf("CODE: %+v", f)
	}
	if f := plan.Fields[bridge.Source]; f.Taken != "" || f.Name != "RH_SOURCE__c" {
		t.Errorf("SOURCE: %+v", f)
	}
	if plan.Route != provision.ByAPI || plan.Problems != nil || len(plan.Sets) != 2 || plan.Sets[0] != (provision.PlannedSet{Name: "RH_Integration"}) {
		t.Errorf("plan: %+v", plan)
	}
	w.begin(choices(provision.Contact))
	if plan, err = w.service.Plan(t.Context(), account, connection, provision.Contact, provision.Bare); err != nil {
		t.Fatal(err)
	}
	for _, f := range plan.Fields {
		if !f.Exists || f.Taken != "" {
			t.Errorf("of fields that were made, and keep their names: %+v", f)
		}
	}
	if !plan.Sets[1].Exists {
		t.Errorf("sets: %+v", plan.Sets)
	}
}

func TestNoNameIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"RH_CODE", "RH_CODE_2", "RH_CODE_3", "RH_CODE_4", "RH_CODE_5"} {
		w.setup("/setup/fields", "object", "Contact", "name", name, "label", "Theirs", "type", "Text", "length", "9")
	}
	w.begin(choices(provision.Contact))
	s := w.current()
	if states(s) != "1 planned, 13 visible" || titles(s) != "No name is left for some fields" || !slices.Equal(s.Problems[0].Details, []string{"CODE"}) {
		t.Errorf("%s; %+v", states(s), s.Problems)
	}
	w.setup("/setup/fields/Contact.RH_CODE_4__c/delete")
	w.begin(choices(provision.Contact))
	if s := w.current(); states(s) != "14 visible" || field(s, "CODE").Name != "RH_CODE_4__c" || s.Problems != nil {
		t.Errorf("%s; %+v", states(s), s.Problems)
	}
}

func TestPermissionSetsOfTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("/services/data/v66.0/sobjects/PermissionSet", `{"Name":"RH_Integration","Label":"Theirs","Description":"Robots and humans"}`)
	before := w.sets()
	w.begin(choices(provision.Contact))
	s := w.current()
	if states(s) != "14 visible" || s.Integration != "RH_Integration_2" || s.Reader != "RH_Reader" {
		t.Errorf("%s, %s, %s; %v", states(s), s.Integration, s.Reader, s.Problems)
	}
	if len(before) != 1 || !slices.Contains(w.sets(), before[0]) || w.has("RH_Integration") != "" {
		t.Errorf("theirs: %v", w.sets())
	}
}

func TestWhatOthersAddedToOurSetsStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Contact))
	w.setup("/setup/fields", "object", "Account", "name", "Tier", "label", "Tier", "type", "Text", "length", "9")
	set := string(w.ask("SELECT Id FROM PermissionSet WHERE Name = 'RH_Integration'")[0])
	w.post("/services/data/v66.0/sobjects/FieldPermissions", `{"ParentId":"`+set+`","SobjectType":"Account","Field":"Account.Tier__c","PermissionsRead":true,"PermissionsEdit":true}`)
	w.begin(choices(provision.Lead)) // which writes the sets anew
	if got := w.sets(); !slices.Contains(got, "RH_Integration Account.Tier__c edit") || !slices.Contains(got, "RH_Integration Lead.RH_CODE__c edit") ||
		!slices.Contains(got, "RH_Reader Contact.RH_CODE__c") || !slices.Contains(got, "RH_Integration Contact edit") {
		t.Errorf("sets: %v", got)
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := choices(provision.Contact)
	c.Readers = provision.Readers{Users: []bridge.SalesforceID{w.id(administrator)}, Profiles: []bridge.SalesforceID{w.profile("Sales User")}}
	w.begin(c)
	if got := w.has("RH_Reader"); got != "admin aiko.sales marco.sales" {
		t.Errorf("readers: %s", got)
	}
	if err := w.org.SetAssigned(integration, "RH_Reader", true); err != nil { // by hand: not ours to take away
		t.Fatal(err)
	}
	c.Readers = provision.Readers{Users: []bridge.SalesforceID{w.id(aiko)}}
	w.begin(c)
	if got := w.has("RH_Reader"); got != "aiko.sales integration" {
		t.Errorf("fewer readers: %s", got)
	}
	c.Readers = provision.Readers{Profiles: []bridge.SalesforceID{w.profile("Sales User")}}
	w.begin(c)
	if err := w.org.SetAssigned(marco, "RH_Reader", false); err != nil {
		t.Fatal(err)
	}
	w.advance(25 * time.Hour)
	if err := w.sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.has("RH_Reader"); got != "aiko.sales integration marco.sales" {
		t.Errorf("readers by profile, a day later: %s", got)
	}
}

func TestReadersThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.org.SetRules(simorg.Rule{Kind: simorg.KindRecord, Object: "PermissionSetAssignment", Operation: "create", Field: "AssigneeId", Contains: string(w.id(marco)),
		Fault: simorg.Fault{Code: "FIELD_INTEGRITY_EXCEPTION", Message: "The user license doesn't allow it"}})
	c := choices(provision.Contact)
	c.Readers.Profiles = []bridge.SalesforceID{w.profile("Sales User")}
	w.begin(c)
	s := w.current()
	if states(s) != "14 visible" || w.has("RH_Reader") != "aiko.sales" || titles(s) != "Some people cannot have the permission set" {
		t.Errorf("%s; %+v; %s", states(s), s.Problems, w.has("RH_Reader"))
	}
	if want := []string{"1", "FIELD_INTEGRITY_EXCEPTION: The user license doesn't allow it"}; !slices.Equal(s.Problems[0].Details, want) {
		t.Errorf("details %q", s.Problems[0].Details)
	}
}

func TestChoicesThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		change func(*provision.Choices)
		field  string
	}{
		"an object":             {func(c *provision.Choices) { c.Object = "Account" }, "object"},
		"a prefix":              {func(c *provision.Choices) { c.Prefix = "X_" }, "prefix"},
		"a person":              {func(c *provision.Choices) { c.Readers.Users = []bridge.SalesforceID{"'; DROP"} }, "users"},
		"a profile for a user":  {func(c *provision.Choices) { c.Readers.Users = []bridge.SalesforceID{w.profile("Sales User")} }, "users"},
		"a user for a profile":  {func(c *provision.Choices) { c.Readers.Profiles = []bridge.SalesforceID{w.id(marco)} }, "profiles"},
		"too many people":       {func(c *provision.Choices) { c.Readers.Users = slices.Repeat([]bridge.SalesforceID{w.id(marco)}, 201) }, "users"},
		"another's connection":  {func(c *provision.Choices) { c.Account = "a_2" }, ""},
		"an id in its old form": {func(c *provision.Choices) { c.Readers.Users = []bridge.SalesforceID{w.id(marco)[:15]} }, "users"},
	} {
		c := choices(provision.Contact)
		tc.change(&c)
		err := w.service.Begin(t.Context(), c)
		if _, field := bridge.MessageOf(err); err == nil || field != tc.field {
			t.Errorf("%s: %v at %q, want %q", name, err, field, tc.field)
		}
	}
	w.status = bridge.NeedsReconnect
	if err := w.service.Begin(t.Context(), choices(provision.Contact)); bridge.KindOf(err) != bridge.Denied {
		t.Errorf("without access: %v", err)
	}
	if len(w.queue) != 0 {
		t.Errorf("jobs: %v", w.queue)
	}
}

func TestPermissionsTakeTheirTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		delay time.Duration
		want  string
	}{
		"some seconds":      {7 * time.Second, "14 visible"},
		"almost too long":   {59 * time.Second, "14 visible"},
		"longer than given": {5 * time.Minute, "14 hidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.turn(func(s *simorg.Switches) { s.AccessDelay = simorg.Duration(tc.delay) })
			began := w.Now()
			w.begin(choices(provision.Contact))
			s := w.current()
			if s.Step != provision.Done || states(s) != tc.want {
				t.Errorf("%s: %s", s.Step, states(s))
			}
			if took := w.Now().Sub(began); took > 65*time.Second {
				t.Errorf("it took %v", took)
			}
			if polls := strings.Count(fmt.Sprint(w.wire.count()), "/describe"); polls > 7 { // the first one is for the permission set
				t.Errorf("described %d times", polls)
			}
			w.advance(25 * time.Hour)
			if err := w.sweep.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if s := w.current(); states(s) != "14 visible" || w.layouts[len(w.layouts)-1].Visible != bridge.EveryField {
				t.Errorf("a day later: %s", states(s))
			}
		})
	}
}
