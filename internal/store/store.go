package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Sealer encrypts what must not lie in the table as text. The associated data ties a ciphertext to its
// place: Open fails anywhere else.
type Sealer interface {
	Seal(ctx context.Context, plain bridge.Secret, associated string) ([]byte, error)
	Open(ctx context.Context, sealed []byte, associated string) (bridge.Secret, error)
}

// Store is the table. It is safe for concurrent use.
type Store struct {
	db    calls
	table string
	now   func() time.Time

	data    Sealer // for everything but refresh tokens
	refresh Sealer // for refresh tokens: nil outside the token broker, which alone has the keys
}

// New returns the store in the given table. data seals access tokens and API tokens; nil is fine for a
// caller that never touches them.
func New(db *dynamodb.Client, table string, data Sealer) *Store {
	return &Store{db: callsOf(db), table: table, now: time.Now, data: data}
}

// WithRefreshTokens returns the store of the token broker, which alone may read and write refresh tokens.
func (s *Store) WithRefreshTokens(sealer Sealer) *Store {
	c := *s
	c.refresh = sealer
	return &c
}

// WithClock returns the same store by another clock.
func (s *Store) WithClock(now func() time.Time) *Store {
	c := *s
	c.now = now
	return &c
}

// meaning translates an error of DynamoDB. A failed condition, also inside a transaction, is a Conflict.
func meaning(op string, err error) error {
	if err == nil {
		return nil
	}
	var (
		condition  *types.ConditionalCheckFailedException
		canceled   *types.TransactionCanceledException
		concurrent *types.TransactionConflictException
		throughput *types.ProvisionedThroughputExceededException
		limit      *types.RequestLimitExceeded
		throttled  *types.ThrottlingException
		server     *types.InternalServerError
		missing    *types.ResourceNotFoundException
	)
	switch {
	case errors.As(err, &condition), errors.As(err, &concurrent):
		return &bridge.Error{Op: op, Kind: bridge.Conflict, Err: err}
	case errors.As(err, &canceled):
		return &bridge.Error{Op: op, Kind: canceledKind(canceled.CancellationReasons), Err: err}
	case errors.As(err, &throughput), errors.As(err, &limit), errors.As(err, &throttled):
		return &bridge.Error{Op: op, Kind: bridge.Throttled, Err: err, After: time.Second}
	case errors.As(err, &server):
		return &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Err: err}
	case errors.As(err, &missing):
		return &bridge.Error{Op: op, Kind: bridge.Internal, Err: err}
	case errors.As(err, new(interface{ ErrorCode() string })):
		return &bridge.Error{Op: op, Kind: bridge.Internal, Err: err} // AWS understood us and refused
	default:
		return &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Err: err} // no answer
	}
}

// reading translates an error of a read: one without an answer did no harm, so it is Unavailable.
func reading(op string, err error) error {
	err = meaning(op, err)
	if bridge.KindOf(err) == bridge.UnknownOutcome {
		return &bridge.Error{Op: op, Kind: bridge.Unavailable, Err: err}
	}
	return err
}

// canceledKind reads the reasons of a transaction: a condition or a competitor is a Conflict, a
// throttled item is Throttled, anything else is our fault.
func canceledKind(reasons []types.CancellationReason) bridge.Kind {
	kind := bridge.Internal
	for _, r := range reasons {
		if r.Code == nil {
			continue
		}
		switch *r.Code {
		case "ConditionalCheckFailed", "TransactionConflict":
			return bridge.Conflict
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			kind = bridge.Throttled
		}
	}
	return kind
}

// get reads the item at k into out, which must be a pointer to a struct, and reports NotFound if there
// is none or if it has expired.
func (s *Store) get(ctx context.Context, op string, k key, out any) error {
	result, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: k.attributes(), ConsistentRead: pointer(true),
	})
	if err != nil {
		return reading(op, err)
	}
	if len(result.Item) == 0 || s.expired(result.Item) {
		return &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	return bridge.E(op, "", decode(result.Item, out))
}

// expired compares the item's expiry with the clock: DynamoDB's own removal may come days later.
func (s *Store) expired(item map[string]types.AttributeValue) bool {
	n, ok := item["expires"].(*types.AttributeValueMemberN)
	if !ok {
		return false
	}
	at, err := strconv.ParseInt(n.Value, 10, 64)
	return err == nil && s.now().Unix() >= at
}

// item returns v's attributes with those of its key, and its form.
func item(k key, v any) (map[string]types.AttributeValue, error) {
	attributes, err := attributevalue.MarshalMap(v)
	if err != nil {
		return nil, err
	}
	attributes["pk"], attributes["sk"], attributes["schema"] = text(k.pk), text(k.sk), &types.AttributeValueMemberN{Value: strconv.Itoa(written)}
	return attributes, nil
}

// put writes v at k if condition holds; names and values are those of the condition. An empty condition
// is not offered: every write says what it assumes.
func (s *Store) put(ctx context.Context, op string, k key, v any, condition string, values map[string]any) error {
	attributes, err := item(k, v)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	bound, err := bind(values)
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: attributes, ConditionExpression: &condition, ExpressionAttributeValues: bound,
	})
	return meaning(op, err)
}

// absent is the condition of a first write, versioned that of every later one, and present that of a last one.
const (
	absent    = "attribute_not_exists(pk)"
	present   = "attribute_exists(pk)"
	versioned = "version = :was"
)

// bind marshals the values of an expression.
func bind(values map[string]any) (map[string]types.AttributeValue, error) {
	if len(values) == 0 {
		return nil, nil
	}
	return attributevalue.MarshalMap(values)
}

func pointer[T any](v T) *T { return &v }
