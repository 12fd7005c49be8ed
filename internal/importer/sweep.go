package importer

import (
	"context"
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is an import that the sweep should look after.
type Due struct {
	Account bridge.AccountID
	Import  bridge.ImportID
	At      time.Time
}

type dueRows interface {
	// DueImports returns up to limit imports of each part of the index, those that wait longest first.
	DueImports(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeImport moves on the time; Conflict if it is not d.At any more.
	PostponeImport(ctx context.Context, d Due, until time.Time) error
}

// Sweep finds imports that nobody is at: whose job was lost, whose worker died, or whose wait is over. Its
// fields are set once.
type Sweep struct {
	Imports dueRows
	Jobs    jobs
	Now     func() time.Time
}

// The bounds of a sweep: what is left over is next minute's.
const (
	mostDue  = 100
	lookLate = 5 * time.Minute // until an import is looked after again if nothing comes of it
)

// Run sends a pump for each import that is due. Two sweeps at the same time do no harm: the second finds the time
// moved on; and a pump more would do none either. The pump is sent first: a sweep that dies in between
// leaves the import due.
func (s Sweep) Run(ctx context.Context) error {
	const op = "importer.Run"
	due, err := s.Imports.DueImports(ctx, s.Now(), mostDue)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, d := range due {
		err := s.Jobs.Send(ctx, 0, Job{Account: d.Account, Import: d.Import, Rescue: true})
		if err == nil {
			err = s.Imports.PostponeImport(ctx, d, s.Now().Add(lookLate))
		}
		if err != nil && bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err) // and on to the next: one import must not hide the others
		}
	}
	return bridge.E(op, "", failures)
}
