package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Org is a Salesforce org as conversions see it.
type Org interface {
	dealReader
	dealFinder
	setup
	meter
}

type dealReader interface {
	// Deals returns the deals with the given ids, at most 200, also those that were deleted, with their contact roles and
	// what the org's history says of their stages; and the org's stages. A deal that the connected user may not see, or that
	// is gone for good, is missing.
	Deals(ctx context.Context, ids []bridge.SalesforceID, with bridge.DealColumns) ([]bridge.Deal, []bridge.Stage, error)
	// Parties returns contacts by the id that was asked for; one that was merged is the one that it was merged into.
	// referrer names one more field to read, or is empty.
	Parties(ctx context.Context, ids []bridge.SalesforceID, with bridge.DealColumns, referrer string) (map[bridge.SalesforceID]bridge.Party, error)
}

type dealFinder interface {
	// DealChanges returns a page of the deals that have changed, or whose roles have, from one time and before another.
	DealChanges(ctx context.Context, from, to time.Time, page string) (bridge.DealPage, error)
	// DealsThrough returns a page of the deals that were seen in a stage since a time, and where the next page begins.
	DealsThrough(ctx context.Context, stage string, since time.Time, page string) (deals []bridge.SalesforceID, next string, err error)
}

type setup interface {
	Stages(ctx context.Context) ([]bridge.Stage, error)
	// DealColumns finds which columns the org has for the connected user. key is the field with the SUB_ID, or empty.
	DealColumns(ctx context.Context, key string) (bridge.DealColumns, error)
}

// meter tells the org's API calls of the last 24 hours and how many it may make, as of the latest answer;
// zeros if none said so.
type meter interface {
	Usage() (used, limit int)
}

// spent reports whether we should leave the rest of the org's calls of the day to the customer. Only what can wait
// asks: live deals go on.
func spent(m meter) bool {
	const share = 80 // percent
	used, limit := m.Usage()
	return limit > 0 && used*100 >= limit*share
}
