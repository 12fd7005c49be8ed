package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

type statusFunc func() (plumbing.Status, error)

func (f statusFunc) Status(context.Context, bridge.AccountID, bridge.ConnectionID) (plumbing.Status, error) {
	return f()
}

func TestLastMessage(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		status      plumbing.Status
		fails       error
		last, since time.Time
	}{
		"one came":               {plumbing.Status{Mode: plumbing.MessagesAndPoll, SeenAt: now, Since: now.Add(-time.Hour)}, nil, now, now.Add(-time.Hour)},
		"none came yet":          {plumbing.Status{Mode: plumbing.MessagesAndPoll, Since: now}, nil, time.Time{}, now},
		"none can come any more": {plumbing.Status{Mode: plumbing.PollAlone, SeenAt: now, Since: now}, nil, time.Time{}, time.Time{}},
		"nobody knows":           {plumbing.Status{}, errors.New("down"), time.Time{}, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last, since, err := lastMessage(statusFunc(func() (plumbing.Status, error) { return tc.status, tc.fails }))(t.Context(), "a_1", "c_1")
			if !last.Equal(tc.last) || !since.Equal(tc.since) || !errors.Is(err, tc.fails) {
				t.Errorf("last %v since %v, %v; want %v since %v", last, since, err, tc.last, tc.since)
			}
		})
	}
}
