package provision_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// end is all that a setup leaves behind.
func (w *world) end() []string {
	w.t.Helper()
	list := slices.Concat(w.customFields(), w.sets())
	s := w.current()
	list = append(list, fmt.Sprint(s.Step, s.Route, s.Problems, s.Integration, s.Reader))
	for _, f := range s.Fields {
		list = append(list, fmt.Sprint(f.Object, f.Of.Name, f.Name, f.State))
	}
	for _, object := range []string{provision.Contact, provision.Lead} {
		l := w.layout(object)
		l.Version = 0
		list = append(list, fmt.Sprintf("%+v", l))
	}
	return list
}

// restless gives an org where names are taken and permission sets are there, and begins a setup with everything.
func (w *world) restless() {
	w.t.Helper()
	w.setup("/setup/fields", "object", "Contact", "name", "Source", "label", "Theirs", "type", "Text", "length", "64", "visible", "on")
	w.setup("/setup/fields", "object", "Lead", "name", "RH_CODE", "label", "Theirs", "type", "Text", "length", "64")
	w.post("/services/data/v66.0/sobjects/PermissionSet", `{"Name":"RH_Reader","Label":"Theirs"}`)
	c := choices(provision.Lead)
	c.Prefix = provision.Bare
	c.Readers = provision.Readers{Users: []bridge.SalesforceID{w.id(administrator)}, Profiles: []bridge.SalesforceID{w.profile("Sales User")}}
	if err := w.service.Begin(w.t.Context(), c); err != nil {
		w.t.Fatalf("Begin: %v", err)
	}
}

// TestKilledAnywhere kills the worker at every call of the org and of the table, before it gets through or after, and lets
// the queue deliver the job again.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	undisturbed := newWorld(t)
	undisturbed.restless()
	undisturbed.settle()
	want := undisturbed.end()
	if got := states(undisturbed.current()); got != "28 visible" {
		t.Fatalf("undisturbed: %s", got)
	}
	for _, arrives := range []bool{false, true} {
		name := "the last call gets lost"
		if arrives {
			name = "the last call's answer gets lost"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				w := newWorld(t)
				w.restless()
				w.wire.cutAfter(k, arrives)
				m, _ := w.take()
				err := w.service.Work(t.Context(), m.job)
				if !w.wire.restore() {
					if err != nil || k < 25 {
						t.Errorf("the undisturbed work is over after %d calls: %v", k, err)
					}
					break
				}
				if err == nil || bridge.KindOf(err).Permanent() {
					t.Errorf("killed at call %d: %v", k, err)
				}
				_ = jobs{w}.Send(t.Context(), 0, m.job)
				w.settle()
				got := w.end()
				// Salesforce gives ids to what it makes, so they tell nothing.
				if diff := cmp.Diff(got, want); diff != "" {
					t.Errorf("killed at call %d (-got +want):\n%s", k, diff)
				}
				announced := map[string]bool{}
				for _, l := range w.layouts {
					announced[l.Object] = l.Visible == bridge.EveryField
				}
				if !announced[provision.Contact] || !announced[provision.Lead] {
					t.Errorf("killed at call %d: announced %v", k, announced)
				}
			}
		})
	}
}

// TestALostJob loses the job, and leaves it to the sweep.
func TestALostJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.service.Begin(t.Context(), choices(provision.Contact)); err != nil {
		t.Fatal(err)
	}
	w.queue = nil
	if err := w.sweep.Run(t.Context()); err != nil || len(w.queue) != 0 {
		t.Errorf("at once: %v, %v", err, w.queue)
	}
	w.advance(10 * time.Minute)
	for range 2 { // the second finds that the first has it
		if err := w.sweep.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.queue) != 1 {
		t.Errorf("%d jobs", len(w.queue))
	}
	w.settle()
	if s := w.current(); states(s) != "14 visible" {
		t.Errorf("%s", states(s))
	}
}

// TestTwoAtOnce runs the same job several times at once.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restless()
	m, _ := w.take()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			err := w.service.Work(context.WithoutCancel(t.Context()), m.job)
			if kind := bridge.KindOf(err); err != nil && kind.Permanent() {
				t.Errorf("let go: %v", err)
			}
			if err != nil {
				_ = jobs{w}.Send(t.Context(), 0, m.job)
			}
		})
	}
	group.Wait()
	w.settle()
	s := w.current()
	if states(s) != "28 visible" || s.Problems != nil {
		t.Errorf("%s; %v", states(s), s.Problems)
	}
	if got := len(w.customFields()); got != 30 { // with two of theirs
		t.Errorf("%d fields: %v", got, w.customFields())
	}
}

// TestTwoConnectionsOfOneOrg sets up the same org for two of its users.
func TestTwoConnectionsOfOneOrg(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Contact))
	w.user = marco
	c := choices(provision.Contact)
	c.Connection = "c_2"
	w.begin(c)
	if got := len(w.customFields()); got != 14 || w.has("RH_Integration") != "integration marco.sales" {
		t.Errorf("%d fields, %s", got, w.has("RH_Integration"))
	}
	s, err := w.service.Status(t.Context(), account, "c_2")
	if err != nil || states(s) != "14 visible" {
		t.Errorf("%s, %v", states(s), err)
	}
	// The first one leaves; the second one stays as it is.
	w.user = integration
	if err := w.service.Remove(t.Context(), account, connection, true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if s := w.current(); s.Step != provision.Removed || titles(s) != "Another connection uses the same fields" {
		t.Errorf("%s; %v", s.Step, s.Problems)
	}
	w.user = marco
	if s, err := w.service.Check(t.Context(), account, "c_2"); err != nil || states(s) != "14 visible" || s.Problems != nil {
		t.Errorf("%s, %v, %v", states(s), s.Problems, err)
	}
	if err := w.service.Remove(t.Context(), account, "c_2", true); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := slices.Concat(w.customFields(), w.sets()); got != nil {
		t.Errorf("left: %v", got)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, wipe := range map[string]bool{"fields stay": false, "fields go too": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				w := newWorld(t)
				w.setup("/setup/fields", "object", "Contact", "name", "RH_CODE", "label", "Theirs", "type", "Text", "length", "64")
				c := choices(provision.Contact)
				c.Readers.Profiles = []bridge.SalesforceID{w.profile("Sales User")}
				w.begin(c)
				if err := w.service.Remove(t.Context(), account, connection, wipe); err != nil {
					t.Fatal(err)
				}
				w.wire.cutAfter(k, k%2 == 0)
				m, _ := w.take()
				_ = w.service.Work(t.Context(), m.job)
				cut := w.wire.restore()
				_ = jobs{w}.Send(t.Context(), 0, m.job)
				w.settle()
				s := w.current()
				if s.Step != provision.Removed || s.Problems != nil || w.sets() != nil || w.layout(provision.Contact).Visible != 0 {
					t.Errorf("killed at call %d: %s, %v, %v", k, s.Step, s.Problems, w.sets())
				}
				want := 15
				if wipe {
					want = 1
				}
				if got := w.customFields(); len(got) != want || !slices.Contains(got, "Contact.RH_CODE") {
					t.Errorf("killed at call %d: %v", k, got)
				}
				if !cut {
					break
				}
				if k > 60 {
					t.Fatal("it does not come to an end")
				}
			}
		})
	}
}

func TestRemovedAndBegunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin(choices(provision.Contact))
	if err := w.service.Remove(t.Context(), account, connection, false); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if err := w.service.Repair(t.Context(), account, connection); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("Repair of what was removed: %v", err)
	}
	c := choices(provision.Contact)
	c.Prefix = provision.Bare
	w.begin(c)
	if s := w.current(); states(s) != "14 visible" || field(s, "CODE").Name != "RH_CODE__c" {
		t.Errorf("%s, %s", states(s), field(s, "CODE").Name)
	}
	if got := strings.Join(w.customFields(), " "); strings.Count(got, "Contact.") != 14 {
		t.Errorf("fields: %s", got)
	}
}
