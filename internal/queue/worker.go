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

// Worker takes jobs off a queue. What Work returns decides what becomes of a job:
//
//	nil            done
//	Throttled      not now: sent again with the delay that the error asks for, so that the count of
//	               receipts keeps counting crashes only
//	Invalid, Denied, NotFound, Revoked
//	               never: logged and let go, so that it cannot hold up the jobs behind it
//	anything else  again after ten seconds, a minute, six minutes, and the queue's visibility time-out; then,
//	               the dead-letter queue
//
// Work must bear a job that comes twice, late, or while another worker has it.
type Worker[T any] struct {
	Work  func(context.Context, T) error
	Topic Topic[T] // where jobs that come too early go
	Log   *slog.Logger
}

// Handle answers SQS with the messages to deliver again, and only those.
func (w Worker[T]) Handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	var failed []events.SQSMessage
	for _, message := range event.Records {
		if !w.settle(ctx, message) {
			failed = append(failed, message)
		}
	}
	return w.Topic.back(ctx, w.Log, failed), nil
}

// settle runs a message's job and reports whether the message may be deleted.
func (w Worker[T]) settle(ctx context.Context, message events.SQSMessage) bool {
	log := w.Log.With("message_id", message.MessageId)
	job, there, unsent := w.Topic.open(ctx, w.Log, message)
	if !there {
		return !unsent
	}
	err := w.run(ctx, job)
	kind := bridge.KindOf(err)
	switch {
	case err == nil:
		return true
	case kind.Permanent():
		log.ErrorContext(ctx, "job let go", "kind", kind, "err", err)
		return true
	case kind == bridge.Throttled:
		delay := bridge.AfterOf(err, time.Minute)
		if err := w.Topic.Send(ctx, delay, job); err != nil {
			log.WarnContext(ctx, "job not put off; the visibility time-out will do", "err", err)
			return false
		}
		log.InfoContext(ctx, "job put off", "seconds", int(delay.Seconds()))
		return true
	default:
		log.WarnContext(ctx, "job will run again", "kind", kind, "err", err)
		return false
	}
}

// run calls Work and turns a panic into an error, so that it costs one job and not the batch.
func (w Worker[T]) run(ctx context.Context, job T) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			// The type only: a panic's text may quote what the job was about.
			w.Log.ErrorContext(ctx, "job panicked", "type", fmt.Sprintf("%T", caught), "stack", string(debug.Stack()))
			err = bridge.E("queue.run", bridge.Internal, errors.New("panic"))
		}
	}()
	return w.Work(ctx, job)
}
