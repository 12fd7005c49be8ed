package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// secrets lets cmp compare secrets by their text.
var secrets = cmp.Comparer(func(a, b bridge.Secret) bool { return a.Reveal() == b.Reveal() })

func TestAccount(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	now := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	want := bridge.Account{ID: "a_1", Name: "Ada", Notify: "ada@example.com", Allowance: 5000, CreatedAt: now}
	if _, err := s.AccountOf(t.Context(), ada); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("AccountOf a stranger = %v, want not found", err)
	}
	if err := s.CreateAccount(t.Context(), want, ada); err != nil {
		t.Fatalf("CreateAccount: %v", err)
	}
	other := want
	other.ID = "a_2"
	if err := s.CreateAccount(t.Context(), other, ada); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second account of the same person = %v, want a conflict", err)
	}
	if _, err := s.Account(t.Context(), "a_2"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("account of the refused transaction = %v, want not found", err)
	}
	if id, err := s.AccountOf(t.Context(), ada); err != nil || id != "a_1" {
		t.Errorf("AccountOf = %q, %v; want a_1", id, err)
	}

	want.Version = 1
	want.Token, want.TokenAt = bridge.NewSecret("api-token-0123456789"), now
	if err := s.SaveAccount(t.Context(), want); err != nil {
		t.Fatalf("SaveAccount: %v", err)
	}
	if err := s.SaveAccount(t.Context(), want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("SaveAccount of an old version = %v, want a conflict", err)
	}
	want.Version = 2
	got, err := s.Account(t.Context(), "a_1")
	if diff := cmp.Diff(got, want, secrets); err != nil || diff != "" {
		t.Errorf("Account: %v, got - want +\n%s", err, diff)
	}

	if err := s.RefuseToken(t.Context(), got, "invalid_token"); err != nil {
		t.Errorf("RefuseToken: %v", err)
	}
	if got, err := s.Account(t.Context(), "a_1"); err != nil || got.Refused != "invalid_token" || got.Token.Empty() {
		t.Errorf("after RefuseToken: refused = %q, token empty = %t, %v", got.Refused, got.Token.Empty(), err)
	}
	replaced, _ := s.Account(t.Context(), "a_1")
	replaced.Token, replaced.TokenAt, replaced.Refused = bridge.NewSecret("another-token-9876543210"), now.Add(time.Minute), ""
	if err := s.SaveAccount(t.Context(), replaced); err != nil {
		t.Fatalf("SaveAccount: %v", err)
	}
	if err := s.RefuseToken(t.Context(), got, "invalid_token"); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("RefuseToken of a token that was replaced = %v, want a conflict", err)
	}
}

func TestTokenOpensInItsOwnAccountOnly(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, id := range []bridge.AccountID{"a_1", "a_2"} {
		a := bridge.Account{ID: id, Token: bridge.NewSecret("token of " + string(id)), TokenAt: time.Now()}
		if err := s.CreateAccount(t.Context(), a, bridge.Person{Subject: string(id)}); err != nil {
			t.Fatalf("CreateAccount: %v", err)
		}
	}
	var stolen accountRecord
	if err := s.get(t.Context(), "test", accountKey("a_1"), &stolen); err != nil {
		t.Fatal(err)
	}
	stolen.ID = "a_2"
	if err := s.put(t.Context(), "test", accountKey("a_2"), stolen, versioned, map[string]any{":was": 1}); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Account(t.Context(), "a_2"); bridge.KindOf(err) != bridge.Internal {
		t.Errorf("a token copied to another account opened: %q, %v", a.Token.Reveal(), err)
	}
}

func TestCampaign(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	want := bridge.Campaign{
		ID: "MF0123456789", Account: "a_1", Name: "Spring", Subscribers: 12, SeenAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Listed: true, Connection: "c_1", Identifier: bridge.ByPhone, Events: 2, URL: "https://example.com",
	}
	if err := s.SaveCampaign(t.Context(), want); err != nil {
		t.Fatalf("SaveCampaign: %v", err)
	}
	if err := s.SaveCampaign(t.Context(), want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("adding it again = %v, want a conflict", err)
	}
	want.Version = 1
	want.Name = "Summer"
	if err := s.SaveCampaign(t.Context(), want); err != nil {
		t.Fatalf("SaveCampaign: %v", err)
	}
	want.Version = 2
	got, err := s.Campaign(t.Context(), "a_1", want.ID)
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("Campaign: %v, got - want +\n%s", err, diff)
	}
	if _, err := s.Campaign(t.Context(), "a_2", want.ID); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("Campaign of another account = %v, want not found", err)
	}

	second := bridge.Campaign{ID: "MFaaaaaaaaaa", Account: "a_1"}
	foreign := bridge.Campaign{ID: "MFbbbbbbbbbb", Account: "a_2"}
	for _, c := range []bridge.Campaign{second, foreign} {
		if err := s.SaveCampaign(t.Context(), c); err != nil {
			t.Fatalf("SaveCampaign: %v", err)
		}
	}
	second.Version = 1
	all, err := s.Campaigns(t.Context(), "a_1")
	if diff := cmp.Diff(all, []bridge.Campaign{want, second}, cmpopts.EquateApproxTime(0)); err != nil || diff != "" {
		t.Errorf("Campaigns: %v, got - want +\n%s", err, diff)
	}
}
