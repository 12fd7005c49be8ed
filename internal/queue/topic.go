// Package queue carries jobs over SQS: at least once, in any order, for as long as four days.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// schema is the form of messages that this code writes. A worker that meets a newer one puts it off as it is: it was written by
// the release after its own, which will take it, or come back.
const schema = 1

// laterRelease is how long such a message is put off at a time.
const laterRelease = 5 * time.Minute

// envelope is the body of a message.
type envelope[T any] struct {
	Schema int `json:"schema"`
	Job    T   `json:"job"`
}

// Longest is the longest delay that SQS offers.
const Longest = 15 * time.Minute

// batch is the most messages that SQS takes in a call.
const batch = 10

// Topic is a queue of jobs of one type. T encodes as JSON and holds keys only: a queue is no place for
// names, addresses or secrets. If T has a method Group() string, the queue treats groups fairly, so
// that one account's flood does not delay another's job.
type Topic[T any] struct {
	Client *sqs.Client
	URL    string
}

// Send puts the jobs on the queue, to be seen after the delay (at most Longest; longer ones are cut). It
// returns nil only if every job was taken. After an error some may have been: jobs must bear to come
// twice.
func (t Topic[T]) Send(ctx context.Context, delay time.Duration, jobs ...T) error {
	const op = "queue.Send"
	for len(jobs) > 0 {
		n := min(batch, len(jobs))
		entries := make([]types.SendMessageBatchRequestEntry, n)
		for i, job := range jobs[:n] {
			entry, err := newEntry(i, delay, job)
			if err != nil {
				return bridge.E(op, bridge.Internal, err)
			}
			entries[i] = entry
		}
		result, err := t.Client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &t.URL, Entries: entries})
		if err != nil {
			return meaning(op, err)
		}
		if len(result.Failed) > 0 {
			return &bridge.Error{Op: op, Kind: bridge.Unavailable, Code: aws.ToString(result.Failed[0].Code),
				Err: fmt.Errorf("%d of %d messages were not taken", len(result.Failed), n)}
		}
		jobs = jobs[n:]
	}
	return nil
}

// open reads a message's job. There is none in one that is not readable, which is let go, or that a later release has written: that one
// is put off unchanged, since leaving it to the visibility time-out would count as a crash of the worker, and in the end make a dead letter
// of it. failed says that it was not put off either.
func (t Topic[T]) open(ctx context.Context, log *slog.Logger, m events.SQSMessage) (job T, there, failed bool) {
	var e envelope[T]
	if err := json.Unmarshal([]byte(m.Body), &e); err != nil || e.Schema < 1 {
		log.ErrorContext(ctx, "message not readable", "message_id", m.MessageId)
		return job, false, false
	}
	if e.Schema <= schema {
		return e.Job, true, false
	}
	log.WarnContext(ctx, "message of a later release", "message_id", m.MessageId, "schema", e.Schema)
	if err := resend(ctx, t.Client, t.URL, m.Body, m.Attributes["MessageGroupId"], laterRelease); err != nil {
		log.WarnContext(ctx, "message not put off; the visibility time-out will do", "message_id", m.MessageId, "err", err)
		return job, false, true
	}
	return job, false, false
}

// resend puts the body of a message on a queue again, word for word, to be seen after the delay (at most Longest; longer ones are
// cut). An empty group is none.
func resend(ctx context.Context, client *sqs.Client, url, body, group string, delay time.Duration) error {
	input := sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, DelaySeconds: seconds(delay)}
	if group != "" {
		input.MessageGroupId = &group
	}
	if _, err := client.SendMessage(ctx, &input); err != nil {
		return meaning("queue.resend", err)
	}
	return nil
}

// back returns what SQS is to deliver again, and has it come soon: the visibility time-out outlasts the slowest work six times, which is
// far too long after a failure that was over in a moment. What fails time and again comes later each time, and at last waits for the
// time-out. Receipts go on to be counted.
func (t Topic[T]) back(ctx context.Context, log *slog.Logger, failed []events.SQSMessage) (again events.SQSEventResponse) {
	for part := range slices.Chunk(failed, batch) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, 0, len(part))
		for i, m := range part {
			again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			if wait := pause(m); wait > 0 {
				entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{
					Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.ReceiptHandle, VisibilityTimeout: int32(wait / time.Second),
				})
			}
		}
		if len(entries) == 0 {
			continue
		}
		result, err := t.Client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &t.URL, Entries: entries})
		if err != nil || len(result.Failed) > 0 {
			log.WarnContext(ctx, "messages wait for the visibility time-out", "messages", len(entries), "err", err)
		}
	}
	return again
}

// pause is how long a message rests that has failed: ten seconds and up to half as much again, the second time a minute, then
// six. It is 0 if the time-out will do.
func pause(m events.SQSMessage) time.Duration {
	const first, often = 10 * time.Second, 3
	received, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil || received < 1 || received > often {
		return 0
	}
	wait := first
	for range received - 1 {
		wait *= 6
	}
	return wait + rand.N(wait/2)
}

// seconds is a delay as SQS takes it.
func seconds(delay time.Duration) int32 {
	return int32((min(delay, Longest) + time.Second - 1) / time.Second)
}

func newEntry[T any](i int, delay time.Duration, job T) (types.SendMessageBatchRequestEntry, error) {
	body, err := json.Marshal(envelope[T]{schema, job})
	if err != nil {
		return types.SendMessageBatchRequestEntry{}, err
	}
	entry := types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body)), DelaySeconds: seconds(delay)}
	if g, ok := any(job).(interface{ Group() string }); ok {
		entry.MessageGroupId = aws.String(g.Group())
	}
	return entry, nil
}

func meaning(op string, err error) error {
	var throttled *types.RequestThrottled
	if errors.As(err, &throttled) {
		return &bridge.Error{Op: op, Kind: bridge.Throttled, After: time.Second, Err: err}
	}
	return &bridge.Error{Op: op, Kind: bridge.Unavailable, Err: err}
}
