package importer

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Org is a Salesforce org as an import sees it. Ids are in Salesforce's order: by their first 15 characters, byte
// by byte.
type Org interface {
	planner
	reader
	meter
}

type planner interface {
	// Fields returns the names of an object's fields that the connected user sees.
	Fields(ctx context.Context, object string) ([]string, error)
	CountContacts(ctx context.Context, s bridge.Selection) (int, error)
	// ContactIDs returns up to limit ids above after, in order; fewer only if there are no more.
	ContactIDs(ctx context.Context, s bridge.Selection, after bridge.SalesforceID, limit int) ([]bridge.SalesforceID, error)
}

type reader interface {
	// Contacts returns the contacts above after and up to last, in order.
	Contacts(ctx context.Context, s bridge.Selection, by bridge.Identifier, after, last bridge.SalesforceID) ([]bridge.Contact, error)
	// EarliestContacts returns, by value, the lowest contact below before that has it, if there is one.
	EarliestContacts(ctx context.Context, s bridge.Selection, by bridge.Identifier, values []string, before bridge.SalesforceID) (map[string]bridge.SalesforceID, error)
}

// meter tells the org's API calls of the last 24 hours and how many it may make, as of the latest answer;
// zeros if none said so.
type meter interface {
	Usage() (used, limit int)
}

// spent reports whether we should leave the rest of the org's calls of the day to the customer.
func spent(m meter) bool {
	const share = 80 // percent
	used, limit := m.Usage()
	return limit > 0 && used*100 >= limit*share
}

func selection(i bridge.Import) bridge.Selection {
	return bridge.Selection{Filter: i.Options.Filter, Bound: i.Bound}
}
