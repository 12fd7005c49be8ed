package inbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Outcome is what became of a delivery to an address that exists.
type Outcome string

// The outcomes.
const (
	Queued       Outcome = "Queued"
	PutOff       Outcome = "PutOff"   // a repetition, queued for the end of ReferralHero's attempts
	Repeated     Outcome = "Repeated" // and no news
	UnknownEvent Outcome = "UnknownEvent"
	UnknownList  Outcome = "UnknownList" // the Test button's data, too
	Malformed    Outcome = "Malformed"
	Refused      Outcome = "Refused" // not signed, or not with a secret that is known here
)

type hooks interface {
	// HookAccount returns whose an address is, by the last part of its path, or NotFound.
	HookAccount(ctx context.Context, hook bridge.Secret) (bridge.AccountID, error)
}

type webhooks interface {
	// Webhook returns what is kept of the account's webhooks; nothing but the account if nothing is.
	Webhook(ctx context.Context, account bridge.AccountID) (Webhook, error)
	// NoteDelivery writes when a delivery came, and of which campaign unless that is empty; Conflict if another one was noted
	// since was was read.
	NoteDelivery(ctx context.Context, was Webhook, campaign bridge.CampaignID, at time.Time) error
	// NoteRefusal counts a refusal at a time, from one on if counting began at another time than since; Conflict if it
	// did not begin at was.
	NoteRefusal(ctx context.Context, account bridge.AccountID, was, since, at time.Time) error
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
}

// Replay is what is known of a body. The zero value is that of one which was not seen within a day.
type Replay struct {
	At     time.Time // when it was queued
	PutOff bool      // it came again, and was queued for the end of ReferralHero's attempts
}

// Digest identifies a body.
type Digest [sha256.Size]byte

type replays interface {
	Replay(ctx context.Context, account bridge.AccountID, body Digest) (Replay, error)
	// SaveReplay writes what is known of a body for a day; Conflict if it is not was any more.
	SaveReplay(ctx context.Context, account bridge.AccountID, body Digest, was, is Replay) error
}

// Send queues hints, to be looked at after a delay.
type Send func(ctx context.Context, delay time.Duration, hints ...Hint) error

// Inbox takes webhooks. Its fields are set once.
type Inbox struct {
	Hooks     hooks
	Webhooks  webhooks
	Campaigns campaigns
	Replays   replays
	Live      Send // who came and who went
	Changes   Send // what may wait for its like
	Count     func(Outcome)
	Now       func() time.Time
	Log       *slog.Logger
}

const (
	// attempts is how long ReferralHero tries to deliver.
	attempts = 5 * time.Minute
	// echo is how long a registration waits that came of an import of ours: until the import has taken care of it.
	echo = 2 * time.Minute
	// glance is how often it is noted that deliveries come.
	glance = time.Minute
)

// Receive takes what came to an address, with all of its signature headers. It returns nil if the delivery is to be
// answered with 200: everything that it means is queued then. NotFound is an address that does not exist, Denied a
// delivery that is not genuine, Invalid one that is malformed; after any other error ReferralHero should try again.
func (b Inbox) Receive(ctx context.Context, hook bridge.Secret, signatures []string, body []byte) error {
	const op = "inbox.Receive"
	account, err := b.Hooks.HookAccount(ctx, hook)
	if err != nil {
		return bridge.E(op, "", err)
	}
	w, err := b.Webhooks.Webhook(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	now := b.Now()
	if len(body) > Largest {
		b.Count(Malformed)
		return bridge.E(op, bridge.Invalid, errors.New("the body is too long"))
	}
	if !genuine(signatures, body, w.secrets(now)) {
		b.Count(Refused)
		b.noteRefusal(ctx, w, now)
		return bridge.E(op, bridge.Denied, errors.New("no genuine signature"))
	}
	e, err := read(body)
	if err != nil {
		b.Count(Malformed)
		return bridge.E(op, bridge.Invalid, err)
	}
	outcome, err := b.take(ctx, account, e, sha256.Sum256(body), now)
	if err != nil {
		return bridge.E(op, "", err)
	}
	b.Count(outcome)
	if outcome == Malformed {
		return bridge.E(op, bridge.Invalid, errMalformed)
	}
	campaign := e.campaign
	if outcome == UnknownEvent || outcome == UnknownList {
		campaign = ""
	}
	b.noteDelivery(ctx, w, campaign, now)
	return nil
}

// take does what an event asks for.
func (b Inbox) take(ctx context.Context, account bridge.AccountID, e event, body Digest, now time.Time) (Outcome, error) {
	what, known := happenings[e.name]
	switch {
	case !known:
		return UnknownEvent, nil
	case !plain(string(e.campaign)):
		return UnknownList, nil
	}
	_, err := b.Campaigns.Campaign(ctx, account, e.campaign)
	switch {
	case bridge.KindOf(err) == bridge.NotFound:
		return UnknownList, nil
	case err != nil:
		return "", err
	case e.subscriber == "" && !e.address:
		return Malformed, nil
	}
	was, err := b.Replays.Replay(ctx, account, body)
	if err != nil {
		return "", err
	}
	outcome, is, delay := Queued, Replay{At: now}, time.Duration(0)
	if end := was.At.Add(attempts); !was.At.IsZero() && (what.once || now.Before(end)) {
		if what.once || was.PutOff {
			return Repeated, nil
		}
		outcome, is, delay = PutOff, Replay{At: was.At, PutOff: true}, end.Sub(now)
	}
	if err := b.queue(ctx, delay, account, e, what, now.Add(delay)); err != nil {
		return "", err
	}
	// What is queued is safe. That this is not noted, or that somebody else was faster, costs a hint too many at worst.
	if err := b.Replays.SaveReplay(ctx, account, body, was, is); err != nil && bridge.KindOf(err) != bridge.Conflict {
		b.Log.WarnContext(ctx, "webhook not noted", "account", account, "kind", bridge.KindOf(err), "err", err)
	}
	return outcome, nil
}

// queue queues the hints of an event. Only what was read at due or later makes them needless: by then the last
// repetition that they stand for has come.
func (b Inbox) queue(ctx context.Context, delay time.Duration, account bridge.AccountID, e event, what happening, due time.Time) error {
	subject := Hint{
		Account: account, Campaign: e.campaign, Subscriber: e.subscriber, At: due.UnixMilli(), Why: what.why,
		Once: what.why == Registration && e.subscriber != "",
	}
	if !what.once {
		return b.Changes(ctx, delay, subject)
	}
	live := []Hint{subject}
	if what.why == Registration && e.imported {
		if err := b.Changes(ctx, echo, subject); err != nil {
			return err
		}
		live = nil
	}
	if e.referred && e.subscriber != "" { // otherwise the hint means everybody already
		live = append(live, Hint{
			Account: account, Campaign: e.campaign, Code: e.code, At: due.UnixMilli(), Why: Referral, Deep: what.why == Deletion,
		})
	}
	if len(live) == 0 {
		return nil
	}
	return b.Live(ctx, delay, live...)
}

// noteDelivery notes for people that deliveries come. Whoever loses a race looks again: what was noted meanwhile may be about
// another campaign, and this one's next delivery may be long in coming.
func (b Inbox) noteDelivery(ctx context.Context, w Webhook, campaign bridge.CampaignID, now time.Time) {
	err := again(func() error {
		if !w.news(campaign, now) {
			return nil
		}
		err := b.Webhooks.NoteDelivery(ctx, w, campaign, now)
		if bridge.KindOf(err) != bridge.Conflict {
			return err
		}
		is, failed := b.Webhooks.Webhook(ctx, w.Account)
		if failed != nil {
			return failed
		}
		w = is
		return err
	})
	if err != nil && bridge.KindOf(err) != bridge.Conflict {
		b.Log.WarnContext(ctx, "delivery not noted", "account", w.Account, "kind", bridge.KindOf(err), "err", err)
	}
}

// noteRefusal notes for people that deliveries are refused.
func (b Inbox) noteRefusal(ctx context.Context, w Webhook, now time.Time) {
	since := w.RefusedSince
	if now.Sub(since) >= lately {
		since = now
	} else if w.Refused >= mostRefused {
		return
	}
	if err := b.Webhooks.NoteRefusal(ctx, w.Account, w.RefusedSince, since, now); err != nil && bridge.KindOf(err) != bridge.Conflict {
		b.Log.WarnContext(ctx, "refusal not noted", "account", w.Account, "kind", bridge.KindOf(err), "err", err)
	}
}
