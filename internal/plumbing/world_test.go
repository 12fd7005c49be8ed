package plumbing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/salesforce/outbound"
	table "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	account    bridge.AccountID    = "a_1"
	connection bridge.ConnectionID = "c_1"
	admin                          = "admin@acme.example"
	flowName                       = "RH_Opportunity_Stage"
	version                        = "/services/data/v66.0"
)

// clock stands still until it is moved on.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
}

// world is the service among its other sides: the store in the emulated DynamoDB, and the simulated org, both over
// HTTP. The queue is a list, and what takes the org's messages in is a server that acknowledges those whose hook it
// knows.
type world struct {
	*clock
	t       *testing.T
	org     *simorg.Org
	origin  string // the org's
	user    bridge.SalesforceID
	inbox   string // what the addresses for messages begin with
	store   *store.Store
	client  *salesforce.Client
	service plumbing.Service
	sweep   plumbing.Sweep

	mu       sync.Mutex
	queue    []message
	status   bridge.ConnectionStatus
	received map[string]int // messages by the hooks that they came to
	refused  int            // messages to hooks that let nothing in
	busy     int            // how often a token is not to be had for now
	calls    []string       // of the org, as method and path
	// rewrite is of the org's answers; nil leaves them.
	rewrite func(r *http.Request, body string) string
}

type message struct {
	job plumbing.Job
	at  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC)}, t: t, status: bridge.Active, received: map[string]int{}}
	w.org = simorg.New(simorg.Options{Generated: 1, Now: w.Now})
	t.Cleanup(w.org.Close)
	w.origin = w.serve(w.org)
	w.inbox = w.serve(http.HandlerFunc(w.receive)) + "/salesforce/outbound/"
	w.store = store.New(newTable(t, w.serve(table.New(table.Options{Now: w.Now}))), "table", plain{}).WithClock(w.Now)
	hosts := salesforce.Hosts{Simulator: w.origin}
	calls := hosts.HTTPClient().Transport.(*http.Transport).Clone()
	calls.DisableCompression = true // which takes longer than all the rest
	w.client = &salesforce.Client{HTTP: &http.Client{Transport: noting{w, mortal.Transport{RoundTripper: calls}}}, Hosts: hosts, Tokens: session{w}}
	w.service = plumbing.Service{
		Installations: w.store, Connections: connections{w}, Hooks: w.store, Jobs: jobs{w},
		Org: func(bridge.Connection) plumbing.Org { return w.client }, Inbox: w.inbox, Now: w.Now,
	}
	w.user = w.userID(admin)
	w.sweep = plumbing.Sweep{Installations: w.store, Jobs: jobs{w}, Now: w.Now}
	return w
}

func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

// receive takes a message in, as the other function does.
func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	token := bridge.NewSecret(strings.TrimPrefix(r.URL.Path, "/salesforce/outbound/"))
	envelope, err := outbound.Parse(r.Body)
	message := conversion.Message{Organization: envelope.Organization}
	for _, n := range envelope.Notifications {
		message.Records = append(message.Records, n.Record)
	}
	inbox := conversion.Inbox{
		Hooks: w.store, Connections: connections{w}, Jobs: ignored{}, Count: func(conversion.Tally, int) {}, Now: w.Now, Log: slog.Default(),
	}
	if err == nil {
		err = inbox.Receive(r.Context(), token, message)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.refused++
		http.NotFound(rw, r)
		return
	}
	w.received[token.Reveal()]++
	outbound.Ack(rw)
}

// ignored is the queue of those who work on what the messages are about.
type ignored struct{}

func (ignored) Send(context.Context, time.Duration, ...conversion.Job) error { return nil }

// messages returns how many messages a hook has received.
func (w *world) messages(hook bridge.Secret) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.received[hook.Reveal()]
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

// begin asks for an installation, and works until nothing is left to do for now.
func (w *world) begin() plumbing.Status {
	w.t.Helper()
	if err := w.service.Begin(w.t.Context(), account, connection); err != nil {
		w.t.Fatalf("Begin: %v", err)
	}
	return w.settle()
}

// settle works until the queue is empty, moving the clock on where a job waits, and returns how it is then.
func (w *world) settle() plumbing.Status {
	w.t.Helper()
	for round := 0; ; round++ {
		if round > 200 {
			w.t.Fatalf("it does not come to an end: %+v", w.get())
		}
		m, ok := w.next()
		if !ok {
			return w.state()
		}
		w.do(m.job, nil)
	}
}

// wait lets time pass, and does what becomes due meanwhile.
func (w *world) wait(d time.Duration) plumbing.Status {
	w.t.Helper()
	w.advance(d)
	w.sweeps()
	return w.settle()
}

func (w *world) sweeps() {
	w.t.Helper()
	if err := w.sweep.Run(w.t.Context()); err != nil {
		w.t.Fatalf("sweep: %v", err)
	}
}

// next takes the first job off the queue, at its time.
func (w *world) next() (message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return message{}, false
	}
	slices.SortStableFunc(w.queue, func(a, b message) int { return a.at.Compare(b.at) })
	m := w.queue[0]
	w.queue = w.queue[1:]
	w.advance(m.at.Sub(w.Now()))
	return m, true
}

// do is one invocation of the worker, with what the queue does afterwards.
func (w *world) do(job plumbing.Job, l *mortal.Life) {
	if l == nil {
		l = &mortal.Life{Steps: -1}
	}
	ctx, cancel := l.Begin(w.t.Context(), time.Minute)
	defer cancel()
	err := w.service.Work(ctx, job)
	if err != nil && !bridge.KindOf(err).Permanent() {
		w.put(6*time.Minute, job) // the visibility time-out
	}
}

func (w *world) put(delay time.Duration, jobs ...plumbing.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		w.queue = append(w.queue, message{j, w.Now().Add(delay)})
	}
}

func (w *world) get() plumbing.Installation {
	w.t.Helper()
	i, err := w.store.Installation(w.t.Context(), account, connection)
	if err != nil {
		w.t.Fatalf("Installation: %v", err)
	}
	return i
}

func (w *world) state() plumbing.Status {
	w.t.Helper()
	s, err := w.service.Status(w.t.Context(), account, connection)
	if err != nil {
		w.t.Fatalf("Status: %v", err)
	}
	return s
}

// browser is the administrator's.
var browser = &http.Client{Transport: &http.Transport{DisableCompression: true}}

// api makes a call of the org as its administrator does, and fails unless it succeeds.
func (w *world) api(method, path string, body any) map[string]any {
	w.t.Helper()
	token, err := w.org.Token(admin)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.origin+version+path, bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := browser.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	told, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 299 {
		w.t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, told, err)
	}
	var answer map[string]any
	if len(told) > 0 {
		if err := json.Unmarshal(told, &answer); err != nil {
			w.t.Fatal(err)
		}
	}
	return answer
}

// records runs a statement, of the Tooling API if prefix says so.
func (w *world) records(prefix, statement string) []map[string]any {
	w.t.Helper()
	list, _ := w.api("GET", prefix+"/query?q="+url.QueryEscape(statement), nil)["records"].([]any)
	var records []map[string]any
	for _, r := range list {
		records = append(records, r.(map[string]any))
	}
	return records
}

func (w *world) userID(username string) bridge.SalesforceID {
	w.t.Helper()
	found := w.records("", "SELECT Id FROM User WHERE Username = '"+username+"'")
	if len(found) != 1 {
		w.t.Fatalf("no user %s", username)
	}
	return bridge.SalesforceID(found[0]["Id"].(string))
}

// opportunity makes one, which an active flow tells.
func (w *world) opportunity() {
	w.t.Helper()
	w.api("POST", "/sobjects/Opportunity", map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-12-31", "Amount": 100})
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := w.org.Delivered(ctx); err != nil {
		w.t.Fatalf("not delivered: %v", err)
	}
}

// switches changes the org's.
func (w *world) switches(change func(*simorg.Switches)) {
	s := w.org.Switches()
	change(&s)
	w.org.SetSwitches(s)
}

// counted returns how many calls of the org were made since it was last asked.
func (w *world) counted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

type noting struct {
	w *world
	http.RoundTripper
}

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	n.w.mu.Lock()
	n.w.calls = append(n.w.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, version))
	rewrite := n.w.rewrite
	n.w.mu.Unlock()
	response, err := n.RoundTripper.RoundTrip(r)
	if err != nil || rewrite == nil {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(strings.NewReader(rewrite(r, string(body))))
	response.ContentLength = -1
	return response, err
}

// jobs is the queue.
type jobs struct{ w *world }

func (j jobs) Send(ctx context.Context, delay time.Duration, jobs ...plumbing.Job) error {
	if err := mortal.Step(ctx, false); err != nil {
		return err
	}
	j.w.put(min(delay, 15*time.Minute), jobs...)
	return mortal.Step(ctx, true)
}

type connections struct{ w *world }

func (c connections) Connection(_ context.Context, a bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return bridge.Connection{
		ID: id, Account: a, Org: simorg.DefaultOrganizationID, User: c.w.user, Username: admin, Instance: "https://acme.my.salesforce.com", Status: c.w.status,
	}, nil
}

// session gives tokens without a broker.
type session struct{ w *world }

func (s session) Token(context.Context) (bridge.AccessToken, error) {
	s.w.mu.Lock()
	status, busy := s.w.status, s.w.busy > 0
	s.w.busy--
	s.w.mu.Unlock()
	if busy {
		return bridge.AccessToken{}, &bridge.Error{Op: "test", Kind: bridge.Throttled, After: 2 * time.Second}
	}
	if status != bridge.Active {
		return bridge.AccessToken{}, &bridge.Error{Op: "test", Kind: bridge.Revoked, Code: "inactive_user"}
	}
	token, err := s.w.org.Token(admin)
	return bridge.AccessToken{Token: bridge.NewSecret(token), Instance: s.w.origin}, err
}

func (s session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return s.Token(ctx)
}

// is gives the connection a state.
func (w *world) is(status bridge.ConnectionStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

// plain seals nothing, but tells places apart.
type plain struct{}

func (plain) Seal(_ context.Context, s bridge.Secret, associated string) ([]byte, error) {
	return []byte(associated + "\n" + s.Reveal()), nil
}

func (plain) Open(_ context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	place, text, _ := strings.Cut(string(sealed), "\n")
	if place != associated {
		return bridge.Secret{}, fmt.Errorf("sealed for %s, opened at %s", place, associated)
	}
	return bridge.NewSecret(text), nil
}
