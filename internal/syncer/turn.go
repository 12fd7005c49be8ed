package syncer

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostWrites is how many records one turn may write: as many as Salesforce takes in a call.
const mostWrites = 1000

// lease is how long a turn lasts at most. Calls of a turn end before, by their deadline: the rest is for writing down
// what came of them, and for clocks that differ. An org with much automation of its own may take two minutes for a
// thousand records.
func (w Worker) lease() (turn, calls time.Duration) {
	turn = w.Lease
	if turn == 0 {
		turn = 150 * time.Second
	}
	return turn, turn * 5 / 6
}

// place is a connection whose orders are written one after the other.
type place struct {
	account    bridge.AccountID
	connection bridge.ConnectionID
}

// take waits for the turn and takes it, to write the named subscribers of a campaign. Live work asks bulk work to let it go
// first. It is Throttled if nobody gives the turn up within patience.
func (w Worker) take(ctx context.Context, at place, of bridge.CampaignID, writing []bridge.SubscriberID, live bool, patience time.Duration) (Turn, error) {
	const op = "syncer.take"
	var urged bool
	for began := w.Now(); ; {
		now := w.Now()
		was, err := w.Rows.Turn(ctx, at.account, at.connection)
		if err != nil {
			return Turn{}, bridge.E(op, "", err)
		}
		if !was.Until.After(now) && (live || !was.Urgent.After(now)) {
			next, err := w.seize(ctx, at, of, writing, was)
			if bridge.KindOf(err) != bridge.Conflict {
				return next, bridge.E(op, "", err)
			}
			continue // somebody was faster
		}
		if now.Sub(began) > patience {
			return Turn{}, &bridge.Error{Op: op, Kind: bridge.Throttled, Code: "busy", After: 5 * time.Second}
		}
		if live && !urged {
			if err := w.Rows.UrgeTurn(ctx, at.account, at.connection, now.Add(patience)); err != nil {
				return Turn{}, bridge.E(op, "", err)
			}
			urged = true
		}
		if err := w.rest(ctx, 20*time.Millisecond+rand.N(60*time.Millisecond)); err != nil {
			return Turn{}, bridge.E(op, "", err)
		}
	}
}

// seize takes a turn that nobody has. If its last holder died in it, nobody knows what became of the subscribers that
// it was about: their links are not believed any more, and they are looked at again.
func (w Worker) seize(ctx context.Context, at place, of bridge.CampaignID, writing []bridge.SubscriberID, was Turn) (Turn, error) {
	if len(was.Writing) > 0 {
		if err := w.doubt(ctx, at, was); err != nil {
			return Turn{}, err
		}
		was.Over++
	}
	next := was
	lease, _ := w.lease()
	next.Holder, next.Until = bridge.NewID("t"), w.Now().Add(lease)
	next.Writing, next.Of, next.Urgent = writing, of, time.Time{}
	if err := w.Rows.TakeTurn(ctx, at.account, at.connection, next); err != nil {
		return Turn{}, err
	}
	next.Version++
	return next, nil
}

// number is that of the turn itself, from 1.
func (t Turn) number() int { return t.Over + 1 }

// doubt marks the subscribers of a turn whose holder has died: whatever was read before that turn may be older than
// what it has written. Salesforce may still be at the dead one's last call, so they are looked at now, and written once
// more when it cannot be at it any longer.
func (w Worker) doubt(ctx context.Context, at place, t Turn) error {
	s, err := w.Rows.Sync(ctx, at.account, t.Of)
	switch {
	case bridge.KindOf(err) == bridge.NotFound, err == nil && s.Connection != at.connection:
		return nil // nothing is kept of the campaign, or nothing that counts
	case err != nil:
		return err
	}
	found, err := w.Rows.Links(ctx, at.account, t.Of, t.Writing)
	if err != nil {
		return err
	}
	now, later := make([]Hint, len(t.Writing)), make([]Hint, len(t.Writing))
	for i, id := range t.Writing {
		now[i] = w.hint(at.account, t.Of, id, "check")
		later[i] = now[i]
		later[i].Force = true
	}
	if err := w.Changes(ctx, time.Second, now...); err != nil { // first: at worst they are looked at in vain
		return err
	}
	if err := w.Changes(ctx, afterlife, later...); err != nil {
		return err
	}
	w.Log.WarnContext(ctx, "a worker died while it wrote", "account", at.account, "campaign", t.Of, "subscribers", len(t.Writing))
	return parallel(ctx, t.Writing, func(ctx context.Context, id bridge.SubscriberID) error {
		l, known := found[id]
		if !known {
			l = Link{Account: at.account, Campaign: t.Of, Subscriber: id}
		}
		l = l.in(s)
		if l.Turn >= t.number() && l.Print == "" {
			return nil
		}
		l.Print, l.Turn, l.Load = "", t.number(), ""
		if err := w.Rows.SaveLink(ctx, l, l.Problem.Cause); bridge.KindOf(err) != bridge.Conflict {
			return err
		}
		return nil // somebody else has seen the same
	})
}

// end gives the turn back. If that fails, it ends by itself, and its subscribers are looked at in vain.
func (w Worker) end(ctx context.Context, at place, t Turn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := w.Rows.EndTurn(ctx, at.account, at.connection, t); err != nil {
		w.Log.WarnContext(ctx, "turn not ended", "connection", at.connection, slog.Any("err", err))
	}
}

// rest waits a little, unless the context ends.
func (w Worker) rest(ctx context.Context, pause time.Duration) error {
	if w.Rest != nil {
		return w.Rest(ctx, pause)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
