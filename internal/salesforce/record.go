package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostRows is how many rows Salesforce gives as one answer to a query. It may choose to give fewer.
const mostRows = 2000

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

// source is where the records of a target are read, and what of them.
type source struct {
	target     bridge.Target // Contact or Lead
	layout     bridge.Layout
	object     string
	names      []string
	columns    map[string]int
	conditions []string
}

// from runs read on the source for a target. The account of a contact is left out if the connected user may not see
// it: nothing but the order of writes depends on it.
func (c *Client) from(op string, layouts map[string]bridge.Layout, target bridge.Target, read func(*source) error) error {
	layout, known := layouts[target.Object()]
	if !known || target == bridge.ToPersonAccount && !layout.Persons {
		return bridge.E(op, bridge.Internal, errTarget)
	}
	for {
		hidden := c.accountHidden.Load()
		err := read(newSource(layout, target, !hidden || layout.Persons))
		if names(err, "AccountId") && !hidden && !layout.Persons {
			c.accountHidden.Store(true)
			continue
		}
		return err
	}
}

func newSource(layout bridge.Layout, target bridge.Target, account bool) *source {
	s := &source{target: bridge.ToContact, layout: layout, object: target.Object(), columns: map[string]int{}}
	add := func(name string, column int) {
		s.names = append(s.names, name)
		s.columns[name] = column
	}
	add("Id", columnID)
	add("Email", columnEmail)
	add("SystemModstamp", columnModified)
	switch {
	case target == bridge.ToLead:
		s.target = bridge.ToLead
		s.conditions = []string{"IsConverted = false"}
	case layout.Persons:
		add("AccountId", columnAccount)
		add("IsPersonAccount", columnPerson)
	case account:
		add("AccountId", columnAccount)
	}
	for i, name := range layout.Names {
		if name != "" && layout.Visible.Has(i) {
			add(name, i)
		}
	}
	return s
}

// key is the name of the field SUB_ID; empty if the connected user does not see it.
func (s *source) key() string {
	if !s.layout.Visible.Has(bridge.SubscriberKey) {
		return ""
	}
	return s.layout.Names[bridge.SubscriberKey]
}

// only narrows the source to the records that are meant.
func (s *source) only(op string, which bridge.Which) error {
	switch {
	case which == bridge.WithEmail:
		s.conditions = append(s.conditions, "Email != null")
	case which != bridge.Ours:
		return bridge.E(op, bridge.Internal, fmt.Errorf("which records: %q", string(which)))
	case s.key() == "":
		return hiddenKey(op, s.target)
	default:
		s.conditions = append(s.conditions, s.key()+" != null")
	}
	return nil
}

func (s *source) where(more ...string) string {
	return where(bridge.Selection{}, append(s.conditions[:len(s.conditions):len(s.conditions)], more...)...)
}

// statement asks for what is read of the records that meet some more conditions.
func (s *source) statement(conditions ...string) string {
	return "SELECT " + strings.Join(s.names, ", ") + " FROM " + s.object + s.where(conditions...)
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

// list is the condition that a field has one of some values.
type list struct {
	field  string
	values []string
}

func texts[T ~string](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}

// anyOf writes the condition that a record is in one of the lists, as several ones if one would be longer than room,
// in the form that it has in an address.
func anyOf(room int, lists ...list) []string {
	var conditions []string
	var b strings.Builder
	left := room
	for _, of := range lists {
		opening, closing := of.field+" IN (", ")"
		open := false
		for _, value := range of.values {
			// In a composite call this would be taken for a reference. No address or id has it.
			if value == "" || strings.Contains(value, "@{") {
				continue
			}
			term := quote(value)
			size := len(url.QueryEscape(term))
			switch {
			case open && left >= size+len("%2C"):
				b.WriteString(",")
				left -= len("%2C")
			case !open && b.Len() > 0 && left >= size+len(url.QueryEscape(" OR "+opening+closing)):
				b.WriteString(" OR " + opening)
				left -= len(url.QueryEscape(" OR " + opening + closing))
			default:
				if open {
					b.WriteString(closing)
				}
				if b.Len() > 0 {
					conditions = append(conditions, b.String())
				}
				b.Reset()
				b.WriteString(opening)
				left = room - len(url.QueryEscape(opening+closing))
			}
			open = true
			b.WriteString(term)
			left -= size
		}
		if open {
			b.WriteString(closing)
		}
	}
	if b.Len() > 0 {
		conditions = append(conditions, b.String())
	}
	return conditions
}

// walk reads all records of a source in the order of their ids, five queries at a time, of which each begins where the
// one before ended.
type walk struct {
	source *source
	size   int    // rows of a query
	after  string // the id of the last row that was given
	each   func(bridge.Record) error
	ended  bool
}

var errStill = errors.New("the same rows again")

// step makes one call.
func (w *walk) step(ctx context.Context, op string, c *Client) error {
	var counts [mostHeavy]int
	before := w.after
	pages, err := c.pages(ctx, op, w.paths(), w.source.columns, func(query int, r *row) error {
		if query > 0 && counts[query-1] < w.size {
			return nil // it does not begin where the one before ended
		}
		counts[query]++
		w.after = r.id
		record, err := r.record(w.source.target)
		if err != nil {
			return bridge.E(op, bridge.Unavailable, err)
		}
		return w.each(record)
	})
	if err != nil {
		return err
	}
	for query, p := range pages {
		switch {
		case p.err != nil:
			return p.err
		case p.done && p.rows < w.limit(query):
			w.ended = true
			return nil
		case p.rows < w.size:
			// Salesforce gives fewer rows at a time, as it does if there are long texts among them. What comes after is
			// read by the next call, in steps of this size.
			w.size = p.rows
			if p.rows == 0 {
				return bridge.E(op, bridge.Unavailable, errUnreadable)
			}
			return nil
		}
	}
	if w.after == before {
		return bridge.E(op, bridge.Unavailable, errStill)
	}
	return nil
}

// limit is how many rows a query asks for. The last one asks for one more than it can get, so that the answer says
// whether there are more.
func (w *walk) limit(query int) int {
	if query == mostHeavy-1 {
		return w.size + 1
	}
	return w.size
}

// paths are those of five queries, of which the later refer to the last row of the one before.
func (w *walk) paths() []string {
	paths := make([]string, mostHeavy)
	for query := range paths {
		const here = "\x00"
		var conditions []string
		last := w.after
		if query > 0 {
			last = here
		}
		if last != "" {
			conditions = append(conditions, "Id > '"+last+"'") // of letters and digits
		}
		statement := w.source.statement(conditions...) + fmt.Sprintf(" ORDER BY Id LIMIT %d", w.limit(query))
		earlier := fmt.Sprintf("@{%s.records[%d].Id}", reference(query-1), w.size-1)
		paths[query] = strings.Replace(data+"/query?q="+url.QueryEscape(statement), url.QueryEscape(here), earlier, 1)
	}
	return paths
}
