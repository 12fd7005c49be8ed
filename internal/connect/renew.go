package connect

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// lease is longer than the 25 seconds after which the broker's process is killed. So whoever finds
	// a lease that has ended knows that its holder is gone: no two refreshes of a grant overlap.
	lease = 60 * time.Second

	// enough is the time that must be left of an invocation before a refresh begins: ten seconds for
	// Salesforce to answer, and the rest for storing the answer, over and over if need be.
	enough = 18 * time.Second

	// spare is the end of an invocation, when storing an answer is given up.
	spare = 3 * time.Second

	// queueing is how long an invocation waits for the refresh of another.
	queueing = 12 * time.Second

	// probation is how long an org that refuses us is left alone before it is asked again. What it takes,
	// such as a changed list of addresses, may have been done without a new consent.
	probation = 10 * time.Minute
)

// renew returns an access token that is newer than version have, by at most one refresh at a time.
func (b *Broker) renew(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, have int) (Reply, error) {
	const op = "connect.renew"
	owner, until := bridge.NewID("lease"), b.now().Add(queueing)
	doubt := false
	for {
		grant, err := b.Grants.Grant(ctx, account, id)
		if err != nil {
			return Reply{}, bridge.E(op, "", err)
		}
		now := b.now()
		held := now.Before(grant.LeaseUntil)
		switch {
		case grant.Status == bridge.Active && grant.Access.Version > have:
			return reply(grant), nil
		case grant.Status != bridge.Active && grant.Status != bridge.NeedsAdmin, grant.Status == bridge.NeedsAdmin && held && !grant.InFlight:
			return Reply{}, unusable(op, grant)
		case !b.time(ctx, enough):
		case held && grant.LeaseOwner == owner: // the lease was taken, and only the answer got lost
			return b.refresh(ctx, grant, doubt)
		case !held:
			doubt = grant.InFlight
			leased, err := b.Grants.LeaseGrant(ctx, grant, owner, now.Add(lease))
			if err == nil {
				return b.refresh(ctx, leased, doubt)
			}
			if kind := bridge.KindOf(err); kind != bridge.Conflict && kind != bridge.UnknownOutcome {
				return Reply{}, bridge.E(op, "", err)
			}
		}
		if now.After(until) || !b.time(ctx, spare) {
			return Reply{}, &bridge.Error{Op: op, Kind: bridge.Throttled, After: max(time.Second, grant.LeaseUntil.Sub(now))}
		}
		if err := b.pause(ctx); err != nil {
			return Reply{}, bridge.E(op, bridge.Unavailable, err)
		}
	}
}

// time reports whether that much of the invocation is left.
func (b *Broker) time(ctx context.Context, need time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return !limited || deadline.Sub(b.now()) >= need
}

func reply(g bridge.Grant) Reply {
	return Reply{
		Connection: g.Connection, Token: Carried{g.Access.Token}, Version: g.Access.Version, Instance: g.Access.Instance,
	}
}

// refresh shows the refresh token to Salesforce, once, and stores what comes of it. It needs the lease.
// doubt says that a refresh before was begun and not ended.
func (b *Broker) refresh(ctx context.Context, was bridge.Grant, doubt bool) (Reply, error) {
	const op = "connect.refresh"
	log := b.Log.With("account", was.Account, "connection", was.Connection)
	if doubt {
		// Its holder died, or got no answer. If Salesforce had rotated the token, the new one is lost and
		// so is the grant; if not, the token is good. Only showing it again tells.
		log.WarnContext(ctx, "refresh in doubt is tried again")
	}
	connection, err := b.Connections.Connection(ctx, was.Account, was.Connection)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	next := was
	next.LeaseOwner, next.LeaseUntil, next.InFlight = "", time.Time{}, false

	issued, err := b.Salesforce.Refresh(ctx, was.Access.Instance, connection.LoginHost, was.RefreshToken)
	if err == nil && (issued.Org != connection.Org || issued.User != connection.User) {
		err = fail(op, bridge.Revoked, OrgMismatch)
	}
	switch kind := bridge.KindOf(err); kind {
	case "":
		return b.store(ctx, was, renewed(next, issued), connection)
	case bridge.UnknownOutcome:
		// The lease stays, as it would after a crash: until it ends, nobody shows the token again.
		log.ErrorContext(ctx, "refresh without a known outcome", "err", err)
		return Reply{}, &bridge.Error{Op: op, Kind: bridge.Throttled, Code: bridge.CodeOf(err), After: was.LeaseUntil.Sub(b.now())}
	case bridge.Revoked:
		log.ErrorContext(ctx, "grant is dead", "err", err, "in_doubt", doubt)
		next.Status = bridge.NeedsReconnect
	case bridge.Denied:
		log.ErrorContext(ctx, "org refuses us", "err", err)
		next.Status, next.LeaseUntil = bridge.NeedsAdmin, b.now().Add(probation)
	default:
		log.WarnContext(ctx, "refresh was not carried out", "err", err)
		if settled := b.Grants.SettleGrant(ctx, was, next, nil); settled != nil {
			log.WarnContext(ctx, "lease not returned; it ends by itself", "err", settled)
		}
		return Reply{}, bridge.E(op, "", err)
	}
	next.Code = bridge.CodeOf(err)
	connection.Status, connection.Code, connection.StatusAt = next.Status, next.Code, b.now()
	settled := b.Grants.SettleGrant(ctx, was, next, &connection)
	if bridge.KindOf(settled) == bridge.Conflict {
		// A person has connected the org anew meanwhile, and the dead grant is no longer the one in use.
		return b.current(ctx, was)
	}
	if settled != nil {
		return Reply{}, bridge.E(op, "", settled)
	}
	return Reply{}, unusable(op, next)
}

// renewed returns the grant with what a refresh gave. Without rotation, the refresh token stays.
func renewed(g bridge.Grant, i Issued) bridge.Grant {
	g.Status, g.Code = bridge.Active, ""
	g.IssuedAt = i.At
	g.Access.Token = i.Access
	g.Access.Version++
	if i.Instance != "" {
		g.Access.Instance = i.Instance
	}
	if !i.Refresh.Empty() {
		g.RefreshToken = i.Refresh
		g.RefreshVersion++
	}
	return g
}

// store writes new tokens before anybody uses them, and does not give up while there is time: the former
// refresh token is worthless by now. Repeating the write is harmless, since it names the versions that it
// replaces. It does not ask for the lease: that could only throw the new token away.
func (b *Broker) store(ctx context.Context, was, next bridge.Grant, connection bridge.Connection) (Reply, error) {
	const op = "connect.store"
	var changed *bridge.Connection
	if connection.Status != next.Status || connection.Instance != next.Access.Instance {
		connection.Status, connection.Code, connection.StatusAt = next.Status, "", b.now()
		connection.Instance = next.Access.Instance
		changed = &connection
	}
	for {
		err := b.Grants.SettleGrant(ctx, was, next, changed)
		if err == nil {
			return reply(next), nil
		}
		if bridge.KindOf(err) == bridge.Conflict {
			now, unread := b.Grants.Grant(ctx, was.Account, was.Connection)
			switch {
			case unread != nil:
				err = unread
			case now.Generation != was.Generation:
				b.discard(ctx, now, next)
				return b.current(ctx, was)
			case now.Access.Version != was.Access.Version: // the write was done, and only the answer got lost
				return reply(now), nil
			}
		}
		b.Log.ErrorContext(ctx, "new token not stored yet", "account", was.Account, "connection", was.Connection, "err", err)
		if !b.time(ctx, spare) {
			return Reply{}, bridge.E(op, "", err)
		}
		if err := b.pause(ctx); err != nil {
			return Reply{}, bridge.E(op, bridge.Unavailable, err)
		}
	}
}

// discard ends a grant that was refreshed while a person disconnected it: nobody else knows its token.
func (b *Broker) discard(ctx context.Context, now, mine bridge.Grant) {
	if now.Status == bridge.Disconnected {
		if err := b.Salesforce.Revoke(ctx, mine.Access.Instance, mine.RefreshToken); err != nil {
			b.Log.WarnContext(ctx, "grant not revoked", "connection", mine.Connection, "err", err)
		}
	}
}

// current answers with the grant as it is now, after somebody else has changed it.
func (b *Broker) current(ctx context.Context, was bridge.Grant) (Reply, error) {
	const op = "connect.current"
	grant, err := b.Grants.Grant(ctx, was.Account, was.Connection)
	switch {
	case err != nil:
		return Reply{}, bridge.E(op, "", err)
	case grant.Status != bridge.Active:
		return Reply{}, unusable(op, grant)
	case grant.Access.Version <= was.Access.Version:
		return Reply{}, &bridge.Error{Op: op, Kind: bridge.Throttled, After: time.Second}
	default:
		return reply(grant), nil
	}
}

// Moment waits between a tenth and four tenths of a second, at random, or until the context ends.
func Moment(ctx context.Context) error {
	timer := time.NewTimer(100*time.Millisecond + rand.N(300*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
