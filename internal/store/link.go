package store

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// linkRecord stays below one write unit. Times are Unix seconds where nothing finer is known.
type linkRecord struct {
	Sort      string         `dynamodbav:"sk"`
	Home      string         `dynamodbav:"home"`
	Target    string         `dynamodbav:"target,omitempty"`
	Record    string         `dynamodbav:"record,omitempty"`
	Parent    string         `dynamodbav:"parent,omitempty"`
	Print     string         `dynamodbav:"print,omitempty"`
	Turn      int            `dynamodbav:"turn"`
	Load      string         `dynamodbav:"load,omitempty"`
	WrittenAt int64          `dynamodbav:"writtenAt,omitempty"`
	Why       string         `dynamodbav:"why,omitempty"`
	LastRef   int64          `dynamodbav:"lastRef,omitempty"`
	Referrals int            `dynamodbav:"referrals"`
	Points    int            `dynamodbav:"points"`
	People    int            `dynamodbav:"people"`
	Referrer  string         `dynamodbav:"referrer,omitempty"`
	Merged    bool           `dynamodbav:"merged,omitempty"`
	Gone      bool           `dynamodbav:"gone,omitempty"`
	Problem   *refusalRecord `dynamodbav:"problem,omitempty"`
	Version   int            `dynamodbav:"version"`
}

type refusalRecord struct {
	Cause   string `dynamodbav:"cause"`
	Code    string `dynamodbav:"code"`
	Field   string `dynamodbav:"field,omitempty"`
	Said    string `dynamodbav:"said,omitempty"`
	Tries   int    `dynamodbav:"tries"`
	Since   int64  `dynamodbav:"since"`
	LastTry int64  `dynamodbav:"lastTry"`
}

func newLinkRecord(l syncer.Link) linkRecord {
	r := linkRecord{
		Sort: linkKey(l.Account, l.Campaign, l.Subscriber).sk, Home: l.Home, Target: string(l.Target), Record: string(l.Record), Parent: string(l.Parent),
		Print: l.Print, Turn: l.Turn, Load: l.Load, WrittenAt: millis(l.WrittenAt), Why: l.Why, LastRef: millis(l.LastRef), Referrals: l.Referrals,
		Points: l.Points, People: l.People, Referrer: string(l.Referrer), Merged: l.Merged, Gone: l.Gone, Version: l.Version + 1,
	}
	if p := l.Problem; p.Cause != "" {
		r.Problem = &refusalRecord{p.Cause, p.Code, p.Field, p.Said, p.Tries, millis(p.Since), millis(p.LastTry)}
	}
	return r
}

func (r linkRecord) noun(account bridge.AccountID, campaign bridge.CampaignID) syncer.Link {
	l := syncer.Link{
		Account: account, Campaign: campaign, Subscriber: bridge.SubscriberID(strings.TrimPrefix(r.Sort, links)), Home: r.Home, Target: bridge.Target(r.Target),
		Record: bridge.SalesforceID(r.Record), Parent: bridge.SalesforceID(r.Parent), Print: r.Print, Turn: r.Turn, Load: r.Load,
		WrittenAt: fromMillis(r.WrittenAt), Why: r.Why, LastRef: fromMillis(r.LastRef), Referrals: r.Referrals, Points: r.Points, People: r.People,
		Referrer: bridge.SubscriberID(r.Referrer), Merged: r.Merged, Gone: r.Gone, Version: r.Version,
	}
	if p := r.Problem; p != nil {
		l.Problem = syncer.Problem{Cause: p.Cause, Code: p.Code, Field: p.Field, Said: p.Said, Tries: p.Tries, Since: fromMillis(p.Since), LastTry: fromMillis(p.LastTry)}
	}
	return l
}

const (
	mostKeys    = 100  // that BatchGetItem takes
	manyLinks   = 2000 // from which on reading all of a campaign is quicker
	readAbreast = 8
)

// Links returns those links of the subscribers that there are.
func (s *Store) Links(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, ids []bridge.SubscriberID) (map[bridge.SubscriberID]syncer.Link, error) {
	found := make(map[bridge.SubscriberID]syncer.Link, len(ids))
	if len(ids) > manyLinks {
		wanted := make(map[bridge.SubscriberID]bool, len(ids))
		for _, id := range ids {
			wanted[id] = true
		}
		for l, err := range s.EveryLink(ctx, account, campaign) {
			if err != nil {
				return nil, err
			}
			if wanted[l.Subscriber] {
				found[l.Subscriber] = l
			}
		}
		return found, nil
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAbreast)
	for len(ids) > 0 {
		n := min(mostKeys, len(ids))
		some := ids[:n]
		ids = ids[n:]
		group.Go(func() error {
			return s.someLinks(ctx, account, campaign, some, func(l syncer.Link) {
				mu.Lock()
				defer mu.Unlock()
				found[l.Subscriber] = l
			})
		})
	}
	return found, group.Wait()
}

// someLinks reads up to mostKeys links.
func (s *Store) someLinks(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, ids []bridge.SubscriberID, each func(syncer.Link)) error {
	const op = "store.Links"
	keys := make([]map[string]types.AttributeValue, 0, len(ids))
	twice := make(map[bridge.SubscriberID]bool, len(ids))
	for _, id := range ids {
		if !twice[id] {
			keys = append(keys, linkKey(account, campaign, id).attributes())
		}
		twice[id] = true
	}
	wanted := map[string]types.KeysAndAttributes{s.table: {Keys: keys, ConsistentRead: pointer(true)}}
	for tries := 0; len(wanted) > 0; tries++ {
		if tries == 8 {
			return &bridge.Error{Op: op, Kind: bridge.Throttled, After: time.Second}
		}
		result, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: wanted})
		if err != nil {
			return reading(op, err)
		}
		records, err := decodeAll[linkRecord](result.Responses[s.table])
		if err != nil {
			return bridge.E(op, "", err)
		}
		for _, r := range records {
			each(r.noun(account, campaign))
		}
		wanted = result.UnprocessedKeys
	}
	return nil
}

// EveryLink yields all links of a campaign, in order of the subscribers' ids. It ends with the first error.
func (s *Store) EveryLink(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) iter.Seq2[syncer.Link, error] {
	return func(yield func(syncer.Link, error) bool) {
		err := s.query(ctx, "store.EveryLink", synced(account, campaign), links, "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
			var r linkRecord
			if err := decode(attributes, &r); err != nil {
				return false, err
			}
			return yield(r.noun(account, campaign), nil), nil
		})
		if err != nil {
			yield(syncer.Link{}, err)
		}
	}
}

// SaveLink writes a link, and with it its place among the refused ones: before is the cause that it had there. It is a
// Conflict unless the version is still the one that was read.
func (s *Store) SaveLink(ctx context.Context, l syncer.Link, before string) error {
	const op = "store.SaveLink"
	k, cause := linkKey(l.Account, l.Campaign, l.Subscriber), l.Problem.Cause
	if cause == before {
		return s.putVersion(ctx, op, k, newLinkRecord(l), l.Version)
	}
	row, err := item(k, newLinkRecord(l))
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	put := types.Put{TableName: &s.table, Item: row, ConditionExpression: pointer(absent)}
	if l.Version > 0 {
		put.ConditionExpression = pointer(versioned)
		if put.ExpressionAttributeValues, err = bind(map[string]any{":was": l.Version}); err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
	}
	if cause != "" { // first: one that nobody has is forgotten by the sweep
		if err := s.beginCause(ctx, l); err != nil {
			return err
		}
	}
	writes := []types.TransactWriteItem{{Put: &put}}
	if before != "" {
		writes = append(writes, types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.table, Key: needKey(l.Account, l.Campaign, before, l.Subscriber).attributes(),
		}})
	}
	if cause != "" {
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: needKey(l.Account, l.Campaign, cause, l.Subscriber).attributes(),
		}})
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

type causeRecord struct {
	Tries int    `dynamodbav:"tries"`
	Shard string `dynamodbav:"shard"`
	DueAt int64  `dynamodbav:"dueAt"`
}

// beginCause sees to it that a cause is tried again, unless it is among those already.
func (s *Store) beginCause(ctx context.Context, l syncer.Link) error {
	r := causeRecord{Shard: causeLine.shard(l.Account), DueAt: millis(syncer.FirstProbe(s.now()))}
	err := s.put(ctx, "store.beginCause", causeKey(l.Account, l.Campaign, l.Problem.Cause), r, absent, nil)
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}

// DueCauses returns up to limit causes of each shard that are to be tried at now, those that wait longest first.
func (s *Store) DueCauses(ctx context.Context, now time.Time, limit int) ([]syncer.Due, error) {
	const op = "store.DueCauses"
	var found []syncer.Due
	err := s.due(ctx, op, causeLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		campaign, cause, is := causeOf(sort)
		found = append(found, syncer.Due{Account: account, Campaign: campaign, Cause: cause, At: at})
		return is
	})
	for i, d := range found {
		var r causeRecord
		if err := s.get(ctx, op, causeKey(d.Account, d.Campaign, d.Cause), &r); err == nil {
			found[i].Tries = r.Tries
		} else if bridge.KindOf(err) != bridge.NotFound {
			return nil, err
		}
	}
	return found, err
}

// PostponeCause moves on the time at which a cause is tried, and counts the try. It is a Conflict unless it is still due at
// d.At.
func (s *Store) PostponeCause(ctx context.Context, d syncer.Due, until time.Time) error {
	const op = "store.PostponeCause"
	values, err := bind(map[string]any{":was": millis(d.At), ":until": millis(until), ":one": 1})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: causeKey(d.Account, d.Campaign, d.Cause).attributes(), UpdateExpression: pointer("SET dueAt = :until ADD tries :one"),
		ConditionExpression: pointer("dueAt = :was"), ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// EndCause forgets a cause that nobody has any more. It is a Conflict unless it is still due at d.At.
func (s *Store) EndCause(ctx context.Context, d syncer.Due) error {
	const op = "store.EndCause"
	values, err := bind(map[string]any{":was": millis(d.At)})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: causeKey(d.Account, d.Campaign, d.Cause).attributes(),
		ConditionExpression: pointer("dueAt = :was"), ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// Needing returns up to limit subscribers that were refused for a cause, in order of their ids, after one.
func (s *Store) Needing(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, after bridge.SubscriberID, limit int) ([]bridge.SubscriberID, error) {
	var start string
	if after != "" {
		start = needKey(account, campaign, cause, after).sk
	}
	var ids []bridge.SubscriberID
	err := s.query(ctx, "store.Needing", synced(account, campaign), needPrefix(cause), start, limit, func(attributes map[string]types.AttributeValue) (bool, error) {
		_, id := needOf(sortOf(attributes))
		ids = append(ids, id)
		return len(ids) < limit, nil
	})
	return ids, err
}

// Causes counts the subscribers of a campaign that were refused, by cause.
func (s *Store) Causes(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (map[string]int, error) {
	counts := map[string]int{}
	err := s.query(ctx, "store.Causes", synced(account, campaign), needing, "", 0, func(attributes map[string]types.AttributeValue) (bool, error) {
		cause, _ := needOf(sortOf(attributes))
		counts[cause]++
		return true, nil
	})
	return counts, err
}

func sortOf(attributes map[string]types.AttributeValue) string {
	if sort, is := attributes["sk"].(*types.AttributeValueMemberS); is {
		return sort.Value
	}
	return ""
}
