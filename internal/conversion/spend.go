package conversion

import (
	"context"
	"fmt"
	"slices"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// spend tells ReferralHero of a person's total. Each call is a transaction: of what a deal counts and ReferralHero was not
// told yet, or of nothing, to correct the total. A call without an answer is made again with the very same contents.
func (t *turn) spend(ctx context.Context, c bridge.Campaign, e bridge.Effect) (bool, error) {
	repeat := e.State == bridge.EffectUnknown
	var paid bridge.Paid
	if !repeat {
		set, err := t.w.Ledger.RuleSet(ctx, t.id, e.Campaign)
		if err != nil {
			return false, err
		}
		if set.Currency != e.Currency { // the campaign counts in another one now
			return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: reasonCurrency})
		}
		p, of, err := t.next(ctx, e)
		if err != nil {
			return false, err
		}
		if p == nil {
			return t.settle(ctx, e, outcome{state: bridge.EffectDone, asked: e.Asked})
		}
		e.Request, paid = p, of
	}
	s, known := t.known[bridge.SubscriberID(e.Subject)]
	if !known {
		var err error
		if s, err = t.subscriber(ctx, c.ID, bridge.SubscriberID(e.Subject)); unknownPerson(err) {
			if repeat {
				return t.ask(ctx, e, "ReferralHero does not show the subscriber any more")
			}
			return t.patience(ctx, unrequested(e), notThere)
		} else if err != nil {
			return t.stopEffect(ctx, unrequested(e), err)
		}
	}
	if err := t.ticket(ctx); err != nil {
		return t.stopEffect(ctx, unrequested(e), err)
	}
	var also Commit
	if !repeat {
		also.Paid = []bridge.Paid{paid}
	}
	if ok, more, err := t.begin(ctx, &e, also); !ok {
		return more, err
	}
	quota, err := t.w.Hero.Pay(ctx, t.account.Token, c.ID, c.Identifier, identifierOf(c.Identifier, s),
		Transaction{ID: e.Request.ID, Amount: e.Request.Amount, Lifetime: e.Request.Lifetime})
	t.hear(quota)
	sent := fmt.Sprintf("add_transactions %s amount %s lifetime_spend %s", e.Request.ID, e.Request.Amount, e.Request.Lifetime)
	if err == nil {
		return t.settle(ctx, e, outcome{state: bridge.EffectDone, ours: true, sent: sent, answer: "transaction_added", told: e.Request, reviews: settledReviews(e)})
	}
	if !repeat {
		return t.failed(ctx, e, sent, err)
	}
	return t.failedAgain(ctx, e, sent, err)
}

// unrequested is a claimed effect without the request that was not made after all.
func unrequested(e bridge.Effect) bridge.Effect {
	if e.State == bridge.EffectClaimed {
		e.Request = nil
	}
	return e
}

// failedAgain settles a payment that was made again because its first call had no answer. That the second one was not
// carried out says nothing about the first.
func (t *turn) failedAgain(ctx context.Context, e bridge.Effect, sent string, err error) (bool, error) {
	o := outcome{sent: sent, answer: codeOf(err), again: true, wait: outageWait(e.Tries)}
	switch bridge.KindOf(err) {
	case bridge.Invalid, bridge.Conflict, bridge.NotFound:
		if !campaignGone(err) {
			return t.ask(ctx, e, codeOf(err)) // perhaps because it was there already
		}
	case bridge.Throttled, bridge.Revoked, bridge.Denied, bridge.Unavailable:
		if s, is := stopped(t.heroStop(ctx, err)); is {
			o.wait, o.held = s.waitOf(e.Tries), !s.outage
		}
	}
	return t.inDoubt(ctx, e, o)
}

// next returns the payment that is to be made next, with what is known of its deal when it is made; nil if there is
// nothing to tell.
func (t *turn) next(ctx context.Context, e bridge.Effect) (*bridge.Payment, bridge.Paid, error) {
	for _, d := range e.Deals {
		paid, err := t.paid(ctx, e, d.Deal)
		if err != nil {
			return nil, paid, err
		}
		if more := d.Amount.Sub(paid.Amount); more.IsPositive() {
			return payment(e, d, paid, bridge.Payment{Amount: more})
		}
	}
	if e.Total.Equal(e.Told) {
		return nil, bridge.Paid{}, nil
	}
	// The total is less than ReferralHero was told, or a deal is somebody else's now: an amount cannot be taken back, but
	// the total can be put right.
	var because bridge.Claim
	switch n := len(e.Deals); {
	case n > 0:
		because = e.Deals[n-1]
	case e.Request != nil:
		because = bridge.Claim{Rule: e.Request.Rule, Deal: e.Request.Deal, Amount: e.Request.Counted}
	default:
		return nil, bridge.Paid{}, nil
	}
	paid, err := t.paid(ctx, e, because.Deal)
	if err != nil {
		return nil, paid, err
	}
	return payment(e, because, paid, bridge.Payment{})
}

func (t *turn) paid(ctx context.Context, e bridge.Effect, deal bridge.SalesforceID) (bridge.Paid, error) {
	p, err := t.w.Ledger.Paid(ctx, e.Account, e.Campaign, deal)
	p.Account, p.Campaign, p.Deal = e.Account, e.Campaign, deal
	return p, err
}

// payment completes a payment, and notes it as made.
func payment(e bridge.Effect, because bridge.Claim, paid bridge.Paid, p bridge.Payment) (*bridge.Payment, bridge.Paid, error) {
	paid.Payments++
	paid.Amount = paid.Amount.Add(p.Amount)
	if p.Amount.IsPositive() {
		paid.Subject = bridge.SubscriberID(e.Subject)
	}
	p.Rule, p.Deal, p.Lifetime, p.Counted, p.Asked = because.Rule, because.Deal, e.Total, because.Amount, e.Asked
	if p.Lifetime.IsNegative() {
		return nil, paid, bridge.Say("conversion.payment", bridge.Internal, "", "a total is below zero")
	}
	p.ID = fmt.Sprintf("sf:%s:%s", p.Deal, p.Rule)
	if paid.Payments > 1 {
		p.ID = fmt.Sprintf("%s:%d", p.ID, paid.Payments)
	}
	return &p, paid, nil
}

// book brings what is still to be told, and what was told of the deal, in line with an outcome.
func (t *turn) book(ctx context.Context, e *bridge.Effect, c *Commit, o outcome) error {
	switch p := e.Request; {
	case o.told != nil:
		e.Told = p.Lifetime
		e.Deals = slices.DeleteFunc(slices.Clone(e.Deals), func(d bridge.Claim) bool {
			return d.Rule == p.Rule && d.Deal == p.Deal && d.Amount.Equal(p.Counted) || p.Amount.IsZero() && e.Asked == p.Asked
		})
		if len(e.Deals) > 0 || !e.Total.Equal(e.Told) {
			e.State, e.Due = bridge.EffectPlanned, t.w.Now()
		}
	case o.state == bridge.EffectDone && e.Asked != o.asked:
		e.State, e.Due = bridge.EffectPlanned, t.w.Now()
	case o.state == bridge.EffectDone: // there was nothing to tell
		e.Deals = nil
	case o.unpaid && p != nil:
		paid, err := t.paid(ctx, *e, p.Deal)
		if err != nil {
			return err
		}
		paid.Amount = paid.Amount.Sub(p.Amount)
		c.Paid = append(c.Paid, paid)
		e.Request = nil
	}
	return nil
}

// promptOf is what made us look at the deal of a payment.
func promptOf(claims []bridge.Claim, p bridge.Payment) bridge.Prompt {
	for _, d := range claims {
		if d.Rule == p.Rule && d.Deal == p.Deal {
			return d.Prompt
		}
	}
	return ""
}
