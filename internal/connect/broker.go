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
	Apps        appSealer
	Rescue      rescue
	Rest        time.Duration               // shortest time between two refreshes of a connection; see tokenRefused
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

// rescue is a second place for tokens that the first one does not take.
type rescue interface {
	// Keep keeps the tokens of a grant. Repeating it is harmless.
	Keep(ctx context.Context, next bridge.Grant) error
	// Kept returns was with the tokens that were kept for it as its next ones; NotFound if there are none.
	Kept(ctx context.Context, was bridge.Grant) (bridge.Grant, error)
	// Forget deletes what is kept for a connection. It succeeds if nothing is.
	Forget(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error
}

// appSealer seals a customer's app while its consent is given. Nobody else can open what it makes, and it
// opens for the same account and host only.
type appSealer interface {
	SealApp(ctx context.Context, account bridge.AccountID, loginHost string, app bridge.App) ([]byte, error)
	OpenApp(ctx context.Context, account bridge.AccountID, loginHost string, sealed []byte) (bridge.App, error)
}

// authority is Salesforce as far as grants go. An empty app is the operator's. Its errors are Revoked for a
// grant that is dead, Denied for one that an admin keeps from us, UnknownOutcome if the request may or may
// not have been carried out, and anything else if it was certainly not.
type authority interface {
	granter
	// Revoke ends the grant of a refresh token, or the life of an access token.
	Revoke(ctx context.Context, instance string, token bridge.Secret) error
	// Profile asks, with the new token, who it belongs to. Its error has the code OrgMismatch unless the
	// token endpoint, the user's identity and the org itself agree.
	Profile(context.Context, Issued) (Profile, error)
}

type granter interface {
	// Exchange redeems a code. Its error has the code UntrustedHost if the org's host is not Salesforce's.
	Exchange(ctx context.Context, app bridge.App, code Code) (Issued, error)
	Refresh(ctx context.Context, app bridge.App, instance, loginHost string, refresh bridge.Secret) (Issued, error)
	// Represent asks for a token of the user that the app stands for, without anybody's consent.
	Represent(ctx context.Context, app bridge.App, myDomain string) (Issued, error)
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
		if r.Insist {
			if err := b.endRest(ctx, r.Account, r.Connection); err != nil {
				return Reply{}, bridge.E(op, "", err)
			}
		}
		return b.renew(ctx, r.Account, r.Connection, r.Have)
	case r.Task == KeepGrant:
		return b.keepAlive(ctx, r.Account, r.Connection)
	case r.Task == RevokeGrant:
		return b.revoke(ctx, r.Account, r.Connection)
	case r.Task == HoldApp:
		return b.hold(ctx, r)
	case r.Task == RunApp:
		return b.represent(ctx, r)
	default:
		return Reply{}, bridge.Say(op, bridge.Invalid, "", "unknown task")
	}
}
