package syncer

import (
	"context"
	"iter"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Layouts are where the fields are, by object.
type Layouts = map[string]bridge.Layout

// Org is a Salesforce org as syncing sees it.
type Org interface {
	finder
	lister
	writer
	loader
	looker
	meter
}

type finder interface {
	// RecordsByID gives those of the records that are there to each; converted leads are not.
	RecordsByID(ctx context.Context, l Layouts, t bridge.Target, ids []bridge.SalesforceID, each func(bridge.Record)) error
	// RecordsByKey gives the records that have one of the SUB_IDs or e-mail addresses to each.
	RecordsByKey(ctx context.Context, l Layouts, t bridge.Target, keys []bridge.SubscriberID, mails []string, each func(bridge.Record)) error
	// Fates says what became of records that are not found under their ids.
	Fates(ctx context.Context, t bridge.Target, ids []bridge.SalesforceID) (map[bridge.SalesforceID]bridge.Fate, error)
}

type lister interface {
	EveryRecord(ctx context.Context, l Layouts, t bridge.Target, which bridge.Which, each func(bridge.Record) error) error
	CountRecords(ctx context.Context, l Layouts, t bridge.Target, which bridge.Which) (int, error)
}

type writer interface {
	// Write makes up to 1,000 changes in one call where it can, and returns what became of each.
	Write(ctx context.Context, l Layouts, changes []bridge.Change) []bridge.Written
}

type loader interface {
	// BeginLoad has Salesforce make the changes in the background: by SUB_ID if create is set, else by their ids.
	BeginLoad(ctx context.Context, l Layouts, t bridge.Target, fields bridge.FieldSet, create bool, rows iter.Seq[bridge.Change]) (job string, err error)
	LoadState(ctx context.Context, job string) (bridge.Load, error)
	AbortLoad(ctx context.Context, job string) error
	// LoadsUnderWay counts the loads, whoever began them, that were made since and may still write.
	LoadsUnderWay(ctx context.Context, since time.Time) (int, error)
	LoadFailures(ctx context.Context, job string, each func(bridge.LoadFailure)) error
}

type looker interface {
	// Look finds which fields of the layout the connected user may write.
	Look(ctx context.Context, l bridge.Layout) (bridge.Layout, error)
	// Sees reports whether the connected user sees a record of an object.
	Sees(ctx context.Context, object string, id bridge.SalesforceID) (bool, error)
}

// meter tells the org's API calls of the last 24 hours and how many it may make, as of the latest answer, zeros if none
// said so; and how many calls this client has made.
type meter interface {
	Usage() (used, limit int)
	Calls() int
}

// Hero is ReferralHero.
type Hero interface {
	oneReader
	// Subscribers returns a page of the campaign, newest subscriber first.
	Subscribers(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, page int) (bridge.SubscriberPage, bridge.Quota, error)
}

type oneReader interface {
	Subscriber(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error)
	SubscriberByCode(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, code string) (bridge.Subscriber, bridge.Quota, error)
	SubscriberByEmail(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, email string) (bridge.Subscriber, bridge.Quota, error)
	// LastReferral returns when the newest referral of a subscriber signed up; the zero time if there is none.
	LastReferral(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (time.Time, bridge.Quota, error)
}

// rows keep what syncing knows. Every write is a Conflict if what it stands on has changed.
type rows interface {
	syncs
	links
	turns
	runs
	loads
	attention
	days
}

type syncs interface {
	Sync(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Sync, error)
	SaveSync(ctx context.Context, s Sync) error
}

type links interface {
	// Links returns those links that there are.
	Links(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, ids []bridge.SubscriberID) (map[bridge.SubscriberID]Link, error)
	// EveryLink yields all links of a campaign, until the first error.
	EveryLink(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) iter.Seq2[Link, error]
	// SaveLink writes a link together with its place among those that need attention; before is the cause that the link had.
	SaveLink(ctx context.Context, l Link, before string) error
}

type turns interface {
	Turn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (Turn, error)
	// TakeTurn gives the turn to t.Holder; Conflict if t.Version is not the version any more.
	TakeTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, t Turn) error
	// EndTurn ends the turn that t.Holder has; Conflict if it was taken away.
	EndTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, t Turn) error
	// UrgeTurn asks bulk work to leave the turn alone until then.
	UrgeTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, until time.Time) error
}

type runs interface {
	// Run returns the newest run of a campaign, or NotFound.
	Run(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Run, error)
	SaveRun(ctx context.Context, r Run) error
	// SaveSeen keeps a part of what a run has seen, and Seen returns the first r.Parts of them.
	SaveSeen(ctx context.Context, r Run, part int, packed []byte) error
	Seen(ctx context.Context, r Run) iter.Seq2[[]byte, error]
}

type loads interface {
	// LoadOver reports whether a bulk load has ended, so that what links say about it counts.
	LoadOver(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, load string) (bool, error)
	EndLoad(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, load string) error
}

type attention interface {
	// Needing returns up to limit subscribers whose records were refused for a cause, in order, after one.
	Needing(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, after bridge.SubscriberID, limit int) ([]bridge.SubscriberID, error)
}

type days interface {
	// Count adds to what a day has seen.
	Count(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, at time.Time, t Tally) error
}

type tokens interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
	// RefuseToken notes ReferralHero's code for refusing the account's token; Conflict if that was replaced.
	RefuseToken(ctx context.Context, a bridge.Account, code string) error
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
}

type connections interface {
	Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
}

type layouts interface {
	Layout(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.Layout, error)
	SaveLayout(ctx context.Context, l bridge.Layout) error
}

// Tally is what a batch of work came to.
type Tally struct {
	Written, Created, Equal, Refused, Skipped, Gone int
	HeroCalls, OrgCalls                             int
	Hints                                           int
}
