package queue

import (
	"context"
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
		failed   []events.SQSMessage
		jobs     []T
		messages []events.SQSMessage // of the jobs
	)
	for _, message := range event.Records {
		switch job, there, unsent := b.Topic.open(ctx, b.Log, message); {
		case there:
			jobs, messages = append(jobs, job), append(messages, message)
		case unsent:
			failed = append(failed, message)
		}
	}
	if len(jobs) == 0 {
		return b.Topic.back(ctx, b.Log, failed), nil
	}
	delays := map[time.Duration][]T{}
	waiting := map[time.Duration][]events.SQSMessage{}
	for i, err := range b.run(ctx, jobs) {
		kind := bridge.KindOf(err)
		switch {
		case err == nil:
		case kind.Permanent():
			b.Log.ErrorContext(ctx, "job let go", "message_id", messages[i].MessageId, "kind", kind, "err", err)
		case kind == bridge.Throttled:
			delay := bridge.AfterOf(err, time.Minute)
			delays[delay], waiting[delay] = append(delays[delay], jobs[i]), append(waiting[delay], messages[i])
		default:
			b.Log.WarnContext(ctx, "job will run again", "message_id", messages[i].MessageId, "kind", kind, "err", err)
			failed = append(failed, messages[i])
		}
	}
	for delay, jobs := range delays {
		if err := b.Topic.Send(ctx, delay, jobs...); err != nil {
			b.Log.WarnContext(ctx, "jobs not put off; the visibility time-out will do", "jobs", len(jobs), "err", err)
			failed = append(failed, waiting[delay]...)
			continue
		}
		b.Log.InfoContext(ctx, "jobs put off", "jobs", len(jobs), "seconds", int(delay.Seconds()))
	}
	return b.Topic.back(ctx, b.Log, failed), nil
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
