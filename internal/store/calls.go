package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// calls are the methods of a dynamodb.Client that the store needs, each by itself. A field of the client's own type would
// keep its other fifty methods in every binary that also has templates, which may call any method by its name.
type calls struct {
	BatchGetItem       call[dynamodb.BatchGetItemInput, dynamodb.BatchGetItemOutput]
	BatchWriteItem     call[dynamodb.BatchWriteItemInput, dynamodb.BatchWriteItemOutput]
	DeleteItem         call[dynamodb.DeleteItemInput, dynamodb.DeleteItemOutput]
	GetItem            call[dynamodb.GetItemInput, dynamodb.GetItemOutput]
	PutItem            call[dynamodb.PutItemInput, dynamodb.PutItemOutput]
	query              call[dynamodb.QueryInput, dynamodb.QueryOutput]
	TransactWriteItems call[dynamodb.TransactWriteItemsInput, dynamodb.TransactWriteItemsOutput]
	UpdateItem         call[dynamodb.UpdateItemInput, dynamodb.UpdateItemOutput]
}

type call[In, Out any] func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)

func callsOf(db *dynamodb.Client) calls {
	return calls{db.BatchGetItem, db.BatchWriteItem, db.DeleteItem, db.GetItem, db.PutItem, db.Query, db.TransactWriteItems, db.UpdateItem}
}

// Query is a method, since the SDK's paginator wants one.
func (c calls) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return c.query(ctx, in, options...)
}
