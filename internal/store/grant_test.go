package store

import (
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

var sameSecret = cmp.Comparer(func(a, b bridge.Secret) bool { return a.Reveal() == b.Reveal() })

func wantGrant(t *testing.T, s *Store, want bridge.Grant) {
	t.Helper()
	got, err := s.Grant(t.Context(), want.Account, want.Connection)
	if diff := cmp.Diff(got, want, sameSecret, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("Grant: %v, got - want +\n%s", err, diff)
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	_, want := create(t, s, "c_1", acme)
	wantGrant(t, s, want)

	t.Run("a worker's store has no refresh token", func(t *testing.T) {
		worker := *s
		worker.refresh = nil
		less := want
		less.RefreshToken = bridge.Secret{}
		wantGrant(t, &worker, less)
	})
	t.Run("no token lies in the row as text, and none opens in another's", func(t *testing.T) {
		_, other := create(t, s, "c_2", "00D5g000000ZZZZEAA")
		row := read(t, s, grantKey("a_1", "c_1"))
		for _, name := range []string{"refreshSealed", "accessSealed"} {
			sealed, ok := row[name].(*types.AttributeValueMemberB)
			if !ok || len(sealed.Value) == 0 {
				t.Fatalf("%s = %v", name, row[name])
			}
			set := "SET " + name + " = :stolen"
			if _, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: &s.table, Key: grantKey("a_1", "c_2").attributes(), UpdateExpression: &set,
				ExpressionAttributeValues: map[string]types.AttributeValue{":stolen": sealed},
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Grant(t.Context(), "a_1", "c_2"); err == nil {
				t.Errorf("%s of another connection opened", name)
			}
			if err := s.SettleGrant(t.Context(), other, other, nil); err != nil { // puts it right again
				t.Fatal(err)
			}
		}
	})
}

func read(t *testing.T, s *Store, k key) map[string]types.AttributeValue {
	t.Helper()
	result, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &s.table, Key: k.attributes()})
	if err != nil {
		t.Fatal(err)
	}
	return result.Item
}

func TestLeaseHasOneHolder(t *testing.T) {
	t.Parallel()
	now := connected
	s := newStore(t).WithClock(func() time.Time { return now })
	_, g := create(t, s, "c_1", acme)
	const workers = 20
	leases := make(chan bridge.Grant, workers)
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			leased, err := s.LeaseGrant(t.Context(), g, bridge.NewID("lease"), now.Add(time.Minute))
			switch bridge.KindOf(err) {
			case "":
				leases <- leased
			case bridge.Conflict:
			default:
				t.Errorf("LeaseGrant: %v", err)
			}
		})
	}
	wait.Wait()
	if len(leases) != 1 {
		t.Fatalf("%d holders", len(leases))
	}
	held := <-leases
	if !held.InFlight || held.LeaseSequence != g.LeaseSequence+1 || held.LeaseOwner == "" {
		t.Errorf("lease = %+v", held)
	}
	wantGrant(t, s, held)
	if _, err := s.LeaseGrant(t.Context(), held, "b", now.Add(time.Minute)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a lease that is held was taken: %v", err)
	}
	now = now.Add(time.Minute)
	if _, err := s.LeaseGrant(t.Context(), g, "b", now.Add(time.Minute)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a lease was taken on an old reading: %v", err)
	}
	if _, err := s.LeaseGrant(t.Context(), held, "b", now.Add(time.Minute)); err != nil {
		t.Errorf("a lease that has ended was not given: %v", err)
	}
}

func TestSettleGrant(t *testing.T) {
	t.Parallel()
	rotated := func(g bridge.Grant) bridge.Grant {
		g.RefreshVersion, g.RefreshToken = g.RefreshVersion+1, bridge.NewSecret("refresh-2")
		g.Access.Version, g.Access.Token = g.Access.Version+1, bridge.NewSecret("access-2")
		g.LeaseOwner, g.LeaseUntil, g.InFlight = "", time.Time{}, false
		return g
	}
	released := func(g bridge.Grant) bridge.Grant {
		g.LeaseOwner, g.LeaseUntil, g.InFlight = "", time.Time{}, false
		return g
	}
	ended := func(g bridge.Grant) bridge.Grant {
		return bridge.Grant{Account: g.Account, Connection: g.Connection, Generation: g.Generation + 1, RefreshVersion: g.RefreshVersion + 1,
			Access: bridge.AccessToken{Version: g.Access.Version + 1, Instance: g.Access.Instance}, LeaseSequence: g.LeaseSequence, Status: bridge.Disconnected}
	}
	for name, tc := range map[string]struct {
		meanwhile func(bridge.Grant) bridge.Grant // done by somebody else first
		next      func(bridge.Grant) bridge.Grant
		stolen    bool // somebody else has taken the lease, since it had ended
		kind      bridge.Kind
	}{
		"new tokens":            {next: rotated},
		"the lease is returned": {next: released},
		"the grant ends":        {next: ended},
		"new tokens are kept, whoever has the lease":  {next: rotated, stolen: true},
		"a lease that another has is not returned":    {next: released, stolen: true, kind: bridge.Conflict},
		"new tokens do not undo an end":               {meanwhile: ended, next: rotated, kind: bridge.Conflict},
		"new tokens do not replace others":            {meanwhile: rotated, next: rotated, kind: bridge.Conflict},
		"a lease is not returned into another's work": {meanwhile: rotated, next: released, kind: bridge.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := connected
			s := newStore(t).WithClock(func() time.Time { return now })
			c, g := create(t, s, "c_1", acme)
			held, err := s.LeaseGrant(t.Context(), g, "a", now.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			want := held
			if tc.stolen {
				now = now.Add(time.Minute)
				if want, err = s.LeaseGrant(t.Context(), held, "b", now.Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.meanwhile != nil {
				want = tc.meanwhile(held)
				if err := s.SettleGrant(t.Context(), held, want, nil); err != nil {
					t.Fatal(err)
				}
			}
			next := tc.next(held)
			c.Status, c.Code = next.Status, "code"
			err = s.SettleGrant(t.Context(), held, next, &c)
			if bridge.KindOf(err) != tc.kind {
				t.Fatalf("SettleGrant = %v, want %q", err, tc.kind)
			}
			if err == nil {
				next.LeaseSequence = want.LeaseSequence
				want = next
			}
			wantGrant(t, s, want)
			after, err := s.Connection(t.Context(), "a_1", "c_1")
			if saved := after.Code == "code" && after.Version == 2; err != nil || saved != (tc.kind == "") {
				t.Errorf("connection = %+v, %v", after, err)
			}
		})
	}
}

func TestWhatIsToBeKeptAliveAndTold(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c, g := create(t, s, "c_1", acme)
	due := g.IssuedAt.Add(7 * 24 * time.Hour)
	idle := func(at time.Time, want ...connect.IdleGrant) {
		t.Helper()
		got, err := s.IdleGrants(t.Context(), at)
		if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("IdleGrants: %v, got - want +\n%s", err, diff)
		}
	}
	untold := func(want ...connect.Untold) {
		t.Helper()
		got, err := s.UntoldConnections(t.Context(), c.StatusAt.Add(time.Hour), 10)
		if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("UntoldConnections: %v, got - want +\n%s", err, diff)
		}
	}
	settle := func(change func(*bridge.Grant)) {
		t.Helper()
		next := g
		change(&next)
		c, err := s.Connection(t.Context(), "a_1", "c_1")
		if err != nil {
			t.Fatal(err)
		}
		c.Status, c.TellAt = next.Status, time.Time{}
		if next.Status != bridge.Active {
			c.TellAt = c.StatusAt
		}
		if err := s.SettleGrant(t.Context(), g, next, &c); err != nil {
			t.Fatal(err)
		}
		g = next
		wantGrant(t, s, g)
	}
	idle(due.Add(-time.Second))
	idle(due, connect.IdleGrant{Account: "a_1", Connection: "c_1", Due: due})
	settle(func(g *bridge.Grant) { g.RefreshedAt = g.IssuedAt.Add(time.Hour); g.Access.Version++ })
	idle(due)
	idle(due.Add(time.Hour), connect.IdleGrant{Account: "a_1", Connection: "c_1", Due: due.Add(time.Hour)})
	untold()

	settle(func(g *bridge.Grant) { g.Status = bridge.NeedsReconnect })
	idle(due.Add(time.Hour)) // nothing keeps the dead alive
	untold(connect.Untold{Account: "a_1", Connection: "c_1"})
	read, err := s.Connection(t.Context(), "a_1", "c_1")
	if err != nil || !read.TellAt.Equal(read.StatusAt) {
		t.Errorf("to be told at %v, %v", read.TellAt, err)
	}
	stale := read
	stale.Version--
	if err := s.ToldConnection(t.Context(), stale, time.Time{}); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("told, from an old version: %v, want a conflict", err)
	}
	if err := s.ToldConnection(t.Context(), read, c.StatusAt.Add(2*time.Hour)); err != nil {
		t.Error(err)
	}
	untold()

	own := bridge.App{Key: bridge.NewSecret("the key"), Secret: bridge.NewSecret("the secret")}
	settle(func(g *bridge.Grant) { g.App, g.Generation = own, g.Generation+1 })
	settle(func(g *bridge.Grant) { g.App, g.Generation = bridge.App{}, g.Generation+1 })
}
