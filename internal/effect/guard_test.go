package effect

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// table keeps records as a conditional write would. fail, if set, is asked before each write.
type table struct {
	mu   sync.Mutex
	rows map[string]Record
	fail func(write int) error
	n    int
}

func (t *table) Effect(_ context.Context, a bridge.AccountID, kind, subject string) (Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows[string(a)+kind+subject], nil
}

func (t *table) SaveEffect(_ context.Context, a bridge.AccountID, kind, subject string, r Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if t.fail != nil {
		if err := t.fail(t.n); err != nil {
			return err
		}
	}
	if t.rows[string(a)+kind+subject].Version != r.Version {
		return bridge.E("table", bridge.Conflict, errors.New("version"))
	}
	r.Version++
	if t.rows == nil {
		t.rows = map[string]Record{}
	}
	t.rows[string(a)+kind+subject] = r
	return nil
}

func TestOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	kind := func(k bridge.Kind) error { return bridge.E("test", k, errors.New("as told")) }

	for name, tc := range map[string]struct {
		before Record
		call   error
		state  State
		calls  int
		again  int // calls after asking a second time
		fails  bool
	}{
		"made, and not again":                           {state: Done, calls: 1, again: 1},
		"refused for good, and not again":               {call: kind(bridge.Invalid), state: Failed, calls: 1, again: 1},
		"refused for now, and made when asked again":    {call: kind(bridge.Throttled), state: Open, calls: 1, again: 2, fails: true},
		"never reached, and made when asked again":      {call: kind(bridge.Unavailable), state: Open, calls: 1, again: 2, fails: true},
		"no answer, so never again":                     {call: kind(bridge.UnknownOutcome), state: Unknown, calls: 1, again: 1},
		"an error that says nothing, so never again":    {call: errors.New("reset by peer"), state: Unknown, calls: 1, again: 1},
		"another worker is at it":                       {before: Record{State: Claimed, Until: now.Add(time.Second), Version: 3}, state: Claimed},
		"a worker died at it, so nobody knows":          {before: Record{State: Claimed, Until: now.Add(-time.Second), Version: 3}, state: Unknown},
		"made long ago":                                 {before: Record{State: Done, Version: 2}, state: Done},
		"refused for now by an earlier worker, so made": {before: Record{State: Open, Version: 2}, state: Done, calls: 1, again: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := &table{rows: map[string]Record{"a_1maili_1": tc.before}}
			calls := 0
			call := func(context.Context) error { calls++; return tc.call }
			g := Guard{Store: rows, Now: func() time.Time { return now }}

			state, err := g.Once(t.Context(), "a_1", "mail", "i_1", call)
			if state != tc.state || (err != nil) != tc.fails || calls != tc.calls {
				t.Errorf("Once = %q, %v after %d calls; want %q, error %t, %d calls", state, err, calls, tc.state, tc.fails, tc.calls)
			}
			if _, err := g.Once(t.Context(), "a_1", "mail", "i_1", call); (err != nil) != tc.fails || calls != tc.again {
				t.Errorf("asked again: %v after %d calls, want %d", err, calls, tc.again)
			}
		})
	}
}

func TestOnceThroughCrashes(t *testing.T) {
	t.Parallel()
	down := bridge.E("table", bridge.UnknownOutcome, errors.New("no answer"))

	for name, tc := range map[string]struct {
		failing int // the write that gets no answer
		calls   int // that were made
		state   State
	}{
		"the claim was not written for certain, so nothing was called": {failing: 1, calls: 0, state: Done},
		"the outcome was not written, so it is unknown":                {failing: 2, calls: 1, state: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
			rows := &table{fail: func(write int) error {
				if write == tc.failing {
					return down
				}
				return nil
			}}
			calls := 0
			g := Guard{Store: rows, Now: func() time.Time { return now }}
			if _, err := g.Once(t.Context(), "a_1", "mail", "i_1", func(context.Context) error { calls++; return nil }); err == nil {
				t.Fatal("Once hides that a write had no answer")
			}
			if calls != tc.calls {
				t.Errorf("%d calls, want %d", calls, tc.calls)
			}
			now = now.Add(time.Hour)
			state, err := g.Once(t.Context(), "a_1", "mail", "i_1", func(context.Context) error { calls++; return nil })
			if state != tc.state || err != nil || calls > 1 {
				t.Errorf("after the claim: %q, %v, %d calls; want %q and at most one call", state, err, calls, tc.state)
			}
		})
	}
}

func TestOnceAmongMany(t *testing.T) {
	t.Parallel()
	g := Guard{Store: &table{}, Now: time.Now}
	var calls, done sync.Map
	var workers sync.WaitGroup
	for i := range 50 {
		workers.Go(func() {
			state, err := g.Once(t.Context(), "a_1", "mail", "i_1", func(context.Context) error { calls.Store(i, true); return nil })
			if err != nil {
				t.Error(err)
			}
			done.Store(i, state)
		})
	}
	workers.Wait()
	made := 0
	calls.Range(func(any, any) bool { made++; return true })
	if made != 1 {
		t.Errorf("50 workers made %d calls, want 1", made)
	}
}
