package referralhero_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	simulated "github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// campaigns has a campaign whose goal has so many events, an advocate, and ada, a referral of theirs that is pending.
func campaigns(t *testing.T, events int, faults simulated.Rules) (*referralhero.Client, *simulated.Service, bridge.Secret, bridge.SubscriberID) {
	t.Helper()
	s := simulated.New(simulated.Options{Lists: []simulated.List{{UUID: string(list), Name: "Spring Referral", Events: events}}, FaultRules: faults})
	c := newClient(t, s)
	token := bridge.NewSecret(s.Token())
	star := referralhero.Person{Identifier: bridge.ByEmail, Value: "star@example.org"}
	if _, _, err := c.Add(t.Context(), token, list, star); err != nil {
		t.Fatal(err)
	}
	added, _, err := c.AddReferral(t.Context(), token, list, ada, referralhero.Referral{Referrer: "star@example.org", Pending: true})
	if err != nil || !added.Created || !added.Referred {
		t.Fatalf("AddReferral = %+v, %v", added, err)
	}
	return c, s, token, added.ID
}

func TestReferralsMoveByEvents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, _, token, id := campaigns(t, 3, nil)
	if s, _, err := c.Subscriber(ctx, token, list, id); err != nil || s.Status != "pending" {
		t.Fatalf("after adding: %q, %v, want pending", s.Status, err)
	}
	if _, _, err := c.Confirm(ctx, token, list, id); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("Confirm before Track: %v, want a refusal", err)
	}
	if s, _, err := c.Track(ctx, token, list, bridge.ByEmail, "ADA@example.org"); err != nil || s.ID != id || s.Status != "unconfirmed" {
		t.Errorf("Track = %q, %v, want unconfirmed", s.Status, err)
	}
	if s, _, err := c.Confirm(ctx, token, list, id); err != nil || s.Status != "confirmed" {
		t.Errorf("Confirm = %q, %v, want confirmed", s.Status, err)
	}
	if s, _, err := c.Unqualify(ctx, token, list, id); err != nil || s.Status != "unqualified" {
		t.Errorf("Unqualify = %q, %v, want unqualified", s.Status, err)
	}
	two, _, tokenOfTwo, _ := campaigns(t, 2, nil)
	if s, _, err := two.Track(ctx, tokenOfTwo, list, bridge.ByEmail, ada.Value); err != nil || s.Status != "confirmed" {
		t.Errorf("Track in a goal of two = %q, %v, want confirmed", s.Status, err)
	}
}

func TestPayTellsOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, s, token, id := campaigns(t, 2, nil)
	first := referralhero.Transaction{ID: "sf:1:r", Amount: decimal.RequireFromString("1200.50"), Lifetime: decimal.RequireFromString("12345678901234.56")}
	for range 2 {
		if _, err := c.Pay(ctx, token, list, bridge.ByEmail, ada.Value, first); err != nil {
			t.Fatalf("Pay: %v", err)
		}
	}
	if _, err := c.Pay(ctx, token, list, bridge.ByEmail, ada.Value, referralhero.Transaction{ID: "sf:1:r:2", Lifetime: decimal.NewFromInt(7)}); err != nil {
		t.Fatalf("a correction of nothing: %v", err)
	}
	all := s.Transactions(string(list))
	if len(all) != 2 || all[0].Amount != 1200.5 || *all[0].LifetimeSpend != 12345678901234.56 || all[1].Amount != 0 {
		t.Errorf("transactions = %+v, want the first once, and the correction", all)
	}
	for _, p := range s.Subscribers(string(list)) {
		if p.ID == string(id) && p.LifetimeSpend != 7 {
			t.Errorf("lifetime = %v, want 7", p.LifetimeSpend)
		}
	}
	if _, err := c.Pay(ctx, token, list, bridge.ByEmail, ada.Value, referralhero.Transaction{ID: "x", Amount: decimal.NewFromInt(-1)}); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("an amount below zero: %v, want a refusal", err)
	}
}

// TestActionsMeaning says what answers mean: what may have been carried out is never taken for a failure.
func TestActionsMeaning(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault simulated.FaultKind
		code  string
		want  bridge.Kind
	}{
		"cut off after the work":          {fault: simulated.Cut, want: bridge.UnknownOutcome},
		"a page of HTML after the work":   {fault: simulated.BrokenAfter, want: bridge.UnknownOutcome},
		"half an answer":                  {fault: simulated.Truncated, want: bridge.UnknownOutcome},
		"an error with status 200":        {fault: simulated.ErrorIn200, want: bridge.UnknownOutcome},
		"too many calls":                  {fault: simulated.Throttle, want: bridge.Throttled},
		"nobody there by that name":       {fault: simulated.Refuse, code: "subscriber_not_found", want: bridge.NotFound},
		"already completed":               {fault: simulated.Refuse, code: "already_completed", want: bridge.Invalid},
		"the token is not valid any more": {fault: simulated.Refuse, code: "invalid_token", want: bridge.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			rules := simulated.Rules{}
			for _, path := range []string{"track_referral", "/confirm", "/unqualify", "add_transactions"} {
				rules = append(rules, simulated.Rule{Kind: tc.fault, Code: tc.code, Path: path})
			}
			c, _, token, id := campaigns(t, 3, rules)
			_, _, track := c.Track(ctx, token, list, bridge.ByEmail, ada.Value)
			_, _, confirm := c.Confirm(ctx, token, list, id)
			_, _, unqualify := c.Unqualify(ctx, token, list, id)
			_, pay := c.Pay(ctx, token, list, bridge.ByEmail, ada.Value, referralhero.Transaction{ID: "t", Amount: decimal.NewFromInt(1), Lifetime: decimal.NewFromInt(1)})
			for action, err := range map[string]error{"track": track, "confirm": confirm, "unqualify": unqualify, "pay": pay} {
				if bridge.KindOf(err) != tc.want || strings.Contains(err.Error(), "ada") {
					t.Errorf("%s: %v, want %s and nothing personal", action, err, tc.want)
				}
			}
		})
	}
}

func TestActionsRefuseStrangeIDs(t *testing.T) {
	t.Parallel()
	c := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a call was made") }))
	c.HTTP.Timeout = time.Second
	for _, id := range []bridge.SubscriberID{"", "../../x", "sub_1/confirm", "a?b"} {
		if _, _, err := c.Confirm(t.Context(), bridge.NewSecret("t"), list, id); bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("Confirm(%q): %v, want not found", id, err)
		}
	}
}
