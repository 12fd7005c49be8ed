package bridge

import "time"

// Outcome is how a contact of an import ended. Each contact has exactly one.
type Outcome string

// The outcomes.
const (
	Created Outcome = "created" // this import made the contact a subscriber
	Existed Outcome = "existed" // the person was a subscriber already, or shares the identifier of a contact before
	Refused Outcome = "invalid" // the identifier is no use: malformed, or refused by ReferralHero
	Failed  Outcome = "failed"  // ReferralHero did not take it in several attempts; may be tried again
	Skipped Outcome = "skipped" // left out on purpose; the reason says why
)

// Counts are numbers of contacts by outcome.
type Counts struct {
	Created, Existed, Invalid, Failed, Skipped int
}

// Sum returns the number of contacts that have an outcome.
func (c Counts) Sum() int { return c.Created + c.Existed + c.Invalid + c.Failed + c.Skipped }

// Plus returns c and d added up.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.Created + d.Created, c.Existed + d.Existed, c.Invalid + d.Invalid, c.Failed + d.Failed, c.Skipped + d.Skipped}
}

// Minus returns c without d.
func (c Counts) Minus(d Counts) Counts {
	return Counts{c.Created - d.Created, c.Existed - d.Existed, c.Invalid - d.Invalid, c.Failed - d.Failed, c.Skipped - d.Skipped}
}

// ImportState says where an import stands.
type ImportState string

// The states of an import. Running covers planning, which goes on beside the pages.
const (
	Running    ImportState = "running"
	Paused     ImportState = "paused"
	Finalizing ImportState = "finalizing" // every contact has its outcome; the mail is being sent
	Done       ImportState = "done"
	Canceled   ImportState = "canceled"
	Broken     ImportState = "failed" // ended early; Cause says why and what to do
)

// Ended reports whether nothing more will happen by itself.
func (s ImportState) Ended() bool { return s == Done || s == Canceled || s == Broken }

// ImportOptions are what a person chose before starting.
type ImportOptions struct {
	Campaign   CampaignID
	Connection ConnectionID
	Identifier Identifier
	URL        string // base of the referral links: absolute, http or https
	Welcome    bool   // the person means the welcome mail to go out and said that its automation is on
	Filter     string // a SOQL condition on Contact; empty selects all
}

// MailState says what became of the completion mail.
type MailState string

// The states of the completion mail. An unknown one may have been sent: it is never repeated by itself.
const (
	MailNone    MailState = ""
	MailSent    MailState = "sent"
	MailUnknown MailState = "unknown"
	MailFailed  MailState = "failed"
)

// Import is a job that makes the contacts of an org subscribers of a campaign.
type Import struct {
	ID      ImportID
	Account AccountID
	Options ImportOptions
	State   ImportState

	// Parked says why a running import waits, and Until how long; empty while it works.
	Parked string
	Until  time.Time
	// Cause says why a Broken import ended: words for a person.
	Cause string

	Total     int          // contacts that the filter selected when it started
	Bound     time.Time    // contacts created later are not part of it
	Cursor    SalesforceID // last contact that was planned
	Planned   bool         // every contact is in a page
	Pages     int          // pages planned so far
	Open      []int        // pages planned and not finished, ascending
	Selected  int          // contacts in the pages planned so far
	Counts    Counts       // of finished pages
	Pass      int          // 1 at first; rises when the failed are tried again
	Mail      MailState
	StartedBy string    // name of the person
	StartedAt time.Time // our clock
	HeroAt    time.Time // when it started by ReferralHero's clock; zero until an answer told
	EndedAt   time.Time
	BeatAt    time.Time // last sign of life
	Version   int
}

// Page is a run of contacts that one worker takes at a time. Bounds holds the last contact of every
// chunk, so that a chunk is the same contacts whoever takes it.
type Page struct {
	Account AccountID
	Import  ImportID
	Number  int // from 1
	After   SalesforceID
	Bounds  []SalesforceID // of its chunks; the last is the last contact of the page
	Sizes   []int          // contacts in each chunk when it was planned
	Pass    int            // of the import when it was last claimed
	Fence   int            // rises with each claim
	Until   time.Time      // end of the claim; zero while nobody holds it
	TakenAt time.Time      // when it was last claimed
	Tries   int            // claims since something came of one
	Seen    int            // how far it was at the last claim
}

// Receipt is what has become of a chunk so far. Codes holds a letter for each contact in Contacts, and for
// those that had vanished before anybody read them one more at the end; package importer says what they mean.
type Receipt struct {
	Account  AccountID
	Import   ImportID
	Page     int
	Chunk    int // from 0
	Pass     int
	Contacts []SalesforceID
	Codes    string
}

// Contact is what an import reads of a Salesforce contact. It stays in memory: queues and the table
// hold ids only.
type Contact struct {
	ID                  SalesforceID
	FirstName, LastName string
	Email, Phone        string
	OptedOut            bool // HasOptedOutOfEmail; false where the field is hidden from us
}

// Selection says which contacts an import is about.
type Selection struct {
	Filter string    // a SOQL condition on Contact; empty selects all
	Bound  time.Time // only contacts created until then; zero means no bound
}
