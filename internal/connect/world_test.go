package connect_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

// clock is a time that a test moves.
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
	c.now = c.now.Add(d)
}

// world is a table, an org, and the broker between them.
type world struct {
	t      *testing.T
	now    func() time.Time
	org    *simulated.Org
	origin string
	broker *connect.Broker
	store  *store.Store // the broker's
	plain  *store.Store // a worker's: without refresh tokens
	rescue secrets.Rescue
	table  *dynamodb.Client
	fault  atomic.Pointer[func(operation string) *aws.Fault] // of AWS
	log    *bytes.Buffer
	person *http.Client // follows no redirect
}

const account = bridge.AccountID("a_1")

// newWorld has a clock that stands still but for pauses, which move it on, unless now is another one.
func newWorld(t *testing.T, options simulated.Options, now func() time.Time) *world {
	t.Helper()
	// A transport of its own: servers of other tests close the idle connections of the default one.
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	w := &world{t: t, now: now, log: &bytes.Buffer{}, person: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	options.Now, options.Generated = now, 5
	w.org = simulated.New(options)
	server := httptest.NewServer(w.org)
	t.Cleanup(server.Close)
	w.origin = server.URL

	cloud := httptest.NewServer(aws.New(aws.Options{Fault: func(_, operation string, _ *http.Request) *aws.Fault {
		if fault := w.fault.Load(); fault != nil {
			return (*fault)(operation)
		}
		return nil
	}}))
	t.Cleanup(cloud.Close)
	login := credentials.NewStaticCredentialsProvider("test", "test", "")
	w.table = dynamodb.New(dynamodb.Options{BaseEndpoint: &cloud.URL, Region: aws.Region, Credentials: login})
	manager := secretsmanager.New(secretsmanager.Options{BaseEndpoint: &cloud.URL, Region: aws.Region, Credentials: login})
	if err := provisioned.Table(t.Context(), w.table, "table"); err != nil {
		t.Fatalf("create table: %v", err)
	}
	ring := func(name, field string) *secrets.Reader {
		text := `{"` + field + `":{"1":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'k'}, 32)) + `"}}`
		if _, err := manager.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text}); err != nil {
			t.Fatal(err)
		}
		return &secrets.Reader{Client: manager, ID: name}
	}
	w.plain = store.New(w.table, "table", secrets.DataKeys(ring("app", "dataKeys"))).WithClock(now)
	refresh := secrets.RefreshKeys(ring("broker", "refreshKeys"))
	w.store = w.plain.WithRefreshTokens(refresh)
	w.rescue = secrets.Rescue{Client: manager, Prefix: "rescue/", Ring: refresh}
	hosts := salesforce.Hosts{Simulator: w.origin}
	w.broker = &connect.Broker{
		Grants: w.store, Connections: w.store, Apps: w.store, Rescue: w.rescue, Now: now, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Salesforce: salesforce.OAuth{
			HTTP: hosts.TokenClient(), Hosts: hosts, ClientID: simulated.DefaultClientID,
			Secret: func(context.Context) (bridge.Secret, error) {
				return bridge.NewSecret(simulated.DefaultClientSecret), nil
			},
		},
	}
	return w
}

// newStillWorld is a world by a clock that only the test and pauses move.
func newStillWorld(t *testing.T, options simulated.Options) (*world, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)}
	w := newWorld(t, options, c.Now)
	w.broker.Pause = func(ctx context.Context) error {
		c.advance(250 * time.Millisecond)
		return ctx.Err()
	}
	return w, c
}

// service is the people's side of the world.
func (w *world) service() connect.Service {
	hosts := salesforce.Hosts{Simulator: w.origin}
	return connect.Service{
		Connections: w.plain, Consents: w.plain, Broker: w.broker, BaseURL: "http://localhost:8000", Now: w.now,
		Salesforce: salesforce.OAuth{ClientID: simulated.DefaultClientID, Hosts: hosts},
	}
}

// connect gives consent as the org's admin and returns the connection.
func (w *world) connect() bridge.ConnectionID {
	w.t.Helper()
	id, err := w.consent(connect.Wish{Environment: bridge.Production}, "")
	if err != nil {
		w.t.Fatalf("connect: %v", err)
	}
	return id
}

// consent goes the whole way that a wish needs, as a user of the org; the admin if it is empty.
func (w *world) consent(wish connect.Wish, user string) (bridge.ConnectionID, error) {
	w.t.Helper()
	s := w.service()
	wish.Account, wish.Session = account, bridge.NewToken()
	departure, err := s.Start(w.t.Context(), wish)
	if err != nil || departure.URL == "" {
		return departure.Arrival.Connection, err
	}
	environment := wish.Environment
	if wish.Connection != "" {
		environment = w.connection(wish.Connection).Environment
	}
	arrival, err := s.Finish(w.t.Context(), connect.Return{
		Account: account, Session: wish.Session, Browser: departure.Browser, Environment: environment,
		State: bridge.NewSecret(parse(w.t, departure.URL).Get("state")), Code: w.allow(departure.URL, user),
	})
	return arrival.Connection, err
}

// allow presses the button on the org's consent page and returns the code that comes back.
func (w *world) allow(page, user string) bridge.Secret {
	w.t.Helper()
	response, err := w.person.PostForm(page, url.Values{"decision": {"allow"}, "user": {user}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	code := parse(w.t, response.Header.Get("Location")).Get("code")
	if code == "" {
		w.t.Fatalf("no code: status %d", response.StatusCode)
	}
	return bridge.NewSecret(code)
}

func parse(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// tokens are a worker's.
func (w *world) tokens(id bridge.ConnectionID) connect.Tokens {
	return connect.Tokens{Store: w.plain, Broker: w.broker, Account: account, Connection: id}
}

func (w *world) token(id bridge.ConnectionID) bridge.AccessToken {
	w.t.Helper()
	token, err := w.tokens(id).Token(w.t.Context())
	if err != nil {
		w.t.Fatalf("token: %v", err)
	}
	return token
}

func (w *world) grant(id bridge.ConnectionID) bridge.Grant {
	w.t.Helper()
	grant, err := w.store.Grant(w.t.Context(), account, id)
	if err != nil {
		w.t.Fatalf("grant: %v", err)
	}
	return grant
}

func (w *world) connection(id bridge.ConnectionID) bridge.Connection {
	w.t.Helper()
	c, err := w.plain.Connection(w.t.Context(), account, id)
	if err != nil {
		w.t.Fatalf("connection: %v", err)
	}
	return c
}

// works reports whether Salesforce takes the connection's current token.
func (w *world) works(id bridge.ConnectionID) bool {
	w.t.Helper()
	hosts := salesforce.Hosts{Simulator: w.origin}
	client := salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: fixed{w.token(id)}}
	_, err := client.CountContacts(w.t.Context(), bridge.Selection{})
	return err == nil
}

// fixed is a token that nobody renews.
type fixed struct{ token bridge.AccessToken }

func (f fixed) Token(context.Context) (bridge.AccessToken, error) { return f.token, nil }

func (f fixed) Renew(context.Context, bridge.AccessToken) (bridge.AccessToken, error) {
	return bridge.AccessToken{}, &bridge.Error{Op: "test.Renew", Kind: bridge.Revoked}
}

// breakAWS makes requests go wrong until it is called with nil.
func (w *world) breakAWS(fault func(operation string) *aws.Fault) {
	if fault == nil {
		w.fault.Store(nil)
		return
	}
	w.fault.Store(&fault)
}

// grantsAtSalesforce counts the grants that the org has given and not ended.
func (w *world) grantsAtSalesforce() int {
	w.t.Helper()
	response, err := w.person.Get(w.origin + "/__control/")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var state struct{ Grants *int }
	if err := json.NewDecoder(response.Body).Decode(&state); err != nil || state.Grants == nil {
		w.t.Fatalf("state of the org: %v", err)
	}
	return *state.Grants
}

func (w *world) noSecretInLog(secrets ...bridge.Secret) {
	w.t.Helper()
	for _, s := range secrets {
		if strings.Contains(w.log.String(), s.Reveal()) {
			w.t.Error("a secret is in the log")
		}
	}
}
