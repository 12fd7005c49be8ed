package world

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestAConnectionThatDies lets a connection die in the middle of an import, and brings it back: the import waits with
// words, the account gets one mail, and everything goes on as soon as a person has connected again.
func TestAConnectionThatDies(t *testing.T) {
	t.Parallel()
	const contacts = 1600
	w := start(t, Options{
		Salesforce:   salesforce.Options{Generated: contacts},
		ReferralHero: referralhero.Options{Latency: 20 * time.Millisecond, WindowKind: referralhero.None, Lists: []referralhero.List{{Name: "Spring", URL: "https://www.example.com/join"}}},
		Stack:        local.Options{Schedules: map[string]time.Duration{"ScheduleFunction": 0}},
	})
	sweep := func(name string) {
		t.Helper()
		if result, failed, err := w.Stack.Invoke(t.Context(), "ScheduleFunction", []byte(`{"sweep":"`+name+`"}`)); failed != "" || err != nil {
			t.Fatalf("sweep %s: %s %s %v", name, result, failed, err)
		}
	}
	someone := person.New(w.Stack.URL)
	list, connection, err := someone.SetUp(t.Context(), person.Account{Token: w.Hero.Token(), Notify: "boss@example.com", Allowance: 60_000, Campaign: "Spring"})
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := someone.Import(t.Context(), list, connection, "https://www.example.com/join")
	if err != nil {
		t.Fatal(err)
	}
	w.Org.RevokeGrants()

	waits := func() bool {
		if _, err := someone.Look(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(someone.Browser.Page().Text, "has to be renewed")
	}
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for !waits() {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatal("the import does not say that it waits")
		}
	}
	for range 3 {
		sweep("notices")
	}
	mails := w.AWS.SES.Mails()
	if len(mails) != 1 || !strings.HasPrefix(mails[0].Subject, "Reconnect Salesforce") {
		t.Errorf("%d mails, want one that asks to reconnect", len(mails))
	}
	if err := someone.Browser.Open(t.Context(), w.Stack.URL+"/connections"); err != nil {
		t.Fatal(err)
	}
	if got := someone.Browser.Page().Data["waiting"]; got != "1" {
		t.Errorf("the card tells of %q imports that wait, want 1", got)
	}

	said, err := someone.Reconnect(t.Context(), connection)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said, "1 import that waited goes on") {
		t.Errorf("the console says nothing of the import: %s", said)
	}
	end, err := someone.Watch(t.Context(), id, 500*time.Millisecond, func(person.Progress) {})
	if err != nil || end.State != bridge.Done || end.Counts.Sum() != contacts {
		t.Errorf("the import ended as %+v, %v", end, err)
	}
}

// TestATokenThatTheTableDoesNotTake goes through the second place with the broker's own permissions.
func TestATokenThatTheTableDoesNotTake(t *testing.T) {
	t.Parallel()
	var org atomic.Pointer[salesforce.Org]
	var rescued, forgotten atomic.Bool
	w := start(t, Options{
		Salesforce: salesforce.Options{Generated: 10},
		Stack:      local.Options{Schedules: map[string]time.Duration{"ScheduleFunction": 0}},
		AWS: aws.Options{Fault: func(_, operation string, _ *http.Request) *aws.Fault {
			switch operation {
			case "CreateSecret":
				rescued.Store(org.Load() != nil)
			case "DeleteSecret":
				forgotten.Store(true)
			case "UpdateItem":
				if o := org.Load(); o != nil && o.Counts().Token > 0 && !rescued.Load() {
					return &aws.Fault{Status: 500, Code: "InternalServerError"}
				}
			}
			return nil
		}},
	})
	someone := person.New(w.Stack.URL)
	list, connection, err := someone.SetUp(t.Context(), person.Account{Token: w.Hero.Token(), Notify: "boss@example.com", Allowance: 1000, Campaign: w.Hero.Lists()[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	w.Org.ExpireTokens()
	w.Org.ResetCounts()
	org.Store(w.Org)
	if _, _, err := someone.Import(t.Context(), list, connection, "https://www.example.com/join"); err != nil {
		t.Fatal(err)
	}
	if calls := w.Org.Counts().Token; !rescued.Load() || !forgotten.Load() || calls != 1 {
		t.Errorf("rescued: %t; forgotten: %t; %d token calls, want 1", rescued.Load(), forgotten.Load(), calls)
	}
}

// TestAnAppOfOnesOwn connects with a consent and without one, as far as the functions may.
func TestAnAppOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := start(t, Options{Salesforce: salesforce.Options{Generated: 10}})
	someone := person.New(w.Stack.URL)
	if err := someone.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"environment": {"mydomain"}, "domain": {w.OrgURL}, "app_key": {salesforce.DefaultClientID}, "app_secret": {salesforce.DefaultClientSecret}}
	first, err := someone.ConnectBy(t.Context(), form)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("unattended", "on")
	if second, err := someone.ConnectBy(t.Context(), form); err != nil || second != first {
		t.Errorf("connected as %s, %v, want %s: the app stands for the same user", second, err, first)
	}
	if page := someone.Browser.Page(); !strings.Contains(page.Text, "Run As") || page.Data["state"] != "active" {
		t.Errorf("the console says: %s", page.Text)
	}
	form.Set("app_secret", "wrong-secret")
	if id, err := someone.ConnectBy(t.Context(), form); err == nil {
		t.Errorf("connected as %s with a wrong secret", id)
	}
}
