package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

type grantRecord struct {
	Generation     int                     `dynamodbav:"generation"`
	RefreshVersion int                     `dynamodbav:"refreshVersion"`
	RefreshSealed  []byte                  `dynamodbav:"refreshSealed,omitempty"`
	AccessVersion  int                     `dynamodbav:"accessVersion"`
	AccessSealed   []byte                  `dynamodbav:"accessSealed,omitempty"`
	Instance       string                  `dynamodbav:"instance"`
	AppKey         []byte                  `dynamodbav:"appKey,omitempty"`    // sealed
	AppSecret      []byte                  `dynamodbav:"appSecret,omitempty"` // sealed
	IssuedAt       int64                   `dynamodbav:"issuedAt"`
	RefreshedAt    int64                   `dynamodbav:"refreshedAt"`
	LeaseOwner     string                  `dynamodbav:"leaseOwner,omitempty"`
	LeaseUntil     int64                   `dynamodbav:"leaseUntil"`
	LeaseSequence  int                     `dynamodbav:"leaseSequence"`
	InFlight       bool                    `dynamodbav:"inFlight"`
	Status         bridge.ConnectionStatus `dynamodbav:"grantStatus"`
	Code           string                  `dynamodbav:"code"`
	Shard          string                  `dynamodbav:"shard,omitempty"` // as long as it is to be kept alive
	DueAt          int64                   `dynamodbav:"dueAt,omitempty"`
}

// The associated data names the place of a token and which one it is: neither another row's ciphertext
// nor a former one of the same row opens.

func refreshPlace(g bridge.Grant) string {
	return fmt.Sprintf("%s|%s|refresh|%d|%d", g.Account, g.Connection, g.Generation, g.RefreshVersion)
}

func accessPlace(g bridge.Grant) string {
	return fmt.Sprintf("%s|%s|access|%d|%d", g.Account, g.Connection, g.Generation, g.Access.Version)
}

func appPlace(g bridge.Grant, part string) string {
	return fmt.Sprintf("%s|%s|app %s|%d", g.Account, g.Connection, part, g.Generation)
}

// newGrantRecord seals the grant's tokens. A grant that has ended has none.
func (s *Store) newGrantRecord(ctx context.Context, g bridge.Grant) (grantRecord, error) {
	r := grantRecord{
		Generation: g.Generation, RefreshVersion: g.RefreshVersion, AccessVersion: g.Access.Version,
		Instance: g.Access.Instance, IssuedAt: millis(g.IssuedAt), RefreshedAt: millis(g.RefreshedAt), LeaseOwner: g.LeaseOwner, LeaseUntil: millis(g.LeaseUntil),
		LeaseSequence: g.LeaseSequence, InFlight: g.InFlight, Status: g.Status, Code: g.Code,
	}
	if at := connect.KeepAliveAt(g); !at.IsZero() {
		r.Shard, r.DueAt = idleLine.shard(g.Account), millis(at)
	}
	var err error
	if !g.App.Empty() {
		if r.AppKey, err = s.data.Seal(ctx, g.App.Key, appPlace(g, "key")); err != nil {
			return grantRecord{}, err
		}
		if r.AppSecret, err = s.refresh.Seal(ctx, g.App.Secret, appPlace(g, "secret")); err != nil {
			return grantRecord{}, err
		}
	}
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
		IssuedAt: fromMillis(r.IssuedAt), RefreshedAt: fromMillis(r.RefreshedAt), LeaseOwner: r.LeaseOwner, LeaseUntil: fromMillis(r.LeaseUntil),
		LeaseSequence: r.LeaseSequence, InFlight: r.InFlight, Status: r.Status, Code: r.Code,
	}
	var err error
	if s.refresh != nil && len(r.RefreshSealed) > 0 {
		if g.RefreshToken, err = s.refresh.Open(ctx, r.RefreshSealed, refreshPlace(g)); err != nil {
			return bridge.Grant{}, bridge.E(op, "", err)
		}
	}
	if s.refresh != nil && len(r.AppSecret) > 0 {
		if g.App.Key, err = s.data.Open(ctx, r.AppKey, appPlace(g, "key")); err != nil {
			return bridge.Grant{}, bridge.E(op, "", err)
		}
		if g.App.Secret, err = s.refresh.Open(ctx, r.AppSecret, appPlace(g, "secret")); err != nil {
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
		"instance": r.Instance, "issuedAt": r.IssuedAt, "refreshedAt": r.RefreshedAt, "leaseUntil": r.LeaseUntil, "inFlight": r.InFlight,
		"grantStatus": r.Status, "code": r.Code,
	}
	remove := []string{"leaseOwner"}
	if r.Shard == "" {
		remove = append(remove, "#shard", "dueAt")
	} else {
		set["#shard"], set["dueAt"] = r.Shard, r.DueAt
	}
	for name, sealed := range map[string][]byte{
		"refreshSealed": r.RefreshSealed, "accessSealed": r.AccessSealed, "appKey": r.AppKey, "appSecret": r.AppSecret,
	} {
		if sealed == nil {
			remove = append(remove, name)
		} else {
			set[name] = sealed
		}
	}
	var assignments []string
	values := map[string]any{}
	for name, value := range set {
		assignments = append(assignments, name+" = :next_"+strings.TrimPrefix(name, "#"))
		values[":next_"+strings.TrimPrefix(name, "#")] = value
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
	names := map[string]string{"#shard": "shard"} // a reserved word
	change := types.Update{
		TableName: &s.table, Key: grantKey(was.Account, was.Connection).attributes(),
		UpdateExpression:    pointer("SET " + strings.Join(assignments, ", ") + " REMOVE " + strings.Join(remove, ", ")),
		ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: bound,
	}
	if connection == nil {
		_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: change.TableName, Key: change.Key, UpdateExpression: change.UpdateExpression,
			ConditionExpression: change.ConditionExpression, ExpressionAttributeNames: names,
			ExpressionAttributeValues: change.ExpressionAttributeValues,
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

func pendingPlace(account bridge.AccountID, loginHost string) string {
	return string(account) + "|pending app|" + loginHost
}

// SealApp seals a customer's app for the time of a consent. Only the token broker's store can.
func (s *Store) SealApp(ctx context.Context, account bridge.AccountID, loginHost string, app bridge.App) ([]byte, error) {
	const op = "store.SealApp"
	plain, err := json.Marshal([]string{app.Key.Reveal(), app.Secret.Reveal()})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	sealed, err := s.refresh.Seal(ctx, bridge.NewSecret(string(plain)), pendingPlace(account, loginHost))
	return sealed, bridge.E(op, "", err)
}

// OpenApp opens what SealApp has made, for the same account and host.
func (s *Store) OpenApp(ctx context.Context, account bridge.AccountID, loginHost string, sealed []byte) (bridge.App, error) {
	const op = "store.OpenApp"
	plain, err := s.refresh.Open(ctx, sealed, pendingPlace(account, loginHost))
	if err != nil {
		return bridge.App{}, bridge.E(op, "", err)
	}
	var parts [2]string
	if err := json.Unmarshal([]byte(plain.Reveal()), &parts); err != nil {
		return bridge.App{}, bridge.Say(op, bridge.Internal, "", "") // the decoder's own words may quote the secret
	}
	return bridge.App{Key: bridge.NewSecret(parts[0]), Secret: bridge.NewSecret(parts[1])}, nil
}

// IdleGrants returns up to some hundred grants of each shard that are to be refreshed at now for their own sake,
// those that are idle longest first.
func (s *Store) IdleGrants(ctx context.Context, now time.Time) ([]connect.IdleGrant, error) {
	const most = 250
	var found []connect.IdleGrant
	err := s.due(ctx, "store.IdleGrants", idleLine, now, most, func(account bridge.AccountID, sort string, at time.Time) bool {
		id, is := strings.CutPrefix(sort, grants)
		found = append(found, connect.IdleGrant{Account: account, Connection: bridge.ConnectionID(id), Due: at})
		return is
	})
	return found, err
}
