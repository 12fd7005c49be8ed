package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

var connected = time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)

// newConnection returns a connection of account a_1 and its grant, not stored yet.
func newConnection(id bridge.ConnectionID, org bridge.SalesforceID) (bridge.Connection, bridge.Grant) {
	return bridge.Connection{
			ID: id, Account: "a_1", Org: org, User: "0055g000001JkLmAAK", OrgName: "Acme", Username: "admin@acme.example",
			Environment: bridge.Sandbox, LoginHost: "https://test.salesforce.com", Instance: "https://acme--uat.sandbox.my.salesforce.com",
			Edition: "Enterprise Edition", IsSandbox: true, Status: bridge.Active, StatusAt: connected, CreatedAt: connected,
		}, bridge.Grant{
			Account: "a_1", Connection: id, Generation: 1, RefreshVersion: 1, RefreshToken: bridge.NewSecret("refresh-1"),
			Access:   bridge.AccessToken{Token: bridge.NewSecret("access-1"), Version: 1, Instance: "https://acme--uat.sandbox.my.salesforce.com"},
			IssuedAt: connected, Status: bridge.Active,
		}
}

const acme = bridge.SalesforceID("00D5g000004AbCdEAK")

func create(t *testing.T, s *Store, id bridge.ConnectionID, org bridge.SalesforceID) (bridge.Connection, bridge.Grant) {
	t.Helper()
	c, g := newConnection(id, org)
	if err := s.CreateConnection(t.Context(), c, g); err != nil {
		t.Fatalf("CreateConnection: %v", err)
	}
	c.Version = 1
	return c, g
}

func TestConnection(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	want, _ := create(t, s, "c_1", acme)
	got, err := s.Connection(t.Context(), "a_1", "c_1")
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("Connection: %v, got - want +\n%s", err, diff)
	}
	if id, err := s.ConnectionOf(t.Context(), "a_1", acme, want.User); err != nil || id != "c_1" {
		t.Errorf("ConnectionOf = %q, %v", id, err)
	}
	again, grant := newConnection("c_2", acme)
	if err := s.CreateConnection(t.Context(), again, grant); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second connection of the same user = %v, want a conflict", err)
	}
	if _, err := s.Connection(t.Context(), "a_1", "c_2"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("part of the refused connection is there: %v", err)
	}
	for name, read := range map[string]func() error{
		"connection":    func() error { _, err := s.Connection(t.Context(), "a_2", "c_1"); return err },
		"connection of": func() error { _, err := s.ConnectionOf(t.Context(), "a_2", acme, want.User); return err },
		"grant":         func() error { _, err := s.Grant(t.Context(), "a_2", "c_1"); return err },
	} {
		if err := read(); bridge.KindOf(err) != bridge.NotFound {
			t.Errorf("%s for another account = %v, want not found", name, err)
		}
	}
}

func TestConnectionsComeOldestFirst(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var want []bridge.ConnectionID
	for i := range 5 {
		id := bridge.ConnectionID(fmt.Sprintf("c_%d", i))
		create(t, s, id, bridge.SalesforceID(fmt.Sprintf("00D5g00000%05dAAA", i)))
		want = append(want, id)
	}
	list, err := s.Connections(t.Context(), "a_1")
	var got []bridge.ConnectionID
	for _, c := range list {
		got = append(got, c.ID)
	}
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("Connections: %v, got - want +\n%s", err, diff)
	}
	if list, err := s.Connections(t.Context(), "a_2"); err != nil || len(list) != 0 {
		t.Errorf("of another account: %v, %v", list, err)
	}
}
