package conversion

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Result is what came of a history.
type Result struct {
	Changes    int // that people made in the org
	Messages   int // that Salesforce had to send
	Duplicates int
	Lost       int // messages that never came
	Unanswered int // calls that ReferralHero carried out without an answer
	Killed     int // workers
	Meddled    int // times that somebody changed the rules
	Advanced   int // referrals that were moved, by steps
	Payments   int // transactions
	Reviews    int // things that people are asked to look at

	SpendWrong    int // totals that differ from what Salesforce says
	AdvancedTwice int // steps that were asked for twice, or after they were done
	Unaccounted   int // deals whose entries are not what Salesforce says, and work that was left undone
	Notes         []string

	doubles, lossy, team int
}

// Wrong reports whether anything is.
func (r Result) Wrong() bool { return r.SpendWrong+r.AdvancedTwice+r.Unaccounted > 0 }

func (r *Result) note(count *int, format string, args ...any) {
	*count++
	if len(r.Notes) < 20 {
		r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
	}
}

// Run lets a day pass that the seed decides about, and another one without changes, and compares what came of it with what
// the oracle says. In every other history nothing but messages tells of changes, and none is lost; in the others they
// get lost, and what has to find them is the poll and the daily check.
func Run(ctx context.Context, seed uint64, plant Plant) (Result, error) {
	random := rand.New(rand.NewPCG(seed, 7))
	allowance := 5000
	if seed%5 == 3 {
		allowance = 60 // an hour: much has to wait
	}
	w, err := newWorld(ctx, random, plant, allowance)
	if err != nil {
		return Result{}, err
	}
	w.store.every = 15 * time.Minute // which saves much of the work of letting days pass
	r := Result{doubles: 7 + random.IntN(44), lossy: 10 + random.IntN(50), team: 1 + random.IntN(3)}
	d := &day{w: w, messages: seed%2 == 0, quiet: seed%4 == 0, most: map[string]decimal.Decimal{}, result: &r}
	if err := d.setUp(ctx); err != nil {
		return r, fmt.Errorf("setting up: %w", err)
	}
	w.faults.set(weather{hero: random.IntN(25), org: random.IntN(10), mortality: plant.mortality(5 + random.IntN(40))})
	d.happen(40+random.IntN(60), 24*time.Hour)
	if random.IntN(3) == 0 {
		w.faults.orgDown = began.Add(time.Duration(6+random.IntN(6)) * time.Hour)
	}
	if err := d.pass(ctx, began.Add(24*time.Hour)); err != nil {
		return r, err
	}
	w.faults.set(weather{})
	if err := d.pass(ctx, began.Add(50*time.Hour)); err != nil {
		return r, err
	}
	r.Killed, r.Unanswered = w.kills, w.faults.lost
	return r, d.compare(ctx)
}

// compare says what is not as it should be.
func (d *day) compare(ctx context.Context) error {
	w, r := d.w, d.result
	t, err := w.truth(ctx)
	if err != nil {
		return err
	}
	sets, err := w.store.RuleSets(ctx, account)
	if err != nil {
		return err
	}
	for _, twice := range w.faults.twice {
		r.note(&r.AdvancedTwice, "%s", twice)
	}
	if len(w.queue) > 0 {
		r.note(&r.Unaccounted, "%d messages are still on the queue", len(w.queue))
	}
	if w.dead > 0 {
		r.note(&r.Unaccounted, "%d dead letters", w.dead)
	}
	if parked, _, err := w.store.AllParked(ctx, account, connection, 10); err != nil || len(parked) > 0 {
		r.note(&r.Unaccounted, "%d bundles of deals still wait (%v)", len(parked), err)
	}
	for _, set := range sets {
		if err := d.compareSet(ctx, t, set); err != nil {
			return err
		}
		reviews, _, err := w.store.OpenReviews(ctx, account, set.Campaign, 1000)
		if err != nil {
			return err
		}
		r.Reviews += len(reviews)
	}
	if !d.messages {
		if err := d.compareWindows(ctx); err != nil {
			return err
		}
	}
	if log := w.logs.String(); strings.Contains(log, "@") || strings.Contains(log, "let go") || strings.Contains(log, "level=ERROR") {
		r.note(&r.Unaccounted, "the log: %s", log[:min(len(log), 600)])
	}
	return nil
}

// compareSet compares what a campaign has come to.
func (d *day) compareSet(ctx context.Context, t *truth, set bridge.RuleSet) error {
	w, r := d.w, d.result
	subscribers := map[string]string{} // id by address
	status := map[string]string{}
	lifetime := map[string]decimal.Decimal{}
	for _, s := range w.hero.Subscribers(string(set.Campaign)) {
		subscribers[strings.ToLower(s.Email)] = s.ID
		status[s.ID] = string(s.Status)
		lifetime[s.ID] = decimal.NewFromFloat(s.LifetimeSpend).Round(2)
	}
	totals := map[string]decimal.Decimal{}
	for id, deal := range t.deals {
		entries, err := w.store.DealEntries(ctx, account, set.Campaign, bridge.SalesforceID(id))
		if err != nil {
			return err
		}
		for at, rule := range set.Rules {
			want := ""
			mails, contacts := t.people(deal, rule.Who)
			if deal.acts(set, at) {
				if rule.Trigger == bridge.AddContact {
					for _, c := range contacts {
						if t.contacts[c].Email != "" {
							want += c + " "
						}
					}
				} else {
					ids := map[string]bool{}
					for _, m := range mails {
						if s := subscribers[m]; s != "" && !ids[s] {
							ids[s] = true
							want += s + " "
						}
					}
				}
			}
			got := ""
			shares := map[string]bool{}
			for _, e := range entries {
				if e.Rule != rule.ID || e.Reason != "" {
					continue
				}
				for _, s := range e.Shares {
					who := string(s.Subscriber)
					if rule.Trigger == bridge.AddContact {
						who = string(s.Contact)
					}
					if who != "" && !shares[who] {
						shares[who] = true
						got += who + " "
					}
				}
			}
			if sorted(got) != sorted(want) {
				r.note(&r.Unaccounted, "%s %s %s: the ledger has %q, Salesforce says %q", set.Campaign, rule.ID, id, got, want)
			}
			if rule.Trigger == bridge.TotalSpend && want != "" {
				who := strings.TrimSpace(want)
				totals[who] = totals[who].Add(*deal.Amount)
			}
			if rule.Trigger == bridge.ToConfirmed || rule.Trigger == bridge.ToUnconfirmed {
				d.compareReferrals(set, rule, id, strings.Fields(want), status)
			}
		}
	}
	for _, id := range subscribers {
		e, err := w.store.ConversionEffect(ctx, bridge.EffectID{Account: account, Campaign: set.Campaign, Kind: bridge.EffectSpend, Subject: id})
		if err != nil {
			return err
		}
		if !e.Total.Equal(totals[id]) || !lifetime[id].Equal(totals[id]) {
			r.note(&r.SpendWrong, "%s %s: Salesforce says %s, the ledger %s (%s %s), ReferralHero %s", set.Campaign, id, totals[id], e.Total, e.State, e.Reason, lifetime[id])
		}
		for _, kind := range []bridge.EffectKind{bridge.EffectUnconfirmed, bridge.EffectConfirmed, bridge.EffectSpend} {
			e, err := w.store.ConversionEffect(ctx, bridge.EffectID{Account: account, Campaign: set.Campaign, Kind: kind, Subject: id})
			if err != nil {
				return err
			}
			switch e.State {
			case bridge.EffectClaimed, bridge.EffectCalling, bridge.EffectUnknown, bridge.EffectManual:
				r.note(&r.Unaccounted, "%s %s %s is %s", set.Campaign, kind, id, e.State)
			case bridge.EffectDone:
				if e.Ours && kind != bridge.EffectSpend {
					r.Advanced++
				}
			}
		}
	}
	d.comparePayments(set, t)
	return nil
}

// compareReferrals says which referrals should have been moved by now and were not. That none was moved twice is watched
// while it happens.
func (d *day) compareReferrals(set bridge.RuleSet, rule bridge.Rule, deal string, subscribers []string, status map[string]string) {
	for _, id := range subscribers {
		at := rank(status[id])
		target := rank(string(rule.Trigger))
		if at == 0 || at >= target {
			continue // nobody's referral, or there already
		}
		if set.Campaign == three && target == 3 && at == 1 {
			continue // one step at a time: a person is told
		}
		d.result.note(&d.result.Unaccounted, "%s %s: %s should have moved the referral, which is %s", set.Campaign, id, deal, status[id])
	}
}

// comparePayments looks at every transaction: each is told once, and of no deal more than it ever had.
func (d *day) comparePayments(set bridge.RuleSet, t *truth) {
	r := d.result
	sums := map[string]decimal.Decimal{}
	for _, p := range d.w.hero.Transactions(string(set.Campaign)) {
		r.Payments++
		parts := strings.Split(p.TransactionID, ":")
		sums[parts[1]] = sums[parts[1]].Add(decimal.NewFromFloat(p.Amount).Round(2))
	}
	for deal, sum := range sums {
		if most := d.most[deal]; sum.GreaterThan(most) {
			r.note(&r.SpendWrong, "%s: %s was told of deal %s, which never had more than %s", set.Campaign, sum, deal, most)
		}
	}
}

// compareWindows looks whether time is accounted for without a gap.
func (d *day) compareWindows(ctx context.Context) error {
	r := d.result
	watch, err := d.w.store.Watch(ctx, account, connection)
	if err != nil {
		return err
	}
	windows, err := d.w.store.Windows(ctx, account, connection, 1000)
	if err != nil {
		return err
	}
	slices.Reverse(windows)
	closed, checks := began, 0
	for _, v := range windows {
		if v.Check {
			checks++
			continue
		}
		if v.From.After(closed) {
			r.note(&r.Unaccounted, "no window from %s to %s", closed, v.From)
		}
		closed = v.To
	}
	if late := d.w.Now().Sub(closed); late > 3*time.Hour || checks == 0 {
		r.note(&r.Unaccounted, "the last window closed %s ago, and there were %d checks: %s", late, checks, watch.Problem)
	}
	return nil
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}
