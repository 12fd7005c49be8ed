package main

import (
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/erasure"
	"github.com/referralbridge/referralbridge/internal/importer"
)

// TestErase erases an account with all that there can be in it, and looks into the table for what is left.
func TestErase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, bystander := r.visitor(t), r.visitor(t)
	bystander.signIn("Eve", "eve@example.com")
	v.signIn("Dana Reeve", "dana@example.com")
	account := v.account()
	v.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account?done=token")
	connection := v.connect()
	v.page("/connections?connected=" + string(connection))
	campaign := regexp.MustCompile(`href="(/campaigns/MF[0-9a-f]{10})">Spring Referral`).FindStringSubmatch(v.page("/campaigns").text)[1]
	options := url.Values{"connection": {string(connection)}, "url": {"http://mywebsite.com"}, "confirmed": {"on"}}
	v.post(campaign+"/imports", options, "/imports/i_")

	contains(t, v.page("/account"), `href="/account/erase"`)
	contains(t, v.page("/account/erase"), ">1 connection</strong>", "Acme Outdoor", "3 campaigns", "1 import", "1 of them is", "Dana Reeve")
	for _, typed := range []string{"", "erase", "Dana", "dana reeve"} {
		a := v.do(http.MethodPost, "/account/erase", url.Values{"confirm": {typed}})
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("confirmed by %q: %s, want 422", typed, a.Status)
		}
		contains(t, a, `data-problem="confirm"`)
	}
	second := r.visitor(t) // the same person in another browser
	second.signIn("Dana Reeve", "dana@example.com")
	second.page("/account")

	erased := v.do(http.MethodPost, "/account/erase", url.Values{"confirm": {"Dana Reeve"}})
	contains(t, erased, "data-erased")
	for name, each := range map[string]*visitor{"this browser": v, "another browser": second} {
		if a := each.get("/account"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
			t.Errorf("%s after the erasure: %s to %q, want to sign in", name, a.Status, a.Header.Get("Location"))
		}
	}
	contains(t, v.get(r.orgURL+"/__control/"), `"grants":0,`)

	now := time.Now()
	sweep := erasure.Service{
		Rows: r.rows, Connections: r.console.Connections.(leaving), Imports: r.console.Imports.(importer.Service),
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	}
	run := func(after time.Duration) {
		t.Helper()
		now = now.Add(after)
		if err := sweep.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run(2 * time.Minute)
	if !strings.Contains(r.table(t), string(account)) {
		t.Error("rows are gone while workers may still write")
	}
	run(9 * time.Minute)
	if table := r.table(t); strings.Contains(table, string(account)) || strings.Contains(table, "dana@example.com") {
		t.Error("something of the account is left in the table")
	}
	bystander.page("/account")
	v.signIn("Dana Reeve", "dana@example.com")
	if v.account() == account {
		t.Error("the same person gets the erased account")
	}
	contains(t, v.page("/account"), "Not set yet")
}
