package letter_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	"github.com/referralbridge/referralbridge/internal/store"
)

// office is the real service with the real table and queue, on the embedded AWS.
type office struct {
	*testing.T
	letter.Service
	recorder letter.Recorder
	counted  int
	log      bytes.Buffer
	queues   *sqs.Client
	url      string // of the queue of imports
	now      time.Time
	fault    atomic.Pointer[func(operation string) *aws.Fault] // nil if all is well
}

// fail makes operations of AWS go wrong; nil ends that.
func (o *office) fail(fault func(operation string) *aws.Fault) {
	if fault == nil {
		o.fault.Store(nil)
		return
	}
	o.fault.Store(&fault)
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, now: time.UnixMilli(1_793_613_600_000).UTC()}
	server := httptest.NewServer(aws.New(aws.Options{Fault: func(_, operation string, _ *http.Request) *aws.Fault {
		if fault := o.fault.Load(); fault != nil {
			return (*fault)(operation)
		}
		return nil
	}}))
	t.Cleanup(server.Close)
	config := awssdk.Config{
		Region: aws.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	}
	db := dynamodb.NewFromConfig(config)
	if err := provisioned.Table(t.Context(), db, "table"); err != nil {
		t.Fatal(err)
	}
	o.queues = sqs.NewFromConfig(config)
	made, err := o.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String("imports")})
	if err != nil {
		t.Fatal(err)
	}
	o.url = *made.QueueUrl
	rows := store.New(db, "table", nil).WithClock(func() time.Time { return o.now })
	for _, id := range []bridge.AccountID{"a_1", "a_2"} {
		if err := rows.CreateAccount(t.Context(), bridge.Account{ID: id}, bridge.Person{Issuer: "issuer", Subject: string(id)}); err != nil {
			t.Fatal(err)
		}
	}
	o.Service = letter.Service{
		Letters: rows, Now: func() time.Time { return o.now },
		Send: queue.Returns{Client: o.queues, URLs: map[letter.Queue]string{letter.Imports: o.url}}.Send,
	}
	o.recorder = letter.Recorder{Letters: rows, Count: func() { o.counted++ }, Log: slog.New(slog.NewTextHandler(&o.log, nil))}
	return o
}

// dies records a letter of the queue of imports whose body is its id, so many minutes after the first.
func (o *office) dies(account bridge.AccountID, id string, minute int) {
	o.Helper()
	l := letter.Letter{ID: id, Queue: letter.Imports, Account: account, Body: id, DiedAt: o.now.Add(time.Duration(minute)*time.Minute - time.Hour)}
	if err := o.recorder.Record(o.Context(), l); err != nil {
		o.Fatal(err)
	}
}

// listed are the ids of the letters of an account.
func (o *office) listed(account bridge.AccountID) (ids []string) {
	o.Helper()
	found, _, err := o.List(o.Context(), account)
	if err != nil {
		o.Fatal(err)
	}
	for _, l := range found {
		ids = append(ids, l.ID)
	}
	slices.Sort(ids)
	return ids
}

// sent takes the bodies of what can be seen on the queue now.
func (o *office) sent() (bodies []string) {
	o.Helper()
	for {
		got, err := o.queues.ReceiveMessage(o.Context(), &sqs.ReceiveMessageInput{QueueUrl: &o.url, MaxNumberOfMessages: 10})
		if err != nil {
			o.Fatal(err)
		}
		if len(got.Messages) == 0 {
			slices.Sort(bodies)
			return bodies
		}
		for _, m := range got.Messages {
			bodies = append(bodies, *m.Body)
		}
	}
}

func (o *office) want(what string, got []string, want ...string) {
	o.Helper()
	if !slices.Equal(got, want) {
		o.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestALetterIsRecordedOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.dies("a_1", "m-1", 0)
	o.dies("a_1", "m-1", 5) // SQS delivers it twice
	o.dies("a_gone", "m-2", 0)
	o.want("letters", o.listed("a_1"), "m-1")
	o.want("letters of another account", o.listed("a_2"))
	o.want("letters of an account that is not there", o.listed("a_gone"))
	if o.counted != 3 || strings.Count(o.log.String(), "level=ERROR") != 3 {
		t.Errorf("counted %d, logged\n%s\nwant each delivery", o.counted, &o.log)
	}
}

func TestALetterThatCannotBeKeptIsCountedAllTheSame(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.fail(func(operation string) *aws.Fault {
		if operation == "PutItem" {
			return &aws.Fault{Status: 500, Code: "InternalServerError"}
		}
		return nil
	})
	err := o.recorder.Record(t.Context(), letter.Letter{ID: "m-1", Queue: letter.Imports, Account: "a_1", DiedAt: o.now})
	if err == nil || o.counted != 1 {
		t.Errorf("%v, counted %d; want an error, so that it comes again, and a count", err, o.counted)
	}
}

func TestAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.dies("a_1", "m-1", 0)
	o.dies("a_1", "m-2", 1)
	if err := o.Again(t.Context(), "a_2", "m-1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("another account's letter: %v, want not found", err)
	}
	o.want("sent by another account", o.sent())
	if err := o.Dismiss(t.Context(), "a_2", "m-1"); err != nil {
		t.Error(err)
	}
	o.want("letters", o.listed("a_1"), "m-1", "m-2")
	if err := o.Again(t.Context(), "a_1", "m-1"); err != nil {
		t.Fatal(err)
	}
	o.want("sent", o.sent(), "m-1")
	if err := o.Again(t.Context(), "a_1", "m-1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a second time: %v, want not found", err)
	}
	for range 2 {
		if err := o.Dismiss(t.Context(), "a_1", "m-2"); err != nil {
			t.Error(err)
		}
	}
	o.want("letters", o.listed("a_1"))
	o.want("sent after all", o.sent())
}

// TestAgainAndCrashes ends a worker at each step: the letter is sent at least once, and leaves the list only then.
func TestAgainAndCrashes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		operation string
		fault     aws.Fault
		first     []string // sent by the attempt that fails
		then      []string // sent by the next one
	}{
		"before it is sent":            {"SendMessage", aws.Fault{Status: 503, Code: "ServiceUnavailable"}, nil, []string{"m-1"}},
		"sent, but without an answer":  {"SendMessage", aws.Fault{DropReply: true}, []string{"m-1"}, []string{"m-1"}},
		"before it leaves the list":    {"DeleteItem", aws.Fault{Status: 500, Code: "InternalServerError"}, []string{"m-1"}, []string{"m-1"}},
		"it has left, without our ear": {"DeleteItem", aws.Fault{DropReply: true}, []string{"m-1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.dies("a_1", "m-1", 0)
			o.fail(func(operation string) *aws.Fault {
				if operation == tc.operation {
					return &tc.fault
				}
				return nil
			})
			if err := o.Again(t.Context(), "a_1", "m-1"); err == nil {
				t.Error("there is no error")
			}
			o.fail(nil)
			o.want("sent at first", o.sent(), tc.first...)
			if err := o.Again(t.Context(), "a_1", "m-1"); err != nil && (bridge.KindOf(err) != bridge.NotFound || tc.then != nil) {
				t.Error(err)
			}
			o.want("sent then", o.sent(), tc.then...)
			o.want("letters", o.listed("a_1"))
		})
	}
}

func TestListIsBounded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := range letter.Most {
		o.dies("a_1", fmt.Sprintf("m-%d", n), n)
	}
	if found, more, err := o.List(t.Context(), "a_1"); err != nil || len(found) != letter.Most || more {
		t.Errorf("%d letters, more %t, %v; want all and no more", len(found), more, err)
	}
	o.dies("a_1", "m-last", 0)
	if found, more, err := o.List(t.Context(), "a_1"); err != nil || len(found) != letter.Most || !more {
		t.Errorf("%d letters, more %t, %v; want the most, and more", len(found), more, err)
	}
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var delays []time.Duration
	var order []string
	send := o.Send
	o.Send = func(ctx context.Context, l letter.Letter, delay time.Duration) error {
		delays, order = append(delays, delay), append(order, l.ID)
		return send(ctx, l, delay)
	}
	for n := range 25 {
		o.dies([]bridge.AccountID{"a_1", "a_2", ""}[n%3], fmt.Sprintf("m-%02d", n), 59-n) // the last is the oldest
	}
	look, left, err := o.Look(t.Context(), letter.Imports, 2)
	if err != nil || len(look) != 2 || look[0].ID != "m-24" || look[1].Body != "m-23" || left != 23 {
		t.Errorf("a look finds %+v and %d more, %v; want the two oldest and 23", look, left, err)
	}
	if sent, left, err := o.Redrive(t.Context(), letter.Imports, 22); sent != 22 || left != 3 || err != nil {
		t.Errorf("sent %d, left %d, %v; want 22 and 3", sent, left, err)
	}
	if order[0] != "m-24" || order[21] != "m-03" {
		t.Errorf("sent in the order %q, want the oldest first", order)
	}
	for n, delay := range delays {
		if delay != time.Duration(n)*time.Second/10 {
			t.Errorf("the letter %d shows after %s, want ten in a second", n, delay)
		}
	}
	if sent, left, err := o.Redrive(t.Context(), letter.Imports, 22); sent != 3 || left != 0 || err != nil {
		t.Errorf("then sent %d, left %d, %v; want 3 and none", sent, left, err)
	}
	if sent, left, err := o.Redrive(t.Context(), letter.Imports, 22); sent != 0 || left != 0 || err != nil {
		t.Errorf("at last sent %d, left %d, %v; want none", sent, left, err)
	}
}

func TestRedriveTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := range 3 {
		o.dies("a_1", fmt.Sprintf("m-%d", n), n)
	}
	var calls atomic.Int32
	o.fail(func(operation string) *aws.Fault {
		if operation == "SendMessage" {
			if calls.Add(1) > 2 {
				return &aws.Fault{Status: 503, Code: "ServiceUnavailable"}
			}
		}
		return nil
	})
	if sent, left, err := o.Redrive(t.Context(), letter.Imports, 10); sent != 2 || left != 1 || bridge.KindOf(err) != bridge.Unavailable {
		t.Errorf("sent %d, left %d, %v; want 2, 1 and unavailable", sent, left, err)
	}
	o.want("letters", o.listed("a_1"), "m-2")
}

func TestNothingIsRedrivenOfOtherQueues(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for _, q := range []letter.Queue{letter.Schedule, "Letters"} {
		if _, _, err := o.Redrive(t.Context(), q, 1); bridge.KindOf(err) != bridge.Invalid {
			t.Errorf("%s: %v, want invalid", q, err)
		}
	}
	if found, left, err := o.Look(t.Context(), letter.Schedule, 1); err != nil || len(found) != 0 || left != 0 {
		t.Errorf("a look at schedules: %v, %d, %v", found, left, err)
	}
}

func TestLettersAreForgottenAfterTwoWeeks(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.dies("a_1", "m-1", 60)
	o.now = o.now.Add(letter.Keep)
	o.want("letters", o.listed("a_1"))
	if sent, left, err := o.Redrive(t.Context(), letter.Imports, 10); sent != 0 || left != 0 || err != nil {
		t.Errorf("sent %d, left %d, %v; want none", sent, left, err)
	}
}
