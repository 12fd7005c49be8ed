package main

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// allowAs gives consent as a user of the org, and returns where it ends.
func (b browser) allowAs(page, user string) string {
	return b.open(b.location(b.PostForm(page, url.Values{"decision": {"allow"}, "user": {user}})))
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		user, want string
		status     bridge.ConnectionStatus
	}{
		"as the same user":           {"admin@acme.example", "/connections?connected=", bridge.Active},
		"as another user of the org": {"marco.sales@acme.example", "/connections?problem=user_mismatch", bridge.NeedsReconnect},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			b.open(b.consent())
			c := w.connections("a_1")[0]
			w.org.RevokeGrants()
			if _, err := w.service().Broker.Call(t.Context(), connect.Request{Task: connect.RenewToken, Account: "a_1", Connection: c.ID, Have: 1}); bridge.KindOf(err) != bridge.Revoked {
				t.Fatalf("renew = %v, want revoked", err)
			}
			// What the form says besides does not count: the host is the connection's.
			page := b.start(url.Values{"connection": {string(c.ID)}, "environment": {"mydomain"}, "domain": {"evil.my.salesforce.com"}})
			if !strings.HasPrefix(page, w.at) {
				t.Fatalf("goes to %s", page)
			}
			if end := b.allowAs(page, tc.user); !strings.HasPrefix(end, tc.want) {
				t.Errorf("ends at %s, want %s", end, tc.want)
			}
			if list := w.connections("a_1"); len(list) != 1 || list[0].Status != tc.status {
				t.Errorf("connections: %+v", list)
			}
		})
	}
	t.Run("somebody else's connection", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulated.Options{})
		b := w.signIn("a_1")
		b.open(b.consent())
		if end := w.signIn("a_2").start(url.Values{"connection": {string(w.connections("a_1")[0].ID)}}); end != "/connections?problem=state" {
			t.Errorf("ends at %s", end)
		}
	})
}

func TestWhatWaitedIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	service := w.service()
	service.Resume = func(_ context.Context, account bridge.AccountID, id bridge.ConnectionID) (int, error) {
		if account != "a_1" || id != w.connections("a_1")[0].ID {
			t.Errorf("resume %s of %s", id, account)
		}
		return 2, nil
	}
	w.serve(service)
	b := w.signIn("a_1")
	if end := b.open(b.consent()); !strings.HasSuffix(end, "&resumed=2") {
		t.Errorf("ends at %s", end)
	}
}

func TestOwnApp(t *testing.T) {
	t.Parallel()
	const key, secret = "3MVG9ownAppOfTheCustomer.0123456789", "marked-own-secret"
	for name, tc := range map[string]struct {
		form   url.Values
		access bridge.Access
		want   string
	}{
		"with a consent": {url.Values{"environment": {"production"}, "app_key": {" " + key + "\n"}, "app_secret": {secret}}, bridge.OwnApp, "/connections?connected="},
		"by itself": {url.Values{"environment": {"mydomain"}, "app_key": {key}, "app_secret": {secret}, "unattended": {"on"}},
			bridge.ClientCredentials, "/connections?connected="},
		"a secret without a key": {url.Values{"environment": {"production"}, "app_secret": {secret}, "campaign": {"MF1"}}, "",
			"/connections?campaign=MF1&domain=&environment=production&problem=own_app"},
		"by itself, but not on My Domain": {url.Values{"environment": {"production"}, "app_key": {key}, "app_secret": {secret}, "unattended": {"on"}}, "",
			"/connections?domain=&environment=production&problem=domain"},
		"a wrong secret": {url.Values{"environment": {"mydomain"}, "app_key": {key}, "app_secret": {"marked-wrong"}, "unattended": {"on"}}, "",
			"/connections?problem=app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{ClientID: key, ClientSecret: secret})
			b := w.signIn("a_1")
			if tc.form.Get("environment") == "mydomain" {
				tc.form.Set("domain", w.at)
			}
			end := b.start(tc.form)
			if strings.Contains(end, "marked") {
				t.Errorf("the secret is in the address: %s", end)
			}
			if page, err := url.Parse(end); err == nil && page.Query().Get("client_id") != "" {
				if got := page.Query().Get("client_id"); got != key {
					t.Errorf("client_id = %s", got)
				}
				end = b.allowAs(end, "")
			}
			if !strings.HasPrefix(end, tc.want) {
				t.Errorf("ends at %s, want %s", end, tc.want)
			}
			list := w.connections("a_1")
			if tc.access == "" && len(list) != 0 || tc.access != "" && (len(list) != 1 || list[0].Access != tc.access) {
				t.Errorf("connections: %+v", list)
			}
		})
	}
}
