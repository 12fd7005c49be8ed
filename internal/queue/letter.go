package queue

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
)

// Dead takes messages off dead-letter queues. None is let go that was not recorded.
type Dead struct {
	Record func(context.Context, letter.Letter) error
	Queues map[string]letter.Queue // which has given up the messages, by the addresses of the dead-letter queues
	Now    func() time.Time
	Log    *slog.Logger
}

// Handle answers SQS with the messages to deliver again, and only those.
func (d Dead) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	handlers := Queues{}
	for url, q := range d.Queues {
		handlers[url] = func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
			return d.take(ctx, q, event), nil
		}
	}
	return handlers.Handle(ctx, event)
}

func (d Dead) take(ctx context.Context, q letter.Queue, event events.SQSEvent) (again events.SQSEventResponse) {
	for _, m := range event.Records {
		received, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
		sent, _ := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
		err := d.Record(ctx, letter.Letter{
			ID: m.MessageId, Queue: q, Account: About(m.Body).Account, Body: m.Body,
			SentAt: time.UnixMilli(sent).UTC(), DiedAt: d.Now(), Received: received,
		})
		if err != nil {
			d.Log.ErrorContext(ctx, "dead letter not kept", "queue", q, "message_id", m.MessageId, "kind", bridge.KindOf(err), "err", err)
			again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return again
}

// About reads what a message's job is about, also in one of a later release. It is empty if the message cannot be read.
func About(body string) letter.About {
	var e envelope[letter.About]
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Schema < 1 {
		return letter.About{}
	}
	return e.Job
}

// Returns send dead letters to where they come from, word for word.
type Returns struct {
	Client *sqs.Client
	URLs   map[letter.Queue]string
}

// Send puts the body of a letter on its queue, to be seen after the delay (at most Longest; longer ones are cut).
func (r Returns) Send(ctx context.Context, l letter.Letter, delay time.Duration) error {
	url, known := r.URLs[l.Queue]
	if !known {
		return bridge.Say("queue.Send", bridge.Invalid, "", "nothing is sent to that queue again")
	}
	return resend(ctx, r.Client, url, l.Body, string(l.Account), delay) // the group is the job's own
}
