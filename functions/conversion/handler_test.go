package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

func TestEachQueueHasItsHandler(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:sqs:us-east-1:000000000000:"
	var taken []string
	note := func(name string) handler {
		return func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			taken = append(taken, name)
			return events.SQSEventResponse{}, nil
		}
	}
	w := workers{"deals": note("deals"), "flows": note("flows")}
	for _, queue := range []string{"deals", "flows", "nobody's"} {
		event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", EventSourceARN: arn + queue}, {MessageId: "2", EventSourceARN: arn + queue}}}
		again, err := w.handle(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if back := len(again.BatchItemFailures); (back == 2) != (queue == "nobody's") {
			t.Errorf("%d of 2 messages of the queue %s go back", back, queue)
		}
	}
	if len(taken) != 2 || taken[0] != "deals" || taken[1] != "flows" {
		t.Errorf("taken by %q, want each by its own", taken)
	}
	if again, err := w.handle(t.Context(), events.SQSEvent{}); err != nil || len(again.BatchItemFailures) > 0 {
		t.Errorf("nothing is answered by %v, %v", again, err)
	}
}

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
