package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	hero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	account  bridge.AccountID  = "a_1"
	campaign bridge.CampaignID = "MF0a1b2c3d4e"
)

// world is the function as it is deployed, in AWS as it is emulated, with the simulated ReferralHero delivering to it over HTTP.
type world struct {
	t       *testing.T
	cloud   *aws.Server
	queues  *sqs.Client
	hero    *hero.Service
	service inbox.Service
	site    *httptest.Server
	handler http.Handler
	config  sdk.Config
	s       settings

	mu     sync.Mutex
	fault  func(service, operation string) *aws.Fault
	bodies strings.Builder // of everything that went to SQS
}

func newWorld(t *testing.T, o hero.Options) *world {
	t.Helper()
	w := &world{t: t}
	w.cloud = aws.New(aws.Options{
		Fault: func(service, operation string, _ *http.Request) *aws.Fault {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fault == nil {
				return nil
			}
			return w.fault(service, operation)
		},
		Watch: func(service, _ string, body []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if service == "sqs" {
				w.bodies.Write(body)
			}
		},
	})
	server := httptest.NewServer(w.cloud)
	t.Cleanup(server.Close)
	w.config = sdk.Config{Region: aws.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	w.queues = sqs.NewFromConfig(w.config)
	w.s = settings{table: "table", appSecret: "app", stage: "dev", hints: w.queue("hints"), changes: w.queue("changes")}
	w.provision()
	w.handler = routes(w.s.inbox(w.config))
	w.site = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.handler.ServeHTTP(rw, r) }))
	t.Cleanup(w.site.Close)

	if o.Lists == nil {
		o.Lists = []hero.List{{UUID: string(campaign), Name: "Spring Referral", Bonuses: []hero.Bonus{{Title: "Mug", Referrals: 1}}}}
	}
	w.hero = hero.New(o)
	t.Cleanup(w.hero.Close)
	rows := store.New(dynamodb.NewFromConfig(w.config), "table", secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(w.config), ID: "app"}))
	w.service = inbox.Service{Webhooks: rows, BaseURL: w.site.URL, Now: time.Now}
	w.must(rows.SaveCampaign(t.Context(), bridge.Campaign{ID: campaign, Account: account, Identifier: bridge.ByEmail}))
	w.must(w.service.NewAddress(t.Context(), account))
	w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret(w.hero.WebhookSecrets().Current)))
	_, err := w.hero.SetWebhook(string(campaign), hero.Webhook{URL: w.address()})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settings() inbox.Webhook {
	w.t.Helper()
	settings, err := w.service.Webhook(w.t.Context(), account)
	w.must(err)
	return settings
}

func (w *world) address() string { return w.service.URL(w.settings()) }

func (w *world) queue(name string) string {
	w.t.Helper()
	made, err := w.queues.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	w.must(err)
	return *made.QueueUrl
}

func (w *world) provision() {
	w.t.Helper()
	err := provisioned.Table(w.t.Context(), dynamodb.NewFromConfig(w.config), "table")
	w.must(err)
	_, err = secretsmanager.NewFromConfig(w.config).CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{
		Name: sdk.String("app"), SecretString: sdk.String(`{"dataKeys":{"1":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}`),
	})
	w.must(err)
}

// call makes a call of ReferralHero's API and waits until all webhooks are delivered or given up.
func (w *world) call(method, path, body string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "/api/v2/lists/"+string(campaign)+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.hero.Token())
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if w.hero.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	w.must(w.hero.Delivered(ctx))
}

// add makes somebody a subscriber and returns them.
func (w *world) add(fields map[string]string) hero.Subscriber {
	w.t.Helper()
	body, err := json.Marshal(fields)
	w.must(err)
	w.call(http.MethodPost, "/subscribers", string(body))
	all := w.hero.Subscribers(string(campaign))
	return all[len(all)-1]
}

// take returns the hints that can be received from a queue now, in any order.
func (w *world) take(url string) []inbox.Hint {
	w.t.Helper()
	var hints []inbox.Hint
	for {
		got, err := w.queues.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		w.must(err)
		if len(got.Messages) == 0 {
			return hints
		}
		for _, m := range got.Messages {
			var envelope struct{ Job inbox.Hint }
			w.must(json.Unmarshal([]byte(*m.Body), &envelope))
			hints = append(hints, envelope.Job)
		}
	}
}
