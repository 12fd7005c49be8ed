package conversion

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Commit is what changes together: entries of the ledger, the effects that follow from them or what became of them, and
// what people are told. Everything is as it was read but for the change; it is written only if nobody else has
// written any of it since.
type Commit struct {
	Entries []bridge.Entry
	Gone    []bridge.Entry // to be deleted
	Effects []bridge.Effect
	Paid    []bridge.Paid
	Reviews []bridge.Review
	Actions []bridge.Action // new ones
}

// settled is when no worker is alive any more that has read a deal before now: workers live for two minutes.
const settled = 3 * time.Minute

// looks are the times after which somebody who was missing is looked for again. Contact roles come late. After that,
// the poll finds a new role, and the daily check everything else.
var looks = []time.Duration{5 * time.Minute, time.Hour, 6 * time.Hour}

// step is what is to be done about an entry.
type step int

const (
	leave step = iota // the ledger says it already, or something newer
	write
	again // it is unclear which is newer: read the deal and the rules again
)

// follow decides what becomes of an entry now that its deal was judged anew. Order is a matter of the rules' version and
// of Salesforce's own stamps, never of our clock.
func follow(old, next bridge.Entry, now time.Time) (bridge.Entry, step) {
	next.Version, next.CreatedAt, next.ChangedAt = old.Version, old.CreatedAt, now
	newer := next.Rules > old.Rules || next.Modified.After(old.Modified)
	older := next.Rules < old.Rules || next.Modified.Before(old.Modified)
	same := old.Facts == next.Facts
	looked := !old.Due.IsZero() && !now.Before(old.Due)
	switch {
	case old.Version == 0 && next.Reason != "" && !waits(next.Reason):
		return next, leave // a deal that the rule is not about has no entry
	case old.Version == 0:
		next.CreatedAt = now
	case newer && older:
		return next, again
	case older, same && !newer && !looked:
		return next, leave
	}
	next.Looks, next.Due = schedule(old, next, newer, same, now)
	if same {
		next.Prompt, next.ChangedAt = old.Prompt, old.ChangedAt
	}
	return next, write
}

// schedule says how often somebody was looked for in vain, and when to look at the deal again. Besides deals that
// wait for somebody, these are the ones of which a worker that is still alive may have read an older state that our order
// cannot tell: an entry that is new, and one that changed without a new stamp.
func schedule(old, next bridge.Entry, newer, same bool, now time.Time) (int, time.Time) {
	missing := waits(next.Reason) || incomplete(next)
	switch {
	case !next.Due.IsZero(): // somebody could not be looked for
		return old.Looks, next.Due
	case missing && (old.Version == 0 || newer || !same):
		return 0, now.Add(looks[0])
	case missing && next.Prompt == bridge.ByLook && old.Looks+1 < len(looks):
		return old.Looks + 1, now.Add(looks[old.Looks+1])
	case missing:
		return len(looks), time.Time{}
	case old.Version == 0, !newer && !same:
		return 0, now.Add(settled)
	default:
		return 0, time.Time{}
	}
}

// incomplete reports whether an entry acts for some people, and others of the deal are no subscribers yet.
func incomplete(e bridge.Entry) bool {
	return e.Reason == "" && e.Trigger != bridge.AddContact && slices.ContainsFunc(e.Shares, func(s bridge.Share) bool { return s.Subscriber == "" })
}

// facts is a hash of everything about an entry that matters to others.
func facts(e bridge.Entry, ready time.Time) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s %s\n%s %s\n%d\n", e.Trigger, e.Reason, e.Stage, e.Amount.Amount, e.Amount.Currency, e.Count.Amount, e.Count.Currency, ready.Unix())
	for _, s := range e.Shares {
		fmt.Fprintf(h, "%s %s\n", s.Contact, s.Subscriber)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// asks are the effects that an entry stands behind.
func asks(e bridge.Entry) []bridge.EffectID {
	if e.Version == 0 && e.Facts == "" || e.Reason != "" {
		return nil
	}
	var ids []bridge.EffectID
	for _, s := range e.Shares {
		id := bridge.EffectID{Account: e.Account, Campaign: e.Campaign, Kind: bridge.EffectKind(e.Trigger), Subject: string(s.Subscriber)}
		switch e.Trigger {
		case bridge.AddContact:
			id.Subject = string(s.Contact)
		case bridge.TotalSpend:
			id.Currency = e.Count.Currency
		}
		if id.Subject != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// change is what a new state of an entry means to an effect.
type change struct {
	claim   bridge.Claim
	before  bool            // the entry stood behind the effect
	after   bool            // it does now
	was, is decimal.Decimal // of spend: what it counted, and what it counts
	told    bool            // of spend: it is in the currency that ReferralHero is told
}

// changes are what is between two states of an entry, by effect.
func changes(old, next bridge.Entry, ready time.Time, currency string) map[bridge.EffectID]change {
	found := map[bridge.EffectID]change{}
	claim := bridge.Claim{Rule: next.Rule, Deal: next.Deal, Due: ready, Prompt: next.Prompt}
	for _, id := range asks(old) {
		found[id] = change{claim: claim, before: true, was: old.Count.Amount}
	}
	for _, id := range asks(next) {
		c := found[id]
		c.claim, c.after, c.is = claim, true, next.Count.Amount
		found[id] = c
	}
	for id, c := range found {
		c.claim.Amount, c.told = c.is, id.Currency == currency
		found[id] = c
	}
	return found
}

// apply changes what is asked of an effect. It touches nothing that a worker at it has claimed or called.
func (c change) apply(e *bridge.Effect, now time.Time) {
	if e.Kind == bridge.EffectSpend {
		c.spend(e, now)
		return
	}
	at := c.at(e.Deals)
	switch {
	case c.after && at >= 0:
		e.Deals[at].Due = c.claim.Due
	case c.after && len(e.Deals) == mostClaims && !c.before:
		e.Others++
	case c.after && !c.before:
		e.Deals = append(e.Deals, c.claim)
	case !c.after && at >= 0:
		e.Deals = slices.Delete(e.Deals, at, at+1)
	case !c.after:
		e.Others = max(0, e.Others-1)
	}
	if c.before != c.after {
		e.Asked++
	}
	switch {
	case e.State == bridge.EffectPlanned && !asked(*e):
		e.State, e.Due = bridge.EffectIdle, time.Time{}
	case e.State == bridge.EffectPlanned:
		e.Due = later(earliest(e.Deals), e.Due, e.Tries)
	case open(e.State) && c.after && !c.before:
		e.State, e.Reason, e.Tries, e.Due = bridge.EffectPlanned, "", 0, earliest(e.Deals)
		if e.Due.Before(now) {
			e.Due = now
		}
	}
}

func (c change) at(claims []bridge.Claim) int {
	return slices.IndexFunc(claims, func(d bridge.Claim) bool { return d.Rule == c.claim.Rule && d.Deal == c.claim.Deal })
}

// mostClaims bounds the deals that an effect remembers one by one.
const mostClaims = 100

// open reports whether an effect in this state is tried when somebody asks for it anew.
func open(s bridge.EffectState) bool {
	return s == bridge.EffectIdle || s == bridge.EffectSkipped || s == bridge.EffectFailed
}

// asked reports whether any deal stands behind a referral or a new subscriber.
func asked(e bridge.Effect) bool { return len(e.Deals)+e.Others > 0 }

// earliest is when the first hold of some deals is over.
func earliest(deals []bridge.Claim) time.Time {
	var first time.Time
	for _, d := range deals {
		if first.IsZero() || d.Due.Before(first) {
			first = d.Due
		}
	}
	return first
}

// later keeps an effect that was put off from being tried too soon.
func later(due, putOff time.Time, tries int) time.Time {
	if tries > 0 && putOff.After(due) {
		return putOff
	}
	return due
}

// spend follows a deal's part in a total.
func (c change) spend(e *bridge.Effect, now time.Time) {
	e.Total = e.Total.Sub(c.was).Add(c.is)
	e.Asked++
	if !c.told {
		return
	}
	if at := c.at(e.Deals); at < 0 {
		e.Deals = append(e.Deals, c.claim)
	} else {
		e.Deals[at] = c.claim
	}
	if open(e.State) || e.State == bridge.EffectDone {
		e.State, e.Reason, e.Tries, e.Due = bridge.EffectPlanned, "", 0, now
	}
}
