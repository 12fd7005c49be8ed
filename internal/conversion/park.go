package conversion

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// parkedID names parked deals by which they are, so that a message that comes twice is parked once.
func parkedID(deals []bridge.SalesforceID) string {
	keys := make([]string, len(deals))
	for i, id := range deals {
		keys[i] = id.Key()
	}
	slices.Sort(keys)
	sum := sha256.Sum256([]byte(strings.Join(keys, "")))
	return hex.EncodeToString(sum[:10])
}

// park remembers deals that cannot be looked at now, so that their message can be let go. A deal that waits because
// somebody was missing has an entry that remembers it.
func (w Worker) park(ctx context.Context, job Job, deals []bridge.SalesforceID, s *stop) error {
	w.Log.WarnContext(ctx, "deals wait", "account", job.Account, "connection", job.Connection, "reason", s.reason, "err", s.err)
	if job.Step == StepLook {
		return w.due(ctx, job, deals, w.Now().Add(s.waitOf(len(looks))))
	}
	p, err := w.Ledger.Parked(ctx, job.Account, job.Connection, parkedID(deals))
	if err != nil {
		return err
	}
	if p.Version == 0 {
		p = bridge.Parked{Account: job.Account, Connection: job.Connection, ID: parkedID(deals), Deals: deals, At: job.At}
	}
	p.Reason, p.Due = s.reason, w.Now().Add(s.waitOf(p.Tries))
	p.Tries++
	err = w.Ledger.SaveParked(ctx, p)
	if bridge.KindOf(err) == bridge.Conflict {
		return putOff("conversion.park", time.Second, err)
	}
	return err
}

// due moves on the time of entries that were to be looked at now; never, if it is zero.
func (w Worker) due(ctx context.Context, job Job, deals []bridge.SalesforceID, until time.Time) error {
	now := w.Now()
	for _, deal := range deals {
		entries, err := w.Ledger.DealEntries(ctx, job.Account, job.Campaign, deal)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Due.IsZero() || e.Due.After(now) {
				continue
			}
			e.Due = until
			if err := w.Ledger.CommitConversions(ctx, Commit{Entries: []bridge.Entry{e}}); err != nil && bridge.KindOf(err) != bridge.Conflict {
				return err
			}
		}
	}
	return nil
}

// unpark forgets deals that were looked at, as they were parked when that began: if a message about the same deals was
// parked meanwhile, they are looked at once more.
func (w Worker) unpark(ctx context.Context, p bridge.Parked) error {
	if p.Version == 0 {
		return nil
	}
	err := w.Ledger.DeleteParked(ctx, p)
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}
