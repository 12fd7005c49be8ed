package syncer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	table "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

const (
	account    bridge.AccountID    = "a_1"
	campaign   bridge.CampaignID   = "MF0a1b2c3d4e"
	connection bridge.ConnectionID = "c_1"
	user                           = "admin@acme.example"
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

// world is a syncer among its other sides: the store in the emulated DynamoDB, the simulated org and the simulated
// ReferralHero, all over HTTP. Only the queues are lists in memory.
type world struct {
	*clock
	t       *testing.T
	org     *simorg.Org
	hero    *simhero.Service
	orgURL  string
	heroURL string
	units   *table.Server
	store   *store.Store
	client  *salesforce.Client
	worker  syncer.Worker
	service syncer.Service
	sweep   syncer.Sweep
	logs    *lines

	sweeping bool      // the sweep runs each minute of work, as its schedule has it
	swept    time.Time // last

	mu     sync.Mutex
	queue  []message
	handed int // hints that were given to workers, each time anew
	link   bridge.ConnectionStatus
	closed atomic.Bool                                // the org refuses us
	others map[bridge.ConnectionID]*salesforce.Client // of other orgs, and of other users
}

// message is a hint or a job on a queue.
type message struct {
	hint *syncer.Hint
	job  *syncer.Job
	live bool
	at   time.Time
}

type options struct {
	contacts []simorg.Contact
	hero     simhero.Options
	list     simhero.List
	org      simorg.Options
	bulk     int
	hidden   []int // fields that the user does not see
	bare     bool  // nothing is synced yet
	without  bool  // contacts have no fields yet
	sync     func(*syncer.Options)
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := &world{clock: &clock{}, t: t, logs: &lines{}, link: bridge.Active}
	o.hero.Now, o.org.Now = w.Now, w.Now
	o.list.UUID, o.list.Name, o.list.Ranking = string(campaign), "Spring Referral", true
	if o.list.URL == "" {
		o.list.URL = "https://www.example.com/join"
	}
	o.hero.Lists = []simhero.List{o.list}
	o.org.Contacts = o.contacts
	if o.contacts == nil {
		o.org.Generated = -1
	}
	w.hero, w.org = simhero.New(o.hero), simorg.New(o.org)
	w.units = table.New(table.Options{Now: w.Now})
	w.store = store.New(newTable(t, w.serve(w.units)), "table", plain{}).WithClock(w.Now)
	w.wire(o.bulk)
	w.seed()
	if !o.without {
		w.fields("Contact", o.hidden...)
	}
	if !o.bare {
		w.on(o.sync)
	}
	return w
}

// serve serves h until the test ends.
func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) wire(bulk int) {
	w.orgURL, w.heroURL = w.serve(w.org), w.serve(w.hero)
	hosts := salesforce.Hosts{Simulator: w.orgURL}
	orgHTTP := &http.Client{Transport: mortal.Transport{RoundTripper: hosts.HTTPClient().Transport}}
	w.client = &salesforce.Client{HTTP: orgHTTP, Hosts: hosts, Tokens: session{w.org, w.orgURL, &w.closed}}
	heroHTTP := referralhero.HTTPClient()
	heroHTTP.Transport = mortal.Transport{RoundTripper: heroHTTP.Transport}
	hero := &referralhero.Client{BaseURL: w.heroURL + "/api/v2", HTTP: heroHTTP}
	rations := budget.Budget{Store: w.store, Length: time.Hour, Now: w.Now}
	w.others = map[bridge.ConnectionID]*salesforce.Client{}
	org := func(c bridge.Connection) syncer.Org {
		if other := w.others[c.ID]; other != nil {
			return other
		}
		return w.client
	}
	w.worker = syncer.Worker{
		Rows: w.store, Accounts: w.store, Campaigns: w.store, Connections: connections{w}, Layouts: w.store, Org: org, Hero: hero, Budget: rations,
		Changes: w.changes, Jobs: w.jobs, Now: w.Now, Log: slog.New(slog.NewTextHandler(w.logs, nil)), Bulk: bulk, Lease: 10 * time.Second, Rest: w.rest,
	}
	w.service = syncer.Service{
		Rows: w.store, Accounts: w.store, Campaigns: w.store, Connections: connections{w}, Layouts: w.store, Org: org, Hero: hero, Budget: rations,
		Changes: w.changes, Jobs: w.jobs, Now: w.Now,
	}
	w.sweep = syncer.Sweep{Rows: w.store, Changes: w.changes, Jobs: w.jobs, Now: w.Now, Log: w.worker.Log}
}

func (w *world) seed() {
	w.t.Helper()
	a := bridge.Account{ID: account, Name: "Acme", Token: bridge.NewSecret(w.hero.Token()), TokenAt: w.Now(), Allowance: bridge.DefaultAllowance, CreatedAt: w.Now()}
	w.must(w.store.CreateAccount(w.t.Context(), a, bridge.Person{Issuer: "https://issuer.example", Subject: "dana", Name: "Dana Reeve"}))
	w.count()
}

// count keeps how many subscribers the campaign has, as Update list does.
func (w *world) count() {
	w.t.Helper()
	w.countOf(campaign)
}

func (w *world) countOf(campaign bridge.CampaignID) {
	w.t.Helper()
	c, err := w.store.Campaign(w.t.Context(), account, campaign)
	if bridge.KindOf(err) == bridge.NotFound {
		c = bridge.Campaign{ID: campaign, Account: account, Name: "Spring Referral", Listed: true, Identifier: bridge.ByEmail, SeenAt: w.Now()}
	} else {
		w.must(err)
	}
	c.Subscribers = len(w.hero.Subscribers(string(campaign)))
	w.must(w.store.SaveCampaign(w.t.Context(), c))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fields makes the fourteen on an object, shows them to the user, and keeps the layout.
func (w *world) fields(object string, hidden ...int) {
	w.t.Helper()
	w.fieldsOf(w.org, w.client, connection, object, hidden...)
}

func (w *world) fieldsOf(org *simorg.Org, client *salesforce.Client, id bridge.ConnectionID, object string, hidden ...int) {
	w.t.Helper()
	var made []provision.NewField
	layout := bridge.Layout{Account: account, Connection: id, Object: object}
	for i, f := range bridge.Fields {
		layout.Names[i] = "RH_" + f.Name + "__c"
		made = append(made, provision.NewField{Name: layout.Names[i], Label: "RH " + f.Name, Of: f})
	}
	for part := range slices.Chunk(made, 10) {
		refused, err := client.CreateFields(w.t.Context(), object, part)
		w.must(err)
		w.must(errors.Join(refused...))
	}
	for i, name := range layout.Names {
		if !slices.Contains(hidden, i) {
			w.must(org.SetVisible(user, object, name, true))
		}
	}
	layout, err := client.Look(w.t.Context(), layout)
	w.must(err)
	w.must(w.store.SaveLayout(w.t.Context(), layout))
}

// on switches syncing on and does what that brings.
func (w *world) on(change func(*syncer.Options)) {
	w.t.Helper()
	o := syncer.Options{Connection: connection, Target: bridge.ToContact, Only: syncer.Everybody, Every: syncer.Daily}
	if change != nil {
		change(&o)
	}
	w.must(w.service.Save(w.t.Context(), account, campaign, "Dana Reeve", o))
	w.work(fixed(1), immortal)
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

// rest lets the clock run faster while somebody waits, but not so fast that a turn could end before the work in it.
func (w *world) rest(ctx context.Context, pause time.Duration) error {
	w.advance(pause)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause / 50):
		return nil
	}
}

// changes and jobs are the queues.
func (w *world) changes(ctx context.Context, delay time.Duration, hints ...syncer.Hint) error {
	if len(hints) == 0 {
		return nil
	}
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	w.put(delay, false, hints...)
	return mortal.Step(ctx, true)
}

func (w *world) jobs(ctx context.Context, delay time.Duration, jobs ...syncer.Job) error {
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	w.mu.Lock()
	for _, j := range jobs {
		w.queue = append(w.queue, message{job: &j, at: w.Now().Add(min(delay, 15*time.Minute))})
	}
	w.mu.Unlock()
	return mortal.Step(ctx, true)
}

func (w *world) put(delay time.Duration, live bool, hints ...syncer.Hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range hints {
		text, err := json.Marshal(h) // as a queue keeps it
		var kept syncer.Hint
		if err = errors.Join(err, json.Unmarshal(text, &kept)); err != nil {
			panic(err)
		}
		w.queue = append(w.queue, message{hint: &kept, live: live, at: w.Now().Add(min(delay, 15*time.Minute))})
	}
}

// tell puts hints on the live queue.
func (w *world) tell(hints ...syncer.Hint) {
	for _, h := range hints {
		h.Account, h.Campaign, h.At = account, campaign, w.Now().UnixMilli()
		w.put(0, true, h)
	}
}

// work hands the queue's messages to workers, in any order and some at the same time, until it is empty. When nothing can be
// seen yet, the clock moves on. A worker whose life ends leaves its messages for later.
func (w *world) work(random *rand.Rand, life func(*rand.Rand) *mortal.Life) {
	w.t.Helper()
	for round := 0; ; round++ {
		if round > 3000 {
			w.t.Fatalf("the work does not end: %s; log:\n%s", w.waiting(), w.logs)
		}
		batches := w.receive(random)
		if len(batches) == 0 {
			return
		}
		if w.sweeping && w.Now().Sub(w.swept) >= time.Minute {
			w.must(w.sweep.Run(w.t.Context()))
			w.swept = w.Now()
		}
		var team sync.WaitGroup
		for _, batch := range batches {
			l := life(random)
			team.Go(func() { w.do(batch, l) })
		}
		team.Wait()
	}
}

// waiting names what is on the queue.
func (w *world) waiting() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for _, m := range w.queue {
		if m.job != nil {
			fmt.Fprintf(&text, "a step of %s; ", m.job.Campaign)
		} else {
			fmt.Fprintf(&text, "%s %s; ", m.hint.Why, m.hint.Subscriber)
		}
	}
	return text.String()
}

// receive takes up to three batches: hints together, and jobs one at a time.
func (w *world) receive(random *rand.Rand) [][]message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	slices.SortStableFunc(w.queue, func(a, b message) int { return a.at.Compare(b.at) })
	w.advance(w.queue[0].at.Sub(w.Now()))
	now, n := w.Now(), 0
	for n < len(w.queue) && !w.queue[n].at.After(now) {
		n++
	}
	random.Shuffle(n, func(i, j int) { w.queue[i], w.queue[j] = w.queue[j], w.queue[i] })
	batches := make([][]message, 1+random.IntN(3))
	left := w.queue[n:]
	for _, m := range w.queue[:n] {
		i := random.IntN(len(batches))
		switch batch := batches[i]; {
		case len(batch) == 0, m.hint != nil && batch[0].hint != nil && m.live == batch[0].live && len(batch) < 1000:
			batches[i] = append(batch, m)
		default:
			left = append(left, m)
		}
	}
	w.queue = slices.Clone(left)
	return slices.DeleteFunc(batches, func(b []message) bool { return len(b) == 0 })
}

// do is one invocation of the worker, with what the queue does afterwards.
func (w *world) do(batch []message, l *mortal.Life) {
	ctx, cancel := l.Begin(w.t.Context(), time.Minute)
	defer cancel()
	errs := make([]error, len(batch))
	if batch[0].job != nil {
		errs[0] = w.worker.Step(ctx, *batch[0].job)
	} else {
		w.mu.Lock()
		w.handed += len(batch)
		w.mu.Unlock()
		hints := make([]syncer.Hint, len(batch))
		for i, m := range batch {
			hints[i] = *m.hint
		}
		errs = w.worker.Hints(ctx, hints, batch[0].live)
	}
	for i, m := range batch {
		again := time.Minute // the visibility time-out
		switch kind := bridge.KindOf(errs[i]); {
		case l.Over():
		case errs[i] == nil, kind.Permanent():
			continue
		case kind == bridge.Throttled:
			again = bridge.AfterOf(errs[i], time.Minute)
		}
		m.at = w.Now().Add(min(again, 15*time.Minute))
		w.mu.Lock()
		w.queue = append(w.queue, m)
		w.mu.Unlock()
	}
}

// immortal is the life of a worker that nothing happens to.
func immortal(*rand.Rand) *mortal.Life { return &mortal.Life{Steps: -1} }

func fixed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

type connections struct{ w *world }

func (c connections) Connection(_ context.Context, a bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	if a != account || id != connection && c.w.others[id] == nil {
		return bridge.Connection{}, &bridge.Error{Op: "test", Kind: bridge.NotFound}
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	org := bridge.SalesforceID("00D5g0000000001EAA")
	if client := c.w.others[id]; client != nil && client != c.w.client {
		org = "00D5g0000000002EAA"
	}
	return bridge.Connection{ID: id, Account: a, Org: org, Status: c.w.link, Instance: c.w.orgURL}, nil
}

// session gives tokens without a broker.
type session struct {
	org    *simorg.Org
	origin string
	closed *atomic.Bool // the org refuses us; nil if it never does
}

func (s session) Token(context.Context) (bridge.AccessToken, error) {
	if s.closed != nil && s.closed.Load() {
		return bridge.AccessToken{}, &bridge.Error{Op: "test", Kind: bridge.Denied, Code: "inactive_user"}
	}
	token, err := s.org.Token(user)
	return bridge.AccessToken{Token: bridge.NewSecret(token), Instance: s.origin}, err
}

func (s session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return s.Token(ctx)
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

// orgCall makes a call to the org as the administrator does, and decodes the answer into out.
func (w *world) orgCall(method, path string, in, out any) {
	w.t.Helper()
	token, err := w.org.Token(user)
	w.must(err)
	body, err := json.Marshal(in)
	w.must(err)
	w.call(method, w.orgURL+"/services/data/v66.0"+path, token, body, out)
}

// heroCall makes a call to ReferralHero.
func (w *world) heroCall(method, path string, in, out any) {
	w.t.Helper()
	body, err := json.Marshal(in)
	w.must(err)
	w.call(method, w.heroURL+"/api/v2/lists/"+string(campaign)+path, w.hero.Token(), body, out)
}

func (w *world) call(method, address, token string, body []byte, out any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader(body))
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	w.must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	if response.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s %s", method, address, response.Status, text)
	}
	if out != nil && len(text) > 0 {
		w.must(json.Unmarshal(text, out))
	}
}

// signUp has somebody sign up at ReferralHero, referred by the one with a code if it is not empty, and returns the id and the code.
func (w *world) signUp(email, name, referrer string) (bridge.SubscriberID, string) {
	w.t.Helper()
	var answer struct{ Data struct{ ID, Code string } }
	in := map[string]any{"email": email, "name": name, "double_optin": false}
	if referrer != "" {
		in["referrer"] = referrer
	}
	w.heroCall(http.MethodPost, "/subscribers", in, &answer)
	return bridge.SubscriberID(answer.Data.ID), answer.Data.Code
}

// row is a contact as the org's own pages have it: what anybody may see.
type row map[string]any

func (r row) text(field string) string {
	if r[field] == nil {
		return ""
	}
	if n, is := r[field].(float64); is {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(r[field])
}

// contacts reads all records of an object with our fields and some of their own.
func (w *world) records(object string) []row {
	w.t.Helper()
	fields := []string{"Id", "FirstName", "LastName", "Email", "Title"}
	for _, f := range bridge.Fields {
		if w.sees(object, "RH_"+f.Name+"__c") {
			fields = append(fields, "RH_"+f.Name+"__c")
		}
	}
	var all []row
	path := "/query?q=" + strings.ReplaceAll("SELECT "+strings.Join(fields, ", ")+" FROM "+object+" ORDER BY Id", " ", "+")
	for path != "" {
		var page struct {
			Records        []row
			NextRecordsURL string `json:"nextRecordsUrl"`
		}
		w.orgCall(http.MethodGet, path, nil, &page)
		all = append(all, page.Records...)
		path = strings.TrimPrefix(page.NextRecordsURL, "/services/data/v66.0")
	}
	return all
}

func (w *world) sees(object, field string) bool {
	w.t.Helper()
	l, err := w.store.Layout(w.t.Context(), account, connection, object)
	w.must(err)
	at := slices.Index(l.Names[:], field)
	return at >= 0 && l.Visible.Has(at)
}

// contact is the only record with an address.
func (w *world) contact(email string) row {
	w.t.Helper()
	var found []row
	for _, r := range w.records("Contact") {
		if strings.EqualFold(r.text("Email"), email) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("there are %d contacts with the address %s, want one", len(found), email)
	}
	return found[0]
}

// shows is what a record shows in the fourteen fields.
func (r row) shows() bridge.Values {
	var v bridge.Values
	for i, f := range bridge.Fields {
		v[i] = r.text("RH_" + f.Name + "__c")
		if f.Type == bridge.DateTimeField && v[i] != "" {
			at, err := time.Parse("2006-01-02T15:04:05.000-0700", v[i])
			if err != nil {
				panic(err)
			}
			v[i] = at.UTC().Format(time.RFC3339)
		}
	}
	return v
}

// oracle says what everybody's fields ought to show, from what ReferralHero holds, in the plainest way.
func (w *world) oracle() map[string]bridge.Values {
	w.t.Helper()
	people := w.hero.Subscribers(string(campaign))
	byID := map[string]simhero.Subscriber{}
	newest := map[string]int64{}
	for _, s := range people {
		byID[s.ID] = s
		if s.VerifiedAt != 0 && s.Status != simhero.Unqualified {
			newest[s.ReferredBy] = max(newest[s.ReferredBy], s.CreatedAt)
		}
	}
	ranked := slices.Clone(people)
	slices.SortStableFunc(ranked, func(a, b simhero.Subscriber) int { return b.PeopleReferred - a.PeopleReferred })
	place := map[string]int{}
	for i, s := range ranked {
		place[s.ID] = i + 1
	}
	want := map[string]bridge.Values{}
	for _, s := range people {
		if s.VerifiedAt == 0 {
			continue
		}
		link := s.ReferralLink()
		v := bridge.Values{
			bridge.Code: s.Code, bridge.ExtraField: s.ExtraField, bridge.ExtraField2: s.ExtraField2, bridge.Points: fmt.Sprint(s.Points),
			bridge.Position: fmt.Sprint(place[s.ID]), bridge.ReferralLink: link, bridge.Source: s.Source, bridge.SubscriberKey: s.ID,
			bridge.TotalReferrals: fmt.Sprint(s.PeopleReferred), bridge.Referrer: byID[s.ReferredBy].Name,
			bridge.EmailLink: link + "&mws=email", bridge.FacebookLink: link + "&mws=facebook", bridge.TwitterLink: link + "&mws=twitter",
		}
		if s.Source == "" {
			v[bridge.Source] = "None"
		}
		if at := newest[s.ID]; at != 0 {
			v[bridge.LastReferral] = time.Unix(at, 0).UTC().Format(time.RFC3339)
		}
		want[strings.ToLower(s.Email)] = v
	}
	return want
}

// recordType is that of person accounts.
func (w *world) recordType() bridge.SalesforceID {
	w.t.Helper()
	var page struct{ Records []row }
	w.orgCall(http.MethodGet, "/query?q=SELECT+Id+FROM+RecordType+WHERE+IsPersonType+=+true", nil, &page)
	if len(page.Records) != 1 {
		w.t.Fatalf("the record types are %v", page.Records)
	}
	return bridge.SalesforceID(page.Records[0].text("Id"))
}

// accountOf is the account of the contact with an address.
func (w *world) accountOf(email string) string {
	w.t.Helper()
	var page struct{ Records []row }
	w.orgCall(http.MethodGet, "/query?q=SELECT+AccountId+FROM+Contact+WHERE+Email+=+'"+email+"'", nil, &page)
	if len(page.Records) != 1 {
		w.t.Fatalf("the contacts are %v", page.Records)
	}
	return page.Records[0].text("AccountId")
}

// agree compares every contact with the oracle. positions says whether POSITION is right for everybody now.
func (w *world) agree(positions bool) {
	w.t.Helper()
	want := w.oracle()
	seen := map[string]bool{}
	for _, r := range w.records("Contact") {
		email := strings.ToLower(r.text("Email"))
		got, expected := r.shows(), want[email]
		if !positions {
			got[bridge.Position], expected[bridge.Position] = "", ""
		}
		if expected[bridge.SubscriberKey] != "" && got == (bridge.Values{}) {
			continue // one of several contacts with the address, or it is missed below
		}
		if got != expected {
			for i, f := range bridge.Fields {
				if got[i] != expected[i] {
					w.t.Errorf("%s shows %s %q, want %q", email, f.Name, got[i], expected[i])
				}
			}
		}
		seen[email] = seen[email] || got != (bridge.Values{})
	}
	for email := range want {
		if !seen[email] {
			w.t.Errorf("no contact shows %s", email)
		}
	}
	if text := w.logs.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "ValidationException") || strings.Contains(text, "@") {
		w.t.Errorf("the log has an error or an address:\n%s", text)
	}
}

// erase deletes the account.
func (w *world) erase() {
	w.t.Helper()
	w.must(w.store.EndAccess(w.t.Context(), account))
	w.must(w.store.DeleteAccount(w.t.Context(), account))
}
