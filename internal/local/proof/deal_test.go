package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

const friend = "friend@example.net"

// market is a world with a campaign whose goal has two events, an org that it follows, and a friend whose referral is
// pending.
type market struct {
	*testing.T
	*world.World
	ctx        context.Context
	someone    *person.Person
	campaign   bridge.CampaignID
	connection bridge.ConnectionID
	token      string // of the org's administrator
	contact    string // the friend, in the org
	said       *haystack
}

func newMarket(t *testing.T) *market {
	t.Helper()
	m := &market{T: t, said: newHaystack()}
	var cancel context.CancelFunc
	m.ctx, cancel = context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	w, err := world.Start(m.ctx, world.Options{
		Root:         "../../..",
		Stack:        local.Options{Log: m.said.at(logs)},
		Salesforce:   simorg.Options{Contacts: []simorg.Contact{{FirstName: "Fred", LastName: "Friend", Email: friend}}},
		ReferralHero: simhero.Options{Lists: []simhero.List{{Name: campaign, Events: 2, URL: "https://www.example.com/join"}}},
	})
	m.do(err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	m.World, m.someone = w, person.New(w.Stack.URL)
	m.campaign, m.connection, err = m.someone.SetUp(m.ctx, person.Account{Token: w.Hero.Token(), Allowance: 5000, Campaign: campaign})
	m.do(err)
	m.do(m.someone.Follow(m.ctx, m.campaign, m.connection, 2))
	m.refer()
	m.signIn()
	var found struct{ Records []struct{ ID string } }
	m.api(http.MethodGet, "/query?q="+url.QueryEscape("SELECT Id FROM Contact"), nil, &found)
	m.contact = found.Records[0].ID
	return m
}

func (m *market) do(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// signIn lets the org's administrator in.
func (m *market) signIn() {
	m.Helper()
	var err error
	m.token, err = m.Org.Token("admin@acme.example")
	m.do(err)
}

// refer lets an advocate refer the friend.
func (m *market) refer() {
	m.Helper()
	hero := &referralhero.Client{BaseURL: m.HeroURL + "/api/v2", HTTP: http.DefaultClient}
	token := bridge.NewSecret(m.Hero.Token())
	advocate, _, err := hero.Add(m.ctx, token, m.campaign, referralhero.Person{Identifier: bridge.ByEmail, Value: "advocate@example.net"})
	m.do(err)
	_, _, err = hero.AddReferral(m.ctx, token, m.campaign, referralhero.Person{Identifier: bridge.ByEmail, Value: friend},
		referralhero.Referral{Referrer: advocate.Code, Pending: true})
	m.do(err)
}

// api calls the org's REST API.
func (m *market) api(method, path string, in, out any) {
	m.Helper()
	m.do(Exchange(m.ctx, method, m.OrgURL+"/services/data/v66.0"+path, m.token, in, out))
}

// settle waits until the org has sent everything and all work is done.
func (m *market) settle() {
	m.Helper()
	m.do(m.Org.Delivered(m.ctx))
	m.do(m.Stack.Idle(m.ctx))
}

// told is what ReferralHero has of the friend.
func (m *market) told() string {
	m.Helper()
	all := m.Hero.Subscribers(string(m.campaign))
	at := slices.IndexFunc(all, func(s simhero.Subscriber) bool { return s.Email == friend })
	return fmt.Sprintf("%s %v", all[at].Status, all[at].LifetimeSpend)
}

// installed counts what we have in the org to be told of deals.
func (m *market) installed() (n int) {
	m.Helper()
	for _, what := range []string{"WorkflowOutboundMessage", "FlowDefinition"} {
		var found struct{ Records []json.RawMessage }
		m.api(http.MethodGet, "/tooling/query?q="+url.QueryEscape("SELECT Id FROM "+what), nil, &found)
		n += len(found.Records)
	}
	return n
}

// measured are the values of a metric that a function has written to its log. All of them are there when the world is closed.
func (m *market) measured(function, name string) (values []float64) {
	m.Helper()
	m.said.mu.Lock()
	defer m.said.mu.Unlock()
	for line := range strings.Lines(m.said.seen[logs].String()) {
		text, is := strings.CutPrefix(line, function+": ")
		var metrics map[string]json.RawMessage
		if !is || json.Unmarshal([]byte(text), &metrics) != nil || metrics["_aws"] == nil || metrics[name] == nil {
			continue
		}
		var some []float64
		if err := json.Unmarshal(metrics[name], &some); err != nil {
			m.Errorf("%s: %v", line, err)
		}
		values = append(values, some...)
	}
	return values
}

// TestADealMovesAReferral goes the whole way through the real binaries: events to track are added, flow and message are
// installed, a deal is won in the org, its message comes, the deal is read, and ReferralHero is told. What is undone in the
// org is undone as far as that can be, also if we could not look at the time, and nothing stays behind when the org is
// disconnected.
func TestADealMovesAReferral(t *testing.T) {
	t.Parallel()
	var m *market
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		took, left, used := m.measured("conversion", "EventSeconds"), m.measured("conversion", "ReferralHeroCallsLeft"), m.measured("conversion", "SalesforceUsedPercent")
		if len(took) != 2 || slices.Max(took) > 60 { // what the org was closed for does not count
			t.Errorf("live events took %v seconds, want two of less than a minute", took)
		}
		if len(left) == 0 || slices.Min(left) > 4999 || len(used) == 0 || slices.Max(used) > 1 {
			t.Errorf("calls left of 5,000: %v; share of the org's day that is used: %v %%", left, used)
		}
	})
	m = newMarket(t)
	for name, trigger := range map[string]bridge.Trigger{"Deal won": bridge.ToConfirmed, "Revenue": bridge.TotalSpend} {
		_, err := m.someone.AddEvent(m.ctx, m.campaign, name, "Closed Won", trigger)
		m.do(err)
	}
	m.do(m.someone.Installed(m.ctx, m.campaign))

	var deal struct{ ID string }
	m.api(http.MethodPost, "/sobjects/Opportunity", map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2030-01-01", "Amount": 1200.5}, &deal)
	m.api(http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": deal.ID, "ContactId": m.contact, "IsPrimary": true}, nil)
	move := func(stage, want string) {
		t.Helper()
		m.api(http.MethodPatch, "/sobjects/Opportunity/"+deal.ID, map[string]any{"StageName": stage}, nil)
		m.settle()
		if got := m.told(); got != want {
			t.Errorf("with a deal in the stage %s the friend is %q, want %q", stage, got, want)
		}
	}
	move("Qualification", "pending 0")
	move("Closed Won", "confirmed 1200.5")
	activity, err := m.someone.EventActivity(m.ctx, m.campaign, "")
	m.do(err)
	if sent := m.Hero.Transactions(string(m.campaign)); len(activity) != 2 || len(sent) != 1 {
		t.Errorf("the activity is %+v and the transactions are %+v, want two and one", activity, sent)
	}
	for _, line := range activity {
		if line.State != bridge.EffectDone {
			t.Errorf("the activity has %+v, want what was done", line)
		}
	}

	m.Org.RevokeGrants()
	m.signIn()
	move("Closed Lost", "confirmed 1200.5") // nobody can look
	_, err = m.someone.Reconnect(m.ctx, m.connection)
	m.do(err)
	_, failed, err := m.Stack.Invoke(m.ctx, "ScheduleFunction", []byte(`{"sweep":"conversions"}`))
	m.do(err)
	m.settle()
	if got := m.told(); got != "confirmed 0" || failed != "" {
		t.Errorf("when the org lets us in again, the friend is %q, want confirmed 0; the sweep %q", got, failed)
	}

	if n := m.installed(); n != 2 {
		t.Errorf("%d parts are installed, want a flow and a message", n)
	}
	m.do(m.someone.Disconnect(m.ctx, m.connection))
	if n := m.installed(); n != 0 {
		t.Errorf("%d parts are left behind", n)
	}
}
