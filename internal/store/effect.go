package store

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/effect"
)

type effectRecord struct {
	State   effect.State `dynamodbav:"state"`
	Fence   int          `dynamodbav:"fence"`
	Until   int64        `dynamodbav:"until"`
	Code    string       `dynamodbav:"code,omitempty"`
	Version int          `dynamodbav:"version"`
}

// Effect returns what is known of an effect; an empty record if it was never begun.
func (s *Store) Effect(ctx context.Context, account bridge.AccountID, kind, subject string) (effect.Record, error) {
	var r effectRecord
	err := s.get(ctx, "store.Effect", effectKey(account, kind, subject), &r)
	if bridge.KindOf(err) == bridge.NotFound {
		return effect.Record{}, nil
	}
	if err != nil {
		return effect.Record{}, err
	}
	return effect.Record{State: r.State, Fence: r.Fence, Until: fromMillis(r.Until), Code: r.Code, Version: r.Version}, nil
}

// SaveEffect writes what is known of an effect, unless somebody has since it was read: then it returns
// Conflict.
func (s *Store) SaveEffect(ctx context.Context, account bridge.AccountID, kind, subject string, e effect.Record) error {
	r := effectRecord{State: e.State, Fence: e.Fence, Until: millis(e.Until), Code: e.Code, Version: e.Version + 1}
	return s.putVersion(ctx, "store.SaveEffect", effectKey(account, kind, subject), r, e.Version)
}
