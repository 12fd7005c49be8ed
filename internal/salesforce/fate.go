package salesforce

import (
	"context"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostHops is how many merges and conversions are followed, one after the other.
const mostHops = 5

// Fates says what became of records that are not found under their ids any more. Ids of records that are still there
// are not in the answer. Those of which Salesforce knows nothing have been deleted for good, or the connected user may
// not see them; these cannot be told apart. The contact of a converted lead may belong to a person account: reading it
// will tell.
func (c *Client) Fates(ctx context.Context, target bridge.Target, ids []bridge.SalesforceID) (map[bridge.SalesforceID]bridge.Fate, error) {
	const op = "salesforce.Fates"
	fates := map[bridge.SalesforceID]bridge.Fate{}
	traces := map[bridge.SalesforceID]trace{} // by the id that was asked for
	for _, id := range ids {
		traces[id] = trace{target: target, id: id}
	}
	for hop := 0; len(traces) > 0 && hop <= mostHops; hop++ {
		left, err := c.remains(ctx, op, traces)
		if err != nil {
			return nil, err
		}
		for id, at := range traces {
			found, known := left[at.id]
			switch next := found.next(); {
			case !known || next == "" && found.IsDeleted:
				fates[id] = bridge.Fate{Deleted: true}
			case next != "":
				if found.IsConverted {
					at.target = bridge.ToContact
				}
				traces[id] = trace{target: at.target, id: next, deleted: at.deleted || found.IsDeleted}
				continue
			case at.id != id:
				fates[id] = bridge.Fate{Deleted: at.deleted, Target: at.target, Next: at.id}
			}
			delete(traces, id)
		}
	}
	for id := range traces {
		fates[id] = bridge.Fate{Deleted: true}
	}
	return fates, nil
}

// trace is how far a record has been followed.
type trace struct {
	target  bridge.Target
	id      bridge.SalesforceID
	deleted bool
}

// remain is what is left of a record.
type remain struct {
	ID                 bridge.SalesforceID `json:"Id"`
	IsDeleted          bool
	MasterRecordID     bridge.SalesforceID `json:"MasterRecordId"`
	IsConverted        bool
	ConvertedContactID bridge.SalesforceID `json:"ConvertedContactId"`
}

func (r remain) next() bridge.SalesforceID {
	if r.IsConverted {
		return r.ConvertedContactID
	}
	if r.IsDeleted {
		return r.MasterRecordID
	}
	return ""
}

// remains reads what is left of the records at which traces have arrived, deleted ones included.
func (c *Client) remains(ctx context.Context, op string, traces map[bridge.SalesforceID]trace) (map[bridge.SalesforceID]remain, error) {
	ids := map[bridge.Target][]string{}
	for _, at := range traces {
		ids[at.target] = append(ids[at.target], string(at.id))
	}
	left := map[bridge.SalesforceID]remain{}
	for target, values := range ids {
		opening := "SELECT Id, IsDeleted, MasterRecordId FROM " + target.Object() + " WHERE "
		switch target {
		case bridge.ToPersonAccount:
			opening = strings.Replace(opening, "FROM Contact", "FROM Account", 1)
		case bridge.ToLead:
			opening = strings.Replace(opening, " FROM", ", IsConverted, ConvertedContactId FROM", 1)
		}
		for _, condition := range anyOf(longestStatement-len(url.QueryEscape(opening)), list{"Id", values}) {
			path := data + "/queryAll?q=" + url.QueryEscape(opening+condition)
			err := follow(ctx, c, op, path, func(r remain) bool {
				left[r.ID] = r
				return true
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return left, nil
}
