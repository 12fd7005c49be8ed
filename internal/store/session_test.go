package store

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
)

var ada = bridge.Person{Issuer: "https://issuer.example", Subject: "1", Name: "Ada", Email: "ada@example.com"}

func TestSession(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	s := newStore(t).WithClock(func() time.Time { return now })
	token := bridge.NewToken()
	want := bridge.Session{Account: "a_1", Person: ada, CreatedAt: now, SeenAt: now, Expires: now.Add(time.Hour).Truncate(time.Second)}

	if err := s.CreateSession(t.Context(), token, want); err != nil {
		t.Fatalf("CreateSession: %v", err)
	}
	if err := s.CreateSession(t.Context(), token, want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("CreateSession under a token in use = %v, want a conflict", err)
	}
	got, err := s.Session(t.Context(), token)
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("Session: %v, got - want +\n%s", err, diff)
	}
	if _, err := s.Session(t.Context(), bridge.NewToken()); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("Session of another token = %v, want not found", err)
	}

	moved := want
	moved.SeenAt, moved.Expires = now.Add(time.Minute), want.Expires.Add(time.Minute)
	if err := s.TouchSession(t.Context(), token, moved, want.SeenAt); err != nil {
		t.Fatalf("TouchSession: %v", err)
	}
	if err := s.TouchSession(t.Context(), token, moved, want.SeenAt); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("TouchSession from an old time = %v, want a conflict", err)
	}
	now = moved.Expires
	if _, err := s.Session(t.Context(), token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("Session at its end = %v, want not found", err)
	}
	now = moved.Expires.Add(-time.Second)
	for range 2 {
		if err := s.DeleteSession(t.Context(), token); err != nil {
			t.Errorf("DeleteSession: %v", err)
		}
	}
	if err := s.TouchSession(t.Context(), token, want, moved.SeenAt); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("TouchSession after the end = %v, want a conflict: it must not come back", err)
	}
	if _, err := s.Session(t.Context(), token); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("Session after its end = %v, want not found", err)
	}
}

func TestTakeSignIn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newStore(t).WithClock(func() time.Time { return now })
	want := signin.SignIn{Browser: []byte{1, 2}, ReturnTo: "/campaigns?x=1", Expires: now.Add(time.Minute).Truncate(time.Second).UTC()}
	state := bridge.NewToken()
	if err := s.CreateSignIn(t.Context(), state, want); err != nil {
		t.Fatalf("CreateSignIn: %v", err)
	}

	var wait sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wait.Go(func() {
			got, err := s.TakeSignIn(t.Context(), state)
			if diff := cmp.Diff(got, want); err == nil && diff != "" {
				err = errors.New(diff)
			}
			results[i] = err
		})
	}
	wait.Wait()
	taken := 0
	for _, err := range results {
		switch {
		case err == nil:
			taken++
		case bridge.KindOf(err) != bridge.NotFound:
			t.Errorf("TakeSignIn = %v, want it or not found", err)
		}
	}
	if taken != 1 {
		t.Errorf("the sign-in was given to %d callers, want 1", taken)
	}

	old := bridge.NewToken()
	want.Expires = now.Add(-time.Second)
	if err := s.CreateSignIn(t.Context(), old, want); err != nil {
		t.Fatalf("CreateSignIn: %v", err)
	}
	if _, err := s.TakeSignIn(t.Context(), old); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("TakeSignIn of an old one = %v, want not found", err)
	}
}
