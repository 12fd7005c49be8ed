package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type grantRecord struct {
	Generation     int                     `dynamodbav:"generation"`
	RefreshVersion int                     `dynamodbav:"refreshVersion"`
	RefreshSealed  []byte                  `dynamodbav:"refreshSealed,omitempty"`
	AccessVersion  int                     `dynamodbav:"accessVersion"`
	AccessSealed   []byte                  `dynamodbav:"accessSealed,omitempty"`
	Instance       string                  `dynamodbav:"instance"`
	IssuedAt       int64                   `dynamodbav:"issuedAt"`
	LeaseOwner     string                  `dynamodbav:"leaseOwner,omitempty"`
	LeaseUntil     int64                   `dynamodbav:"leaseUntil"`
	LeaseSequence  int                     `dynamodbav:"leaseSequence"`
	InFlight       bool                    `dynamodbav:"inFlight"`
	Status         bridge.ConnectionStatus `dynamodbav:"grantStatus"`
	Code           string                  `dynamodbav:"code"`
}

// The associated data names the place of a token and which one it is: neither another row's ciphertext
// nor a former one of the same row opens.

func refreshPlace(g bridge.Grant) string {
	return fmt.Sprintf("%s|%s|refresh|%d|%d", g.Account, g.Connection, g.Generation, g.RefreshVersion)
}

func accessPlace(g bridge.Grant) string {
	return fmt.Sprintf("%s|%s|access|%d|%d", g.Account, g.Connection, g.Generation, g.Access.Version)
}

// newGrantRecord seals the grant's tokens. A grant that has ended has none.
func (s *Store) newGrantRecord(ctx context.Context, g bridge.Grant) (grantRecord, error) {
	r := grantRecord{
		Generation: g.Generation, RefreshVersion: g.RefreshVersion, AccessVersion: g.Access.Version,
		Instance: g.Access.Instance, IssuedAt: millis(g.IssuedAt), LeaseOwner: g.LeaseOwner, LeaseUntil: millis(g.LeaseUntil),
		LeaseSequence: g.LeaseSequence, InFlight: g.InFlight, Status: g.Status, Code: g.Code,
	}
	var err error
	if !g.RefreshToken.Empty() {
		if r.RefreshSealed, err = s.refresh.Seal(ctx, g.RefreshToken, refreshPlace(g)); err != nil {
			return grantRecord{}, err
		}
	}
	if !g.Access.Token.Empty() {
		if r.AccessSealed, err = s.data.Seal(ctx, g.Access.Token, accessPlace(g)); err != nil {
			return grantRecord{}, err
		}
	}
	return r, nil
}

// Grant returns the grant of a connection, or NotFound. Only the token broker's store opens the refresh
// token; for all others it is empty.
func (s *Store) Grant(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Grant, error) {
	const op = "store.Grant"
	var r grantRecord
	if err := s.get(ctx, op, grantKey(account, id), &r); err != nil {
		return bridge.Grant{}, err
	}
	g := bridge.Grant{
		Account: account, Connection: id, Generation: r.Generation, RefreshVersion: r.RefreshVersion,
		Access:   bridge.AccessToken{Version: r.AccessVersion, Instance: r.Instance},
		IssuedAt: fromMillis(r.IssuedAt), LeaseOwner: r.LeaseOwner, LeaseUntil: fromMillis(r.LeaseUntil),
		LeaseSequence: r.LeaseSequence, InFlight: r.InFlight, Status: r.Status, Code: r.Code,
	}
	var err error
	if s.refresh != nil && len(r.RefreshSealed) > 0 {
		if g.RefreshToken, err = s.refresh.Open(ctx, r.RefreshSealed, refreshPlace(g)); err != nil {
			return bridge.Grant{}, bridge.E(op, "", err)
		}
	}
	if len(r.AccessSealed) > 0 {
		if g.Access.Token, err = s.data.Open(ctx, r.AccessSealed, accessPlace(g)); err != nil {
			return bridge.Grant{}, bridge.E(op, "", err)
		}
	}
	return g, nil
}

// asRead is the condition that a grant has the tokens that it had when it was read.
const asRead = "generation = :generation AND refreshVersion = :refreshVersion AND accessVersion = :accessVersion"

func (s *Store) readValues(g bridge.Grant, more map[string]any) (map[string]types.AttributeValue, error) {
	more[":generation"], more[":refreshVersion"], more[":accessVersion"] = g.Generation, g.RefreshVersion, g.Access.Version
	return bind(more)
}

// LeaseGrant takes the lease of a grant until the given time, marks a refresh as begun, and returns the
// grant as it is then. It is a Conflict if the grant has changed since it was read, or if somebody has
// the lease.
func (s *Store) LeaseGrant(ctx context.Context, g bridge.Grant, owner string, until time.Time) (bridge.Grant, error) {
	const op = "store.LeaseGrant"
	values, err := s.readValues(g, map[string]any{
		":owner": owner, ":until": millis(until), ":now": millis(s.now()), ":yes": true, ":one": 1, ":status": g.Status,
		":sequence": g.LeaseSequence,
	})
	if err != nil {
		return bridge.Grant{}, bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: grantKey(g.Account, g.Connection).attributes(),
		UpdateExpression: pointer("SET leaseOwner = :owner, leaseUntil = :until, inFlight = :yes, leaseSequence = leaseSequence + :one"),
		ConditionExpression: pointer(asRead + " AND leaseSequence = :sequence AND grantStatus = :status" +
			" AND leaseUntil <= :now"),
		ExpressionAttributeValues: values,
	})
	if err != nil {
		return bridge.Grant{}, meaning(op, err)
	}
	g.LeaseOwner, g.LeaseUntil, g.InFlight = owner, until, true
	g.LeaseSequence++
	return g, nil
}

// SettleGrant replaces was by next and, unless it is nil, saves the connection in the same transaction.
// It is a Conflict if the grant has got other tokens since was was read. If next brings no other tokens,
// it is a Conflict also if somebody has taken the lease.
func (s *Store) SettleGrant(ctx context.Context, was, next bridge.Grant, connection *bridge.Connection) error {
	const op = "store.SettleGrant"
	r, err := s.newGrantRecord(ctx, next)
	if err != nil {
		return bridge.E(op, "", err)
	}
	set := map[string]any{
		"generation": r.Generation, "refreshVersion": r.RefreshVersion, "accessVersion": r.AccessVersion,
		"instance": r.Instance, "issuedAt": r.IssuedAt, "leaseUntil": r.LeaseUntil, "inFlight": r.InFlight,
		"grantStatus": r.Status, "code": r.Code,
	}
	remove := []string{"leaseOwner"}
	for name, sealed := range map[string][]byte{"refreshSealed": r.RefreshSealed, "accessSealed": r.AccessSealed} {
		if sealed == nil {
			remove = append(remove, name)
		} else {
			set[name] = sealed
		}
	}
	var assignments []string
	values := map[string]any{}
	for name, value := range set {
		assignments = append(assignments, name+" = :next_"+name)
		values[":next_"+name] = value
	}
	condition := asRead
	if next.Generation == was.Generation && next.Access.Version == was.Access.Version {
		condition += " AND leaseSequence = :sequence"
		values[":sequence"] = was.LeaseSequence
	}
	bound, err := s.readValues(was, values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	change := types.Update{
		TableName: &s.table, Key: grantKey(was.Account, was.Connection).attributes(),
		UpdateExpression:    pointer("SET " + strings.Join(assignments, ", ") + " REMOVE " + strings.Join(remove, ", ")),
		ConditionExpression: &condition, ExpressionAttributeValues: bound,
	}
	if connection == nil {
		_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: change.TableName, Key: change.Key, UpdateExpression: change.UpdateExpression,
			ConditionExpression: change.ConditionExpression, ExpressionAttributeValues: change.ExpressionAttributeValues,
		})
		return meaning(op, err)
	}
	attributes, err := item(connectionKey(was.Account, was.Connection), newConnectionRecord(*connection))
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	version, err := bind(map[string]any{":was": connection.Version})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &change},
		{Put: &types.Put{
			TableName: &s.table, Item: attributes, ConditionExpression: pointer(versioned), ExpressionAttributeValues: version,
		}},
	}})
	return meaning(op, err)
}
