package conversion

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	core "github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/store"
)

// diary is a store that remembers when work will be due, so that the sweep runs when there is something to find, and not
// each minute of a day on which little happens.
type diary struct {
	*store.Store
	every time.Duration // in which the sweep runs
	mu    sync.Mutex
	dues  []time.Time
}

func (d *diary) note(times ...time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range times {
		if at = at.Truncate(d.every).Add(d.every); at.Year() > 1 && !slices.Contains(d.dues, at) {
			d.dues = append(d.dues, at)
		}
	}
}

// next is when the sweep finds the next work.
func (d *diary) next() (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.dues) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(d.dues, time.Time.Compare), true
}

// turn forgets what was due until now.
func (d *diary) turn(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dues = slices.DeleteFunc(d.dues, func(at time.Time) bool { return !at.After(now) })
}

func (d *diary) CommitConversions(ctx context.Context, c core.Commit) error {
	for _, e := range c.Entries {
		d.note(e.Due)
	}
	for _, e := range c.Effects {
		d.note(e.Due)
	}
	return d.Store.CommitConversions(ctx, c)
}

func (d *diary) SaveWatch(ctx context.Context, w bridge.Watch) error {
	d.note(w.PollAt, w.CheckAt)
	return d.Store.SaveWatch(ctx, w)
}

func (d *diary) CloseWindow(ctx context.Context, w bridge.Watch, closed bridge.Window) error {
	d.note(w.PollAt, w.CheckAt)
	return d.Store.CloseWindow(ctx, w, closed)
}

func (d *diary) SaveParked(ctx context.Context, p bridge.Parked) error {
	d.note(p.Due)
	return d.Store.SaveParked(ctx, p)
}

func (d *diary) SaveCatchUp(ctx context.Context, s bridge.RuleSet) error {
	d.note(s.CatchUp.Due)
	return d.Store.SaveCatchUp(ctx, s)
}

func (d *diary) SaveRuleSet(ctx context.Context, s bridge.RuleSet, edits ...bridge.RuleEdit) error {
	d.note(s.CatchUp.Due)
	return d.Store.SaveRuleSet(ctx, s, edits...)
}

func (d *diary) PostponeConversion(ctx context.Context, due core.Due, until time.Time) error {
	d.note(until)
	return d.Store.PostponeConversion(ctx, due, until)
}
