package mapping

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// queue makes a queue and a mapping that reads it.
func queue(t *testing.T) (*Mapping, *aws.Server) {
	t.Helper()
	cloud := aws.New(aws.Options{})
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(aws.Region), config.WithBaseEndpoint(server.URL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("test", "test", "")))
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(c)
	name := "jobs"
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return &Mapping{
		Client: client, QueueURL: *made.QueueUrl, QueueARN: "arn:aws:sqs:us-east-1:000000000000:jobs", Region: "us-east-1",
		BatchSize: 10, Concurrency: 2, Say: func(line string) { t.Log(line) },
	}, cloud
}

func send(t *testing.T, m *Mapping, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := m.Client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &m.QueueURL, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

// left returns how many messages are in the queue, in flight or not.
func left(t *testing.T, m *Mapping) int {
	t.Helper()
	out, err := m.Client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &m.QueueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		n, err := strconv.Atoi(out.Attributes[name])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// run runs the mapping until so many messages came to the function, and returns the batches.
func run(t *testing.T, m *Mapping, until int, answer func(events.SQSEvent) Outcome) []events.SQSEvent {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var mu sync.Mutex
	var batches []events.SQSEvent
	count := 0
	m.Invoke = func(_ context.Context, raw []byte) Outcome {
		var event events.SQSEvent
		if err := json.Unmarshal(raw, &event); err != nil {
			t.Error(err)
		}
		out := answer(event)
		mu.Lock()
		defer mu.Unlock()
		batches = append(batches, event)
		if count += len(event.Records); count >= until {
			stop()
		}
		return out
	}
	m.Run(ctx)
	if count < until {
		t.Errorf("%d messages came, want %d", count, until)
	}
	return batches
}

func succeed(events.SQSEvent) Outcome { return Outcome{} }

func TestRecord(t *testing.T) {
	t.Parallel()
	m, _ := queue(t)
	body, kind, text := "hello", "String", "a_1"
	binary := "Binary"
	sent, err := m.Client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &m.QueueURL, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{
			"Account": {DataType: &kind, StringValue: &text}, "Raw": {DataType: &binary, BinaryValue: []byte{1, 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, m, 1, succeed)[0].Records[0]

	if got.MessageId != *sent.MessageId || got.Body != body || got.Md5OfBody != *sent.MD5OfMessageBody || got.Md5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Errorf("record = %+v, want what was sent as %v", got, sent)
	}
	if got.EventSource != "aws:sqs" || got.EventSourceARN != m.QueueARN || got.AWSRegion != "us-east-1" || got.ReceiptHandle == "" {
		t.Errorf("record = %+v, want where it comes from", got)
	}
	if got.Attributes["ApproximateReceiveCount"] != "1" || got.Attributes["SentTimestamp"] == "" {
		t.Errorf("attributes = %v, want the first receive and when it was sent", got.Attributes)
	}
	want := map[string]events.SQSMessageAttribute{
		"Account": {StringValue: &text, StringListValues: []string{}, BinaryListValues: [][]byte{}, DataType: "String"},
		"Raw":     {BinaryValue: []byte{1, 2}, StringListValues: []string{}, BinaryListValues: [][]byte{}, DataType: "Binary"},
	}
	if diff := cmp.Diff(got.MessageAttributes, want); diff != "" {
		t.Errorf("message attributes, got before want:\n%s", diff)
	}
	if n := left(t, m); n != 0 {
		t.Errorf("messages left = %d, want none", n)
	}
}

func TestWhatIsDeleted(t *testing.T) {
	t.Parallel()
	reply := func(format string) func(events.SQSEvent) Outcome {
		return func(e events.SQSEvent) Outcome {
			return Outcome{Answer: []byte(strings.ReplaceAll(format, "ID", e.Records[0].MessageId))}
		}
	}
	for name, tc := range map[string]struct {
		answer func(events.SQSEvent) Outcome
		whole  bool // the function does not name what failed
		left   int  // of one message
	}{
		"nothing was said":                  {answer: reply(``), left: 0},
		"null":                              {answer: reply(`null`), left: 0},
		"an empty object":                   {answer: reply(`{}`), left: 0},
		"an empty list":                     {answer: reply(`{"batchItemFailures":[]}`), left: 0},
		"a list that is null":               {answer: reply(`{"batchItemFailures":null}`), left: 0},
		"it failed":                         {answer: reply(`{"batchItemFailures":[{"itemIdentifier":"ID"}]}`), left: 1},
		"no JSON":                           {answer: reply(`oops`), left: 1},
		"a list that is none":               {answer: reply(`{"batchItemFailures":"ID"}`), left: 1},
		"an empty identifier":               {answer: reply(`{"batchItemFailures":[{"itemIdentifier":""}]}`), left: 1},
		"an identifier that is null":        {answer: reply(`{"batchItemFailures":[{"itemIdentifier":null}]}`), left: 1},
		"another name for it":               {answer: reply(`{"batchItemFailures":[{"id":"ID"}]}`), left: 1},
		"a message that nobody sent":        {answer: reply(`{"batchItemFailures":[{"itemIdentifier":"other"}]}`), left: 1},
		"the function failed":               {answer: func(events.SQSEvent) Outcome { return Outcome{Failed: true} }, left: 1},
		"failures of one who names none":    {answer: reply(`{"batchItemFailures":[{"itemIdentifier":"ID"}]}`), whole: true, left: 0},
		"nonsense of one who names none":    {answer: reply(`oops`), whole: true, left: 0},
		"the end came while it was working": {answer: func(events.SQSEvent) Outcome { return Outcome{Failed: true, Closed: true} }, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := queue(t)
			m.PartialFailures = !tc.whole
			send(t, m, "hello")
			run(t, m, 1, tc.answer)
			if n := left(t, m); n != tc.left {
				t.Errorf("messages left = %d, want %d", n, tc.left)
			}
		})
	}
}

func TestABatchIsGatheredWithinTheWindow(t *testing.T) {
	t.Parallel()
	m, cloud := queue(t)
	m.BatchSize, m.Window, m.Concurrency = 25, 3*time.Second, 1
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
	}
	send(t, m, want...)
	var got []string
	batches := run(t, m, 30, succeed)
	for _, batch := range batches {
		for _, r := range batch.Records {
			got = append(got, r.Body)
		}
	}
	if len(batches) != 2 || len(batches[0].Records) != 25 {
		t.Errorf("%d batches, the first of %d; want 2, the first of 25", len(batches), len(batches[0].Records))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("messages = %q, want each once", got)
	}
	if n := left(t, m); n != 0 {
		t.Errorf("messages left = %d, want none", n)
	}
	if deletes := cloud.SQS.Requests()["DeleteMessageBatch"]; deletes != 4 { // 10 at a time: 3 for the first batch
		t.Errorf("requests to delete = %d, want 4", deletes)
	}
}

func TestPollingGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	m, _ := queue(t)
	right := m.QueueURL
	var said []string
	made := make(chan struct{})
	m.QueueURL = strings.Replace(right, "jobs", "later", 1)
	m.Say = func(line string) {
		said = append(said, line)
		close(made)
	}
	go func() {
		<-made
		name := "later"
		if _, err := m.Client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Error(err)
		}
		send(t, m, "hello")
	}()
	run(t, m, 1, succeed)
	if len(said) != 1 || !strings.Contains(said[0], "QueueDoesNotExist") && !strings.Contains(said[0], "NonExistentQueue") {
		t.Errorf("said %q, want once that there is no queue", said)
	}
}
