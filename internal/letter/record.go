package letter

import (
	"context"
	"log/slog"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type adder interface {
	// AddLetter is a Conflict if the letter is there already, and NotFound if its account was erased, or is being erased.
	AddLetter(context.Context, Letter) error
}

// Recorder keeps letters. Its fields are set once.
type Recorder struct {
	Letters adder
	Count   func() // is told of each letter before it is kept, and so at least once
	Log     *slog.Logger
}

// Record keeps a letter, once however often its message comes. Somebody hears of it in any case: also if it cannot be kept.
func (r Recorder) Record(ctx context.Context, l Letter) error {
	r.Count()
	log := r.Log.With("queue", l.Queue, "message_id", l.ID, "account", l.Account)
	log.ErrorContext(ctx, "dead letter", "sent", l.SentAt, "received", l.Received)
	err := r.Letters.AddLetter(ctx, l)
	switch bridge.KindOf(err) {
	case bridge.Conflict:
		return nil
	case bridge.NotFound:
		log.InfoContext(ctx, "dead letter of an account that is erased")
		return nil
	default:
		return bridge.E("letter.Record", "", err)
	}
}
