package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// windowRecord packs two bytes a bucket, so that the item stays below one write unit.
type windowRecord struct {
	Last    int64  `dynamodbav:"last"`
	All     []byte `dynamodbav:"calls"`
	Urgent  []byte `dynamodbav:"urgent"`
	Until   int64  `dynamodbav:"closedUntil"` // Unix milliseconds; 0 if open
	Version int    `dynamodbav:"version"`
}

// Window returns the rolling window of a budget; an empty one if nothing was leased yet.
func (s *Store) Window(ctx context.Context, account bridge.AccountID, name string) (budget.Window, error) {
	var r windowRecord
	err := s.get(ctx, "store.Window", budgetKey(account, name), &r)
	if bridge.KindOf(err) == bridge.NotFound {
		return budget.Window{}, nil
	}
	if err != nil {
		return budget.Window{}, err
	}
	return budget.Window{Last: r.Last, All: unpack(r.All), Urgent: unpack(r.Urgent), Until: fromMillis(r.Until), Version: r.Version}, nil
}

// SaveWindow replaces the window, unless somebody has since it was read: then it returns Conflict.
func (s *Store) SaveWindow(ctx context.Context, account bridge.AccountID, name string, w budget.Window) error {
	r := windowRecord{Last: w.Last, All: pack(w.All), Urgent: pack(w.Urgent), Until: millis(w.Until), Version: w.Version + 1}
	return s.putVersion(ctx, "store.SaveWindow", budgetKey(account, name), r, w.Version)
}

// putVersion writes v over the version that was read: 0 if there was no item.
func (s *Store) putVersion(ctx context.Context, op string, k key, v any, was int) error {
	if was == 0 {
		return s.put(ctx, op, k, v, absent, nil)
	}
	return s.put(ctx, op, k, v, versioned, map[string]any{":was": was})
}

func pack(row []uint16) []byte {
	packed := make([]byte, 0, 2*len(row))
	for _, n := range row {
		packed = binary.BigEndian.AppendUint16(packed, n)
	}
	return packed
}

func unpack(packed []byte) []uint16 {
	row := make([]uint16, len(packed)/2)
	for i := range row {
		row[i] = binary.BigEndian.Uint16(packed[2*i:])
	}
	return row
}

// millis and fromMillis keep a time as Unix milliseconds; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
