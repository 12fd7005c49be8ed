package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// How an effect goes.
//
//	planned -> claimed      a worker looks at ReferralHero first, and finds that there is something to do
//	claimed -> calling      written before the call, so that a call which was made is never forgotten
//	calling -> done         the answer says so
//	calling -> planned      the call was certainly not carried out: later
//	calling -> failed       ReferralHero refuses it, and would again
//	calling -> unknown      no answer, or none that says anything; also if the worker dies
//	unknown -> done         a look shows that it happened
//	unknown -> planned      a look shows that it did not, when it cannot be on its way any more
//	unknown -> manual       nobody can tell: a person decides
//
// Every step is written on the condition that the effect is as it was read. A claim outlives its worker.

// Reasons of states, as they are stored.
const (
	statusPending     = "pending"
	statusUnconfirmed = "unconfirmed"
	statusConfirmed   = "confirmed"
	statusUnqualified = "unqualified"

	notReferred  = "not_referred"  // skipped: nobody referred the subscriber
	isUnqual     = "unqualified"   // skipped: the referral does not count any more
	noSuchStep   = "no_such_step"  // skipped: the campaign's goal has no such event
	already      = "already"       // done: it was so before
	isPending    = "pending_first" // waits, then a person: a goal of three events moves one step at a time
	notThere     = "not_found"     // waits, then a person: ReferralHero does not have, or does not show, the subscriber
	noStatus     = "status_odd"    // skipped: a status that we do not know
	foundDone    = "found_done"    // done: no answer came, but a look showed it
	contactGone  = "contact_gone"  // skipped: the contact is not there any more
	looksInVain  = 4               // looks at ReferralHero until a person is told that something is amiss
	daysToWait   = 30              // that an effect waits for a subscriber to appear
	probeAfter   = 2 * time.Minute // when a call without an answer cannot be on its way any more
	giveUpAfter  = 24 * time.Hour  // of looking in vain what became of a call
	settleWithin = 3 * time.Second // for writing an outcome, even if the worker's time is up
)

// effects gets on with the effects that this turn has made due. Whatever it does not get to, the sweep finds.
func (t *turn) effects(ctx context.Context) {
	for len(t.touched) > 0 && !tooLate(ctx) {
		id := t.touched[0]
		t.touched = t.touched[1:]
		if err := t.effect(ctx, id); err != nil {
			t.w.Log.WarnContext(ctx, "effect left to the sweep", "account", t.id, "campaign", id.Campaign, "effect", id.Kind, "err", err)
		}
	}
}

// rounds bounds what one worker does about one effect: of spend, each deal is a call.
const rounds = 50

// effect gets on with an effect as far as it goes now.
func (t *turn) effect(ctx context.Context, id bridge.EffectID) error {
	for range rounds {
		more, err := t.round(ctx, id)
		if err != nil || !more {
			return err
		}
		if tooLate(ctx) {
			return nil // it is due, and the sweep finds it
		}
	}
	return nil
}

// round does the next step of an effect, and reports whether there may be another one now.
func (t *turn) round(ctx context.Context, id bridge.EffectID) (bool, error) {
	e, err := t.w.Ledger.ConversionEffect(ctx, id)
	if err != nil {
		return false, err
	}
	now := t.w.Now()
	busy := now.Before(e.Until) && (e.State == bridge.EffectClaimed || e.State == bridge.EffectCalling || e.State == bridge.EffectUnknown)
	switch {
	case busy:
		return false, t.delay(ctx, e, e.Until)
	case e.State == bridge.EffectPlanned && now.Before(e.Due), e.State == bridge.EffectUnknown && now.Before(e.Due):
		return false, nil
	case e.State == bridge.EffectCalling: // its worker has died at the call
		e.State, e.Due, e.Until = bridge.EffectUnknown, now, time.Time{}
		if err := t.commit(ctx, Commit{Effects: []bridge.Effect{e}}); err != nil {
			return true, asFirst(err)
		}
		t.doubt(ctx, e, true)
		return true, nil
	case e.State == bridge.EffectPlanned, e.State == bridge.EffectClaimed, e.State == bridge.EffectUnknown:
	default:
		return false, t.delay(ctx, e, time.Time{})
	}
	if e.State != bridge.EffectUnknown {
		e.State = bridge.EffectClaimed
	}
	e.Fence++
	e.Until = now.Add(t.w.life(ctx))
	e.Due = e.Until
	if err := t.commit(ctx, Commit{Effects: []bridge.Effect{e}}); err != nil {
		return false, asFirst(err)
	}
	e.Version++
	return t.perform(ctx, e)
}

// perform does what a claimed effect asks for, or looks what became of one that is unknown.
func (t *turn) perform(ctx context.Context, e bridge.Effect) (bool, error) {
	campaign, err := t.campaign(ctx, e.Campaign)
	if err != nil {
		return false, err
	}
	switch e.Kind {
	case bridge.EffectUnconfirmed, bridge.EffectConfirmed:
		return t.advance(ctx, campaign, e)
	case bridge.EffectSpend:
		return t.spend(ctx, campaign, e)
	case bridge.EffectAdd:
		return t.add(ctx, campaign, e)
	case bridge.EffectUnqualify:
		return t.unqualify(ctx, campaign, e)
	default:
		return false, bridge.Say("conversion.perform", bridge.Internal, "", "there is no effect of that kind")
	}
}

// delay moves on the time at which the sweep looks at an effect, if it is another.
func (t *turn) delay(ctx context.Context, e bridge.Effect, until time.Time) error {
	if e.Due.Equal(until) || e.Version == 0 {
		return nil
	}
	e.Due = until
	return asFirst(t.commit(ctx, Commit{Effects: []bridge.Effect{e}}))
}

func (t *turn) commit(ctx context.Context, c Commit) error {
	return t.w.Ledger.CommitConversions(ctx, c)
}

// asFirst lets it pass that somebody else was first: then they get on with it.
func asFirst(err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}

// begin writes that the call is about to be made, with whatever else has to be known of it. It reports false if that must
// not be: what is asked for has changed, or somebody else has the effect; and whether there may be something else to do.
func (t *turn) begin(ctx context.Context, e *bridge.Effect, also Commit) (ok, more bool, err error) {
	claimed := *e
	if e.State != bridge.EffectUnknown {
		e.CalledAt = t.w.Now()
	}
	e.State = bridge.EffectCalling
	also.Effects = []bridge.Effect{*e}
	err = t.commit(ctx, also)
	if bridge.KindOf(err) == bridge.Conflict {
		claimed.Request = nil
		more, err = t.settle(ctx, claimed, outcome{state: orPlanned(claimed.State)})
		return false, more, err
	}
	if err != nil {
		return false, false, err // perhaps it was written: when the claim has run out, a look will tell
	}
	e.Version++
	return true, false, nil
}

// orPlanned is what an effect goes back to that was claimed in a state.
func orPlanned(s bridge.EffectState) bridge.EffectState {
	if s == bridge.EffectUnknown {
		return s
	}
	return bridge.EffectPlanned
}

// outcome is what became of an attempt.
type outcome struct {
	state   bridge.EffectState
	reason  string
	ours    bool
	wait    time.Duration // until the next attempt
	again   bool          // count it as an attempt that came to nothing
	held    bool          // it waits for what is not ours to bring
	lost    bool          // the call has just been made, and its answer says nothing
	sent    string        // for the activity; empty leaves no line there unless answer says something
	answer  string
	unpaid  bool            // of spend: the payment was certainly not taken
	told    *bridge.Payment // of spend: it was
	asked   int             // of spend: what was looked at when there was nothing to tell
	reviews []wish
}

// settle writes an outcome over whatever else has happened to the effect since it was claimed, but not over another
// claim. It reports whether there is more to do now. The outcome is worth more than the deadline.
func (t *turn) settle(ctx context.Context, claimed bridge.Effect, o outcome) (bool, error) {
	const op = "conversion.settle"
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	for {
		e, err := t.w.Ledger.ConversionEffect(ctx, claimed.EffectID)
		if err != nil {
			return false, bridge.E(op, "", err)
		}
		if e.Fence != claimed.Fence || e.State != claimed.State {
			return false, nil // the claim has run out, and somebody else has taken over
		}
		c, err := t.settled(ctx, e, o)
		if err != nil {
			return false, bridge.E(op, "", err)
		}
		err = t.commit(ctx, c)
		if err == nil {
			after := c.Effects[0]
			if o.ours {
				t.hint(ctx, after)
			}
			t.tell(ctx, e, after, o)
			due := after.State == bridge.EffectPlanned || after.State == bridge.EffectUnknown
			return due && !after.Due.After(t.w.Now()), nil
		}
		if bridge.KindOf(err) != bridge.Conflict {
			return false, bridge.E(op, "", err) // the claim runs out, and a look will tell
		}
	}
}

// settled is the commit of an outcome.
func (t *turn) settled(ctx context.Context, e bridge.Effect, o outcome) (Commit, error) {
	now := t.w.Now()
	because := bridge.Claim{}
	if n := len(e.Deals); n > 0 {
		because = e.Deals[n-1]
	}
	e.State, e.Reason, e.Until, e.Due, e.Held = o.state, o.reason, time.Time{}, time.Time{}, e.Held || o.held
	if o.again {
		e.Tries++
	} else if o.state != bridge.EffectUnknown && o.state != bridge.EffectPlanned {
		e.Tries = 0
	}
	var c Commit
	switch o.state {
	case bridge.EffectDone:
		e.Ours, e.ToldAt, e.Answered = e.Ours || o.ours, now, e.Asked
	case bridge.EffectPlanned:
		e.Due = now.Add(o.wait)
		if e.Kind != bridge.EffectSpend && e.Kind != bridge.EffectUnqualify && !asked(e) {
			e.State, e.Due = bridge.EffectIdle, time.Time{} // dropped meanwhile
		}
	case bridge.EffectUnknown:
		e.Due = now.Add(o.wait)
	}
	if e.Kind == bridge.EffectSpend {
		if p := e.Request; p != nil {
			because = bridge.Claim{Rule: p.Rule, Deal: p.Deal, Prompt: promptOf(e.Deals, *p)}
		}
		if err := t.book(ctx, &e, &c, o); err != nil {
			return c, err
		}
	}
	if e.State != bridge.EffectPlanned && e.State != bridge.EffectUnknown {
		e.AskedAt, e.Held = time.Time{}, false
	}
	c.Effects = []bridge.Effect{e}
	if o.state == bridge.EffectDone && moved(e) && e.Ours && !asked(e) { // the deals were lost while it was called
		o.reviews = append(o.reviews, wish{aboutEffect(bridge.ReviewReversed, e), true})
	}
	if err := t.wish(ctx, &c, o.reviews); err != nil {
		return c, err
	}
	if o.sent != "" || o.answer != "" {
		c.Actions = append(c.Actions, t.action(e, because, o.sent, o.answer))
	}
	return c, nil
}

// hint tells the sync of a subscriber that has changed. If that fails, ReferralHero's own webhook or the daily
// reconciliation tells it.
func (t *turn) hint(ctx context.Context, e bridge.Effect) {
	if t.w.Changed == nil || e.State != bridge.EffectDone || e.Kind == bridge.EffectSpend || e.Kind == bridge.EffectAdd {
		return
	}
	if err := t.w.Changed(ctx, e.Account, e.Campaign, bridge.SubscriberID(e.Subject)); err != nil {
		t.w.Log.WarnContext(ctx, "the sync was not told", "account", e.Account, "campaign", e.Campaign, "err", err)
	}
}

// stopEffect puts an effect off because of something that is not its own.
func (t *turn) stopEffect(ctx context.Context, e bridge.Effect, err error) (bool, error) {
	s, is := stopped(err)
	if !is {
		return false, err // the claim runs out
	}
	o := outcome{state: bridge.EffectPlanned, reason: s.reason, wait: max(s.waitOf(e.Tries), time.Second), again: s.outage, held: !s.outage}
	if e.State == bridge.EffectUnknown {
		return t.inDoubt(ctx, e, o)
	}
	return t.settle(ctx, e, o)
}

// inDoubt leaves an effect unknown, until a person has to decide.
func (t *turn) inDoubt(ctx context.Context, e bridge.Effect, o outcome) (bool, error) {
	o.state = bridge.EffectUnknown
	if t.w.Now().Sub(e.CalledAt) > giveUpAfter {
		return t.ask(ctx, e, "nobody can tell what became of the call")
	}
	return t.settle(ctx, e, o)
}

// ask lets a person decide.
func (t *turn) ask(ctx context.Context, e bridge.Effect, answer string) (bool, error) {
	r := aboutEffect(bridge.ReviewUnknown, e)
	return t.settle(ctx, e, outcome{state: bridge.EffectManual, reason: e.Reason, answer: answer, reviews: []wish{{r, true}}})
}

// patience puts an effect off that waits for something to appear in ReferralHero. After some looks in vain a person is
// told; after a month it is given up.
func (t *turn) patience(ctx context.Context, e bridge.Effect, reason string) (bool, error) {
	waits := []time.Duration{5 * time.Minute, time.Hour, 6 * time.Hour}
	o := outcome{state: bridge.EffectPlanned, reason: reason, wait: 24 * time.Hour, again: true, held: true}
	if e.Tries < len(waits) {
		o.wait = waits[e.Tries]
	}
	if e.Tries+1 >= looksInVain {
		r := aboutEffect(bridge.ReviewWaiting, e)
		r.Reason = reason
		o.reviews = append(o.reviews, wish{r, true})
	}
	if e.Tries >= len(waits)+daysToWait {
		o.state, o.answer = bridge.EffectSkipped, reason
	}
	return t.settle(ctx, e, o)
}
