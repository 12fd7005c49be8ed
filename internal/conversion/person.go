package conversion

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// share finds who of the campaign a contact is. missing says why that cannot be told; it is empty if it can.
func (t *turn) share(ctx context.Context, i item, r bridge.Rule, contact bridge.SalesforceID, p bridge.Party, old bridge.Entry, d *draft) (s bridge.Share, missing string, err error) {
	if p.ID == "" && r.Trigger != bridge.AddContact { // hidden from the connected user: perhaps it was not always
		m, err := t.w.Ledger.Match(ctx, t.id, i.set.Campaign, contact)
		if s.Contact, s.Subscriber = contact, m.Subscriber; s.Subscriber != "" || err != nil {
			return s, "", err
		}
	}
	if p.ID == "" || p.Deleted {
		return bridge.Share{Contact: contact}, reasonNobody, nil
	}
	s.Contact = p.ID // of whom the contact was merged into
	if r.Trigger == bridge.AddContact {
		if identify(i.campaign.Identifier, p) == "" {
			missing = reasonNoValue
		}
		return s, missing, nil
	}
	s.Subscriber, missing, err = t.match(ctx, i, p, d)
	if missing == reasonUnasked {
		at := slices.IndexFunc(old.Shares, func(o bridge.Share) bool { return o.Contact == s.Contact && o.Subscriber != "" })
		if at >= 0 && old.Reason == "" {
			return old.Shares[at], "", err // as it was, until somebody can be asked
		}
	}
	return s, missing, err
}

// identify returns what a campaign tells a contact apart by, as it is sent; empty if the contact has nothing usable.
func identify(by bridge.Identifier, p bridge.Party) string {
	switch by {
	case bridge.ByEmail:
		if mail := bridge.NormalizeEmail(p.Email); bridge.ValidEmail(mail) {
			return mail
		}
	case bridge.ByPhone:
		return bridge.NormalizePhone(p.Phone)
	}
	return ""
}

// identifierOf is what ReferralHero itself tells a subscriber apart by.
func identifierOf(by bridge.Identifier, s bridge.Subscriber) string {
	switch by {
	case bridge.ByEmail:
		return s.Email
	case bridge.ByPhone:
		return s.Phone
	}
	return ""
}

// fresh is for how long a contact that is no subscriber is not asked for again, whatever messages say.
const fresh = 4 * time.Minute

// match finds the subscriber that a contact is: by the id that the sync has written, else by the e-mail address. What was
// found once stands until somebody else is found.
func (t *turn) match(ctx context.Context, i item, p bridge.Party, d *draft) (bridge.SubscriberID, string, error) {
	m, err := t.w.Ledger.Match(ctx, t.id, i.set.Campaign, p.ID)
	if err != nil {
		return "", "", err
	}
	print := t.print(i, p)
	known, now := m.Version > 0 && m.Print == print, t.w.Now()
	patient := d.Prompt == bridge.ByPoll || d.Prompt == bridge.ByCheck || d.Prompt == bridge.ByRules
	switch {
	case known && m.Subscriber != "":
		return m.Subscriber, "", nil
	case known && (patient || now.Before(m.LookedAt.Add(fresh))):
		return "", reasonStranger, nil
	}
	s, err := t.find(ctx, i.campaign, p)
	if stop, is := stopped(err); is {
		d.Due = later(now.Add(shortWait), now.Add(stop.waitOf(0)), 1)
		return "", reasonUnasked, nil
	}
	if err != nil {
		return "", "", err
	}
	if s == "" {
		s = m.Subscriber // whose address has changed in Salesforce, and not in ReferralHero
	}
	m = bridge.Match{Account: t.id, Campaign: i.set.Campaign, Contact: p.ID, Subscriber: s, Print: print, LookedAt: now, Version: m.Version}
	if err := t.w.Ledger.SaveMatch(ctx, m); err != nil && bridge.KindOf(err) != bridge.Conflict {
		return "", "", err
	}
	if s == "" {
		return "", reasonStranger, nil
	}
	return s, "", nil
}

// print tells whether a contact is still the one that was looked for. It is too short to give anybody away.
func (t *turn) print(i item, p bridge.Party) string {
	text := strings.Join([]string{string(t.id), string(i.set.Campaign), string(p.ID), string(p.Subscriber), identify(i.campaign.Identifier, p)}, "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// find asks ReferralHero; the id is empty if it has nobody.
func (t *turn) find(ctx context.Context, c bridge.Campaign, p bridge.Party) (bridge.SubscriberID, error) {
	if p.Subscriber != "" {
		s, err := t.subscriber(ctx, c.ID, p.Subscriber)
		if err == nil || !unknownPerson(err) {
			return s.ID, err
		}
	}
	mail := bridge.NormalizeEmail(p.Email)
	if c.Identifier != bridge.ByEmail || !bridge.ValidEmail(mail) {
		return "", nil // ReferralHero finds nobody by anything else
	}
	if err := t.ticket(ctx); err != nil {
		return "", err
	}
	s, quota, err := t.w.Hero.SubscriberByEmail(ctx, t.account.Token, c.ID, mail)
	t.hear(quota)
	switch {
	case unknownPerson(err):
		return "", nil
	case err != nil:
		return "", t.heroStop(ctx, err)
	}
	t.known[s.ID] = s
	return s.ID, nil
}

// subscriber reads a subscriber by id. Somebody who is none is NotFound; what keeps us from asking is a stop.
func (t *turn) subscriber(ctx context.Context, campaign bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, error) {
	if err := t.ticket(ctx); err != nil {
		return bridge.Subscriber{}, err
	}
	s, quota, err := t.w.Hero.Subscriber(ctx, t.account.Token, campaign, id)
	t.hear(quota)
	switch {
	case unknownPerson(err):
		return s, err
	case err != nil:
		return s, t.heroStop(ctx, err)
	}
	t.known[s.ID] = s
	return s, nil
}
