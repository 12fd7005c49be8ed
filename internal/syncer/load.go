package syncer

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// afterLoad is why a run is made after a bulk load that was not taken. It uses collections: whatever was wrong with the load
	// may be wrong with the next one.
	afterLoad = "bulk load failed"
	// longestLoad is when a load that does not end is ended.
	longestLoad = 24 * time.Hour
)

// loaded reports whether the Bulk API can make a change. Person accounts it cannot create, and it takes a text of #N/A for none.
func (it *item) loaded() bool {
	return it.change != nil && (it.change.ID != "" || it.change.Target != bridge.ToPersonAccount) && !slices.Contains(it.values[:], "#N/A")
}

// bulk reports whether a slice is to be written by the Bulk API.
func (b *bench) bulk(run Run, items []*item) bool {
	most := b.w.Bulk
	if most == 0 {
		most = 20_000
	}
	n := 0
	for _, it := range items {
		if it.loaded() {
			n++
		}
	}
	return n > most && run.Why != afterLoad
}

// load has Salesforce write a slice in the background. That it is about to is noted first, in the run and then in the links, so that
// nobody believes them, or writes their subscribers, before it is over; and so that whoever takes up what a lost worker
// began knows of it.
func (b *bench) load(ctx context.Context, run, next Run, known *seen, met []digits, items []*item, over, before int) (Run, error) {
	load := Loading{ID: bridge.NewID("l"), At: b.w.Now()}
	run.Load = &load
	run, err := b.save(ctx, run)
	if err != nil {
		return run, err
	}
	var rest, loading []*item
	for _, it := range items {
		if it.loaded() {
			loading = append(loading, it)
		} else {
			rest = append(rest, it)
		}
	}
	done, err := b.write(ctx, rest, over, true)
	if err != nil {
		return run, err
	}
	claimed, again, err := b.claim(ctx, load.ID, loading, over)
	if err != nil {
		return run, err
	}
	for sub, h := range again.byID {
		done.again.byID[sub] = h
	}
	if err := b.lookAgain(ctx, done.again); err != nil {
		return run, err
	}
	jobs, err := b.begin(ctx, claimed)
	if err != nil {
		return run, b.heard(ctx, err)
	}
	next.Version = run.Version
	next.Load = &Loading{ID: load.ID, At: load.At, Begun: true, Jobs: jobs, Rows: len(claimed)}
	b.state(ctx, &next, items, done, before)
	next.Statement.Repaired += len(claimed)
	for _, it := range claimed {
		if it.change.ID == "" {
			next.Statement.Created++
		}
		if it.news {
			next.Statement.News++
		}
	}
	kept, err := b.keep(ctx, next, known, met, nil)
	if err != nil {
		return run, err
	}
	return kept, nil
}

// claim writes the links of a load, a turn's worth at a time, leaving out those that were written since they were read.
func (b *bench) claim(ctx context.Context, load string, items []*item, over int) (claimed []*item, again question, err error) {
	again.byID = map[bridge.SubscriberID]Hint{}
	for part := range slices.Chunk(byParent(items), 2*mostWrites) {
		ids := make([]bridge.SubscriberID, len(part))
		for i, it := range part {
			ids[i] = it.sub.ID
		}
		turn, err := b.turn(ctx, ids, patience)
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

// begin hands the changes over: updates by id in one job, new records by SUB_ID in another, of each kind of record. A job
// takes as much as fits into it, and the next one the rest.
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
		for len(changes) > 0 {
			var taken atomic.Int64
			job, err := b.org.BeginLoad(ctx, b.layouts, k.target, b.layout(k.target).Visible, k.create, counted(changes, &taken))
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, job)
			changes = changes[taken.Load():]
		}
	}
	return jobs, nil
}

// counted yields changes and counts them.
func counted(changes []bridge.Change, n *atomic.Int64) iter.Seq[bridge.Change] {
	return func(yield func(bridge.Change) bool) {
		for _, c := range changes {
			n.Add(1)
			if !yield(c) {
				return
			}
		}
	}
}

// loadState is what became of a load.
type loadState struct {
	over     bool // none of it can be written any more
	failed   bool // not every row was tried, or nobody knows which
	failures int
}

// loadState asks how far the jobs of a load are. Of one that a worker was lost with nobody knows the jobs: any job of the org that
// was made since may be one.
func (b *bench) loadState(ctx context.Context, load Loading) (loadState, error) {
	s := loadState{over: true, failed: !load.Begun}
	if !load.Begun {
		n, err := b.org.LoadsUnderWay(ctx, load.At.Add(-skew))
		s.over = n == 0
		return s, err
	}
	for _, job := range load.Jobs {
		state, err := b.org.LoadState(ctx, job)
		if bridge.KindOf(err) == bridge.NotFound {
			state, err = bridge.Load{Ended: true, Failed: true}, nil // Salesforce forgets jobs after seven days
		}
		if err != nil {
			return s, err
		}
		if !state.Ended && b.w.Now().Sub(load.At) > longestLoad {
			if err := b.org.AbortLoad(ctx, job); err != nil && bridge.KindOf(err) != bridge.Conflict {
				return s, err
			}
		}
		s.over = s.over && state.Ended
		s.failed = s.failed || state.Failed
		s.failures += state.Failures
	}
	return s, nil
}

// skew is how much Salesforce's clock may differ from ours.
const skew = 5 * time.Minute

// look sees how far a bulk load is. When it is over, the rows that were refused get their problems. The slice of a load that a worker
// was lost with is taken again.
func (b *bench) look(ctx context.Context, run Run) (Run, error) {
	before := b.org.Calls()
	load := *run.Load
	state, err := b.loadState(ctx, load)
	if err != nil {
		return run, b.heard(ctx, err)
	}
	next := run
	if !state.over {
		load.Polls++
		next.Load = &load
		next.Statement.OrgCalls += b.org.Calls() - before
		return b.save(ctx, next)
	}
	next.Load = nil
	if state.failed {
		if err := b.unclaim(ctx, load.ID); err != nil {
			return run, err
		}
		if load.Begun {
			b.w.Log.WarnContext(ctx, "bulk load failed", "campaign", run.Campaign, "load", load.ID)
			if err := b.w.want(ctx, b.sync, afterLoad); err != nil {
				return run, err
			}
			next.EndedAt = b.w.Now().UTC().Truncate(time.Second)
			next.Cause = "Salesforce gave up a bulk load. Everybody is compared once more."
		}
		return b.save(ctx, next)
	}
	failed, err := b.failures(ctx, load, state.failures)
	if err != nil {
		return run, err
	}
	if err := b.w.Rows.EndLoad(ctx, run.Account, run.Campaign, load.ID); err != nil {
		return run, err
	}
	next.Sweeping = next.Page > next.Pages
	next.Statement.Created -= failed.new
	next.Statement.Repaired -= failed.refused + failed.again
	done := outcome{tally: Tally{Refused: failed.refused, OrgCalls: b.org.Calls() - before}}
	if failed.again > 0 {
		done.tally.Skipped, done.reason = failed.again, map[string]int{notLoaded: failed.again}
	}
	next.Statement = next.Statement.plus(done)
	done.tally.Written = load.Rows - failed.refused - failed.again
	b.count(ctx, done.tally)
	return b.save(ctx, next)
}

// unloaded counts the rows of a load that were refused.
type unloaded struct {
	refused int // for good
	again   int // that are written one by one
	new     int // of all these: new records
}

// failures keeps what Salesforce said about the rows that it refused. Those that a collection may succeed with are tried so: the
// Bulk API cannot overrule a duplicate rule, and a record may have been locked, or merged meanwhile.
func (b *bench) failures(ctx context.Context, load Loading, expected int) (n unloaded, err error) {
	if expected == 0 {
		return n, nil
	}
	failed := map[string]error{}
	for _, job := range load.Jobs {
		if err := b.org.LoadFailures(ctx, job, func(f bridge.LoadFailure) { failed[f.Key] = f.Err }); err != nil {
			return n, b.heard(ctx, err)
		}
	}
	for key, err := range failed { // not by the links: those may have been written by a worker that was lost
		if _, malformed := bridge.ParseSalesforceID(key); malformed != nil {
			n.new++
		}
		if another(err) {
			n.again++
		} else {
			n.refused++
		}
	}
	var links []Link
	var hints []Hint
	for l, err := range b.w.Rows.EveryLink(ctx, b.sync.Account, b.sync.Campaign) {
		if err != nil {
			return n, err
		}
		if l.Load == load.ID && refusal(failed, l) != nil {
			links = append(links, l)
			if another(refusal(failed, l)) {
				h := b.w.hint(l.Account, l.Campaign, l.Subscriber, "check")
				h.Force = true
				hints = append(hints, h)
			}
		}
	}
	if len(hints) > mostRetried {
		err = b.w.want(ctx, b.sync, afterLoad)
	} else {
		err = b.w.Changes(ctx, time.Second, hints...)
	}
	if err != nil {
		return n, err
	}
	return n, parallel(ctx, links, func(ctx context.Context, l Link) error {
		before := l.Problem.Cause
		if err := refusal(failed, l); !another(err) {
			l.Problem = renewed(l.Problem, *problemOf(err), b.w.Now())
		}
		l.Print, l.Load = "", ""
		if l.Record == "" {
			l.WrittenAt = time.Time{} // there is none
		}
		return ignoreConflict(b.w.Rows.SaveLink(ctx, l, before))
	})
}

// refusal is why the row of a link was refused; nil if it was not.
func refusal(failed map[string]error, l Link) error {
	if err := failed[string(l.Record)]; err != nil {
		return err
	}
	return failed[string(l.Subscriber)]
}

// another reports whether another way to write the record, or another time, may succeed.
func another(err error) bool {
	code := bridge.CodeOf(err)
	switch bridge.KindOf(err) {
	case bridge.Throttled, bridge.NotFound, bridge.Conflict:
		return true
	case bridge.Unavailable:
		return code != approval
	default:
		return schemaCodes[code]
	}
}

func ignoreConflict(err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}

// unclaim drops a load of which nobody knows what it wrote: its links are not believed.
func (b *bench) unclaim(ctx context.Context, load string) error {
	var links []Link
	for l, err := range b.w.Rows.EveryLink(ctx, b.sync.Account, b.sync.Campaign) {
		if err != nil {
			return err
		}
		if l.Load == load {
			links = append(links, l)
		}
	}
	return parallel(ctx, links, func(ctx context.Context, l Link) error {
		l.Print, l.Load = "", ""
		return ignoreConflict(b.w.Rows.SaveLink(ctx, l, l.Problem.Cause))
	})
}

// quit ends a run that goes by options which were changed, once nothing of it can be written any more. What it has left in another
// org or object counts for nothing.
func (b *bench) quit(ctx context.Context, run Run) (Run, error) {
	next := run
	if run.Load != nil && run.Home == b.sync.home() {
		state, err := b.loadState(ctx, *run.Load)
		if err != nil {
			return run, b.heard(ctx, err)
		}
		if !state.over {
			load := *run.Load
			load.Polls++
			next.Load = &load
			return b.save(ctx, next)
		}
		if err := b.unclaim(ctx, run.Load.ID); err != nil {
			return run, err
		}
	}
	next.Load, next.EndedAt, next.Cause = nil, b.w.Now().UTC().Truncate(time.Second), "The settings were changed. Everybody is compared anew."
	return b.save(ctx, next)
}
