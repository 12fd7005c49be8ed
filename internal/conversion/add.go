package conversion

import (
	"context"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// add makes a contact a subscriber. ReferralHero finds somebody who is there already and changes nothing, so a call
// without an answer is simply made again.
func (t *turn) add(ctx context.Context, c bridge.Campaign, e bridge.Effect) (bool, error) {
	if e.State == bridge.EffectUnknown {
		return t.settle(ctx, e, outcome{state: bridge.EffectPlanned, wait: outageWait(e.Tries), again: true})
	}
	if !asked(e) {
		return t.settle(ctx, e, outcome{state: bridge.EffectPlanned})
	}
	set, err := t.w.Ledger.RuleSet(ctx, t.id, e.Campaign)
	if err != nil {
		return false, err
	}
	rule, _ := set.Rule(e.Deals[0].Rule)
	if err := t.open(ctx, set.Connection); err != nil {
		return t.stopEffect(ctx, e, err)
	}
	contact := bridge.SalesforceID(e.Subject)
	parties, err := t.org.Parties(ctx, []bridge.SalesforceID{contact}, t.columns, rule.Referrer)
	if err != nil {
		return t.stopEffect(ctx, e, ofOrg(err))
	}
	p := parties[contact]
	value := identify(c.Identifier, p)
	switch {
	case p.ID == "" || p.Deleted:
		return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: contactGone, answer: contactGone})
	case value == "":
		return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: reasonNoValue, answer: reasonNoValue})
	}
	if err := t.ticket(ctx); err != nil {
		return t.stopEffect(ctx, e, err)
	}
	if ok, more, err := t.begin(ctx, &e, Commit{}); !ok {
		return more, err
	}
	person := Person{
		Identifier: c.Identifier, Value: value, Name: strings.TrimSpace(p.FirstName + " " + p.LastName), URL: c.URL, Source: source,
		Referrer: strings.TrimSpace(p.Referrer),
	}
	person.Pending = person.Referrer != "" && c.Events > 1
	s, created, quota, err := t.w.Hero.Add(ctx, t.account.Token, c.ID, person)
	t.hear(quota)
	if err != nil {
		return t.failed(ctx, e, "add", err)
	}
	more, err := t.settle(ctx, e, outcome{state: bridge.EffectDone, ours: created, reason: s.Status, sent: "add", answer: choose(created, "subscriber_created", "subscriber_retrieved"), reviews: settledReviews(e)})
	if err != nil {
		return more, err
	}
	return more, t.added(ctx, c, e, p, s)
}

// added remembers whom a contact has become, tells the sync, and lets the other rules look at the deals again, which may
// have waited for a subscriber.
func (t *turn) added(ctx context.Context, c bridge.Campaign, e bridge.Effect, p bridge.Party, s bridge.Subscriber) error {
	m, err := t.w.Ledger.Match(ctx, t.id, e.Campaign, p.ID)
	if err != nil {
		return err
	}
	i := item{set: bridge.RuleSet{Campaign: e.Campaign}, campaign: c}
	m = bridge.Match{Account: t.id, Campaign: e.Campaign, Contact: p.ID, Subscriber: s.ID, Print: t.print(i, p), LookedAt: t.w.Now(), Version: m.Version}
	if err := t.w.Ledger.SaveMatch(ctx, m); err != nil && bridge.KindOf(err) != bridge.Conflict {
		return err
	}
	if t.w.Changed != nil {
		if err := t.w.Changed(ctx, t.id, e.Campaign, s.ID); err != nil {
			t.w.Log.WarnContext(ctx, "the sync was not told", "account", t.id, "campaign", e.Campaign, "err", err)
		}
	}
	job := Job{Account: t.id, Step: StepLook, Campaign: e.Campaign}
	for _, d := range e.Deals {
		job.Opportunities = append(job.Opportunities, d.Deal.Key())
	}
	return t.w.Jobs.Send(ctx, time.Second, job)
}

// unqualify takes a referral out of those that count, because a person decided so. It releases nothing, and what is
// unqualified stays so: it may be made again.
func (t *turn) unqualify(ctx context.Context, c bridge.Campaign, e bridge.Effect) (bool, error) {
	id := bridge.SubscriberID(e.Subject)
	s, err := t.subscriber(ctx, c.ID, id)
	switch {
	case unknownPerson(err):
		return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: notThere, answer: notThere})
	case err != nil:
		return t.stopEffect(ctx, e, err)
	case s.Status == statusUnqualified:
		return t.settle(ctx, e, outcome{state: bridge.EffectDone, reason: already, ours: e.State == bridge.EffectUnknown, answer: "the referral is unqualified"})
	case !s.Referred:
		return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: notReferred, answer: notReferred})
	}
	if err := t.ticket(ctx); err != nil {
		return t.stopEffect(ctx, e, err)
	}
	if ok, more, err := t.begin(ctx, &e, Commit{}); !ok {
		return more, err
	}
	s, quota, err := t.w.Hero.Unqualify(ctx, t.account.Token, c.ID, id)
	t.hear(quota)
	if err != nil {
		return t.failed(ctx, e, "unqualify", err)
	}
	return t.settle(ctx, e, outcome{state: bridge.EffectDone, ours: true, sent: "unqualify", answer: s.Status})
}
