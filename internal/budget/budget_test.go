package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// table keeps windows as a conditional write would.
type table struct {
	mu     sync.Mutex
	rows   map[string]Window
	writes int
}

func (t *table) Window(_ context.Context, a bridge.AccountID, name string) (Window, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows[string(a)+name].clone(), nil
}

func (t *table) SaveWindow(_ context.Context, a bridge.AccountID, name string, w Window) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes++
	if t.rows[string(a)+name].Version != w.Version {
		return bridge.E("table", bridge.Conflict, errors.New("version"))
	}
	w.Version++
	if t.rows == nil {
		t.rows = map[string]Window{}
	}
	t.rows[string(a)+name] = w.clone()
	return nil
}

// clock is moved by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var start = time.Date(2026, 11, 3, 9, 59, 50, 0, time.UTC)

func newBudget() (Budget, *clock, *table) {
	c, rows := &clock{start}, &table{}
	return Budget{Store: rows, Length: time.Hour, Now: c.Now}, c, rows
}

// all leases until the budget says no, and returns how many calls it gave and how long it asks to wait.
func all(t *testing.T, b Budget, limit int, lane Lane) (int, time.Duration) {
	t.Helper()
	total := 0
	for {
		lease, err := b.Lease(t.Context(), "a_1", ReferralHero, limit, lane, 50)
		if bridge.KindOf(err) == bridge.Throttled {
			return total, bridge.AfterOf(err, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		total += lease.Calls
	}
}

func TestAnUnusedHourIsSpentAtOnce(t *testing.T) {
	t.Parallel()
	b, c, rows := newBudget()
	got, wait := all(t, b, 5000, Bulk)
	if got != 5000 {
		t.Errorf("leased %d calls of an unused hour, want 5000", got)
	}
	if rows.writes > 101 {
		t.Errorf("%d writes for 100 leases", rows.writes)
	}
	if wait < time.Hour || wait > time.Hour+time.Hour*4/Buckets {
		t.Errorf("asks to wait %s, want an hour and at most four buckets", wait)
	}
	c.now = c.now.Add(wait)
	if got, _ := all(t, b, 5000, Bulk); got != 5000 {
		t.Errorf("leased %d calls after the wait, want 5000", got)
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		live int // calls that live work made before
		bulk int // calls that bulk work may still make of 5,000
	}{
		"nothing live, so nothing is kept back":             {live: 0, bulk: 5000},
		"a person looking around keeps nothing back":        {live: 10, bulk: 4990},
		"live work keeps back half of what it used":         {live: 400, bulk: 4400},
		"live work keeps back no more than a fifth of it":   {live: 2500, bulk: 1500},
		"live work may use up everything":                   {live: 5000, bulk: 0},
		"what live work left is less than what it may need": {live: 4500, bulk: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _, _ := newBudget()
			for left := tc.live; left > 0; left -= min(left, 50) {
				if _, err := b.Lease(t.Context(), "a_1", ReferralHero, 5000, Live, min(left, 50)); err != nil {
					t.Fatal(err)
				}
			}
			if state, err := b.State(t.Context(), "a_1", ReferralHero, 5000); err != nil || state.Left != tc.bulk || state.Used != tc.live {
				t.Errorf("State = %+v, %v; want %d left for bulk", state, err, tc.bulk)
			}
			if got, _ := all(t, b, 5000, Bulk); got != tc.bulk {
				t.Errorf("bulk work got %d, want %d", got, tc.bulk)
			}
			if got, _ := all(t, b, 5000, Live); got != 5000-tc.live-tc.bulk {
				t.Errorf("live work then got %d, want the %d that were kept back", got, 5000-tc.live-tc.bulk)
			}
		})
	}
}

func TestTheOtherSideIsRight(t *testing.T) {
	t.Parallel()
	b, c, _ := newBudget()
	if err := b.Close(t.Context(), "a_1", ReferralHero, c.now.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, wait := all(t, b, 5000, Live); got != 0 || wait != 5*time.Minute {
		t.Errorf("closed, yet leased %d; asks to wait %s", got, wait)
	}
	if state, _ := b.State(t.Context(), "a_1", ReferralHero, 5000); !state.ClosedUntil.Equal(c.now.Add(5*time.Minute)) || state.Left != 0 {
		t.Errorf("State of a closed budget = %+v", state)
	}
	c.now = c.now.Add(5 * time.Minute)
	if err := b.Correct(t.Context(), "a_1", ReferralHero, 5000, 4900); err != nil {
		t.Fatal(err)
	}
	if state, _ := b.State(t.Context(), "a_1", ReferralHero, 5000); state.Used != 0 {
		t.Errorf("a small difference was counted: %+v", state)
	}
	if err := b.Correct(t.Context(), "a_1", ReferralHero, 5000, 1000); err != nil {
		t.Fatal(err)
	}
	if got, _ := all(t, b, 5000, Bulk); got != 1000 {
		t.Errorf("somebody else used 4,000, and we still leased %d", got)
	}
}

func TestAccountsDoNotShareABudget(t *testing.T) {
	t.Parallel()
	b, _, _ := newBudget()
	all(t, b, 100, Live)
	if _, err := b.Lease(t.Context(), "a_2", ReferralHero, 100, Live, 1); err != nil {
		t.Errorf("a neighbour's calls were counted: %v", err)
	}
}

// TestNoWindowHoldsTooMany plays workers that lease at random times and send each call at a random moment
// of its lease, and looks at the calls as the other side does, in a window that slides.
func TestNoWindowHoldsTooMany(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b, c, _ := newBudget()
		limit := rapid.IntRange(1, 300).Draw(rt, "limit")
		seed := rapid.Uint64().Draw(rt, "seed")
		random := rand.New(rand.NewPCG(seed, 0))
		var sent []time.Time
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			c.now = c.now.Add(time.Duration(random.Int64N(int64(5 * time.Minute))))
			lane := []Lane{Live, Sync, Bulk}[random.IntN(3)]
			lease, err := b.Lease(t.Context(), "a_1", ReferralHero, limit, lane, 1+random.IntN(60))
			if err != nil {
				if bridge.KindOf(err) != bridge.Throttled {
					rt.Fatal(err)
				}
				c.now = c.now.Add(bridge.AfterOf(err, 0))
				continue
			}
			for range lease.Calls {
				sent = append(sent, c.now.Add(time.Duration(random.Int64N(int64(lease.Expires.Sub(c.now))))))
			}
		}
		slices.SortFunc(sent, time.Time.Compare)
		first := 0
		for last, at := range sent {
			for !sent[first].After(at.Add(-time.Hour)) {
				first++
			}
			if within := last - first + 1; within > limit {
				rt.Fatalf("%d calls in the hour before %s, want at most %d", within, at, limit)
			}
		}
	})
}

func TestManyWorkersLeaseNoMoreThanThereIs(t *testing.T) {
	t.Parallel()
	b, _, _ := newBudget()
	var mu sync.Mutex
	var workers sync.WaitGroup
	total := 0
	for range 20 {
		workers.Go(func() {
			for range 20 {
				lease, err := b.Lease(context.Background(), "a_1", ReferralHero, 1000, Bulk, 10)
				if kind := bridge.KindOf(err); err != nil && kind != bridge.Throttled && kind != bridge.Conflict {
					t.Error(err)
				}
				mu.Lock()
				total += lease.Calls
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if total > 1000 {
		t.Errorf("20 workers leased %d calls of 1000", total)
	}
}
