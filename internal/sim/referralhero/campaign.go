package referralhero

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// List is a campaign's settings: what its owner chose on ReferralHero's dashboard.
type List struct {
	UUID         string      `json:"uuid"` // empty means a new one, made from the seed
	Name         string      `json:"name"`
	Identifier   Identifier  `json:"identifier"`          // "" means ByEmail
	Events       int         `json:"events"`              // conversion events of its goal: 1, 2 or 3; 0 means 1
	URL          string      `json:"url"`                 // base of referral links for subscribers without their own
	Ranking      bool        `json:"ranking"`             // subscribers have positions
	Verification bool        `json:"verification"`        // subscribers confirm by a link in a mail, unless double_optin is false
	Paused       bool        `json:"paused"`              // not listed; still answers by uuid
	Automations  Automations `json:"automations"`         // the mails that are switched on
	Bonuses      []Bonus     `json:"bonuses"`             // rewards for a number of confirmed referrals
	CreatedAt    int64       `json:"created_at,omitzero"` // Unix seconds; 0 means now
}

// check says what of a campaign's settings makes no sense.
func (l List) check() error {
	switch {
	case l.Name == "":
		return errors.New("a campaign needs a name")
	case l.Events < 0 || l.Events > 3:
		return fmt.Errorf("%d events: a goal has 1, 2 or 3", l.Events)
	case !slices.Contains([]Identifier{"", ByEmail, ByPhone, ByWallet, ByOther}, l.Identifier):
		return fmt.Errorf("%q is no identifier", l.Identifier)
	}
	return nil
}

// Automations are the mails of a campaign that its owner switched on.
type Automations struct {
	Welcome          bool `json:"welcome"`           // to a new subscriber whom nobody referred
	ReferralWelcome  bool `json:"referral_welcome"`  // to a referred one whose referral is confirmed at once
	PendingWelcome   bool `json:"pending_welcome"`   // to a referred one whose referral is pending
	ConfirmedWelcome bool `json:"confirmed_welcome"` // to the referred one when the referral is confirmed later
	Referral         bool `json:"referral"`          // to the referrer, when the referral is confirmed
	PromotedReward   bool `json:"promoted_reward"`   // to a subscriber who is promoted
}

// Bonus is a reward for a number of confirmed referrals.
type Bonus struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Referrals   int    `json:"referrals"`
}

// Identifier is what tells the subscribers of a campaign apart.
type Identifier string

// The identifiers. Each is also the name of the parameter that carries it.
const (
	ByEmail  Identifier = "email"
	ByPhone  Identifier = "phone_number"
	ByWallet Identifier = "crypto_wallet_address"
	ByOther  Identifier = "other_identifier_value"
)

// normal returns value in the form in which it is compared.
func (kind Identifier) normal(value string) string {
	value = strings.TrimSpace(value)
	if kind == ByEmail {
		return strings.ToLower(value)
	}
	return value
}

// campaign is a list with its people. Whoever uses it holds the Service's lock.
type campaign struct {
	List
	members      []*member          // the verified ones, in order of sign-up
	byID         map[string]*member // all, also those who are not verified
	byIdentifier map[string]*member
	byCode       map[string]*member
	numbers      int // given to members so far
	ranks        ranking
	transactions map[string]Transaction // by transaction id
	rewards      []Reward
	webhooks     []*Webhook
	sorted       map[string][]*member // members by an order; gone after each change
}

func newCampaign(list List) *campaign {
	list.Identifier = either(list.Identifier, ByEmail)
	list.Events = either(list.Events, 1)
	return &campaign{
		List: list, byID: map[string]*member{}, byIdentifier: map[string]*member{}, byCode: map[string]*member{},
		transactions: map[string]Transaction{},
	}
}

// insert puts in a subscriber whose id, code and identifier nobody has, and whose referrer, if any, is in.
func (c *campaign) insert(s Subscriber) *member {
	m := &member{Subscriber: s, number: c.numbers}
	c.numbers++
	c.byID[m.ID], c.byCode[m.Code] = m, m
	if key := m.identifier(c.Identifier); key != "" {
		c.byIdentifier[key] = m
	}
	if m.referrer = c.byID[m.ReferredBy]; m.referrer != nil {
		m.referrer.referrals = append(m.referrer.referrals, m)
	}
	return m
}

// enter lets a verified member be seen and ranked.
func (c *campaign) enter(m *member) {
	at := len(c.members)
	if at > 0 && c.members[at-1].number > m.number { // verified later than somebody who came later
		at, _ = slices.BinarySearchFunc(c.members, m, bySignUp)
	}
	c.members = slices.Insert(c.members, at, m)
	c.ranks.add(m)
	c.sorted = nil
}

// remove takes a member out, and out of the counts of those above. Those whom m referred stay referred,
// by nobody.
func (c *campaign) remove(m *member) {
	if m.VerifiedAt != 0 {
		c.count(m, -1)
		at, _ := slices.BinarySearchFunc(c.members, m, bySignUp)
		c.members = slices.Delete(c.members, at, at+1)
		c.ranks.remove(m)
		if above := m.referrer; above != nil {
			above.Level2 -= m.PeopleReferred
			above.Level3 -= m.Level2
			if above.referrer != nil {
				above.referrer.Level3 -= m.PeopleReferred
			}
		}
	}
	if above := m.referrer; above != nil {
		above.referrals = slices.DeleteFunc(above.referrals, func(other *member) bool { return other == m })
	}
	for _, below := range m.referrals {
		below.referrer, below.ReferredBy = nil, ""
	}
	delete(c.byID, m.ID)
	delete(c.byCode, m.Code)
	delete(c.byIdentifier, m.identifier(c.Identifier))
	c.sorted = nil
}

// count adds n times m's referral to the counts of those above.
func (c *campaign) count(m *member, n int) {
	above := m.referrer
	if above == nil {
		return
	}
	switch m.Status {
	case Pending:
		above.PendingReferrals += n
	case Unconfirmed:
		above.UnconfirmedReferrals += n
	case Confirmed:
		if above.VerifiedAt != 0 {
			c.ranks.remove(above)
			defer c.ranks.add(above)
		}
		above.PeopleReferred += n
		above.Points += n // one for each confirmed referral, as in the vendor's samples
		if above = above.referrer; above != nil {
			above.Level2 += n
			if above = above.referrer; above != nil {
				above.Level3 += n
			}
		}
	}
}

// find returns the verified member with an identifier, or nil.
func (c *campaign) find(value string) *member {
	return seen(c.byIdentifier[c.Identifier.normal(value)])
}

// advocate returns the verified member whom the parameter referrer names by code or by identifier, or nil.
func (c *campaign) advocate(name string) *member {
	if m := seen(c.byCode[strings.TrimSpace(name)]); m != nil {
		return m
	}
	return c.find(name)
}

// seen returns m, or nil if it is not verified: the API does not show those.
func seen(m *member) *member {
	if m == nil || m.VerifiedAt == 0 {
		return nil
	}
	return m
}

func bySignUp(a, b *member) int { return cmp.Compare(a.number, b.number) }

// orders are the values of sort_by without their ends _asc and _desc. Equals are in order of sign-up.
var orders = map[string]func(a, b *member) int{
	"registration":    bySignUp,
	"email":           func(a, b *member) int { return cmp.Compare(a.Email, b.Email) },
	"name":            func(a, b *member) int { return cmp.Compare(a.Name, b.Name) },
	"position":        byRank,
	"people_referred": func(a, b *member) int { return cmp.Compare(a.PeopleReferred, b.PeopleReferred) },
	"points":          func(a, b *member) int { return cmp.Compare(a.Points, b.Points) },
}

// order returns the comparison for a value of sort_by. An unknown one, or none, gives the newest first.
func order(sortBy string) (compare func(a, b *member) int, name string) {
	by, end, _ := cutLast(sortBy, "_")
	ascending, known := orders[by]
	if !known || end != "asc" && end != "desc" {
		return order("registration_desc")
	}
	return func(a, b *member) int {
		if end == "desc" {
			return cmp.Or(ascending(b, a), bySignUp(a, b))
		}
		return cmp.Or(ascending(a, b), bySignUp(a, b))
	}, sortBy
}

func cutLast(text, separator string) (before, after string, found bool) {
	if at := strings.LastIndex(text, separator); at >= 0 {
		return text[:at], text[at+len(separator):], true
	}
	return text, "", false
}

// inOrder returns all verified members in an order. The slice is shared: it must not be changed.
func (c *campaign) inOrder(sortBy string) []*member {
	compare, name := order(sortBy)
	if name == "registration_asc" {
		return c.members
	}
	if c.sorted[name] == nil {
		if c.sorted == nil {
			c.sorted = map[string][]*member{}
		}
		all := slices.Clone(c.members)
		if name == "registration_desc" {
			slices.Reverse(all)
		} else {
			slices.SortFunc(all, compare)
		}
		c.sorted[name] = all
	}
	return c.sorted[name]
}
