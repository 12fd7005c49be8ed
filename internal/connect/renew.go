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

	// trouble is how long storing a new token may fail before it goes to the second place too.
	trouble = 3 * time.Second
)

// DefaultRest is the shortest time between two refreshes of a connection.
const DefaultRest = 10 * time.Minute

// TokenRefused is the Code of a connection whose token was refused soon after a refresh had given it. The
// org's session settings do not let our calls in then, from our addresses perhaps, and more refreshes would
// give more tokens of the same kind. It is tried again at the end of the rest.
const TokenRefused = "token_refused"

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
		case !held && grant.Status == bridge.Active && now.Before(grant.RefreshedAt.Add(b.Rest)):
			return b.reject(ctx, grant)
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

// endRest lets an org that refuses us be asked at once, because a person wants to know whether it still does. A
// refresh that is under way, or whose outcome nobody knows, is left alone.
func (b *Broker) endRest(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	was, err := b.Grants.Grant(ctx, account, id)
	if err != nil || was.Status != bridge.NeedsAdmin || was.InFlight {
		return err
	}
	next := was
	next.LeaseUntil = time.Time{}
	if err := b.Grants.SettleGrant(ctx, was, next, nil); bridge.KindOf(err) != bridge.Conflict {
		return err
	}
	return nil // somebody else is asking just now
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

// reject notes that a token was refused right after a refresh had given it, and begins no other refresh.
func (b *Broker) reject(ctx context.Context, was bridge.Grant) (Reply, error) {
	const op = "connect.reject"
	b.Log.ErrorContext(ctx, "token of a moment ago is refused", "account", was.Account, "connection", was.Connection)
	next := was
	next.Status, next.Code, next.LeaseUntil = bridge.NeedsAdmin, TokenRefused, was.RefreshedAt.Add(b.Rest)
	err := b.settle(ctx, was, next)
	if bridge.KindOf(err) == bridge.Conflict {
		return b.current(ctx, was)
	}
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	return Reply{}, unusable(op, next)
}

// refresh shows the refresh token to Salesforce, once, and stores what comes of it. It needs the lease.
// doubt says that a refresh before was begun and not ended.
func (b *Broker) refresh(ctx context.Context, was bridge.Grant, doubt bool) (Reply, error) {
	const op = "connect.refresh"
	log := b.Log.With("account", was.Account, "connection", was.Connection)
	wait := &bridge.Error{Op: op, Kind: bridge.Throttled, After: was.LeaseUntil.Sub(b.now())}
	if doubt {
		// Its holder died, or got no answer, or could not store it. In the last case the new tokens are kept.
		kept, err := b.Rescue.Kept(ctx, was)
		switch bridge.KindOf(err) {
		case "":
			log.WarnContext(ctx, "tokens of a refresh in doubt were kept")
			return b.store(ctx, was, b.returned(kept), true)
		case bridge.NotFound:
			// If Salesforce had rotated the token, the new one is lost and so is the grant; if not, the token is
			// good. Only showing it again tells.
			log.WarnContext(ctx, "refresh in doubt is tried again")
		default:
			log.ErrorContext(ctx, "nobody knows whether tokens were kept", "err", err)
			return Reply{}, wait
		}
	}
	connection, err := b.Connections.Connection(ctx, was.Account, was.Connection)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	next := was
	next.LeaseOwner, next.LeaseUntil, next.InFlight = "", time.Time{}, false

	issued, err := b.issue(ctx, was, connection)
	if err == nil && (issued.Org != connection.Org || issued.User != connection.User) {
		err = fail(op, bridge.Revoked, OrgMismatch)
	}
	switch kind := bridge.KindOf(err); kind {
	case "":
		return b.store(ctx, was, b.returned(renewed(was, issued)), false)
	case bridge.UnknownOutcome:
		// The lease stays, as it would after a crash: until it ends, nobody shows the token again.
		log.ErrorContext(ctx, "refresh without a known outcome", "err", err)
		wait.Code = bridge.CodeOf(err)
		return Reply{}, wait
	case bridge.Revoked:
		log.ErrorContext(ctx, "grant is dead", "err", err, "in_doubt", doubt)
		next.Status = bridge.NeedsReconnect
	case bridge.Denied:
		if was.Status == bridge.NeedsAdmin { // an org that stays closed is asked again all the time, and is no news
			log.InfoContext(ctx, "org still refuses us", "err", err)
		} else {
			log.ErrorContext(ctx, "org refuses us", "err", err)
		}
		next.Status, next.LeaseUntil = bridge.NeedsAdmin, b.now().Add(probation)
	default:
		log.WarnContext(ctx, "refresh was not carried out", "err", err)
		if settled := b.Grants.SettleGrant(ctx, was, next, nil); settled != nil {
			log.WarnContext(ctx, "lease not returned; it ends by itself", "err", settled)
		}
		return Reply{}, bridge.E(op, "", err)
	}
	next.Code = bridge.CodeOf(err)
	settled := b.settle(ctx, was, next)
	if bridge.KindOf(settled) == bridge.Conflict {
		// A person has connected the org anew meanwhile, and the dead grant is no longer the one in use.
		return b.current(ctx, was)
	}
	if settled != nil {
		return Reply{}, bridge.E(op, "", settled)
	}
	return Reply{}, unusable(op, next)
}

// issue asks Salesforce for the next access token.
func (b *Broker) issue(ctx context.Context, g bridge.Grant, c bridge.Connection) (Issued, error) {
	if c.Access == bridge.ClientCredentials {
		return b.Salesforce.Represent(ctx, g.App, c.LoginHost)
	}
	return b.Salesforce.Refresh(ctx, g.App, g.Access.Instance, c.LoginHost, g.RefreshToken)
}

// settle writes next in the place of was, and its status into the connection. It is a Conflict if the grant
// has changed since was was read; a connection that has changed is read again.
func (b *Broker) settle(ctx context.Context, was, next bridge.Grant) error {
	const op = "connect.settle"
	for range tries {
		connection, err := b.Connections.Connection(ctx, was.Account, was.Connection)
		if err != nil {
			return bridge.E(op, "", err)
		}
		if err = b.Grants.SettleGrant(ctx, was, next, b.changed(connection, next)); bridge.KindOf(err) != bridge.Conflict {
			return bridge.E(op, "", err)
		}
		now, unread := b.Grants.Grant(ctx, was.Account, was.Connection)
		if unread != nil {
			return bridge.E(op, "", unread)
		}
		if now.Generation != was.Generation || now.Access.Version != was.Access.Version || now.LeaseSequence != was.LeaseSequence {
			return bridge.E(op, "", err)
		}
	}
	return &bridge.Error{Op: op, Kind: bridge.Unavailable}
}

// changed returns the connection with what the grant says of it, or nil if it says nothing new. A status
// that is not active is news for the account.
func (b *Broker) changed(c bridge.Connection, g bridge.Grant) *bridge.Connection {
	if c.Status == g.Status && c.Code == g.Code && c.Instance == g.Access.Instance {
		return nil
	}
	if c.Status != g.Status {
		c.TellAt = time.Time{}
		if g.Status != bridge.Active {
			c.TellAt = b.now()
		}
	}
	c.Status, c.Code, c.StatusAt, c.Instance = g.Status, g.Code, b.now(), g.Access.Instance
	return &c
}

// renewed returns the grant with what a refresh gave. Without rotation, the refresh token stays.
func renewed(g bridge.Grant, i Issued) bridge.Grant {
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

// returned returns a renewed grant as it is when the lease is given back.
func (b *Broker) returned(g bridge.Grant) bridge.Grant {
	g.LeaseOwner, g.LeaseUntil, g.InFlight = "", time.Time{}, false
	g.Status, g.Code, g.RefreshedAt = bridge.Active, "", b.now()
	return g
}

// store writes new tokens before anybody uses them, and does not give up while there is time: the former
// refresh token is worthless by now. Repeating the write is harmless, since it names the versions that it
// replaces. It does not ask for the lease: that could only throw the new token away. Tokens that the table
// does not take go to the second place, where they are looked for before the former token is shown again.
func (b *Broker) store(ctx context.Context, was, next bridge.Grant, kept bool) (Reply, error) {
	const op = "connect.store"
	began, failed := b.now(), error(nil)
	for {
		answer, done, err := b.attempt(ctx, was, next)
		if done {
			if kept {
				b.forget(ctx, was.Account, was.Connection)
			}
			return answer, err
		}
		b.Log.ErrorContext(ctx, "new token not stored yet", "account", was.Account, "connection", was.Connection, "err", err)
		failed = err
		over := !b.time(ctx, spare)
		if !kept && (over || b.now().Sub(began) >= trouble) {
			kept = b.rescue(ctx, next)
		}
		if over {
			break
		}
		if err := b.pause(ctx); err != nil {
			kept = kept || b.rescue(context.WithoutCancel(ctx), next)
			failed = bridge.E(op, bridge.Unavailable, err)
			break
		}
	}
	if kept { // whoever gets the lease next finds them
		return Reply{}, &bridge.Error{Op: op, Kind: bridge.Throttled, After: max(time.Second, was.LeaseUntil.Sub(b.now())), Err: failed}
	}
	return Reply{}, bridge.E(op, "", failed)
}

// attempt writes new tokens once. It is done if they are stored, or if somebody else has changed the grant.
func (b *Broker) attempt(ctx context.Context, was, next bridge.Grant) (answer Reply, done bool, err error) {
	brief, cancel := context.WithTimeout(ctx, trouble)
	defer cancel()
	connection, err := b.Connections.Connection(brief, was.Account, was.Connection)
	if err != nil {
		return Reply{}, false, err
	}
	err = b.Grants.SettleGrant(brief, was, next, b.changed(connection, next))
	if err == nil {
		return reply(next), true, nil
	}
	if bridge.KindOf(err) != bridge.Conflict {
		return Reply{}, false, err
	}
	now, unread := b.Grants.Grant(brief, was.Account, was.Connection)
	switch {
	case unread != nil:
		return Reply{}, false, unread
	case now.Generation != was.Generation:
		b.discard(ctx, now, next)
		answer, err = b.current(ctx, was)
		return answer, true, err
	case now.Access.Version != was.Access.Version: // the write was done, and only the answer got lost
		return reply(now), true, nil
	default: // it was the connection that somebody changed
		return Reply{}, false, err
	}
}

// rescue puts new tokens into the second place and reports whether they are there.
func (b *Broker) rescue(ctx context.Context, next bridge.Grant) bool {
	ctx, cancel := context.WithTimeout(ctx, trouble)
	defer cancel()
	if err := b.Rescue.Keep(ctx, next); err != nil {
		b.Log.ErrorContext(ctx, "new token not rescued", "account", next.Account, "connection", next.Connection, "err", err)
		return false
	}
	b.Log.WarnContext(ctx, "new token rescued", "account", next.Account, "connection", next.Connection)
	return true
}

// forget deletes what was rescued. What stays is worthless, but a person should not find it.
func (b *Broker) forget(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) {
	if err := b.Rescue.Forget(ctx, account, id); err != nil {
		b.Log.ErrorContext(ctx, "rescued token not deleted", "account", account, "connection", id, "err", err)
	}
}

// discard ends a grant that was refreshed while a person disconnected it: nobody else knows its token.
func (b *Broker) discard(ctx context.Context, now, mine bridge.Grant) {
	if now.Status == bridge.Disconnected {
		if err := b.Salesforce.Revoke(ctx, mine.Access.Instance, last(mine)); err != nil {
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
