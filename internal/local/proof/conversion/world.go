// Package conversion lets days pass in a Salesforce org and looks what becomes of them in ReferralHero: deals are made,
// moved, priced, given to other people, merged and deleted; messages about them come late, twice, out of order or not at
// all; workers die at every step; ReferralHero carries out calls and does not answer. In the end an oracle that reads
// nothing but Salesforce says what should have come of it.
//
// Everything between the two is what is deployed: the use case, its rows in the emulated table, and the real clients.
package conversion

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	core "github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	table "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	account    bridge.AccountID    = "a_1"
	connection bridge.ConnectionID = "c_1"
	three      bridge.CampaignID   = "MF0000000003" // its goal has three events
	two        bridge.CampaignID   = "MF0000000002" // its goal has two

	orgOrigin = "https://acme.my.salesforce.com"
	admin     = "admin@acme.example"
)

// began is when the days begin.
var began = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// world is a set of conversions among its other sides. Only the queue is a list in memory.
type world struct {
	clock
	dice    sync.Mutex // of random
	random  *rand.Rand
	plant   Plant
	org     *simorg.Org
	hero    *simhero.Service
	http    *http.Client // to the org, as a person at work there
	store   *diary
	worker  core.Worker
	sweeper core.Sweep
	service core.Service
	logs    *lines
	faults  faults

	mu    sync.Mutex
	queue []message
	asked atomic.Int64 // calls of the org by the system
	hints int
	kills int
	dead  int // letters

	took, waited []time.Duration // as operators are told
}

var trace = os.Getenv("TRACE") != ""

// message is what waits on the queue.
type message struct {
	job   core.Job
	at    time.Time
	tries int // times that it was taken
}

func newWorld(ctx context.Context, random *rand.Rand, plant Plant, allowance int) (*world, error) {
	w := &world{clock: clock{now: began}, random: random, plant: plant, logs: &lines{}}
	w.org = simorg.New(simorg.Options{Origin: orgOrigin, Now: w.Now, Contacts: people(), DailyRequests: 10_000_000})
	w.faults.w = w
	w.hero = simhero.New(simhero.Options{
		Now: w.Now, Seed: random.Uint64(), Limit: allowance, Faults: w.faults.hero,
		Lists: []simhero.List{
			{UUID: string(three), Name: "Three steps", Events: 3, URL: "https://www.example.com/join"},
			{UUID: string(two), Name: "Two steps", Events: 2, URL: "https://www.example.com/join"},
		},
	})
	w.http = &http.Client{Transport: to(w.org)}
	db, err := newTable(ctx, to(table.New(table.Options{Now: w.Now})))
	if err != nil {
		return nil, err
	}
	w.store = &diary{every: time.Minute, Store: store.New(db, "table", plain{}).WithClock(w.Now)}
	w.wire()
	return w, w.seed(ctx, allowance)
}

func (w *world) wire() {
	hosts := salesforce.Hosts{}
	client := func() *salesforce.Client {
		return &salesforce.Client{HTTP: &http.Client{Transport: counted{to(w.org), &w.asked}}, Hosts: hosts, Tokens: session{w.org}}
	}
	heroClient := &referralhero.Client{BaseURL: "https://app.referralhero.example/api/v2", HTTP: &http.Client{Transport: to(w.hero)}}
	w.worker = core.Worker{
		Ledger: w.store, Accounts: w.store, Campaigns: w.store, Connections: w.store, Org: func(bridge.Connection) core.Org { return client() },
		Hero: hero{heroClient}, Jobs: jobs{w}, Budget: budget.Budget{Store: w.store, Length: time.Hour, Now: w.Now},
		Changed: func(context.Context, bridge.AccountID, bridge.CampaignID, bridge.SubscriberID) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.hints++
			return nil
		},
		Took: w.times(&w.took), Waits: w.times(&w.waited),
		Now: w.Now, Log: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	switch w.plant {
	case Increments:
		w.worker.Ledger = forgetful{w.store}
	case Repeats:
		w.worker.Hero = hasty{w.worker.Hero}
	}
	w.sweeper = core.Sweep{Rows: w.store, Jobs: jobs{w}, Now: w.Now}
	w.service = core.Service{
		Ledger: w.store, Accounts: w.store, Campaigns: w.store, Connections: w.store, Org: func(bridge.Connection) core.Console { return client() },
		Hero: w.worker.Hero, Jobs: jobs{w}, Budget: w.worker.Budget, Now: w.Now,
	}
}

// times collects times in a list.
func (w *world) times(list *[]time.Duration) func(time.Duration) {
	return func(length time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		*list = append(*list, length)
	}
}

// seed writes what a customer has set up.
func (w *world) seed(ctx context.Context, allowance int) error {
	a := bridge.Account{ID: account, Name: "Acme", Token: bridge.NewSecret(w.hero.Token()), TokenAt: began, Allowance: allowance, CreatedAt: began}
	if err := w.store.CreateAccount(ctx, a, bridge.Person{Issuer: "https://issuer.example", Subject: "dana", Name: "Dana Reeve"}); err != nil {
		return err
	}
	c := bridge.Connection{ID: connection, Account: account, Org: simorg.DefaultOrganizationID, User: "0055g000000000AAAQ", Status: bridge.Active, Instance: orgOrigin, CreatedAt: began}
	if err := w.store.CreateConnection(ctx, c, bridge.Grant{Account: account, Connection: connection, Generation: 1, Status: bridge.Active}); err != nil {
		return err
	}
	for id, events := range map[bridge.CampaignID]int{three: 3, two: 2} {
		campaign := bridge.Campaign{ID: id, Account: account, Name: string(id), Listed: true, Identifier: bridge.ByEmail, Events: events, Connection: connection, SeenAt: began}
		if err := w.store.SaveCampaign(ctx, campaign); err != nil {
			return err
		}
	}
	return nil
}

func newTable(ctx context.Context, over http.RoundTripper) (*dynamodb.Client, error) {
	endpoint := "https://dynamodb.example"
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: &http.Client{Transport: over}, RetryMaxAttempts: 1,
	})
	return db, provisioned.Table(ctx, db, "table")
}

// api makes a call to the org as the person at work there, and reads the answer into out unless that is nil.
func (w *world) api(ctx context.Context, method, path string, in, out any) error {
	token, err := w.org.Token(admin)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, orgOrigin+"/services/data/v66.0"+path, &body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Person", "1") // no faults for people
	response, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s %s", method, path, response.Status, answer.String())
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Bytes(), out)
}

// put puts jobs on the queue.
func (w *world) put(delay time.Duration, jobs ...core.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		w.queue = append(w.queue, message{job: j, at: w.Now().Add(min(delay, 15*time.Minute))})
	}
}

// take takes up to most messages that can be seen now off the queue, in any order.
func (w *world) take(most int) []message {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	for i := range w.queue {
		j := w.roll(i + 1)
		w.queue[i], w.queue[j] = w.queue[j], w.queue[i]
	}
	var taken, left []message
	for _, m := range w.queue {
		if len(taken) < most && !m.at.After(now) {
			taken = append(taken, m)
			continue
		}
		left = append(left, m)
	}
	w.queue = left
	return taken
}

// work hands the messages that can be seen now to workers, some at the same time, until there are none. A worker whose
// life ends leaves its message for later.
func (w *world) work(ctx context.Context, team int) error {
	for round := 0; ; round++ {
		batch := w.take(1 + w.roll(team))
		if len(batch) == 0 {
			return nil
		}
		if round > 5000 {
			return errors.New("the queue does not get empty: " + fmt.Sprint(batch[0].job))
		}
		lives := make([]*mortal.Life, len(batch))
		for i := range batch {
			lives[i] = w.born()
		}
		if len(batch) == 1 {
			w.do(ctx, batch[0], lives[0])
			continue
		}
		var workers sync.WaitGroup
		for i, m := range batch {
			workers.Go(func() { w.do(ctx, m, lives[i]) })
		}
		workers.Wait()
	}
}

// visibility is when a message comes again whose worker has died.
const visibility = 6 * time.Minute

// do is one invocation of the worker, with what the queue does afterwards.
func (w *world) do(ctx context.Context, m message, l *mortal.Life) {
	ctx, cancel := l.Begin(ctx, time.Minute)
	defer cancel()
	err := w.worker.Handle(ctx, m.job)
	kind := bridge.KindOf(err)
	if trace {
		fmt.Printf("%s %+v -> %v\n", w.Now().Format(time.DateTime), m.job, err)
	}
	switch {
	case l.Over():
		w.mu.Lock()
		w.kills++
		w.mu.Unlock()
		if w.plant != Forgets { // that one has deleted the message before its work was done
			w.again(m, 0)
		}
	case err == nil, kind.Permanent():
		if err != nil {
			w.logs.note("let go: " + err.Error())
		}
	case kind == bridge.Throttled:
		w.put(bridge.AfterOf(err, time.Minute), m.job)
	default:
		w.again(m, 1)
	}
}

// again lets a message be seen once more when its visibility time-out is over. After five failures it is a dead letter;
// one whose workers have died is put back by whoever looks after those.
func (w *world) again(m message, failures int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.at, m.tries = w.Now().Add(visibility), m.tries+failures
	if m.tries > 5 {
		w.dead++
		return
	}
	w.queue = append(w.queue, m)
}

// jobs is the queue.
type jobs struct{ w *world }

func (j jobs) Send(ctx context.Context, delay time.Duration, jobs ...core.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	j.w.put(delay, jobs...)
	return mortal.Step(ctx, true)
}

// counted counts what goes over a wire.
type counted struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// session gives tokens without a broker.
type session struct{ org *simorg.Org }

func (s session) Token(context.Context) (bridge.AccessToken, error) {
	token, err := s.org.Token(admin)
	return bridge.AccessToken{Token: bridge.NewSecret(token), Instance: orgOrigin}, err
}

func (s session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return s.Token(ctx)
}

// hero is the same adapter as the Lambda's.
type hero struct{ *referralhero.Client }

func (h hero) Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p core.Person) (bridge.Subscriber, bool, bridge.Quota, error) {
	added, quota, err := h.AddReferral(ctx, token, campaign,
		referralhero.Person{Identifier: p.Identifier, Value: p.Value, Name: p.Name, URL: p.URL, Source: p.Source},
		referralhero.Referral{Referrer: p.Referrer, Pending: p.Pending})
	return added.Subscriber, added.Created, quota, err
}

func (h hero) Pay(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string, t core.Transaction) (bridge.Quota, error) {
	return h.Client.Pay(ctx, token, campaign, by, value, referralhero.Transaction(t))
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(_ context.Context, s bridge.Secret, _ string) ([]byte, error) {
	return []byte(s.Reveal()), nil
}

func (plain) Open(_ context.Context, sealed []byte, _ string) (bridge.Secret, error) {
	return bridge.NewSecret(string(sealed)), nil
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) note(text string) { _, _ = l.Write([]byte(text + "\n")) }

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// call makes a call to ReferralHero as a visitor of the customer's website would have it made.
func (w *world) signUp(campaign bridge.CampaignID, in map[string]any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v2/lists/"+string(campaign)+"/subscribers", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.hero.Token())
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Person", "1")
	recorder := httptest.NewRecorder()
	w.hero.ServeHTTP(recorder, r)
	if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), `"ok"`) {
		return errors.New("sign-up refused: " + recorder.Body.String())
	}
	return nil
}
