package importer

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Service is what a person does with imports. Its fields are set once.
type Service struct {
	Imports     imports
	Accounts    accounts
	Campaigns   campaigns
	Connections connections
	// Org returns the org behind a connection.
	Org         func(bridge.Connection) Org
	CheckFilter func(filter string) error // refuses what is no SOQL condition
	Jobs        jobs
	Budget      budget.Budget
	Now         func() time.Time
	NewID       func() bridge.ImportID
}

// Preview says what an import would do, before anything is written.
type Preview struct {
	Total      int // contacts that would be imported
	Without    int // of those examined: without the campaign's identifier
	Malformed  int // with one that cannot be sent
	Duplicates int // that share one with a contact before
	OptedOut   int // that asked for no e-mail
	Examined   int
	Exact      bool          // every contact was examined
	Calls      int           // to ReferralHero, expected
	Duration   time.Duration // expected
	Allowance  int           // calls in an hour
	LeftNow    int           // calls that could be made at once
}

// Progress says how far an import is.
type Progress struct {
	Import    bridge.Import
	Counts    bridge.Counts // of finished pages and of what the open ones have done so far
	Remaining time.Duration // expected; 0 if nothing can be said
	FinishAt  time.Time     // now and Remaining; zero if nothing can be said
	Rate      float64       // contacts a minute since it started
}

// Row is what became of one contact.
type Row struct {
	Contact bridge.SalesforceID // empty if it vanished before anybody read it
	Outcome bridge.Outcome
	Reason  string
}

// Org is a Salesforce org as an import sees it.
type Org interface {
	counter
	planner
	reader
}

type counter interface {
	CountContacts(ctx context.Context, s bridge.Selection) (int, error)
	// Usage returns the org's API calls in the last 24 hours and how many it may make, as of the latest
	// answer; zero if none said so.
	Usage() (used, limit int)
}

type planner interface {
	// ContactIDs returns up to limit ids above after, in order.
	ContactIDs(ctx context.Context, s bridge.Selection, after bridge.SalesforceID, limit int) ([]bridge.SalesforceID, error)
}

type reader interface {
	// Contacts returns the contacts above after and up to last, in order.
	Contacts(ctx context.Context, s bridge.Selection, after, last bridge.SalesforceID) ([]bridge.Contact, error)
	// EarliestContacts returns, for each value that a contact below before has, the lowest such contact.
	EarliestContacts(ctx context.Context, s bridge.Selection, by bridge.Identifier, values []string, before bridge.SalesforceID) (map[string]bridge.SalesforceID, error)
}

type accounts interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
}

type connections interface {
	Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
}

type jobs interface {
	Send(ctx context.Context, delay time.Duration, jobs ...Job) error
}

type imports interface {
	Import(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
}

var errUnfinished = errors.New("not built yet")

// Preview examines up to 20,000 of the contacts that an import with these options would bring. Options
// that cannot work are an Invalid error whose Field names the one at fault.
func (s Service) Preview(ctx context.Context, account bridge.AccountID, o bridge.ImportOptions) (Preview, error) {
	return Preview{}, errUnfinished
}

// Start begins an import. It returns Conflict if one runs in that campaign.
func (s Service) Start(ctx context.Context, account bridge.AccountID, startedBy string, o bridge.ImportOptions) (bridge.Import, error) {
	return bridge.Import{}, errUnfinished
}

// Pause stops a running import before its next chunk.
func (s Service) Pause(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return bridge.Import{}, errUnfinished
}

// Resume goes on with an import that is paused, parked, or ended early.
func (s Service) Resume(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return bridge.Import{}, errUnfinished
}

// Cancel ends an import for good. What it added stays.
func (s Service) Cancel(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return bridge.Import{}, errUnfinished
}

// Retry tries the contacts that failed once more.
func (s Service) Retry(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return bridge.Import{}, errUnfinished
}

// Get says how far an import is.
func (s Service) Get(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (Progress, error) {
	return Progress{}, errUnfinished
}

// List returns imports, newest first: those of the campaign, or of all if it is empty; those older than
// before, or the newest if it is empty.
func (s Service) List(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error) {
	return nil, errUnfinished
}

// Outcomes yields what became of every contact so far, in the order of their ids.
func (s Service) Outcomes(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { yield(Row{}, errUnfinished) }
}
