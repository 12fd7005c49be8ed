package connect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// own is an app that a customer made in their org. The org knows no other.
var own = bridge.App{Key: bridge.NewSecret("3MVG9ownAppOfTheCustomer.0123456789"), Secret: bridge.NewSecret("marked-own-secret")}

func ownOptions() simulated.Options {
	return simulated.Options{ClientID: own.Key.Reveal(), ClientSecret: own.Secret.Reveal()}
}

func TestOwnApp(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, ownOptions())
	id, err := w.consent(connect.Wish{Environment: bridge.Production, App: own}, "")
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	if c := w.connection(id); c.Access != bridge.OwnApp || c.Status != bridge.Active {
		t.Errorf("access, status = %q, %q", c.Access, c.Status)
	}
	if g := w.grant(id); g.App != own {
		t.Error("the broker does not have the app")
	}
	if g, err := w.plain.Grant(t.Context(), account, id); err != nil || !g.App.Empty() || !g.RefreshToken.Empty() {
		t.Errorf("a worker sees the app: %v", err)
	}
	for range 2 {
		clock.advance(time.Hour)
		if _, err := w.tokens(id).Renew(t.Context(), w.token(id)); err != nil || !w.works(id) || w.grant(id).App != own {
			t.Errorf("renew = %v", err)
		}
	}
	w.org.RevokeGrants()
	_, _ = w.tokens(id).Renew(t.Context(), w.token(id))
	again, err := w.consent(connect.Wish{Connection: id}, "") // nobody has to type the app again
	if err != nil || again != id || !w.works(id) || w.grant(id).App != own {
		t.Errorf("reconnect = %s, %v", again, err)
	}
	if err := w.service().Disconnect(t.Context(), account, id); err != nil || !w.grant(id).App.Empty() || w.grantsAtSalesforce() != 0 {
		t.Errorf("disconnect = %v", err)
	}
	w.noSecretInLog(own.Secret)
}

func TestAppThatStandsForAUser(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, ownOptions())
	id, err := w.consent(connect.Wish{Environment: bridge.MyDomain, Domain: w.origin, App: own, Unattended: true}, "")
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	if c, g := w.connection(id), w.grant(id); c.Access != bridge.ClientCredentials || !g.RefreshToken.Empty() || !connect.KeepAliveAt(g).IsZero() {
		t.Errorf("access = %q; a refresh token: %t", c.Access, !g.RefreshToken.Empty())
	}
	w.org.ExpireTokens()
	if token, err := w.tokens(id).Renew(t.Context(), w.token(id)); err != nil || token.Version != 2 || !w.works(id) {
		t.Errorf("renew = version %d, %v", token.Version, err)
	}
	w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 400, Code: "invalid_grant", Message: "no client credentials user enabled"}})
	clock.advance(time.Hour)
	if _, err := w.tokens(id).Renew(t.Context(), w.token(id)); bridge.KindOf(err) != bridge.Revoked {
		t.Errorf("renew = %v, want revoked", err)
	}
	w.org.SetRules()
	if again, err := w.consent(connect.Wish{Connection: id}, ""); err != nil || again != id || !w.works(id) {
		t.Errorf("reconnect = %s, %v", again, err)
	}
	if err := w.service().Disconnect(t.Context(), account, id); err != nil || w.connection(id).Code != "" {
		t.Errorf("disconnect = %v, code %q", err, w.connection(id).Code)
	}
}

func TestAppThatDoesNotWork(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wish connect.Wish
		want connect.Problem
	}{
		"a secret without a key":     {connect.Wish{Environment: bridge.Production, App: bridge.App{Secret: own.Secret}}, connect.BadApp},
		"a key without a secret":     {connect.Wish{Environment: bridge.Production, App: bridge.App{Key: own.Key}}, connect.BadApp},
		"no key at all, unattended":  {connect.Wish{Environment: bridge.MyDomain, Domain: "acme.my.salesforce.com", Unattended: true}, connect.BadApp},
		"a key that is a sentence":   {connect.Wish{Environment: bridge.Production, App: bridge.App{Key: bridge.NewSecret(strings.Repeat("no key ", 5)), Secret: own.Secret}}, connect.BadApp},
		"unattended on a login host": {connect.Wish{Environment: bridge.Production, App: own, Unattended: true}, connect.BadDomain},
		"a secret that is wrong":     {connect.Wish{Environment: bridge.Production, App: bridge.App{Key: own.Key, Secret: bridge.NewSecret("wrong-secret")}}, connect.AppRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newStillWorld(t, ownOptions())
			id, err := w.consent(tc.wish, "")
			if got := connect.ProblemOf(err); err == nil || got != tc.want {
				t.Errorf("connection %q, problem %q, want %q: %v", id, got, tc.want, err)
			}
			w.noSecretInLog(own.Secret)
		})
	}
}

func TestAppThatWasSealedForAnotherAccountDoesNotOpen(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, ownOptions())
	sealed, err := w.store.SealApp(t.Context(), account, w.origin, own)
	if err != nil || strings.Contains(string(sealed), own.Secret.Reveal()) {
		t.Fatalf("seal: %v", err)
	}
	if app, err := w.store.OpenApp(t.Context(), account, w.origin, sealed); err != nil || app != own {
		t.Errorf("open = %v", err)
	}
	for name, place := range map[string][2]string{"account": {"a_2", w.origin}, "host": {string(account), "https://login.salesforce.com"}} {
		if _, err := w.store.OpenApp(t.Context(), bridge.AccountID(place[0]), place[1], sealed); err == nil {
			t.Errorf("it opens for another %s", name)
		}
	}
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	t.Run("as the same user", func(t *testing.T) {
		t.Parallel()
		w, _ := newStillWorld(t, simulated.Options{})
		id := w.connect()
		w.org.RevokeGrants()
		if again, err := w.consent(connect.Wish{Connection: id}, ""); err != nil || again != id || !w.works(id) {
			t.Errorf("reconnect = %s, %v", again, err)
		}
	})
	t.Run("as another user of the org", func(t *testing.T) {
		t.Parallel()
		w, _ := newStillWorld(t, simulated.Options{})
		id := w.connect()
		w.org.RevokeGrants()
		was := w.connection(id)
		_, err := w.consent(connect.Wish{Connection: id}, "marco.sales@acme.example")
		if got := connect.ProblemOf(err); got != connect.UserMismatch || w.connection(id) != was {
			t.Errorf("problem %q: %v; connection %+v", got, err, w.connection(id))
		}
		if grants := w.grantsAtSalesforce(); grants != 0 {
			t.Errorf("%d grants are left at Salesforce that nobody knows", grants)
		}
	})
	t.Run("to another org", func(t *testing.T) {
		t.Parallel()
		w, _ := newStillWorld(t, simulated.Options{})
		other := bridge.Connection{
			ID: "c_other", Account: account, Org: "00D5g000004XyZwEAK", User: "0055g00000AbCdEAAV", OrgName: "Other",
			Environment: bridge.Production, LoginHost: w.origin, Status: bridge.NeedsReconnect,
		}
		if err := w.store.CreateConnection(t.Context(), other, bridge.Grant{Account: account, Connection: other.ID, Status: bridge.NeedsReconnect}); err != nil {
			t.Fatal(err)
		}
		_, err := w.consent(connect.Wish{Connection: other.ID}, "")
		if got := connect.ProblemOf(err); got != connect.OrgMismatch || w.grantsAtSalesforce() != 0 {
			t.Errorf("problem %q: %v; %d grants at Salesforce", got, err, w.grantsAtSalesforce())
		}
	})
	t.Run("a connection of another account", func(t *testing.T) {
		t.Parallel()
		w, _ := newStillWorld(t, simulated.Options{})
		id := w.connect()
		_, err := w.service().Start(t.Context(), connect.Wish{Account: "a_2", Session: bridge.NewToken(), Connection: id})
		if bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("start = %v, want not found", err)
		}
	})
}
