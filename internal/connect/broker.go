package connect

import (
	"context"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Broker is the only one who holds refresh tokens and talks to a token endpoint.
type Broker struct {
	Grants      grants
	Connections connections
	Salesforce  authority
	Now         func() time.Time            // time.Now unless set
	Pause       func(context.Context) error // between two looks at a grant; Moment unless set
	Log         *slog.Logger
}

// tries is how often a write is attempted that others may get in the way of.
const tries = 3

type grants interface {
	grantReader
	// LeaseGrant takes the lease of a grant until the given time, and returns the grant as it is then.
	// Conflict: the grant has changed since it was read, or its lease has not ended.
	LeaseGrant(ctx context.Context, g bridge.Grant, owner string, until time.Time) (bridge.Grant, error)
	// SettleGrant replaces was by next, and the connection with it unless that is nil. Conflict: the
	// grant has got other tokens since, or, if next brings none, another lease.
	SettleGrant(ctx context.Context, was, next bridge.Grant, connection *bridge.Connection) error
}

type connections interface {
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
	// ConnectionOf finds the connection of a user of an org; NotFound if there was never one.
	ConnectionOf(ctx context.Context, account bridge.AccountID, org, user bridge.SalesforceID) (bridge.ConnectionID, error)
	// CreateConnection adds a connection with its grant; Conflict if the user of the org has one.
	CreateConnection(ctx context.Context, c bridge.Connection, g bridge.Grant) error
}

// authority is Salesforce as far as grants go. Its errors are Revoked for a grant that is dead, Denied
// for one that an admin keeps from us, UnknownOutcome if the request may or may not have been carried
// out, and anything else if it was certainly not.
type authority interface {
	// Exchange redeems a code. Its error has the code UntrustedHost if the org's host is not Salesforce's.
	Exchange(context.Context, Code) (Issued, error)
	Refresh(ctx context.Context, instance, loginHost string, refresh bridge.Secret) (Issued, error)
	Revoke(ctx context.Context, instance string, token bridge.Secret) error
	// Profile asks, with the new token, who it belongs to. Its error has the code OrgMismatch unless the
	// token endpoint, the user's identity and the org itself agree.
	Profile(context.Context, Issued) (Profile, error)
}

// Issued is what a token endpoint gave.
type Issued struct {
	Access   bridge.Secret
	Refresh  bridge.Secret // empty at a refresh if the former one stays good
	Instance string        // origin for API calls; empty if a refresh named one that is not Salesforce's
	Identity string        // address that says whose token it is
	Org      bridge.SalesforceID
	User     bridge.SalesforceID
	At       time.Time
}

// Profile is what Salesforce says about a user and its org.
type Profile struct {
	Username  string
	OrgName   string
	Edition   string
	IsSandbox bool
}

func (b *Broker) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

func (b *Broker) pause(ctx context.Context) error {
	if b.Pause == nil {
		return Moment(ctx)
	}
	return b.Pause(ctx)
}

// Call does what the request asks for.
func (b *Broker) Call(ctx context.Context, r Request) (Reply, error) {
	const op = "connect.Broker"
	switch {
	case r.Task == ExchangeCode && r.Consent != nil:
		return b.exchange(ctx, r.Account, *r.Consent)
	case r.Task == RenewToken:
		return b.renew(ctx, r.Account, r.Connection, r.Have)
	case r.Task == RevokeGrant:
		return b.revoke(ctx, r.Account, r.Connection)
	default:
		return Reply{}, bridge.Say(op, bridge.Invalid, "", "unknown task")
	}
}
