package connect_test

import (
	"context"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// strand leaves a connection whose refreshed token is in the second place only, because the table took nothing until
// the worker died.
func (w *world) strand(id bridge.ConnectionID) {
	w.t.Helper()
	dead := w.token(id)
	ctx, die := context.WithCancel(w.t.Context())
	w.org.ResetCounts()
	rescued := false
	w.breakAWS(func(operation string) *aws.Fault {
		switch {
		case operation == "CreateSecret":
			rescued = true
		case operation == "UpdateItem" && w.org.Counts().Token == 1:
			if rescued {
				die()
			}
			return &aws.Fault{Status: 500, Code: "InternalServerError"}
		}
		return nil
	})
	_, err := w.tokens(id).Renew(ctx, dead)
	w.breakAWS(nil)
	if after := bridge.AfterOf(err, 0); bridge.KindOf(err) != bridge.Throttled || after < time.Second || after > time.Minute || !rescued {
		w.t.Fatalf("renew = %v after %v; rescued: %t", err, after, rescued)
	}
	if _, err := w.rescue.Kept(w.t.Context(), w.grant(id)); err != nil {
		w.t.Fatalf("nothing was kept: %v", err)
	}
}

func (w *world) nothingKept(was bridge.Grant) {
	w.t.Helper()
	if _, err := w.rescue.Kept(w.t.Context(), was); bridge.KindOf(err) != bridge.NotFound {
		w.t.Errorf("kept = %v, want nothing", err)
	}
}

func TestTokenThatTheTableDoesNotTakeIsFoundAgain(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	was := w.grant(id)
	w.strand(id)
	clock.advance(time.Minute)
	token, err := w.tokens(id).Renew(t.Context(), was.Access)
	if err != nil || token != w.token(id) || token.Version != was.Access.Version+1 || !w.works(id) {
		t.Errorf("renew = version %d, %v", token.Version, err)
	}
	if g := w.grant(id); g.InFlight || g.RefreshVersion != was.RefreshVersion+1 || g.RefreshedAt.IsZero() {
		t.Errorf("in flight: %t; refresh version %d, want %d", g.InFlight, g.RefreshVersion, was.RefreshVersion+1)
	}
	if calls := w.org.Counts().Token; calls != 1 {
		t.Errorf("%d token calls, want 1", calls)
	}
	w.nothingKept(was)
	w.noSecretInLog(w.grant(id).RefreshToken, token.Token)

	clock.advance(time.Hour) // and the token that was found can be refreshed
	if _, err := w.tokens(id).Renew(t.Context(), token); err != nil || !w.works(id) {
		t.Errorf("renew = %v", err)
	}
}

func TestNothingIsShownToSalesforceWhileTheSecondPlaceIsSilent(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	was := w.grant(id)
	w.strand(id)
	clock.advance(time.Minute)
	w.breakAWS(func(operation string) *aws.Fault {
		if operation == "GetSecretValue" {
			return &aws.Fault{Status: 500, Code: "InternalServiceError"}
		}
		return nil
	})
	if _, err := w.tokens(id).Renew(t.Context(), was.Access); bridge.KindOf(err) != bridge.Throttled || w.org.Counts().Token != 1 {
		t.Errorf("renew = %v with %d token calls, want to be told to wait and 1", err, w.org.Counts().Token)
	}
	w.breakAWS(nil)
	clock.advance(time.Minute)
	if _, err := w.tokens(id).Renew(t.Context(), was.Access); err != nil || w.org.Counts().Token != 1 || !w.works(id) {
		t.Errorf("renew = %v with %d token calls", err, w.org.Counts().Token)
	}
}

func TestTableThatComesBack(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	was := w.grant(id)
	w.org.ResetCounts()
	rescued := 0
	w.breakAWS(func(operation string) *aws.Fault {
		if operation == "CreateSecret" {
			rescued++
		}
		if operation == "UpdateItem" && w.org.Counts().Token == 1 && rescued == 0 {
			return &aws.Fault{Status: 500, Code: "InternalServerError"}
		}
		return nil
	})
	if _, err := w.tokens(id).Renew(t.Context(), was.Access); err != nil || rescued != 1 || !w.works(id) {
		t.Errorf("renew = %v; rescued %d times, want once", err, rescued)
	}
	w.nothingKept(was)
}

func TestDisconnectEndsTheTokenThatWasKept(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	was := w.grant(id)
	w.strand(id)
	if err := w.service().Disconnect(t.Context(), account, id); err != nil || w.connection(id).Code == connect.NotRevoked {
		t.Errorf("disconnect = %v, code %q", err, w.connection(id).Code)
	}
	if grants := w.grantsAtSalesforce(); grants != 0 {
		t.Errorf("%d grants are alive at Salesforce", grants)
	}
	w.nothingKept(was)
}

func TestReconnectForgetsTheTokenThatWasKept(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	was := w.grant(id)
	w.strand(id)
	if again := w.connect(); again != id || !w.works(id) {
		t.Errorf("another connection: %s", again)
	}
	w.nothingKept(was)
}

func TestTokenThatIsRefusedRightAfterARefresh(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	w.broker.Rest = connect.DefaultRest
	id := w.connect()
	w.org.ResetCounts()
	fresh, err := w.tokens(id).Renew(t.Context(), w.token(id)) // the consent's own token is no refresh's
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(connect.DefaultRest - time.Second)
	for range 3 {
		if _, err := w.tokens(id).Renew(t.Context(), fresh); bridge.KindOf(err) != bridge.Denied || bridge.CodeOf(err) != connect.TokenRefused {
			t.Errorf("renew = %v, want denied and %s", err, connect.TokenRefused)
		}
	}
	if c := w.connection(id); c.Status != bridge.NeedsAdmin || c.Code != connect.TokenRefused {
		t.Errorf("status, code = %q, %q", c.Status, c.Code)
	}
	if _, err := w.tokens(id).Token(t.Context()); bridge.KindOf(err) != bridge.Denied || w.org.Counts().Token != 1 {
		t.Errorf("Token = %v, and %d token calls, want 1", err, w.org.Counts().Token)
	}
	clock.advance(time.Second)
	if token, err := w.tokens(id).Token(t.Context()); err != nil || token.Version != fresh.Version+1 || !w.works(id) {
		t.Errorf("after the rest: version %d, %v", token.Version, err)
	}
	if c := w.connection(id); c.Status != bridge.Active || c.Code != "" || !c.TellAt.IsZero() {
		t.Errorf("status, code = %q, %q; to be told at %v", c.Status, c.Code, c.TellAt)
	}
}
