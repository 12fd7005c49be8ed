package campaign

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	emulator "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	sim "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/store"
)

const account = bridge.AccountID("a_1")

// rig is the service on a real table, with a simulated ReferralHero of 23 campaigns.
type rig struct {
	Service
	rows  *store.Store
	hero  *sim.Service
	lists atomic.Pointer[[]bridge.Campaign] // answered instead of ReferralHero's, if set
	fault atomic.Pointer[sim.Fault]
	now   time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return r.now }
	table := httptest.NewServer(emulator.New(emulator.Options{}))
	t.Cleanup(table.Close)
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &table.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if err := provisioned.Table(t.Context(), db, "table"); err != nil {
		t.Fatal(err)
	}
	r.rows = store.New(db, "table", open{}).WithClock(now)
	var lists []sim.List
	for n := range 23 {
		lists = append(lists, sim.List{Name: fmt.Sprintf("Campaign %02d", n)})
	}
	r.hero = sim.New(sim.Options{Now: now, Lists: lists, Faults: func(*http.Request) *sim.Fault { return r.fault.Load() }})
	server := httptest.NewServer(r.hero)
	t.Cleanup(server.Close)
	client := referralhero.Client{BaseURL: server.URL + "/api/v2", HTTP: server.Client()}
	r.Service = Service{
		Accounts: r.rows, Campaigns: r.rows, Connections: r.rows, Now: now,
		Budget: budget.Budget{Store: r.rows, Length: time.Hour, Now: now},
		Lists: func(ctx context.Context, token bridge.Secret) ([]bridge.Campaign, int, error) {
			if lists := r.lists.Load(); lists != nil {
				return *lists, -1, nil
			}
			lists, quota, err := client.Lists(ctx, token)
			return lists, quota.Left, err
		},
	}
	if err := r.rows.CreateAccount(t.Context(), bridge.Account{ID: account, Allowance: bridge.DefaultAllowance}, bridge.Person{Subject: "1"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// open seals nothing: what lies in the table is another package's concern.
type open struct{}

func (open) Seal(_ context.Context, plain bridge.Secret, _ string) ([]byte, error) {
	return []byte(plain.Reveal()), nil
}

func (open) Open(_ context.Context, sealed []byte, _ string) (bridge.Secret, error) {
	return bridge.NewSecret(string(sealed)), nil
}

func (r *rig) setToken(t *testing.T) {
	t.Helper()
	if err := r.SetToken(t.Context(), account, bridge.NewSecret(r.hero.Token())); err != nil {
		t.Fatal(err)
	}
}

func TestSetToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.hero.Token()
	if err := r.SetToken(t.Context(), account, bridge.NewSecret(" "+token+"\n")); err != nil {
		t.Fatal(err)
	}
	a, err := r.Account(t.Context(), account)
	if err != nil || a.Token.Reveal() != token || !a.TokenAt.Equal(r.now) {
		t.Errorf("the account has the token %q of %v, %v", a.Token.Reveal(), a.TokenAt, err)
	}
	all, err := r.List(t.Context(), account)
	if err != nil || len(all) != 23 || all[0].Name != "Campaign 00" || !all[0].Listed || all[0].Identifier != bridge.ByEmail {
		t.Errorf("%d campaigns, the first is %+v, %v", len(all), all[0], err)
	}
	if usage, err := r.Usage(t.Context(), a); err != nil || usage.Used != 3 {
		t.Errorf("%d calls are counted, %v; want 3, one for ten campaigns", usage.Used, err)
	}
	if calls := r.hero.Counts().Calls; calls != 3 {
		t.Errorf("%d calls were made, want 3", calls)
	}
}

// TestTokenThatIsNotAccepted checks that a token is kept only if ReferralHero accepts it.
func TestTokenThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		token  string
		fault  *sim.Fault
		before func(*testing.T, *rig)
		want   bridge.Kind
		says   string
		calls  int
	}{
		"nothing":              {token: " ", want: bridge.Invalid, says: "Paste"},
		"a sentence":           {token: "my api token", want: bridge.Invalid, says: "one word"},
		"a book":               {token: strings.Repeat("a", longestToken+1), want: bridge.Invalid, says: "one word"},
		"one that is wrong":    {token: "0123456789", want: bridge.Revoked, says: "does not accept this token", calls: 1},
		"of an idle account":   {fault: &sim.Fault{Kind: sim.Refuse, Code: "inactive_account"}, want: bridge.Denied, says: "not active", calls: 1},
		"one call too many":    {fault: &sim.Fault{Kind: sim.Throttle}, want: bridge.Throttled, says: "used up", calls: 1},
		"ReferralHero is down": {fault: &sim.Fault{Kind: sim.Broken}, want: bridge.Unavailable, says: "did not answer", calls: 1},
		"our hour is used up": {want: bridge.Throttled, says: "again in", before: func(t *testing.T, r *rig) {
			if _, err := r.Budget.Lease(t.Context(), account, budget.ReferralHero, bridge.DefaultAllowance, budget.Live, bridge.DefaultAllowance); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fault.Store(tc.fault)
			if tc.before != nil {
				tc.before(t, r)
			}
			if tc.token == "" {
				tc.token = r.hero.Token()
			}
			err := r.SetToken(t.Context(), account, bridge.NewSecret(tc.token))
			message, field := bridge.MessageOf(err)
			if bridge.KindOf(err) != tc.want || field != "token" || !strings.Contains(message, tc.says) {
				t.Errorf("SetToken = %v; says %q at %q; want %s with %q", err, message, field, tc.want, tc.says)
			}
			if a, err := r.Account(t.Context(), account); err != nil || !a.Token.Empty() || a.Version != 1 {
				t.Errorf("the account changed: %+v, %v", a, err)
			}
			if calls := r.hero.Counts().Calls; calls != tc.calls {
				t.Errorf("%d calls were made, want %d", calls, tc.calls)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := r.Refresh(t.Context(), account); bridge.KindOf(err) != bridge.Denied {
		t.Errorf("Refresh without a token = %v, want denied", err)
	}
	r.setToken(t)
	all, err := r.List(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	settings := Settings{Identifier: bridge.ByPhone, Events: 3, URL: "https://example.com/join"}
	if err := r.Save(t.Context(), account, all[0].ID, settings); err != nil {
		t.Fatal(err)
	}

	r.now = r.now.Add(time.Hour)
	r.lists.Store(&[]bridge.Campaign{{ID: all[0].ID, Name: "Renamed", Subscribers: 7}, {ID: "MFnew", Name: "New"}})
	if err := r.Refresh(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	kept, err := r.Get(t.Context(), account, all[0].ID)
	want := bridge.Campaign{
		ID: all[0].ID, Account: account, Name: "Renamed", Subscribers: 7, SeenAt: r.now, Listed: true,
		Identifier: bridge.ByPhone, Events: 3, URL: "https://example.com/join", Version: 3,
	}
	if diff := cmp.Diff(kept, want); err != nil || diff != "" {
		t.Errorf("a campaign with settings: %v, got - want +\n%s", err, diff)
	}
	gone, err := r.Get(t.Context(), account, all[1].ID)
	if err != nil || gone.Listed || gone.Name != all[1].Name || !gone.SeenAt.Equal(all[1].SeenAt) {
		t.Errorf("a campaign that is not listed any more: %+v, %v; want it marked, and otherwise as it was", gone, err)
	}
	now, err := r.List(t.Context(), account)
	if err != nil || len(now) != 24 || now[0].Name != "New" || now[1].Name != "Renamed" || now[2].Listed {
		t.Errorf("%d campaigns, beginning %v, %v; want the listed ones first", len(now), now[:3], err)
	}

	r.lists.Store(nil)
	r.fault.Store(&sim.Fault{Kind: sim.Refuse, Code: "invalid_token"})
	if err := r.Refresh(t.Context(), account); bridge.KindOf(err) != bridge.Revoked {
		t.Errorf("Refresh with a token that is dead = %v, want revoked", err)
	}
	if a, err := r.Account(t.Context(), account); err != nil || a.Refused != "invalid_token" || a.Token.Empty() {
		t.Errorf("after that: refused = %q, %v; want ReferralHero's code", a.Refused, err)
	}
	r.fault.Store(nil)
	r.setToken(t)
	if a, err := r.Account(t.Context(), account); err != nil || a.Refused != "" {
		t.Errorf("with a new token: refused = %q, %v", a.Refused, err)
	}
}

// TestThrottledClosesTheHour checks that ReferralHero's own refusal stops everybody's calls.
func TestThrottledClosesTheHour(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.setToken(t)
	r.fault.Store(&sim.Fault{Kind: sim.Throttle})
	if err := r.Refresh(t.Context(), account); bridge.KindOf(err) != bridge.Throttled {
		t.Errorf("Refresh = %v, want throttled", err)
	}
	before := r.hero.Counts().Calls
	if err := r.Refresh(t.Context(), account); bridge.KindOf(err) != bridge.Throttled || r.hero.Counts().Calls != before {
		t.Errorf("Refresh right after = %v with %d more calls, want none", err, r.hero.Counts().Calls-before)
	}
}

func TestRefreshAndSaveAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.setToken(t)
	all, err := r.List(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	r.lists.Store(&[]bridge.Campaign{{ID: all[0].ID, Name: "Renamed"}})
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := r.Refresh(t.Context(), account); err != nil {
			t.Errorf("Refresh: %v", err)
		}
	})
	wait.Go(func() {
		if err := r.Save(t.Context(), account, all[0].ID, Settings{Identifier: bridge.ByPhone}); err != nil {
			t.Errorf("Save: %v", err)
		}
	})
	wait.Wait()
	if c, err := r.Get(t.Context(), account, all[0].ID); err != nil || c.Name != "Renamed" || c.Identifier != bridge.ByPhone {
		t.Errorf("after both: %+v, %v; want what both wrote", c, err)
	}
}

func TestSaveAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tc := range map[string]struct {
		p     Preferences
		field string // empty: accepted
	}{
		"as usual":           {p: Preferences{Notify: " Dana@Example.com ", Allowance: 5000}},
		"no address":         {p: Preferences{Allowance: 5000}},
		"two addresses":      {p: Preferences{Notify: "a@example.com, b@example.com", Allowance: 5000}, field: "notify"},
		"a line break":       {p: Preferences{Notify: "a@example.com\nBcc: b@example.com", Allowance: 5000}, field: "notify"},
		"too few calls":      {p: Preferences{Allowance: LeastAllowance - 1}, field: "allowance"},
		"too many calls":     {p: Preferences{Allowance: MostAllowance + 1}, field: "allowance"},
		"the most there are": {p: Preferences{Allowance: MostAllowance}},
	} {
		err := r.SaveAccount(t.Context(), account, tc.p)
		_, field := bridge.MessageOf(err)
		if (err == nil) != (tc.field == "") || field != tc.field {
			t.Errorf("%s: %v at %q, want %q", name, err, field, tc.field)
		}
	}
	if err := r.SaveAccount(t.Context(), "a_none", Preferences{Allowance: 5000}); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("an account that is not there: %v", err)
	}
}

func TestSave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.setToken(t)
	all, err := r.List(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for id, status := range map[bridge.ConnectionID]bridge.ConnectionStatus{"c_live": bridge.Active, "c_dead": bridge.NeedsReconnect, "c_ended": bridge.Disconnected} {
		c := bridge.Connection{ID: id, Account: account, Org: "00D000000000001EAA", User: bridge.SalesforceID("005" + id), Status: status}
		if err := r.rows.CreateConnection(t.Context(), c, bridge.Grant{Account: account, Connection: id}); err != nil {
			t.Fatal(err)
		}
	}
	good := Settings{Connection: "c_live", Identifier: bridge.ByEmail, Events: 2, URL: "https://example.com/join?a=b"}
	for name, tc := range map[string]struct {
		change func(*Settings)
		field  string
	}{
		"all of it":                    {func(*Settings) {}, ""},
		"no connection yet":            {func(s *Settings) { s.Connection = "" }, ""},
		"a connection to be renewed":   {func(s *Settings) { s.Connection = "c_dead" }, ""},
		"a connection that has ended":  {func(s *Settings) { s.Connection = "c_ended" }, "connection"},
		"a connection of nobody":       {func(s *Settings) { s.Connection = "c_none" }, "connection"},
		"no identifier":                {func(s *Settings) { s.Identifier = "" }, "identifier"},
		"four events":                  {func(s *Settings) { s.Events = 4 }, "events"},
		"a number of events below all": {func(s *Settings) { s.Events = -1 }, "events"},
		"no URL":                       {func(s *Settings) { s.URL = "" }, ""},
		"a URL without a scheme":       {func(s *Settings) { s.URL = "mywebsite.com" }, "url"},
		"a URL of another kind":        {func(s *Settings) { s.URL = "ftp://mywebsite.com" }, "url"},
		"a script":                     {func(s *Settings) { s.URL = "javascript:alert(1)" }, "url"},
		"a URL with a password":        {func(s *Settings) { s.URL = "https://a:b@mywebsite.com" }, "url"},
		"a URL with a fragment":        {func(s *Settings) { s.URL = "https://mywebsite.com/#join" }, "url"},
		"a URL with an empty fragment": {func(s *Settings) { s.URL = "https://mywebsite.com/#" }, "url"},
	} {
		settings := good
		tc.change(&settings)
		err := r.Save(t.Context(), account, all[0].ID, settings)
		_, field := bridge.MessageOf(err)
		if (err == nil) != (tc.field == "") || field != tc.field {
			t.Errorf("%s: %v at %q, want %q", name, err, field, tc.field)
		}
	}
	if err := r.Save(t.Context(), "a_2", all[0].ID, Settings{Identifier: bridge.ByEmail}); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("another account's campaign: %v, want not found", err)
	}
}
