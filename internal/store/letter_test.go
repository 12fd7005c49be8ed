package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/erasure"
	"github.com/referralbridge/referralbridge/internal/letter"
)

// died is when the letters of these tests died.
var died = time.UnixMilli(1_793_613_600_123).UTC()

// owners makes accounts.
func owners(t *testing.T, s *Store, ids ...bridge.AccountID) {
	t.Helper()
	for _, id := range ids {
		if err := s.CreateAccount(t.Context(), bridge.Account{ID: id}, bridge.Person{Issuer: "https://issuer", Subject: string(id)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t).WithClock(func() time.Time { return died.Add(time.Hour) }), t.Context()
	owners(t, s, "a_1")
	want := letter.Letter{ID: "m-1", Queue: letter.Imports, Account: "a_1", Body: `{"schema":1}`, SentAt: died.Add(-time.Hour), DiedAt: died, Received: 6}
	if err := s.AddLetter(ctx, want); err != nil {
		t.Fatal(err)
	}
	later := want
	later.DiedAt, later.Received = died.Add(time.Minute), 7
	if err := s.AddLetter(ctx, later); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the same message again: %v, want a conflict", err)
	}
	got, err := s.Letter(ctx, "a_1", "m-1")
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, differs (-got +want):\n%s", err, diff)
	}
	if _, err := s.Letter(ctx, "a_2", "m-1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a letter of another account: %v", err)
	}
	if err := s.DeleteLetter(ctx, "a_2", "m-1"); err != nil {
		t.Error(err)
	}
	all, err := s.Letters(ctx, "a_1", 10)
	if diff := cmp.Diff(all, []letter.Letter{want}); err != nil || diff != "" {
		t.Errorf("%v, list differs (-got +want):\n%s", err, diff)
	}
	after := s.WithClock(func() time.Time { return died.Add(letter.Keep) })
	if all, err := after.Letters(ctx, "a_1", 10); err != nil || len(all) > 0 {
		t.Errorf("after two weeks the list has %+v, %v", all, err)
	}
	if _, err := after.Letter(ctx, "a_1", "m-1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a letter after two weeks: %v", err)
	}
	for range 2 {
		if err := s.DeleteLetter(ctx, "a_1", "m-1"); err != nil {
			t.Error(err)
		}
	}
	if all, err := s.Letters(ctx, "a_1", 10); err != nil || len(all) > 0 {
		t.Errorf("after the deletion the list has %+v, %v", all, err)
	}
}

func TestLettersOfAnErasedAccountAreNotKept(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	owners(t, s, "a_1")
	for name, account := range map[string]bridge.AccountID{"that is being erased": "a_1", "that is not there": "a_2"} {
		if err := s.BeginErasure(ctx, erasure.Begun{Account: "a_1", At: died, Due: died}); err != nil && bridge.KindOf(err) != bridge.Conflict {
			t.Fatal(err)
		}
		if err := s.AddLetter(ctx, letter.Letter{ID: "m-1", Account: account, Queue: letter.Imports, DiedAt: died}); bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("a letter of an account %s: %v, want not found", name, err)
		}
	}
}

func TestLettersOfAQueue(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t).WithClock(func() time.Time { return died }), t.Context()
	var want []letter.Place
	for n := range 9 {
		account := bridge.AccountID("") // whose letters cannot be read
		if n > 0 {
			account = bridge.AccountID(fmt.Sprintf("a_%d", n))
			owners(t, s, account)
		}
		l := letter.Letter{ID: fmt.Sprintf("m-%d", n), Account: account, Queue: letter.Conversions, DiedAt: died.Add(-time.Duration(n*n%7) * time.Hour).Add(time.Duration(n))}
		want = append(want, letter.Place{Account: account, ID: l.ID, DiedAt: l.DiedAt.Truncate(time.Millisecond)})
		other := l
		other.ID, other.Queue = l.ID+"-other", letter.Plumbing
		for _, l := range []letter.Letter{l, other} {
			if err := s.AddLetter(ctx, l); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := s.LettersOf(ctx, letter.Conversions, died.Add(-letter.Keep))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d letters, %v, want %d", len(got), err, len(want))
	}
	known := map[letter.Place]bool{}
	for _, p := range want {
		known[p] = true
	}
	for i, p := range got {
		if !known[p] || i > 0 && p.DiedAt.Before(got[i-1].DiedAt) {
			t.Errorf("at %d is %+v, which is not among %+v, or too late", i, p, want)
		}
	}
	if got, err := s.LettersOf(ctx, letter.Conversions, died.Add(time.Hour)); err != nil || len(got) > 0 {
		t.Errorf("since later: %v, %v, want none", got, err)
	}
	if all, err := s.Letters(ctx, "a_3", 1); err != nil || len(all) != 1 {
		t.Errorf("one of an account's letters: %+v, %v", all, err)
	}
}
