package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

func installation(at time.Time) plumbing.Installation {
	return plumbing.Installation{
		Account: "a_1", Connection: "c_1", Wish: plumbing.Installed, Route: plumbing.ByDeployment, Edition: "Enterprise Edition", Stage: plumbing.Landing, Mend: true,
		Name: "RH_Opportunity_Stage", Hook: bridge.NewSecret("new"), Former: bridge.NewSecret("old"), FormerEnds: at.Add(1 * time.Hour),
		Currency: true, Message: true, Flow: true, Draft: true, Deployment: "0Af5g0000000001CAA", DeployedAt: at.Add(2 * time.Hour), Queued: true, Rounds: 1,
		Definition: "3005g0000000001AAA", Version: "3015g0000000001AAA", Number: 3, MessageID: "04k5g0000000001AAA",
		Fault: plumbing.FlowInactive, Details: []string{"RH Opportunity Stage"}, Tries: 2, Since: at.Add(3 * time.Hour), BeganAt: at.Add(4 * time.Hour),
		CheckedAt: at.Add(5 * time.Hour), DueAt: at.Add(7 * time.Hour),
	}
}

func TestInstallation(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	at := time.UnixMilli(1_793_613_600_123).UTC()
	if _, err := s.Installation(ctx, "a_1", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("none yet: %v", err)
	}
	want := installation(at)
	if err := s.SaveInstallation(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveInstallation(ctx, want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("added twice: %v, want a conflict", err)
	}
	want.Revision = 1
	got, err := s.Installation(ctx, "a_1", "c_1")
	if diff := cmp.Diff(got, want, cmp.Comparer(func(a, b bridge.Secret) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v, differs (-got +want):\n%s", err, diff)
	}
	got.Hook, got.Former, got.DueAt = bridge.Secret{}, bridge.Secret{}, time.Time{}
	for _, want := range []bridge.Kind{"", bridge.Conflict} {
		if err := s.SaveInstallation(ctx, got); bridge.KindOf(err) != want {
			t.Errorf("saved as read: %v, want %q", err, want)
		}
	}
	if got, err := s.Installation(ctx, "a_1", "c_1"); err != nil || got.Revision != 2 || !got.Hook.Empty() || !got.DueAt.IsZero() {
		t.Errorf("it is %+v, %v", got, err)
	}
	if _, err := s.Installation(ctx, "a_2", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("that of another account: %v", err)
	}
}

func TestDueInstallations(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	for id, due := range map[bridge.ConnectionID]time.Time{"c_1": now.Add(-time.Second), "c_2": now, "c_3": now.Add(time.Minute), "c_4": {}} {
		i := plumbing.Installation{Account: "a_1", Connection: id, DueAt: due}
		if err := s.SaveInstallation(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.DueInstallations(ctx, now, 10)
	want := []plumbing.Due{{Account: "a_1", Connection: "c_1", At: now.Add(-time.Second)}, {Account: "a_1", Connection: "c_2", At: now}}
	if diff := cmp.Diff(found, want); err != nil || diff != "" {
		t.Errorf("%v, due differs (-got +want):\n%s", err, diff)
	}
	if found, err := s.DueInstallations(ctx, now, 1); err != nil || len(found) != 1 {
		t.Errorf("with a limit it is %v, %v", found, err)
	}
}

func TestInstalledHook(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	now := s.now()
	token := bridge.NewSecret("t")
	if _, err := s.InstalledHook(ctx, token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("none yet: %v", err)
	}
	if err := s.RetireHook(ctx, token, now); err != nil {
		t.Errorf("retiring none: %v", err)
	}
	want := plumbing.Hook{Account: "a_1", Connection: "c_1", Off: true}
	for _, h := range []plumbing.Hook{want, {Account: "a_1", Connection: "c_1"}} { // the second finds the first
		if err := s.InstallHook(ctx, token, h, now); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.InstalledHook(ctx, token); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	was, err := s.MessageHook(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	seen := was
	seen.LastAt, seen.Stranger, seen.StrangerAt = now.Truncate(time.Millisecond).UTC(), "00D5g000000Other", now
	if err := s.TouchMessageHook(ctx, seen, was); err != nil {
		t.Fatal(err)
	}
	want.SeenAt, want.Copy = seen.LastAt, seen.Stranger
	if got, err := s.InstalledHook(ctx, token); err != nil || !got.SeenAt.Equal(want.SeenAt) || got.Copy != want.Copy {
		t.Errorf("after messages it is %+v, %v, want %+v", got, err, want)
	}
	if err := s.RetireHook(ctx, token, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InstalledHook(ctx, token); err != nil {
		t.Errorf("retired too early: %v", err)
	}
	for range 2 {
		if err := s.RetireHook(ctx, token, now.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.InstalledHook(ctx, token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("retired, it is there: %v", err)
	}
}
