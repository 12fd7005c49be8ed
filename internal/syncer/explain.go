package syncer

import (
	"context"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Explanation is what both sides say about one subscriber now, and how it came about.
type Explanation struct {
	Subscriber bridge.Subscriber
	Gone       bool // ReferralHero has nobody of that id
	Link       Link
	Linked     bool
	Record     *bridge.Record // nil if there is none
	Layout     bridge.Layout
	Said       bridge.Values   // by ReferralHero
	Wanted     bridge.Values   // of that, what the record is to show
	TooLong    bridge.FieldSet // what is left out, since it does not fit
	Cut        bridge.FieldSet // what is shown in part, since it does not fit
	Skipped    string          // why it is left out on purpose; empty if it is not
}

// Equal reports whether a field shows what it should.
func (e Explanation) Equal(field int) bool {
	return e.Record != nil && e.Record.Values[field] == e.Wanted[field]
}

// Explain asks both sides about a subscriber: by its id, its referral code, its e-mail address, or the id of its record. It takes two to
// five calls to ReferralHero and one or two to the org, and changes nothing.
func (s Service) Explain(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, who string) (Explanation, error) {
	const op = "syncer.Explain"
	who = strings.TrimSpace(who)
	if who == "" {
		return Explanation{}, bridge.Say(op, bridge.Invalid, "who", "Type a subscriber's id, a referral code, an e-mail address or the id of a Salesforce record.")
	}
	sync, err := s.Get(ctx, account, campaign)
	if err != nil {
		return Explanation{}, err
	}
	connection, err := s.Connections.Connection(ctx, account, sync.Connection)
	if err != nil {
		return Explanation{}, bridge.E(op, "", err)
	}
	var e Explanation
	layouts := Layouts{}
	for _, object := range []string{"Contact", "Lead"} {
		l, err := s.Layouts.Layout(ctx, account, sync.Connection, object)
		if err == nil {
			layouts[object] = l
		} else if bridge.KindOf(err) != bridge.NotFound {
			return e, bridge.E(op, "", err)
		}
	}
	org := s.Org(connection)
	if err := s.identify(ctx, org, sync, layouts, who, &e); err != nil {
		return e, bridge.E(op, "", err)
	}
	target := e.Link.Target
	if target == "" {
		target = sync.Target
	}
	e.Layout = layouts[target.Object()]
	if err := s.truth(ctx, account, campaign, &e); err != nil {
		return e, bridge.E(op, "", err)
	}
	if e.Record == nil && e.Link.Record != "" {
		err = org.RecordsByID(ctx, layouts, target, []bridge.SalesforceID{e.Link.Record}, func(r bridge.Record) { e.Record = &r })
	} else if e.Record == nil {
		err = org.RecordsByKey(ctx, layouts, target, []bridge.SubscriberID{e.Subscriber.ID}, nil, func(r bridge.Record) { e.Record = &r })
	}
	if e.Link.Record == "" && !e.Gone {
		e.Skipped = leftOut(e.Subscriber, e.Link, sync.Options)
		if e.Skipped == "" && e.Record == nil && sync.LinkOnly {
			e.Skipped = noRecord
		}
	}
	return e, bridge.E(op, "", err)
}

// identify finds out which subscriber is meant.
func (s Service) identify(ctx context.Context, org Org, sync Sync, layouts Layouts, who string, e *Explanation) error {
	const op = "syncer.identify"
	var (
		id   = bridge.SubscriberID(who)
		mail string // of a record without a SUB_ID, say
	)
	matched := func(r bridge.Record) {
		mail = bridge.NormalizeEmail(r.Email)
		if key := r.Values[bridge.SubscriberKey]; key != "" {
			id, e.Record = bridge.SubscriberID(key), &r
		}
	}
	record, malformed := bridge.ParseSalesforceID(who)
	switch {
	case strings.HasPrefix(who, "sub_"):
	case malformed == nil:
		if err := org.RecordsByID(ctx, layouts, sync.Target, []bridge.SalesforceID{record}, matched); err != nil {
			return err
		}
	case strings.Contains(who, "@"):
		mail = bridge.NormalizeEmail(who)
		if err := org.RecordsByKey(ctx, layouts, sync.Target, nil, []string{mail}, matched); err != nil {
			return err
		}
	default:
		if err := s.ask(ctx, sync.Account, func(a bridge.Account) (err error) {
			e.Subscriber, _, err = s.Hero.SubscriberByCode(ctx, a.Token, sync.Campaign, who)
			return err
		}); err != nil {
			return err
		}
		id = e.Subscriber.ID
	}
	if unknown := string(id) == who && !strings.HasPrefix(who, "sub_"); unknown && mail != "" {
		err := s.ask(ctx, sync.Account, func(a bridge.Account) (err error) {
			e.Subscriber, _, err = s.Hero.SubscriberByEmail(ctx, a.Token, sync.Campaign, mail)
			return err
		})
		if bridge.KindOf(err) == bridge.NotFound && bridge.CodeOf(err) != unknownList {
			return bridge.Say(op, bridge.NotFound, "who", "ReferralHero has no verified subscriber with this e-mail address in the campaign, and no record in Salesforce with this address has a SUB_ID.")
		}
		if err != nil {
			return err
		}
		id = e.Subscriber.ID
	} else if unknown {
		return bridge.Say(op, bridge.NotFound, "who", "Salesforce has no such record, or it has neither a SUB_ID nor an e-mail address. Try the subscriber's id or referral code from ReferralHero.")
	}
	e.Subscriber.ID = id
	links, err := s.Rows.Links(ctx, sync.Account, sync.Campaign, []bridge.SubscriberID{id})
	e.Link, e.Linked = links[id]
	e.Link = e.Link.in(sync)
	if e.Record != nil && e.Linked && e.Record.ID != e.Link.Record {
		e.Record = nil
	}
	return err
}

// truth asks ReferralHero.
func (s Service) truth(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, e *Explanation) error {
	var last time.Time
	err := s.ask(ctx, account, func(a bridge.Account) (err error) {
		id := e.Subscriber.ID
		e.Subscriber, _, err = s.Hero.Subscriber(ctx, a.Token, campaign, id)
		e.Subscriber.ID = id
		if err == nil && e.Subscriber.Referrals() > 0 {
			last, _, err = s.Hero.LastReferral(ctx, a.Token, campaign, id)
		}
		return err
	})
	if bridge.KindOf(err) == bridge.NotFound && bridge.CodeOf(err) != unknownList {
		e.Gone = true
		return nil
	}
	if err != nil {
		return err
	}
	e.Said = Values(e.Subscriber, last)
	var m misfits
	e.Wanted, m = fit(e.Said, e.Layout)
	e.TooLong, e.Cut = m.left, m.cut
	return nil
}

// ask makes calls to ReferralHero within the account's budget.
func (s Service) ask(ctx context.Context, account bridge.AccountID, call func(bridge.Account) error) error {
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return err
	}
	if _, err := s.Budget.Lease(ctx, account, budget.ReferralHero, a.Allowance, budget.Live, 2); err != nil {
		return err
	}
	return call(a)
}
