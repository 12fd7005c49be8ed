package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/provision"
)

func TestLayout(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	if _, err := s.Layout(ctx, "a_1", "c_1", "Contact"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("no layout: %v", err)
	}
	want := bridge.Layout{Account: "a_1", Connection: "c_1", Object: "Contact", Persons: true}
	for i, f := range bridge.Fields {
		want.Names[i] = "RH_" + f.Name + "__c"
		if i%2 == 0 {
			want.Visible, want.Lengths[i] = want.Visible.With(i), 64+i
		}
	}
	want.Names[bridge.Source] = "" // none was chosen yet
	want.Visible, want.Lengths[bridge.Source] = want.Visible.Without(bridge.Source), 0
	if err := s.SaveLayout(ctx, want); err != nil {
		t.Fatal(err)
	}
	want.Version = 1
	got, err := s.Layout(ctx, "a_1", "c_1", "Contact")
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, differs (-got +want):\n%s", err, diff)
	}
	for _, other := range []bridge.Layout{{Account: "a_2", Connection: "c_1", Object: "Contact"}, {Account: "a_1", Connection: "c_1", Object: "Lead"}} {
		if _, err := s.Layout(ctx, other.Account, other.Connection, other.Object); bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("of another account or object: %v", err)
		}
	}
	for version, kind := range map[int]bridge.Kind{0: bridge.Conflict, 2: bridge.Conflict} {
		stale := want
		stale.Version = version
		if err := s.SaveLayout(ctx, stale); bridge.KindOf(err) != kind {
			t.Errorf("saved over version 1 as of version %d: %v", version, err)
		}
	}
	if err := s.SaveLayout(ctx, want); err != nil {
		t.Errorf("saved as read: %v", err)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	now := time.UnixMilli(1_793_613_600_123).UTC()
	if _, err := s.Setup(ctx, "a_1", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("no setup: %v", err)
	}
	want := provision.Setup{
		Account: "a_1", Connection: "c_1", Target: "Lead", Persons: true, Prefix: "RH_",
		Readers: provision.Readers{Users: []bridge.SalesforceID{"005a", "005b"}}, Leaving: provision.Readers{Profiles: []bridge.SalesforceID{"00e"}},
		Integration: provision.Set{ID: "0PSa", Name: "RH_Integration"}, Reader: provision.Set{Name: "RH_Reader"}, Route: provision.ByHand,
		Step: provision.Verifying, Problems: []provision.Problem{{Code: "x", Details: []string{"y", "z"}}, {Code: "w"}}, Wipe: true,
		Deadline: now.Add(time.Minute), Unannounced: true, CheckedAt: now, DueAt: now.Add(time.Hour),
	}
	for _, object := range []string{"Contact", "Lead"} {
		for i := range bridge.Fields {
			want.Fields = append(want.Fields, provision.Field{
				Object: object, Index: i, Name: object + "__c", ID: "00N", Hand: i == 3, State: provision.Differs, Detail: "it is red",
			})
		}
	}
	if err := s.SaveSetup(ctx, want); err != nil {
		t.Fatal(err)
	}
	want.Version = 1
	got, err := s.Setup(ctx, "a_1", "c_1")
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, differs (-got +want):\n%s", err, diff)
	}
	if _, err := s.Setup(ctx, "a_2", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("setup of another account: %v", err)
	}
	stale := want
	stale.Version = 0
	if err := s.SaveSetup(ctx, stale); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("saved as a first one: %v, want a conflict", err)
	}

	// It is due, is taken once, and is not due when it says so.
	due, err := s.DueSetups(ctx, want.DueAt, 10)
	if diff := cmp.Diff(due, []provision.Due{{Account: "a_1", Connection: "c_1", At: want.DueAt}}); err != nil || diff != "" {
		t.Fatalf("%v, due (-got +want):\n%s", err, diff)
	}
	if early, err := s.DueSetups(ctx, want.DueAt.Add(-time.Millisecond), 10); err != nil || early != nil {
		t.Errorf("too early: %v, %v", early, err)
	}
	if err := s.PostponeSetup(ctx, due[0], now.Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	if err := s.PostponeSetup(ctx, due[0], now.Add(2*time.Hour)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("postponed twice: %v, want a conflict", err)
	}
	if err := s.SaveReport(ctx, "a_1", "c_1", doctor.Report{At: now}, now); err != nil { // of another line
		t.Fatal(err)
	}
	want.DueAt = time.Time{}
	if err := s.SaveSetup(ctx, want); err != nil {
		t.Errorf("a postponed one is still the version that was read: %v", err)
	}
	if due, err := s.DueSetups(ctx, now.Add(100*time.Hour), 10); err != nil || due != nil {
		t.Errorf("never due: %v, %v", due, err)
	}
}

// TestSetupsAreErased looks that an account's setups and layouts go with it.
func TestSetupsAreErased(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	for _, account := range []bridge.AccountID{"a_1", "a_2"} {
		if err := s.SaveSetup(ctx, provision.Setup{Account: account, Connection: "c_1"}); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveLayout(ctx, bridge.Layout{Account: account, Connection: "c_1", Object: "Contact"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteAccount(ctx, "a_1"); err != nil {
		t.Fatal(err)
	}
	for account, kind := range map[bridge.AccountID]bridge.Kind{"a_1": bridge.NotFound, "a_2": ""} {
		_, setup := s.Setup(ctx, account, "c_1")
		_, layout := s.Layout(ctx, account, "c_1", "Contact")
		if bridge.KindOf(setup) != kind || bridge.KindOf(layout) != kind {
			t.Errorf("%s: %v, %v", account, setup, layout)
		}
	}
}
