package syncer

import (
	"context"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Worker keeps records equal to subscribers. Its fields are set once.
type Worker struct {
	Rows        rows
	Accounts    tokens
	Campaigns   campaigns
	Connections connections
	Layouts     layouts
	Org         func(bridge.Connection) Org
	Hero        Hero
	Budget      budget.Budget
	Changes     func(ctx context.Context, delay time.Duration, hints ...Hint) error // hints that may wait
	Jobs        func(ctx context.Context, delay time.Duration, jobs ...Job) error
	// Took is told how long it was from a hint of live work until the record was written. Waits is told how long live work has
	// waited for calls to ReferralHero so far. Both may be nil.
	Took, Waits func(time.Duration)
	Now         func() time.Time
	Log         *slog.Logger
	// Lease is how long a turn lasts at most; 0 means two and a half minutes.
	Lease time.Duration
	// Rest waits, unless the context ends. Nil does just that.
	Rest func(ctx context.Context, pause time.Duration) error
	// Bulk is how many changes of a run go by the Bulk API rather than by collections. 0 means 20,000.
	Bulk int
}

// bench is everything that work on a campaign needs.
type bench struct {
	w        Worker
	sync     Sync
	account  bridge.Account
	campaign bridge.Campaign
	layouts  Layouts
	org      Org
	place    place
	live     bool
	calls    *calls
	over     map[string]bool              // bulk loads that have ended, as far as was asked
	here     map[bridge.SubscriberID]bool // whom a run has just read
	all      bool                         // and that is everybody
}

// bench gets ready, or says why there is nothing to do: a stop.
func (w Worker) bench(ctx context.Context, s Sync, lane budget.Lane) (*bench, error) {
	a, err := w.Accounts.Account(ctx, s.Account)
	if err != nil {
		return nil, err
	}
	if a.Token.Empty() {
		return nil, &stop{waits: tokenRefused, wait: longWait}
	}
	c, err := w.Campaigns.Campaign(ctx, s.Account, s.Campaign)
	if err != nil {
		return nil, err
	}
	connection, err := w.Connections.Connection(ctx, s.Account, s.Connection)
	switch {
	case bridge.KindOf(err) == bridge.NotFound, err == nil && connection.Status == bridge.Disconnected:
		return nil, &stop{waits: connectionEnded, wait: longWait}
	case err != nil:
		return nil, err
	case connection.Status == bridge.NeedsReconnect:
		return nil, &stop{waits: connectionDead, wait: longWait}
	}
	layouts, err := w.layouts(ctx, s)
	if err != nil {
		return nil, err
	}
	org := w.Org(connection)
	if connection.Status == bridge.NeedsAdmin { // the broker knows when it is worth another try; nothing else is done until one succeeds
		if _, err := org.Look(ctx, layouts[s.Target.Object()]); err != nil {
			return nil, ofOrg(err)
		}
	}
	return &bench{
		w: w, sync: s, account: a, campaign: c, layouts: layouts, org: org, live: lane == budget.Live,
		place: place{s.Account, s.Connection}, calls: &calls{w: w, account: a, lane: lane, told: -1}, over: map[string]bool{},
	}, nil
}

// layouts returns where the fields are. Leads are followed when they become contacts, as far as there are fields.
func (w Worker) layouts(ctx context.Context, s Sync) (Layouts, error) {
	found := Layouts{}
	for _, object := range []string{s.Target.Object(), bridge.ToContact.Object()} {
		l, err := w.Layouts.Layout(ctx, s.Account, s.Connection, object)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return nil, err
		}
		if err == nil {
			found[object] = l
		}
	}
	switch l := found[s.Target.Object()]; {
	case l.Visible == 0:
		return nil, &stop{waits: fieldsHidden, wait: longWait}
	case s.Target == bridge.ToPersonAccount && !l.Persons:
		return nil, &stop{waits: noPersons, wait: longWait}
	}
	return found, nil
}

// layout is that of a target's fields.
func (b *bench) layout(t bridge.Target) bridge.Layout { return b.layouts[t.Object()] }

// relook looks anew which fields of an object may be written, after Salesforce did not know one. changed reports whether
// that is another set than before. Fields that have become visible meanwhile are filled in by a run.
func (b *bench) relook(ctx context.Context, object string) (changed bool, err error) {
	was := b.layouts[object]
	now, err := b.org.Look(ctx, was)
	if err != nil {
		return false, err
	}
	b.layouts[object] = now
	if now.Visible == was.Visible && now.Lengths == was.Lengths {
		return false, nil
	}
	err = b.w.Layouts.SaveLayout(ctx, now)
	if bridge.KindOf(err) == bridge.Conflict { // somebody else has looked
		now, err = b.w.Layouts.Layout(ctx, now.Account, now.Connection, now.Object)
		b.layouts[object] = now
	}
	if err == nil && now.Visible&^was.Visible != 0 {
		err = b.w.want(ctx, b.sync, "fields")
	}
	return now.Visible != was.Visible || now.Lengths != was.Lengths, err
}

// heard says what an error of the org means that came of reading. If a field is not what it was taken for, the fields are looked at
// anew, and the work comes again.
func (b *bench) heard(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, is := stopped(err); is {
		return err
	}
	if schemaCodes[bridge.CodeOf(err)] {
		for object := range b.layouts {
			changed, failed := b.relook(ctx, object)
			switch {
			case failed != nil:
				return ofOrg(failed)
			case changed:
				return &stop{after: time.Second, err: err}
			}
		}
	}
	return ofOrg(err)
}

// leave stops work if the rest of the org's calls of the day is to be left to the customer. What was last heard of them may
// be old, so it is asked for by a call.
func (b *bench) leave(ctx context.Context, share int) error {
	if !spent(b.org, share) {
		return nil
	}
	if _, err := b.org.Look(ctx, b.layout(b.sync.Target)); err != nil {
		return ofOrg(err)
	}
	if spent(b.org, share) {
		return &stop{waits: orgSpent, wait: longWait}
	}
	return nil
}

// links returns those links of the campaign that there are, as far as they count here.
func (b *bench) links(ctx context.Context, ids []bridge.SubscriberID) (map[bridge.SubscriberID]Link, error) {
	found, err := b.w.Rows.Links(ctx, b.sync.Account, b.sync.Campaign, ids)
	for id, l := range found {
		found[id] = l.in(b.sync)
	}
	return found, err
}

// link is that of a subscriber of whom nothing is kept yet.
func (b *bench) link(id bridge.SubscriberID) Link {
	return Link{Account: b.sync.Account, Campaign: b.sync.Campaign, Subscriber: id}.in(b.sync)
}

// hint is one that we give ourselves.
func (w Worker) hint(account bridge.AccountID, campaign bridge.CampaignID, id bridge.SubscriberID, why string) Hint {
	return Hint{Account: account, Campaign: campaign, Subscriber: id, At: w.Now().UnixMilli(), Why: why}
}

// want sees to it that a run is made as soon as possible, and that whatever it waits for is looked at.
func (w Worker) want(ctx context.Context, s Sync, why string) error {
	const op = "syncer.want"
	var news bool
	err := w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
		if news = s.On && s.Wanted == ""; news {
			s.Wanted = why
			s.Due = w.Now().Add(grace)
		}
		return news
	})
	if err != nil || !news { // whoever wanted it first has sent the job, or the sweep will
		return bridge.E(op, "", err)
	}
	return bridge.E(op, "", w.Jobs(ctx, 0, Job{s.Account, s.Campaign}))
}

// Compare has everybody of a campaign compared as soon as possible, if it is synced. why says what for.
func (w Worker) Compare(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, why string) error {
	const op = "syncer.Compare"
	s, err := w.Rows.Sync(ctx, account, campaign)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && !s.On {
		return nil
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	return w.want(ctx, s, why)
}

// waits notes why nothing goes on for now, and until when; since is the time of the oldest change that is not written because of
// it. That may be known to be older already: each try begins a wait anew.
func (w Worker) waits(ctx context.Context, s Sync, reason string, wait time.Duration, since time.Time) error {
	return w.change(ctx, s.Account, s.Campaign, func(s *Sync) bool {
		until := w.Now().Add(wait)
		if !s.On || s.Waits == reason && s.Until.After(w.Now()) {
			return false
		}
		s.Waits, s.Until, s.Due = reason, until, until
		if s.Since.IsZero() || since.Before(s.Since) {
			s.Since = since
		}
		return true
	})
}

// attempts is how often a change is made again because somebody else changed the same thing at that moment.
const attempts = 10

// change edits a campaign's row, unless edit says that there is nothing to change.
func (w Worker) change(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, edit func(*Sync) bool) error {
	return edited(ctx, w.Rows, account, campaign, edit)
}

func edited(ctx context.Context, rows syncs, account bridge.AccountID, campaign bridge.CampaignID, edit func(*Sync) bool) error {
	var err error
	for range attempts {
		var s Sync
		if s, err = rows.Sync(ctx, account, campaign); err != nil {
			return err
		}
		if !edit(&s) {
			return nil
		}
		if err = rows.SaveSync(ctx, s); bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return err
}
