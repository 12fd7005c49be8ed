package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// rank is how far a referral has come; 0 for a status that is none of the way.
func rank(status string) int {
	switch status {
	case statusPending:
		return 1
	case statusUnconfirmed:
		return 2
	case statusConfirmed:
		return 3
	default:
		return 0
	}
}

// way is what there is to do about a referral.
type way string

const (
	wayDone    way = "done"
	waySkip    way = "skip"
	wayWait    way = "wait"
	wayTrack   way = "track_referral_conversion_event"
	wayConfirm way = "confirm"
)

// decide says what there is to do so that a referral is moved to where it should be, by one step and no more.
func decide(events int, to bridge.EffectKind, s bridge.Subscriber) (way, string) {
	at, target := rank(s.Status), rank(string(to))
	switch {
	case !s.Referred:
		return waySkip, notReferred
	case s.Status == statusUnqualified:
		return waySkip, isUnqual
	case at >= target:
		return wayDone, already
	case at == 0:
		return waySkip, noStatus
	case events == 2 && target == 3 && at == 1:
		return wayTrack, ""
	case events == 3 && target == 2 && at == 1:
		return wayTrack, ""
	case events == 3 && target == 3 && at == 2:
		return wayConfirm, ""
	case events == 3 && target == 3 && at == 1:
		return wayWait, isPending
	default:
		return waySkip, noSuchStep
	}
}

// advance moves a referral by one step. It looks first, and makes no call that the look does not ask for; after a call
// without an answer it looks again.
func (t *turn) advance(ctx context.Context, c bridge.Campaign, e bridge.Effect) (bool, error) {
	id := bridge.SubscriberID(e.Subject)
	if e.State == bridge.EffectClaimed && !asked(e) {
		return t.settle(ctx, e, outcome{state: bridge.EffectPlanned}) // dropped meanwhile
	}
	s, err := t.subscriber(ctx, c.ID, id)
	if unknownPerson(err) {
		if e.State == bridge.EffectUnknown {
			return t.ask(ctx, e, "ReferralHero does not show the subscriber any more")
		}
		return t.patience(ctx, e, notThere)
	}
	if err != nil {
		return t.stopEffect(ctx, e, err)
	}
	way, reason := decide(c.Events, e.Kind, s)
	if e.State == bridge.EffectUnknown {
		return t.probed(ctx, e, s, way)
	}
	switch way {
	case wayDone:
		return t.settle(ctx, e, outcome{state: bridge.EffectDone, reason: reason, ours: !e.CalledAt.IsZero(), answer: "the referral is " + s.Status, reviews: settledReviews(e)})
	case waySkip:
		return t.settle(ctx, e, outcome{state: bridge.EffectSkipped, reason: reason, answer: reason, reviews: settledReviews(e)})
	case wayWait:
		return t.patience(ctx, e, reason)
	}
	if err := t.ticket(ctx); err != nil {
		return t.stopEffect(ctx, e, err)
	}
	if ok, more, err := t.begin(ctx, &e, Commit{}); !ok {
		return more, err
	}
	var quota bridge.Quota
	if way == wayTrack {
		s, quota, err = t.w.Hero.Track(ctx, t.account.Token, c.ID, c.Identifier, identifierOf(c.Identifier, s))
	} else {
		s, quota, err = t.w.Hero.Confirm(ctx, t.account.Token, c.ID, id)
	}
	t.hear(quota)
	delete(t.known, id)
	if err != nil {
		return t.failed(ctx, e, string(way), err)
	}
	if rank(s.Status) < rank(string(e.Kind)) {
		return t.settle(ctx, e, outcome{state: bridge.EffectUnknown, sent: string(way), answer: "the answer says " + s.Status, lost: true})
	}
	return t.settle(ctx, e, outcome{state: bridge.EffectDone, ours: true, sent: string(way), answer: s.Status, reviews: settledReviews(e)})
}

// probed says what a look shows of a call that had no answer.
func (t *turn) probed(ctx context.Context, e bridge.Effect, s bridge.Subscriber, w way) (bool, error) {
	left := e.CalledAt.Add(probeAfter).Sub(t.w.Now())
	switch {
	case w == wayDone:
		return t.settle(ctx, e, outcome{state: bridge.EffectDone, reason: foundDone, ours: true, answer: "a look shows that the referral is " + s.Status, reviews: settledReviews(e)})
	case w == waySkip: // somebody has done something else to the referral meanwhile
		return t.ask(ctx, e, "a look shows that the referral is "+s.Status)
	case left > 0: // it may still be on its way
		return t.settle(ctx, e, outcome{state: bridge.EffectUnknown, wait: left})
	default:
		return t.settle(ctx, e, outcome{state: bridge.EffectPlanned, again: true, answer: "a look shows that it did not happen"})
	}
}

// failed settles an effect whose call has come back with an error.
func (t *turn) failed(ctx context.Context, e bridge.Effect, sent string, err error) (bool, error) {
	answer := codeOf(err)
	o := outcome{sent: sent, answer: answer, unpaid: true}
	switch bridge.KindOf(err) {
	case bridge.Throttled, bridge.Revoked, bridge.Denied, bridge.Unavailable: // certainly not carried out
		s, is := stopped(t.heroStop(ctx, err))
		if !is {
			return false, err
		}
		o.state, o.reason, o.wait, o.again, o.held = bridge.EffectPlanned, s.reason, max(s.waitOf(e.Tries), time.Second), s.outage, !s.outage
	case bridge.NotFound:
		o.held = true
		if unknownPerson(err) {
			o.state, o.reason, o.wait, o.again = bridge.EffectPlanned, notThere, 5*time.Minute, true
			break
		}
		o.state, o.reason, o.wait = bridge.EffectPlanned, campaignMissing, longWait
	case bridge.Invalid, bridge.Conflict:
		// A refusal may mean that it is so already: a look will tell, and what is still refused then has failed.
		if o.state, o.reason, o.again = bridge.EffectPlanned, answer, true; e.Tries > 0 && e.Reason == answer {
			o.state = bridge.EffectFailed
			r := aboutEffect(bridge.ReviewRefused, e)
			r.Reason = answer
			o.reviews = append(o.reviews, wish{r, true})
		}
		o.wait = shortWait
	default:
		o.state, o.wait, o.unpaid, o.lost = bridge.EffectUnknown, 0, false, true
	}
	return t.settle(ctx, e, o)
}

// codeOf is the other side's own code, or the kind.
func codeOf(err error) string {
	if c := bridge.CodeOf(err); c != "" {
		return c
	}
	return string(bridge.KindOf(err))
}

// campaignGone reports whether err says that ReferralHero does not have the campaign.
func campaignGone(err error) bool {
	return bridge.KindOf(err) == bridge.NotFound && !unknownPerson(err)
}

// settledReviews closes what people were told while an effect did not get on.
func settledReviews(e bridge.Effect) []wish {
	if e.Tries == 0 {
		return nil
	}
	return []wish{{aboutEffect(bridge.ReviewWaiting, e), false}, {aboutEffect(bridge.ReviewRefused, e), false}}
}
