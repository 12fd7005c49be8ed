package connect

import (
	"context"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// sound reports whether an app may be one of Salesforce's: a key of 20 to 256 letters, digits and some signs, and a secret of 8 to 256
// characters that can be printed. A regular expression that counts as far takes a millisecond of every cold start.
func sound(app bridge.App) bool {
	key, secret := app.Key.Reveal(), app.Secret.Reveal()
	return len(key) >= 20 && len(key) <= 256 && !strings.ContainsFunc(key, notOfKeys) &&
		len(secret) >= 8 && len(secret) <= 256 && !strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' })
}

func notOfKeys(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	default:
		return !strings.ContainsRune("._=+/-", r)
	}
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
