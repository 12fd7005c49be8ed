package bridge

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// RuleID is our id of a rule: "r_...".
type RuleID string

// Trigger is what a rule does in ReferralHero.
type Trigger string

// The triggers, in the order in which people choose among them.
const (
	AddContact    Trigger = "add"         // the contact becomes a subscriber
	ToUnconfirmed Trigger = "unconfirmed" // the referral moves from pending to unconfirmed
	ToConfirmed   Trigger = "confirmed"   // the referral becomes confirmed
	TotalSpend    Trigger = "spend"       // the subscriber's total spend follows the deals
)

// Who says whom of a deal's people a rule is about.
type Who string

// The choices. The first is: the primary contact role, else the only role, else the contact of the deal itself, else the
// person account.
const (
	ThePerson Who = ""
	Everybody Who = "everybody" // every contact role that is a subscriber; not for spend, which would count once for each
)

// Money is an amount with its currency. An org with one currency does not name it: there the currency is empty.
type Money struct {
	Amount   decimal.Decimal
	Currency string // ISO code, or empty
}

// Rule is an "event to track": what a deal that reaches a stage does in ReferralHero.
type Rule struct {
	ID      RuleID
	Name    string
	Stage   string // API name of the stage
	Trigger Trigger
	On      bool
	From    time.Time // deals that reached the stage before do not count; never zero

	// Conditions besides the stage.
	RecordType SalesforceID // only deals of this record type; empty for all
	Minimum    Money        // the least amount that counts; zero for any
	WonOnly    bool         // only as long as the deal is won

	Who      Who
	Hold     int    // days that a deal must stand before a referral is moved
	Referrer string // AddContact: the contact's field with the referrer's code or e-mail address; empty for none
}

// RuleSet are the rules of a campaign. Of rules with the same trigger, the first that a deal fits decides about it.
type RuleSet struct {
	Account    AccountID
	Campaign   CampaignID
	Connection ConnectionID
	Currency   string // of spend: the only one that ReferralHero is told; empty in an org with one
	Rules      []Rule // in their order
	CatchUp    CatchUp
	Version    int
}

// CatchUp is how far deals have been judged anew after the rules changed: first those that have entries, then those
// that may fit since.
type CatchUp struct {
	Due    time.Time // when the next step is due; zero if there is nothing to catch up with
	Rounds int       // left, with this one: a worker that read the rules before a change may still write, so there are two
	Phase  int       // 0: entries; from 1: the deals that reached the stage of the rule at that position
	Cursor string    // where the phase goes on
	Step   int       // rises with each step
}

// Rule returns the rule with an id, or reports that there is none.
func (s RuleSet) Rule(id RuleID) (Rule, bool) {
	at := slices.IndexFunc(s.Rules, func(r Rule) bool { return r.ID == id })
	if at < 0 {
		return Rule{}, false
	}
	return s.Rules[at], true
}

// On reports whether any rule is on.
func (s RuleSet) On() bool { return slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.On }) }

// RuleEdit is what somebody did to a rule.
type RuleEdit struct {
	Account       AccountID
	Campaign      CampaignID
	ID            string // sorts by time
	At            time.Time
	Who           string // name of the person
	What          string // such as "added", "changed", "switched off"
	Before, After *Rule  // nil before it was added, and after it was deleted
}
