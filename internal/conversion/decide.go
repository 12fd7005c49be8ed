package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Decision is what a person decides about a call of which nobody knows whether it happened.
type Decision string

// The decisions.
const (
	Happened Decision = "happened" // it did: it is not made again
	Again    Decision = "again"    // it did not: it is made again, after another look
)

// mostReviews is how many reviews are shown at a time.
const mostReviews = 100

// Reviews returns what needs a person in a campaign, and whether there is more than is shown.
func (s Service) Reviews(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]bridge.Review, bool, error) {
	all, more, err := s.Ledger.OpenReviews(ctx, account, campaign, mostReviews)
	return all, more, bridge.E("conversion.Reviews", "", err)
}

// Evidence is what is known of a call whose outcome is not.
type Evidence struct {
	Review bridge.Review
	Effect bridge.Effect
}

// Manual returns the calls of a campaign that a person has to decide about, with the evidence.
func (s Service) Manual(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]Evidence, error) {
	const op = "conversion.Manual"
	reviews, _, err := s.Reviews(ctx, account, campaign)
	if err != nil {
		return nil, bridge.E(op, "", err)
	}
	var found []Evidence
	for _, r := range reviews {
		if r.Kind != bridge.ReviewUnknown {
			continue
		}
		e, err := s.Ledger.ConversionEffect(ctx, r.Effect)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		found = append(found, Evidence{r, e})
	}
	return found, nil
}

// Resolve settles a call whose outcome nobody knew. who is noted.
func (s Service) Resolve(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string, d Decision) error {
	const op = "conversion.Resolve"
	return s.decide(ctx, op, account, campaign, review, who, string(d), func(c *Commit, r bridge.Review) (bridge.Effect, error) {
		e, err := s.Ledger.ConversionEffect(ctx, r.Effect)
		if err != nil {
			return e, err
		}
		if r.Kind != bridge.ReviewUnknown || e.State != bridge.EffectManual || d != Happened && d != Again {
			return e, bridge.Say(op, bridge.Conflict, "", "This was settled meanwhile. Load the page again.")
		}
		now := s.Now()
		e.Tries, e.Until = 0, time.Time{}
		switch {
		case d == Happened:
			e.State, e.Reason, e.Ours, e.ToldAt, e.Answered = bridge.EffectDone, foundDone, true, now, e.Asked
			if p := e.Request; e.Kind == bridge.EffectSpend && p != nil {
				e.Told = p.Lifetime
				e.State, e.Due = bridge.EffectPlanned, now // whatever has changed since is told now
			}
		case e.Kind == bridge.EffectSpend: // with the very same contents
			e.State, e.Due, e.CalledAt = bridge.EffectUnknown, now, now
		default: // after a look
			e.State, e.Due = bridge.EffectPlanned, now
		}
		c.Effects = append(c.Effects, e)
		return e, nil
	})
}

// Retry tries again what was refused, or has waited too long. who is noted.
func (s Service) Retry(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error {
	const op = "conversion.Retry"
	return s.decide(ctx, op, account, campaign, review, who, "tried again", func(c *Commit, r bridge.Review) (bridge.Effect, error) {
		e, err := s.Ledger.ConversionEffect(ctx, r.Effect)
		if err != nil {
			return e, err
		}
		if !open(e.State) && e.State != bridge.EffectPlanned || r.Kind != bridge.ReviewRefused && r.Kind != bridge.ReviewWaiting {
			return e, bridge.Say(op, bridge.Conflict, "", "This was settled meanwhile. Load the page again.")
		}
		e.State, e.Reason, e.Tries, e.Due = bridge.EffectPlanned, "", 0, s.Now()
		c.Effects = append(c.Effects, e)
		return e, nil
	})
}

// Unqualify takes the referral out of those that count which was moved because of deals that do not stand any more.
// who is noted.
func (s Service) Unqualify(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error {
	const op = "conversion.Unqualify"
	return s.decide(ctx, op, account, campaign, review, who, "unqualified", func(c *Commit, r bridge.Review) (bridge.Effect, error) {
		id := bridge.EffectID{Account: account, Campaign: campaign, Kind: bridge.EffectUnqualify, Subject: r.Effect.Subject}
		if r.Kind != bridge.ReviewReversed {
			return bridge.Effect{}, bridge.Say(op, bridge.Invalid, "", "There is no referral to unqualify.")
		}
		if r.Effect.Kind == bridge.EffectAdd { // which is about a contact
			m, err := s.Ledger.Match(ctx, account, campaign, bridge.SalesforceID(id.Subject))
			if err != nil {
				return bridge.Effect{}, err
			}
			id.Subject = string(m.Subscriber)
		}
		e, err := s.Ledger.ConversionEffect(ctx, id)
		if err != nil {
			return e, err
		}
		if !open(e.State) && e.State != bridge.EffectDone {
			return e, nil // on its way
		}
		e.State, e.Reason, e.Tries, e.Due = bridge.EffectPlanned, "", 0, s.Now()
		e.Asked++
		e.Deals = []bridge.Claim{{Rule: r.Rule, Deal: r.Deal, Prompt: bridge.ByPerson}}
		c.Effects = append(c.Effects, e)
		return e, nil
	})
}

// Dismiss closes a review without doing anything. who is noted.
func (s Service) Dismiss(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error {
	const op = "conversion.Dismiss"
	return s.decide(ctx, op, account, campaign, review, who, "left as it is", func(_ *Commit, r bridge.Review) (bridge.Effect, error) {
		if r.Kind == bridge.ReviewUnknown {
			return bridge.Effect{}, bridge.Say(op, bridge.Invalid, "", "Say what happened: nothing goes on for this person before.")
		}
		return bridge.Effect{EffectID: r.Effect}, nil
	})
}

// decide closes a review with what act adds, and a line in the activity, in one transaction; then it has the effect got
// on with.
func (s Service) decide(ctx context.Context, op string, account bridge.AccountID, campaign bridge.CampaignID, review, who, decision string, act func(*Commit, bridge.Review) (bridge.Effect, error)) error {
	r, err := s.Ledger.Review(ctx, account, campaign, review)
	if err != nil {
		return bridge.E(op, "", err)
	}
	settled := &bridge.Error{Op: op, Kind: bridge.Conflict, Message: "This was settled meanwhile. Load the page again."}
	if r.Version == 0 || !r.ClosedAt.IsZero() {
		return settled
	}
	var c Commit
	e, err := act(&c, r)
	if err != nil {
		return bridge.E(op, "", err)
	}
	now := s.Now()
	r.ClosedAt, r.ClosedBy, r.Decision = now, who, decision
	c.Reviews = []bridge.Review{r}
	c.Actions = []bridge.Action{{
		Account: account, Campaign: campaign, ID: bridge.NewID("x"), At: now, Effect: e.EffectID, Rule: r.Rule, Deal: r.Deal, Prompt: bridge.ByPerson,
		Answer: decision, State: e.State, Who: who,
	}}
	switch err := s.Ledger.CommitConversions(ctx, c); {
	case bridge.KindOf(err) == bridge.Conflict:
		return settled
	case err != nil:
		return bridge.E(op, "", err)
	}
	if len(c.Effects) > 0 { // the sweep finds it too
		_ = s.Jobs.Send(ctx, 0, Job{Account: account, Step: StepEffect, Campaign: campaign, Kind: e.Kind, Subject: e.Subject, Currency: e.Currency})
	}
	return nil
}
