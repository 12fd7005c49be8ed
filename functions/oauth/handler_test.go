package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/signin"
	emulator "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

// bound is a Sealer that hides little, and opens nothing that was sealed for another place.
type bound struct{}

func (bound) Seal(_ context.Context, plain bridge.Secret, associated string) ([]byte, error) {
	return []byte(associated + "\x00" + plain.Reveal()), nil
}

func (bound) Open(_ context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	text, found := strings.CutPrefix(string(sealed), associated+"\x00")
	if !found {
		return bridge.Secret{}, errors.New("sealed for another place")
	}
	return bridge.NewSecret(text), nil
}

// world is the site with its table, an org, and the time.
type world struct {
	t    *testing.T
	site *httptest.Server
	org  *simulated.Org
	rows *store.Store
	at   string // the org's origin

	handler http.Handler

	mu     sync.Mutex
	now    time.Time
	tamper http.HandlerFunc // answers in the place of the org, if it is set
}

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

func newWorld(t *testing.T, options simulated.Options) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)}
	options.Now, options.Generated = w.Now, -1
	w.org = simulated.New(options)
	org := httptest.NewServer(http.HandlerFunc(w.serveOrg))
	t.Cleanup(org.Close)
	w.at = org.URL
	table := httptest.NewServer(emulator.New(emulator.Options{}))
	t.Cleanup(table.Close)
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &table.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if err := provisioned.Table(t.Context(), db, "table"); err != nil {
		t.Fatalf("create table: %v", err)
	}
	w.rows = store.New(db, "table", bound{}).WithRefreshTokens(bound{}).WithClock(w.Now)

	w.site = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }))
	t.Cleanup(w.site.Close)
	w.serve(w.service())
	return w
}

// serve answers from now on with that service.
func (w *world) serve(s connect.Service) {
	w.handler = routes(s, signin.Service{Store: w.rows, Now: w.Now}, signin.JarFor(w.site.URL))
}

// service is what the routes stand on, with the broker in the same process.
func (w *world) service() connect.Service {
	hosts := salesforce.Hosts{Simulator: w.at}
	app := salesforce.OAuth{HTTP: hosts.TokenClient(), Hosts: hosts, ClientID: simulated.DefaultClientID,
		Secret: func(context.Context) (bridge.Secret, error) {
			return bridge.NewSecret(simulated.DefaultClientSecret), nil
		}}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	return connect.Service{
		Connections: w.rows, Consents: w.rows, Salesforce: app, BaseURL: w.site.URL, Now: w.Now,
		Broker: &connect.Broker{Grants: w.rows, Connections: w.rows, Salesforce: app, Apps: w.rows, Now: w.Now, Log: quiet},
	}
}

// serveOrg answers as the org, or as whoever is in its place.
func (w *world) serveOrg(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	answer := w.tamper
	w.mu.Unlock()
	if answer == nil {
		answer = w.org.ServeHTTP
	}
	answer(rw, r)
}

// browser is one that follows no redirect.
type browser struct {
	*world
	*http.Client
}

// signIn returns a browser that is signed in to the account.
func (w *world) signIn(account bridge.AccountID) browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	// A transport of its own: servers of other tests close the idle connections of the default one.
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	b := browser{w, &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
	b.session(account)
	return b
}

// session signs the browser in, anew.
func (b browser) session(account bridge.AccountID) {
	b.t.Helper()
	token := bridge.NewToken()
	session := bridge.Session{Account: account, CreatedAt: b.Now(), SeenAt: b.Now(), Expires: b.Now().Add(30 * time.Minute)}
	if err := b.rows.CreateSession(b.t.Context(), token, session); err != nil {
		b.t.Fatal(err)
	}
	b.Jar.SetCookies(b.site(), []*http.Cookie{{Name: signin.SessionCookie, Value: token.Reveal()}})
}

func (b browser) site() *url.URL {
	u, err := url.Parse(b.world.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// start sends the form and returns where it leads.
func (b browser) start(form url.Values) string {
	b.t.Helper()
	return b.location(b.PostForm(b.world.site.URL+"/oauth/start", form))
}

// decide presses a button on the org's page and returns where it leads.
func (b browser) decide(page, decision string) string {
	b.t.Helper()
	return b.location(b.PostForm(page, url.Values{"decision": {decision}}))
}

func (b browser) open(address string) string {
	b.t.Helper()
	return b.location(b.Get(address))
}

func (b browser) location(response *http.Response, err error) string {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("status = %d, %v: %s", response.StatusCode, err, body)
	}
	if b.world.site.URL+"/oauth" == response.Request.URL.Scheme+"://"+response.Request.URL.Host+"/oauth" {
		if len(body) > 0 {
			b.t.Errorf("the answer has a body: %s", body)
		}
		if h := response.Header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			b.t.Errorf("headers: %v", h)
		}
	}
	return response.Header.Get("Location")
}

var production = url.Values{"environment": {"production"}}

// consent goes all the way to the address at which the org sends the browser back to us.
func (b browser) consent() string { return b.decide(b.start(production), "allow") }

func (w *world) connections(account bridge.AccountID) []bridge.Connection {
	w.t.Helper()
	list, err := w.rows.Connections(w.t.Context(), account)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{Name: "Acme Ltd"})
	b := w.signIn("a_1")
	end := b.open(b.consent())
	list := w.connections("a_1")
	if len(list) != 1 {
		t.Fatalf("%d connections", len(list))
	}
	c := list[0]
	if end != "/connections?connected="+string(c.ID) {
		t.Errorf("ends at %s", end)
	}
	want := bridge.Connection{
		ID: c.ID, Account: "a_1", Org: simulated.DefaultOrganizationID, User: c.User, OrgName: "Acme Ltd", Username: "admin@acme.example",
		Environment: bridge.Production, LoginHost: w.at, Instance: w.at, Edition: c.Edition, IsSandbox: c.IsSandbox,
		Status: bridge.Active, StatusAt: w.Now(), CreatedAt: w.Now(), Version: 1,
	}
	if c != want || c.Edition == "" || c.User == "" {
		t.Errorf("connection = %+v\nwant %+v", c, want)
	}
}

func TestConsentRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	page, err := url.Parse(w.signIn("a_1").start(production))
	if err != nil {
		t.Fatal(err)
	}
	query := page.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": simulated.DefaultClientID, "redirect_uri": w.site.URL + "/oauth/callback/production",
		"scope": "api refresh_token id", "prompt": "login consent", "code_challenge_method": "S256",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(query.Get("state")) < 43 || len(query.Get("code_challenge")) != 43 || len(query) != 8 {
		t.Errorf("query = %v", query)
	}
}

func TestConnectAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	b := w.signIn("a_1")
	first := b.open(b.consent())
	w.org.RevokeGrants()
	w.advance(time.Minute)
	if again := b.open(b.consent()); again != first || len(w.connections("a_1")) != 1 {
		t.Errorf("ends at %s after %s; %d connections", again, first, len(w.connections("a_1")))
	}
	if c := w.connections("a_1")[0]; c.Status != bridge.Active || !c.StatusAt.Equal(w.Now()) || c.CreatedAt.Equal(w.Now()) {
		t.Errorf("connection = %+v", c)
	}
	t.Run("another account has its own", func(t *testing.T) {
		other := w.signIn("a_2")
		other.open(other.consent())
		if one, two := w.connections("a_1"), w.connections("a_2"); len(one) != 1 || len(two) != 1 || one[0].ID == two[0].ID {
			t.Errorf("connections: %v, %v", one, two)
		}
	})
}

func TestWayBackToACampaign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	b := w.signIn("a_1")
	page := b.start(url.Values{"environment": {"sandbox"}, "campaign": {"MF0123456789"}})
	if end := b.open(b.decide(page, "allow")); !strings.HasSuffix(end, "&connected="+string(w.connections("a_1")[0].ID)) || !strings.HasPrefix(end, "/connections?campaign=MF0123456789&") {
		t.Errorf("ends at %s", end)
	}
	if c := w.connections("a_1")[0]; c.Environment != bridge.Sandbox {
		t.Errorf("environment = %s", c.Environment)
	}
}

func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	for name, tc := range map[string]struct {
		form     url.Values
		stranger bool
		want     string
	}{
		"somebody else's host": {url.Values{"environment": {"mydomain"}, "domain": {"acme.my.salesforce.com.evil.example"}, "campaign": {"MF1"}}, false,
			"campaign=MF1&domain=acme.my.salesforce.com.evil.example&environment=mydomain&problem=domain"},
		"an address in our net": {url.Values{"environment": {"mydomain"}, "domain": {"169.254.169.254"}}, false,
			"domain=169.254.169.254&environment=mydomain&problem=domain"},
		"an unknown environment":  {url.Values{"environment": {"https://evil.example"}}, false, "domain=&environment=https%3A%2F%2Fevil.example&problem=domain"},
		"nothing chosen":          {url.Values{}, false, "domain=&environment=&problem=domain"},
		"nobody is signed in":     {production, true, "problem=session"},
		"a form that is too long": {url.Values{"environment": {"production"}, "domain": {strings.Repeat("x", largest)}}, false, "domain=&environment=&problem=domain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := w.signIn("a_1")
			if tc.stranger {
				b.Jar = nil
			}
			if got := b.start(tc.form); got != "/connections?"+tc.want {
				t.Errorf("ends at %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("another site's form", func(t *testing.T) {
		t.Parallel()
		request := httptest.NewRequest(http.MethodPost, w.site.URL+"/oauth/start", strings.NewReader(production.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", "https://evil.example")
		request.RequestURI = ""
		response, err := w.signIn("a_1").Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("status = %d, want 403", response.StatusCode)
		}
	})
}

// Each of these comes back to us and must not become a connection.
func TestConsentThatDoesNotCount(t *testing.T) {
	t.Parallel()
	set := func(change func(*simulated.Switches)) func(*world) {
		return func(w *world) {
			s := w.org.Switches()
			change(&s)
			w.org.SetSwitches(s)
		}
	}
	refuse := func(code, words string) func(*world) {
		return func(w *world) {
			w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 400, Code: code, Message: words}})
		}
	}
	with := func(name, value string) func(browser, *url.URL) {
		return func(_ browser, back *url.URL) {
			q := back.Query()
			q.Set(name, value)
			back.RawQuery = q.Encode()
		}
	}
	for name, tc := range map[string]struct {
		org   func(*world)
		back  func(b browser, back *url.URL) // changes what the browser brings
		deny  bool
		want  string
		calls int // of the token endpoint
	}{
		"the person says no":           {deny: true, want: "denied"},
		"another error of Salesforce":  {back: with("error", "invalid_scope"), want: "app"},
		"Salesforce is in trouble":     {back: with("error", "server_error"), want: "unavailable"},
		"no code":                      {back: with("code", ""), want: "exchange"},
		"a code that was made up":      {back: with("code", "aPrx.made.up"), want: "exchange", calls: 1},
		"a state that was made up":     {back: with("state", bridge.NewToken().Reveal()), want: "state"},
		"no state":                     {back: with("state", ""), want: "state"},
		"a callback of another kind":   {back: func(_ browser, back *url.URL) { back.Path = "/oauth/callback/sandbox" }, want: "state"},
		"a callback of no kind":        {back: func(_ browser, back *url.URL) { back.Path = "/oauth/callback/x" }, want: "state"},
		"later than ten minutes":       {back: func(b browser, _ *url.URL) { b.advance(10 * time.Minute) }, want: "expired"},
		"signed in anew meanwhile":     {back: func(b browser, _ *url.URL) { b.session("a_1") }, want: "session"},
		"signed in to another account": {back: func(b browser, _ *url.URL) { b.session("a_2") }, want: "state"},
		"the session has ended":        {back: func(b browser, _ *url.URL) { b.advance(31 * time.Minute) }, want: "session"},
		"another browser":              {back: func(b browser, _ *url.URL) { b.forget(browserCookie) }, want: "state"},
		"a browser with another start": {back: func(b browser, _ *url.URL) { b.start(production) }, want: "state"},
		"a state of somebody else":     {back: foreign, want: "state"},
		"a state that was used":        {back: func(b browser, back *url.URL) { b.open(back.String()) }, want: "state", calls: 1},
		"a code for another verifier":  {back: swapped, want: "exchange", calls: 1},
		"a token for another org":      {org: set(func(s *simulated.Switches) { s.OtherOrganization = true }), want: "org_mismatch", calls: 1},
		"a forged signature":           {org: set(func(s *simulated.Switches) { s.ForgedSignature = true }), want: "exchange", calls: 1},
		"an instance elsewhere":        {org: set(func(s *simulated.Switches) { s.InstanceURL = "https://evil.example" }), want: "host", calls: 1},
		"an instance in our net":       {org: set(func(s *simulated.Switches) { s.InstanceURL = "http://169.254.169.254" }), want: "host", calls: 1},
		"the app is not for this user": {org: refuse("invalid_app_access", "user is not admin approved to access this app"), want: "app", calls: 1},
		"our secret is wrong":          {org: refuse("invalid_client", "invalid client credentials"), want: "app", calls: 1},
		"our address is not allowed":   {org: refuse("invalid_grant", "ip restricted"), want: "app", calls: 1},
		"the code has expired":         {org: refuse("invalid_grant", "expired authorization code"), want: "exchange", calls: 1},
		"the verifier is refused":      {org: refuse("invalid_grant", "invalid code verifier"), want: "exchange", calls: 1},
		"too many logins":              {org: refuse("rate_limit_exceeded", ""), want: "unavailable", calls: 1},
		"the token endpoint is down": {org: func(w *world) {
			w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Status: 503, HTML: true}})
		}, want: "unavailable", calls: 1},
		"the token endpoint hangs up": {org: func(w *world) {
			w.org.SetRules(simulated.Rule{Kind: simulated.KindToken, Fault: simulated.Fault{Drop: true}})
		}, want: "unavailable", calls: 1},
		"the identity is not told": {org: func(w *world) {
			w.org.SetRules(simulated.Rule{Path: "/id/", Fault: simulated.Fault{Status: 403, HTML: true}})
		}, want: "app", calls: 1},
		"the API is closed to the user": {org: func(w *world) {
			w.org.SetRules(simulated.Rule{Kind: simulated.KindQuery, Fault: simulated.Fault{Status: 403, Code: "API_CURRENTLY_DISABLED"}})
		}, want: "app", calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			page := b.start(production)
			decision := "allow"
			if tc.deny {
				decision = "deny"
			}
			back, err := url.Parse(b.decide(page, decision))
			if err != nil {
				t.Fatal(err)
			}
			if tc.org != nil {
				tc.org(w)
			}
			if tc.back != nil {
				tc.back(b, back)
			}
			before := len(w.connections("a_1"))
			if got := b.open(back.String()); got != "/connections?problem="+tc.want {
				t.Errorf("ends at %s, want problem %s", got, tc.want)
			}
			if after := len(w.connections("a_1")) + len(w.connections("a_2")); after != before {
				t.Errorf("%d connections after %d", after, before)
			}
			if calls := w.org.Counts().Token; calls != tc.calls {
				t.Errorf("%d token calls, want %d", calls, tc.calls)
			}
		})
	}
}

// forget removes a cookie.
func (b browser) forget(name string) {
	b.Jar.SetCookies(b.site(), []*http.Cookie{{Name: name, MaxAge: -1}})
}

// foreign brings the state of a consent that somebody else has begun.
func foreign(b browser, back *url.URL) {
	theirs, err := url.Parse(b.world.signIn("a_3").start(production))
	if err != nil {
		b.t.Fatal(err)
	}
	q := back.Query()
	q.Set("state", theirs.Query().Get("state"))
	back.RawQuery = q.Encode()
}

// swapped brings our state with a code that was given to somebody else.
func swapped(b browser, back *url.URL) {
	theirs, err := url.Parse(b.world.signIn("a_3").consent())
	if err != nil {
		b.t.Fatal(err)
	}
	q := back.Query()
	q.Set("code", theirs.Query().Get("code"))
	back.RawQuery = q.Encode()
}

func TestStateCountsOnceForManyCallbacksAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	b := w.signIn("a_1")
	back := b.consent()
	cookies := b.Jar.Cookies(b.site())
	ends := make(chan string, 8)
	var wait sync.WaitGroup
	for range cap(ends) {
		wait.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, back, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range cookies {
				request.AddCookie(c)
			}
			client := &http.Client{Transport: b.Transport, CheckRedirect: b.CheckRedirect}
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			ends <- response.Header.Get("Location")
		})
	}
	wait.Wait()
	close(ends)
	connected := 0
	for end := range ends {
		if strings.HasPrefix(end, "/connections?connected=") {
			connected++
		} else if end != "/connections?problem=state" {
			t.Errorf("ends at %s", end)
		}
	}
	if calls := w.org.Counts().Token; connected != 1 || calls != 1 {
		t.Errorf("%d connected with %d token calls, want one each", connected, calls)
	}
}

func TestNothingThatCameInIsLogged(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	w := newWorld(t, simulated.Options{})
	b := w.signIn("a_1")
	b.open(b.world.site.URL + "/oauth/callback/production?state=marked-state&code=marked-code&error=marked-error&error_description=marked-words")
	back, err := url.Parse(b.consent())
	if err != nil {
		t.Fatal(err)
	}
	b.open(back.String() + "&error=marked-error&error_description=marked-words")
	for _, secret := range []string{"marked-", back.Query().Get("code"), back.Query().Get("state")} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "problem=state") || !strings.Contains(log.String(), "problem=app") {
		t.Errorf("the log does not say what happened: %s", log.String())
	}
}
