package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	heroclient "github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/oidc"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// rig is a console with its real services, among simulated other sides.
type rig struct {
	url     string // of the console
	console *console
	hero    *referralhero.Service
	org     *org.Org
	orgURL  string
	heroURL string
	cloud   *aws.Server
	rows    *store.Store
	queues  *sqs.Client
	workers map[string]func(context.Context, lambdaevents.SQSEvent) (lambdaevents.SQSEventResponse, error) // by queue
}

// others are what the other sides are like.
type others struct {
	hero referralhero.Options
	org  org.Options
}

const appSecret = `{"dataKeys":{"1":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},"oidcClientSecret":"hush"}`
const brokerSecret = `{"refreshKeys":{"1":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}`

func newRig(t *testing.T, change ...func(*others)) *rig {
	t.Helper()
	orgServer := httptest.NewUnstartedServer(nil)
	r := &rig{orgURL: "http://" + orgServer.Listener.Addr().String()}
	o := others{org: org.Options{Origin: r.orgURL, Generated: 120}}
	for _, c := range change {
		c(&o)
	}
	r.hero, r.org = referralhero.New(o.hero), org.New(o.org)
	r.heroURL = serve(t, r.hero)
	orgServer.Config.Handler = r.org
	orgServer.Start()
	t.Cleanup(orgServer.Close)

	var broker *connect.Broker
	r.cloud = aws.New(aws.Options{Invoke: func(ctx context.Context, _ string, payload []byte) ([]byte, string, error) {
		var request connect.Request
		if err := json.Unmarshal(payload, &request); err != nil {
			return nil, "", err
		}
		reply, err := json.Marshal(invoke.Wrap(broker.Call(ctx, request)))
		return reply, "", err
	}})
	endpoint := serve(t, r.cloud)
	config := awssdk.Config{
		Region: aws.Region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	equip(t, config)

	site := httptest.NewUnstartedServer(nil)
	r.url = "http://" + site.Listener.Addr().String()
	issuer := httptest.NewUnstartedServer(nil)
	people, err := oidc.New(oidc.Options{
		Issuer: "http://" + issuer.Listener.Addr().String(), ClientID: "console", ClientSecret: "hush",
		RedirectURIs: []string{r.url + "/sign-in/callback"}, LogoutURIs: []string{r.url + "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	issuer.Config.Handler = people
	issuer.Start()
	t.Cleanup(issuer.Close)

	r.queues = sqs.NewFromConfig(config)
	r.console = newConsole(settings{
		table: "table", appSecret: "app", broker: "broker", baseURL: r.url, simulator: r.orgURL,
		imports: r.queue(t, "imports"), changes: r.queue(t, "changes"), runs: r.queue(t, "runs"), provisions: r.queue(t, "provisions"),
		hints: r.queue(t, "hints"), conversions: r.queue(t, "conversions"), plumbing: r.queue(t, "plumbing"),
		hero: r.heroURL + "/api/v2", issuer: issuer.URL, client: "console", window: time.Hour,
	}, config)

	hosts := salesforce.Hosts{Simulator: r.orgURL}
	manager := secretsmanager.NewFromConfig(config)
	ring := secrets.RefreshKeys(&secrets.Reader{Client: manager, ID: "broker"})
	r.rows = store.New(dynamodb.NewFromConfig(config), "table", secrets.DataKeys(&secrets.Reader{Client: manager, ID: "app"})).WithRefreshTokens(ring)
	broker = &connect.Broker{
		Grants: r.rows, Connections: r.rows, Apps: r.rows, Rescue: secrets.Rescue{Client: manager, Prefix: "rescue/", Ring: ring}, Log: slog.New(slog.DiscardHandler),
		Salesforce: salesforce.OAuth{HTTP: hosts.TokenClient(), Hosts: hosts, ClientID: org.DefaultClientID,
			Secret: func(context.Context) (bridge.Secret, error) { return bridge.NewSecret(org.DefaultClientSecret), nil }},
	}
	r.employ(t)
	site.Config.Handler = r.console.handler()
	site.Start()
	t.Cleanup(site.Close)
	return r
}

func (r *rig) queue(t *testing.T, name string) string {
	t.Helper()
	made, err := r.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *made.QueueUrl
}

// employ makes the workers of functions/subscriber-sync out of what the console has.
func (r *rig) employ(t *testing.T) {
	t.Helper()
	people, fields := r.console.Sync.(syncer.Service), r.console.Fields.(provision.Service)
	quiet := slog.New(slog.DiscardHandler)
	worker := syncer.Worker{
		Rows: r.rows, Accounts: r.rows, Campaigns: r.rows, Connections: r.rows, Layouts: r.rows, Org: people.Org, Budget: people.Budget,
		Hero:    &heroclient.Client{BaseURL: r.heroURL + "/api/v2", HTTP: heroclient.HTTPClient()},
		Changes: people.Changes, Jobs: people.Jobs, Now: time.Now, Log: quiet,
	}
	changes := queue.Topic[syncer.Hint]{Client: r.queues, URL: r.queue(t, "changes")}
	runs := queue.Topic[syncer.Job]{Client: r.queues, URL: r.queue(t, "runs")}
	provisions := queue.Topic[provision.Job]{Client: r.queues, URL: r.queue(t, "provisions")}
	r.workers = map[string]func(context.Context, lambdaevents.SQSEvent) (lambdaevents.SQSEventResponse, error){
		changes.URL: queue.Batch[syncer.Hint]{Topic: changes, Log: quiet, Work: func(ctx context.Context, hints []syncer.Hint) []error {
			return worker.Hints(ctx, hints, false)
		}}.Handle,
		runs.URL:       queue.Worker[syncer.Job]{Work: worker.Step, Topic: runs, Log: quiet}.Handle,
		provisions.URL: queue.Worker[provision.Job]{Work: fields.Work, Topic: provisions, Log: quiet}.Handle,
	}
}

// work has the workers do what is on their queues and can be seen now, until there is nothing.
func (r *rig) work(t *testing.T) {
	t.Helper()
	for idle := false; !idle; {
		idle = true
		for url, take := range r.workers {
			got, err := r.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Messages) == 0 {
				continue
			}
			idle = false
			var event lambdaevents.SQSEvent
			for _, m := range got.Messages {
				event.Records = append(event.Records, lambdaevents.SQSMessage{MessageId: *m.MessageId, Body: *m.Body})
			}
			if again, err := take(t.Context(), event); err != nil || len(again.BatchItemFailures) > 0 {
				t.Errorf("%s: %v, %v of %v", url, err, again, event)
			}
			for _, m := range got.Messages {
				if _, err := r.queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// table is everything that lies in the table, as JSON.
func (r *rig) table(t *testing.T) string {
	t.Helper()
	data, err := r.cloud.DynamoDB.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Tables []struct{ Items json.RawMessage }
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return string(all.Tables[0].Items)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// equip makes the table and the secrets as template.yaml describes them.
func equip(t *testing.T, config awssdk.Config) {
	t.Helper()
	if err := provisioned.Table(t.Context(), dynamodb.NewFromConfig(config), "table"); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"app": appSecret, "broker": brokerSecret} {
		_, err := secretsmanager.NewFromConfig(config).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// visitor is a browser of one person.
type visitor struct {
	*testing.T
	rig    *rig
	client *http.Client
}

func (r *rig) visitor(t *testing.T) *visitor {
	jar, _ := cookiejar.New(nil) // fails with options only
	return &visitor{T: t, rig: r, client: &http.Client{Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what came back, with its body.
type answer struct {
	*http.Response
	text string
}

func (v *visitor) do(method, address string, form url.Values, headers ...string) answer {
	v.Helper()
	if strings.HasPrefix(address, "/") {
		address = v.rig.url + address
	}
	request, err := http.NewRequestWithContext(v.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.Fatal(err)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") && strings.HasPrefix(address, v.rig.url) {
		checkPage(v.T, string(body))
	}
	return answer{response, string(body)}
}

func (v *visitor) get(address string) answer { v.Helper(); return v.do(http.MethodGet, address, nil) }

// page is get of a page that must be there.
func (v *visitor) page(address string) answer {
	v.Helper()
	a := v.get(address)
	if a.StatusCode != http.StatusOK {
		v.Fatalf("GET %s answered %s (to %s)\n%s", address, a.Status, a.Header.Get("Location"), a.text)
	}
	return a
}

// post sends a form and wants to be led on to the given place.
func (v *visitor) post(address string, form url.Values, to string) answer {
	v.Helper()
	a := v.do(http.MethodPost, address, form)
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), to) {
		v.Fatalf("POST %s answered %s to %q, want to %q\n%s", address, a.Status, a.Header.Get("Location"), to, a.text)
	}
	return a
}

// signIn goes all the way through the issuer as that person.
func (v *visitor) signIn(name, email string) answer {
	v.Helper()
	start := v.get("/sign-in/start?return=/account")
	if start.StatusCode != http.StatusSeeOther {
		v.Fatalf("/sign-in/start answered %s", start.Status)
	}
	consent := v.do(http.MethodPost, start.Header.Get("Location"), url.Values{"name": {name}, "email": {email}})
	if consent.Header.Get("Location") == "" {
		v.Fatalf("the issuer answered %s: %s", consent.Status, consent.text)
	}
	return v.get(consent.Header.Get("Location"))
}

// account is the account of the person who is signed in.
func (v *visitor) account() bridge.AccountID {
	v.Helper()
	site, _ := url.Parse(v.rig.url)
	for _, c := range v.client.Jar.Cookies(site) {
		if c.Name == "session" {
			session, err := v.rig.console.SignIns.Session(v.Context(), bridge.NewSecret(c.Value))
			if err != nil {
				v.Fatal(err)
			}
			return session.Account
		}
	}
	v.Fatal("nobody is signed in")
	return ""
}

// connect gives the consent at the simulated org, with what functions/oauth does around it.
func (v *visitor) connect() bridge.ConnectionID {
	v.Helper()
	service := v.rig.console.Connections.(leaving).Service
	service.Consents = v.rig.rows
	service.Salesforce = salesforce.OAuth{ClientID: org.DefaultClientID, Hosts: salesforce.Hosts{Simulator: v.rig.orgURL}}
	session := bridge.NewSecret("session")
	departure, err := service.Start(v.Context(), connect.Wish{Account: v.account(), Session: session, Environment: bridge.Production})
	if err != nil {
		v.Fatal(err)
	}
	consent := v.do(http.MethodPost, departure.URL, url.Values{"decision": {"allow"}, "user": {"admin@acme.example"}})
	back, err := url.Parse(consent.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		v.Fatalf("the org answered %s to %q: %s", consent.Status, back, consent.text)
	}
	arrival, err := service.Finish(v.Context(), connect.Return{
		Account: v.account(), Session: session, Browser: departure.Browser, Environment: bridge.Production,
		State: bridge.NewSecret(back.Query().Get("state")), Code: bridge.NewSecret(back.Query().Get("code")),
	})
	if err != nil {
		v.Fatal(err)
	}
	return arrival.Connection
}

var (
	tag       = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>`)
	attribute = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)"|='([^']*)')?`)
	void      = regexp.MustCompile(`^(area|base|br|col|embed|hr|img|input|link|meta|source|wbr)$`)
)

// checkPage holds a page to what all pages promise: tags that close, one h1, a label for every field, no id
// twice, no script or style in the page.
func checkPage(t *testing.T, page string) {
	t.Helper()
	var open []string
	ids, labels, fields := map[string]bool{}, map[string]bool{}, map[string]string{}
	headings := 0
	for _, m := range tag.FindAllStringSubmatch(page, -1) {
		name, attributes := strings.ToLower(m[2]), map[string]string{}
		for _, a := range attribute.FindAllStringSubmatch(m[3], -1) {
			attributes[a[1]] = a[2] + a[3]
		}
		if m[1] == "/" {
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes nothing: open are %v\n%s", name, open, page)
			}
			open = open[:len(open)-1]
			continue
		}
		if !void.MatchString(name) && !strings.HasSuffix(m[3], "/") {
			open = append(open, name)
		}
		if id := attributes["id"]; id != "" {
			if ids[id] {
				t.Errorf("the id %q is there twice", id)
			}
			ids[id] = true
		}
		for bad := range attributes {
			if bad == "style" || strings.HasPrefix(bad, "on") {
				t.Errorf("<%s> has the attribute %s, which the policy forbids", name, bad)
			}
		}
		switch name {
		case "h1":
			headings++
		case "label":
			labels[attributes["for"]] = true
		case "input", "select", "textarea":
			if attributes["type"] != "hidden" {
				fields[attributes["id"]] = name + " " + attributes["name"]
			}
		case "style":
			t.Error("there is a style in the page, which the policy forbids")
		case "script":
			if attributes["src"] == "" {
				t.Error("there is a script in the page, which the policy forbids")
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("never closed: %v", open)
	}
	if headings != 1 && strings.Contains(page, "<html") {
		t.Errorf("the page has %d h1, want 1", headings)
	}
	for id, field := range fields {
		if !labels[id] {
			t.Errorf("%s has no label", field)
		}
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("a template wrote something where it may not stand")
	}
}
