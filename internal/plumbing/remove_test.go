package plumbing_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// clean fails unless nothing of ours is left in the org.
func (w *world) clean() {
	w.t.Helper()
	for _, object := range []string{"FlowDefinition", "Flow", "WorkflowOutboundMessage"} {
		if found := w.records("/tooling", "SELECT Id FROM "+object); len(found) != 0 {
			w.t.Errorf("%s: %v", object, found)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	hook := w.get().Hook
	w.counted()
	for range 2 { // the second finds nothing to do
		if err := w.service.Remove(t.Context(), account, connection); err != nil {
			t.Fatal(err)
		}
		if s := w.settle(); s.State != plumbing.Left || s.Trouble != nil || s.Mode != plumbing.PollAlone || !s.Next.IsZero() {
			t.Fatalf("it is %+v, %+v", s, s.Trouble)
		}
	}
	w.clean()
	want := []string{"GET /tooling/query", "GET /tooling/sobjects/WorkflowOutboundMessage", "GET /tooling/query",
		"PATCH /tooling/sobjects/FlowDefinition", "GET /tooling/query", "DELETE /tooling/sobjects/Flow", "DELETE /tooling/sobjects/WorkflowOutboundMessage"}
	got := w.counted()
	for i, call := range got {
		if at := strings.LastIndex(call, "/"); strings.Contains(call, "sobjects") {
			got[i] = call[:at]
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the calls are %v, want %v", got, want)
	}
	if _, err := w.store.InstalledHook(t.Context(), hook); err != nil {
		t.Errorf("what may be on its way is refused: %v", err)
	}
	w.advance(48 * time.Hour)
	if _, err := w.store.InstalledHook(t.Context(), hook); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("two days later the address lets messages in: %v", err)
	}
	w.whole(w.begin())
	if w.get().Hook == hook {
		t.Error("an address that has ended is used again")
	}
}

func TestRemoveWhatIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.service.Remove(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if s := w.settle(); s.State != plumbing.NotBegun {
		t.Errorf("it is %+v", s)
	}
}

// removal is how many calls a worker makes to the outside to take a flow of two versions away, and one more.
const removal = 14

// TestRemoveKilled kills the worker at each call while it takes away what it has installed.
func TestRemoveKilled(t *testing.T) {
	t.Parallel()
	for steps := range removal {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			w.newVersion("OR(ISNEW(), ISCHANGED({!$Record.StageName}))")
			if err := w.service.Remove(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.killed(&mortal.Life{Steps: steps, After: true}, steps < removal-1)
			if s := w.wait(5 * time.Minute); s.State != plumbing.Left || s.Trouble != nil {
				t.Errorf("it is %+v, %+v", s, s.Trouble)
			}
			w.clean()
		})
	}
}

// TestRemoveUnderWay ends an installation that has not landed: it must not land afterwards.
func TestRemoveUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.switches(func(s *simorg.Switches) { s.DeployDelay = simorg.Duration(time.Hour) })
	if err := w.service.Begin(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if m, ok := w.next(); ok {
		w.do(m.job, nil)
	}
	if err := w.service.Remove(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if s := w.settle(); s.State != plumbing.Left {
		t.Errorf("it is %+v, %+v", s, s.Trouble)
	}
	w.advance(2 * time.Hour)
	w.clean()
}

func TestRemoveRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin()
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = simorg.Names{"ManageInteraction"} })
	if err := w.service.Remove(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	s := w.settle()
	if s.State != plumbing.Left || faultOf(s) != plumbing.RemovalRefused || !slices.Equal(s.Stays, []string{"Flow: RH Opportunity Stage", "Outbound message: RH Opportunity Stage"}) {
		t.Fatalf("it is %+v, %+v", s, s.Trouble)
	}
	if _, err := w.store.InstalledHook(t.Context(), w.get().Hook); err != nil {
		t.Errorf("what the org goes on to send is refused: %v", err)
	}
	w.switches(func(s *simorg.Switches) { s.MissingPermissions = nil })
	if err := w.service.Remove(t.Context(), account, connection); err != nil {
		t.Fatal(err)
	}
	if s := w.settle(); s.State != plumbing.Left || s.Trouble != nil {
		t.Errorf("with the right it is %+v, %+v", s, s.Trouble)
	}
	w.clean()
}

// TestLeave takes everything away at once, before an org is disconnected.
func TestLeave(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(*world)
		fault  plumbing.Fault
	}{
		"all goes": {func(*world) {}, ""},
		"a worker is quick to take what is on the queue": {func(w *world) { w.service.Jobs = quick{w} }, ""},
		"the org does not answer": {func(w *world) {
			w.org.SetRules(simorg.Rule{Path: "/tooling/", Fault: simorg.Fault{Status: 503, HTML: true}})
		}, plumbing.RemovalRefused},
		"the connection is dead": {func(w *world) { w.is(bridge.NeedsReconnect) }, plumbing.RemovalRefused},
		"disconnected already":   {func(w *world) { w.is(bridge.Disconnected) }, plumbing.RemovalRefused},
		"the user's rights are gone": {func(w *world) {
			w.switches(func(s *simorg.Switches) { s.MissingPermissions = simorg.Names{"ManageInteraction"} })
		}, plumbing.RemovalRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin()
			tc.before(w)
			if _, err := w.service.Leave(t.Context(), account, connection); err != nil {
				t.Fatal(err)
			}
			w.is(bridge.Disconnected)
			s := w.wait(24 * time.Hour)
			if s.State != plumbing.Left || faultOf(s) != tc.fault || !s.Next.IsZero() {
				t.Errorf("it is %+v, %+v, want %q", s, s.Trouble, tc.fault)
			}
			if tc.fault == "" {
				w.clean()
			}
			if err := w.service.Begin(t.Context(), account, connection); bridge.KindOf(err) != bridge.NotFound {
				t.Errorf("begun without a connection: %v", err)
			}
			w.is(bridge.Active)
			w.org.SetRules()
			w.service.Jobs = jobs{w}
			w.switches(func(s *simorg.Switches) { s.MissingPermissions = nil })
			w.whole(w.begin())
		})
	}
}

// quick is a queue with a worker that takes each job at once, and is not done when the connection ends.
type quick struct{ w *world }

func (q quick) Send(ctx context.Context, _ time.Duration, jobs ...plumbing.Job) error {
	for _, job := range jobs {
		i, err := q.w.store.Installation(ctx, job.Account, job.Connection)
		if err != nil {
			return err
		}
		i.DueAt = q.w.Now().Add(3 * time.Minute)
		if err := q.w.store.SaveInstallation(ctx, i); err != nil {
			return err
		}
	}
	return nil
}
