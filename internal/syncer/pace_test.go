package syncer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// A worker that is out of time leaves the next piece of work to another one, rather than die in it.
func TestAWorkerLeavesOffInTime(t *testing.T) {
	t.Parallel()
	short := func(t *testing.T) context.Context {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // enough for anything, but not for a second piece
		t.Cleanup(cancel)
		return ctx
	}
	t.Run("between campaigns", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, options{hero: simhero.Options{Subscribers: 2, WindowKind: simhero.None}})
		hints := []syncer.Hint{
			{Account: account, Campaign: campaign, Subscriber: bridge.SubscriberID(w.hero.Subscribers(string(campaign))[0].ID), Why: "update"},
			{Account: account, Campaign: "MF9f8e7d6c5b", Subscriber: "1", Why: "update"},
		}
		for name, tc := range map[string]struct {
			ctx  context.Context
			want bridge.Kind
		}{"with time": {t.Context(), ""}, "without": {short(t), bridge.Throttled}} {
			errs := w.worker.Hints(tc.ctx, hints, true)
			if errs[0] != nil || bridge.KindOf(errs[1]) != tc.want {
				t.Errorf("%s: %v", name, errs)
			}
		}
	})
	t.Run("between calls of a run", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, options{bare: true, hero: simhero.Options{Subscribers: 1100, WindowKind: simhero.None}})
		w.count()
		w.later()
		if err := w.worker.Step(short(t), syncer.Job{Account: account, Campaign: campaign}); bridge.KindOf(err) != bridge.Throttled {
			t.Errorf("the run goes on: %v", err)
		}
		if n := len(w.records("Contact")); n != 1000 {
			t.Errorf("%d records were written, want what one call takes", n)
		}
		if run, err := w.store.Run(t.Context(), account, campaign); err != nil || run.Most != 1000 || run.Page != 1 {
			t.Errorf("the run is %+v, %v; want one that takes less at a time", run, err)
		}
		w.work(fixed(1), immortal)
		w.agree(true)
		if s := w.ran().Statement; s.Repaired != 1100 || strings.Contains(w.logs.String(), "died") {
			t.Errorf("the statement is %+v; log:\n%s", s, w.logs)
		}
	})
}
