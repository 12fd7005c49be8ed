package provision_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	table "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	account    bridge.AccountID    = "a_1"
	connection bridge.ConnectionID = "c_1"

	administrator = "admin@acme.example"
	integration   = "integration@acme.example"
	marco         = "marco.sales@acme.example"
	aiko          = "aiko.sales@acme.example"
)

// world is a service among its other sides: the table in the emulated DynamoDB and the simulated org, over HTTP. The
// queue is a list in memory, and time stands still until it is moved.
type world struct {
	t       *testing.T
	org     *simorg.Org
	url     string
	store   *store.Store
	service provision.Service
	sweep   provision.Sweep
	wire    *wire

	mu      sync.Mutex
	now     time.Time
	queue   []message
	layouts []bridge.Layout // that were announced
	user    string          // connected
	ids     map[string]bridge.SalesforceID
	status  bridge.ConnectionStatus
}

type message struct {
	job provision.Job
	at  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC), wire: &wire{left: -1}, user: integration, status: bridge.Active}
	w.org = simorg.New(simorg.Options{Generated: 3, Now: w.Now})
	w.url = w.serve(w.org)
	w.store = store.New(w.newTable(w.serve(table.New(table.Options{Now: w.Now}))), "table", nil).WithClock(w.Now)
	hosts := salesforce.Hosts{Simulator: w.url}
	plain := hosts.HTTPClient().Transport.(*http.Transport)
	plain.DisableCompression = true // which is most of the work, with the race detector on
	client := &salesforce.Client{HTTP: &http.Client{Transport: w.wire.through(plain, true)}, Hosts: hosts, Tokens: session{w}}
	w.service = provision.Service{
		Connections: connections{w}, Rows: w.store, Jobs: jobs{w}, Now: w.Now,
		Org: func(bridge.Connection) provision.Org { return client },
		Changed: func(_ context.Context, l bridge.Layout) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.layouts = append(w.layouts, l)
			return nil
		},
	}
	w.ids = map[string]bridge.SalesforceID{}
	for _, r := range w.rows("query", "SELECT Id, Username FROM User") {
		w.ids[r["Username"].(string)] = bridge.SalesforceID(r["Id"].(string))
	}
	w.sweep = provision.Sweep{Setups: w.store, Jobs: jobs{w}, Now: w.Now}
	return w
}

func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) newTable(endpoint string) *dynamodb.Client {
	w.t.Helper()
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: &http.Client{Transport: w.wire.through(http.DefaultTransport.(*http.Transport).Clone(), false)}, RetryMaxAttempts: 1,
	})
	if err := provisioned.Table(w.t.Context(), db, "table"); err != nil {
		w.t.Fatalf("CreateTable: %v", err)
	}
	return db
}

// wire is what all calls go over. It can be cut after a number of calls: the last one may still get through, without
// its answer.
type wire struct {
	mu      sync.Mutex
	left    int  // calls until it is cut; negative: it never is
	arrives bool // the call that is cut gets to the other side
	calls   []string
}

var errCut = errors.New("the worker was killed")

func (c *wire) cutAfter(n int, through bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.arrives = n, through
}

// restore mends the wire, and reports whether it was cut.
func (c *wire) restore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cut := c.left == 0
	c.left = -1
	return cut
}

func (c *wire) through(next http.RoundTripper, counted bool) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		c.mu.Lock()
		if c.left == 0 {
			c.mu.Unlock()
			return nil, errCut
		}
		if counted {
			c.calls = append(c.calls, r.Method+" "+r.URL.Path)
		}
		cut := false
		if c.left > 0 {
			c.left--
			cut = c.left == 0
		}
		through := c.arrives
		c.mu.Unlock()
		if cut && !through {
			return nil, errCut
		}
		response, err := next.RoundTrip(r)
		if cut && err == nil {
			_ = response.Body.Close()
			return nil, errCut
		}
		return response, err
	})
}

// count returns the org's calls since the last count.
func (c *wire) count() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// session opens sessions of the connected user.
type session struct{ *world }

func (s session) Token(context.Context) (bridge.AccessToken, error) {
	token, err := s.org.Token(s.user)
	return bridge.AccessToken{Token: bridge.NewSecret(token), Instance: s.url}, err
}

func (s session) Renew(ctx context.Context, _ bridge.AccessToken) (bridge.AccessToken, error) {
	return s.Token(ctx)
}

type connections struct{ *world }

func (c connections) Connection(_ context.Context, a bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	if a != account || !strings.HasPrefix(string(id), "c_") {
		return bridge.Connection{}, &bridge.Error{Op: "test", Kind: bridge.NotFound}
	}
	return bridge.Connection{ID: id, Account: a, User: c.id(c.user), Username: c.user, Instance: c.url, Status: c.status}, nil
}

type jobs struct{ *world }

func (j jobs) Send(_ context.Context, delay time.Duration, list ...provision.Job) error {
	now := j.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, job := range list {
		j.queue = append(j.queue, message{job, now.Add(delay)})
	}
	return nil
}

// id is the id of a user.
func (w *world) id(username string) bridge.SalesforceID { return w.ids[username] }

func (w *world) profile(name string) bridge.SalesforceID {
	return w.ask("SELECT Id FROM Profile WHERE Name = '" + name + "'")[0]
}

// take gives the next job whose time has come, after moving the clock on to it.
func (w *world) take() (message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return message{}, false
	}
	slices.SortStableFunc(w.queue, func(a, b message) int { return a.at.Compare(b.at) })
	m := w.queue[0]
	w.queue = w.queue[1:]
	if m.at.After(w.now) {
		w.now = m.at
	}
	return m, true
}

// work does one job as a queue's worker does, and reports false if there is none.
func (w *world) work() bool {
	w.t.Helper()
	m, ok := w.take()
	if !ok {
		return false
	}
	err := w.service.Work(w.t.Context(), m.job)
	switch kind := bridge.KindOf(err); {
	case err == nil:
	case kind.Permanent():
		w.t.Errorf("a job was let go: %v", err)
	case kind == bridge.Throttled:
		_ = jobs{w}.Send(w.t.Context(), bridge.AfterOf(err, time.Minute), m.job)
	default:
		_ = jobs{w}.Send(w.t.Context(), 30*time.Second, m.job)
	}
	return true
}

// settle works until nothing is left to do.
func (w *world) settle() {
	w.t.Helper()
	for n := 0; w.work(); n++ {
		if n > 200 {
			w.t.Fatal("the work does not come to an end")
		}
	}
}

func choices(object string) provision.Choices {
	return provision.Choices{Account: account, Connection: connection, Object: object, Prefix: provision.Prefixed}
}

func (w *world) begin(c provision.Choices) {
	w.t.Helper()
	if err := w.service.Begin(w.t.Context(), c); err != nil {
		w.t.Fatalf("Begin: %v", err)
	}
	w.settle()
}

func (w *world) current() provision.Status {
	w.t.Helper()
	s, err := w.service.Status(w.t.Context(), account, connection)
	if err != nil {
		w.t.Fatalf("Status: %v", err)
	}
	return s
}

func (w *world) check() provision.Status {
	w.t.Helper()
	s, err := w.service.Check(w.t.Context(), account, connection)
	if err != nil {
		w.t.Fatalf("Check: %v", err)
	}
	return s
}

func (w *world) layout(object string) bridge.Layout {
	w.t.Helper()
	l, err := w.store.Layout(w.t.Context(), account, connection, object)
	if err != nil {
		w.t.Fatalf("Layout: %v", err)
	}
	return l
}

// states counts the fields by their states.
func states(s provision.Status) string {
	counts := map[provision.State]int{}
	for _, f := range s.Fields {
		counts[f.State]++
	}
	var list []string
	for state, n := range counts {
		list = append(list, fmt.Sprintf("%d %s", n, state))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// field returns how one field of contacts stands.
func field(s provision.Status, name string) provision.FieldStatus {
	at := slices.IndexFunc(s.Fields, func(f provision.FieldStatus) bool { return f.Object == provision.Contact && f.Of.Name == name })
	return s.Fields[at]
}

func titles(s provision.Status) string {
	var list []string
	for _, p := range s.Problems {
		list = append(list, p.Title)
	}
	return strings.Join(list, "; ")
}

func (w *world) turn(change func(*simorg.Switches)) {
	s := w.org.Switches()
	change(&s)
	w.org.SetSwitches(s)
}
