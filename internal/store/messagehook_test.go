package store

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

func TestMessageHook(t *testing.T) {
	t.Parallel()
	plain, table := newOpenStore(t)
	now := time.UnixMilli(1_793_613_600_000).UTC()
	s := plain.WithClock(func() time.Time { return now })
	ctx := t.Context()
	token := bridge.NewToken()
	want := conversion.Hook{Account: "a_1", Connection: "c_1", Off: true, MadeAt: now}
	if err := s.CreateMessageHook(ctx, token, want); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateMessageHook(ctx, token, want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a hook under a token in use: %v, want a conflict", err)
	}
	got, err := s.MessageHook(ctx, token)
	want.ID = got.ID
	if diff := cmp.Diff(got, want); err != nil || diff != "" || got.ID == "" {
		t.Errorf("MessageHook: %v, got - want +\n%s", err, diff)
	}
	if strings.Contains(strings.Join(everything(t, table, "a_1"), "\n"), token.Reveal()) {
		t.Error("the token lies in the table")
	}
	if _, err := s.MessageHook(ctx, bridge.NewToken()); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a hook of another token: %v, want none", err)
	}

	touched := want
	touched.LastAt, touched.Stranger, touched.StrangerAt = now.Add(time.Minute), "00D5g000004AbCdEAK", now.Add(time.Second)
	if err := s.TouchMessageHook(ctx, touched, want); err != nil {
		t.Fatal(err)
	}
	if err := s.TouchMessageHook(ctx, touched, want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("touched twice from one reading: %v, want a conflict", err)
	}
	touched.Off = false
	if err := s.SwitchMessageHook(ctx, touched); err != nil {
		t.Fatal(err)
	}
	all, err := s.MessageHooks(ctx, "a_1")
	if diff := cmp.Diff(all, []conversion.Hook{touched}); err != nil || diff != "" {
		t.Errorf("MessageHooks: %v, got - want +\n%s", err, diff)
	}
	if all, err := s.MessageHooks(ctx, "a_2"); err != nil || all != nil {
		t.Errorf("another account's hooks: %+v, %v", all, err)
	}
}

func TestMessageHookEnds(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	s := newStore(t).WithClock(func() time.Time { return now })
	ctx := t.Context()
	token := bridge.NewToken()
	if err := s.CreateMessageHook(ctx, token, conversion.Hook{Account: "a_1", Connection: "c_1", MadeAt: now}); err != nil {
		t.Fatal(err)
	}
	hook, err := s.MessageHook(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	hook.EndsAt = now.Add(48 * time.Hour)
	if err := s.EndMessageHook(ctx, hook); err != nil {
		t.Fatal(err)
	}
	now = hook.EndsAt.Add(-time.Second)
	if got, err := s.MessageHook(ctx, token); err != nil || !got.EndsAt.Equal(hook.EndsAt) {
		t.Errorf("before its end: %+v, %v", got, err)
	}
	now = hook.EndsAt
	if _, err := s.MessageHook(ctx, token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("at its end: %v, want none", err)
	}
	if all, err := s.MessageHooks(ctx, "a_1"); err != nil || all != nil {
		t.Errorf("after its end: %+v, %v", all, err)
	}
	hook.EndsAt = now.Add(time.Hour)
	if err := s.EndMessageHook(ctx, hook); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("ended again: %v, want a conflict: it must not come back", err)
	}
	if err := s.SwitchMessageHook(ctx, hook); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("switched after its end: %v, want a conflict", err)
	}
}

func TestMessageHookGoesWithItsAccount(t *testing.T) {
	t.Parallel()
	s, table := newOpenStore(t)
	ctx := t.Context()
	token := bridge.NewToken()
	if err := s.CreateMessageHook(ctx, token, conversion.Hook{Account: "a_erased", Connection: "c_1", MadeAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteAccount(ctx, "a_erased"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.MessageHook(ctx, token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the hook of an erased account: %v, want none", err)
	}
	if left := everything(t, table, "a_erased"); left != nil {
		t.Errorf("left in the table: %q", left)
	}
}
