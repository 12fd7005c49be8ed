package plumbing

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is an installation that somebody should go on with.
type Due struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	At         time.Time
}

type dueInstallations interface {
	// DueInstallations returns up to limit installations of each part of the index, those that wait longest first.
	DueInstallations(ctx context.Context, now time.Time, limit int) ([]Due, error)
}

// Sweep finds installations that are due: to be checked, to be tried again, or because a job was lost or its worker
// died. Its fields are set once.
type Sweep struct {
	Installations dueInstallations
	Jobs          jobs
	Now           func() time.Time
}

// mostDue bounds a sweep: what is left over is the next one's.
const mostDue = 100

// Run sends a job for each installation that is due. It may come twice: a worker takes an installation by a write that
// makes it due later.
func (s Sweep) Run(ctx context.Context) error {
	const op = "plumbing.Run"
	due, err := s.Installations.DueInstallations(ctx, s.Now(), mostDue)
	if err != nil {
		return bridge.E(op, "", err)
	}
	jobs := make([]Job, len(due))
	for i, d := range due {
		jobs[i] = Job{Account: d.Account, Connection: d.Connection}
	}
	return bridge.E(op, "", s.Jobs.Send(ctx, 0, jobs...))
}
