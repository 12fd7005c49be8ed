package salesforce

import (
	"context"
	"net/url"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// RecordsByID gives the records with the given ids to each, in no order, as far as they are there and the connected
// user may see them. ids are those of contacts, of leads, or, of person accounts, those of the accounts.
func (c *Client) RecordsByID(ctx context.Context, layouts map[string]bridge.Layout, target bridge.Target, ids []bridge.SalesforceID, each func(bridge.Record)) error {
	const op = "salesforce.RecordsByID"
	return c.from(op, layouts, target, func(s *source) error {
		by := list{field: "Id", values: texts(ids)}
		if target == bridge.ToPersonAccount {
			by.field = "AccountId"
			s.conditions = append(s.conditions, "IsPersonAccount = true")
		}
		return c.records(ctx, op, s, each, by)
	})
}

// RecordsByKey gives the records that have one of the given SUB_IDs or one of the e-mail addresses to each, in no
// order, each record once. SUB_IDs are looked for only if the connected user sees that field. Contacts and person
// accounts are found alike, since a person may be either: the record says which.
func (c *Client) RecordsByKey(ctx context.Context, layouts map[string]bridge.Layout, target bridge.Target, keys []bridge.SubscriberID, mails []string, each func(bridge.Record)) error {
	const op = "salesforce.RecordsByKey"
	return c.from(op, layouts, target, func(s *source) error {
		by := []list{{field: "Email", values: mails}}
		if key := s.key(); key != "" {
			by = append(by, list{field: key, values: texts(keys)})
		}
		return c.records(ctx, op, s, each, by...)
	})
}

// EveryRecord gives the records of an object that are meant to each, in Salesforce's order, by one call of the API for
// 10,000 of them. Memory does not grow with their number. Contacts and person accounts come alike. The first error of
// each ends it, and is returned. Records that come or go meanwhile may be among them or not.
func (c *Client) EveryRecord(ctx context.Context, layouts map[string]bridge.Layout, target bridge.Target, which bridge.Which, each func(bridge.Record) error) error {
	const op = "salesforce.EveryRecord"
	return c.from(op, layouts, target, func(s *source) error {
		if err := s.only(op, which); err != nil {
			return err
		}
		w := walk{source: s, size: mostRows, each: each}
		for !w.ended {
			if err := w.step(ctx, op, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// CountRecords returns how many records EveryRecord would give.
func (c *Client) CountRecords(ctx context.Context, layouts map[string]bridge.Layout, target bridge.Target, which bridge.Which) (count int, err error) {
	const op = "salesforce.CountRecords"
	err = c.from(op, layouts, target, func(s *source) error {
		if err := s.only(op, which); err != nil {
			return err
		}
		var counted answer[struct{}]
		err := c.ask(ctx, op, "SELECT COUNT() FROM "+s.object+s.where(), &counted)
		count = counted.TotalSize
		return err
	})
	return count, err
}

// records gives the records that are in one of the lists to each.
func (c *Client) records(ctx context.Context, op string, s *source, each func(bridge.Record), lists ...list) error {
	var paths []string
	for _, condition := range anyOf(longestStatement-len(url.QueryEscape(s.statement("()"))), lists...) {
		paths = append(paths, data+"/query?q="+url.QueryEscape(s.statement("("+condition+")")))
	}
	given := map[bridge.SalesforceID]bool{} // one may be found by its SUB_ID and, elsewhere, by its address
	for len(paths) > 0 {
		now := paths[:min(len(paths), mostHeavy)]
		paths = paths[len(now):]
		pages, err := c.pages(ctx, op, now, s.columns, func(_ int, r *row) error {
			record, err := r.record(s.target)
			if err != nil {
				return bridge.E(op, bridge.Unavailable, err)
			}
			if !given[record.ID] {
				given[record.ID] = true
				each(record)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, p := range pages {
			switch {
			case p.err != nil:
				return p.err
			case !p.done && !isPath(p.next):
				return bridge.E(op, bridge.Unavailable, errUnreadable)
			case !p.done:
				paths = append(paths, p.next)
			}
		}
	}
	return nil
}
