package main

import (
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

func TestCardOfAConnectionThatDoesNotWork(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	id, account := v.connect(), v.account()
	settle := func(change func(*bridge.Connection)) {
		t.Helper()
		c, err := r.rows.Connection(t.Context(), account, id)
		if err != nil {
			t.Fatal(err)
		}
		g, err := r.rows.Grant(t.Context(), account, id)
		if err != nil {
			t.Fatal(err)
		}
		change(&c)
		next := g
		next.Status = c.Status
		if err := r.rows.SettleGrant(t.Context(), g, next, &c); err != nil {
			t.Fatal(err)
		}
	}
	settle(func(c *bridge.Connection) { c.Status, c.Access = bridge.NeedsReconnect, bridge.OwnApp })
	waiting := bridge.Import{
		ID: "i_1", Account: account, Options: bridge.ImportOptions{Campaign: "MF0123456789", Connection: id}, State: bridge.Running, Total: 1250,
		Counts: bridge.Counts{Created: 16}, Parked: "The Salesforce connection has to be renewed. Reconnect it under Connections", Until: r.console.Now().Add(time.Hour),
	}
	if err := r.rows.BeginImport(t.Context(), waiting, r.console.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	contains(t, v.page("/connections"), `data-state="needs_reconnect"`, `data-waiting="1"`, "1 import waits for this connection, with about 1,234 contacts",
		`id="reconnect-`+string(id)+`"`, `name="connection" value="`+string(id)+`"`, "Your own")
	settle(func(c *bridge.Connection) { c.Status, c.Code = bridge.NeedsAdmin, connect.TokenRefused })
	contains(t, v.page("/connections"), `data-state="needs_admin"`, "a token that it has just given us", connect.TokenRefused)
	settle(func(c *bridge.Connection) { c.Status, c.Code = bridge.Active, "" })
	contains(t, v.page("/connections?connected="+string(id)+"&resumed=2"), "Acme Outdoor is connected. 2 imports that waited go on.")
	contains(t, v.page("/connections?connected="+string(id)+"&resumed=<b>"), "Acme Outdoor is connected.")
	contains(t, v.page("/connections?problem=own_app"), `data-problem="app_key"`, "<details class=\"mb-3\" open>", r.url+"/oauth/callback/mydomain")
	contains(t, v.page("/connections?problem=user_mismatch&connection=x"), "another user of this org")
}
