package proof

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestADeadLetterReachesItsOwner goes the whole way through the real binaries: the job of an import fails until its queue gives it up, its
// owner finds it in the console and tries it again when the cause is gone, and the import is done. A message that cannot be
// read reaches the operator alone.
func TestADeadLetterReachesItsOwner(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var ill atomic.Bool
	w, err := world.Start(ctx, world.Options{
		Root:         "../../..",
		Salesforce:   simorg.Options{Generated: 12},
		ReferralHero: simhero.Options{Lists: []simhero.List{{Name: campaign, URL: "https://www.example.com/join"}}},
		Stack: local.Options{
			Schedules: map[string]time.Duration{"ScheduleFunction": 0}, // nobody else looks after the import
		},
		AWS: aws.Options{Fault: func(service, operation string, r *http.Request) *aws.Fault {
			if ill.Load() && operation == "GetItem" && strings.Contains(r.Header.Get("Authorization"), "Credential=local-ImportPageFunction/") {
				return &aws.Fault{Status: 400, Code: "ValidationException"}
			}
			return nil
		}},
	})
	do(err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	cloud, err := cloudOf(ctx, w, local.Operator)
	do(err)
	queues, imports, dead := sqs.NewFromConfig(cloud), w.Stack.Ref("Imports"), w.Stack.Ref("ImportsDead")
	// The queue gives up after one failure, not five: between them lie seven minutes and then the visibility time-out.
	of, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	do(err)
	_, err = queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &imports, Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + of.Attributes["QueueArn"] + `","maxReceiveCount":1}`,
	}})
	do(err)
	someone := person.New(w.Stack.URL)
	list, connection, err := someone.SetUp(ctx, person.Account{Token: w.Hero.Token(), Allowance: 5000, Campaign: campaign})
	do(err)

	ill.Store(true)
	begun, _, err := someone.Import(ctx, list, connection, "https://www.example.com/join")
	do(err)
	do(w.Stack.Idle(ctx))
	do(someone.Browser.Open(ctx, someone.Console+"/"))
	if text := someone.Browser.Page().Text; !strings.Contains(text, "1 piece of work has stopped.") {
		t.Errorf("the owner's first page says nothing: %s", text)
	}
	stopped, err := someone.Stopped(ctx)
	do(err)
	if text := someone.Browser.Page().Text; len(stopped) != 1 || !strings.Contains(text, "A step of an import") || !strings.Contains(text, campaign) {
		t.Fatalf("stopped is %q: %s", stopped, text)
	}

	ill.Store(false)
	do(someone.TryAgain(ctx, stopped[0]))
	done, err := someone.Watch(ctx, begun, 50*time.Millisecond, func(person.Progress) {})
	do(err)
	if done.State != bridge.Done || done.Counts.Created != 12 {
		t.Errorf("the import ended as %+v, want 12 created", done)
	}
	do(w.Stack.Idle(ctx))

	body := "hello"
	_, err = queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &dead, MessageBody: &body})
	do(err)
	do(w.Stack.Idle(ctx))
	if stopped, err := someone.Stopped(ctx); err != nil || len(stopped) != 0 {
		t.Errorf("the owner has %q, %v, want nothing", stopped, err)
	}
	type report struct {
		Letters    []struct{ Account, Body string }
		Sent, Left int
		Problem    string
	}
	ask := func(payload string) (r report) {
		t.Helper()
		answer, failed, err := w.Stack.Invoke(ctx, "DeadLetterFunction", []byte(payload))
		do(err)
		if err := json.Unmarshal(answer, &r); err != nil || failed != "" || r.Problem != "" {
			t.Fatalf("%s is answered %s, %s, %v", payload, answer, failed, err)
		}
		return r
	}
	if r := ask(`{"list":"Imports"}`); len(r.Letters) != 1 || r.Letters[0].Body != body || r.Letters[0].Account != "" || r.Left != 0 {
		t.Errorf("the operator sees %+v, want the message of nobody", r)
	}
	if r := ask(`{"again":"Imports","most":10}`); r.Sent != 1 || r.Left != 0 {
		t.Errorf("sent again: %+v, want one", r)
	}
	do(w.Stack.Idle(ctx)) // who cannot read it lets it go
	if r := ask(`{"list":"Imports"}`); len(r.Letters) != 0 {
		t.Errorf("the operator still sees %+v", r)
	}
	if denied := w.Stack.Denied(); len(denied) > 0 {
		t.Errorf("not allowed: %+v", denied)
	}
}
