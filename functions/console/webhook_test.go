package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

var webhookAddress = regexp.MustCompile(`id="webhook-address" value="([^"]+)" data-webhook`)

// TestWebhook makes an address, gives a secret, replaces both, and looks at what deliveries came.
func TestWebhook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	r.console.Now = func() time.Time { return now }
	v, stranger := r.visitor(t), r.visitor(t)
	stranger.signIn("Eve", "eve@example.com")
	v.signIn("Dana Reeve", "dana@example.com")
	account := v.account()
	address := func() string {
		t.Helper()
		found := webhookAddress.FindStringSubmatch(v.page("/account").text)
		if found == nil {
			t.Fatal("there is no address")
		}
		return found[1]
	}
	contains(t, v.page("/account"), "Make an address for webhooks")

	v.post("/account/webhook/address", nil, "/account?done=webhook-address")
	page := v.page("/account?done=webhook-address")
	contains(t, page, "The address is made", "Payload Verification", "Webhook Secret Key", "ten failures", "None yet", "Not set yet: every delivery is refused")
	first := address()
	if token, found := strings.CutPrefix(first, r.url+inbox.Path); !found || len(token) != 52 {
		t.Errorf("the address is %s", first)
	}

	for typed, says := range map[string]string{"": "Paste the Webhook Secret Key", "too short": "not a Webhook Secret Key", `"><script>`: "not a Webhook Secret Key"} {
		a := v.do(http.MethodPost, "/account/webhook/secret", url.Values{"secret": {typed}})
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", typed, a.Status)
		}
		contains(t, a, `data-problem="secret"`, says, `href="#secret"`)
		if typed != "" && strings.Contains(a.text, typed) {
			t.Errorf("what was typed comes back: %q", typed)
		}
	}
	secret := r.hero.WebhookSecrets().Current
	v.post("/account/webhook/secret", url.Values{"secret": {" " + secret + "\n"}}, "/account?done=webhook-secret")
	page = v.page("/account?done=webhook-secret")
	contains(t, page, "••••"+secret[len(secret)-4:], "Press Test in ReferralHero")
	if strings.Contains(page.text, secret) {
		t.Error("the page shows the secret")
	}
	if table := r.table(t); strings.Contains(table, secret) || strings.Contains(table, strings.TrimPrefix(first, r.url+inbox.Path)) {
		t.Error("the table has the secret or the address as text")
	}

	if err := r.rows.NoteDelivery(t.Context(), inbox.Webhook{Account: account}, "", now.Add(-3*time.Minute)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		since := now.Add(-time.Hour)
		was := time.Time{}
		if w, _ := r.rows.Webhook(t.Context(), account); w.Refused > 0 {
			was, since = w.RefusedSince, w.RefusedSince
		}
		if err := r.rows.NoteRefusal(t.Context(), account, was, since, now.Add(-2*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, v.page("/account"), `data-last-delivery="`, "3 minutes ago", `data-refused="2"`, "2 deliveries were refused lately, the last one 2 minutes ago")
	now = now.Add(25 * time.Hour)
	if page := v.page("/account"); strings.Contains(page.text, "data-refused") {
		t.Error("what was refused yesterday still alarms")
	}

	v.post("/account/webhook/address", nil, "/account")
	v.post("/account/webhook/secret", url.Values{"secret": {r.hero.RenewWebhookSecret()}}, "/account")
	contains(t, v.page("/account"), "The one before it works until", "The one before it is good until")
	second := address()
	for _, each := range []string{first, second} {
		token := bridge.NewSecret(strings.TrimPrefix(each, r.url+inbox.Path))
		if owner, err := r.rows.HookAccount(t.Context(), token); err != nil || owner != account {
			t.Errorf("%s is of %q, %v", each, owner, err)
		}
	}
	if first == second {
		t.Error("the new address is the old one")
	}
	if page := stranger.page("/account"); webhookAddress.MatchString(page.text) {
		t.Error("another account has an address")
	}
}
