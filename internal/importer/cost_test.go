package importer_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/local/cost"
	"github.com/referralbridge/referralbridge/internal/queue"
	simsqs "github.com/referralbridge/referralbridge/internal/sim/aws/sqs"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestWhatAnImportCosts holds an import to the calls that it may make, over a real queue with two workers at a time.
func TestWhatAnImportCosts(t *testing.T) {
	t.Parallel()
	const thousands = 5
	contacts := make([]simorg.Contact, thousands*1000)
	for i := range contacts {
		contacts[i] = simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", i), LastName: "X", Email: fmt.Sprintf("x%d@example.com", i),
			Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{WindowKind: simhero.None}})
	q := newQueue(t, w)
	w.service.Jobs, w.worker.Jobs = q.topic, q.topic
	w.units.ResetUnits()
	w.org.ResetCounts()
	i := w.start(nil)
	handler := queue.Worker[importer.Job]{Work: w.worker.Handle, Topic: q.topic, Log: slog.New(slog.DiscardHandler)}
	var team sync.WaitGroup
	for range 2 {
		team.Go(func() {
			for w.get(i.ID).State != bridge.Done {
				if !q.next(handler) {
					return
				}
			}
		})
	}
	team.Wait()
	got := w.get(i.ID)
	if got.State != bridge.Done || got.Counts.Created != thousands*1000 {
		t.Fatalf("%s %s with %+v; log:\n%s", got.State, got.Parked, got.Counts, w.logs)
	}
	requests, empty := q.server.Requests(), q.empty
	for name, tc := range map[string]struct{ got, most float64 }{
		"calls to ReferralHero per contact":        {float64(w.hero.Counts().Calls) / (thousands * 1000), 1.001},
		"calls to Salesforce per 100 contacts":     {float64(w.org.Counts().API) / (thousands * 10), 1},
		"DynamoDB write units per 1,000 contacts":  {w.units.Units().Write / thousands, cost.Imported.Writes},
		"DynamoDB read units per 1,000 contacts":   {w.units.Units().Read / thousands, cost.Imported.Reads},
		"SQS requests per 1,000 contacts":          {float64(total(requests)-empty) / thousands, cost.Imported.Messages},
		"ReferralHero calls at the same time, max": {float64(w.hero.Counts().MaxInFlight), 10},
	} {
		t.Logf("%s: %.4g (at most %g)", name, tc.got, tc.most)
		if tc.got > tc.most {
			t.Errorf("%s: %.4g, want at most %g", name, tc.got, tc.most)
		}
	}
}

func total(requests map[string]int) int {
	n := 0
	for name, count := range requests {
		if name != "CreateQueue" {
			n += count
		}
	}
	return n
}

// sqsQueue is a queue of the emulated SQS, and as much of Lambda as takes one message at a time from it.
type sqsQueue struct {
	t      *testing.T
	server *simsqs.Server
	client *sqs.Client
	topic  queue.Topic[importer.Job]
	mu     sync.Mutex
	empty  int // receives that brought nothing: how many is up to Lambda's pollers, not to us
}

func newQueue(t *testing.T, w *world) *sqsQueue {
	t.Helper()
	server := simsqs.New(simsqs.Options{Now: w.Now})
	endpoint := w.serve(server)
	client := sqs.New(sqs.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("imports")})
	if err != nil {
		t.Fatalf("CreateQueue: %v", err)
	}
	return &sqsQueue{t: t, server: server, client: client, topic: queue.Topic[importer.Job]{Client: client, URL: *made.QueueUrl}}
}

// next waits for a message and hands it over; false means that something is wrong.
func (q *sqsQueue) next(handler queue.Worker[importer.Job]) bool {
	ctx := q.t.Context()
	got, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.topic.URL, MaxNumberOfMessages: 1, WaitTimeSeconds: 1})
	if err != nil {
		q.t.Errorf("ReceiveMessage: %v", err)
		return false
	}
	if len(got.Messages) == 0 {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.empty++
		return q.empty < 60
	}
	m := got.Messages[0]
	answer, err := handler.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{MessageId: *m.MessageId, Body: *m.Body}}})
	if err != nil || len(answer.BatchItemFailures) > 0 {
		q.t.Errorf("Handle: %v, %v", answer, err)
		return false
	}
	if _, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.topic.URL, ReceiptHandle: m.ReceiptHandle}); err != nil {
		q.t.Errorf("DeleteMessage: %v", err)
		return false
	}
	return true
}
