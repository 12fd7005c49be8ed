package inbox_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	table "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
	"github.com/referralbridge/referralbridge/internal/store"
)

const (
	account  bridge.AccountID  = "a_1"
	campaign bridge.CampaignID = "MF0a1b2c3d4e"
)

// secret is what ReferralHero signs with.
var secret = bridge.NewSecret("0f5a0b7c1d2e3f405162738495a6b7c8d9eafb0c")

// world is an inbox over the store in the emulated DynamoDB. Its queues are lists, and time stands still.
type world struct {
	t       testing.TB
	units   *table.Server
	rows    *store.Store
	service inbox.Service
	inbox   inbox.Inbox
	hook    bridge.Secret
	now     time.Time
	sent    []sent
	counts  map[inbox.Outcome]int
	log     bytes.Buffer

	mu   sync.Mutex
	step int                    // calls of ports so far
	trip func(step int) trouble // what becomes of a call; nil is that it works
}

// sent is a call of a queue.
type sent struct {
	queue string
	at    time.Time // when it was sent
	due   time.Time // when it is delivered
	hints []inbox.Hint
}

// trouble is what becomes of a port's call.
type trouble int

const (
	works          trouble = iota
	fails                  // it is not carried out
	unanswered             // it is carried out, and nobody says so
	diesBefore             // the process ends before it
	diesAfterwards         // the process ends after it
)

// death is the end of a process.
type death struct{}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.UnixMilli(1_793_613_600_000).UTC(), counts: map[inbox.Outcome]int{}}
	w.units = table.New(table.Options{Now: func() time.Time { return w.now }})
	server := httptest.NewServer(w.units)
	t.Cleanup(server.Close)
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if err := provisioned.Table(t.Context(), db, "table"); err != nil {
		t.Fatalf("create table: %v", err)
	}
	clock := func() time.Time { return w.now }
	w.rows = store.New(db, "table", plain{}).WithClock(clock)
	w.service = inbox.Service{Webhooks: w.rows, BaseURL: "https://bridge.example.com", Now: clock}
	w.inbox = inbox.Inbox{
		Hooks: w, Webhooks: w, Campaigns: w, Replays: w, Live: w.queue("live"), Changes: w.queue("changes"),
		Count: func(o inbox.Outcome) { w.counts[o]++ }, Now: clock, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	w.must(w.rows.SaveCampaign(t.Context(), bridge.Campaign{ID: campaign, Account: account, Name: "Spring Referral", Identifier: bridge.ByEmail}))
	w.must(w.service.NewAddress(t.Context(), account))
	w.must(w.service.SetSecret(t.Context(), account, secret))
	w.hook = w.settings().Address
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

// sign returns the signature of a body as ReferralHero most likely writes it.
func sign(key bridge.Secret, body string) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// deliver brings a body with a genuine signature, and returns nil if it is answered with 200. A process that dies
// answers nothing.
func (w *world) deliver(body string) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			if _, died := caught.(death); !died {
				panic(caught)
			}
			err = errors.New("the process died")
		}
	}()
	return w.inbox.Receive(w.t.Context(), w.hook, []string{sign(secret, body)}, []byte(body))
}

// retry delivers until it is answered with 200, a minute and then three apart, as ReferralHero does, and returns how
// often it was tried.
func (w *world) retry(body string) int {
	w.t.Helper()
	for n, pause := range []time.Duration{time.Minute, 3 * time.Minute, 0} {
		if w.deliver(body) == nil {
			return n + 1
		}
		w.now = w.now.Add(pause)
	}
	w.t.Fatalf("given up; log:\n%s", w.log.String())
	return 0
}

// run makes one of a port's calls, or not.
func (w *world) run(call func() error) error {
	w.mu.Lock()
	w.step++
	what := works
	if w.trip != nil {
		what = w.trip(w.step)
	}
	w.mu.Unlock()
	switch what {
	case fails:
		return &bridge.Error{Op: "test", Kind: bridge.Unavailable}
	case diesBefore:
		panic(death{})
	}
	err := call()
	switch what {
	case unanswered:
		return &bridge.Error{Op: "test", Kind: bridge.UnknownOutcome}
	case diesAfterwards:
		panic(death{})
	}
	return err
}

func (w *world) queue(name string) inbox.Send {
	return func(_ context.Context, delay time.Duration, hints ...inbox.Hint) error {
		return w.run(func() error {
			w.sent = append(w.sent, sent{name, w.now, w.now.Add(delay), hints})
			return nil
		})
	}
}

func (w *world) HookAccount(ctx context.Context, hook bridge.Secret) (id bridge.AccountID, err error) {
	err = w.run(func() error { id, err = w.rows.HookAccount(ctx, hook); return err })
	return id, err
}

func (w *world) Webhook(ctx context.Context, id bridge.AccountID) (settings inbox.Webhook, err error) {
	err = w.run(func() error { settings, err = w.rows.Webhook(ctx, id); return err })
	return settings, err
}

func (w *world) NoteDelivery(ctx context.Context, was inbox.Webhook, of bridge.CampaignID, at time.Time) error {
	return w.run(func() error { return w.rows.NoteDelivery(ctx, was, of, at) })
}

func (w *world) NoteRefusal(ctx context.Context, id bridge.AccountID, was, since, at time.Time) error {
	return w.run(func() error { return w.rows.NoteRefusal(ctx, id, was, since, at) })
}

func (w *world) Campaign(ctx context.Context, a bridge.AccountID, id bridge.CampaignID) (c bridge.Campaign, err error) {
	err = w.run(func() error { c, err = w.rows.Campaign(ctx, a, id); return err })
	return c, err
}

func (w *world) Replay(ctx context.Context, a bridge.AccountID, body inbox.Digest) (r inbox.Replay, err error) {
	err = w.run(func() error { r, err = w.rows.Replay(ctx, a, body); return err })
	return r, err
}

func (w *world) SaveReplay(ctx context.Context, a bridge.AccountID, body inbox.Digest, was, is inbox.Replay) error {
	return w.run(func() error { return w.rows.SaveReplay(ctx, a, body, was, is) })
}

// plain seals nothing, and ties everything to its place.
type plain struct{}

func (plain) Seal(_ context.Context, s bridge.Secret, associated string) ([]byte, error) {
	return []byte(associated + "\x00" + s.Reveal()), nil
}

func (plain) Open(_ context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	text, found := bytes.CutPrefix(sealed, []byte(associated+"\x00"))
	if !found {
		return bridge.Secret{}, errors.New("sealed for another place")
	}
	return bridge.NewSecret(string(text)), nil
}

// body is what a webhook has, with more members or none.
func body(response, more string) string {
	return fmt.Sprintf(`{"list_uuid":%q,"subscriber_id":"sub_1","response":%q,"name":"Ada Byron","email":"ada@example.org"%s}`, campaign, response, more)
}

const (
	referred = `,"source":"facebook","referral":{"name":"Grace H","email":"grace@example.org","code":"9c41d7aa"}`
	ours     = `,"source":"imported_from_salesforce","referral":""`
)
