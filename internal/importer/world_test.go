package importer_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	diff "github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/effect"
	"github.com/referralbridge/referralbridge/internal/importer"
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
	campaign   bridge.CampaignID   = "MF0a1b2c3d4e"
	connection bridge.ConnectionID = "c_1"
)

// clock is the time that everything in a world shares. It runs, and it can be moved on.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += max(d, 0)
}

// world is an importer among its other sides: the store in the emulated DynamoDB, the simulated org and the
// simulated ReferralHero, all over HTTP. Only the queue and the mails are lists in memory.
type world struct {
	*clock
	t       *testing.T
	org     *simorg.Org
	hero    *simhero.Service
	orgURL  string
	heroURL string
	units   *table.Server
	store   *store.Store
	service importer.Service
	worker  importer.Worker
	sweep   importer.Sweep
	logs    *lines

	mu     sync.Mutex
	queue  []message
	mails  []importer.Message
	mailer func(context.Context, importer.Message) error // nil takes every mail
	link   bridge.ConnectionStatus
}

type message struct {
	job importer.Job
	at  time.Time
}

type options struct {
	contacts []simorg.Contact
	hero     simhero.Options
	org      simorg.Options
	existing []string // addresses that are in the campaign before
	notify   string   // "" for dana@example.com, "-" for none
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := &world{clock: &clock{}, t: t, logs: &lines{}, link: bridge.Active}
	o.hero.Now, o.org.Now = w.Now, w.Now
	o.hero.Lists = []simhero.List{{UUID: string(campaign), Name: "Spring Referral", URL: "https://www.example.com/join"}}
	o.org.Contacts = o.contacts
	w.hero, w.org = simhero.New(o.hero), simorg.New(o.org)
	w.units = table.New(table.Options{Now: w.Now})
	w.store = store.New(newTable(t, w.serve(w.units)), "table", plain{}).WithClock(w.Now)
	w.wire()
	w.seed(o)
	return w
}

// serve serves h until the test ends.
func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) wire() {
	w.orgURL = w.serve(w.org)
	w.heroURL = w.serve(w.hero)
	hosts := salesforce.Hosts{Simulator: w.orgURL}
	orgHTTP := &http.Client{Transport: mortal.Transport{RoundTripper: hosts.HTTPClient().Transport}}
	tokens := session{w.org, w.orgURL}
	client := &salesforce.Client{HTTP: orgHTTP, Hosts: hosts, Tokens: tokens}
	heroHTTP := referralhero.HTTPClient()
	heroHTTP.Transport = mortal.Transport{RoundTripper: heroHTTP.Transport}
	rations := budget.Budget{Store: w.store, Length: time.Hour, Now: w.Now}
	org := func(bridge.Connection) importer.Org { return client }
	w.service = importer.Service{
		Imports: w.store, Accounts: w.store, Campaigns: w.store, Connections: connections{w}, Org: org,
		CheckFilter: salesforce.CheckFilter, Jobs: jobs{w}, Budget: rations, Now: w.Now,
	}
	w.worker = importer.Worker{
		Imports: w.store, Accounts: w.store, Connections: connections{w}, Org: org, Jobs: jobs{w}, Budget: rations,
		Hero:  hero{&referralhero.Client{BaseURL: w.heroURL + "/api/v2", HTTP: heroHTTP}},
		Mails: effect.Guard{Store: w.store, Now: w.Now}, Mail: w.mail,
		BaseURL: "https://bridge.example.com", Now: w.Now, Pause: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
	w.sweep = importer.Sweep{Imports: w.store, Jobs: jobs{w}, Now: w.Now, Log: w.worker.Log}
}

func (w *world) seed(o options) {
	w.t.Helper()
	ctx := w.t.Context()
	a := bridge.Account{ID: account, Name: "Acme", Notify: cmp.Or(o.notify, "dana@example.com"), Token: bridge.NewSecret(w.hero.Token()),
		TokenAt: w.Now(), Allowance: bridge.DefaultAllowance, CreatedAt: w.Now()}
	if a.Notify == "-" {
		a.Notify = ""
	}
	person := bridge.Person{Issuer: "https://issuer.example", Subject: "dana", Name: "Dana Reeve"}
	if err := w.store.CreateAccount(ctx, a, person); err != nil {
		w.t.Fatalf("CreateAccount: %v", err)
	}
	c := bridge.Campaign{ID: campaign, Account: account, Name: "Spring Referral", Listed: true, Identifier: bridge.ByEmail, SeenAt: w.Now()}
	if err := w.store.SaveCampaign(ctx, c); err != nil {
		w.t.Fatalf("SaveCampaign: %v", err)
	}
	for _, address := range o.existing {
		p := importer.Person{Identifier: bridge.ByEmail, Value: address, Source: "imported_from_salesforce"}
		if _, _, err := w.worker.Hero.Add(ctx, a.Token, campaign, p); err != nil {
			w.t.Fatalf("Add: %v", err)
		}
	}
	w.hero.ResetCounts()
	w.advance(time.Minute)
}

func newTable(t *testing.T, endpoint string) *dynamodb.Client {
	t.Helper()
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: &http.Client{Transport: mortal.Transport{RoundTripper: http.DefaultTransport.(*http.Transport).Clone()}},
	})
	if err := provisioned.Table(t.Context(), db, "table"); err != nil {
		t.Fatalf("CreateTable: %v", err)
	}
	return db
}

// start begins an import with the usual options.
func (w *world) start(change func(*bridge.ImportOptions)) bridge.Import {
	w.t.Helper()
	o := bridge.ImportOptions{Campaign: campaign, Connection: connection, Identifier: bridge.ByEmail, URL: "https://www.example.com/join"}
	if change != nil {
		change(&o)
	}
	i, err := w.service.Start(w.t.Context(), account, "Dana Reeve", o)
	if err != nil {
		w.t.Fatalf("Start: %v", err)
	}
	return i
}

// work hands the queue's messages to workers, in any order and some at the same time, until it is empty. When
// nothing can be seen yet, the clock moves on. A worker whose life ends leaves its message for later.
func (w *world) work(random *rand.Rand, life func(*rand.Rand) *mortal.Life) {
	w.t.Helper()
	for round := 0; ; round++ {
		if round > 3000 {
			w.t.Fatalf("the import does not end: %+v", w.peek())
		}
		batch := w.receive(1 + random.IntN(3))
		if len(batch) == 0 {
			return
		}
		var team sync.WaitGroup
		for _, m := range batch {
			l := life(random)
			team.Go(func() { w.do(m, l) })
		}
		team.Wait()
	}
}

func (w *world) receive(most int) []message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	slices.SortFunc(w.queue, func(a, b message) int { return a.at.Compare(b.at) })
	w.advance(w.queue[0].at.Sub(w.Now()))
	now, n := w.Now(), 0
	for n < len(w.queue) && n < most && !w.queue[n].at.After(now) {
		n++
	}
	batch := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	return batch
}

func (w *world) peek() []message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.queue)
}

// do is one invocation of the worker, with what the queue does afterwards.
func (w *world) do(m message, l *mortal.Life) {
	ctx, cancel := l.Begin(w.t.Context(), 30*time.Second)
	defer cancel()
	err := w.worker.Handle(ctx, m.job)
	kind := bridge.KindOf(err)
	switch {
	case l.Over():
		w.put(time.Minute, m.job) // the visibility time-out
	case err == nil, kind.Permanent():
	case kind == bridge.Throttled:
		w.put(bridge.AfterOf(err, time.Minute), m.job)
	default:
		w.put(time.Minute, m.job)
	}
}

func (w *world) put(delay time.Duration, jobs ...importer.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		w.queue = append(w.queue, message{j, w.Now().Add(min(delay, 15*time.Minute))})
	}
}

func (w *world) mail(ctx context.Context, m importer.Message) error {
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	if w.mailer != nil {
		return w.mailer(ctx, m)
	}
	w.mu.Lock()
	w.mails = append(w.mails, m)
	w.mu.Unlock()
	return mortal.Step(ctx, true)
}

func (w *world) get(id bridge.ImportID) bridge.Import {
	w.t.Helper()
	i, err := w.store.Import(w.t.Context(), account, id)
	if err != nil {
		w.t.Fatalf("Import: %v", err)
	}
	return i
}

func (w *world) rows(id bridge.ImportID) map[string]bridge.Outcome {
	w.t.Helper()
	outcomes := map[string]bridge.Outcome{}
	for row, err := range w.service.Outcomes(w.t.Context(), account, id) {
		if err != nil {
			w.t.Fatalf("Outcomes: %v", err)
		}
		if _, twice := outcomes[row.Contact.Key()]; twice && row.Contact != "" {
			w.t.Errorf("contact %s has two outcomes", row.Contact)
		}
		outcomes[row.Contact.Key()] = row.Outcome
	}
	return outcomes
}

// immortal is the life of a worker that nothing happens to.
func immortal(*rand.Rand) *mortal.Life { return &mortal.Life{Steps: -1} }

func fixed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// jobs is the queue.
type jobs struct{ w *world }

func (j jobs) Send(ctx context.Context, delay time.Duration, jobs ...importer.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	j.w.put(delay, jobs...)
	return mortal.Step(ctx, true)
}

type connections struct{ w *world }

func (c connections) Connection(_ context.Context, a bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	if a != account || id != connection {
		return bridge.Connection{}, &bridge.Error{Op: "test", Kind: bridge.NotFound}
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return bridge.Connection{ID: id, Account: a, Status: c.w.link}, nil
}

// session gives tokens without a broker.
type session struct {
	org    *simorg.Org
	origin string
}

func (s session) Token(ctx context.Context) (bridge.AccessToken, error) {
	token, err := s.org.Token("admin@acme.example")
	return bridge.AccessToken{Token: bridge.NewSecret(token), Instance: s.origin}, err
}

func (s session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return s.Token(ctx)
}

// hero is the same adapter as the Lambda's.
type hero struct{ client *referralhero.Client }

func (h hero) Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p importer.Person) (importer.Subscriber, bridge.Quota, error) {
	s, quota, err := h.client.Add(ctx, token, campaign, referralhero.Person(p))
	return importer.Subscriber(s), quota, err
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

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// read returns a request's body and leaves it readable.
func read(r *http.Request) string {
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	return string(text)
}

// edit changes a contact in the org.
func (w *world) edit(id, fields string) {
	w.t.Helper()
	token, err := session{w.org, ""}.Token(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPatch, w.orgURL+"/services/data/v66.0/sobjects/Contact/"+id, strings.NewReader(fields))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		w.t.Fatalf("edit: %s", response.Status)
	}
}

// people are n contacts of all kinds, in the order of their ids.
func people(n int) []simorg.Contact {
	contacts := make([]simorg.Contact, n)
	for i := range n {
		c := simorg.Contact{
			ID: fmt.Sprintf("0035g00000%05d", i), FirstName: "Ann", LastName: fmt.Sprintf("O'Neill %d", i),
			Email: fmt.Sprintf("ann.%d@example.com", i), Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
			HasOptedOutOfEmail: i%11 == 5,
		}
		switch {
		case i%13 == 4:
			c.Email = "" // nobody can write to them
		case i%17 == 6:
			c.Email = "ann.at.example.com"
		case i%7 == 3 && i > 20:
			c.Email = fmt.Sprintf("ANN.%d@Example.com", i/2) // the same as one before, in other letters
		}
		contacts[i] = c
	}
	return contacts
}

// oracle says what becomes of each contact, in the plainest way.
func oracle(contacts []simorg.Contact, existing []string, welcome bool) map[string]bridge.Outcome {
	outcomes, owned := map[string]bridge.Outcome{}, map[string]bool{}
	for _, c := range contacts {
		address := strings.ToLower(c.Email)
		switch {
		case address == "":
			outcomes[c.ID] = bridge.Skipped
		case !strings.Contains(address, "@"):
			outcomes[c.ID] = bridge.Refused
		case welcome && c.HasOptedOutOfEmail:
			outcomes[c.ID] = bridge.Skipped
		case owned[address], slices.Contains(existing, address):
			outcomes[c.ID] = bridge.Existed
		default:
			outcomes[c.ID] = bridge.Created
		}
		if outcomes[c.ID] == bridge.Existed || outcomes[c.ID] == bridge.Created {
			owned[address] = true
		}
	}
	return outcomes
}

func tally(outcomes map[string]bridge.Outcome) bridge.Counts {
	var c bridge.Counts
	for _, o := range outcomes {
		switch o {
		case bridge.Created:
			c.Created++
		case bridge.Existed:
			c.Existed++
		case bridge.Refused:
			c.Invalid++
		case bridge.Failed:
			c.Failed++
		case bridge.Skipped:
			c.Skipped++
		}
	}
	return c
}

// agrees checks an import that is done against the oracle: every contact, the counts, and the campaign.
func (w *world) agrees(id bridge.ImportID, want map[string]bridge.Outcome, existing int) bridge.Import {
	w.t.Helper()
	i := w.get(id)
	if i.State != bridge.Done {
		w.t.Fatalf("state = %s (%s %s), want done; log:\n%s", i.State, i.Parked, i.Cause, w.logs)
	}
	if d := diff.Diff(w.rows(id), want); d != "" {
		w.t.Errorf("outcomes (-got +want):\n%s", d)
	}
	counts := tally(want)
	if i.Counts != counts {
		w.t.Errorf("counts = %+v, want %+v", i.Counts, counts)
	}
	if got := len(w.hero.Subscribers(string(campaign))); got != counts.Created+existing {
		w.t.Errorf("the campaign has %d subscribers, want %d", got, counts.Created+existing)
	}
	if strings.Contains(w.logs.String(), "level=ERROR") {
		w.t.Errorf("the log has errors:\n%s", w.logs)
	}
	if strings.Contains(w.logs.String(), "@") {
		w.t.Errorf("the log has an address:\n%s", w.logs)
	}
	return i
}
