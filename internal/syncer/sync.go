package syncer

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Only says which subscribers of a campaign are kept in Salesforce.
type Only string

// The choices. A referral is a subscriber whom somebody referred, an advocate one who referred somebody.
const (
	Everybody     Only = "everybody"
	OnlyReferrals Only = "referrals"
	OnlyAdvocates Only = "advocates"
)

// Options are what people choose for a campaign.
type Options struct {
	Connection bridge.ConnectionID
	Target     bridge.Target
	Only       Only
	LinkOnly   bool                // no record is made: only those that exist are kept up to date
	Parent     bridge.SalesforceID // account that new contacts are put under; may be empty
	RecordType bridge.SalesforceID // of new person accounts
	Every      time.Duration       // between runs
}

// The choices for Every.
const (
	Hourly   = time.Hour
	SixHours = 6 * time.Hour
	Daily    = 24 * time.Hour
)

// Sync is how a campaign is kept in Salesforce, and how far that is.
type Sync struct {
	Account  bridge.AccountID
	Campaign bridge.CampaignID
	Options
	On    bool
	SetBy string
	SetAt time.Time

	Wanted  string    // why a run is to be made as soon as possible; empty if none is
	NextRun time.Time // when the next one is due by itself
	Waits   string    // why work waits: words for a person; empty while it goes on
	Until   time.Time // when what waits is looked at again
	Since   time.Time // while work waits: since when; zero if that is not known
	Due     time.Time // when the sweep looks after it; zero if never
	Version int
}

// home names the place in which a campaign is kept. What is known of another place counts for nothing here: its ids
// are another org's, or another object's.
func (s Sync) home() string { return string(s.Connection) + "/" + s.Target.Object() }

// Link is what is kept of a subscriber: which record belongs to it, and what was last written there.
type Link struct {
	Account    bridge.AccountID
	Campaign   bridge.CampaignID
	Subscriber bridge.SubscriberID
	Home       string // connection and object that the rest is about
	Target     bridge.Target
	Record     bridge.SalesforceID // empty as long as none is known
	Parent     bridge.SalesforceID // of a contact: its account
	Print      string              // fingerprint of the values that were written; empty if that is not certain
	Turn       int                 // in which it was written
	Load       string              // bulk load that Print is about; it counts only once that has ended
	WrittenAt  time.Time
	Why        string              // what the last write came from
	LastRef    time.Time           // newest referral, as last asked for
	Referrals  int                 // of the subscriber, in whatever state, when LastRef was asked for
	Points     int                 // as last read
	People     int                 // confirmed referrals, as last read
	Referrer   bridge.SubscriberID // who referred the subscriber; may be empty
	Merged     bool                // the record was made one with another subscriber's: none is made in its place
	Gone       bool                // ReferralHero has the subscriber no more; the record's fields were cleared
	Problem    Problem             // why Salesforce has not got what it should have; empty if it has
	Version    int                 // as read; 0 if there is no item yet
}

// in returns what a link is worth where the campaign is kept now: of another place only what ReferralHero said counts, and
// the place among those that need attention, which is to be given up.
func (l Link) in(s Sync) Link {
	if home := s.home(); l.Home != home {
		l.Home, l.Target, l.Record, l.Parent, l.Print, l.Turn, l.Load, l.WrittenAt, l.Why, l.Merged = home, "", "", "", "", 0, "", time.Time{}, "", false
	}
	return l
}

// Problem is why a record was not written.
type Problem struct {
	Cause   string // what it has in common with others; see Causes
	Code    string // Salesforce's, or ours
	Field   string // API name; may be empty
	Said    string // Salesforce's own words; may be empty
	Tries   int
	Since   time.Time
	LastTry time.Time
}

// Statement is what a run has found and done.
type Statement struct {
	Subscribers int // in the campaign
	Equal       int // of them: nothing had to be written
	Repaired    int // were written, new records included
	Created     int // of those repaired: new records
	News        int `dynamodbav:",omitempty"` // of those repaired: ReferralHero had changed them, and no hint told of it
	Refused     int // need somebody
	Skipped     int // left out on purpose
	Reasons     map[string]int
	Gone        int // are in the campaign no more; their records' fields were cleared
	HeroCalls   int
	OrgCalls    int
	Misfits     map[string]Misfit `dynamodbav:",omitempty"` // by field, such as EM_LINK: of those that are equal or repaired
}

// Misfit counts the people of whom Salesforce has no room for a field's value.
type Misfit struct {
	Left int // the field is left empty
	Cut  int // it has the beginning
	Room int // characters that it holds, or digits; the fewest, if it is on several objects
}

// Run is one pass over a campaign.
type Run struct {
	Account   bridge.AccountID
	Campaign  bridge.CampaignID
	ID        string // those of later runs sort later
	Why       string
	Home      string    // as in Link
	SetAt     time.Time // of the options that it goes by
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
	Cause     string    // why it ended early: words for a person
	Statement Statement

	Page     int      // next page of the list
	Pages    int      // of the list, as last told
	Total    int      // subscribers, as last told
	Least    int      // the fewest that were told
	Slice    int      // slices that are over
	Parts    int      // kept of whom they have met
	Most     int      // subscribers in a slice, in an org that is too slow for more; 0 in others
	Backs    int      // how often some pages were read again because the list had moved
	Load     *Loading // bulk load that is on its way
	Sweeping bool     // the list is read; subscribers that were not in it are looked for
	Again    bool     // the list was begun anew once, since it had changed under the reader
	BeatAt   time.Time
	Busy     time.Time // until then a worker has it, unless it has died
	Version  int
}

// Loading is a bulk load on its way.
type Loading struct {
	ID    string    // as in Link.Load
	At    time.Time // when it was begun
	Begun bool      // all of it was handed over; else a worker is at it, or was lost
	Jobs  []string  // Salesforce's ids
	Rows  int
	Polls int
}

// Turn is who may write to an org, and how often somebody did.
type Turn struct {
	Over    int                   // turns that have ended, or were given up
	Until   time.Time             // end of the present one; zero if nobody has it
	Holder  string                // a name for whoever has it
	Writing []bridge.SubscriberID // what the present one is about
	Of      bridge.CampaignID     // whose subscribers these are
	Urgent  time.Time             // until then bulk work leaves the turn to live work
	Version int
}

// Hint says that a subscriber may have changed. It carries no name and no address.
type Hint struct {
	Account    bridge.AccountID    `json:"account"`
	Campaign   bridge.CampaignID   `json:"campaign"`
	Subscriber bridge.SubscriberID `json:"subscriber,omitempty"` // if it and Code are empty, all may have changed
	Code       string              `json:"code,omitempty"`       // referral code, where the id is not known
	At         int64               `json:"at"`                   // when we learned of it: Unix milliseconds
	Why        string              `json:"why"`
	Deep       bool                `json:"deep,omitempty"`  // the newest referral is to be asked for anew
	Once       bool                `json:"once,omitempty"`  // nothing to do if the subscriber was ever written
	Force      bool                `json:"force,omitempty"` // write even what seems to be written
	Tries      int                 `json:"tries,omitempty"` // how often the hint was put off because a record was locked
}

// age is how long ago we learned of it. A hint that stands for a webhook's repetitions too is of when the last one was due.
func (h Hint) age(now time.Time) time.Duration { return max(0, now.Sub(time.UnixMilli(h.At))) }

// Group names the account, so that one account's hints cannot delay another's.
func (h Hint) Group() string { return string(h.Account) }

// Job asks for the next step of what a campaign's run has to do.
type Job struct {
	Account  bridge.AccountID  `json:"account"`
	Campaign bridge.CampaignID `json:"campaign"`
}

// Group names the account.
func (j Job) Group() string { return string(j.Account) }
