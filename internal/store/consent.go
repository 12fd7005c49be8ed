package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

type consentRecord struct {
	Account     bridge.AccountID    `dynamodbav:"account"`
	Session     string              `dynamodbav:"session"`
	Browser     string              `dynamodbav:"browser"`
	Environment bridge.Environment  `dynamodbav:"environment"`
	LoginHost   string              `dynamodbav:"loginHost"`
	Campaign    bridge.CampaignID   `dynamodbav:"campaign,omitempty"`
	Connection  bridge.ConnectionID `dynamodbav:"connection,omitempty"`
	App         []byte              `dynamodbav:"app,omitempty"` // sealed by the token broker
	Expires     int64               `dynamodbav:"expires"`
}

// PutConsent keeps a consent that was begun, under its state.
func (s *Store) PutConsent(ctx context.Context, state bridge.Secret, c connect.Consent) error {
	return s.create(ctx, "store.PutConsent", c.Account, consentKey(state), consentRecord{
		Account: c.Account, Session: c.Session, Browser: c.Browser, Environment: c.Environment,
		LoginHost: c.LoginHost, Campaign: c.Campaign, Expires: c.Expires.Unix(), Connection: c.Connection, App: c.App,
	}, c.Expires)
}

// TakeConsent gives the consent of a state, once: Conflict if there is none, or if it was taken before.
// It gives an expired one too, so that the caller can say so.
func (s *Store) TakeConsent(ctx context.Context, state bridge.Secret) (connect.Consent, error) {
	const op = "store.TakeConsent"
	values, err := bind(map[string]any{":now": s.now().Unix()})
	if err != nil {
		return connect.Consent{}, bridge.E(op, bridge.Internal, err)
	}
	result, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: consentKey(state).attributes(),
		UpdateExpression:          pointer("SET taken = :now"),
		ConditionExpression:       pointer("attribute_exists(pk) AND attribute_not_exists(taken)"),
		ExpressionAttributeValues: values,
		ReturnValues:              types.ReturnValueAllNew,
	})
	if err != nil {
		return connect.Consent{}, meaning(op, err)
	}
	var r consentRecord
	if err := decode(result.Attributes, &r); err != nil {
		return connect.Consent{}, bridge.E(op, "", err)
	}
	return connect.Consent{
		Account: r.Account, Session: r.Session, Browser: r.Browser, Environment: r.Environment,
		LoginHost: r.LoginHost, Campaign: r.Campaign, Expires: time.Unix(r.Expires, 0), Connection: r.Connection, App: r.App,
	}, nil
}
