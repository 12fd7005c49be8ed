package connect

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// exchange redeems a code and keeps what it gives.
func (b *Broker) exchange(ctx context.Context, account bridge.AccountID, code Code) (Reply, error) {
	const op = "connect.exchange"
	var app bridge.App
	if len(code.App) > 0 {
		var err error
		if app, err = b.Apps.OpenApp(ctx, account, code.LoginHost, code.App); err != nil {
			return Reply{}, bridge.E(op, "", err)
		}
	}
	issued, err := b.Salesforce.Exchange(ctx, app, code)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	return b.settleIn(ctx, account, code, app, issued)
}

// settleIn keeps what was issued: as a new connection, or as a new grant of the connection that this user
// of this org has already.
func (b *Broker) settleIn(ctx context.Context, account bridge.AccountID, code Code, app bridge.App, issued Issued) (Reply, error) {
	const op = "connect.settleIn"
	profile, err := b.Salesforce.Profile(ctx, issued)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	if err := b.belongs(ctx, account, code.Connection, issued); err != nil {
		return Reply{}, err
	}
	for range tries {
		id, err := b.keep(ctx, account, code, app, issued, profile)
		if bridge.KindOf(err) != bridge.Conflict {
			return Reply{Connection: id}, bridge.E(op, "", err)
		}
	}
	return Reply{}, fail(op, bridge.Unavailable, NoAnswer)
}

// belongs checks that what was issued is for the connection that a person meant to connect again, if they
// meant one. If it is not, Salesforce is told to end it.
func (b *Broker) belongs(ctx context.Context, account bridge.AccountID, meant bridge.ConnectionID, i Issued) error {
	const op = "connect.belongs"
	if meant == "" {
		return nil
	}
	c, err := b.Connections.Connection(ctx, account, meant)
	if err != nil {
		return bridge.E(op, "", err)
	}
	problem := OrgMismatch
	switch {
	case i.Org == c.Org && i.User == c.User:
		return nil
	case i.Org == c.Org:
		problem = UserMismatch
	}
	if err := b.Salesforce.Revoke(ctx, i.Instance, last(bridge.Grant{RefreshToken: i.Refresh, Access: bridge.AccessToken{Token: i.Access}})); err != nil {
		b.Log.WarnContext(ctx, "grant of another user not revoked", "account", account, "connection", meant, "err", err)
	}
	return fail(op, bridge.Denied, problem)
}

// keep stores a connection and its first grant, or the next grant of the connection that there is.
// Salesforce ends the oldest of more than five grants of a user, so a user of an org never gets two here.
func (b *Broker) keep(ctx context.Context, account bridge.AccountID, code Code, app bridge.App, i Issued, p Profile) (bridge.ConnectionID, error) {
	id, err := b.Connections.ConnectionOf(ctx, account, i.Org, i.User)
	if bridge.KindOf(err) == bridge.NotFound {
		c := bridge.Connection{
			ID: bridge.ConnectionID(bridge.NewID("c")), Account: account, Org: i.Org, User: i.User, CreatedAt: b.now(),
		}
		b.describe(&c, code, app, i, p)
		return c.ID, b.Connections.CreateConnection(ctx, c, granted(bridge.Grant{Account: account, Connection: c.ID}, app, i))
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
	b.describe(&c, code, app, i, p)
	if err := b.Grants.SettleGrant(ctx, was, granted(was, app, i), &c); err != nil {
		return "", err
	}
	if was.InFlight { // tokens of the former grant may have been rescued, and nobody needs them now
		b.forget(ctx, account, id)
	}
	return id, nil
}

// describe puts what a consent told into the connection and makes it active.
func (b *Broker) describe(c *bridge.Connection, code Code, app bridge.App, i Issued, p Profile) {
	c.OrgName, c.Username, c.Edition, c.IsSandbox = p.OrgName, p.Username, p.Edition, p.IsSandbox
	c.Environment, c.LoginHost, c.Instance = code.Environment, code.LoginHost, i.Instance
	c.Status, c.Code, c.StatusAt, c.TellAt = bridge.Active, "", b.now(), time.Time{}
	switch {
	case app.Empty():
		c.Access = ""
	case i.Refresh.Empty():
		c.Access = bridge.ClientCredentials
	default:
		c.Access = bridge.OwnApp
	}
}

// granted returns the grant after a consent: nothing of the former one is in it but its versions.
func granted(was bridge.Grant, app bridge.App, i Issued) bridge.Grant {
	return bridge.Grant{
		Account: was.Account, Connection: was.Connection,
		Generation: was.Generation + 1, RefreshVersion: was.RefreshVersion + 1, RefreshToken: i.Refresh, App: app,
		Access:   bridge.AccessToken{Token: i.Access, Version: was.Access.Version + 1, Instance: i.Instance},
		IssuedAt: i.At, LeaseSequence: was.LeaseSequence, Status: bridge.Active,
	}
}
