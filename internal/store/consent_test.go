package store

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

func TestConsentIsTakenOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	state := bridge.NewToken()
	want := connect.Consent{
		Account: "a_1", Session: "session", Browser: "browser", Environment: bridge.MyDomain,
		LoginHost: "https://acme.my.salesforce.com", Campaign: "MF0123456789", Expires: time.Now().Add(-time.Hour).Truncate(time.Second),
	}
	if err := s.PutConsent(t.Context(), state, want); err != nil {
		t.Fatalf("PutConsent: %v", err)
	}
	if err := s.PutConsent(t.Context(), state, want); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the same state again = %v, want a conflict", err)
	}
	if row := read(t, s, consentKey(state)); row == nil {
		t.Error("no row")
	} else if k := consentKey(state); strings.Contains(k.pk+k.sk, state.Reveal()) {
		t.Error("the key shows the state")
	}
	taken := make(chan connect.Consent, 10)
	var wait sync.WaitGroup
	for range cap(taken) {
		wait.Go(func() {
			got, err := s.TakeConsent(t.Context(), state)
			switch bridge.KindOf(err) {
			case "":
				taken <- got
			case bridge.Conflict:
			default:
				t.Errorf("TakeConsent: %v", err)
			}
		})
	}
	wait.Wait()
	if len(taken) != 1 {
		t.Fatalf("taken %d times", len(taken))
	}
	if diff := cmp.Diff(<-taken, want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
}

func TestUnknownConsent(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for name, state := range map[string]bridge.Secret{"made up": bridge.NewToken(), "empty": {}} {
		if _, err := s.TakeConsent(t.Context(), state); bridge.KindOf(err) != bridge.Conflict {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		if row := read(t, s, consentKey(state)); row != nil {
			t.Errorf("%s: the attempt left a row", name)
		}
	}
}
