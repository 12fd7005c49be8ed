package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

type connectionRecord struct {
	ID          bridge.ConnectionID     `dynamodbav:"id"`
	Org         bridge.SalesforceID     `dynamodbav:"org"`
	User        bridge.SalesforceID     `dynamodbav:"salesforceUser"`
	OrgName     string                  `dynamodbav:"orgName"`
	Username    string                  `dynamodbav:"username"`
	Environment bridge.Environment      `dynamodbav:"environment"`
	LoginHost   string                  `dynamodbav:"loginHost"`
	Instance    string                  `dynamodbav:"instance"`
	Edition     string                  `dynamodbav:"edition"`
	IsSandbox   bool                    `dynamodbav:"isSandbox"`
	Status      bridge.ConnectionStatus `dynamodbav:"connectionStatus"`
	Code        string                  `dynamodbav:"code"`
	Access      bridge.Access           `dynamodbav:"access,omitempty"`
	StatusAt    int64                   `dynamodbav:"statusAt"`
	CreatedAt   int64                   `dynamodbav:"createdAt"`
	Version     int                     `dynamodbav:"version"`
	Shard       string                  `dynamodbav:"shard,omitempty"` // as long as the account is to be told
	DueAt       int64                   `dynamodbav:"dueAt,omitempty"`
}

// orgRecord reserves a user of an org for one connection.
type orgRecord struct {
	Connection bridge.ConnectionID `dynamodbav:"connection"`
}

func newConnectionRecord(c bridge.Connection) connectionRecord {
	r := connectionRecord{
		ID: c.ID, Org: c.Org, User: c.User, OrgName: c.OrgName, Username: c.Username,
		Environment: c.Environment, LoginHost: c.LoginHost, Instance: c.Instance,
		Edition: c.Edition, IsSandbox: c.IsSandbox, Access: c.Access, Status: c.Status, Code: c.Code,
		StatusAt: millis(c.StatusAt), CreatedAt: millis(c.CreatedAt), Version: c.Version + 1,
	}
	if !c.TellAt.IsZero() {
		r.Shard, r.DueAt = untoldLine.shard(c.Account), millis(c.TellAt)
	}
	return r
}

func (r connectionRecord) connection(account bridge.AccountID) bridge.Connection {
	return bridge.Connection{
		ID: r.ID, Account: account, Org: r.Org, User: r.User, OrgName: r.OrgName, Username: r.Username,
		Environment: r.Environment, LoginHost: r.LoginHost, Instance: r.Instance,
		Edition: r.Edition, IsSandbox: r.IsSandbox, Access: r.Access, Status: r.Status, Code: r.Code, TellAt: fromMillis(r.DueAt),
		StatusAt: fromMillis(r.StatusAt), CreatedAt: fromMillis(r.CreatedAt), Version: r.Version,
	}
}

// Connection returns a connection of the account, or NotFound.
func (s *Store) Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	var r connectionRecord
	if err := s.get(ctx, "store.Connection", connectionKey(account, id), &r); err != nil {
		return bridge.Connection{}, err
	}
	return r.connection(account), nil
}

// Connections returns the account's connections, oldest first.
func (s *Store) Connections(ctx context.Context, account bridge.AccountID) ([]bridge.Connection, error) {
	const op = "store.Connections"
	values, err := bind(map[string]any{":account": partition(account), ":family": connections})
	if err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: &s.table, ConsistentRead: pointer(true),
		KeyConditionExpression:    pointer("pk = :account AND begins_with(sk, :family)"),
		ExpressionAttributeValues: values,
	})
	var found []bridge.Connection
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, reading(op, err)
		}
		records, err := decodeAll[connectionRecord](page.Items)
		if err != nil {
			return nil, bridge.E(op, "", err)
		}
		for _, r := range records {
			found = append(found, r.connection(account))
		}
	}
	return found, nil
}

// ConnectionOf returns the connection that the user of the org has in the account, or NotFound.
func (s *Store) ConnectionOf(ctx context.Context, account bridge.AccountID, org, user bridge.SalesforceID) (bridge.ConnectionID, error) {
	var r orgRecord
	err := s.get(ctx, "store.ConnectionOf", orgKey(account, org, user), &r)
	return r.Connection, err
}

// CreateConnection adds a connection with its grant. It is a Conflict if the user of the org has one
// already.
func (s *Store) CreateConnection(ctx context.Context, c bridge.Connection, g bridge.Grant) error {
	const op = "store.CreateConnection"
	grant, err := s.newGrantRecord(ctx, g)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var writes []types.TransactWriteItem
	for k, record := range map[key]any{
		orgKey(c.Account, c.Org, c.User): orgRecord{Connection: c.ID},
		connectionKey(c.Account, c.ID):   newConnectionRecord(c),
		grantKey(c.Account, c.ID):        grant,
	} {
		attributes, err := item(k, record)
		if err != nil {
			return bridge.E(op, bridge.Internal, err)
		}
		writes = append(writes, types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: attributes, ConditionExpression: pointer(absent),
		}})
	}
	_, err = s.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	return meaning(op, err)
}

// UntoldConnections returns up to limit connections of each shard whose accounts have to be told about them.
func (s *Store) UntoldConnections(ctx context.Context, now time.Time, limit int) ([]connect.Untold, error) {
	var found []connect.Untold
	err := s.due(ctx, "store.UntoldConnections", untoldLine, now, limit, func(account bridge.AccountID, sort string, _ time.Time) bool {
		id, is := strings.CutPrefix(sort, connections)
		found = append(found, connect.Untold{Account: account, Connection: bridge.ConnectionID(id)})
		return is
	})
	return found, err
}

// ToldConnection notes when the account is to be told again of a connection; never if next is zero. It is a Conflict
// unless the version is still the one that was read.
func (s *Store) ToldConnection(ctx context.Context, c bridge.Connection, next time.Time) error {
	c.TellAt = next
	return s.put(ctx, "store.ToldConnection", connectionKey(c.Account, c.ID), newConnectionRecord(c), versioned, map[string]any{":was": c.Version})
}
