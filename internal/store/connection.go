package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
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
	StatusAt    int64                   `dynamodbav:"statusAt"`
	CreatedAt   int64                   `dynamodbav:"createdAt"`
	Version     int                     `dynamodbav:"version"`
}

// orgRecord reserves a user of an org for one connection.
type orgRecord struct {
	Connection bridge.ConnectionID `dynamodbav:"connection"`
}

func newConnectionRecord(c bridge.Connection) connectionRecord {
	return connectionRecord{
		ID: c.ID, Org: c.Org, User: c.User, OrgName: c.OrgName, Username: c.Username,
		Environment: c.Environment, LoginHost: c.LoginHost, Instance: c.Instance,
		Edition: c.Edition, IsSandbox: c.IsSandbox, Status: c.Status, Code: c.Code,
		StatusAt: millis(c.StatusAt), CreatedAt: millis(c.CreatedAt), Version: c.Version + 1,
	}
}

func (r connectionRecord) connection(account bridge.AccountID) bridge.Connection {
	return bridge.Connection{
		ID: r.ID, Account: account, Org: r.Org, User: r.User, OrgName: r.OrgName, Username: r.Username,
		Environment: r.Environment, LoginHost: r.LoginHost, Instance: r.Instance,
		Edition: r.Edition, IsSandbox: r.IsSandbox, Status: r.Status, Code: r.Code,
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
		var records []connectionRecord
		if err := attributevalue.UnmarshalListOfMaps(page.Items, &records); err != nil {
			return nil, bridge.E(op, bridge.Internal, err)
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
