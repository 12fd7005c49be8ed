package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	friend   = "friend@example.net"
	patience = time.Minute
)

// market is a world with an account, a campaign whose goal has two events, an org, and a friend whose referral is pending.
type market struct {
	*testing.T
	*world.World
	someone    *person.Person
	account    bridge.AccountID
	campaign   bridge.CampaignID
	connection bridge.ConnectionID
	events     conversion.Service
	flows      plumbing.Service
	token      string // of the org's administrator
	contact    string // the friend, in the org
}

func newMarket(t *testing.T) *market {
	t.Helper()
	var account atomic.Value
	w, err := world.Start(t.Context(), world.Options{
		Root: "../../..",
		Salesforce: simorg.Options{
			Contacts: []simorg.Contact{{FirstName: "Fred", LastName: "Friend", Email: friend}},
		},
		ReferralHero: simhero.Options{Lists: []simhero.List{{Name: campaign, Events: 2, URL: "https://www.example.com/join"}}},
		AWS: aws.Options{Watch: func(service, _ string, body []byte) {
			var request connect.Request
			if service == "lambda" && json.Unmarshal(body, &request) == nil && request.Task == connect.ExchangeCode {
				account.Store(request.Account)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &market{T: t, World: w, someone: person.New(w.Stack.URL)}
	m.campaign, m.connection, err = m.someone.SetUp(t.Context(), person.Account{Token: w.Hero.Token(), Allowance: 5000, Campaign: campaign})
	if err != nil {
		t.Fatal(err)
	}
	m.account = account.Load().(bridge.AccountID)
	settings := "/campaigns/" + string(m.campaign) + "/settings"
	m.do(m.someone.Browser.Open(t.Context(), w.Stack.URL+settings))
	m.do(m.someone.Browser.Submit(t.Context(), settings, url.Values{"connection": {string(m.connection)}, "identifier": {"email"}, "events": {"2"}}))
	m.wire()
	m.refer()
	if m.token, err = w.Org.Token("admin@acme.example"); err != nil {
		t.Fatal(err)
	}
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

// wire makes what the console has, with the console's own rights.
func (m *market) wire() {
	m.Helper()
	cloud, err := cloudOf(m.Context(), m.World, m.Stack.Ref("ConsoleFunction"))
	m.do(err)
	seal := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: m.Stack.Ref("AppSecret")})
	rows := store.New(dynamodb.NewFromConfig(cloud), m.Stack.Ref("Table"), seal)
	broker := invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: m.Stack.Ref("TokenBrokerFunction")}
	hosts := salesforce.Hosts{Simulator: m.OrgURL}
	messages := sqs.NewFromConfig(cloud)
	org := func(c bridge.Connection) *salesforce.Client {
		return &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: connect.Tokens{Store: rows, Broker: broker, Account: c.Account, Connection: c.ID}}
	}
	m.flows = plumbing.Service{
		Installations: rows, Connections: rows, Hooks: rows, Jobs: queue.Topic[plumbing.Job]{Client: messages, URL: m.Stack.Ref("Plumbing")},
		Org: func(c bridge.Connection) plumbing.Org { return org(c) }, Inbox: m.Stack.URL + conversion.Path, Now: time.Now,
	}
	m.events = conversion.Service{
		Ledger: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows,
		Org:     func(c bridge.Connection) conversion.Console { return org(c) },
		Jobs:    queue.Topic[conversion.Job]{Client: messages, URL: m.Stack.Ref("Conversions")},
		Install: m.flows.Ensure, Now: time.Now,
		Listen: func(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, wanted bool) error {
			return conversion.Listen(ctx, rows, account, id, wanted)
		},
	}
}

// refer lets an advocate refer the friend.
func (m *market) refer() {
	m.Helper()
	hero := &referralhero.Client{BaseURL: m.HeroURL + "/api/v2", HTTP: http.DefaultClient}
	token := bridge.NewSecret(m.Hero.Token())
	advocate, _, err := hero.Add(m.Context(), token, m.campaign, referralhero.Person{Identifier: bridge.ByEmail, Value: "advocate@example.net"})
	m.do(err)
	_, _, err = hero.AddReferral(m.Context(), token, m.campaign, referralhero.Person{Identifier: bridge.ByEmail, Value: friend},
		referralhero.Referral{Referrer: advocate.Code, Pending: true})
	m.do(err)
}

// api calls the org's REST API.
func (m *market) api(method, path string, in, out any) {
	m.Helper()
	m.do(Exchange(m.Context(), method, m.OrgURL+"/services/data/v66.0"+path, m.token, in, out))
}

// track adds a rule for deals that are won.
func (m *market) track(name string, trigger bridge.Trigger) {
	m.Helper()
	_, err := m.events.Add(m.Context(), m.account, m.campaign, "Somebody", conversion.Draft{Name: name, Stage: "Closed Won", Trigger: trigger, On: true})
	m.do(err)
}

// until waits until something holds.
func (m *market) until(what string, holds func() bool) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.Fatalf("%s does not come", what)
		}
	}
}

// settle waits until the org has sent everything and all work is done.
func (m *market) settle() {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	m.do(m.Org.Delivered(ctx))
	m.do(m.Stack.Idle(ctx))
}

// told is what ReferralHero has of the friend.
func (m *market) told() string {
	m.Helper()
	all := m.Hero.Subscribers(string(m.campaign))
	at := slices.IndexFunc(all, func(s simhero.Subscriber) bool { return s.Email == friend })
	return fmt.Sprintf("%s %v", all[at].Status, all[at].LifetimeSpend)
}

// TestADealMovesAReferral goes the whole way through the real binaries: events to track are added, flow and message are
// installed, a deal is won in the org, its message comes, the deal is read, and ReferralHero is told. What is undone in the
// org is undone as far as that can be, and nothing stays behind when the org is disconnected.
func TestADealMovesAReferral(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.track("Deal won", bridge.ToConfirmed)
	m.track("Revenue", bridge.TotalSpend)
	m.until("the flow", func() bool {
		status, err := m.flows.Status(t.Context(), m.account, m.connection)
		m.do(err)
		return status.State == plumbing.Working
	})

	var made struct{ ID string }
	m.api(http.MethodPost, "/sobjects/Opportunity", map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2030-01-01", "Amount": 1200.5}, &made)
	m.api(http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": made.ID, "ContactId": m.contact, "IsPrimary": true}, nil)
	m.settle()
	if got := m.told(); got != "pending 0" {
		t.Errorf("before the deal is won, the friend is %q, want pending 0", got)
	}
	m.api(http.MethodPatch, "/sobjects/Opportunity/"+made.ID, map[string]any{"StageName": "Closed Won"}, nil)
	m.settle()
	if got := m.told(); got != "confirmed 1200.5" {
		t.Errorf("when the deal is won, the friend is %q, want confirmed 1200.5", got)
	}
	actions, err := m.events.Activity(t.Context(), m.account, m.campaign, "", 10)
	m.do(err)
	for _, a := range actions {
		if a.Prompt != bridge.ByMessage || a.State != bridge.EffectDone {
			t.Errorf("the activity has %+v, want what a message has led to", a)
		}
	}
	if sent := m.Hero.Transactions(string(m.campaign)); len(actions) != 2 || len(sent) != 1 {
		t.Errorf("%d actions and %d transactions, want two and one", len(actions), len(sent))
	}

	m.api(http.MethodPatch, "/sobjects/Opportunity/"+made.ID, map[string]any{"StageName": "Closed Lost"}, nil)
	m.settle()
	if got := m.told(); got != "confirmed 0" {
		t.Errorf("when the deal is lost, the friend is %q, want confirmed 0", got)
	}
	m.do(m.someone.Disconnect(t.Context(), m.connection))
	var left struct{ Records []json.RawMessage }
	m.api(http.MethodGet, "/tooling/query?q="+url.QueryEscape("SELECT Id FROM WorkflowOutboundMessage"), nil, &left)
	if status, err := m.flows.Status(t.Context(), m.account, m.connection); err != nil || status.State != plumbing.Left || len(left.Records) > 0 {
		t.Errorf("after the farewell there is %+v and %d messages, %v", status, len(left.Records), err)
	}
}
