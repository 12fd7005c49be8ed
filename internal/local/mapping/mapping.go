// Package mapping plays Lambda's event source mapping for SQS: it receives messages in batches, gives each
// batch to a function, and deletes what the function did not report as failed.
//
// Messages that failed stay where they are until the queue's visibility timeout shows them again. A function that
// fails, is killed, or answers with what cannot be understood fails its whole batch. See
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html.
package mapping

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Outcome is how an invocation ended.
type Outcome struct {
	Answer []byte
	Failed bool // the function failed
	Closed bool // it was ended because the system is shut down: the messages should be visible at once
}

// Mapping gives the messages of a queue to a function.
type Mapping struct {
	Client          *sqs.Client
	QueueURL        string
	QueueARN        string
	Region          string
	BatchSize       int           // most messages in an invocation
	Window          time.Duration // how long a batch may be gathered; 0 takes what one receive gives
	Concurrency     int           // most invocations at a time
	PartialFailures bool          // the function names the messages that failed
	Invoke          func(ctx context.Context, event []byte) Outcome
	Say             func(line string) // about what went wrong
}

const (
	poll       = 20 * time.Second // SQS's longest
	mostAtOnce = 10               // messages that SQS gives or deletes in one request
)

// Run works until ctx ends, and then until the invocations that run have ended.
func (m *Mapping) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, m.Concurrency)
	var trouble string // the last error that was said
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch, err := m.receive(ctx)
		if len(batch) > 0 {
			running.Go(func() {
				m.work(context.WithoutCancel(ctx), batch)
				<-slots
			})
		} else {
			<-slots
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			trouble = ""
		default:
			if err.Error() != trouble {
				trouble = err.Error()
				m.Say("polling " + m.QueueURL + ": " + trouble)
			}
			pause := time.NewTimer(time.Second)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
		}
	}
}

// receive gathers a batch: what one receive gives, or what comes within the window after the first message.
func (m *Mapping) receive(ctx context.Context) ([]types.Message, error) {
	var batch []types.Message
	var end time.Time
	for {
		wait := poll
		if len(batch) > 0 {
			wait = min(poll, time.Until(end).Truncate(time.Second))
		}
		out, err := m.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:                    &m.QueueURL,
			MaxNumberOfMessages:         int32(min(mostAtOnce, m.BatchSize-len(batch))),
			WaitTimeSeconds:             int32(wait / time.Second),
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
			MessageAttributeNames:       []string{"All"},
		})
		if err != nil {
			return batch, err
		}
		if len(batch) == 0 {
			end = time.Now().Add(m.Window)
		}
		batch = append(batch, out.Messages...)
		if len(batch) == 0 || len(batch) >= m.BatchSize || time.Until(end) < time.Second {
			return batch, nil
		}
	}
}

// work gives a batch to the function and deletes what it dealt with.
func (m *Mapping) work(ctx context.Context, batch []types.Message) {
	event, err := json.Marshal(m.event(batch))
	if err != nil {
		m.Say("event: " + err.Error())
		return
	}
	out := m.Invoke(ctx, event)
	if out.Closed {
		m.show(ctx, batch)
		return
	}
	if out.Failed {
		return
	}
	failed := map[string]bool{}
	if m.PartialFailures {
		if failed, err = failures(out.Answer, batch); err != nil {
			m.Say("answered with what is no list of failures, so that the whole batch failed: " + err.Error())
			return
		}
	}
	var done []types.Message
	for _, message := range batch {
		if !failed[*message.MessageId] {
			done = append(done, message)
		}
	}
	m.remove(ctx, done)
}

// failures reads batchItemFailures. No answer, null and an empty list all mean success.
func failures(answer []byte, batch []types.Message) (map[string]bool, error) {
	var response *struct {
		BatchItemFailures []map[string]*string `json:"batchItemFailures"`
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &response); err != nil {
			return nil, err
		}
	}
	failed := map[string]bool{}
	if response == nil {
		return failed, nil
	}
	known := map[string]bool{}
	for _, message := range batch {
		known[*message.MessageId] = true
	}
	for _, item := range response.BatchItemFailures {
		id := item["itemIdentifier"]
		if id == nil || !known[*id] {
			return nil, fmt.Errorf("itemIdentifier is missing, or not that of a message in the batch")
		}
		failed[*id] = true
	}
	return failed, nil
}

// remove deletes messages. One that cannot be deleted will be delivered again, as on AWS.
func (m *Mapping) remove(ctx context.Context, messages []types.Message) {
	for len(messages) > 0 {
		n := min(mostAtOnce, len(messages))
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &m.QueueURL}
		for i, message := range messages[:n] {
			id := strconv.Itoa(i)
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: message.ReceiptHandle})
		}
		out, err := m.Client.DeleteMessageBatch(ctx, in)
		if err != nil {
			m.Say("deleting from " + m.QueueURL + ": " + err.Error())
		} else if len(out.Failed) > 0 && out.Failed[0].Code != nil {
			m.Say("deleting from " + m.QueueURL + ": " + *out.Failed[0].Code)
		}
		messages = messages[n:]
	}
}

// show makes messages visible at once.
func (m *Mapping) show(ctx context.Context, messages []types.Message) {
	for _, message := range messages {
		if _, err := m.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &m.QueueURL, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
		}); err != nil {
			m.Say("giving back to " + m.QueueURL + ": " + err.Error())
		}
	}
}

// record is a message as a function gets it.
type record struct {
	MessageID              string               `json:"messageId"`
	ReceiptHandle          string               `json:"receiptHandle"`
	Body                   string               `json:"body"`
	Attributes             map[string]string    `json:"attributes"`
	MessageAttributes      map[string]attribute `json:"messageAttributes"`
	MD5OfMessageAttributes *string              `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string               `json:"md5OfBody"`
	EventSource            string               `json:"eventSource"`
	EventSourceARN         string               `json:"eventSourceARN"`
	Region                 string               `json:"awsRegion"`
}

type attribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      *string  `json:"binaryValue,omitempty"` // base64
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func (m *Mapping) event(batch []types.Message) map[string][]record {
	var records []record
	for _, message := range batch {
		r := record{
			MessageID: *message.MessageId, ReceiptHandle: *message.ReceiptHandle, Body: *message.Body,
			Attributes: message.Attributes, MessageAttributes: map[string]attribute{},
			MD5OfMessageAttributes: message.MD5OfMessageAttributes, MD5OfBody: *message.MD5OfBody,
			EventSource: "aws:sqs", EventSourceARN: m.QueueARN, Region: m.Region,
		}
		for name, value := range message.MessageAttributes {
			a := attribute{StringValue: value.StringValue, StringListValues: []string{}, BinaryListValues: []string{}, DataType: *value.DataType}
			if value.BinaryValue != nil {
				text := base64.StdEncoding.EncodeToString(value.BinaryValue)
				a.BinaryValue = &text
			}
			r.MessageAttributes[name] = a
		}
		records = append(records, r)
	}
	return map[string][]record{"Records": records}
}
