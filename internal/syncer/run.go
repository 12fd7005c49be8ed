package syncer

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Step does the next step of what a campaign's run has to do: begin one that is wanted or due, take its next slice, look
// after its bulk load, or finish it. It bears jobs that come twice, late, or at the same time.
func (w Worker) Step(ctx context.Context, job Job) error {
	const op = "syncer.Step"
	s, err := w.Rows.Sync(ctx, job.Account, job.Campaign)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	now := w.Now()
	if !s.On || s.Until.After(now) {
		return nil
	}
	run, err := w.Rows.Run(ctx, job.Account, job.Campaign)
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return bridge.E(op, "", err)
	}
	if err != nil || !run.EndedAt.IsZero() {
		if s.Wanted == "" && s.NextRun.After(now) {
			return bridge.E(op, "", w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
				s.Waits, s.Until, s.Since, s.Due = "", time.Time{}, time.Time{}, s.NextRun
				return true
			}))
		}
		if run, err = w.begin(ctx, s); err != nil {
			return bridge.E(op, "", raced(err))
		}
	}
	err = w.advance(ctx, s, run)
	if stop, is := stopped(err); is {
		return bridge.E(op, "", w.halt(ctx, s, stop))
	}
	return bridge.E(op, "", raced(err))
}

// raced turns the Conflict of a lost race into a job that comes again.
func raced(err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return &bridge.Error{Op: "syncer.raced", Kind: bridge.Throttled, After: 2 * time.Second, Err: err}
	}
	return err
}

// begin starts a run. What was wanted counts as begun with it.
func (w Worker) begin(ctx context.Context, s Sync) (Run, error) {
	now := w.Now()
	why := s.Wanted
	if why == "" {
		why = "regular"
	}
	run := Run{Account: s.Account, Campaign: s.Campaign, ID: bridge.NewID("r"), Why: why, Home: s.home(), SetAt: s.SetAt, StartedAt: now, BeatAt: now, Page: 1,
		Statement: Statement{Reasons: map[string]int{}}}
	if err := w.Rows.SaveRun(ctx, run); err != nil {
		return Run{}, err
	}
	run.Version++
	return run, w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
		if s.Wanted == why {
			s.Wanted = ""
		}
		s.NextRun = now.Add(s.Every)
		s.Waits, s.Until, s.Due = "", time.Time{}, now.Add(lookAfter)
		return true
	})
}

// lookAfter is when the sweep looks after a run whose worker should have been heard of.
const lookAfter = 10 * time.Minute

// halt puts a run off.
func (w Worker) halt(ctx context.Context, s Sync, stop *stop) error {
	if stop.after > 0 {
		return &bridge.Error{Op: "syncer.halt", Kind: bridge.Throttled, After: stop.after, Err: stop.err}
	}
	w.Log.WarnContext(ctx, "run waits", "account", s.Account, "campaign", s.Campaign, "reason", stop.waits, "kind", bridge.KindOf(stop.err), "err", stop.err)
	if err := w.waits(ctx, s, stop.waits, stop.wait, w.Now()); err != nil {
		return err
	}
	if stop.wait > shortWait {
		return nil // the sweep looks after it when the wait is over
	}
	return w.Jobs(ctx, stop.wait, Job{s.Account, s.Campaign})
}

// advance takes the next steps of a run as far as this worker's time goes.
func (w Worker) advance(ctx context.Context, s Sync, run Run) error {
	b, err := w.bench(ctx, s, budget.Bulk)
	if err == nil {
		err = b.leave(ctx, bulkShare)
	}
	if err != nil {
		return err
	}
	if wait := run.Busy.Sub(w.Now()); wait > 0 {
		return &stop{after: wait} // another worker has it, or has died with it
	}
	run.BeatAt, run.Busy = w.Now(), w.Now().Add(life(ctx))
	if err := w.Rows.SaveRun(ctx, run); err != nil {
		return err
	}
	run.Version++
	held := run
	run.Busy = time.Time{}
	if s.Waits != "" || s.Due.Sub(w.Now()) < lookAfter/2 { // else the sweep would send another job
		err := w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
			s.Waits, s.Until, s.Due = "", time.Time{}, w.Now().Add(lookAfter)
			return true
		})
		if err != nil {
			return err
		}
	}
	switch {
	case !run.SetAt.Equal(s.SetAt):
		run, err = b.quit(ctx, run)
	case run.Load != nil:
		run, err = b.look(ctx, run)
	case run.Sweeping:
		run, err = b.sweepUp(ctx, run)
	default:
		run, err = b.slice(ctx, run)
	}
	if err != nil {
		if run.Version > held.Version {
			held = run
		}
		w.release(ctx, held)
		return err
	}
	if !run.EndedAt.IsZero() {
		wanted := false
		err := w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
			s.Since, s.Due, wanted = time.Time{}, s.NextRun, s.Wanted != ""
			if wanted {
				s.Due = w.Now().Add(grace)
			}
			return true
		})
		if err != nil || !wanted {
			return err
		}
	}
	return w.Jobs(ctx, run.pause(), Job{s.Account, s.Campaign})
}

// release lets others have a run whose worker stopped on purpose. If that does not succeed, it is free when the worker
// cannot be alive any more.
func (w Worker) release(ctx context.Context, held Run) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	held.Busy = time.Time{}
	if err := w.Rows.SaveRun(ctx, held); err != nil && bridge.KindOf(err) != bridge.Conflict {
		w.Log.WarnContext(ctx, "run not released", "campaign", held.Campaign, "err", err)
	}
}

// life is how long this worker can live at most, with a little more for clocks that differ.
func life(ctx context.Context) time.Duration {
	const longest = 15 * time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), longest) + clocks
	}
	return longest
}

// pause is how long a run rests before its next step: only bulk loads are waited for, longer each time.
func (r Run) pause() time.Duration {
	if r.Load == nil {
		return 0
	}
	return min(5*time.Second<<min(r.Load.Polls, 4), time.Minute)
}

// Shares of the org's API calls of a day that we leave alone, in percent of what was used by everybody.
const (
	bulkShare = 80
	liveShare = 95
)

// spent reports whether the rest of the org's calls of the day should be left to the customer.
func spent(m meter, share int) bool {
	used, limit := m.Usage()
	return limit > 0 && used*100 >= limit*share
}
