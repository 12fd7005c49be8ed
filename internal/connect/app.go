package connect

import (
	"context"
	"regexp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

var (
	appKey    = regexp.MustCompile(`^[A-Za-z0-9._=+/-]{20,256}$`)
	appSecret = regexp.MustCompile(`^[\x21-\x7e]{8,256}$`)
)

// sound reports whether an app may be one of Salesforce's.
func sound(app bridge.App) bool {
	return appKey.MatchString(app.Key.Reveal()) && appSecret.MatchString(app.Secret.Reveal())
}

// app returns the app that a request is about: its own, or that of its connection. It is empty if the
// connection uses the operator's.
func (b *Broker) app(ctx context.Context, r Request) (bridge.App, error) {
	const op = "connect.app"
	if r.App == nil {
		grant, err := b.Grants.Grant(ctx, r.Account, r.Connection)
		return grant.App, bridge.E(op, "", err)
	}
	app := bridge.App{Key: r.App.Key.Secret, Secret: r.App.Secret.Secret}
	if !sound(app) {
		return bridge.App{}, fail(op, bridge.Invalid, BadApp)
	}
	return app, nil
}

// hold seals an app for the time of a consent, and tells its key, which the consent page wants to know.
func (b *Broker) hold(ctx context.Context, r Request) (Reply, error) {
	const op = "connect.hold"
	app, err := b.app(ctx, r)
	if err != nil {
		return Reply{}, err
	}
	if app.Empty() {
		return Reply{}, fail(op, bridge.Invalid, BadApp)
	}
	sealed, err := b.Apps.SealApp(ctx, r.Account, r.LoginHost, app)
	return Reply{Connection: r.Connection, App: sealed, AppKey: Carried{app.Key}}, bridge.E(op, "", err)
}

// represent connects the user that a customer's app stands for.
func (b *Broker) represent(ctx context.Context, r Request) (Reply, error) {
	const op = "connect.represent"
	app, err := b.app(ctx, r)
	if err != nil {
		return Reply{}, err
	}
	if app.Empty() {
		return Reply{}, fail(op, bridge.Invalid, BadApp)
	}
	issued, err := b.Salesforce.Represent(ctx, app, r.LoginHost)
	if err != nil {
		return Reply{}, bridge.E(op, "", err)
	}
	code := Code{LoginHost: r.LoginHost, Environment: bridge.MyDomain, Connection: r.Connection}
	return b.settleIn(ctx, r.Account, code, app, issued)
}
