package importer

import (
	"context"
	"errors"
	"log/slog"
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
	Import(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
	Page(ctx context.Context, account bridge.AccountID, id bridge.ImportID, number int) (Sheet, error)
}

// Sweep finds imports that nobody is at: whose job was lost, whose worker died, or whose wait is over. Its
// fields are set once.
type Sweep struct {
	Imports dueRows
	Jobs    jobs
	Now     func() time.Time
	Log     *slog.Logger
}

// The bounds of a sweep: what is left over is next minute's.
const (
	mostDue  = 100
	lookLate = 5 * time.Minute  // until an import is looked after again if nothing comes of it
	stillFor = 10 * time.Minute // without a sign of life, of an import that waits for nothing: then sending pumps does not help
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
		s.listen(ctx, d)
		if err != nil && bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err) // and on to the next: one import must not hide the others
		}
	}
	return bridge.E(op, "", failures)
}

// listen tells operators of an import that should go on and does not. Few imports are ever due, so that reading them costs next
// to nothing.
func (s Sweep) listen(ctx context.Context, d Due) {
	still, err := s.stillness(ctx, d)
	switch {
	case err != nil:
		s.Log.WarnContext(ctx, "import not looked at", "account", d.Account, "import", d.Import, "kind", bridge.KindOf(err), "err", err)
	case still > stillFor:
		s.Log.ErrorContext(ctx, "import shows no sign of life", "account", d.Account, "import", d.Import, "seconds", int(still.Seconds()))
	}
}

// stillness is for how long nobody has finished a page of an import that should go on, or so much as taken one. Pages that
// share few calls take long to be finished, but somebody takes one each minute.
func (s Sweep) stillness(ctx context.Context, d Due) (time.Duration, error) {
	i, err := s.Imports.Import(ctx, d.Account, d.Import)
	if err != nil || i.State.Ended() || i.State == bridge.Paused {
		return 0, err
	}
	last := later(i.BeatAt, i.Until) // it may have waited
	for _, number := range i.Open[:min(window, len(i.Open))] {
		if s.Now().Sub(last) <= stillFor {
			break
		}
		sheet, err := s.Imports.Page(ctx, i.Account, i.ID, number)
		if err != nil {
			return 0, err
		}
		last = later(last, sheet.Page.TakenAt)
	}
	return s.Now().Sub(last), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
