package syncer

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Cause is a group of records that Salesforce refused for the same reason.
type Cause struct {
	ID            string
	Count         int
	Code, Field   string
	Title         string // what is wrong
	Fix, Who      string
	Setup         string // place in Setup; may be empty
	Said          string // the org's own words; may be empty
	Since, Latest time.Time
	Tries         int // of the example
}

// Refused is a record that Salesforce refused.
type Refused struct {
	Subscriber bridge.SubscriberID
	Record     bridge.SalesforceID // empty if there was none yet
	Target     bridge.Target
	Problem    Problem
}

// Causes returns what needs somebody, the most frequent first.
func (s Service) Causes(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]Cause, error) {
	const op = "syncer.Causes"
	counts, err := s.Rows.Causes(ctx, account, campaign)
	if err != nil {
		return nil, bridge.E(op, "", err)
	}
	var all []Cause
	for id, n := range counts {
		c := Cause{ID: id, Count: n}
		for r, err := range s.Refused(ctx, account, campaign, id) {
			if err != nil {
				return nil, err
			}
			c.describe(r.Problem)
			break
		}
		if c.Code != "" { // else the last one was settled just now
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Cause) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

func (c *Cause) describe(p Problem) {
	w := words[p.Code]
	c.Code, c.Field, c.Said, c.Since, c.Latest, c.Tries = p.Code, p.Field, p.Said, p.Since, p.LastTry, p.Tries
	c.Title, c.Fix, c.Who, c.Setup = w.title, w.fix, w.who, w.setup
	if c.Title == "" {
		c.Title, c.Who = "Salesforce refuses the record", "An administrator of the org"
		c.Fix = "Salesforce's code and words are beside this. When the reason is gone, press Retry."
	}
}

// Refused yields the records that were refused for a cause, or for any if it is empty, in order of the subscribers' ids.
func (s Service) Refused(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string) iter.Seq2[Refused, error] {
	const (
		op    = "syncer.Refused"
		chunk = 100
	)
	return func(yield func(Refused, error) bool) {
		causes := []string{cause}
		if cause == "" {
			counts, err := s.Rows.Causes(ctx, account, campaign)
			if err != nil {
				yield(Refused{}, bridge.E(op, "", err))
				return
			}
			causes = causes[:0]
			for id := range counts {
				causes = append(causes, id)
			}
			slices.Sort(causes)
		}
		for _, cause := range causes {
			var after bridge.SubscriberID
			for {
				ids, err := s.Rows.Needing(ctx, account, campaign, cause, after, chunk)
				if err == nil && len(ids) > 0 {
					var found map[bridge.SubscriberID]Link
					if found, err = s.Rows.Links(ctx, account, campaign, ids); err == nil {
						for _, id := range ids {
							l := found[id]
							if l.Problem.Cause == cause && !yield(Refused{id, l.Record, l.Target, l.Problem}, nil) {
								return
							}
						}
					}
				}
				if err != nil {
					yield(Refused{}, bridge.E(op, "", err))
					return
				}
				if len(ids) < chunk {
					break
				}
				after = ids[len(ids)-1]
			}
		}
	}
}

// Retry tries one record again, or all of a cause if subscriber is empty. It returns how many will be tried.
func (s Service) Retry(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, subscriber bridge.SubscriberID) (int, error) {
	const op = "syncer.Retry"
	w := Worker{Rows: nil, Changes: s.Changes, Now: s.Now}
	if subscriber != "" {
		h := w.hint(account, campaign, subscriber, "retry")
		h.Force = true
		return 1, bridge.E(op, "", s.Changes(ctx, 0, h))
	}
	n := 0
	var after bridge.SubscriberID
	for {
		ids, err := s.Rows.Needing(ctx, account, campaign, cause, after, mostRetried)
		if err != nil {
			return n, bridge.E(op, "", err)
		}
		hints := make([]Hint, len(ids))
		for i, id := range ids {
			hints[i] = w.hint(account, campaign, id, "retry")
			hints[i].Force = true
		}
		if err := s.Changes(ctx, 0, hints...); err != nil {
			return n, bridge.E(op, "", err)
		}
		if n += len(ids); len(ids) < mostRetried {
			return n, nil
		}
		after = ids[len(ids)-1]
	}
}
