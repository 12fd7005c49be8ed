package conversion_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
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
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	"github.com/referralbridge/referralbridge/internal/store"
)

// door is an inbox over a table and a queue, with a connection "c_1" of an account "a_1".
type door struct {
	inbox conversion.Inbox
	store *store.Store
	token bridge.Secret // of a hook
	now   atomic.Int64  // Unix milliseconds
	log   bytes.Buffer
	fault atomic.Pointer[func(operation string) *aws.Fault]

	mu     sync.Mutex
	tally  map[conversion.Tally]int
	sent   []conversion.Job
	bodies []string
	writes int // of when messages came
}

const homeOrg = bridge.SalesforceID("00D5g000004AbCdEAK")

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{tally: map[conversion.Tally]int{}}
	d.now.Store(1_793_613_600_000)
	cloud := httptest.NewServer(aws.New(aws.Options{
		Watch: d.watch,
		Fault: func(_, operation string, _ *http.Request) *aws.Fault {
			if fault := d.fault.Load(); fault != nil {
				return (*fault)(operation)
			}
			return nil
		},
	}))
	t.Cleanup(cloud.Close)
	login := credentials.NewStaticCredentialsProvider("test", "test", "")
	table := dynamodb.New(dynamodb.Options{BaseEndpoint: &cloud.URL, Region: aws.Region, Credentials: login, RetryMaxAttempts: 1})
	if err := provisioned.Table(t.Context(), table, "table"); err != nil {
		t.Fatal(err)
	}
	client := sqs.New(sqs.Options{BaseEndpoint: &cloud.URL, Region: aws.Region, Credentials: login, RetryMaxAttempts: 1})
	name := "deals"
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(d.now.Load()).UTC() }
	d.store = store.New(table, "table", plainly{}).WithRefreshTokens(plainly{}).WithClock(now)
	d.inbox = conversion.Inbox{
		Hooks: d.store, Connections: d.store, Jobs: queue.Topic[conversion.Job]{Client: client, URL: *created.QueueUrl},
		Count: d.count, Now: now, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	d.connect(t, bridge.Active)
	d.token = d.hang(t, "c_1")
	return d
}

// plainly is a Sealer for what nobody looks at here.
type plainly struct{}

func (plainly) Seal(context.Context, bridge.Secret, string) ([]byte, error) {
	return []byte("sealed"), nil
}
func (plainly) Open(context.Context, []byte, string) (bridge.Secret, error) {
	return bridge.Secret{}, nil
}

// hang makes a hook for a connection.
func (d *door) hang(t *testing.T, connection bridge.ConnectionID) bridge.Secret {
	t.Helper()
	token := bridge.NewToken()
	err := d.store.CreateMessageHook(t.Context(), token, conversion.Hook{Account: "a_1", Connection: connection, MadeAt: d.inbox.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// connect adds the connection.
func (d *door) connect(t *testing.T, status bridge.ConnectionStatus) {
	t.Helper()
	c := bridge.Connection{ID: "c_1", Account: "a_1", Org: homeOrg, User: "0055g0000000001AAA", Status: status}
	if err := d.store.CreateConnection(t.Context(), c, bridge.Grant{Account: "a_1", Connection: "c_1", Generation: 1, Status: status}); err != nil {
		t.Fatal(err)
	}
}

// advance moves the clock.
func (d *door) advance(by time.Duration) { d.now.Add(by.Milliseconds()) }

func (d *door) count(what conversion.Tally, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tally[what] += n
}

func (d *door) watch(_, operation string, body []byte) {
	if fault := d.fault.Load(); fault != nil && (*fault)(operation) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch operation {
	case "UpdateItem":
		d.writes++
	case "SendMessageBatch":
		var in struct {
			Entries []struct{ MessageBody, MessageGroupId string }
		}
		if json.Unmarshal(body, &in) != nil {
			return
		}
		for _, e := range in.Entries {
			var message struct{ Job conversion.Job }
			_ = json.Unmarshal([]byte(e.MessageBody), &message)
			d.sent, d.bodies = append(d.sent, message.Job), append(d.bodies, e.MessageBody+" "+e.MessageGroupId)
		}
	}
}

// message is one from the org about so many opportunities.
func message(n int) conversion.Message {
	m := conversion.Message{Organization: homeOrg}
	for i := range n {
		id, _ := bridge.ParseSalesforceID(fmt.Sprintf("0065g%010d", i))
		m.Records = append(m.Records, id)
	}
	return m
}

func TestReceive(t *testing.T) {
	t.Parallel()
	type tallies = map[conversion.Tally]int
	seen := time.UnixMilli(1_793_613_600_000).UTC()
	for name, tc := range map[string]struct {
		prepare func(*testing.T, *door)
		message conversion.Message
		want    bridge.Kind // "": acknowledged
		jobs    [][]string
		tally   tallies
		note    func(*conversion.Hook) // what is different about the hook afterwards
	}{
		"one notification is one job": {
			message: message(1), jobs: [][]string{{"0065g0000000000"}},
			tally: tallies{conversion.Notifications: 1}, note: func(h *conversion.Hook) { h.LastAt = seen },
		},
		"several notifications are one job, each opportunity once": {
			message: conversion.Message{Organization: "00D5g000004AbCdEAK", Records: append(message(2).Records, message(3).Records...)},
			jobs:    [][]string{{"0065g0000000000", "0065g0000000001", "0065g0000000002"}},
			tally:   tallies{conversion.Notifications: 5}, note: func(h *conversion.Hook) { h.LastAt = seen },
		},
		"what is no opportunity is left out": {
			message: conversion.Message{Organization: homeOrg, Records: []bridge.SalesforceID{"", "0035g00000AbCdEAAV", "0065g00000XyZaBAAV"}},
			jobs:    [][]string{{"0065g00000XyZaB"}},
			tally:   tallies{conversion.Notifications: 1, conversion.Unusable: 2}, note: func(h *conversion.Hook) { h.LastAt = seen },
		},
		"nothing but what is no opportunity is acknowledged": {
			message: conversion.Message{Organization: homeOrg, Records: []bridge.SalesforceID{"0035g00000AbCdEAAV"}},
			tally:   tallies{conversion.Unusable: 1}, note: func(h *conversion.Hook) { h.LastAt = seen },
		},
		"a session id is dropped and counted": {
			message: conversion.Message{Organization: homeOrg, Records: message(1).Records, Session: true},
			jobs:    [][]string{{"0065g0000000000"}},
			tally:   tallies{conversion.Notifications: 1, conversion.SessionSent: 1},
			note:    func(h *conversion.Hook) { h.LastAt = seen },
		},
		"a hook that nobody made is not found": {
			prepare: func(_ *testing.T, d *door) { d.token = bridge.NewToken() },
			message: message(1), want: bridge.NotFound, tally: tallies{conversion.UnknownHook: 1},
		},
		"a copy of the org is acknowledged, ignored and remembered": {
			message: conversion.Message{Organization: "00D7Q000004ZyXwUAK", Records: message(1).Records},
			tally:   tallies{conversion.OtherOrg: 1},
			note:    func(h *conversion.Hook) { h.Stranger, h.StrangerAt = "00D7Q000004ZyXwUAK", seen },
		},
		"an org whose id differs only in its case is another org": {
			message: conversion.Message{Organization: "00D5g000004abcdAAA", Records: message(1).Records},
			tally:   tallies{conversion.OtherOrg: 1},
			note:    func(h *conversion.Hook) { h.Stranger, h.StrangerAt = "00D5g000004abcdAAA", seen },
		},
		"without a rule it is acknowledged and counted": {
			prepare: func(t *testing.T, d *door) {
				if err := conversion.Listen(t.Context(), d.store, "a_1", "c_1", false); err != nil {
					t.Fatal(err)
				}
			},
			message: message(1), tally: tallies{conversion.NotWanted: 1},
			note: func(h *conversion.Hook) { h.LastAt, h.Off = seen, true },
		},
		"after the table failed it has to come again": {
			prepare: func(_ *testing.T, d *door) { d.fail("GetItem") },
			message: message(1), want: bridge.UnknownOutcome,
		},
		"after the queue failed it has to come again": {
			prepare: func(_ *testing.T, d *door) { d.fail("SendMessageBatch") },
			message: message(1), want: bridge.Unavailable,
		},
		"that it came could not be noted, which is no reason to have it again": {
			prepare: func(_ *testing.T, d *door) { d.fail("UpdateItem") },
			message: message(1), jobs: [][]string{{"0065g0000000000"}},
			tally: tallies{conversion.Notifications: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			before := d.hook(t)
			if tc.prepare != nil {
				tc.prepare(t, d)
			}
			err := d.inbox.Receive(t.Context(), d.token, tc.message)
			d.fault.Store(nil)
			if got := bridge.KindOf(err); got != tc.want && !(tc.want == bridge.UnknownOutcome && got == bridge.Unavailable) {
				t.Errorf("Receive = %v, want %q", err, tc.want)
			}
			var jobs [][]string
			for i, j := range d.sent {
				jobs = append(jobs, j.Opportunities)
				if j.Account != "a_1" || j.Connection != "c_1" || !j.At.Equal(seen) || !strings.HasSuffix(d.bodies[i], " a_1") {
					t.Errorf("job %+v of the group in %s", j, d.bodies[i])
				}
			}
			if diff := cmp.Diff(jobs, tc.jobs); diff != "" {
				t.Errorf("jobs, got - want +\n%s", diff)
			}
			if tc.tally == nil {
				tc.tally = tallies{}
			}
			if !maps.Equal(d.tally, tc.tally) {
				t.Errorf("counted %v, want %v", d.tally, tc.tally)
			}
			if tc.note != nil {
				tc.note(&before)
			}
			if diff := cmp.Diff(d.hook(t), before); diff != "" {
				t.Errorf("hook, got - want +\n%s", diff)
			}
		})
	}
}

// fail lets an operation of AWS fail.
func (d *door) fail(operation string) {
	fault := func(got string) *aws.Fault {
		if got == operation {
			return &aws.Fault{Status: http.StatusInternalServerError, Code: "InternalServerError"}
		}
		return nil
	}
	d.fault.Store(&fault)
}

// hook is the only one that there is.
func (d *door) hook(t *testing.T) conversion.Hook {
	t.Helper()
	hooks, err := d.store.MessageHooks(t.Context(), "a_1")
	if err != nil || len(hooks) != 1 {
		t.Fatalf("hooks: %+v, %v", hooks, err)
	}
	return hooks[0]
}

func TestReceiveForAConnectionThatIsGone(t *testing.T) {
	t.Parallel()
	for status, want := range map[bridge.ConnectionStatus]conversion.Tally{
		"": conversion.Gone, bridge.Disconnected: conversion.Gone,
		// Work for a connection that only sleeps waits for it.
		bridge.NeedsReconnect: conversion.Notifications, bridge.NeedsAdmin: conversion.Notifications,
	} {
		t.Run("status "+string(status), func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			connection := func(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error) {
				if status == "" {
					return bridge.Connection{}, &bridge.Error{Kind: bridge.NotFound}
				}
				return bridge.Connection{Org: homeOrg, Status: status}, nil
			}
			d.inbox.Connections = connectionFunc(connection)
			if err := d.inbox.Receive(t.Context(), d.token, message(1)); err != nil {
				t.Fatalf("not acknowledged: %v", err)
			}
			if d.tally[want] != 1 || len(d.sent) != d.tally[conversion.Notifications] {
				t.Errorf("counted %v, want %s; %d jobs", d.tally, want, len(d.sent))
			}
		})
	}
}

type connectionFunc func(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)

func (f connectionFunc) Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	return f(ctx, account, id)
}

func TestReceiveNotesOnceAMinute(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 3 { // three times a minute, for three minutes
		for range 3 {
			if err := d.inbox.Receive(t.Context(), d.token, message(1)); err != nil {
				t.Fatal(err)
			}
			d.advance(20 * time.Second)
		}
	}
	if d.writes != 3 {
		t.Errorf("%d writes for three minutes, want 3", d.writes)
	}
	if got, want := d.hook(t).LastAt, time.UnixMilli(d.now.Load()).UTC().Add(-time.Minute); !got.Equal(want) {
		t.Errorf("last message at %s, want %s", got, want)
	}
}

func TestReceiveAHundred(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	if err := d.inbox.Receive(t.Context(), d.token, message(100)); err != nil {
		t.Fatal(err)
	}
	if len(d.bodies) != 1 || len(d.sent[0].Opportunities) != 100 || len(d.bodies[0]) > 2500 {
		t.Errorf("%d messages, %d opportunities in %d bytes, want 1 message of 100 in 2.5 kB", len(d.bodies), len(d.sent[0].Opportunities), len(d.bodies[0]))
	}
}

// TestTwoHooksWhileTheyChange has the old one end when it is said to, and no sooner.
func TestTwoHooksWhileTheyChange(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	old := d.hook(t)
	fresh := d.hang(t, "c_1")
	old.EndsAt = d.inbox.Now().Add(48 * time.Hour)
	if err := d.store.EndMessageHook(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	receive := func(when string, token bridge.Secret, want bridge.Kind) {
		t.Helper()
		if err := d.inbox.Receive(t.Context(), token, message(1)); bridge.KindOf(err) != want {
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	d.advance(48*time.Hour - time.Second)
	receive("the old one before its end", d.token, "")
	receive("the new one meanwhile", fresh, "")
	d.advance(time.Second)
	receive("the old one at its end", d.token, bridge.NotFound)
	receive("the new one then", fresh, "")
}

func TestListenIsForAllHooksOfAConnection(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.hang(t, "c_1")
	d.hang(t, "c_2")
	for _, wanted := range []bool{false, false, true} {
		if err := conversion.Listen(t.Context(), d.store, "a_1", "c_1", wanted); err != nil {
			t.Fatal(err)
		}
		hooks, err := d.store.MessageHooks(t.Context(), "a_1")
		if err != nil || len(hooks) != 3 {
			t.Fatalf("hooks: %+v, %v", hooks, err)
		}
		for _, h := range hooks {
			if want := h.Connection == "c_1" && !wanted; h.Off != want {
				t.Errorf("wanted %t: a hook of %s is off: %t", wanted, h.Connection, h.Off)
			}
		}
	}
	if d.writes != 4 {
		t.Errorf("%d writes for two hooks that were switched twice, want 4", d.writes)
	}
}

// TestReceiveTellsNoSecrets looks for the token wherever it must not be.
func TestReceiveTellsNoSecrets(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.fail("UpdateItem")
	if err := d.inbox.Receive(t.Context(), d.token, message(1)); err != nil {
		t.Fatal(err)
	}
	d.fail("GetItem")
	err := d.inbox.Receive(t.Context(), d.token, message(1))
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range slices.Concat(d.bodies, []string{d.log.String(), err.Error()}) {
		if text == "" || strings.Contains(text, d.token.Reveal()) {
			t.Errorf("the token is in %q", text)
		}
	}
}
