package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

type messageHookRecord struct {
	Account    bridge.AccountID    `dynamodbav:"account"`
	Connection bridge.ConnectionID `dynamodbav:"connection"`
	Unwanted   bool                `dynamodbav:"unwanted"`
	MadeAt     int64               `dynamodbav:"madeAt"`
	LastAt     int64               `dynamodbav:"lastAt"` // 0 as long as none came; conditions compare it
	Stranger   bridge.SalesforceID `dynamodbav:"stranger"`
	StrangerAt int64               `dynamodbav:"strangerAt"`
	Expires    int64               `dynamodbav:"expires,omitempty"`
}

func (r messageHookRecord) hook(id string) conversion.Hook {
	h := conversion.Hook{
		ID: id, Account: r.Account, Connection: r.Connection, Off: r.Unwanted, MadeAt: fromMillis(r.MadeAt),
		LastAt: fromMillis(r.LastAt), Stranger: r.Stranger, StrangerAt: fromMillis(r.StrangerAt),
	}
	if r.Expires != 0 {
		h.EndsAt = time.Unix(r.Expires, 0).UTC()
	}
	return h
}

// CreateMessageHook adds a hook under its token.
func (s *Store) CreateMessageHook(ctx context.Context, token bridge.Secret, h conversion.Hook) error {
	r := messageHookRecord{Account: h.Account, Connection: h.Connection, Unwanted: h.Off, MadeAt: millis(h.MadeAt)}
	return s.create(ctx, "store.CreateMessageHook", h.Account, messageHookKey(messageHookID(token)), r, time.Time{})
}

// MessageHook returns the hook with that token, or NotFound if there is none or if it has ended. Either way it is one read
// of the place that the token's hash names: how long it takes says nothing about tokens that there are.
func (s *Store) MessageHook(ctx context.Context, token bridge.Secret) (conversion.Hook, error) {
	id := messageHookID(token)
	var r messageHookRecord
	err := s.get(ctx, "store.MessageHook", messageHookKey(id), &r)
	return r.hook(id), err
}

// MessageHooks returns the account's hooks that have not ended.
func (s *Store) MessageHooks(ctx context.Context, account bridge.AccountID) ([]conversion.Hook, error) {
	const op = "store.MessageHooks"
	var found []conversion.Hook
	err := s.each(ctx, op, partition(account), messageHookTraces, func(traces []key) error {
		for _, trace := range traces {
			k := tracedKey(trace)
			var r messageHookRecord
			err := s.get(ctx, op, k, &r)
			switch {
			case bridge.KindOf(err) == bridge.NotFound: // the trace has outlived it
			case err != nil:
				return err
			default:
				found = append(found, r.hook(messageHookOf(k)))
			}
		}
		return nil
	})
	return found, err
}

// TouchMessageHook writes what h says about messages that came. It is a Conflict if somebody has since was was read, or if
// the hook is gone.
func (s *Store) TouchMessageHook(ctx context.Context, h, was conversion.Hook) error {
	const op = "store.TouchMessageHook"
	values, err := bind(map[string]any{
		":last": millis(h.LastAt), ":stranger": h.Stranger, ":strange": millis(h.StrangerAt),
		":wasLast": millis(was.LastAt), ":wasStrange": millis(was.StrangerAt),
	})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: messageHookKey(h.ID).attributes(),
		UpdateExpression:          pointer("SET lastAt = :last, stranger = :stranger, strangerAt = :strange"),
		ConditionExpression:       pointer("lastAt = :wasLast AND strangerAt = :wasStrange"),
		ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// works is the condition that a hook is there and has not ended.
const works = present + " AND (attribute_not_exists(expires) OR expires > :now)"

// SwitchMessageHook writes whether a hook is off. It is a Conflict if it has ended.
func (s *Store) SwitchMessageHook(ctx context.Context, h conversion.Hook) error {
	const op = "store.SwitchMessageHook"
	values, err := bind(map[string]any{":off": h.Off, ":now": s.now().Unix()})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: messageHookKey(h.ID).attributes(), UpdateExpression: pointer("SET unwanted = :off"),
		ConditionExpression: pointer(works), ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// EndMessageHook writes when a hook ends, and its trace with it. It is a Conflict if it has ended.
func (s *Store) EndMessageHook(ctx context.Context, h conversion.Hook) error {
	const op = "store.EndMessageHook"
	hook := messageHookKey(h.ID)
	var writes []types.TransactWriteItem
	for _, w := range []struct {
		key       key
		condition string
		values    map[string]any
	}{
		{hook, works, map[string]any{":at": h.EndsAt.Unix(), ":now": s.now().Unix()}},
		{traceKey(h.Account, hook), present, map[string]any{":at": h.EndsAt.Unix()}},
	} {
		values, err := bind(w.values)
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		writes = append(writes, types.TransactWriteItem{Update: &types.Update{
			TableName: &s.table, Key: w.key.attributes(), UpdateExpression: pointer("SET expires = :at"),
			ConditionExpression: &w.condition, ExpressionAttributeValues: values,
		}})
	}
	_, err := s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}
