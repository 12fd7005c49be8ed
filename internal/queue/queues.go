package queue

import (
	"context"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Handler takes the messages of one queue, as those of Worker and Batch do.
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Then is the handler with something to do at the end of each delivery, whatever has become of it.
func (h Handler) Then(end func()) Handler {
	return func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		defer end()
		return h(ctx, event)
	}
}

// Queues are the handlers of a function that several queues start, by the addresses of the queues.
type Queues map[string]Handler

// Handle gives a delivery to the handler of its queue. All messages of a delivery come from one queue. One that nobody
// takes goes back, and after five times to its dead-letter queue, where it is seen.
func (q Queues) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if len(event.Records) == 0 {
		return events.SQSEventResponse{}, nil
	}
	arn := event.Records[0].EventSourceARN
	for url, take := range q {
		if after(url, '/') == after(arn, ':') {
			return take(ctx, event)
		}
	}
	slog.ErrorContext(ctx, "messages of a queue that nobody reads", "queue", arn)
	var again events.SQSEventResponse
	for _, m := range event.Records {
		again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
	return again, nil
}

// after is what follows the last mark in text: the queue's name in an address or an ARN.
func after(text string, mark byte) string { return text[strings.LastIndexByte(text, mark)+1:] }
