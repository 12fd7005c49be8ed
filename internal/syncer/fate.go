package syncer

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// fates are what became of records that are not found under their ids any more.
type fates struct {
	of      map[bridge.SalesforceID]bridge.Fate
	records map[bridge.SalesforceID]bridge.Record // by the id that a fate names
	owners  map[bridge.SubscriberID]Link          // of those whose SUB_ID they have
}

// end is where a subscriber's record has gone.
type end struct {
	record bridge.SalesforceID // empty if there is none any more
	target bridge.Target
	others bool // it belongs to another subscriber now
}

// end says what is left for a subscriber of a record that was lost.
func (f fates) end(lost bridge.SalesforceID, id bridge.SubscriberID) end {
	fate := f.of[lost]
	r, there := f.records[fate.Next]
	owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey])
	switch {
	case fate.Next == "":
		return end{}
	case !there:
		// The object has none of the fields yet, or the connected user may not see the record.
		return end{record: fate.Next, target: fate.Target}
	case owner != "" && owner != id && !f.owners[owner].Gone:
		return end{others: true}
	default:
		return end{record: r.ID, target: r.Target}
	}
}

// fates follows records that were merged, converted or deleted, and reads those that took their place.
func (b *bench) fates(ctx context.Context, target bridge.Target, ids []bridge.SalesforceID) (fates, error) {
	f := fates{records: map[bridge.SalesforceID]bridge.Record{}}
	var err error
	if f.of, err = b.org.Fates(ctx, target, ids); err != nil {
		return f, err
	}
	next := map[bridge.Target][]bridge.SalesforceID{}
	for _, fate := range f.of {
		if fate.Next != "" && b.layout(fate.Target).Visible != 0 {
			next[fate.Target] = append(next[fate.Target], fate.Next)
		}
	}
	for target, ids := range next {
		if err := b.org.RecordsByID(ctx, b.layouts, target, ids, func(r bridge.Record) { f.records[r.ID] = r }); err != nil {
			return f, err
		}
		for _, id := range ids {
			if f.records[id].ID != "" || target == bridge.ToPersonAccount || !b.layout(target).Persons {
				continue
			}
			// A lead that became a person account names its contact, which goes by the account's id.
			err := b.org.RecordsByID(ctx, b.layouts, target, []bridge.SalesforceID{id}, func(r bridge.Record) { f.records[id] = r })
			if err != nil {
				return f, err
			}
		}
	}
	var owners []bridge.SubscriberID
	for _, r := range f.records {
		if owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey]); owner != "" {
			owners = append(owners, owner)
		}
	}
	f.owners, err = b.links(ctx, owners)
	return f, err
}
