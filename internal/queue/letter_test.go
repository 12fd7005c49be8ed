package queue

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
)

func TestDeadMessagesBecomeLetters(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_123).UTC()
	for name, tc := range map[string]struct {
		body    string
		account bridge.AccountID
	}{
		"a job of an account":         {`{"schema":1,"job":{"account":"a_1","import":"i_1"}}`, "a_1"},
		"a job of a later release":    {`{"schema":7,"job":{"account":"a_1","colour":"red"}}`, "a_1"},
		"a job that names no account": {`{"schema":1,"job":{"import":"i_1"}}`, ""},
		"an account that is no text":  {`{"schema":1,"job":{"account":7}}`, ""},
		"no envelope":                 {`{"account":"a_1"}`, ""},
		"no JSON":                     {"hello", ""},
		"a schedule":                  {`{"sweep":"due"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []letter.Letter
			dead := Dead{
				Record: func(_ context.Context, l letter.Letter) error { got = append(got, l); return nil },
				Queues: map[string]letter.Queue{"https://sqs.example/1/stack-ImportsDead-X": letter.Imports, "https://sqs.example/1/stack-PlumbingDead-X": letter.Plumbing},
				Now:    func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
			}
			again, err := dead.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{
				MessageId: "m-1", Body: tc.body, EventSourceARN: "arn:aws:sqs:us-east-1:1:stack-ImportsDead-X",
				Attributes: map[string]string{"SentTimestamp": "1793610000000", "ApproximateReceiveCount": "6"},
			}}})
			want := []letter.Letter{{
				ID: "m-1", Queue: letter.Imports, Account: tc.account, Body: tc.body, SentAt: time.UnixMilli(1_793_610_000_000).UTC(), DiedAt: now, Received: 6,
			}}
			if diff := cmp.Diff(got, want); err != nil || len(again.BatchItemFailures) > 0 || diff != "" {
				t.Errorf("%v, %v, letters differ (-got +want):\n%s", again, err, diff)
			}
		})
	}
}

func TestADeadMessageThatCannotBeKeptComesAgain(t *testing.T) {
	t.Parallel()
	dead := Dead{
		Record: func(_ context.Context, l letter.Letter) error {
			if l.ID == "two" {
				return errors.New("the table is away")
			}
			return nil
		},
		Queues: map[string]letter.Queue{"https://sqs.example/1/ImportsDead": letter.Imports}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	message := func(id string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, EventSourceARN: "arn:aws:sqs:us-east-1:1:ImportsDead"}
	}
	again, err := dead.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{message("one"), message("two"), message("three")}})
	if err != nil || len(again.BatchItemFailures) != 1 || again.BatchItemFailures[0].ItemIdentifier != "two" {
		t.Errorf("failures %v, %v; want just the second", again.BatchItemFailures, err)
	}
}

func TestALetterGoesBackWordForWord(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, nil)
	back := Returns{Client: topic.Client, URLs: map[letter.Queue]string{letter.Imports: topic.URL}}
	const body = `{"schema":7,"job":{"account":"a_1","colour":"red"}}`
	if err := back.Send(t.Context(), letter.Letter{Queue: letter.Imports, Account: "a_1", Body: body}, 0); err != nil {
		t.Fatal(err)
	}
	got, err := topic.Client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &topic.URL, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameMessageGroupId},
	})
	if err != nil || len(got.Messages) != 1 || *got.Messages[0].Body != body || got.Messages[0].Attributes["MessageGroupId"] != "a_1" {
		t.Errorf("received %+v, %v, want the body in the account's group", got, err)
	}
	if err := back.Send(t.Context(), letter.Letter{Queue: letter.Imports, Body: "hello"}, 24*time.Hour); err != nil {
		t.Errorf("a letter of nobody, for later: %v", err)
	}
	if visible, delayed := counts(t, topic); visible != "0" || delayed != "1" {
		t.Errorf("%s visible and %s delayed, want 0 and 1", visible, delayed)
	}
	if err := back.Send(t.Context(), letter.Letter{Queue: letter.Schedule, Body: "hello"}, 0); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("to a queue that takes none: %v, want invalid", err)
	}
}
