package store

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type accountRecord struct {
	ID        string    `dynamodbav:"id"`
	Name      string    `dynamodbav:"name"`
	Notify    string    `dynamodbav:"notify"`
	Token     []byte    `dynamodbav:"token,omitempty"` // sealed
	TokenAt   time.Time `dynamodbav:"tokenAt"`
	Refused   string    `dynamodbav:"refused"`
	Allowance int       `dynamodbav:"allowance"`
	CreatedAt time.Time `dynamodbav:"createdAt"`
	Version   int       `dynamodbav:"version"`
}

// associated ties a sealed API token to its account, and to the moment at which it was accepted.
func (r accountRecord) associated() string {
	return r.ID + "|ACCOUNT|token|" + strconv.FormatInt(r.TokenAt.UnixNano(), 10)
}

// Account returns the account with its API token, or NotFound.
func (s *Store) Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error) {
	const op = "store.Account"
	var r accountRecord
	if err := s.get(ctx, op, accountKey(id), &r); err != nil {
		return bridge.Account{}, err
	}
	a := bridge.Account{
		ID: bridge.AccountID(r.ID), Name: r.Name, Notify: r.Notify, TokenAt: r.TokenAt, Refused: r.Refused,
		Allowance: r.Allowance, Version: r.Version, CreatedAt: r.CreatedAt,
	}
	if len(r.Token) == 0 {
		return a, nil
	}
	var err error
	if a.Token, err = s.data.Open(ctx, r.Token, r.associated()); err != nil {
		return bridge.Account{}, bridge.E(op, "", err)
	}
	return a, nil
}

// AccountAddress returns where the account's mails go; empty if nobody said. It needs no key.
func (s *Store) AccountAddress(ctx context.Context, id bridge.AccountID) (string, error) {
	var r accountRecord
	err := s.get(ctx, "store.AccountAddress", accountKey(id), &r)
	return r.Notify, err
}

// SaveAccount replaces the account and raises its version. It is a Conflict unless the version is still the
// one that was read.
func (s *Store) SaveAccount(ctx context.Context, a bridge.Account) error {
	const op = "store.SaveAccount"
	r, err := s.accountRecord(ctx, a)
	if err != nil {
		return bridge.E(op, "", err)
	}
	return s.put(ctx, op, accountKey(a.ID), r, versioned, map[string]any{":was": a.Version})
}

// RefuseToken notes the code with which ReferralHero refused the account's API token. It is a Conflict, and
// nothing is noted, if the token was replaced since the account was read.
func (s *Store) RefuseToken(ctx context.Context, a bridge.Account, code string) error {
	const op = "store.RefuseToken"
	values, err := bind(map[string]any{":code": code, ":at": a.TokenAt.UTC(), ":one": 1})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: accountKey(a.ID).attributes(),
		UpdateExpression:          pointer("SET refused = :code, version = version + :one"),
		ConditionExpression:       pointer("tokenAt = :at"),
		ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

func (s *Store) accountRecord(ctx context.Context, a bridge.Account) (accountRecord, error) {
	r := accountRecord{
		ID: string(a.ID), Name: a.Name, Notify: a.Notify, TokenAt: a.TokenAt.UTC(), Refused: a.Refused,
		Allowance: a.Allowance, CreatedAt: a.CreatedAt.UTC(), Version: a.Version + 1,
	}
	if a.Token.Empty() {
		return r, nil
	}
	var err error
	r.Token, err = s.data.Seal(ctx, a.Token, r.associated())
	return r, err
}

// personRecord says which account a person belongs to.
type personRecord struct {
	Account string `dynamodbav:"account"`
	personFields
}

// AccountOf returns the account that the person belongs to, or NotFound.
func (s *Store) AccountOf(ctx context.Context, p bridge.Person) (bridge.AccountID, error) {
	var r personRecord
	err := s.get(ctx, "store.AccountOf", personKey(p.Issuer, p.Subject), &r)
	return bridge.AccountID(r.Account), err
}

// CreateAccount adds an account together with its first person. It is a Conflict if the person belongs to one.
func (s *Store) CreateAccount(ctx context.Context, a bridge.Account, p bridge.Person) error {
	const op = "store.CreateAccount"
	r, err := s.accountRecord(ctx, a)
	if err != nil {
		return bridge.E(op, "", err)
	}
	accountItem, err := item(accountKey(a.ID), r)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	writes, err := s.traced(a.ID, personKey(p.Issuer, p.Subject), personRecord{Account: string(a.ID), personFields: personFields(p)}, time.Time{})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	writes = append(writes, types.TransactWriteItem{
		Put: &types.Put{TableName: &s.table, Item: accountItem, ConditionExpression: pointer(absent)},
	})
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}
