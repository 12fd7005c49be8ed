package doctor

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is a connection that is to be examined.
type Due struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	At         time.Time
}

type dueReports interface {
	// DueReports returns up to limit connections of each part of the index, those that wait longest first.
	DueReports(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeReport moves on the time; Conflict if it is not d.At any more.
	PostponeReport(ctx context.Context, d Due, until time.Time) error
	// DeleteReport takes a connection off the index, with its report. That there is none is fine.
	DeleteReport(context.Context, bridge.AccountID, bridge.ConnectionID) error
}

// Sweep examines the connections whose day is over. Its fields are set once.
type Sweep struct {
	Doctor  Service
	Reports dueReports
}

// The bounds of a sweep: what is left over is the next one's.
const (
	mostDue    = 50
	atOnce     = 4
	retryAfter = time.Hour       // if nothing comes of an examination
	patience   = 8 * time.Second // of one examination
)

// Run examines what is due. A connection is taken by moving its time on, so that two sweeps do not examine it twice.
// One that cannot be examined does not keep the others from it.
func (s Sweep) Run(ctx context.Context) error {
	const op = "doctor.Run"
	due, err := s.Reports.DueReports(ctx, s.Doctor.Now(), mostDue)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var (
		mu       sync.Mutex
		failures error
		group    errgroup.Group
	)
	group.SetLimit(atOnce)
	for _, d := range due {
		if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < 2*patience {
			break
		}
		group.Go(func() error {
			if err := s.examine(ctx, d); err != nil {
				mu.Lock()
				failures = errors.Join(failures, err)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait()
	return bridge.E(op, "", failures)
}

func (s Sweep) examine(ctx context.Context, d Due) error {
	err := s.Reports.PostponeReport(ctx, d, s.Doctor.Now().Add(retryAfter))
	if bridge.KindOf(err) == bridge.Conflict {
		return nil // another sweep has it
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = s.Doctor.Examine(ctx, d.Account, d.Connection)
	if bridge.KindOf(err) == bridge.NotFound { // it was disconnected, or its account erased
		return s.Reports.DeleteReport(ctx, d.Account, d.Connection)
	}
	return err
}
