package conversion

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// wish is a review that should be open, or should not.
type wish struct {
	bridge.Review
	open bool
}

// reviewID names a review by what it is about.
func reviewID(kind bridge.ReviewKind, about ...string) string {
	id := string(kind)
	for _, text := range about {
		id += "." + text
	}
	return id
}

// aboutEffect is a review of an effect.
func aboutEffect(kind bridge.ReviewKind, e bridge.Effect) bridge.Review {
	r := bridge.Review{Account: e.Account, Campaign: e.Campaign, ID: reviewID(kind, string(e.Kind), e.Subject, e.Currency), Kind: kind, Effect: e.EffectID, Reason: e.Reason}
	if n := len(e.Deals); n > 0 {
		r.Rule, r.Deal = e.Deals[n-1].Rule, e.Deals[n-1].Deal
	}
	return r
}

// aboutDeal is a review of a deal.
func aboutDeal(kind bridge.ReviewKind, e bridge.Entry) bridge.Review {
	return bridge.Review{Account: e.Account, Campaign: e.Campaign, ID: reviewID(kind, string(e.Rule), string(e.Deal)), Kind: kind, Rule: e.Rule, Deal: e.Deal, Reason: e.Reason, Amount: e.Amount}
}

// review adds to a commit what people have to be told of, or need not be told any more: referrals that were moved for
// deals which do not stand any more, amounts that were told and belong to nobody now, amounts in another currency; and
// what was planned and is dropped. was are the effects that deals bear on; what a deleted rule takes back is what
// somebody wanted.
func (t *turn) review(ctx context.Context, i item, c *Commit, was map[bridge.EffectID]bridge.Effect) error {
	var wishes []wish
	for _, e := range c.Effects {
		before, because := was[e.EffectID]
		if because && e.Kind != bridge.EffectSpend && asked(before) != asked(e) && e.State == bridge.EffectDone && e.Ours && moved(e) {
			r := aboutEffect(bridge.ReviewReversed, e)
			r.Deal = i.deal.ID
			wishes = append(wishes, wish{r, !asked(e)})
		}
		if before.State == bridge.EffectPlanned && e.State == bridge.EffectIdle {
			c.Actions = append(c.Actions, t.action(e, bridge.Claim{Deal: i.deal.ID, Prompt: c.prompt()}, "", "dropped: the deal does not stand any more"))
		}
	}
	moved, err := t.misplaced(ctx, i, *c)
	if err != nil {
		return err
	}
	wishes = append(wishes, moved...)
	for _, e := range c.Entries {
		if e.Trigger != bridge.TotalSpend {
			continue
		}
		old := entryOf(i.entries, e.Rule)
		foreign := e.Reason == "" && e.Count.Currency != i.set.Currency && e.Count.Amount.IsPositive()
		if wasForeign := old.Reason == "" && old.Version > 0 && old.Count.Currency != i.set.Currency; foreign || wasForeign {
			wishes = append(wishes, wish{aboutDeal(bridge.ReviewCurrency, e), foreign})
		}
	}
	return t.wish(ctx, c, wishes)
}

// misplaced is the review of a deal of which ReferralHero was told an amount that belongs to nobody now, or to somebody
// else. The total spend is right nevertheless; a reward that the amount has released is not taken back.
func (t *turn) misplaced(ctx context.Context, i item, c Commit) ([]wish, error) {
	changed, there := false, bridge.SubscriberID("")
	whose := func(e bridge.Entry) {
		if e.Trigger == bridge.TotalSpend && e.Reason == "" && len(e.Shares) == 1 {
			there = e.Shares[0].Subscriber
		}
	}
	for _, e := range i.entries {
		if !slices.ContainsFunc(c.Entries, func(n bridge.Entry) bool { return n.Rule == e.Rule }) {
			whose(e)
		}
	}
	for _, e := range c.Entries {
		changed = changed || e.Trigger == bridge.TotalSpend && e.Facts != entryOf(i.entries, e.Rule).Facts
		whose(e)
	}
	if !changed {
		return nil, nil
	}
	paid, err := t.w.Ledger.Paid(ctx, t.id, i.set.Campaign, i.deal.ID)
	if err != nil {
		return nil, err
	}
	r := bridge.Review{Account: t.id, Campaign: i.set.Campaign, ID: reviewID(bridge.ReviewMoved, string(i.deal.ID)), Kind: bridge.ReviewMoved, Deal: i.deal.ID}
	r.Amount = bridge.Money{Amount: paid.Amount, Currency: i.set.Currency}
	return []wish{{r, paid.Amount.IsPositive() && there != paid.Subject}}, nil
}

// moved reports whether an effect that was carried out has moved a referral.
func moved(e bridge.Effect) bool {
	return e.Kind == bridge.EffectUnconfirmed || e.Kind == bridge.EffectConfirmed || e.Kind == bridge.EffectAdd && e.Reason == statusConfirmed
}

func (c Commit) prompt() bridge.Prompt {
	if len(c.Entries) == 0 {
		return bridge.ByRules
	}
	return c.Entries[0].Prompt
}

// wish opens and closes reviews in a commit, as far as they are not so already.
func (t *turn) wish(ctx context.Context, c *Commit, wishes []wish) error {
	for _, w := range wishes {
		r, err := t.w.Ledger.Review(ctx, w.Account, w.Campaign, w.ID)
		if err != nil {
			return err
		}
		isOpen := r.Version > 0 && r.ClosedAt.IsZero()
		switch {
		case w.open && !isOpen:
			w.Version, w.OpenedAt = r.Version, t.w.Now()
			c.Reviews = append(c.Reviews, w.Review)
		case !w.open && isOpen:
			r.ClosedAt, r.ClosedBy, r.Decision = t.w.Now(), "", "settled by itself"
			c.Reviews = append(c.Reviews, r)
		}
	}
	return nil
}

// action is a line of the activity.
func (t *turn) action(e bridge.Effect, because bridge.Claim, sent, answer string) bridge.Action {
	return bridge.Action{
		Account: e.Account, Campaign: e.Campaign, ID: bridge.NewID("x"), At: t.w.Now(), Effect: e.EffectID,
		Rule: because.Rule, Deal: because.Deal, Prompt: because.Prompt, Sent: sent, Answer: answer, State: e.State,
	}
}

// hidden notes that a deal cannot be seen: it was erased for good, or is hidden from the connected user. What it has come
// to stands, since nobody knows; a deal that was deleted can be seen for two weeks, and counts no more since then.
func (t *turn) hidden(ctx context.Context, set bridge.RuleSet, id bridge.SalesforceID) error {
	entries, err := t.w.Ledger.DealEntries(ctx, t.id, set.Campaign, id)
	if err != nil {
		return err
	}
	var c Commit
	var wishes []wish
	for _, e := range entries {
		if e.Reason == "" {
			r := aboutDeal(bridge.ReviewHidden, e)
			r.Reason = reasonHidden
			wishes = append(wishes, wish{r, true})
		}
		if !e.Due.IsZero() && !t.w.Now().Before(e.Due) {
			e.Due = time.Time{}
			c.Entries = append(c.Entries, e)
		}
	}
	if err := t.wish(ctx, &c, wishes); err != nil || c.empty() {
		return err
	}
	if err := t.w.Ledger.CommitConversions(ctx, c); bridge.KindOf(err) != bridge.Conflict {
		return err
	}
	return nil // somebody else was at it: the daily check comes by again
}
