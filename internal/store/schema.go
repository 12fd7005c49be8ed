package store

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Rows say in which form they were written. While a release takes over, and after it was taken back, rows of both releases
// are met; and whoever writes a row again drops the attributes that it does not know. So a change that the release before must not
// undo takes two releases: the first one reads the new form (readable), the second one writes it (written).
const (
	written  = 1
	readable = 1
)

// laterRelease is how long work waits that meets a row in a form that this release cannot read.
const laterRelease = 5 * time.Minute

// decode reads a row into out, a pointer to a struct. Throttled means that a later release has written it: its own
// workers take care of it, or come back when that release does.
func decode(row map[string]types.AttributeValue, out any) error {
	if n, ok := row["schema"].(*types.AttributeValueMemberN); ok {
		if form, err := strconv.Atoi(n.Value); err != nil || form > readable {
			return &bridge.Error{Op: "store.decode", Kind: bridge.Throttled, After: laterRelease, Err: fmt.Errorf("a row of form %s, of a later release", n.Value)}
		}
	}
	return bridge.E("store.decode", bridge.Internal, attributevalue.UnmarshalMap(row, out))
}

// decodeAll reads rows as decode does.
func decodeAll[T any](rows []map[string]types.AttributeValue) ([]T, error) {
	all := make([]T, len(rows))
	for i, row := range rows {
		if err := decode(row, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
