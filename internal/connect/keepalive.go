package connect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// idle is how long a connection may be unused until it is refreshed for its own sake. Salesforce ends a
	// refresh token that nobody has used for 30 days.
	idle = 7 * 24 * time.Hour

	// idleLife is when Salesforce has ended it.
	idleLife = 30 * 24 * time.Hour
)

// KeepAliveAt returns when a grant has to be refreshed for its own sake; zero if it need not be.
func KeepAliveAt(g bridge.Grant) time.Time {
	if g.RefreshToken.Empty() || g.Status != bridge.Active && g.Status != bridge.NeedsAdmin {
		return time.Time{}
	}
	return lastUse(g).Add(idle)
}

// lastUse is when Salesforce last saw the refresh token.
func lastUse(g bridge.Grant) time.Time {
	if g.RefreshedAt.After(g.IssuedAt) {
		return g.RefreshedAt
	}
	return g.IssuedAt
}

// keepAlive refreshes a grant that nobody has used for long. The tokens stay in the table.
func (b *Broker) keepAlive(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Reply, error) {
	const op = "connect.keepAlive"
	grant, err := b.Grants.Grant(ctx, account, id)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	if at := KeepAliveAt(grant); at.IsZero() || b.now().Before(at) {
		return Reply{Connection: id}, nil // somebody used it meanwhile, or ended it
	}
	_, err = b.renew(ctx, account, id, grant.Access.Version)
	return Reply{Connection: id}, bridge.E(op, "", err)
}

// IdleGrant is a grant that is to be refreshed for its own sake.
type IdleGrant struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	Due        time.Time // as KeepAliveAt says
}

type idleGrants interface {
	// IdleGrants returns those that are due at now, in each part of the index the longest idle first.
	IdleGrants(ctx context.Context, now time.Time) ([]IdleGrant, error)
}

// KeepAlive is a sweep that keeps connections alive which nobody uses.
type KeepAlive struct {
	Grants idleGrants
	Broker Caller
	Idle   func(days float64) // is told how long the longest idle connection still is after the sweep; 0 if none is
	Now    func() time.Time
	Log    *slog.Logger
}

const (
	abreast = 8                // invocations of the broker at a time
	reserve = 10 * time.Second // of the sweep's time that is left alone; longer than most refreshes take
)

// Run refreshes the grants that are due, as many as there is time for. The others stay due for the next
// sweep, as does one that could not be refreshed: an org that refuses us for now may let us in tomorrow.
func (k KeepAlive) Run(ctx context.Context) error {
	const op = "connect.KeepAlive"
	due, err := k.Grants.IdleGrants(ctx, k.Now())
	if err != nil {
		return bridge.E(op, "", err)
	}
	var (
		all    sync.WaitGroup
		slots  = make(chan struct{}, abreast)
		mu     sync.Mutex
		longer time.Duration
	)
	for _, grant := range due {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := k.refresh(ctx, grant)
			if err == nil {
				return
			}
			k.Log.WarnContext(ctx, "idle connection not refreshed", "account", grant.Account, "connection", grant.Connection,
				"kind", bridge.KindOf(err), "err", err)
			// One that died is reported as such. One that is past saving is no reason to call an operator.
			if unused := k.Now().Sub(grant.Due) + idle; bridge.KindOf(err) != bridge.Revoked && unused < idleLife {
				mu.Lock()
				defer mu.Unlock()
				longer = max(longer, unused)
			}
		})
	}
	all.Wait()
	k.Idle(longer.Hours() / 24)
	return nil
}

func (k KeepAlive) refresh(ctx context.Context, g IdleGrant) error {
	if end, limited := ctx.Deadline(); limited && time.Until(end) < reserve {
		return &bridge.Error{Op: "connect.KeepAlive", Kind: bridge.Unavailable}
	}
	_, err := k.Broker.Call(ctx, Request{Task: KeepGrant, Account: g.Account, Connection: g.Connection})
	return err
}
