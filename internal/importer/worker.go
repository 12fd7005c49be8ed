package importer

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/effect"
)

// Worker does the work of imports. Its fields are set once.
type Worker struct {
	Imports     worksheets
	Accounts    tokens
	Connections connections
	Org         func(bridge.Connection) Org
	Hero        Hero
	Jobs        jobs
	Budget      budget.Budget
	Mails       effect.Guard
	Mail        func(context.Context, Message) error
	// Added hears of the contacts that a page has made subscribers or found to be some, as far as this worker has done it;
	// Ended of an import of which every contact has its outcome, at least once. Both may be nil.
	Added   func(ctx context.Context, i bridge.Import, added []Added) error
	Ended   func(ctx context.Context, i bridge.Import) error
	BaseURL string // of the console, without a slash at the end
	Now     func() time.Time
	// Pause is the pause before a call to ReferralHero is tried again; it doubles. 0 means 200 ms.
	Pause time.Duration
	Log   *slog.Logger
}

// worksheets keep imports, pages and receipts. Every write is a Conflict if what it stands on has changed.
type worksheets interface {
	importRows
	pageRows
	receiptRows
}

type importRows interface {
	Import(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
	SaveImport(ctx context.Context, i bridge.Import, due time.Time) error
	EndImport(ctx context.Context, i bridge.Import) error
}

type pageRows interface {
	AddPages(ctx context.Context, i bridge.Import, pages []bridge.Page, due time.Time) error
	ClaimPage(ctx context.Context, p bridge.Page) error
	ReleasePage(ctx context.Context, p bridge.Page) error
}

type receiptRows interface {
	SaveReceipt(ctx context.Context, r bridge.Receipt, complete bool) error
	Page(ctx context.Context, account bridge.AccountID, id bridge.ImportID, number int) (Sheet, error)
	Pages(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[Sheet, error]
}

type tokens interface {
	accounts
	// RefuseToken notes ReferralHero's code for refusing the account's token; Conflict if that was replaced.
	RefuseToken(ctx context.Context, a bridge.Account, code string) error
}

type accounts interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
}

type connections interface {
	Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
}

// Handle does one job. It bears jobs that come twice, late, out of order, or at the same time. Throttled means
// that the job should come again after a while.
func (w Worker) Handle(ctx context.Context, job Job) error {
	const op = "importer.Handle"
	i, err := w.Imports.Import(ctx, job.Account, job.Import)
	if err != nil {
		return bridge.E(op, "", err)
	}
	switch {
	case i.State == bridge.Finalizing:
		return w.deliver(ctx, i)
	case i.State != bridge.Running:
		return nil
	case job.Page == 0:
		err = w.pump(ctx, i, job.Rescue)
	case i.Parked != "":
		return nil // the pump that ends the wait sends the open pages again
	default:
		err = w.page(ctx, i, job)
	}
	var s *stop
	if errors.As(err, &s) {
		err = w.halt(ctx, job, s)
	}
	return bridge.E(op, "", err)
}

// pump plans, dispatches, or finishes.
func (w Worker) pump(ctx context.Context, i bridge.Import, rescue bool) error {
	const op = "importer.pump"
	if i.Parked != "" {
		if wait := i.Until.Sub(w.Now()); wait > 0 {
			return putOff(op, wait)
		}
		unparked, err := w.unpark(ctx, i)
		if err != nil {
			return err
		}
		i, rescue = unparked, true
	}
	// Before planning, which may be put off: nobody would remember then that the pages still need their jobs.
	if rescue {
		if err := w.rescue(ctx, i, i.Open); err != nil {
			return err
		}
	}
	i, err := w.plan(ctx, i)
	if err != nil {
		return err
	}
	if i.Planned && len(i.Open) == 0 {
		return w.finalize(ctx, i)
	}
	return nil
}

// rescue sends the open pages, in case their jobs were lost: at once those that nobody has claimed, and the others for
// when their claims are over, since their workers may be dead. At worst a page has two jobs then, and one of them
// finds nothing to do.
func (w Worker) rescue(ctx context.Context, i bridge.Import, open []int) error {
	var free []Job
	for _, number := range open[:min(window, len(open))] {
		sheet, err := w.Imports.Page(ctx, i.Account, i.ID, number)
		if err != nil {
			return err
		}
		now := w.Now()
		if !held(sheet.Page, i.Pass, now) {
			free = append(free, pageJob(i, number))
			continue
		}
		if err := w.Jobs.Send(ctx, sheet.Page.Until.Sub(now), pageJob(i, number)); err != nil {
			return err
		}
	}
	return w.Jobs.Send(ctx, 0, free...)
}

// unpark ends a wait. After an outage the last sign of life stays what it was, so that the next wait is longer
// if the outage goes on.
func (w Worker) unpark(ctx context.Context, i bridge.Import) (bridge.Import, error) {
	if i.Parked != heroDown && i.Parked != orgDown {
		i.BeatAt = w.Now()
	}
	i.Parked, i.Until = "", time.Time{}
	return w.save(ctx, i)
}

// plan lays out pages until enough are open or every contact is in one.
func (w Worker) plan(ctx context.Context, i bridge.Import) (bridge.Import, error) {
	if i.Planned || len(i.Open) > low {
		return i, nil
	}
	org, err := w.org(ctx, i)
	if err != nil {
		return i, err
	}
	for !i.Planned && len(i.Open) <= low {
		ids, err := org.ContactIDs(ctx, selection(i), i.Cursor, stepSize)
		if err != nil {
			return i, ofOrg(err)
		}
		next, pages := layOut(i, ids, w.Now())
		if err := w.Imports.AddPages(ctx, next, pages, w.due(ctx)); err != nil {
			return i, stale(err)
		}
		next.Version++
		i = next
		if err := w.Jobs.Send(ctx, 0, pageJobs(i, pages)...); err != nil {
			return i, err // the sweep will notice
		}
		if spent(org) {
			return i, &stop{park: orgNearlySpent, wait: longWait}
		}
	}
	return i, nil
}

// startedBy returns when the import started by ReferralHero's clock, as an answer tells that has just come. It may be
// early by as long as the answer took.
func (w Worker) startedBy(i bridge.Import, q bridge.Quota) time.Time {
	if q.At.IsZero() {
		return i.StartedAt
	}
	return i.StartedAt.Add(q.At.Sub(w.Now()))
}

// setClock notes ReferralHero's time before more than one contact is added: a subscriber that was created later and
// carries our source was created by this import. It costs no call, since every answer tells the time.
func (w Worker) setClock(ctx context.Context, i bridge.Import, at time.Time) (bridge.Import, error) {
	for range attempts {
		fresh, err := w.Imports.Import(ctx, i.Account, i.ID)
		if err != nil || !fresh.HeroAt.IsZero() {
			return fresh, err
		}
		fresh.HeroAt = at
		if fresh, err = w.save(ctx, fresh); !lost(err) {
			return fresh, err
		}
	}
	return i, &stop{after: time.Second}
}

// org returns the org of an import, if its connection works.
func (w Worker) org(ctx context.Context, i bridge.Import) (Org, error) {
	c, err := w.Connections.Connection(ctx, i.Account, i.Options.Connection)
	if err != nil {
		return nil, ofOrg(err)
	}
	if c.Status == bridge.NeedsReconnect || c.Status == bridge.Disconnected {
		return nil, &stop{park: connectionDead, wait: longWait}
	}
	return w.Org(c), nil // one that needs an admin may have got one: a call will tell
}

// heroStop takes note of what an error of ReferralHero says about token and budget, and says what it means.
func (w Worker) heroStop(ctx context.Context, a bridge.Account, err error) error {
	outcome := ofHero(err, w.Budget.Length)
	var noted error
	switch bridge.KindOf(err) {
	case bridge.Throttled:
		until := w.Now().Add(bridge.AfterOf(err, w.Budget.Length))
		noted = w.Budget.Close(ctx, a.ID, budget.ReferralHero, until)
	case bridge.Revoked, bridge.Denied:
		noted = w.Accounts.RefuseToken(ctx, a, bridge.CodeOf(err))
	}
	if noted != nil && bridge.KindOf(noted) != bridge.Conflict {
		return noted
	}
	return outcome
}

// halt does what a stop asks for.
func (w Worker) halt(ctx context.Context, job Job, s *stop) error {
	const op = "importer.halt"
	switch {
	case s.gone:
		return nil
	case s.after > 0:
		return putOff(op, s.after)
	case s.cause != "":
		w.Log.WarnContext(ctx, "import ends early", "account", job.Account, "import", job.Import, "err", s.err)
		return w.change(ctx, job, func(i bridge.Import) (bridge.Import, bool) {
			i.State, i.Cause, i.EndedAt = bridge.Broken, s.cause, w.Now()
			i.Parked, i.Until = "", time.Time{}
			return i, true
		})
	}
	w.Log.WarnContext(ctx, "import waits", "account", job.Account, "import", job.Import, "reason", s.park, "err", s.err)
	var wait time.Duration
	err := w.change(ctx, job, func(i bridge.Import) (bridge.Import, bool) {
		if i.Parked != "" {
			return i, false // somebody else met the same obstacle
		}
		now := w.Now()
		if wait = s.wait; s.outage {
			wait = outageWait(now.Sub(i.BeatAt))
		}
		i.Parked, i.Until = s.park, now.Add(wait)
		return i, true
	})
	if err != nil || wait == 0 {
		return err
	}
	return w.Jobs.Send(ctx, wait, Job{Account: job.Account, Import: job.Import})
}

// attempts is how often a change is tried again when somebody else changed the import at the same moment.
const attempts = 10

// change edits a running import, unless edit says that there is nothing to change.
func (w Worker) change(ctx context.Context, job Job, edit func(bridge.Import) (bridge.Import, bool)) error {
	const op = "importer.change"
	for range attempts {
		i, err := w.Imports.Import(ctx, job.Account, job.Import)
		if err != nil {
			return bridge.E(op, "", err)
		}
		if i.State != bridge.Running {
			return nil
		}
		i, wanted := edit(i)
		if !wanted {
			return nil
		}
		if _, err = w.save(ctx, i); !lost(err) {
			return bridge.E(op, "", err)
		}
	}
	return putOff(op, time.Second)
}

// save writes an import as read, and returns it with its new version.
func (w Worker) save(ctx context.Context, i bridge.Import) (bridge.Import, error) {
	var err error
	if i.State.Ended() {
		err = w.Imports.EndImport(ctx, i)
	} else {
		err = w.Imports.SaveImport(ctx, i, w.dueOf(ctx, i))
	}
	if err != nil {
		return i, stale(err)
	}
	i.Version++
	return i, nil
}

// stale turns the Conflict of a lost race into a stop: the job comes again at once and reads anew.
func stale(err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return &stop{after: time.Second, err: err}
	}
	return err
}

// lost reports whether err is a stop for a lost race.
func lost(err error) bool { return bridge.KindOf(err) == bridge.Conflict }

// dueOf is when the sweep should look after an import: when its wait is over and nobody noticed, or when it has
// shown no sign of life for longer than a worker's life; never if nothing goes on by itself.
func (w Worker) dueOf(ctx context.Context, i bridge.Import) time.Time {
	switch {
	case i.State != bridge.Running && i.State != bridge.Finalizing:
		return time.Time{}
	case i.Parked != "":
		return i.Until.Add(grace)
	default:
		return w.due(ctx)
	}
}

// grace is how long the sweep lets a pump be late that is on the queue.
const grace = time.Minute

// due is rounded up, so that an import that makes progress does not change its place in the index each time.
func (w Worker) due(ctx context.Context) time.Time {
	life := w.life(ctx)
	return w.Now().Add(life + life/2).Truncate(life / 3).Add(life / 3)
}

// life is how long this worker can live at most, with a little more for clocks that differ: until then, a claim
// keeps others away. Whoever kills a worker at its deadline makes that certain.
func (w Worker) life(ctx context.Context) time.Duration {
	const (
		skew    = 5 * time.Second
		longest = 15 * time.Minute
	)
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), longest) + skew
	}
	return longest
}
