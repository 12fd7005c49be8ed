package connect

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Tokens gives the access tokens of one connection to a worker. It keeps none: each is read when it is
// needed, so that a connection that ended stops its calls at once.
type Tokens struct {
	Store      grantReader
	Broker     Caller
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	Insist     bool // a person waits to know: an org that refuses us is asked although its rest is not over
}

type grantReader interface {
	Grant(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Grant, error)
}

// Token returns the current access token. It may have expired: only Salesforce knows. A connection that
// needs a person gives Revoked, and one that the org's admin has to mend gives Denied, both with the
// code that says why.
func (t Tokens) Token(ctx context.Context) (bridge.AccessToken, error) {
	const op = "connect.Token"
	grant, err := t.Store.Grant(ctx, t.Account, t.Connection)
	if err != nil {
		return bridge.AccessToken{}, bridge.E(op, "", err)
	}
	switch grant.Status {
	case bridge.Active:
		return grant.Access, nil
	case bridge.NeedsAdmin: // the broker knows when it is worth another try
		return t.Renew(ctx, grant.Access)
	default:
		return bridge.AccessToken{}, unusable(op, grant)
	}
}

// Renew returns a token that is newer than the dead one. It is Throttled while another worker's refresh
// is under way, or the outcome of one is unknown.
func (t Tokens) Renew(ctx context.Context, dead bridge.AccessToken) (bridge.AccessToken, error) {
	const op = "connect.Renew"
	reply, err := t.Broker.Call(ctx, Request{
		Task: RenewToken, Account: t.Account, Connection: t.Connection, Have: dead.Version, Insist: t.Insist,
	})
	if err != nil {
		return bridge.AccessToken{}, bridge.E(op, "", err)
	}
	return bridge.AccessToken{Token: reply.Token.Secret, Version: reply.Version, Instance: reply.Instance}, nil
}

// unusable says why a grant cannot be used.
func unusable(op string, g bridge.Grant) error {
	switch g.Status {
	case bridge.NeedsAdmin:
		return &bridge.Error{Op: op, Kind: bridge.Denied, Code: g.Code,
			Message: "Salesforce refuses this connection. An administrator of the org has to act; see Connections."}
	case bridge.Disconnected:
		return &bridge.Error{Op: op, Kind: bridge.Revoked, Code: "disconnected",
			Message: "This Salesforce connection was disconnected. Connect the org again."}
	default:
		return &bridge.Error{Op: op, Kind: bridge.Revoked, Code: g.Code,
			Message: "Salesforce has ended this connection. Connect the org again."}
	}
}
