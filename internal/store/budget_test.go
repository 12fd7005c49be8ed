package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/effect"
)

func TestWindowIsWrittenOnlyOverTheOneThatWasRead(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	first, err := s.Window(t.Context(), "a_1", "referralhero")
	if err != nil || first.Version != 0 {
		t.Fatalf("Window before any lease = %+v, %v; want an empty one", first, err)
	}
	first.Last, first.All, first.Urgent, first.Until = 7, []uint16{0, 50, 65535}, []uint16{1, 2, 3}, time.UnixMilli(1234).UTC()
	if err := s.SaveWindow(t.Context(), "a_1", "referralhero", first); err != nil {
		t.Fatal(err)
	}
	got, err := s.Window(t.Context(), "a_1", "referralhero")
	want := first
	want.Version = 1
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Window (-want +got): %v\n%s", err, diff)
	}
	if err := s.SaveWindow(t.Context(), "a_1", "referralhero", first); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("saving over a newer window = %v, want a Conflict", err)
	}
	other, err := s.Window(t.Context(), "a_2", "referralhero")
	if diff := cmp.Diff(budget.Window{}, other); err != nil || diff != "" {
		t.Errorf("another account's window: %v\n%s", err, diff)
	}
}

func TestEffectIsWrittenOnlyOverTheOneThatWasRead(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	r := effect.Record{State: effect.Claimed, Fence: 1, Until: time.UnixMilli(99).UTC()}
	if err := s.SaveEffect(t.Context(), "a_1", "mail", "i_1", r); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveEffect(t.Context(), "a_1", "mail", "i_1", r); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second first write = %v, want a Conflict", err)
	}
	got, err := s.Effect(t.Context(), "a_1", "mail", "i_1")
	r.Version = 1
	if diff := cmp.Diff(r, got); err != nil || diff != "" {
		t.Errorf("Effect (-want +got): %v\n%s", err, diff)
	}
}
