package syncer

import (
	"context"
	"slices"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// bulk reports whether a slice is to be written by the Bulk API.
func (b *bench) bulk(items []*item) bool {
	most := b.w.Bulk
	if most == 0 {
		most = 20_000
	}
	n := 0
	for _, it := range items {
		if it.change != nil {
			n++
		}
	}
	return n > most
}

// load has Salesforce write a slice in the background. The links are written first and name the load, so that nobody
// believes them, or writes their subscribers, before it is over.
func (b *bench) load(ctx context.Context, next Run, known *seen, met []digits, items []*item, over, before int) (Run, error) {
	id := next.ID + "." + strconv.Itoa(next.Slice)
	var rest, loading []*item
	for _, it := range items {
		if it.change != nil {
			loading = append(loading, it)
		} else {
			rest = append(rest, it)
		}
	}
	done, err := b.write(ctx, rest, over, true)
	if err != nil {
		return next, err
	}
	claimed, again, err := b.claim(ctx, id, loading, over)
	if err != nil {
		return next, err
	}
	for sub, h := range again.byID {
		done.again.byID[sub] = h
	}
	if err := b.lookAgain(ctx, done.again); err != nil {
		return next, err
	}
	jobs, err := b.begin(ctx, claimed)
	if err != nil {
		return next, ofOrgOr(err)
	}
	next.Statement = next.Statement.plus(done)
	next.Load = &Loading{ID: id, Jobs: jobs, Rows: len(claimed)}
	for _, it := range claimed {
		if it.change.ID == "" {
			next.Statement.Created++
		}
	}
	next.Statement.Repaired += len(claimed)
	done.tally.HeroCalls, done.tally.OrgCalls = b.calls.spent(), b.org.Calls()-before
	next.Statement.HeroCalls += done.tally.HeroCalls
	next.Statement.OrgCalls += done.tally.OrgCalls
	b.count(ctx, done.tally)
	return b.keep(ctx, next, known, met, nil)
}

// claim writes the links of a load, a turn's worth at a time, leaving out those that were written since they were read.
func (b *bench) claim(ctx context.Context, load string, items []*item, over int) (claimed []*item, again question, err error) {
	again.byID = map[bridge.SubscriberID]Hint{}
	for part := range slices.Chunk(byParent(items), 2*mostWrites) {
		ids := make([]bridge.SubscriberID, len(part))
		for i, it := range part {
			ids[i] = it.sub.ID
		}
		turn, err := b.w.take(ctx, b.place, b.sync.Campaign, ids, b.live, patience)
		if err != nil {
			return nil, again, err
		}
		p := &batch{b: b, turn: turn, done: outcome{again: again}}
		kept, err := p.fresh(ctx, part, ids, over)
		if err == nil {
			err = parallel(ctx, kept, func(ctx context.Context, it *item) error {
				l := it.link
				l.Print, l.Load, l.Turn, l.Problem = it.print, load, turn.number(), Problem{}
				l.LastRef, l.Referrals, l.Points, l.People = it.lastRef, it.sub.Referrals(), it.sub.Points, it.sub.PeopleReferred
				l.Referrer, l.WrittenAt, l.Why, l.Gone = it.sub.Referrer.ID, b.w.Now(), it.hint.Why, false
				if l.Target == "" {
					l.Target = it.change.Target
				}
				return b.w.Rows.SaveLink(ctx, l, it.link.Problem.Cause)
			})
		}
		b.w.end(ctx, b.place, turn)
		if err != nil {
			return nil, again, err
		}
		claimed = append(claimed, kept...)
	}
	return claimed, again, nil
}

// begin hands the changes over: updates by id in one job, new records by SUB_ID in another, of each kind of record.
func (b *bench) begin(ctx context.Context, items []*item) ([]string, error) {
	type kind struct {
		target bridge.Target
		create bool
	}
	kinds := map[kind][]bridge.Change{}
	for _, it := range items {
		c := *it.change
		c.Fields = b.layout(c.Target).Visible
		k := kind{c.Target, c.ID == ""}
		kinds[k] = append(kinds[k], c)
	}
	var jobs []string
	for k, changes := range kinds {
		job, err := b.org.BeginLoad(ctx, b.layouts, k.target, b.layout(k.target).Visible, k.create, slices.Values(changes))
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// look sees how far a bulk load is. When it is over, the rows that were refused get their problems.
func (b *bench) look(ctx context.Context, run Run) (Run, error) {
	before := b.org.Calls()
	load := *run.Load
	load.Polls++
	failures := 0
	for _, job := range load.Jobs {
		state, err := b.org.LoadState(ctx, job)
		if bridge.KindOf(err) == bridge.NotFound {
			state, err = bridge.Load{Ended: true, Failed: true}, nil // Salesforce forgets jobs after seven days
		}
		if err != nil {
			return run, ofOrg(err)
		}
		if !state.Ended {
			run.Load = &load
			run.Statement.OrgCalls += b.org.Calls() - before
			err := b.w.Rows.SaveRun(ctx, run)
			run.Version++
			return run, err
		}
		if state.Failed {
			return run, b.giveUp(ctx, run)
		}
		failures += state.Failures
	}
	refused, err := b.failures(ctx, load, failures)
	if err != nil {
		return run, err
	}
	if err := b.w.Rows.EndLoad(ctx, run.Account, run.Campaign, load.ID); err != nil {
		return run, err
	}
	run.Load = nil
	run.Statement.Repaired -= refused
	run.Statement.Refused += refused
	run.Statement.OrgCalls += b.org.Calls() - before
	run.Sweeping = run.Page > run.Pages
	b.count(ctx, Tally{Written: load.Rows - refused, Refused: refused, OrgCalls: b.org.Calls() - before})
	err = b.w.Rows.SaveRun(ctx, run)
	run.Version++
	return run, err
}

// failures keeps what Salesforce said about the rows that it refused.
func (b *bench) failures(ctx context.Context, load Loading, expected int) (refused int, err error) {
	if expected == 0 {
		return 0, nil
	}
	failed := map[string]error{}
	for _, job := range load.Jobs {
		if err := b.org.LoadFailures(ctx, job, func(f bridge.LoadFailure) { failed[f.Key] = f.Err }); err != nil {
			return 0, ofOrg(err)
		}
	}
	var links []Link
	for l, err := range b.w.Rows.EveryLink(ctx, b.sync.Account, b.sync.Campaign) {
		if err != nil {
			return 0, err
		}
		if l.Load != load.ID {
			continue
		}
		if failed[string(l.Record)] != nil || failed[string(l.Subscriber)] != nil {
			links = append(links, l)
		}
	}
	err = parallel(ctx, links, func(ctx context.Context, l Link) error {
		err := failed[string(l.Record)]
		if err == nil {
			err = failed[string(l.Subscriber)]
		}
		before := l.Problem.Cause
		l.Problem = renewed(l.Problem, *problemOf(err), b.w.Now())
		l.Print, l.Load = "", ""
		saved := b.w.Rows.SaveLink(ctx, l, before)
		if bridge.KindOf(saved) == bridge.Conflict {
			return nil
		}
		return saved
	})
	return len(links), err
}

// giveUp drops a load of which Salesforce did not try every row: its links are not believed, and the run begins anew.
func (b *bench) giveUp(ctx context.Context, run Run) error {
	b.w.Log.ErrorContext(ctx, "bulk load failed", "campaign", run.Campaign, "load", run.Load.ID)
	for l, err := range b.w.Rows.EveryLink(ctx, run.Account, run.Campaign) {
		if err != nil {
			return err
		}
		if l.Load != run.Load.ID {
			continue
		}
		l.Print, l.Load = "", ""
		if err := b.w.Rows.SaveLink(ctx, l, l.Problem.Cause); err != nil && bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	run.Load, run.EndedAt = nil, b.w.Now()
	run.Cause = "Salesforce gave up a bulk load. It is tried again."
	if err := b.w.Rows.SaveRun(ctx, run); err != nil {
		return err
	}
	if err := b.w.want(ctx, b.sync, "retry"); err != nil {
		return err
	}
	return &stop{after: shortWait}
}
