package syncer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Due is a campaign that is to be looked after, or a cause that is to be tried again.
type Due struct {
	Account  bridge.AccountID
	Campaign bridge.CampaignID
	Cause    string // empty for a campaign
	At       time.Time
	Tries    int // of a cause
}

type waiting interface {
	// DueSyncs returns up to limit campaigns of each part of the index, those that wait longest first.
	DueSyncs(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeSync moves on the time at which a campaign is looked after; Conflict if it is not d.At any more.
	PostponeSync(ctx context.Context, d Due, until time.Time) error
	DueCauses(ctx context.Context, now time.Time, limit int) ([]Due, error)
	// PostponeCause moves on the time at which a cause is tried, and counts the try.
	PostponeCause(ctx context.Context, d Due, until time.Time) error
	// EndCause forgets a cause that nobody has any more.
	EndCause(ctx context.Context, d Due) error
}

// Sweep looks after campaigns whose runs are due, wait, or have been lost, and tries again what was refused: one record of
// each cause, and the others when that one succeeds.
type Sweep struct {
	Rows interface {
		waiting
		attention
	}
	Changes func(ctx context.Context, delay time.Duration, hints ...Hint) error
	Jobs    func(ctx context.Context, delay time.Duration, jobs ...Job) error
	Now     func() time.Time
	Log     *slog.Logger
}

// Run sweeps once.
func (s Sweep) Run(ctx context.Context) error {
	const (
		op    = "syncer.Sweep"
		limit = 50
		gone  = 5 * time.Minute // until a campaign is looked after again whose job was lost
	)
	due, err := s.Rows.DueSyncs(ctx, s.Now(), limit)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, d := range due {
		err := s.Rows.PostponeSync(ctx, d, s.Now().Add(gone))
		if err == nil {
			err = s.Jobs(ctx, 0, Job{d.Account, d.Campaign})
		}
		if bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err)
		}
	}
	due, err = s.Rows.DueCauses(ctx, s.Now(), limit)
	if err != nil {
		return bridge.E(op, "", errors.Join(failures, err))
	}
	for _, d := range due {
		if err := s.probe(ctx, d); bridge.KindOf(err) != bridge.Conflict {
			failures = errors.Join(failures, err)
		}
	}
	return bridge.E(op, "", failures)
}

// probe tries one record of a cause.
func (s Sweep) probe(ctx context.Context, d Due) error {
	ids, err := s.Rows.Needing(ctx, d.Account, d.Campaign, d.Cause, "", 1)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return s.Rows.EndCause(ctx, d)
	}
	if err := s.Rows.PostponeCause(ctx, d, s.Now().Add(probeWait(d.Tries))); err != nil {
		return err
	}
	return s.Changes(ctx, 0, Hint{Account: d.Account, Campaign: d.Campaign, Subscriber: ids[0], At: s.Now().UnixMilli(), Why: "retry", Force: true})
}

// probeWait is how long a cause rests between tries: longer each time, up to six hours.
func probeWait(tries int) time.Duration { return min(firstProbe<<min(tries, 5), 6*time.Hour) }

// firstProbe is when a refused record is tried again for the first time.
const firstProbe = 15 * time.Minute

// FirstProbe is when that is, from the moment at which the first record of a cause was refused.
func FirstProbe(at time.Time) time.Time { return at.Add(firstProbe) }
