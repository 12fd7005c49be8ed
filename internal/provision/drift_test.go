package provision_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestWhatChangesAfterwards changes one thing in an org that is set up, looks, repairs and looks again.
func TestWhatChangesAfterwards(t *testing.T) {
	t.Parallel()
	const points = "/setup/fields/Contact.RH_POINTS__c"
	for name, tc := range map[string]struct {
		change   func(w *world)
		checked  string // states
		state    provision.State
		why      string // of POINTS, in part
		problems string
		repaired string // states
		name     string // of POINTS at the end; RH_POINTS__c if empty
	}{
		"nothing": {func(*world) {}, "14 visible", provision.Visible, "", "", "14 visible", ""},
		"hidden from the connected user": {func(w *world) { w.setup(points+"/visibility", "user", integration) }, "1 hidden, 13 visible", provision.Hidden,
			"hides it from the connected user", "", "1 hidden, 13 visible", ""}, // what a profile hides in the simulated org, no set shows
		"hidden from another user": {func(w *world) { w.setup(points+"/visibility", "user", aiko) }, "14 visible", provision.Visible, "", "", "14 visible", ""},
		"deleted":                  {func(w *world) { w.setup(points + "/delete") }, "1 missing, 13 visible", provision.Missing, "deleted it", "", "14 visible", ""},
		"deleted, and replaced by one of theirs": {func(w *world) {
			w.setup(points + "/delete")
			w.setup("/setup/fields", "object", "Contact", "name", "RH_POINTS", "label", "Theirs", "type", "Number", "length", "18", "visible", "on")
		}, "1 missing, 13 visible", provision.Missing, "deleted it", "", "14 visible", "RH_POINTS_2__c"},
		"renamed": {func(w *world) { w.setup(points, "name", "Referral_Points") }, "14 visible", provision.Visible, "", "", "14 visible", "Referral_Points__c"},
		"renamed, and another one of theirs has the old name": {func(w *world) {
			w.setup(points, "name", "Referral_Points")
			w.setup("/setup/fields", "object", "Contact", "name", "RH_POINTS", "label", "Theirs", "type", "Number", "length", "18", "visible", "on")
		}, "14 visible", provision.Visible, "", "", "14 visible", "Referral_Points__c"},
		"of another type": {func(w *world) { w.setup(points, "type", "Text", "length", "18") }, "1 differs, 13 visible", provision.Differs,
			"it is of the type string, and has to be of the type Number", "", "1 differs, 13 visible", ""},
		"shorter": {func(w *world) { w.setup(points, "type", "Number", "length", "5") }, "14 visible", provision.Visible, "", "", "14 visible", ""}, // same type: the form changes nothing
		"the permission set is taken away": {func(w *world) { w.setup("/setup/sets/RH_Integration", "user", integration) }, "14 hidden", provision.Hidden,
			"hides it", "The connected user does not have our permission set any more", "14 visible", ""},
		"the permission set is deleted": {func(w *world) {
			w.setup("/setup/sets/RH_Integration", "user", integration)
			w.delete("PermissionSet", "Name = 'RH_Integration'")
		}, "14 hidden", provision.Hidden, "hides it", "The connected user does not have our permission set any more", "14 visible", ""},
		"a permission is taken out of the set": {func(w *world) {
			w.delete("FieldPermissions", "Field = 'Contact.RH_POINTS__c' AND PermissionsEdit = true")
		}, "1 hidden, 13 visible", provision.Hidden, "hides it", "", "14 visible", ""},
		"the right to edit is taken out of the set": {func(w *world) {
			w.patch("FieldPermissions", "Field = 'Contact.RH_POINTS__c' AND PermissionsEdit = true", `{"PermissionsEdit":false}`)
		}, "1 read_only, 13 visible", provision.ReadOnly, "not edit", "", "14 visible", ""},
		"contacts are hidden": {func(w *world) { w.turn(func(s *simorg.Switches) { s.HiddenObjects = []string{"Contact"} }) }, "14 hidden", provision.Hidden, "",
			"The connected user may not read these records", "14 hidden", ""},
		"a lower edition": {func(w *world) { w.turn(func(s *simorg.Switches) { s.Edition = "Professional Edition" }) }, "14 visible", provision.Visible, "", "", "14 visible", ""},
		"no rights any more": {func(w *world) {
			w.turn(func(s *simorg.Switches) {
				s.MissingPermissions = []string{"ViewSetup", "CustomizeApplication", "ManageProfilesPermissionsets"}
			})
		}, "14 visible", provision.Visible, "", "", "14 visible", ""},
		"the Tooling API is refused": {func(w *world) {
			w.org.SetRules(simorg.Rule{Path: "/tooling/", Fault: simorg.Fault{Status: 403, Code: "API_DISABLED_FOR_ORG", Message: "no"}})
			w.setup(points+"/visibility", "user", integration)
		}, "1 unseen, 13 visible", provision.Unseen, "hidden from the connected user, or somebody deleted it", "", "1 unseen, 13 visible", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin(choices(provision.Contact))
			tc.change(w)
			s := w.check()
			f := field(s, "POINTS")
			if states(s) != tc.checked || f.State != tc.state || !strings.Contains(f.Why, tc.why) || titles(s) != tc.problems {
				t.Errorf("checked: %s, %+v, %v", states(s), f, s.Problems)
			}
			if written := w.layout(provision.Contact).Visible.Has(bridge.Points); written != tc.state.Written() {
				t.Errorf("written: %t", written)
			}
			if l := w.layout(provision.Contact); strings.Contains(name, "replaced") != (l.Names[bridge.Points] == "") {
				t.Errorf("the name in the layout: %q", l.Names[bridge.Points])
			}
			if changed := w.layout(provision.Contact) != w.layouts[0]; changed && !sameButVersion(w.layout(provision.Contact), w.layouts[len(w.layouts)-1]) {
				t.Errorf("announced: %+v", w.layouts)
			}
			if err := w.service.Repair(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.settle()
			s = w.current()
			want := tc.name
			if want == "" {
				want = "RH_POINTS__c"
			}
			if f := field(s, "POINTS"); states(s) != tc.repaired || f.Name != want {
				t.Errorf("repaired: %s, %+v, %+v", states(s), f, s.Problems)
			}
		})
	}
}

func sameButVersion(a, b bridge.Layout) bool {
	a.Version, b.Version = 0, 0
	return a == b
}

// TestAFieldsIsBack shows a field again, and has it filled.
func TestAFieldIsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Contact))
	w.setup("/setup/fields/Contact.RH_POINTS__c/visibility", "user", integration)
	w.check()
	w.setup("/setup/fields/Contact.RH_POINTS__c/visibility", "user", integration, "visible", "on")
	w.advance(25 * time.Hour)
	if err := w.sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	var seen []bool
	for _, l := range w.layouts {
		seen = append(seen, l.Visible.Has(bridge.Points))
	}
	if !slices.Equal(seen, []bool{true, false, true}) {
		t.Errorf("announced: %v", seen)
	}
}

// TestRefusedFields lets Salesforce refuse some fields for their own sake.
func TestAnObjectIsFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 25 { // external ids, of which there may be no more
		w.setup("/setup/fields", "object", "Contact", "name", "Key"+string(rune('a'+i)), "label", "Key", "type", "Text", "length", "9", "external", "on")
	}
	w.begin(choices(provision.Contact))
	s := w.current()
	if states(s) != "1 planned, 13 visible" || titles(s) != "Salesforce did not make some fields" {
		t.Fatalf("%s; %+v", states(s), s.Problems)
	}
	if d := s.Problems[0].Details; d[0] != "RH_SUB_ID__c" || !strings.HasPrefix(d[1], "LIMIT_EXCEEDED: You have reached the maximum number of 25 external id fields") {
		t.Errorf("details: %q", d)
	}
	if l := w.layout(provision.Contact); l.Visible != bridge.EveryField.Without(bridge.SubscriberKey) || l.Names[bridge.SubscriberKey] != "" {
		t.Errorf("visible: %v; not made: %q", l.Visible.Names(), l.Names[bridge.SubscriberKey])
	}
	if s := w.check(); titles(s) != "Salesforce did not make some fields" {
		t.Errorf("a check forgets: %+v", s.Problems)
	}
	w.setup("/setup/fields/Contact.Keya__c/delete")
	w.begin(choices(provision.Contact))
	if s := w.current(); states(s) != "14 visible" || s.Problems != nil {
		t.Errorf("with room: %s; %v", states(s), s.Problems)
	}
}

// TestOutages lets the org fail for a while.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simorg.Fault{
		"down for maintenance": {Status: 503, HTML: true},
		"out of calls":         {Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."},
		"no answers":           {Drop: true},
		"a fault of its own":   {Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.org.SetRules(simorg.Rule{Kind: simorg.KindAPI, Skip: 2, Times: 3, Fault: fault}, simorg.Rule{Kind: simorg.KindAPI, Skip: 8, Times: 2, Fault: fault})
			w.begin(choices(provision.Contact))
			if s := w.current(); states(s) != "14 visible" || s.Step != provision.Done || s.Problems != nil {
				t.Errorf("%s, %s, %v", states(s), s.Step, s.Problems)
			}
		})
	}
}

// TestAccessEnds ends our access in the middle.
func TestAccessEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.service.Begin(t.Context(), choices(provision.Contact)); err != nil {
		t.Fatal(err)
	}
	w.status = bridge.NeedsReconnect
	w.settle()
	if calls := w.wire.count(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
	if s := w.current(); s.Step != provision.Queued {
		t.Errorf("step %s", s.Step)
	}
	w.status = bridge.Active
	w.advance(time.Hour)
	if err := w.sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if s := w.current(); states(s) != "14 visible" {
		t.Errorf("back again: %s", states(s))
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found, more, err := w.service.Users(t.Context(), account, connection, "sales")
	if err != nil || more || len(found) != 2 || found[0].Username != aiko || found[0].Profile != "Sales User" || found[0].Name != "Aiko Mori" {
		t.Errorf("users: %+v, %t, %v", found, more, err)
	}
	named, err := w.service.Named(t.Context(), account, connection, []bridge.SalesforceID{w.id(marco), w.id("former@acme.example")})
	if err != nil || len(named) != 2 || named[0].Username != marco || named[1].Name != "Pat Former" {
		t.Errorf("named: %+v, %v", named, err)
	}
	profiles, err := w.service.Profiles(t.Context(), account, connection)
	if err != nil || len(profiles) != 3 || profiles[1] != (provision.Profile{ID: w.profile("Sales User"), Name: "Sales User", Users: 2}) {
		t.Errorf("profiles: %+v, %v", profiles, err)
	}
}

// TestPeopleSeeThatItWaits looks at a setup while the org is down, and when it refuses us.
func TestPeopleSeeThatItWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.service.Begin(t.Context(), choices(provision.Contact)); err != nil {
		t.Fatal(err)
	}
	down := simorg.Rule{Kind: simorg.KindAPI, Fault: simorg.Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "busy"}}
	w.org.SetRules(down)
	for range 3 {
		w.work()
	}
	s := w.current()
	if s.Step != provision.Making || titles(s) != "Salesforce does not answer, or asks us to wait" || s.Problems[0].Details[0] != "SERVER_UNAVAILABLE" {
		t.Errorf("down: %s, %+v", s.Step, s.Problems)
	}
	down.Code, down.Status = "API_DISABLED_FOR_ORG", 403
	w.org.SetRules(down)
	w.settle()
	if s = w.current(); s.Step != provision.Stopped || s.Route != provision.ByAPI || titles(s) != "Salesforce refuses us" {
		t.Errorf("refused: %s, %s, %+v", s.Step, s.Route, s.Problems)
	}
	w.org.SetRules()
	if s = w.check(); s.Step != provision.Stopped || states(s) != "14 planned" || s.Problems != nil {
		t.Errorf("checked: %s, %s, %+v", s.Step, states(s), s.Problems)
	}
	if err := w.service.Repair(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if s = w.current(); s.Step != provision.Done || states(s) != "14 visible" || s.Problems != nil {
		t.Errorf("repaired: %s, %s, %+v", s.Step, states(s), s.Problems)
	}
}

// TestNobodyMissesAChange lets those who want to hear of a layout fail.
func TestNobodyMissesAChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hear, deaf := w.service.Changed, 2
	w.service.Changed = func(ctx context.Context, l bridge.Layout) error {
		if deaf > 0 {
			deaf--
			return &bridge.Error{Op: "test", Kind: bridge.Unavailable}
		}
		return hear(ctx, l)
	}
	w.begin(choices(provision.Contact))
	if len(w.layouts) != 1 || deaf != 0 || w.layouts[0].Visible != bridge.EveryField {
		t.Errorf("announced: %v", w.layouts)
	}
	deaf = 1
	w.setup("/setup/fields/Contact.RH_POINTS__c/visibility", "user", integration)
	if _, err := w.service.Check(t.Context(), account, connection); bridge.KindOf(err) != bridge.Unavailable {
		t.Errorf("a check whose news nobody hears: %v", err)
	}
	w.check()
	if len(w.layouts) != 2 || w.layouts[1].Visible.Has(bridge.Points) {
		t.Errorf("announced: %v", w.layouts)
	}
}

// TestLookingAfter counts the days and hours between checks.
func TestLookingAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Contact))
	due := func() time.Duration {
		t.Helper()
		setup, err := w.store.Setup(t.Context(), account, connection)
		if err != nil {
			t.Fatal(err)
		}
		if setup.DueAt.IsZero() {
			return 0
		}
		return setup.DueAt.Sub(w.Now())
	}
	if got := due(); got != 24*time.Hour {
		t.Errorf("all is well: %v", got)
	}
	w.setup("/setup/fields/Contact.RH_POINTS__c/visibility", "user", integration)
	w.check()
	if got := due(); got != time.Hour {
		t.Errorf("with a hidden field: %v", got)
	}
	w.status = bridge.Disconnected
	w.advance(2 * time.Hour)
	if err := w.sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wire.count()
	w.settle()
	if got := due(); got != 24*time.Hour || len(w.wire.count()) != 0 {
		t.Errorf("disconnected: %v", got)
	}
	w.status = bridge.Active
	if err := w.service.Remove(t.Context(), account, connection, false); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := due(); got != 0 {
		t.Errorf("removed: %v", got)
	}
}
