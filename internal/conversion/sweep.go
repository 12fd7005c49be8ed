package conversion

import (
	"context"
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is work that the sweep should see to.
type Due struct {
	Account bridge.AccountID
	Place   string // where it is kept
	At      time.Time
	Job     Job // that does it
}

type dueRows interface {
	// DueConversions returns up to limit pieces of work of each part of the index, those that wait longest first.
	DueConversions(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeConversion moves on the time; Conflict if it is not d.At any more.
	PostponeConversion(ctx context.Context, d Due, until time.Time) error
}

// Sweep finds work that waits no longer, and work that nobody is at: whose job was lost, or whose worker died. Its fields
// are set once.
type Sweep struct {
	Rows dueRows
	Jobs jobs
	Now  func() time.Time
}

// The bounds of a sweep: what is left over is next minute's.
const (
	mostDue  = 100
	lookLate = 5 * time.Minute // until work is looked after again if nothing comes of it
)

// Run sends a job for each piece of work that is due. Two sweeps at the same time do no harm, and a job more would do
// none either. The job is sent first: a sweep that dies in between leaves the work due.
func (s Sweep) Run(ctx context.Context) error {
	const op = "conversion.Run"
	found, err := s.Rows.DueConversions(ctx, s.Now(), mostDue)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, d := range found {
		err := s.Jobs.Send(ctx, 0, d.Job)
		if err == nil {
			err = s.Rows.PostponeConversion(ctx, d, s.Now().Add(lookLate))
		}
		if err != nil && bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err) // and on to the next: one must not hide the others
		}
	}
	return bridge.E(op, "", failures)
}
