package queue

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// TestWhatFailedComesAgainSoon lets a job fail each time it comes, with the time-out of a queue whose work may take five minutes.
func TestWhatFailedComesAgainSoon(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Minute
	log := slog.New(slog.DiscardHandler)
	fails := errors.New("DynamoDB does not answer")
	for name, handle := range map[string]func(Topic[job]) Handler{
		"alone": func(topic Topic[job]) Handler {
			return Worker[job]{Work: func(context.Context, job) error { return fails }, Topic: topic, Log: log}.Handle
		},
		"in a batch": func(topic Topic[job]) Handler {
			return Batch[job]{Work: func(_ context.Context, jobs []job) []error { return []error{fails} }, Topic: topic, Log: log}.Handle
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			server := httptest.NewServer(aws.New(aws.Options{Now: func() time.Time { return now }}))
			t.Cleanup(server.Close)
			client := sqs.New(sqs.Options{
				BaseEndpoint: &server.URL, Region: aws.Region, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
			})
			queue := "jobs"
			made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &queue, Attributes: map[string]string{"VisibilityTimeout": "1800"}})
			if err != nil {
				t.Fatal(err)
			}
			topic := Topic[job]{Client: client, URL: *made.QueueUrl}
			if err := topic.Send(t.Context(), 0, job{"a_1", 1}); err != nil {
				t.Fatal(err)
			}
			for times, want := range [][2]time.Duration{{10 * time.Second, 15 * time.Second}, {time.Minute, 90 * time.Second}, {6 * time.Minute, 9 * time.Minute}, {timeout, timeout}} {
				message, there := next(t, topic)
				if !there {
					t.Fatalf("after failing %d times it does not come", times)
				}
				again, err := handle(topic)(t.Context(), events.SQSEvent{Records: []events.SQSMessage{message}})
				if err != nil || len(again.BatchItemFailures) != 1 || again.BatchItemFailures[0].ItemIdentifier != message.MessageId {
					t.Fatalf("the answer is %+v, %v; want the message", again, err)
				}
				now = now.Add(want[0] - time.Second)
				if _, there := next(t, topic); there {
					t.Fatalf("after failing %d times it comes before %s", times+1, want[0])
				}
				now = now.Add(want[1] - want[0] + time.Second)
			}
		})
	}
}

// next is what can be seen on the queue, in the form in which Lambda hands it over.
func next(t *testing.T, topic Topic[job]) (events.SQSMessage, bool) {
	t.Helper()
	got, err := topic.Client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &topic.URL, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) == 0 {
		return events.SQSMessage{}, false
	}
	m := got.Messages[0]
	return events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, ReceiptHandle: *m.ReceiptHandle, Attributes: m.Attributes}, true
}
