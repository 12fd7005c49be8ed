package sqs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/sqs"
)

// The suite holds the simulated SQS, spoken to by AWS's own client, to what SQS does. With SQS_ENDPOINT set it runs against
// another SQS instead (see .ci/other-sqs), which keeps the suite itself honest.

// misses names the tests that moto 5.2.5 is known to fail, and what it does.
var misses = map[string]string{
	"TestBatchEntryWithAControlCharacter":               "sends it",
	"TestDeadLetterQueueNamesTheSource":                 "does not",
	"TestReceiptHandleOfAnEarlierReceiveIsWorthNothing": "still deletes with it",
	"TestRefusals/a_control_character":                  "takes it",
	"TestRefusals/a_number_that_is_none":                "takes it",
	"TestRefusals/an_attribute_out_of_range":            "takes it",
	"TestRefusals/an_attribute_that_is_no_number":       "breaks down",
	"TestRefusals/an_attribute_with_a_bad_name":         "takes it",
	"TestRefusals/an_attribute_without_value":           "takes it",
	"TestRefusals/an_empty_body":                        "takes it",
	"TestRefusals/an_unknown_attribute_of_a_queue":      "takes it",
	"TestRefusals/redrive_to_nonsense":                  "says that the queue does not exist",
	"TestRefusals/redrive_to_nowhere":                   "says that the queue does not exist",
}

// elsewhere is where another SQS is; empty for our own.
var elsewhere = os.Getenv("SQS_ENDPOINT")

func skipIfMissed(t *testing.T) {
	t.Helper()
	if why, ok := misses[t.Name()]; ok && elsewhere != "" {
		t.Skip("the other SQS is known to differ: " + why)
	}
}

// rig is a client and an empty queue of this test's own.
type rig struct {
	*client.Client
	t     *testing.T
	queue *string
}

func newRig(t *testing.T, attributes map[string]string) rig {
	t.Helper()
	t.Parallel()
	skipIfMissed(t)
	endpoint := elsewhere
	if endpoint == "" {
		server := httptest.NewServer(sqs.New(sqs.Options{}))
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	r := rig{Client: connect(endpoint), t: t}
	r.queue = r.create(attributes)
	return r
}

func connect(endpoint string) *client.Client {
	return client.New(client.Options{Region: "us-east-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("tester", "secret", "")})
}

func (r rig) name() string {
	return strings.NewReplacer("/", "-", ",", "", "'", "").Replace(fmt.Sprintf("%.60s-%s", r.t.Name(), strconv.FormatInt(time.Now().UnixNano(), 36)))
}

func (r rig) create(attributes map[string]string) *string {
	r.t.Helper()
	out, err := r.CreateQueue(r.t.Context(), &client.CreateQueueInput{QueueName: aws.String(r.name()), Attributes: attributes})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_, _ = r.DeleteQueue(context.Background(), &client.DeleteQueueInput{QueueUrl: out.QueueUrl}) // some tests have deleted it
	})
	return out.QueueUrl
}

func (r rig) send(body string) *client.SendMessageOutput {
	r.t.Helper()
	out, err := r.SendMessage(r.t.Context(), &client.SendMessageInput{QueueUrl: r.queue, MessageBody: &body})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r rig) receive(in client.ReceiveMessageInput) []types.Message {
	r.t.Helper()
	if in.QueueUrl == nil {
		in.QueueUrl = r.queue
	}
	if in.MaxNumberOfMessages == 0 {
		in.MaxNumberOfMessages = 10
	}
	out, err := r.ReceiveMessage(r.t.Context(), &in)
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Messages
}

// one receives the only message there is.
func (r rig) one(in client.ReceiveMessageInput) types.Message {
	r.t.Helper()
	messages := r.receive(in)
	if len(messages) != 1 {
		r.t.Fatalf("received %d messages, want 1", len(messages))
	}
	return messages[0]
}

func (r rig) attribute(queue *string, name types.QueueAttributeName) string {
	r.t.Helper()
	out, err := r.GetQueueAttributes(r.t.Context(), &client.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Attributes[string(name)]
}

// refused checks the code that the client reports, which is that of the query protocol.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("error = %v, want %s", err, code)
	}
	if got := api.ErrorCode(); got != code {
		t.Errorf("error = %s (%s), want %s", got, api.ErrorMessage(), code)
	}
}

func bodies(messages []types.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	slices.Sort(all)
	return all
}

func TestSendReceiveDelete(t *testing.T) {
	r := newRig(t, nil)
	sent := r.send("hello, 世界")

	got := r.one(client.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
	if *got.Body != "hello, 世界" || *got.MessageId != *sent.MessageId {
		t.Errorf("received %q with id %s, want %q with id %s", *got.Body, *got.MessageId, "hello, 世界", *sent.MessageId)
	}
	if got.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("receive count = %s, want 1", got.Attributes["ApproximateReceiveCount"])
	}
	for _, name := range []string{"SentTimestamp", "ApproximateFirstReceiveTimestamp"} {
		ms, err := strconv.ParseInt(got.Attributes[name], 10, 64)
		if age := time.Since(time.UnixMilli(ms)); err != nil || age < -time.Second || age > time.Minute {
			t.Errorf("%s = %q, want a time just now in milliseconds", name, got.Attributes[name])
		}
	}
	if again := r.receive(client.ReceiveMessageInput{}); len(again) != 0 {
		t.Errorf("received %d messages while the only one is in flight, want 0", len(again))
	}
	for range 2 { // deleting twice is as good as once
		if _, err := r.DeleteMessage(t.Context(), &client.DeleteMessageInput{QueueUrl: r.queue, ReceiptHandle: got.ReceiptHandle}); err != nil {
			t.Error(err)
		}
	}
	if n := r.attribute(r.queue, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible); n != "0" {
		t.Errorf("%s messages are in flight after the deletion, want 0", n)
	}
}

func TestMessageAttributes(t *testing.T) {
	r := newRig(t, nil)
	text := func(kind, value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	given := map[string]types.MessageAttributeValue{
		"account.id":   text("String", "a-1"),
		"account.name": text("String.label", "Ümläut"),
		"attempt":      text("Number", "3"),
		"blob":         {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2}},
	}
	if _, err := r.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: r.queue, MessageBody: aws.String("m"), MessageAttributes: given}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		ask  []string
		want []string
	}{
		"none unless asked for": {nil, nil},
		"all":                   {[]string{"All"}, []string{"account.id", "account.name", "attempt", "blob"}},
		"all, the other way":    {[]string{".*"}, []string{"account.id", "account.name", "attempt", "blob"}},
		"by name":               {[]string{"attempt", "nonsense"}, []string{"attempt"}},
		"by prefix":             {[]string{"account.*"}, []string{"account.id", "account.name"}},
	} {
		m := r.one(client.ReceiveMessageInput{MessageAttributeNames: tc.ask, VisibilityTimeout: 0})
		// The client leaves out a timeout of zero: show the message again for the next case.
		if _, err := r.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: r.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(m.MessageAttributes)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: received attributes %q, want %q", name, got, tc.want)
		}
		for key, got := range m.MessageAttributes {
			want := given[key]
			if *got.DataType != *want.DataType || aws.ToString(got.StringValue) != aws.ToString(want.StringValue) || !bytes.Equal(got.BinaryValue, want.BinaryValue) {
				t.Errorf("%s: attribute %s came back different", name, key)
			}
		}
		if (m.MD5OfMessageAttributes != nil) != (len(tc.want) > 0) {
			t.Errorf("%s: sum of attributes is %v", name, aws.ToString(m.MD5OfMessageAttributes))
		}
	}
}

// TestAttributeSums has sums that SQS itself gave, and one worked out by hand from their documentation.
func TestAttributeSums(t *testing.T) {
	r := newRig(t, nil)
	for want, given := range map[string]map[string]types.MessageAttributeValue{
		"ae7155c6026991b6d54b11589678bf9c": {"Foo": {DataType: aws.String("String"), StringValue: aws.String("Bar")}},
		"8cbe4db156db8a94db8b801b7addb984": {"attr1": {DataType: aws.String("Binary"),
			BinaryValue: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}},
		"e9de01631e74f68dc71e174b8c5f9b6a": {
			"account.id":   {DataType: aws.String("String"), StringValue: aws.String("a-1")},
			"account.name": {DataType: aws.String("String.label"), StringValue: aws.String("Ümläut")},
			"attempt":      {DataType: aws.String("Number"), StringValue: aws.String("3")},
			"blob":         {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2}},
		},
	} {
		sent, err := r.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: r.queue, MessageBody: aws.String("m"), MessageAttributes: given})
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(sent.MD5OfMessageAttributes); got != want {
			t.Errorf("sum of %v = %s, want %s", slices.Sorted(maps.Keys(given)), got, want)
		}
	}
}

func TestReceiptHandleOfAnEarlierReceiveIsWorthNothing(t *testing.T) {
	r := newRig(t, nil)
	r.send("m")
	old := r.one(client.ReceiveMessageInput{})
	if _, err := r.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: r.queue, ReceiptHandle: old.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	fresh := r.one(client.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"}})
	if fresh.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("receive count = %s, want 2", fresh.Attributes["ApproximateReceiveCount"])
	}

	if _, err := r.DeleteMessage(t.Context(), &client.DeleteMessageInput{QueueUrl: r.queue, ReceiptHandle: old.ReceiptHandle}); err != nil {
		t.Errorf("deleting with the old handle: %v, want success", err)
	}
	if n := r.attribute(r.queue, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible); n != "1" {
		t.Errorf("%s messages are in flight, want 1: the old handle must not delete", n)
	}
	_, err := r.ChangeMessageVisibility(t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: r.queue, ReceiptHandle: old.ReceiptHandle, VisibilityTimeout: 5})
	refused(t, err, "InvalidParameterValue")
}

func TestVisibilityTimeout(t *testing.T) {
	r := newRig(t, map[string]string{"VisibilityTimeout": "1"})
	r.send("m")
	first := r.one(client.ReceiveMessageInput{})
	again := r.one(client.ReceiveMessageInput{WaitTimeSeconds: 5})
	if *again.ReceiptHandle == *first.ReceiptHandle {
		t.Error("the second receive gave the same receipt handle")
	}
	r.one(client.ReceiveMessageInput{WaitTimeSeconds: 5, VisibilityTimeout: 60})
	if got := r.receive(client.ReceiveMessageInput{WaitTimeSeconds: 2}); len(got) != 0 {
		t.Errorf("a receive that asked for 60 s kept the message for the queue's second only")
	}
}

func TestDelay(t *testing.T) {
	r := newRig(t, map[string]string{"DelaySeconds": "1"})
	start := time.Now()
	r.send("delayed by the queue")
	if got := r.receive(client.ReceiveMessageInput{}); len(got) != 0 {
		t.Fatal("received a message that is still delayed")
	}
	if n := r.attribute(r.queue, types.QueueAttributeNameApproximateNumberOfMessagesDelayed); n != "1" {
		t.Errorf("%s messages are delayed, want 1", n)
	}
	r.one(client.ReceiveMessageInput{WaitTimeSeconds: 5})
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("received after %v, want a second", took)
	}
}

func TestLongPollEndsWithTheFirstMessage(t *testing.T) {
	r := newRig(t, nil)
	got := make(chan []types.Message)
	go func() {
		out, err := r.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: r.queue, WaitTimeSeconds: 20, MaxNumberOfMessages: 10})
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		got <- out.Messages
	}()
	r.send("wake up")
	start := time.Now()
	if messages := <-got; !slices.Equal(bodies(messages), []string{"wake up"}) {
		t.Errorf("received %q, want the message", bodies(messages))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the receive went on for %v after the message was there", took)
	}
}

func TestDeadLetterQueue(t *testing.T) {
	r := newRig(t, nil)
	sent, m := r.die()
	if *m.MessageId != *sent.MessageId || *m.Body != "poison" {
		t.Errorf("the dead-letter queue has %q with id %s, want the message with its id %s", *m.Body, *m.MessageId, *sent.MessageId)
	}
	if got := m.Attributes["ApproximateReceiveCount"]; got != "3" {
		t.Errorf("receive count = %s, want 3: it goes on in the dead-letter queue", got)
	}
}

func TestDeadLetterQueueNamesTheSource(t *testing.T) {
	r := newRig(t, nil)
	_, m := r.die()
	if got, want := m.Attributes["DeadLetterQueueSourceArn"], r.attribute(r.queue, types.QueueAttributeNameQueueArn); got != want {
		t.Errorf("source = %s, want %s", got, want)
	}
}

// die makes of the rig's queue a dead-letter queue, and of another one the rig's, sends a message and receives it until it is
// in the dead-letter queue, and there.
func (r *rig) die() (*client.SendMessageOutput, types.Message) {
	r.t.Helper()
	dead := r.queue
	arn := r.attribute(dead, types.QueueAttributeNameQueueArn)
	r.queue = r.create(map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":"2"}`})
	sent := r.send("poison")
	for range 2 {
		r.one(client.ReceiveMessageInput{})
	}
	if got := r.receive(client.ReceiveMessageInput{}); len(got) != 0 {
		r.t.Fatalf("received a third time, want the message in the dead-letter queue")
	}
	return sent, r.one(client.ReceiveMessageInput{QueueUrl: dead, WaitTimeSeconds: 5,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
}

func TestBatchAnswersForEachEntry(t *testing.T) {
	r := newRig(t, nil)
	out, err := r.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: r.queue, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("good"), MessageBody: aws.String("a")},
		{Id: aws.String("bad"), MessageBody: aws.String("c"), DelaySeconds: 901},
		{Id: aws.String("also-good"), MessageBody: aws.String("b")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 2 || len(out.Failed) != 1 {
		t.Fatalf("%d sent and %d failed, want 2 and 1", len(out.Successful), len(out.Failed))
	}
	if f := out.Failed[0]; *f.Id != "bad" || *f.Code != "InvalidParameterValue" || !f.SenderFault {
		t.Errorf("failed: id %s, code %s, sender's fault %t; want bad, InvalidParameterValue, true", *f.Id, *f.Code, f.SenderFault)
	}
	messages := r.receive(client.ReceiveMessageInput{})
	if got := bodies(messages); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("received %q, want a and b", got)
	}

	hidden, err := r.ChangeMessageVisibilityBatch(t.Context(), &client.ChangeMessageVisibilityBatchInput{QueueUrl: r.queue, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("0"), ReceiptHandle: messages[0].ReceiptHandle, VisibilityTimeout: 100},
		{Id: aws.String("1"), ReceiptHandle: aws.String("nonsense"), VisibilityTimeout: 100},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(hidden.Successful) != 1 || len(hidden.Failed) != 1 || *hidden.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("visibility: %d changed, %d failed; want one each, ReceiptHandleIsInvalid", len(hidden.Successful), len(hidden.Failed))
	}
	gone, err := r.DeleteMessageBatch(t.Context(), &client.DeleteMessageBatchInput{QueueUrl: r.queue, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("0"), ReceiptHandle: messages[0].ReceiptHandle},
		{Id: aws.String("1"), ReceiptHandle: messages[1].ReceiptHandle},
		{Id: aws.String("2"), ReceiptHandle: aws.String("nonsense")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(gone.Successful) != 2 || len(gone.Failed) != 1 || !gone.Failed[0].SenderFault {
		t.Errorf("deletion: %d done, %d failed; want 2 and 1, by the sender's fault", len(gone.Successful), len(gone.Failed))
	}
}

func TestBatchEntryWithAControlCharacter(t *testing.T) {
	r := newRig(t, nil)
	out, err := r.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: r.queue, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("good"), MessageBody: aws.String("a")},
		{Id: aws.String("bad"), MessageBody: aws.String("\x01")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "InvalidMessageContents" || !out.Failed[0].SenderFault {
		t.Errorf("%d sent, failed %+v; want one each, InvalidMessageContents by the sender's fault", len(out.Successful), out.Failed)
	}
}

func TestBatchRules(t *testing.T) {
	r := newRig(t, nil)
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	var eleven []types.SendMessageBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(strconv.Itoa(i), "m"))
	}
	for name, tc := range map[string]struct {
		entries []types.SendMessageBatchRequestEntry
		code    string
	}{
		"empty":           {[]types.SendMessageBatchRequestEntry{}, "AWS.SimpleQueueService.EmptyBatchRequest"},
		"eleven entries":  {eleven, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		"an id twice":     {[]types.SendMessageBatchRequestEntry{entry("a", "1"), entry("a", "2")}, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		"an id with dots": {[]types.SendMessageBatchRequestEntry{entry("a.b", "1")}, "AWS.SimpleQueueService.InvalidBatchEntryId"},
		"over a mebibyte": {[]types.SendMessageBatchRequestEntry{entry("a", strings.Repeat("x", 1<<19)), entry("b", strings.Repeat("x", 1<<19+1))}, "AWS.SimpleQueueService.BatchRequestTooLong"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.SendMessageBatch(t.Context(), &client.SendMessageBatchInput{QueueUrl: r.queue, Entries: tc.entries})
			refused(t, err, tc.code)
		})
	}
	if n := r.attribute(r.queue, types.QueueAttributeNameApproximateNumberOfMessages); n != "0" {
		t.Errorf("%s messages were sent by refused batches, want 0", n)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t, nil)
	r.send("m")
	handle := r.one(client.ReceiveMessageInput{}).ReceiptHandle
	nowhere := aws.String(*r.queue + "-nowhere")
	ctx := context.Background()
	type attributes = map[string]types.MessageAttributeValue
	send := func(in client.SendMessageInput) error {
		if in.QueueUrl == nil {
			in.QueueUrl = r.queue
		}
		if in.MessageBody == nil {
			in.MessageBody = aws.String("m")
		}
		_, err := r.SendMessage(ctx, &in)
		return err
	}
	receive := func(in client.ReceiveMessageInput) error {
		in.QueueUrl = r.queue
		_, err := r.ReceiveMessage(ctx, &in)
		return err
	}
	set := func(name, value string) error {
		_, err := r.SetQueueAttributes(ctx, &client.SetQueueAttributesInput{QueueUrl: r.queue, Attributes: map[string]string{name: value}})
		return err
	}
	create := func(name string, with map[string]string) error {
		_, err := r.CreateQueue(ctx, &client.CreateQueueInput{QueueName: &name, Attributes: with})
		return err
	}
	const nonexistent = "AWS.SimpleQueueService.NonExistentQueue"
	for name, tc := range map[string]struct {
		do   func() error
		code string
	}{
		"sending to no queue": {func() error { return send(client.SendMessageInput{QueueUrl: nowhere}) }, nonexistent},
		"address of no queue": {func() error {
			_, err := r.GetQueueUrl(ctx, &client.GetQueueUrlInput{QueueName: aws.String("nowhere")})
			return err
		}, nonexistent},
		"attributes of none": {func() error {
			_, err := r.GetQueueAttributes(ctx, &client.GetQueueAttributesInput{QueueUrl: nowhere})
			return err
		}, nonexistent},
		"an empty body":       {func() error { return send(client.SendMessageInput{MessageBody: aws.String("")}) }, "MissingParameter"},
		"a control character": {func() error { return send(client.SendMessageInput{MessageBody: aws.String("a\x00b")}) }, "InvalidMessageContents"},
		"a body too long": {func() error {
			return send(client.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
		}, "InvalidParameterValue"},
		"a delay too long":       {func() error { return send(client.SendMessageInput{DelaySeconds: 901}) }, "InvalidParameterValue"},
		"eleven messages":        {func() error { return receive(client.ReceiveMessageInput{MaxNumberOfMessages: 11}) }, "InvalidParameterValue"},
		"a wait too long":        {func() error { return receive(client.ReceiveMessageInput{WaitTimeSeconds: 21}) }, "InvalidParameterValue"},
		"invisible for too long": {func() error { return receive(client.ReceiveMessageInput{VisibilityTimeout: 43201}) }, "InvalidParameterValue"},
		"a handle from nowhere": {func() error {
			_, err := r.DeleteMessage(ctx, &client.DeleteMessageInput{QueueUrl: r.queue, ReceiptHandle: aws.String("nonsense")})
			return err
		}, "ReceiptHandleIsInvalid"},
		"hidden beyond half a day": {func() error {
			_, err := r.ChangeMessageVisibility(ctx, &client.ChangeMessageVisibilityInput{QueueUrl: r.queue, ReceiptHandle: handle, VisibilityTimeout: 43201})
			return err
		}, "InvalidParameterValue"},
		"an attribute without value": {func() error {
			return send(client.SendMessageInput{MessageAttributes: attributes{"a": {DataType: aws.String("String"), StringValue: aws.String("")}}})
		}, "InvalidParameterValue"},
		"an attribute of no known type": {func() error {
			return send(client.SendMessageInput{MessageAttributes: attributes{"a": {DataType: aws.String("Text"), StringValue: aws.String("x")}}})
		}, "InvalidParameterValue"},
		"a number that is none": {func() error {
			return send(client.SendMessageInput{MessageAttributes: attributes{"a": {DataType: aws.String("Number"), StringValue: aws.String("x")}}})
		}, "InvalidParameterValue"},
		"an attribute with a bad name": {func() error {
			return send(client.SendMessageInput{MessageAttributes: attributes{"a..b": {DataType: aws.String("String"), StringValue: aws.String("x")}}})
		}, "InvalidParameterValue"},
		"an unknown attribute of a queue": {func() error { return set("Colour", "red") }, "InvalidAttributeName"},
		"an attribute out of range":       {func() error { return set("VisibilityTimeout", "43201") }, "InvalidAttributeValue"},
		"an attribute that is no number":  {func() error { return set("DelaySeconds", "soon") }, "InvalidAttributeValue"},
		"redrive to nowhere": {func() error {
			return set("RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:nowhere","maxReceiveCount":5}`)
		}, "InvalidParameterValue"},
		"redrive to nonsense":     {func() error { return set("RedrivePolicy", `{"deadLetterTargetArn":"dummy","maxReceiveCount":42}`) }, "InvalidParameterValue"},
		"a queue with a bad name": {func() error { return create("no.dots", nil) }, "InvalidParameterValue"},
		"the same name, another way": {func() error {
			return create((*r.queue)[strings.LastIndex(*r.queue, "/")+1:], map[string]string{"DelaySeconds": "7"})
		}, "QueueAlreadyExists"},
	} {
		t.Run(name, func(t *testing.T) {
			skipIfMissed(t)
			refused(t, tc.do(), tc.code)
		})
	}
}

func TestErrorsHaveTheirTypes(t *testing.T) {
	r := newRig(t, nil)
	_, err := r.GetQueueUrl(t.Context(), &client.GetQueueUrlInput{QueueName: aws.String("nowhere")})
	var gone *types.QueueDoesNotExist
	if !errors.As(err, &gone) {
		t.Errorf("error = %T, want QueueDoesNotExist", err)
	}
}

func TestQueueAttributes(t *testing.T) {
	r := newRig(t, map[string]string{"VisibilityTimeout": "720", "MessageRetentionPeriod": "345600", "SqsManagedSseEnabled": "true"})
	out, err := r.GetQueueAttributes(t.Context(), &client.GetQueueAttributesInput{QueueUrl: r.queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	name := (*r.queue)[strings.LastIndex(*r.queue, "/")+1:]
	want := map[string]string{
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"VisibilityTimeout": "720", "SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:" + name,
	}
	for key := range want {
		if out.Attributes[key] != want[key] {
			t.Errorf("%s = %q, want %q", key, out.Attributes[key], want[key])
		}
	}
	if _, err := r.SetQueueAttributes(t.Context(), &client.SetQueueAttributesInput{QueueUrl: r.queue, Attributes: map[string]string{"VisibilityTimeout": "60"}}); err != nil {
		t.Fatal(err)
	}
	if got := r.attribute(r.queue, types.QueueAttributeNameVisibilityTimeout); got != "60" {
		t.Errorf("VisibilityTimeout = %s after it was set to 60", got)
	}
	again, err := r.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "60"}})
	if err != nil || *again.QueueUrl != *r.queue {
		t.Errorf("creating the queue as it is: %v, want the queue that is there", err)
	}
}

func TestPurge(t *testing.T) {
	r := newRig(t, nil)
	r.send("a")
	r.send("b")
	r.receive(client.ReceiveMessageInput{MaxNumberOfMessages: 1})
	if _, err := r.PurgeQueue(t.Context(), &client.PurgeQueueInput{QueueUrl: r.queue}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []types.QueueAttributeName{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		if n := r.attribute(r.queue, name); n != "0" {
			t.Errorf("%s = %s after the purge, want 0", name, n)
		}
	}
	_, err := r.PurgeQueue(t.Context(), &client.PurgeQueueInput{QueueUrl: r.queue})
	refused(t, err, "AWS.SimpleQueueService.PurgeQueueInProgress")
}

func TestListQueues(t *testing.T) {
	r := newRig(t, nil)
	prefix := r.name()
	var want []string
	for _, suffix := range []string{"-a", "-b", "-c"} {
		out, err := r.CreateQueue(t.Context(), &client.CreateQueueInput{QueueName: aws.String(prefix + suffix)})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, *out.QueueUrl)
	}
	var got []string
	pages := client.NewListQueuesPaginator(r.Client, &client.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.QueueUrls...)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	for _, queue := range want {
		if _, err := r.DeleteQueue(t.Context(), &client.DeleteQueueInput{QueueUrl: &queue}); err != nil {
			t.Error(err)
		}
	}
}

func TestFairQueueGroup(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.SendMessage(t.Context(), &client.SendMessageInput{QueueUrl: r.queue, MessageBody: aws.String("m"), MessageGroupId: aws.String("account-1")}); err != nil {
		t.Fatal(err)
	}
	m := r.one(client.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"MessageGroupId"}})
	if got := m.Attributes["MessageGroupId"]; got != "account-1" {
		t.Errorf("group = %q, want account-1", got)
	}
}
