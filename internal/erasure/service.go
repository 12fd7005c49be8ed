// Package erasure deletes an account with everything that is kept for it.
//
// Access ends at once: sessions, the consent of Salesforce, imports. The rows follow a few minutes later, when no worker
// can be alive that has begun before and might write one more. An erasure is itself a row, the last to go, so
// that a sweep finishes what a crash has interrupted; each of its steps may be repeated.
package erasure

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// quiet is how long nothing is deleted after access has ended: twice as long as any worker lives, which may have begun just before.
const quiet = 10 * time.Minute

// Begun is an erasure on its way.
type Begun struct {
	Account bridge.AccountID
	At      time.Time // when it was asked for
	Due     time.Time // when it is to go on
}

type rows interface {
	// BeginErasure notes that an account is to be erased; Conflict if it is noted already.
	BeginErasure(context.Context, Begun) error
	// DueErasures returns up to limit erasures of each part of the index, those that wait longest first.
	DueErasures(ctx context.Context, now time.Time, limit int) ([]Begun, error)
	// PostponeErasure moves on the time at which one goes on; Conflict if it is not b.Due any more.
	PostponeErasure(ctx context.Context, b Begun, until time.Time) error
	// EndAccess deletes the account's sessions, its people and what they have begun.
	EndAccess(context.Context, bridge.AccountID) error
	// DeleteAccount deletes every row of the account, that of the erasure last.
	DeleteAccount(context.Context, bridge.AccountID) error
}

type connections interface {
	List(context.Context, bridge.AccountID) ([]bridge.Connection, error)
	Disconnect(context.Context, bridge.AccountID, bridge.ConnectionID) error
}

type imports interface {
	// List returns up to limit imports older than before, newest first; of all campaigns if campaign is empty.
	List(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error)
	Cancel(context.Context, bridge.AccountID, bridge.ImportID) (bridge.Import, error)
}

// Service erases accounts. Its fields are set once.
type Service struct {
	Rows        rows
	Connections connections
	Imports     imports
	Now         func() time.Time
	Log         *slog.Logger
}

// The times of an erasure.
const (
	goesOn = time.Minute     // when a sweep looks after one that was just begun
	taken  = 2 * time.Minute // how long a sweep has one for itself
)

// Begin ends all access to the account and sees to its being erased. Once it has returned without an error, nothing
// brings the account back; repeating it is harmless.
func (s Service) Begin(ctx context.Context, account bridge.AccountID) error {
	const op = "erasure.Begin"
	now := s.Now()
	err := s.Rows.BeginErasure(ctx, Begun{Account: account, At: now, Due: now.Add(goesOn)})
	if err != nil && bridge.KindOf(err) != bridge.Conflict {
		return bridge.E(op, "", err)
	}
	if _, err := s.shut(ctx, account); err != nil { // the sweep tries it again
		s.Log.WarnContext(ctx, "access not ended yet", "account", account, "kind", bridge.KindOf(err), "err", err)
	}
	return nil
}

// Run goes on with the erasures that are due. One that fails does not keep the others from it.
func (s Service) Run(ctx context.Context) error {
	const (
		op    = "erasure.Run"
		limit = 10
	)
	due, err := s.Rows.DueErasures(ctx, s.Now(), limit)
	if err != nil {
		return bridge.E(op, "", err)
	}
	var failures error
	for _, b := range due {
		if err := s.goOn(ctx, b); err != nil && bridge.KindOf(err) != bridge.Conflict {
			s.Log.ErrorContext(ctx, "account not erased yet", "account", b.Account, "since", b.At, "err", err)
			failures = errors.Join(failures, err)
		}
	}
	return bridge.E(op, "", failures)
}

// goOn does the next step of an erasure. It is a Conflict if another sweep is at it.
func (s Service) goOn(ctx context.Context, b Begun) error {
	now, mine := s.Now(), b
	mine.Due = now.Add(taken)
	if err := s.Rows.PostponeErasure(ctx, b, mine.Due); err != nil {
		return err
	}
	alive, err := s.shut(ctx, b.Account)
	switch {
	case err != nil:
		return err
	case alive:
		return s.Rows.PostponeErasure(ctx, mine, now.Add(quiet))
	case now.Before(b.At.Add(quiet)):
		return s.Rows.PostponeErasure(ctx, mine, b.At.Add(quiet))
	}
	if err := s.Rows.DeleteAccount(ctx, b.Account); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "account erased", "account", b.Account)
	return nil
}

// shut ends everything that could still read or write for the account, and reports whether there was something.
func (s Service) shut(ctx context.Context, account bridge.AccountID) (alive bool, err error) {
	if err := s.Rows.EndAccess(ctx, account); err != nil {
		return false, err
	}
	if alive, err = s.cancelImports(ctx, account); err != nil {
		return alive, err
	}
	all, err := s.Connections.List(ctx, account)
	if err != nil {
		return alive, err
	}
	for _, c := range all {
		if c.Status == bridge.Disconnected {
			continue
		}
		alive = true
		if err := s.Connections.Disconnect(ctx, account, c.ID); err != nil {
			return alive, err
		}
	}
	return alive, nil
}

// cancelImports reports whether one was running. One that ends by itself meanwhile is a Conflict, and for the
// next sweep to see.
func (s Service) cancelImports(ctx context.Context, account bridge.AccountID) (alive bool, err error) {
	const many = 100
	for before := bridge.ImportID(""); ; {
		page, err := s.Imports.List(ctx, account, "", before, many)
		if err != nil {
			return alive, err
		}
		for _, i := range page {
			before = i.ID
			if i.State.Ended() {
				continue
			}
			alive = true
			if _, err := s.Imports.Cancel(ctx, account, i.ID); err != nil && bridge.KindOf(err) != bridge.Conflict {
				return alive, err
			}
		}
		if len(page) < many {
			return alive, nil
		}
	}
}
