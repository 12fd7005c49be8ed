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
		case p.err != nil && query == 0:
			return p.err
		case p.err != nil:
			// The one before was full, so this is not the end. The next call begins here, and fails if the cause lasts.
			return nil
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
