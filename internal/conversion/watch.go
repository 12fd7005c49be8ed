package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	pollEvery  = 15 * time.Minute
	pollBack   = 5 * time.Minute // windows overlap by that much: a change is seen when it is committed, which may be after its time
	pollShort  = time.Minute     // a window ends that long ago
	checkEvery = 24 * time.Hour
)

// watch does the next steps of watching a connection: a poll if one is due, else the daily check. Each step is written
// with what it came to, so that a worker that dies leaves the rest to the next one.
func (w Worker) watch(ctx context.Context, job Job) error {
	now := w.Now()
	v, err := w.Ledger.Watch(ctx, job.Account, job.Connection)
	if err != nil || v.Version == 0 {
		return err
	}
	sets, err := w.sets(ctx, job)
	if err != nil {
		return err
	}
	if len(sets) == 0 { // no rule is on: there is nothing to watch until one is
		v.PollAt, v.CheckAt = time.Time{}, time.Time{}
		return asFirst(w.Ledger.SaveWatch(ctx, v))
	}
	t := w.newTurn(job.Account)
	if err = t.open(ctx, job.Connection); err == nil {
		v, err = w.Ledger.Watch(ctx, job.Account, job.Connection) // it may have learned which columns there are
	}
	for err == nil && !late(ctx) {
		var more bool
		switch {
		case due(v.PollAt, now):
			v, more, err = t.poll(ctx, v, sets)
		case due(v.CheckAt, now):
			v, more, err = t.check(ctx, v, sets)
		}
		if !more {
			break
		}
	}
	if s, is := stopped(err); is {
		return w.watchLater(ctx, v, s)
	}
	if err != nil {
		return asFirst(err)
	}
	t.effects(ctx)
	return nil
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// watchLater puts watching off. The window stays open: what happens meanwhile is found when it can be looked at.
func (w Worker) watchLater(ctx context.Context, v bridge.Watch, s *stop) error {
	w.Log.WarnContext(ctx, "watching waits", "account", v.Account, "connection", v.Connection, "reason", s.reason, "err", s.err)
	wait := s.waitOf(v.Tries)
	v.Tries, v.Problem = v.Tries+1, s.reason
	for _, at := range []*time.Time{&v.PollAt, &v.CheckAt} {
		if later := w.Now().Add(wait); !at.IsZero() && at.Before(later) {
			*at = later
		}
	}
	return asFirst(w.Ledger.SaveWatch(ctx, v))
}

// poll takes a page of what has changed in the org, and judges it. The last page closes the window with a statement.
func (t *turn) poll(ctx context.Context, v bridge.Watch, sets []bridge.RuleSet) (bridge.Watch, bool, error) {
	if v.Window.To.IsZero() {
		v.Window = bridge.Window{Account: v.Account, Connection: v.Connection, From: v.Closed.Add(-pollBack), To: t.w.Now().Add(-pollShort)}
		v.Page = ""
	}
	t.asked, t.accounted = t.w.Now(), time.Time{}
	page, err := t.org.DealChanges(ctx, v.Window.From, v.Window.To, v.Page)
	if err != nil {
		return v, false, ofOrg(err)
	}
	moved, err := t.look(ctx, sets, page.Moved, bridge.ByPoll)
	if err != nil {
		return v, false, err
	}
	others, err := t.look(ctx, sets, page.Others, bridge.ByPoll)
	if err != nil {
		return v, false, err
	}
	v.Columns = t.columns // which were found anew if they had changed
	v.Window.Changes += page.Changes
	v.Window.Deals += moved.deals + others.deals
	v.Window.Found += moved.changed + others.changed
	v.Window.Missed += moved.changed
	v.Page, v.Tries, v.Problem = page.Next, 0, ""
	if page.Next != "" {
		err := t.w.Ledger.SaveWatch(ctx, v)
		v.Version++
		return v, true, err
	}
	closed := v.Window
	closed.ClosedAt = t.w.Now()
	if v, err = t.listen(ctx, v, closed); err != nil {
		return v, false, err
	}
	v.Closed, v.Window, v.PollAt = closed.To, bridge.Window{}, t.w.Now().Add(pollEvery)
	err = t.w.Ledger.CloseWindow(ctx, v, closed)
	v.Version++
	return v, due(v.CheckAt, t.w.Now()), err
}

// listen finds out whether messages still come: if the org's history has changes that no message told of, twice in a row,
// they do not. Once may be a message that is on its way.
func (t *turn) listen(ctx context.Context, v bridge.Watch, closed bridge.Window) (bridge.Watch, error) {
	if t.w.LastMessage == nil {
		return v, nil
	}
	last, since, err := t.w.LastMessage(ctx, v.Account, v.Connection)
	switch {
	case err != nil:
		return v, err
	case since.IsZero(), since.After(closed.From), last.After(closed.From):
		v.Missing, v.SilentSince = 0, time.Time{} // none can have come, or one has
	case closed.Missed > 0:
		if v.Missing++; v.Missing >= 2 && v.SilentSince.IsZero() {
			v.SilentSince = closed.From
		}
	}
	return v, nil
}

// mostChecked is how many entries one step of the check takes.
const mostChecked = 200

// check takes the next entries, reads their deals, and puts right what differs.
func (t *turn) check(ctx context.Context, v bridge.Watch, sets []bridge.RuleSet) (bridge.Watch, bool, error) {
	now := t.w.Now()
	if v.Check.From.IsZero() {
		v.Check, v.CheckPage = bridge.Window{Account: v.Account, Connection: v.Connection, Check: true, From: now}, ""
		columns, err := t.findColumns(ctx, t.org)
		if err != nil {
			return v, false, err
		}
		v.Check.Blind = columns != v.Columns
		t.columns, v.Columns, v.LookedAt = columns, columns, now
	}
	t.asked, t.accounted = time.Time{}, v.Closed.Add(-pollBack)
	if v.Check.Blind {
		t.accounted = time.Time{}
	}
	if spent(t.org) {
		return v, false, &stop{reason: orgNearlySpent, wait: longWait}
	}
	set, after := setOf(sets, v.CheckPage)
	if set == nil {
		closed := v.Check
		closed.To, closed.ClosedAt = now, now
		v.Check, v.CheckPage, v.Tries, v.Problem = bridge.Window{}, "", 0, ""
		v.CheckAt = now.Add(checkEvery)
		err := t.w.Ledger.CloseWindow(ctx, v, closed)
		v.Version++
		return v, false, err
	}
	entries, next, err := t.w.Ledger.Entries(ctx, v.Account, set.Campaign, after, mostChecked)
	if err != nil {
		return v, false, err
	}
	came, err := t.look(ctx, []bridge.RuleSet{*set}, dealsOf(entries), bridge.ByCheck)
	if err != nil {
		return v, false, err
	}
	v.Check.Deals += came.deals
	v.Check.Found += came.changed
	v.Tries, v.Problem = 0, ""
	if v.CheckPage = string(set.Campaign) + " " + next; next == "" {
		v.CheckPage = nextSet(sets, set.Campaign)
	}
	err = t.w.Ledger.SaveWatch(ctx, v)
	v.Version++
	return v, true, err
}
