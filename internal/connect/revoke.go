package connect

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// revoke ends a grant at Salesforce, as far as Salesforce can be reached, and forgets its tokens in any
// case: a customer who wants to leave is not kept by somebody else's outage. It takes no lease: a
// refresh that is under way cannot store what it gets, because the generation moves on.
func (b *Broker) revoke(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Reply, error) {
	const op = "connect.revoke"
	done := Reply{Connection: id}
	for range tries {
		was, err := b.Grants.Grant(ctx, account, id)
		if err != nil {
			return Reply{}, bridge.E(op, "", err)
		}
		connection, err := b.Connections.Connection(ctx, account, id)
		if err != nil {
			return Reply{}, bridge.E(op, "", err)
		}
		if was.Status == bridge.Disconnected {
			return done, nil
		}
		newest := was
		if was.InFlight {
			if kept, err := b.Rescue.Kept(ctx, was); err == nil {
				newest = kept
			}
		}
		next := bridge.Grant{
			Account: account, Connection: id, Generation: was.Generation + 1, RefreshVersion: was.RefreshVersion + 1,
			Access:        bridge.AccessToken{Version: was.Access.Version + 1, Instance: was.Access.Instance},
			LeaseSequence: was.LeaseSequence, Status: bridge.Disconnected,
		}
		connection.Status, connection.Code, connection.StatusAt = bridge.Disconnected, "", b.now()
		connection.TellAt = time.Time{} // who ended it knows
		if err := b.Salesforce.Revoke(ctx, newest.Access.Instance, last(newest)); err != nil {
			b.Log.WarnContext(ctx, "grant not revoked", "account", account, "connection", id, "err", err)
			connection.Code = NotRevoked
		}
		err = b.Grants.SettleGrant(ctx, was, next, &connection)
		if err == nil {
			b.forget(ctx, account, id) // also what could not be deleted at its time
		}
		if bridge.KindOf(err) != bridge.Conflict {
			return done, bridge.E(op, "", err)
		}
	}
	return Reply{}, &bridge.Error{Op: op, Kind: bridge.Unavailable}
}

// last is the token that ends all that a grant has given.
func last(g bridge.Grant) bridge.Secret {
	if g.RefreshToken.Empty() {
		return g.Access.Token
	}
	return g.RefreshToken
}
