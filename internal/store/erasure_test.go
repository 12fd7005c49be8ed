package store

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/erasure"
	"github.com/referralbridge/referralbridge/internal/letter"
	emulator "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
)

// newOpenStore is newStore with the emulator behind it, whose items can be looked at.
func newOpenStore(t *testing.T) (*Store, *emulator.Server) {
	t.Helper()
	table := emulator.New(emulator.Options{})
	server := httptest.NewServer(table)
	t.Cleanup(server.Close)
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if err := provisioned.Table(t.Context(), db, "test"); err != nil {
		t.Fatal(err)
	}
	return New(db, "test", reversing{}).WithRefreshTokens(reversing{}), table
}

// everything returns the items that say something about an account, in their keys or inside.
func everything(t *testing.T, table *emulator.Server, account bridge.AccountID) []string {
	t.Helper()
	data, err := table.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Tables []struct{ Items []json.RawMessage }
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, item := range all.Tables[0].Items {
		if strings.Contains(string(item), string(account)) {
			found = append(found, string(item))
		}
	}
	return found
}

// furnish gives an account an item of every kind.
func furnish(t *testing.T, s *Store, account bridge.AccountID) (session bridge.Secret, person bridge.Person) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	session, person = bridge.NewToken(), bridge.Person{Issuer: "https://issuer", Subject: "sub-" + string(account)}
	must(s.CreateAccount(ctx, bridge.Account{ID: account, Name: "Ann"}, person))
	must(s.CreateSession(ctx, session, bridge.Session{Account: account, Person: person, CreatedAt: now, SeenAt: now, Expires: now.Add(time.Hour)}))
	must(s.PutConsent(ctx, bridge.NewToken(), connect.Consent{Account: account, Expires: now.Add(time.Minute)}))
	c := bridge.Connection{ID: "c_1", Account: account, Org: "00D5g000004AbCdEAK", User: "0055g0000000001AAA", Status: bridge.Active}
	must(s.CreateConnection(ctx, c, bridge.Grant{Account: account, Connection: c.ID, Generation: 1, RefreshToken: bridge.NewSecret("r"), Status: bridge.Active}))
	must(s.SaveReport(ctx, account, c.ID, doctor.Report{At: now}, now))
	must(s.AddLetter(ctx, letter.Letter{ID: "m-1", Account: account, Queue: letter.Imports, DiedAt: now}))
	for n := range 3 { // more than one page of a batch, over several imports
		i := bridge.Import{ID: bridge.ImportID(fmt.Sprintf("i_%d", n)), Account: account, State: bridge.Running,
			Options: bridge.ImportOptions{Campaign: bridge.CampaignID(fmt.Sprintf("MF%d", n))}}
		must(s.BeginImport(ctx, i, now))
		for page := range 20 {
			must(s.SaveReceipt(ctx, bridge.Receipt{Account: account, Import: i.ID, Page: page + 1, Pass: 1}, true))
		}
	}
	return session, person
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	s, table := newOpenStore(t)
	ctx := t.Context()
	session, person := furnish(t, s, "a_erased")
	keptSession, keptPerson := furnish(t, s, "a_kept")
	kept := everything(t, table, "a_kept")
	if all := everything(t, table, "a_erased"); len(all) != len(kept) || len(all) < 60 {
		t.Fatalf("%d items to erase, %d to keep", len(all), len(kept))
	}
	now := time.UnixMilli(1_793_613_600_000).UTC()
	begun := erasure.Begun{Account: "a_erased", At: now, Due: now.Add(time.Minute)}
	if err := s.BeginErasure(ctx, begun); err != nil {
		t.Fatal(err)
	}
	if err := s.BeginErasure(ctx, begun); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("begun twice: %v, want a conflict", err)
	}
	if due, err := s.DueErasures(ctx, now, 10); err != nil || len(due) != 0 {
		t.Errorf("due too early: %v, %v", due, err)
	}
	due, err := s.DueErasures(ctx, begun.Due, 10)
	if err != nil || len(due) != 1 || due[0] != begun {
		t.Fatalf("due: %+v, %v, want %+v", due, err, begun)
	}
	if err := s.PostponeErasure(ctx, begun, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.PostponeErasure(ctx, begun, now.Add(time.Hour)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("postponed twice: %v, want a conflict", err)
	}

	if err := s.EndAccess(ctx, "a_erased"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(ctx, session); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the session: %v, want none", err)
	}
	if _, err := s.AccountOf(ctx, person); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the person's account: %v, want none", err)
	}
	if _, err := s.Account(ctx, "a_erased"); err != nil {
		t.Errorf("the account is gone with its access: %v", err)
	}
	for range 2 { // after a crash it is done once more
		if err := s.DeleteAccount(ctx, "a_erased"); err != nil {
			t.Fatal(err)
		}
	}
	if left := everything(t, table, "a_erased"); left != nil {
		t.Errorf("left in the table: %q", left)
	}
	if now := everything(t, table, "a_kept"); !slices.Equal(now, kept) {
		t.Errorf("another account had %d items and has %d", len(kept), len(now))
	}
	if _, err := s.Session(ctx, keptSession); err != nil {
		t.Errorf("a session of another account: %v", err)
	}
	if _, err := s.AccountOf(ctx, keptPerson); err != nil {
		t.Errorf("a person of another account: %v", err)
	}
}
