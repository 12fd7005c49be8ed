package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
)

// personFields are part of a session and a row of its own.
type personFields struct {
	Issuer  string `dynamodbav:"issuer"`
	Subject string `dynamodbav:"subject"`
	Name    string `dynamodbav:"name"`
	Email   string `dynamodbav:"email"`
}

type sessionRecord struct {
	Account   string       `dynamodbav:"account"`
	Person    personFields `dynamodbav:"person"`
	CreatedAt time.Time    `dynamodbav:"createdAt"`
	SeenAt    time.Time    `dynamodbav:"seenAt"`
	Expires   int64        `dynamodbav:"expires"`
}

// CreateSession adds a session under its token.
func (s *Store) CreateSession(ctx context.Context, token bridge.Secret, v bridge.Session) error {
	r := sessionRecord{
		Account: string(v.Account), Person: personFields(v.Person),
		CreatedAt: v.CreatedAt.UTC(), SeenAt: v.SeenAt.UTC(), Expires: v.Expires.Unix(),
	}
	return s.create(ctx, "store.CreateSession", v.Account, sessionKey(token), r, v.CreatedAt.Add(signin.LongestSession))
}

// Session returns the session with that token, or NotFound if there is none or if it has expired.
func (s *Store) Session(ctx context.Context, token bridge.Secret) (bridge.Session, error) {
	var r sessionRecord
	if err := s.get(ctx, "store.Session", sessionKey(token), &r); err != nil {
		return bridge.Session{}, err
	}
	return bridge.Session{
		Account: bridge.AccountID(r.Account), Person: bridge.Person(r.Person),
		CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, Expires: time.Unix(r.Expires, 0).UTC(),
	}, nil
}

// TouchSession writes when a session was last seen and when it ends. It is a Conflict if the session was
// not last seen at was: it is gone, or another request did this.
func (s *Store) TouchSession(ctx context.Context, token bridge.Secret, v bridge.Session, was time.Time) error {
	const op = "store.TouchSession"
	values, err := bind(map[string]any{":seen": v.SeenAt.UTC(), ":expires": v.Expires.Unix(), ":was": was.UTC()})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: sessionKey(token).attributes(),
		UpdateExpression:          pointer("SET seenAt = :seen, expires = :expires"),
		ConditionExpression:       pointer("seenAt = :was"),
		ExpressionAttributeValues: values,
	})
	return meaning(op, err)
}

// DeleteSession ends a session. That there is none is fine.
func (s *Store) DeleteSession(ctx context.Context, token bridge.Secret) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: sessionKey(token).attributes()})
	return meaning("store.DeleteSession", err)
}

type signInRecord struct {
	Browser  []byte `dynamodbav:"browser"`
	ReturnTo string `dynamodbav:"returnTo"`
	Expires  int64  `dynamodbav:"expires"`
}

// CreateSignIn adds a sign-in that was begun, under its state.
func (s *Store) CreateSignIn(ctx context.Context, state bridge.Secret, v signin.SignIn) error {
	r := signInRecord{Browser: v.Browser, ReturnTo: v.ReturnTo, Expires: v.Expires.Unix()}
	return s.put(ctx, "store.CreateSignIn", signInKey(state), r, absent, nil)
}

// TakeSignIn removes a sign-in and returns it. Of any number of callers one gets it; the others, and whoever
// comes after it has expired, get NotFound.
func (s *Store) TakeSignIn(ctx context.Context, state bridge.Secret) (signin.SignIn, error) {
	const op = "store.TakeSignIn"
	result, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: signInKey(state).attributes(),
		ConditionExpression: pointer(present), ReturnValues: types.ReturnValueAllOld,
	})
	err = meaning(op, err)
	if bridge.KindOf(err) == bridge.Conflict {
		return signin.SignIn{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	if err != nil {
		return signin.SignIn{}, err
	}
	if s.expired(result.Attributes) {
		return signin.SignIn{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	var r signInRecord
	if err := decode(result.Attributes, &r); err != nil {
		return signin.SignIn{}, bridge.E(op, "", err)
	}
	return signin.SignIn{Browser: r.Browser, ReturnTo: r.ReturnTo, Expires: time.Unix(r.Expires, 0).UTC()}, nil
}
