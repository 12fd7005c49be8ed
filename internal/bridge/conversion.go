package bridge

import (
	"time"

	"github.com/shopspring/decimal"
)

// Deal is an opportunity with its people, as Salesforce has it now.
type Deal struct {
	ID         SalesforceID
	Name       string // for people in the console; it is stored nowhere
	Deleted    bool
	Stage      string // API name
	Closed     bool
	Won        bool
	Amount     Money
	NoAmount   bool // Amount is null
	RecordType SalesforceID
	Contact    SalesforceID // the deal's own ContactId; may be empty
	Person     SalesforceID // the contact of its person account; may be empty
	Roles      []ContactRole
	Entered    map[string]time.Time // when it last came into each stage that it has been in
	CreatedAt  time.Time
	Modified   time.Time   // newest SystemModstamp of the deal and its roles, also of those that were deleted
	With       DealColumns // that were read: what the connected user may not see is not null
}

// ContactRole is a person's part in a deal.
type ContactRole struct {
	ID        SalesforceID
	Contact   SalesforceID
	Primary   bool
	CreatedAt time.Time
}

// Party is a contact as far as a conversion reads it. It stays in memory.
type Party struct {
	ID                  SalesforceID // differs from what was asked for if the contact was merged into this one
	FirstName, LastName string
	Email, Phone        string
	Subscriber          SubscriberID // the SUB_ID that the sync wrote; empty if there is none, or the field is hidden
	Referrer            string       // content of the field that a rule names
	Deleted             bool
}

// Stage is a stage of an org's opportunities.
type Stage struct {
	Name   string // as deals carry it
	Label  string
	Order  int
	Closed bool
	Won    bool
	Active bool
}

// Prompt says what made us look at a deal.
type Prompt string

// The prompts.
const (
	ByMessage Prompt = "message" // an Outbound Message
	ByPoll    Prompt = "poll"    // the look at the org's history each quarter of an hour
	ByCheck   Prompt = "check"   // the daily look at every deal that has an entry
	ByLook    Prompt = "look"    // a deal whose person was missing
	ByRules   Prompt = "rules"   // the rules changed
	ByPerson  Prompt = "person"  // somebody asked for it
)

// Entry is what a deal has come to under a rule: a row of the ledger. It always says what Salesforce said when the deal
// was last read, whatever happened in between.
type Entry struct {
	Account  AccountID
	Campaign CampaignID
	Rule     RuleID
	Deal     SalesforceID

	Trigger  Trigger   // of the rule
	Rules    int       // version of the rules by which it was judged
	Modified time.Time // of the deal
	Facts    string    // hash of what was judged

	Reason string // why the rule does not act, or what it waits for; empty if it acts
	Stage  string
	Amount Money // of the deal
	Shares []Share
	Count  Money // of spend: what the deal adds to the total of its only share

	Looks     int       // times that somebody was looked for in vain
	Due       time.Time // when to look again; zero if that is not needed
	Prompt    Prompt    // of the latest change
	CreatedAt time.Time
	ChangedAt time.Time
	Version   int
}

// Share is a person whom a rule acts for because of a deal.
type Share struct {
	Contact    SalesforceID
	Subscriber SubscriberID // empty as long as the contact is no subscriber
}

// EffectKind is what an effect does.
type EffectKind string

// The kinds of effects. The first ones are named like the trigger that asks for them.
const (
	EffectAdd         = EffectKind(AddContact)
	EffectUnconfirmed = EffectKind(ToUnconfirmed)
	EffectConfirmed   = EffectKind(ToConfirmed)
	EffectSpend       = EffectKind(TotalSpend)
	EffectUnqualify   = EffectKind("unqualify") // a person's decision
)

// EffectState is how far an effect has come.
type EffectState string

// The states. What is claimed was not called yet; what is being called when its claim runs out is unknown.
const (
	EffectIdle    EffectState = ""        // nothing is asked for
	EffectPlanned EffectState = "planned" // to be done when it is due
	EffectClaimed EffectState = "claimed" // a worker looks what there is to do
	EffectCalling EffectState = "calling" // a worker makes the call
	EffectDone    EffectState = "done"
	EffectSkipped EffectState = "skipped" // there was nothing to do, or nothing that may be done; Reason says why
	EffectFailed  EffectState = "failed"  // ReferralHero refuses it; Reason says why
	EffectUnknown EffectState = "unknown" // it may have happened
	EffectManual  EffectState = "manual"  // it may have happened, and nobody but a person can tell
)

// EffectID names an effect by what it is about, never by the message or the time that led to it.
type EffectID struct {
	Account  AccountID
	Campaign CampaignID
	Kind     EffectKind
	Subject  string // a subscriber; of an add, a contact
	Currency string // of spend, where the org has several
}

// Effect is what ReferralHero is to be told about one person, and how far that has come. What is asked for changes in
// the same transaction as the ledger.
type Effect struct {
	EffectID

	// What is asked for.
	Deals  []Claim         // deals that stand behind it; of spend, those whose change ReferralHero was not told yet
	Others int             // that stand behind it besides Deals, which is bounded
	Total  decimal.Decimal // of spend: the sum of the entries
	Asked  int             // rises with each change of what is asked for

	// What was done about it.
	State    EffectState
	Reason   string // of a state that needs one: a code, or words of a closed list
	Fence    int    // rises with each claim
	Until    time.Time
	Tries    int       // attempts that came to nothing since the last change
	Due      time.Time // when it is to be looked at; zero if never
	Request  *Payment  // of spend: the call that is on its way, or was last
	Told     decimal.Decimal
	ToldAt   time.Time
	Answered int  // Asked as it was when ReferralHero was last told
	Ours     bool // we did it: it was not so before
	CalledAt time.Time
	AskedAt  time.Time // when the message came because of which it is planned, or when we saw the change; zero if it may take its time
	Held     bool      // since then it had to wait for what is not ours to bring: calls, a subscriber, a connection
	Version  int
}

// Claim is a deal that stands behind an effect.
type Claim struct {
	Rule   RuleID
	Deal   SalesforceID
	Due    time.Time       // of a referral: when its hold is over
	Amount decimal.Decimal // of spend: what the deal counts now
	Prompt Prompt          // what made us look at the deal
}

// Payment is a transaction as it was or will be sent to ReferralHero. It is never sent with other contents under the
// same ID.
type Payment struct {
	ID       string // of the transaction
	Rule     RuleID
	Deal     SalesforceID
	Amount   decimal.Decimal // never negative
	Lifetime decimal.Decimal
	Counted  decimal.Decimal // what the deal counted then
	Asked    int             // of the effect then
}

// Paid is what ReferralHero was ever told of a deal in a campaign, whatever rule and whatever person it was for.
type Paid struct {
	Account  AccountID
	Campaign CampaignID
	Deal     SalesforceID
	Amount   decimal.Decimal // sum of its transactions
	Payments int             // transactions so far
	Subject  SubscriberID    // of the latest
	Version  int
}

// ReviewKind is what a person is asked to look at.
type ReviewKind string

// The kinds of reviews.
const (
	ReviewReversed ReviewKind = "reversed" // a referral was moved, and its deals are lost
	ReviewUnknown  ReviewKind = "unknown"  // a call may have happened
	ReviewWaiting  ReviewKind = "waiting"  // somebody cannot be found in ReferralHero, or the referral is not where it has to be
	ReviewRefused  ReviewKind = "refused"  // ReferralHero refuses a call
	ReviewCurrency ReviewKind = "currency" // an amount in a currency that is not the campaign's
	ReviewMoved    ReviewKind = "moved"    // an amount was told for one person, and belongs to another or to nobody now
	ReviewHidden   ReviewKind = "hidden"   // a deal that counts cannot be seen any more
)

// Review is something that only a person can decide or put right.
type Review struct {
	Account  AccountID
	Campaign CampaignID
	ID       string // made of what it is about
	Kind     ReviewKind
	Effect   EffectID // zero if it is not about one
	Rule     RuleID
	Deal     SalesforceID
	Reason   string // a code
	Amount   Money
	OpenedAt time.Time
	ClosedAt time.Time // zero as long as it is open
	ClosedBy string    // name of the person; empty if it settled itself
	Decision string    // what was decided
	Version  int
}

// Action is what was done, or found, in ReferralHero: a line of the activity.
type Action struct {
	Account  AccountID
	Campaign CampaignID
	ID       string // sorts by time
	At       time.Time
	Effect   EffectID
	Rule     RuleID
	Deal     SalesforceID
	Prompt   Prompt // what made us look at the deal
	Sent     string // what was asked of ReferralHero, without anything personal; empty if nothing was
	Answer   string // what came back, or was found: a code, a status
	State    EffectState
	Who      string // of a person's decision: the name
}

// Match is which subscriber of a campaign a contact is.
type Match struct {
	Account    AccountID
	Campaign   CampaignID
	Contact    SalesforceID
	Subscriber SubscriberID // empty if the contact is none
	Print      string       // tells whether the contact has changed since
	LookedAt   time.Time
	Version    int
}

// DealPage is a page of deals that have changed.
type DealPage struct {
	Moved   []SalesforceID // those of which the org's history tells
	Others  []SalesforceID // those whose roles have changed, and those that were deleted
	Changes int            // rows of the history
	Next    string         // where the next page begins; empty after the last
}

// Watch is how the deals of a connection are watched besides the messages.
type Watch struct {
	Account    AccountID
	Connection ConnectionID

	Closed time.Time // changes until then are accounted for
	Window Window    // that is being closed; its To is zero if none is
	Page   string    // where the window goes on
	PollAt time.Time // when the next window is due

	CheckAt   time.Time // when the next look at every entry is due
	Check     Window    // that is going on; its From is zero if none is
	CheckPage string    // where it goes on

	Columns  DealColumns
	LookedAt time.Time // when Columns was found

	Missing     int       // windows in a row in which deals changed and no message came
	SilentSince time.Time // messages have not come since, although deals changed; zero if all is well
	Tries       int       // failures in a row
	Problem     string    // why the last step failed: words for a person; empty if it did not
	Version     int
}

// DealColumns are the columns that not every org has, or that are not for everybody's eyes.
type DealColumns struct {
	Currency   bool   // Opportunity.CurrencyIsoCode
	RecordType bool   // Opportunity.RecordTypeId
	Persons    bool   // Account.PersonContactId
	NoAmount   bool   // the connected user may not see Opportunity.Amount
	Key        string // the contact's field with the SUB_ID; empty if it is hidden, or not there
}

// Window is a stretch of time whose changes are accounted for: the statement of a poll, or of a check.
type Window struct {
	Account    AccountID
	Connection ConnectionID
	Check      bool // it is about every entry, and not about a stretch of time
	From, To   time.Time
	Changes    int  // that the org's history has
	Deals      int  // that were judged because of them
	Found      int  // entries that were not what they should be, and were put right
	Missed     int  // of them, those of deals whose stage or amount had changed: a message should have told
	Blind      bool // of a check: the connected user sees other fields than before, so that entries may differ because of that
	ClosedAt   time.Time
}

// Parked are deals whose messages came when they could not be looked at.
type Parked struct {
	Account    AccountID
	Connection ConnectionID
	ID         string // made of the deals
	Deals      []SalesforceID
	Reason     string
	Tries      int
	At         time.Time // when the message came
	Due        time.Time
	Version    int
}
