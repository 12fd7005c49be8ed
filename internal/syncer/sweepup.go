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
	known, err := b.w.seen(ctx, run)
	if err != nil {
		return run, err
	}
	if len(known.met) < run.Least && !run.Again {
		// The list moved so much that somebody was not met: it is read once more.
		run.Page, run.Pages, run.Again, run.Sweeping = 1, 0, true, false
		err := b.w.Rows.SaveRun(ctx, run)
		run.Version++
		return run, err
	}
	asked := question{byID: map[bridge.SubscriberID]Hint{}}
	more := false
	for l, err := range b.w.Rows.EveryLink(ctx, run.Account, run.Campaign) {
		if err != nil {
			return run, err
		}
		if l.Gone || known.met[pack(l.Subscriber)] || l.WrittenAt.After(run.StartedAt) {
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
				return run, err
			}
			run.Statement.Gone += done.tally.Gone
			asked = done.again
		}
		for i, part := range known.parts(met) {
			if err := b.w.Rows.SaveSeen(ctx, run, run.Slice*100+i, part); err != nil {
				return run, err
			}
		}
		run.Slice++
	}
	if !more {
		run.EndedAt = b.w.Now().UTC().Truncate(time.Second)
	}
	run.BeatAt = b.w.Now()
	err = b.w.Rows.SaveRun(ctx, run)
	run.Version++
	return run, err
}
