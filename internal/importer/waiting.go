package importer

import (
	"context"
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Waiting is the work that waits for a connection.
type Waiting struct {
	Imports  int
	Contacts int // that have no outcome yet, about
}

type runningRows interface {
	// RunningImports returns the account's imports that have not ended.
	RunningImports(ctx context.Context, account bridge.AccountID) ([]bridge.Import, error)
}

// waits reports whether an import waits for its connection.
func waits(i bridge.Import) bool {
	return i.State == bridge.Running && (i.Parked == connectionDead || i.Parked == connectionEnded || i.Parked == orgRefuses)
}

// Waiting returns the work that waits, by connection.
func (s Service) Waiting(ctx context.Context, account bridge.AccountID) (map[bridge.ConnectionID]Waiting, error) {
	all, err := s.Imports.RunningImports(ctx, account)
	if err != nil {
		return nil, bridge.E("importer.Waiting", "", err)
	}
	found := map[bridge.ConnectionID]Waiting{}
	for _, i := range all {
		if waits(i) {
			of := found[i.Options.Connection]
			found[i.Options.Connection] = of.plus(i)
		}
	}
	return found, nil
}

func (w Waiting) plus(i bridge.Import) Waiting {
	return Waiting{w.Imports + 1, w.Contacts + max(0, max(i.Total, i.Selected)-i.Counts.Sum())}
}

// Waker sets imports going that wait for a connection. Its fields are set once.
type Waker struct {
	Imports interface {
		importRows
		runningRows
	}
	Jobs jobs
	Now  func() time.Time
}

// Wake sets the imports going that wait for a connection which works again, and returns what had waited. They
// would go on by themselves too, but a quarter of an hour later.
func (w Waker) Wake(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (Waiting, error) {
	const op = "importer.Wake"
	all, err := w.Imports.RunningImports(ctx, account)
	if err != nil {
		return Waiting{}, bridge.E(op, "", err)
	}
	var waited Waiting
	var failures error
	for _, i := range all {
		if i.Options.Connection != connection || !waits(i) {
			continue
		}
		waited = waited.plus(i)
		i.Parked, i.Until, i.BeatAt = "", time.Time{}, w.Now()
		err := w.Imports.SaveImport(ctx, i, w.Now().Add(firstLook))
		if err == nil {
			err = w.Jobs.Send(ctx, 0, pump(i, true))
		}
		if err != nil && bridge.KindOf(err) != bridge.Conflict { // a worker was faster
			failures = errors.Join(failures, err)
		}
	}
	return waited, bridge.E(op, "", failures)
}
