package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

type job struct {
	Account string `json:"account"`
	Number  int    `json:"number"`
}

func (j job) Group() string { return j.Account }

var queues atomic.Int64

// newTopic returns a topic on a fresh queue: in the embedded emulator, or in the SQS that SQS_ENDPOINT
// names. fault makes the emulator fail.
func newTopic(t *testing.T, fault func(service, operation string, r *http.Request) *aws.Fault) Topic[job] {
	t.Helper()
	endpoint := os.Getenv("SQS_ENDPOINT")
	if endpoint == "" || fault != nil {
		server := httptest.NewServer(aws.New(aws.Options{Fault: fault}))
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	client := sqs.New(sqs.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
	name := fmt.Sprintf("test-%d-%d", time.Now().UnixNano(), queues.Add(1))
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return Topic[job]{Client: client, URL: *created.QueueUrl}
}

// receive takes all messages that can be seen now, in the form in which Lambda hands them over.
func receive(t *testing.T, topic Topic[job]) []events.SQSMessage {
	t.Helper()
	var all []events.SQSMessage
	for {
		got, err := topic.Client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &topic.URL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return all
		}
		for _, m := range got.Messages {
			all = append(all, events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, ReceiptHandle: *m.ReceiptHandle})
		}
	}
}

func counts(t *testing.T, topic Topic[job]) (visible, delayed string) {
	t.Helper()
	got, err := topic.Client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &topic.URL, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesDelayed}})
	if err != nil {
		t.Fatal(err)
	}
	return got.Attributes["ApproximateNumberOfMessages"], got.Attributes["ApproximateNumberOfMessagesDelayed"]
}

func TestEveryJobArrives(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, nil)
	jobs := make([]job, 23)
	for i := range jobs {
		jobs[i] = job{"a_1", i}
	}
	if err := topic.Send(t.Context(), 0, jobs...); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	worker := Worker[job]{Work: func(_ context.Context, j job) error { seen[j.Number] = true; return nil }, Topic: topic, Log: slog.New(slog.DiscardHandler)}
	response, err := worker.Handle(t.Context(), events.SQSEvent{Records: receive(t, topic)})
	if err != nil || len(response.BatchItemFailures) > 0 || len(seen) != 23 {
		t.Errorf("%d of 23 jobs arrived; failures %v, %v", len(seen), response.BatchItemFailures, err)
	}
}

func TestADelayedJobIsNotSeenYet(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, nil)
	if err := topic.Send(t.Context(), 24*time.Hour, job{"a_1", 1}); err != nil {
		t.Fatal(err)
	}
	if visible, delayed := counts(t, topic); visible != "0" || delayed != "1" {
		t.Errorf("%s visible and %s delayed, want 0 and 1", visible, delayed)
	}
}

func TestSendSaysWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault *aws.Fault
		kind  bridge.Kind
	}{
		"SQS is down":            {&aws.Fault{Status: 503, Code: "ServiceUnavailable", Message: "down"}, bridge.Unavailable},
		"SQS throttles":          {&aws.Fault{Status: 403, Code: "RequestThrottled", Message: "slow down"}, bridge.Throttled},
		"taken, but no answer":   {&aws.Fault{DropReply: true}, bridge.Unavailable},
		"SQS refuses our rights": {&aws.Fault{Status: 403, Code: "AccessDeniedException", Message: "no"}, bridge.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic := newTopic(t, func(_, operation string, _ *http.Request) *aws.Fault {
				if operation == "SendMessageBatch" {
					return tc.fault
				}
				return nil
			})
			if err := topic.Send(t.Context(), 0, job{"a_1", 1}); bridge.KindOf(err) != tc.kind {
				t.Errorf("Send = %v, want %s", err, tc.kind)
			}
		})
	}
}

type (
	handle  func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
	handler func(Topic[job], *slog.Logger, func(context.Context, job) error) handle
)

func TestWhatBecomesOfAMessage(t *testing.T) {
	t.Parallel()
	good, _ := json.Marshal(envelope[job]{schema, job{"a_1", 7}})
	fail := func(kind bridge.Kind) func() error {
		return func() error { return &bridge.Error{Op: "test", Kind: kind, After: 30 * time.Second} }
	}
	for name, tc := range map[string]struct {
		body    string
		work    func() error
		again   bool // SQS is asked to deliver it again
		delayed string
	}{
		"done":                               {body: string(good), work: func() error { return nil }, delayed: "0"},
		"not now, so it is put off":          {body: string(good), work: fail(bridge.Throttled), delayed: "1"},
		"never, so it is let go":             {body: string(good), work: fail(bridge.Invalid), delayed: "0"},
		"the other side is down":             {body: string(good), work: fail(bridge.Unavailable), again: true, delayed: "0"},
		"somebody else was first":            {body: string(good), work: fail(bridge.Conflict), again: true, delayed: "0"},
		"a fault of ours":                    {body: string(good), work: func() error { return errors.New("bug") }, again: true, delayed: "0"},
		"a panic costs this job only":        {body: string(good), work: func() error { panic("secret") }, again: true, delayed: "0"},
		"no JSON, so it is let go":           {body: "hello", delayed: "0"},
		"no envelope, so it is let go":       {body: `{"account":"a_1"}`, delayed: "0"},
		"of a later release, so it waits":    {body: `{"schema":2,"job":{}}`, delayed: "1"},
		"fields of a later release are fine": {body: `{"schema":1,"job":{"number":7,"colour":"red"}}`, work: func() error { return nil }, delayed: "0"},
	} {
		for how, newHandle := range map[string]handler{
			"alone": func(topic Topic[job], log *slog.Logger, work func(context.Context, job) error) handle {
				return Worker[job]{Work: work, Topic: topic, Log: log}.Handle
			},
			"in a batch": func(topic Topic[job], log *slog.Logger, work func(context.Context, job) error) handle {
				return Batch[job]{Topic: topic, Log: log, Work: func(ctx context.Context, jobs []job) []error {
					errs := make([]error, len(jobs))
					for i, j := range jobs {
						errs[i] = work(ctx, j)
					}
					return errs
				}}.Handle
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				topic := newTopic(t, nil)
				var log bytes.Buffer
				handle := newHandle(topic, slog.New(slog.NewTextHandler(&log, nil)), func(_ context.Context, j job) error {
					if j.Number != 7 {
						t.Errorf("job %+v, want number 7", j)
					}
					return tc.work()
				})
				response, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m-1", Body: tc.body}}})
				if err != nil || (len(response.BatchItemFailures) == 1) != tc.again {
					t.Errorf("failures %v, %v; want it again: %t", response.BatchItemFailures, err, tc.again)
				}
				if _, delayed := counts(t, topic); delayed != tc.delayed {
					t.Errorf("%s messages put off, want %s", delayed, tc.delayed)
				}
				if strings.Contains(log.String(), "secret") {
					t.Errorf("the log quotes a panic: %s", &log)
				}
			})
		}
	}
}

func TestABadJobDoesNotHoldUpItsNeighbours(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, nil)
	body := func(n int) string { b, _ := json.Marshal(envelope[job]{schema, job{"a_1", n}}); return string(b) }
	worker := Worker[job]{Topic: topic, Log: slog.New(slog.DiscardHandler), Work: func(_ context.Context, j job) error {
		if j.Number == 2 {
			return errors.New("bug")
		}
		return nil
	}}
	response, err := worker.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "one", Body: body(1)}, {MessageId: "two", Body: body(2)}, {MessageId: "three", Body: body(3)}}})
	if err != nil || len(response.BatchItemFailures) != 1 || response.BatchItemFailures[0].ItemIdentifier != "two" {
		t.Errorf("failures %v, %v; want just the second", response.BatchItemFailures, err)
	}
}
