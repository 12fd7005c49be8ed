// Package budget rations calls. A budget is a number of calls in any window of time, such as
// ReferralHero's 5,000 in an hour, shared by everything that an account does.
//
// Calls are leased, many at a time, before they are made. The window is remembered in buckets, so that
// an unused hour may be spent in two minutes and no window of that length, wherever the other side
// lets it begin, holds more calls than allowed. Work comes in lanes: what is live goes before what is
// bulk, because bulk leaves a reserve alone as long as live work shows up.
package budget

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// ReferralHero is the name of the budget of calls to ReferralHero.
const ReferralHero = "referralhero"

// Lane is what kind of work calls are for.
type Lane string

// The lanes, most urgent first. Only Bulk leaves the reserve alone.
const (
	Live Lane = "live"
	Sync Lane = "sync"
	Bulk Lane = "bulk"
)

// Buckets is how finely a window is remembered. A lease lasts one bucket; its calls count against the
// window until that bucket has left it entirely, so about 1 % of the window is lost to rounding.
const Buckets = 180

// kept is how many buckets are kept: those of the window, the two in which a lease may begin and end, and
// one for calls that are on their way when the lease ends and for clocks that differ a little.
const kept = Buckets + 3

// Lease is permission to make calls.
type Lease struct {
	Calls   int       // may be fewer than asked for, never none
	Expires time.Time // calls must be sent before
}

// State is what a person may know of a budget.
type State struct {
	Used, Left  int       // calls in the window; for the bulk lane
	NextAt      time.Time // when more calls become free; zero if some are
	ClosedUntil time.Time // the other side said no; zero if it did not
}

// Window is what is stored: calls by bucket, counted from the Unix epoch.
type Window struct {
	Last   int64    // number of the newest bucket
	All    []uint16 // calls in the buckets up to Last, which is at the end
	Urgent []uint16 // those of them that were not bulk
	Until  time.Time
	// Version is the version as read; 0 if there is no item yet.
	Version int
}

// store keeps windows. Save fails with a Conflict unless the version is still the one that was read.
type store interface {
	Window(ctx context.Context, account bridge.AccountID, name string) (Window, error)
	SaveWindow(ctx context.Context, account bridge.AccountID, name string, w Window) error
}

// Budget leases calls. Its fields are set once.
type Budget struct {
	Store  store
	Length time.Duration // of the window
	Now    func() time.Time
}

// tries is how often a lease is tried again when somebody else leased at the same moment.
const tries = 8

// Lease takes up to calls from the budget of that name, of which limit may be made in any window. It
// returns Throttled with the time to wait if there are none, and Conflict if too many lease at once.
func (b Budget) Lease(ctx context.Context, account bridge.AccountID, name string, limit int, lane Lane, calls int) (Lease, error) {
	const op = "budget.Lease"
	var lease Lease
	err := b.change(ctx, account, name, func(w *Window, now time.Time) error {
		free := w.free(limit, lane)
		if wait := w.Until.Sub(now); wait > 0 {
			return &bridge.Error{Op: op, Kind: bridge.Throttled, Code: "closed", After: wait}
		}
		if free <= 0 {
			return &bridge.Error{Op: op, Kind: bridge.Throttled, Code: "used_up", After: b.wait(*w, limit, lane, now)}
		}
		lease = Lease{Calls: min(calls, free), Expires: now.Add(b.bucket())}
		w.add(lease.Calls, lane)
		return nil
	})
	if err != nil {
		return Lease{}, err
	}
	return lease, nil
}

// Close stops all leases until then, after the other side refused a call for being one too many.
func (b Budget) Close(ctx context.Context, account bridge.AccountID, name string, until time.Time) error {
	return b.change(ctx, account, name, func(w *Window, _ time.Time) error {
		if until.After(w.Until) {
			w.Until = until
		}
		return nil
	})
}

// Correct takes note that the other side counts only left calls. If that is clearly fewer than we think,
// others spend from the same allowance: the difference is counted as calls made now. Answers on their way
// make small differences normal; those are ignored.
func (b Budget) Correct(ctx context.Context, account bridge.AccountID, name string, limit, left int) error {
	const op = "budget.Correct"
	now := b.Now()
	seen, err := b.Store.Window(ctx, account, name)
	if err != nil {
		return bridge.E(op, "", err)
	}
	seen.advance(b.number(now))
	if limit-sum(seen.All)-left <= slack(limit) {
		return nil
	}
	return b.change(ctx, account, name, func(w *Window, _ time.Time) error {
		if missing := limit - sum(w.All) - left; missing > slack(limit) {
			w.add(missing, Bulk)
		}
		return nil
	})
}

// slack is the difference that Correct ignores: leases that are not spent yet.
func slack(limit int) int { return max(100, limit/20) }

// State says how much of the budget is left for bulk work.
func (b Budget) State(ctx context.Context, account bridge.AccountID, name string, limit int) (State, error) {
	now := b.Now()
	w, err := b.Store.Window(ctx, account, name)
	if err != nil {
		return State{}, bridge.E("budget.State", "", err)
	}
	w.advance(b.number(now))
	s := State{Used: sum(w.All), Left: max(0, w.free(limit, Bulk))}
	if w.Until.After(now) {
		s.ClosedUntil, s.NextAt, s.Left = w.Until, w.Until, 0
	} else if s.Left == 0 {
		s.NextAt = now.Add(b.wait(w, limit, Bulk, now))
	}
	return s, nil
}

// change reads, changes and saves the window, again if somebody else was faster.
func (b Budget) change(ctx context.Context, account bridge.AccountID, name string, edit func(*Window, time.Time) error) error {
	const op = "budget.change"
	var err error
	for range tries {
		var w Window
		if w, err = b.Store.Window(ctx, account, name); err != nil {
			return bridge.E(op, "", err)
		}
		now := b.Now()
		w.advance(b.number(now))
		if err = edit(&w, now); err != nil {
			return err
		}
		err = b.Store.SaveWindow(ctx, account, name, w)
		if bridge.KindOf(err) != bridge.Conflict {
			return bridge.E(op, "", err)
		}
	}
	return bridge.E(op, bridge.Conflict, err)
}

func (b Budget) bucket() time.Duration { return b.Length / Buckets }

func (b Budget) number(at time.Time) int64 { return at.UnixNano() / int64(b.bucket()) }

// wait is the time until the lane may lease again: when enough of the oldest buckets have left.
func (b Budget) wait(w Window, limit int, lane Lane, now time.Time) time.Duration {
	for step := int64(1); step <= kept; step++ {
		later := w.clone()
		later.advance(w.Last + step)
		if later.free(limit, lane) > 0 {
			start := time.Unix(0, (w.Last+step)*int64(b.bucket()))
			return max(start.Sub(now), time.Millisecond)
		}
	}
	return b.Length
}

// advance moves the window on to bucket number last. Clocks of workers differ a little: a number that is
// behind counts as the newest.
func (w *Window) advance(last int64) {
	if len(w.All) != kept || len(w.Urgent) != kept {
		w.All, w.Urgent, w.Last = make([]uint16, kept), make([]uint16, kept), last
		return
	}
	steps := min(last-w.Last, kept)
	if steps <= 0 {
		return
	}
	for _, row := range [][]uint16{w.All, w.Urgent} {
		copy(row, row[steps:])
		clear(row[kept-steps:])
	}
	w.Last = last
}

// free is how many calls the lane may lease now.
func (w Window) free(limit int, lane Lane) int {
	free := limit - sum(w.All)
	if lane == Bulk {
		free -= reserve(limit, sum(w.Urgent))
	}
	return free
}

// reserve is what bulk work leaves alone: half as much again as urgent work used within the window, at
// most a fifth of the limit; and nothing while there is no urgent work beyond the odd call of a person
// in the console.
func reserve(limit, urgent int) int {
	if urgent <= limit/100 {
		return 0
	}
	return min(urgent/2, limit/5)
}

func (w *Window) add(calls int, lane Lane) {
	w.All[kept-1] = add(w.All[kept-1], calls)
	if lane != Bulk {
		w.Urgent[kept-1] = add(w.Urgent[kept-1], calls)
	}
}

func add(n uint16, calls int) uint16 { return uint16(min(int(n)+calls, 1<<16-1)) }

func sum(row []uint16) int {
	total := 0
	for _, n := range row {
		total += int(n)
	}
	return total
}

func (w Window) clone() Window {
	w.All, w.Urgent = append([]uint16(nil), w.All...), append([]uint16(nil), w.Urgent...)
	return w
}
