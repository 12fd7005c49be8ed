package syncer

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostAbsent is how many subscribers that were not in the list are asked for one by one in a step.
const mostAbsent = 200

// sweepUp looks for subscribers whom we have linked and who were not in the list. Whoever ReferralHero has no more is
// cleared in Salesforce; a record is never deleted. Then the run ends with its statement.
func (b *bench) sweepUp(ctx context.Context, run Run) (Run, error) {
	was := run
	known, err := b.w.seen(ctx, run)
	if err != nil {
		return was, err
	}
	if len(known.met) < run.Least && !run.Again {
		// The list moved so much that somebody was not met: it is read once more.
		run.Page, run.Pages, run.Again, run.Sweeping = 1, 0, true, false
		return b.save(ctx, run)
	}
	before := b.org.Calls()
	asked := question{byID: map[bridge.SubscriberID]Hint{}}
	more := false
	for l, err := range b.w.Rows.EveryLink(ctx, run.Account, run.Campaign) {
		if err != nil {
			return was, err
		}
		if l = l.in(b.sync); b.cleared(l) || known.met[pack(l.Subscriber)] || l.WrittenAt.After(run.StartedAt) {
			continue
		}
		if len(asked.byID) == mostAbsent {
			more = true
			break
		}
		asked.byID[l.Subscriber] = b.w.hint(run.Account, run.Campaign, l.Subscriber, run.Why)
	}
	var met []digits
	for id := range asked.byID {
		met = append(met, pack(id)) // whatever comes of it, it is not asked for again
	}
	if len(met) > 0 {
		for round := 0; !asked.empty() && round < rounds; round++ {
			var done outcome
			if done, err = b.roundOf(ctx, asked); err != nil {
				return was, err
			}
			run.Statement.Gone += done.tally.Gone
			run.Statement.HeroCalls += done.tally.HeroCalls
			asked = done.again
		}
		if err := b.lookAgain(ctx, asked); err != nil {
			return was, err
		}
		run.Statement.OrgCalls += b.org.Calls() - before
		if err := b.remember(ctx, &run, known, met); err != nil {
			return was, err
		}
	}
	if !more {
		run.EndedAt = b.w.Now().UTC().Truncate(time.Second)
	}
	run.BeatAt = b.w.Now()
	return b.save(ctx, run)
}
