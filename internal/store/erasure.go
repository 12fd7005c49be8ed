package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/erasure"
)

// traceRecord stands in an account's partition for an item that is found by a secret or by a person, so that the
// account's items are known without a scan. It may outlive what it stands for.
type traceRecord struct {
	Expires int64 `dynamodbav:"expires,omitempty"`
}

// traced returns the writes of a first item and of its trace in the account. A trace that never expires has the zero
// time.
func (s *Store) traced(account bridge.AccountID, k key, v any, expires time.Time) ([]types.TransactWriteItem, error) {
	first, err := item(k, v)
	if err != nil {
		return nil, err
	}
	var r traceRecord
	if !expires.IsZero() {
		r.Expires = expires.Unix()
	}
	trace, err := item(traceKey(account, k), r)
	if err != nil {
		return nil, err
	}
	put := func(item map[string]types.AttributeValue) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: item, ConditionExpression: pointer(absent)}}
	}
	return []types.TransactWriteItem{put(first), put(trace)}, nil
}

// create adds an item that was not there with its trace in the account.
func (s *Store) create(ctx context.Context, op string, account bridge.AccountID, k key, v any, expires time.Time) error {
	writes, err := s.traced(account, k, v, expires)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

type erasureRecord struct {
	At    int64  `dynamodbav:"begunAt"`
	Shard string `dynamodbav:"shard"`
	DueAt int64  `dynamodbav:"dueAt"`
}

// BeginErasure notes that an account is to be erased. It is a Conflict if it is noted already.
func (s *Store) BeginErasure(ctx context.Context, b erasure.Begun) error {
	r := erasureRecord{At: millis(b.At), Shard: erasureLine.shard(b.Account), DueAt: millis(b.Due)}
	return s.put(ctx, "store.BeginErasure", erasureKey(b.Account), r, absent, nil)
}

// DueErasures returns up to limit erasures of each shard that are due at now, those that wait longest first.
func (s *Store) DueErasures(ctx context.Context, now time.Time, limit int) ([]erasure.Begun, error) {
	const op = "store.DueErasures"
	var due []erasure.Begun
	err := s.due(ctx, op, erasureLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		due = append(due, erasure.Begun{Account: account, Due: at})
		return sort == erasureKey(account).sk
	})
	if err != nil {
		return nil, err
	}
	var found []erasure.Begun
	for _, b := range due {
		var r erasureRecord
		err := s.get(ctx, op, erasureKey(b.Account), &r)
		if bridge.KindOf(err) == bridge.NotFound {
			continue // the index lags behind: it is done
		}
		if err != nil {
			return nil, err
		}
		b.At = fromMillis(r.At)
		found = append(found, b)
	}
	return found, nil
}

// PostponeErasure moves on the time at which an erasure goes on. It is a Conflict unless it is still due at b.Due.
func (s *Store) PostponeErasure(ctx context.Context, b erasure.Begun, until time.Time) error {
	return s.postpone(ctx, "store.PostponeErasure", erasureKey(b.Account), b.Due, until)
}

// EndAccess deletes everything of the account that is found by a secret or by a person: sessions, consents that were
// begun, and which account a person belongs to.
func (s *Store) EndAccess(ctx context.Context, account bridge.AccountID) error {
	const op = "store.EndAccess"
	return s.each(ctx, op, partition(account), traces, func(keys []key) error {
		found := make([]key, len(keys))
		for i, k := range keys {
			found[i] = tracedKey(k)
		}
		if err := s.delete(ctx, op, found); err != nil {
			return err // the traces stay, to be followed again
		}
		return s.delete(ctx, op, keys)
	})
}

// DeleteAccount deletes every item of the account. The pages of an import go before the import, and the note of the
// erasure goes last, so that whoever begins anew finds all that is left.
func (s *Store) DeleteAccount(ctx context.Context, account bridge.AccountID) error {
	const op = "store.DeleteAccount"
	if err := s.EndAccess(ctx, account); err != nil {
		return err
	}
	err := s.each(ctx, op, partition(account), imports, func(keys []key) error {
		for _, k := range keys {
			err := s.each(ctx, op, pages(account, importOf(k)), "", func(keys []key) error { return s.delete(ctx, op, keys) })
			if err != nil {
				return err
			}
		}
		return s.delete(ctx, op, keys)
	})
	if err != nil {
		return err
	}
	err = s.each(ctx, op, partition(account), syncRows, func(keys []key) error {
		for _, k := range keys {
			err := s.each(ctx, op, synced(account, syncedOf(k.sk)), "", func(keys []key) error { return s.delete(ctx, op, keys) })
			if err != nil {
				return err
			}
		}
		return s.delete(ctx, op, keys)
	})
	if err != nil {
		return err
	}
	last := erasureKey(account)
	err = s.each(ctx, op, partition(account), "", func(keys []key) error {
		var others []key
		for _, k := range keys {
			if k != last {
				others = append(others, k)
			}
		}
		return s.delete(ctx, op, others)
	})
	if err != nil {
		return err
	}
	return s.delete(ctx, op, []key{last})
}

// each gives the keys of a partition whose sort keys have a prefix, page by page.
func (s *Store) each(ctx context.Context, op, pk, prefix string, do func([]key) error) error {
	condition, values := "pk = :pk", map[string]any{":pk": pk}
	if prefix != "" {
		condition, values[":prefix"] = "pk = :pk AND begins_with(sk, :prefix)", prefix
	}
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	found := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true), KeyConditionExpression: &condition,
		ExpressionAttributeValues: bound, ProjectionExpression: pointer("pk, sk"),
	})
	for found.HasMorePages() {
		page, err := found.NextPage(ctx)
		if err != nil {
			return reading(op, err)
		}
		rows, err := decodeAll[dueKey](page.Items)
		if err != nil {
			return bridge.E(op, "", err)
		}
		keys := make([]key, len(rows))
		for i, r := range rows {
			keys[i] = key{r.Partition, r.Sort}
		}
		if err := do(keys); err != nil {
			return err
		}
	}
	return nil
}

// batch is the most that DynamoDB takes in one BatchWriteItem.
const batch = 25

// delete deletes items, whether they are there or not. What DynamoDB puts back, because it is busy, is sent again
// as long as that gets on.
func (s *Store) delete(ctx context.Context, op string, keys []key) error {
	for len(keys) > 0 {
		n := min(batch, len(keys))
		var requests []types.WriteRequest
		for _, k := range keys[:n] {
			requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k.attributes()}})
		}
		for len(requests) > 0 {
			result, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{s.table: requests},
			})
			if err != nil {
				return meaning(op, err)
			}
			left := result.UnprocessedItems[s.table]
			if len(left) == len(requests) {
				return &bridge.Error{Op: op, Kind: bridge.Throttled, After: time.Second} // nothing got done: leave it for a while
			}
			requests = left
		}
		keys = keys[n:]
	}
	return nil
}
