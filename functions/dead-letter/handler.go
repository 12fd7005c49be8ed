package main

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/queue"
)

// office is where dead letters go, and where operators ask for them.
type office struct {
	Dead    queue.Dead
	Letters letter.Service
}

// input is what starts the function: messages of a dead-letter queue, or what an operator wants.
type input struct {
	events.SQSEvent
	List  letter.Queue `json:"list"`
	Again letter.Queue `json:"again"`
	Most  int          `json:"most"`
}

// How many letters an operator gets at a time: so many are sent well before the function's time is over.
const (
	usual = 100
	most  = 500
)

// report is what an operator hears. Counts are there also if something went wrong on the way.
type report struct {
	Letters []shown `json:"letters,omitempty"`
	Sent    int     `json:"sent"`
	Left    int     `json:"left"`
	Problem string  `json:"problem,omitempty"`
}

// shown is a letter for operators.
type shown struct {
	Message  string           `json:"message"`
	Account  bridge.AccountID `json:"account"`
	Sent     time.Time        `json:"sent"`
	Died     time.Time        `json:"died"`
	Received int              `json:"received"`
	Body     string           `json:"body"`
}

// handle answers SQS with the messages to deliver again, and an operator with a report. What the operator asked wrongly is in it:
// it is no failure of the function.
func (o office) handle(ctx context.Context, in input) (any, error) {
	var (
		answer report
		err    error
		limit  = min(cmp.Or(max(in.Most, 0), usual), most)
	)
	switch {
	case len(in.Records) > 0:
		return o.Dead.Handle(ctx, in.SQSEvent)
	case in.Again != "":
		answer.Sent, answer.Left, err = o.Letters.Redrive(ctx, in.Again, limit)
		slog.InfoContext(ctx, "dead letters sent again", "queue", in.Again, "sent", answer.Sent, "left", answer.Left)
	case in.List != "":
		var found []letter.Letter
		found, answer.Left, err = o.Letters.Look(ctx, in.List, limit)
		for _, l := range found {
			answer.Letters = append(answer.Letters, shown{l.ID, l.Account, l.SentAt, l.DiedAt, l.Received, l.Body})
		}
	default:
		err = bridge.Say("dead-letter.handle", bridge.Invalid, "", `say {"list": "<queue>"} or {"again": "<queue>", "most": <number>}`)
	}
	if err != nil {
		slog.WarnContext(ctx, "operator not served", "kind", bridge.KindOf(err), "err", err)
		message, _ := bridge.MessageOf(err)
		answer.Problem = cmp.Or(message, err.Error())
	}
	return answer, nil
}
