package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// dueKey is what the index "due" holds.
type dueKey struct {
	Partition string `dynamodbav:"pk"`
	Sort      string `dynamodbav:"sk"`
	DueAt     int64  `dynamodbav:"dueAt"`
}

var errStranger = errors.New("the index holds what does not belong there")

// due gives up to limit items of each shard of a line that are due at now to each, those that wait longest first.
// each says whether the sort key is one of the line's.
func (s *Store) due(ctx context.Context, op string, l line, now time.Time, limit int, each func(account bridge.AccountID, sort string, at time.Time) bool) error {
	for n := range shards {
		values, err := bind(map[string]any{":shard": l.name(n), ":now": millis(now)})
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		result, err := s.db.Query(ctx, &dynamodb.QueryInput{
			TableName: &s.table, IndexName: pointer("due"), Limit: pointer(int32(limit)),
			KeyConditionExpression:    pointer("#shard = :shard AND dueAt <= :now"),
			ExpressionAttributeNames:  map[string]string{"#shard": "shard"},
			ExpressionAttributeValues: values,
		})
		if err != nil {
			return reading(op, err)
		}
		keys, err := decodeAll[dueKey](result.Items)
		if err != nil {
			return bridge.E(op, "", err)
		}
		for _, k := range keys {
			account, ok := strings.CutPrefix(k.Partition, partition(""))
			if !ok || !each(bridge.AccountID(account), k.Sort, fromMillis(k.DueAt)) {
				return bridge.E(op, bridge.Internal, errStranger)
			}
		}
	}
	return nil
}

// postpone moves on the time at which an item is due. It is a Conflict unless it is still due at was.
func (s *Store) postpone(ctx context.Context, op string, k key, was, until time.Time) error {
	values, err := bind(map[string]any{":was": millis(was), ":until": millis(until)})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: k.attributes(), UpdateExpression: pointer("SET dueAt = :until"),
		ConditionExpression: pointer("dueAt = :was"), ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}
