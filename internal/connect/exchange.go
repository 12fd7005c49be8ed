package connect

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// exchange redeems a code and keeps what it gives: as a new connection, or as a new grant of the
// connection that this user of this org has already.
func (b *Broker) exchange(ctx context.Context, account bridge.AccountID, code Code) (Reply, error) {
	const op = "connect.exchange"
	issued, err := b.Salesforce.Exchange(ctx, code)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	profile, err := b.Salesforce.Profile(ctx, issued)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	for range tries {
		id, err := b.keep(ctx, account, code, issued, profile)
		if bridge.KindOf(err) != bridge.Conflict {
			return Reply{Connection: id}, bridge.E(op, "", err)
		}
	}
	return Reply{}, fail(op, bridge.Unavailable, NoAnswer)
}

// keep stores a connection and its first grant, or the next grant of the connection that there is.
// Salesforce ends the oldest of more than five grants of a user, so a user of an org never gets two here.
func (b *Broker) keep(ctx context.Context, account bridge.AccountID, code Code, i Issued, p Profile) (bridge.ConnectionID, error) {
	id, err := b.Connections.ConnectionOf(ctx, account, i.Org, i.User)
	if bridge.KindOf(err) == bridge.NotFound {
		c := bridge.Connection{
			ID: bridge.ConnectionID(bridge.NewID("c")), Account: account, Org: i.Org, User: i.User, CreatedAt: b.now(),
		}
		b.describe(&c, code, i, p)
		return c.ID, b.Connections.CreateConnection(ctx, c, granted(bridge.Grant{Account: account, Connection: c.ID}, i))
	}
	if err != nil {
		return "", err
	}
	c, err := b.Connections.Connection(ctx, account, id)
	if err != nil {
		return "", err
	}
	was, err := b.Grants.Grant(ctx, account, id)
	if err != nil {
		return "", err
	}
	b.describe(&c, code, i, p)
	return id, b.Grants.SettleGrant(ctx, was, granted(was, i), &c)
}

// describe puts what a consent told into the connection and makes it active.
func (b *Broker) describe(c *bridge.Connection, code Code, i Issued, p Profile) {
	c.OrgName, c.Username, c.Edition, c.IsSandbox = p.OrgName, p.Username, p.Edition, p.IsSandbox
	c.Environment, c.LoginHost, c.Instance = code.Environment, code.LoginHost, i.Instance
	c.Status, c.Code, c.StatusAt = bridge.Active, "", b.now()
}

// granted returns the grant after a consent: nothing of the former one is in it but its versions.
func granted(was bridge.Grant, i Issued) bridge.Grant {
	return bridge.Grant{
		Account: was.Account, Connection: was.Connection,
		Generation: was.Generation + 1, RefreshVersion: was.RefreshVersion + 1, RefreshToken: i.Refresh,
		Access:   bridge.AccessToken{Token: i.Access, Version: was.Access.Version + 1, Instance: i.Instance},
		IssuedAt: i.At, LeaseSequence: was.LeaseSequence, Status: bridge.Active,
	}
}
