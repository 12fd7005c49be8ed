package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

type turnRecord struct {
	Over    int      `dynamodbav:"turns"`
	Until   int64    `dynamodbav:"heldUntil"`
	Holder  string   `dynamodbav:"holder"`
	Writing []string `dynamodbav:"writing"`
	Of      string   `dynamodbav:"campaign"`
	Urgent  int64    `dynamodbav:"urgent"`
	Version int      `dynamodbav:"version"`
}

// Turn returns whose turn it is to write to an org; nobody's if there was none yet.
func (s *Store) Turn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (syncer.Turn, error) {
	var r turnRecord
	err := s.get(ctx, "store.Turn", turnKey(account, connection), &r)
	if bridge.KindOf(err) == bridge.NotFound {
		return syncer.Turn{}, nil
	}
	if err != nil {
		return syncer.Turn{}, err
	}
	t := syncer.Turn{Over: r.Over, Until: fromMillis(r.Until), Holder: r.Holder, Of: bridge.CampaignID(r.Of), Urgent: fromMillis(r.Urgent), Version: r.Version}
	for _, id := range r.Writing {
		t.Writing = append(t.Writing, bridge.SubscriberID(id))
	}
	return t, nil
}

// TakeTurn gives the turn to t.Holder until t.Until. It is a Conflict if somebody had it since t.Version was read.
func (s *Store) TakeTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, t syncer.Turn) error {
	writing := make([]string, len(t.Writing))
	for i, id := range t.Writing {
		writing[i] = string(id)
	}
	condition := versioned
	values := map[string]any{":turns": t.Over, ":until": millis(t.Until), ":holder": t.Holder, ":writing": writing, ":of": string(t.Of), ":version": t.Version + 1}
	if t.Version == 0 {
		condition = "attribute_not_exists(version)"
	} else {
		values[":was"] = t.Version
	}
	return s.updateTurn(ctx, "store.TakeTurn", account, connection,
		"SET turns = :turns, heldUntil = :until, holder = :holder, writing = :writing, campaign = :of, version = :version REMOVE urgent", condition, values)
}

// EndTurn ends the turn of t.Holder. It is a Conflict if somebody else has it.
func (s *Store) EndTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, t syncer.Turn) error {
	return s.updateTurn(ctx, "store.EndTurn", account, connection,
		"SET turns = :turns, version = :version REMOVE heldUntil, holder, writing, campaign", "holder = :holder",
		map[string]any{":turns": t.Over + 1, ":version": t.Version + 1, ":holder": t.Holder})
}

// UrgeTurn asks bulk work to leave the turn alone until then. Whoever has taken one later than what is asked for stays.
func (s *Store) UrgeTurn(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, until time.Time) error {
	err := s.updateTurn(ctx, "store.UrgeTurn", account, connection, "SET urgent = :until", "attribute_not_exists(urgent) OR urgent < :until",
		map[string]any{":until": millis(until)})
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}

func (s *Store) updateTurn(ctx context.Context, op string, account bridge.AccountID, connection bridge.ConnectionID, update, condition string, values map[string]any) error {
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: turnKey(account, connection).attributes(), UpdateExpression: &update, ConditionExpression: &condition,
		ExpressionAttributeValues: bound,
	})
	return meaning(op, err)
}
