package provision_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// byHand makes a field as an instruction says, for everybody to see or for nobody.
func (w *world) byHand(f provision.FieldStatus, visible bool) {
	w.t.Helper()
	i := provision.Instruct(f.Of, f.Name)
	kind := map[string]string{"Text": "Text", "URL": "Url", "Number": "Number", "Date/Time": "DateTime"}[i.Type]
	pairs := []string{"object", f.Object, "name", i.Name, "label", i.Label, "type", kind, "length", strconv.Itoa(max(i.Length, i.Places))}
	if i.External {
		pairs = append(pairs, "external", "on", "unique", "on")
	}
	if visible {
		pairs = append(pairs, "visible", "on")
	}
	w.setup("/setup/fields", pairs...)
}

func TestProfessionalEdition(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{"names with a prefix": provision.Prefixed, "bare names": provision.Bare} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.turn(func(s *simorg.Switches) { s.Edition = "Professional Edition" })
			w.setup("/setup/fields", "object", "Contact", "name", "Source", "label", "Theirs", "type", "Text", "length", "255", "visible", "on")
			plan, err := w.service.Plan(t.Context(), account, connection, provision.Contact, prefix)
			if err != nil || plan.Route != provision.ByHand || plan.Problems[0].Title != "Apps cannot add fields in this edition" || plan.Sets != nil {
				t.Fatalf("plan: %v, %+v", err, plan)
			}
			c := choices(provision.Contact)
			c.Prefix = prefix
			w.begin(c)
			s := w.current()
			if s.Step != provision.Done || s.Route != provision.ByHand || states(s) != "14 planned" || w.layout(provision.Contact).Visible != 0 {
				t.Errorf("before: %s %s %s %v", s.Step, s.Route, states(s), s.Problems)
			}
			if f := field(s, "SOURCE"); f.Name != "RH_SOURCE__c" || f.Why != "It is not there yet. Make it as the list says." || !strings.Contains(f.Link, "/ObjectManager/Contact/") {
				t.Errorf("SOURCE: %+v", f)
			}
			for i, f := range s.Fields { // a dozen are made, one of them is hidden, one is wrong
				switch i {
				case bridge.Code:
					w.setup("/setup/fields", "object", "Contact", "name", strings.TrimSuffix(f.Name, "__c"), "label", "RH CODE", "type", "Text", "length", "20", "visible", "on")
				case bridge.Points:
					w.byHand(f, false)
				case bridge.TwitterLink:
				default:
					w.byHand(f, true)
				}
			}
			s = w.check()
			if got := states(s); got != "1 differs, 1 hidden, 1 planned, 11 by_hand" {
				t.Errorf("after: %s", got)
			}
			if f := field(s, "CODE"); !strings.Contains(f.Why, "it holds 20 characters, and has to hold 64") {
				t.Errorf("CODE: %+v", f)
			}
			l := w.layout(provision.Contact)
			if l.Visible != bridge.EveryField.Without(bridge.Code).Without(bridge.Points).Without(bridge.TwitterLink) || len(w.layouts) != 2 {
				t.Errorf("layout %v, %d announced", l.Visible.Names(), len(w.layouts))
			}
			// Put right by hand, and found by the daily check.
			w.setup("/setup/fields/Contact." + field(s, "CODE").Name + "/delete")
			w.byHand(field(s, "CODE"), true)
			w.byHand(field(s, "TW_LINK"), true)
			for _, user := range []string{administrator, integration} {
				w.setup("/setup/fields/Contact."+field(s, "POINTS").Name+"/visibility", "user", user, "visible", "on")
			}
			w.advance(25 * time.Hour)
			if err := w.sweep.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if s := w.current(); states(s) != "14 by_hand" || len(w.layouts) != 3 {
				t.Errorf("a day later: %s", states(s))
			}
			// Begun anew, also after the edition was raised, the fields stay as they are.
			w.turn(func(s *simorg.Switches) { s.Edition = "" })
			if s := w.check(); titles(s) != "We could set up the rest now" || states(s) != "14 by_hand" {
				t.Errorf("in a higher edition: %s; %s", titles(s), states(s))
			}
			before := w.customFields()
			w.begin(choices(provision.Contact))
			if s := w.current(); states(s) != "14 by_hand" || s.Route != provision.ByAPI || s.Problems != nil || w.has("RH_Integration") != "integration" {
				t.Errorf("set up by the API: %s, %s, %v", states(s), s.Route, s.Problems)
			}
			if !slices.Equal(before, w.customFields()) {
				t.Errorf("fields: %v", w.customFields())
			}
		})
	}
}

func TestRightsAreMissing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		missing []string
		route   provision.Route
		states  string
		title   string
		details []string
	}{
		"to customize": {[]string{"CustomizeApplication"}, provision.ByHand, "14 planned", "The connected user may not set up the org", []string{"Customize Application"}},
		"to use the Metadata API": {[]string{"ModifyMetadata", "ModifyAllData"}, provision.ByHand, "14 planned", "The connected user may not set up the org",
			[]string{"Modify Metadata Through Metadata API Functions"}},
		"one of two that would do":  {[]string{"ModifyMetadata"}, provision.ByAPI, "14 visible", "", nil},
		"to manage permission sets": {[]string{"ManageProfilesPermissionsets"}, provision.ByAPI, "14 hidden", "Salesforce did not save a permission set", nil},
		"to assign them":            {[]string{"AssignPermissionSets"}, provision.ByAPI, "14 hidden", "The connected user cannot have the permission set", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.turn(func(s *simorg.Switches) { s.MissingPermissions = tc.missing })
			w.begin(choices(provision.Contact))
			s := w.current()
			if s.Step != provision.Done || s.Route != tc.route || states(s) != tc.states || titles(s) != tc.title {
				t.Errorf("%s, %s, %s, %+v", s.Step, s.Route, states(s), s.Problems)
			}
			if tc.details != nil && !slices.Equal(s.Problems[0].Details, tc.details) {
				t.Errorf("details: %q", s.Problems[0].Details)
			}
			w.turn(func(s *simorg.Switches) { s.MissingPermissions = nil })
			if err := w.service.Repair(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.settle()
			if s := w.current(); states(s) != "14 visible" || s.Problems != nil || s.Route != provision.ByAPI {
				t.Errorf("with all rights: %s, %v", states(s), s.Problems)
			}
		})
	}
}

func TestInstructions(t *testing.T) {
	t.Parallel()
	for at, want := range map[int]string{
		bridge.SubscriberKey: "Text, length 64, unique (case sensitive), external id",
		bridge.Points:        "Number, length 18, decimal places 0",
		bridge.LastReferral:  "Date/Time",
		bridge.EmailLink:     "URL",
		bridge.ExtraField:    "Text, length 255",
	} {
		i := provision.Instruct(bridge.Fields[at], "RH_X__c")
		if i.String() != want || i.Name != "RH_X" || i.Label != "RH "+bridge.Fields[at].Name {
			t.Errorf("%+v: %s, want %s", i, i, want)
		}
	}
}
