package queue

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

func TestEachQueueHasItsHandler(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:sqs:us-east-1:000000000000:"
	var taken []string
	note := func(name string) Handler {
		return func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			taken = append(taken, name)
			return events.SQSEventResponse{}, nil
		}
	}
	w := Queues{"https://sqs.example/1/deals": note("deals"), "https://sqs.example/1/flows": note("flows")}
	for _, queue := range []string{"deals", "flows", "nobody's"} {
		event := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", EventSourceARN: arn + queue}, {MessageId: "2", EventSourceARN: arn + queue}}}
		again, err := w.Handle(t.Context(), event)
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
	if again, err := w.Handle(t.Context(), events.SQSEvent{}); err != nil || len(again.BatchItemFailures) > 0 {
		t.Errorf("nothing is answered by %v, %v", again, err)
	}
}

func TestThen(t *testing.T) {
	t.Parallel()
	var steps []string
	h := Handler(func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		steps = append(steps, "handled")
		if len(e.Records) == 0 {
			panic("nothing")
		}
		return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: "1"}}}, nil
	}).Then(func() { steps = append(steps, "ended") })
	again, err := h(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1"}}})
	if err != nil || len(again.BatchItemFailures) != 1 {
		t.Errorf("the answer is %v, %v, want the handler's own", again, err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = h(t.Context(), events.SQSEvent{})
	}()
	if want := []string{"handled", "ended", "handled", "ended"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}
