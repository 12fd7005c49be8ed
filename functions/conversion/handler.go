package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// handler takes the messages of one queue.
type handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// workers are the handlers by the names of their queues.
type workers map[string]handler

// handle gives a delivery to the handler of its queue. All messages of a delivery come from one queue. One that nobody
// takes goes back, and after five times to its dead-letter queue, where it is seen.
func (w workers) handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if len(event.Records) == 0 {
		return events.SQSEventResponse{}, nil
	}
	arn := event.Records[0].EventSourceARN
	take := w[arn[strings.LastIndexByte(arn, ':')+1:]]
	if take == nil {
		slog.ErrorContext(ctx, "messages of a queue that nobody reads", "queue", arn)
		var again events.SQSEventResponse
		for _, m := range event.Records {
			again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
		return again, nil
	}
	return take(ctx, event)
}

// queueName is the name in a queue's address.
func queueName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
