package provision

import (
	"context"
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is a setup that is to be looked after.
type Due struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	At         time.Time
}

type dueSetups interface {
	// DueSetups returns up to limit setups of each part of the index, those that wait longest first.
	DueSetups(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeSetup moves on the time; Conflict if it is not d.At any more.
	PostponeSetup(ctx context.Context, d Due, until time.Time) error
}

// Sweep sends the jobs for the daily checks, and again those of steps that do not come to an end. Its fields are set once.
type Sweep struct {
	Setups dueSetups
	Jobs   jobs
	Now    func() time.Time
}

const (
	mostDue = 100
	again   = time.Hour // until a job counts as lost
)

// Run sends the jobs that are due. A setup is taken by moving its time on, so that two sweeps do not send two jobs.
func (s Sweep) Run(ctx context.Context) error {
	const op = "provision.Run"
	due, err := s.Setups.DueSetups(ctx, s.Now(), mostDue)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, d := range due {
		err := s.Setups.PostponeSetup(ctx, d, s.Now().Add(again))
		if bridge.KindOf(err) == bridge.Conflict {
			continue // another sweep has it
		}
		if err == nil {
			err = s.Jobs.Send(ctx, 0, Job{Account: d.Account, Connection: d.Connection, Check: true})
		}
		failures = errors.Join(failures, err)
	}
	return bridge.E(op, "", failures)
}
