package connect_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

func TestAHundredWorkersMeetOneRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{}, time.Now)
	id := w.connect()
	const workers = 100
	for round := range 3 {
		dead := w.token(id)
		w.org.ExpireTokens()
		w.org.ResetCounts()
		w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Delay: simulated.Duration(50 * time.Millisecond)}})
		var wait sync.WaitGroup
		got := make([]bridge.AccessToken, workers)
		for i := range workers {
			wait.Go(func() {
				token, err := w.tokens(id).Renew(t.Context(), dead)
				if err != nil {
					t.Errorf("worker %d: %v", i, err)
				}
				got[i] = token
			})
		}
		wait.Wait()
		for i := range got {
			if got[i] != got[0] || got[i] == dead {
				t.Fatalf("worker %d has version %d, worker 0 has %d", i, got[i].Version, got[0].Version)
			}
		}
		if calls := w.org.Counts().Token; calls != 1 {
			t.Errorf("round %d: %d token calls, want 1", round, calls)
		}
		if !w.works(id) {
			t.Fatalf("round %d: the connection is lost", round)
		}
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	for name, static := range map[string]bool{"with rotation": false, "without rotation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newStillWorld(t, simulated.Options{StaticRefreshTokens: static})
			id := w.connect()
			for range 3 {
				before := w.grant(id)
				w.org.ExpireTokens()
				token, err := w.tokens(id).Renew(t.Context(), before.Access)
				if err != nil {
					t.Fatalf("renew: %v", err)
				}
				after := w.grant(id)
				if token != after.Access || token.Version != before.Access.Version+1 {
					t.Errorf("version %d after %d, stored %d", token.Version, before.Access.Version, after.Access.Version)
				}
				if rotated := after.RefreshVersion == before.RefreshVersion+1; rotated == static || (after.RefreshToken != before.RefreshToken) != rotated {
					t.Errorf("refresh version went from %d to %d", before.RefreshVersion, after.RefreshVersion)
				}
				if after.InFlight || after.LeaseOwner != "" || !after.LeaseUntil.IsZero() {
					t.Error("the lease was not returned")
				}
				if !w.works(id) {
					t.Error("the new token does not work")
				}
			}
			if refresh := w.grant(id).RefreshToken; refresh.Empty() {
				t.Error("no refresh token")
			} else {
				w.noSecretInLog(refresh, w.token(id).Token)
			}
		})
	}
}

func TestRenewOfAnOldVersionCallsNobody(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	first := w.token(id)
	if _, err := w.tokens(id).Renew(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.org.ResetCounts()
	token, err := w.tokens(id).Renew(t.Context(), first)
	if err != nil || token != w.token(id) || w.org.Counts().Token != 0 {
		t.Errorf("version %d, %v, %d token calls", token.Version, err, w.org.Counts().Token)
	}
}

func TestExpiredTokenInTheMiddleOfWork(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	hosts := salesforce.Hosts{Simulator: w.origin}
	client := salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: w.tokens(id)}
	w.org.ResetCounts()
	for range 3 {
		w.org.ExpireTokens()
		if n, err := client.CountContacts(t.Context(), bridge.Selection{}); err != nil || n != 5 {
			t.Fatalf("CountContacts = %d, %v", n, err)
		}
	}
	if counts := w.org.Counts(); counts.Token != 3 || counts.Query != 6 {
		t.Errorf("%d token calls and %d queries, want 3 and 6", counts.Token, counts.Query)
	}
}

func TestRefreshWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  simulated.Fault
		static bool
		alive  bool // after the one retry
	}{
		"lost after Salesforce rotated":    {fault: simulated.Fault{Drop: true}},
		"lost where nothing rotates":       {fault: simulated.Fault{Drop: true}, static: true, alive: true},
		"an outage that says so":           {fault: simulated.Fault{Status: 503, HTML: true}, alive: true},
		"an outage in Salesforce's format": {fault: simulated.Fault{Status: 500, Code: "server_error"}, alive: true},
		"the one before is still worked on": {
			fault: simulated.Fault{Status: 400, Code: "invalid_grant", Message: "token request is already being processed"}, alive: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newStillWorld(t, simulated.Options{StaticRefreshTokens: tc.static})
			id := w.connect()
			dead := w.token(id)
			w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Times: 1, Fault: tc.fault})
			w.org.ResetCounts()
			for range 3 { // the first one asks Salesforce, the others find its lease
				_, err := w.tokens(id).Renew(t.Context(), dead)
				if after := bridge.AfterOf(err, 0); bridge.KindOf(err) != bridge.Throttled || after < time.Second || after > time.Minute {
					t.Fatalf("renew = %v after %v, want throttled", err, after)
				}
			}
			if calls := w.org.Counts().Token; calls != 1 {
				t.Fatalf("%d token calls while the outcome is unknown, want 1", calls)
			}
			if token, err := w.tokens(id).Token(t.Context()); err != nil || token != dead {
				t.Errorf("the old token is gone while it may still work: %v", err)
			}

			clock.advance(time.Minute)
			_, err := w.tokens(id).Renew(t.Context(), dead)
			if calls := w.org.Counts().Token; calls != 2 {
				t.Errorf("%d token calls, want 2", calls)
			}
			if tc.alive {
				if err != nil || !w.works(id) {
					t.Errorf("renew = %v, and the connection is lost", err)
				}
				return
			}
			if got := w.connection(id).Status; bridge.KindOf(err) != bridge.Revoked || got != bridge.NeedsReconnect {
				t.Errorf("renew = %v, status %q, want revoked and needs_reconnect", err, got)
			}
		})
	}
}

func TestWorkerThatDiedWithTheLease(t *testing.T) {
	t.Parallel()
	w, clock := newStillWorld(t, simulated.Options{})
	id := w.connect()
	dead := w.token(id)
	if _, err := w.store.LeaseGrant(t.Context(), w.grant(id), "the dead", w.now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.org.ResetCounts()
	if _, err := w.tokens(id).Renew(t.Context(), dead); bridge.KindOf(err) != bridge.Throttled || w.org.Counts().Token != 0 {
		t.Fatalf("renew = %v with %d token calls, want to be told to wait", err, w.org.Counts().Token)
	}
	clock.advance(time.Minute)
	if _, err := w.tokens(id).Renew(t.Context(), dead); err != nil || w.org.Counts().Token != 1 || !w.works(id) {
		t.Errorf("renew = %v with %d token calls", err, w.org.Counts().Token)
	}
}

func TestCrashBeforeTheNewTokenIsStored(t *testing.T) {
	t.Parallel()
	for name, static := range map[string]bool{"with rotation the grant is lost, and says so": false, "without rotation nothing is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newStillWorld(t, simulated.Options{StaticRefreshTokens: static})
			id := w.connect()
			dead := w.token(id)
			ctx, crash := context.WithCancel(t.Context())
			w.org.ResetCounts()
			w.breakAWS(func(operation string) *aws.Fault {
				if (operation == "UpdateItem" || operation == "CreateSecret") && w.org.Counts().Token == 1 {
					crash()
					return &aws.Fault{Status: 500, Code: "InternalServerError"}
				}
				return nil
			})
			if _, err := w.tokens(id).Renew(ctx, dead); err == nil {
				t.Fatal("renew succeeded")
			}
			w.breakAWS(nil)
			clock.advance(time.Minute)
			_, err := w.tokens(id).Renew(t.Context(), dead)
			if calls := w.org.Counts().Token; calls != 2 {
				t.Errorf("%d token calls, want 2", calls)
			}
			if static && (err != nil || !w.works(id)) {
				t.Errorf("renew = %v", err)
			}
			if !static && w.connection(id).Status != bridge.NeedsReconnect {
				t.Errorf("renew = %v, status %q", err, w.connection(id).Status)
			}
		})
	}
}

func TestTableInTrouble(t *testing.T) {
	t.Parallel()
	broken := aws.Fault{Status: 500, Code: "InternalServerError"}
	for name, tc := range map[string]struct {
		fault aws.Fault
		times int32 // how many requests it happens to
		after int   // of token calls
	}{
		"the new token is written in the end":    {broken, 12, 1},
		"the write was done, its answer is lost": {aws.Fault{DropReply: true}, 1, 1},
		"the lease was taken, its answer lost":   {aws.Fault{DropReply: true}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newStillWorld(t, simulated.Options{})
			id := w.connect()
			dead := w.token(id)
			w.org.ResetCounts()
			var left atomic.Int32
			left.Store(tc.times)
			w.breakAWS(func(operation string) *aws.Fault {
				if operation == "UpdateItem" && w.org.Counts().Token == tc.after && left.Add(-1) >= 0 {
					return &tc.fault
				}
				return nil
			})
			token, err := w.tokens(id).Renew(t.Context(), dead)
			if err != nil || token != w.token(id) || !w.works(id) {
				t.Errorf("renew = version %d, %v", token.Version, err)
			}
			if calls := w.org.Counts().Token; calls != 1 || left.Load() > 0 {
				t.Errorf("%d token calls, want 1; %d faults did not happen", calls, left.Load())
			}
		})
	}
}

func TestRefusedRefresh(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code, description string
		status            bridge.ConnectionStatus
		told              string
		kind              bridge.Kind
	}{
		"revoked":                {"invalid_grant", "expired access/refresh token", bridge.NeedsReconnect, "invalid_grant", bridge.Revoked},
		"approval withdrawn":     {"invalid_grant", "user hasn't approved this consumer", bridge.NeedsReconnect, "invalid_grant", bridge.Revoked},
		"not from our addresses": {"invalid_grant", "ip restricted or invalid login hours", bridge.NeedsAdmin, "ip_restricted", bridge.Denied},
		"user switched off":      {"inactive_user", "user is inactive", bridge.NeedsAdmin, "inactive_user", bridge.Denied},
		"user off, other words":  {"invalid_grant", "Inactive User", bridge.NeedsAdmin, "inactive_user", bridge.Denied},
		"org locked":             {"inactive_org", "organization is locked", bridge.NeedsAdmin, "inactive_org", bridge.Denied},
		"our secret is wrong":    {"invalid_client", "invalid client credentials", bridge.NeedsAdmin, "invalid_client", bridge.Denied},
		"app removed":            {"invalid_client", "app must be installed into org", bridge.NeedsAdmin, "app_not_installed", bridge.Denied},
		"app blocked":            {"unauthorized_client", "", bridge.NeedsAdmin, "unauthorized_client", bridge.Denied},
		"user not allowed":       {"invalid_app_access", "user is not admin approved", bridge.NeedsAdmin, "invalid_app_access", bridge.Denied},
		"too many logins":        {"rate_limit_exceeded", "login rate exceeded", bridge.Active, "rate_limit_exceeded", bridge.Throttled},
		"our request is wrong":   {"unsupported_grant_type", "", bridge.Active, "token_endpoint_refused", bridge.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, clock := newStillWorld(t, simulated.Options{})
			id := w.connect()
			dead := w.token(id)
			w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 400, Code: tc.code, Message: tc.description}})
			w.org.ResetCounts()
			_, err := w.tokens(id).Renew(t.Context(), dead)
			if bridge.KindOf(err) != tc.kind || bridge.CodeOf(err) != tc.told {
				t.Errorf("kind, code = %q, %q, want %q, %q", bridge.KindOf(err), bridge.CodeOf(err), tc.kind, tc.told)
			}
			if c := w.connection(id); c.Status != tc.status || c.Status != bridge.Active && c.Code != tc.told {
				t.Errorf("status, code = %q, %q, want %q, %q", c.Status, c.Code, tc.status, tc.told)
			}
			if tc.status == bridge.Active {
				w.org.SetRules()
				if _, err := w.tokens(id).Renew(t.Context(), dead); err != nil {
					t.Errorf("the lease was not returned: %v", err)
				}
				return
			}
			if _, err := w.tokens(id).Token(t.Context()); bridge.KindOf(err) != tc.kind {
				t.Errorf("Token = %v, want %q", err, tc.kind)
			}
			if calls := w.org.Counts().Token; calls != 1 {
				t.Errorf("%d token calls, want 1: a dead connection stops its calls", calls)
			}
			w.org.SetRules()
			clock.advance(10 * time.Minute)
			_, err = w.tokens(id).Token(t.Context())
			if healed := err == nil; healed != (tc.status == bridge.NeedsAdmin) {
				t.Errorf("ten minutes after the cause went: %v", err)
			}
			if err == nil && (w.connection(id).Status != bridge.Active || !w.works(id)) {
				t.Errorf("status = %q", w.connection(id).Status)
			}
		})
	}
}

func TestPersonWhoInsists(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	dead := w.token(id)
	w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 400, Code: "inactive_user"}})
	worker, person := w.tokens(id), w.tokens(id)
	person.Insist = true
	if _, err := worker.Renew(t.Context(), dead); bridge.KindOf(err) != bridge.Denied {
		t.Fatal(err)
	}
	w.org.ResetCounts()
	for range 2 {
		if _, err := worker.Token(t.Context()); bridge.CodeOf(err) != "inactive_user" {
			t.Errorf("a worker during the rest: %v", err)
		}
	}
	if _, err := person.Token(t.Context()); bridge.CodeOf(err) != "inactive_user" || w.org.Counts().Token != 1 {
		t.Errorf("a person: %v with %d token calls, want the same refusal by one", err, w.org.Counts().Token)
	}
	w.org.SetRules()
	if _, err := worker.Token(t.Context()); err == nil {
		t.Error("a worker asks the org before the rest is over")
	}
	if _, err := person.Token(t.Context()); err != nil || !w.works(id) {
		t.Errorf("a person after the cause has gone: %v", err)
	}
}

func TestRefreshIsNotBegunWithoutTimeToEndIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{}, time.Now)
	id := w.connect()
	dead := w.token(id)
	w.org.ResetCounts()
	ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
	defer cancel()
	if _, err := w.tokens(id).Renew(ctx, dead); bridge.KindOf(err) != bridge.Throttled || w.org.Counts().Token != 0 {
		t.Errorf("renew = %v with %d token calls, want throttled and none", err, w.org.Counts().Token)
	}
	if g := w.grant(id); g.InFlight {
		t.Error("a refresh is marked as begun")
	}
}

func TestRefreshedTokenOfAnotherOrgIsNotUsed(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	before := w.grant(id)
	switches := w.org.Switches()
	switches.OtherOrganization = true
	w.org.SetSwitches(switches)
	_, err := w.tokens(id).Renew(t.Context(), before.Access)
	if bridge.KindOf(err) != bridge.Revoked || w.connection(id).Code != string(connect.OrgMismatch) {
		t.Errorf("renew = %v, code %q", err, w.connection(id).Code)
	}
	if w.grant(id).Access != before.Access {
		t.Error("the token of another org was stored")
	}
}

func TestInstanceThatIsNotSalesforcesIsNotTakenOver(t *testing.T) {
	t.Parallel()
	w, _ := newStillWorld(t, simulated.Options{})
	id := w.connect()
	before := w.token(id)
	switches := w.org.Switches()
	switches.InstanceURL = "https://evil.example"
	w.org.SetSwitches(switches)
	token, err := w.tokens(id).Renew(t.Context(), before)
	if err != nil || token.Instance != before.Instance || token.Version != before.Version+1 {
		t.Errorf("renew = %q, version %d, %v: the rotated token has to be kept, and the host too", token.Instance, token.Version, err)
	}
}
