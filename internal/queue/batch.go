package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Batch takes jobs off a queue, all that come in one delivery together. What Work returns for each decides what becomes
// of it, as with Worker.
type Batch[T any] struct {
	Work  func(context.Context, []T) []error // one error for each job, nil where it is done
	Topic Topic[T]                           // where jobs that come too early go
	Log   *slog.Logger
}

// Handle answers SQS with the messages to deliver again, and only those.
func (b Batch[T]) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	var (
		again events.SQSEventResponse
		jobs  []T
		ids   []string
	)
	back := func(id string) {
		again.BatchItemFailures = append(again.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	for _, message := range event.Records {
		var e envelope[T]
		if err := json.Unmarshal([]byte(message.Body), &e); err != nil || e.Schema < 1 {
			b.Log.ErrorContext(ctx, "message not readable", "message", message.MessageId)
			continue
		}
		if e.Schema > schema {
			b.Log.WarnContext(ctx, "message of a later release", "message", message.MessageId, "schema", e.Schema)
			if err := b.Topic.putOff(ctx, laterRelease, message); err != nil {
				b.Log.WarnContext(ctx, "message not put off; the visibility time-out will do", "message", message.MessageId, "err", err)
				back(message.MessageId)
			}
			continue
		}
		jobs, ids = append(jobs, e.Job), append(ids, message.MessageId)
	}
	if len(jobs) == 0 {
		return again, nil
	}
	delays := map[time.Duration][]T{}
	waiting := map[time.Duration][]string{}
	for i, err := range b.run(ctx, jobs) {
		kind := bridge.KindOf(err)
		switch {
		case err == nil:
		case kind.Permanent():
			b.Log.ErrorContext(ctx, "job let go", "message", ids[i], "kind", kind, "err", err)
		case kind == bridge.Throttled:
			delay := bridge.AfterOf(err, time.Minute)
			delays[delay], waiting[delay] = append(delays[delay], jobs[i]), append(waiting[delay], ids[i])
		default:
			b.Log.WarnContext(ctx, "job will run again", "message", ids[i], "kind", kind, "err", err)
			back(ids[i])
		}
	}
	for delay, jobs := range delays {
		if err := b.Topic.Send(ctx, delay, jobs...); err != nil {
			b.Log.WarnContext(ctx, "jobs not put off; the visibility time-out will do", "jobs", len(jobs), "err", err)
			for _, id := range waiting[delay] {
				back(id)
			}
			continue
		}
		b.Log.InfoContext(ctx, "jobs put off", "jobs", len(jobs), "seconds", int(delay.Seconds()))
	}
	return again, nil
}

// run calls Work and turns a panic into an error of every job.
func (b Batch[T]) run(ctx context.Context, jobs []T) (errs []error) {
	defer func() {
		if caught := recover(); caught != nil {
			b.Log.ErrorContext(ctx, "jobs panicked", "type", fmt.Sprintf("%T", caught), "stack", string(debug.Stack()))
			errs = make([]error, len(jobs))
			for i := range errs {
				errs[i] = bridge.E("queue.run", bridge.Internal, errors.New("panic"))
			}
		}
	}()
	return b.Work(ctx, jobs)
}
