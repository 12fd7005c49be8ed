package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	hero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

type receiverFunc func(hook bridge.Secret, signatures []string, body []byte) error

func (f receiverFunc) Receive(_ context.Context, hook bridge.Secret, signatures []string, body []byte) error {
	return f(hook, signatures, body)
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	inside := errors.New("dial tcp 10.0.0.7: refused")
	for name, tc := range map[string]struct {
		err    error
		status int
	}{
		"taken":                       {nil, 200},
		"an address that is not here": {bridge.E("op", bridge.NotFound, inside), 404},
		"not signed":                  {bridge.E("op", bridge.Denied, inside), 401},
		"malformed":                   {bridge.E("op", bridge.Invalid, inside), 400},
		"the queue is down":           {bridge.E("op", bridge.Unavailable, inside), 503},
		"the table is busy":           {bridge.E("op", bridge.Throttled, inside), 503},
		"no answer":                   {bridge.E("op", bridge.UnknownOutcome, inside), 503},
		"a fault of ours":             {inside, 503},
		"somebody was faster":         {bridge.E("op", bridge.Conflict, inside), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := apigw.Serve(routes(receiverFunc(func(hook bridge.Secret, signatures []string, body []byte) error {
				if hook.Reveal() != "TOKEN" || !slices.Equal(signatures, []string{"s+/="}) || string(body) != "{}\n" {
					t.Errorf("received %q, %q, %q", hook.Reveal(), signatures, body)
				}
				return tc.err
			})))
			e := events.APIGatewayV2HTTPRequest{
				RouteKey: "POST /referralhero/events/{hook}", RawPath: "/referralhero/events/TOKEN", Body: "{}\n",
				Headers: map[string]string{"x-referralhero-signature": "s+/="},
			}
			e.RequestContext.HTTP.Method = http.MethodPost
			for _, encoded := range []bool{false, true} {
				if encoded {
					e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(e.Body)), true
				}
				got, err := h(t.Context(), e)
				if err != nil || got.StatusCode != tc.status || got.Body != "" || len(got.Headers) != 0 {
					t.Errorf("answered %d %q %v, %v; want %d and nothing else", got.StatusCode, got.Body, got.Headers, err, tc.status)
				}
			}
		})
	}
}

func TestOnlyPostsToAnAddressAreTaken(t *testing.T) {
	t.Parallel()
	h := routes(receiverFunc(func(bridge.Secret, []string, []byte) error { t.Error("received"); return nil }))
	for _, request := range []string{"GET /referralhero/events/T", "PUT /referralhero/events/T", "POST /referralhero/events/", "POST /referralhero/events/T/x", "POST /"} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		if w.Code == http.StatusOK {
			t.Errorf("%s is answered with 200", request)
		}
	}
}

func TestABodyIsNotReadWithoutEnd(t *testing.T) {
	t.Parallel()
	h := routes(receiverFunc(func(_ bridge.Secret, _ []string, body []byte) error {
		if len(body) != inbox.Largest+1 {
			t.Errorf("%d bytes were read", len(body))
		}
		return nil
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/referralhero/events/T", strings.NewReader(strings.Repeat("x", 1<<20))))
}

// TestHintsAreWhatSubscriberSyncReads compares two types that do not know each other.
func TestHintsAreWhatSubscriberSyncReads(t *testing.T) {
	t.Parallel()
	hint := inbox.Hint{Account: account, Campaign: campaign, Subscriber: "sub_1", Code: "9c41d7aa", At: 1_793_613_600_000, Why: inbox.Referral, Deep: true, Once: true}
	text, err := json.Marshal(hint)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var read syncer.Hint
	want := syncer.Hint{Account: account, Campaign: campaign, Subscriber: "sub_1", Code: "9c41d7aa", At: hint.At, Why: "referral", Deep: true, Once: true}
	if err := decoder.Decode(&read); err != nil || read != want || read.Group() != hint.Group() {
		t.Errorf("%s reads as %+v, %v", text, read, err)
	}
}

var (
	byWhom = cmpopts.SortSlices(func(a, b inbox.Hint) bool {
		return fmt.Sprint(a.Subscriber, a.Code, a.Why, a.Deep) < fmt.Sprint(b.Subscriber, b.Code, b.Why, b.Deep)
	})
	timely = cmpopts.IgnoreFields(inbox.Hint{}, "Account", "Campaign", "At")
)

// distinct leaves out hints that are there already.
func distinct(hints []inbox.Hint) []inbox.Hint {
	var kept []inbox.Hint
	for _, h := range hints {
		if !slices.ContainsFunc(kept, func(k inbox.Hint) bool { return cmp.Equal(k, h, timely) }) {
			kept = append(kept, h)
		}
	}
	return kept
}

// TestWebhooks has the simulated ReferralHero sign and deliver, in every way in which it may do so.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]hero.Options{
		"as it most likely does":  {},
		"in base64 for URLs":      {Signature: hero.Base64URL},
		"in hexadecimal digits":   {Signature: hero.Hex, SignaturePrefix: true},
		"with an equals sign":     {SignaturePrefix: true},
		"with everything twice":   {WebhookDuplicate: 1},
		"one overtaking another":  {WebhookSpread: 50 * time.Millisecond},
		"telling also of effects": {WebhookUpdates: hero.ByEverything},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o)
			grace := w.add(map[string]string{"email": "grace@example.org", "name": "Grace H"})
			ada := w.add(map[string]string{"email": "ada@example.org", "name": "Ada Byron", "referrer": grace.Code})
			bob := w.add(map[string]string{"email": "bob@example.org", "source": "imported_from_salesforce"})
			w.call(http.MethodPost, "/subscribers/"+ada.ID, `{"extra_field":"ACME"}`)
			w.call(http.MethodPost, "/subscribers/"+grace.ID+"/promote", `{}`)
			w.call(http.MethodDelete, "/subscribers/"+ada.ID, "")

			id := func(s hero.Subscriber) bridge.SubscriberID { return bridge.SubscriberID(s.ID) }
			live := []inbox.Hint{
				{Subscriber: id(grace), Why: inbox.Registration, Once: true},
				{Subscriber: id(ada), Why: inbox.Registration, Once: true},
				{Code: grace.Code, Why: inbox.Referral},
				{Subscriber: id(ada), Why: inbox.Deletion},
				{Code: grace.Code, Why: inbox.Referral, Deep: true},
			}
			got := w.take(w.s.hints)
			if o.WebhookDuplicate > 0 { // both may be on their way at once, and then both count
				got = distinct(got)
			}
			if diff := cmp.Diff(got, live, byWhom, timely); diff != "" {
				t.Errorf("who came and went: got - want +\n%s", diff)
			}
			for _, h := range got {
				if h.Account != account || h.Campaign != campaign || time.Since(time.UnixMilli(h.At)) > time.Minute {
					t.Errorf("hint %+v", h)
				}
			}
			changes := map[inbox.Hint]int{}
			for _, h := range w.take(w.s.changes) {
				h.Account, h.Campaign, h.At = "", "", 0
				changes[h]++
			}
			for _, want := range []inbox.Hint{{Subscriber: id(ada), Why: inbox.Update}, {Subscriber: id(grace), Why: inbox.Promotion}, {Subscriber: id(grace), Why: inbox.Reward}} {
				if most := 1 + o.WebhookDuplicate; changes[want] == 0 || o.WebhookUpdates == "" && changes[want] > most {
					t.Errorf("changes %v, want %+v up to %d times", changes, want, most)
				}
			}
			if changes[inbox.Hint{Subscriber: id(bob), Why: inbox.Registration, Once: true}] != 0 {
				t.Error("the echo of our own import does not wait")
			}
			for _, d := range w.hero.Deliveries() {
				if d.State != hero.Delivered || len(d.Attempts) != 1 || d.Attempts[0].Answer != "" {
					t.Errorf("delivery of %s: %s after %+v", d.Event, d.State, d.Attempts)
				}
			}
			if settings := w.settings(); settings.LastAt.IsZero() || settings.Refused != 0 {
				t.Errorf("last delivery %s, %d refused", settings.LastAt, settings.Refused)
			}
			if text := w.bodies.String(); strings.Contains(text, "example.org") || strings.Contains(text, "Grace") || strings.Contains(text, "Ada") {
				t.Errorf("something personal is queued: %s", text)
			}
		})
	}
}

// TestOutage takes away what the function stands on, for some of ReferralHero's attempts.
func TestOutage(t *testing.T) {
	t.Parallel()
	down := aws.Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}
	for name, tc := range map[string]struct {
		service, operation string
		fault              aws.Fault
		attempts           int // of ReferralHero's; 3 and no success if it is 4
	}{
		"the queue does not answer, and is back":       {"sqs", "SendMessageBatch", down, 2},
		"the table cannot be read, and is back":        {"dynamodb", "GetItem", down, 2},
		"the table cannot be written":                  {"dynamodb", "PutItem", down, 1},
		"nobody can note that deliveries come":         {"dynamodb", "UpdateItem", down, 1},
		"the queue took it, and its answer was lost":   {"sqs", "SendMessageBatch", aws.Fault{DropReply: true}, 2},
		"the table took it, and its answer was lost":   {"dynamodb", "PutItem", aws.Fault{DropReply: true}, 1},
		"the queue is down for more than five minutes": {"sqs", "SendMessageBatch", down, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hero.Options{Speed: 10_000})
			w.config.RetryMaxAttempts = 1 // the attempts that count here are ReferralHero's
			w.handler = routes(w.s.inbox(w.config))
			w.mu.Lock()
			failures := 0
			w.fault = func(service, operation string) *aws.Fault {
				if service != tc.service || operation != tc.operation || failures == max(tc.attempts-1, 1) {
					return nil
				}
				failures++
				return &tc.fault
			}
			w.mu.Unlock()
			ada := w.add(map[string]string{"email": "ada@example.org"})
			all := w.hero.Deliveries()
			want := hero.Delivered
			if tc.attempts == 4 {
				want = hero.Failed
			}
			if len(all) != 1 || all[0].State != want || len(all[0].Attempts) != min(tc.attempts, 3) {
				t.Fatalf("deliveries %+v, want %s after %d attempts", all, want, min(tc.attempts, 3))
			}
			got := w.take(w.s.hints)
			switch {
			case want == hero.Failed:
				if len(got) != 0 {
					t.Errorf("hints %+v of a delivery that failed", got)
				}
			case len(got) == 0, len(got) > tc.attempts, got[0].Subscriber != bridge.SubscriberID(ada.ID):
				t.Errorf("hints %+v after %d attempts", got, tc.attempts)
			}
		})
	}
}

func TestUnsignedDeliveriesSwitchTheWebhookOffAndShow(t *testing.T) {
	t.Parallel()
	for name, unsettle := range map[string]func(*world){
		"payload verification is off": func(w *world) { w.must(w.hero.Set("webhook-signature", "none")) },
		"the secret was renewed":      func(w *world) { w.hero.RenewWebhookSecret() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hero.Options{Speed: 10_000})
			unsettle(w)
			for n := range 4 {
				w.add(map[string]string{"email": fmt.Sprintf("p%d@example.org", n)})
			}
			hook := w.hero.Webhooks(string(campaign))[0]
			if !hook.Off || hook.Failures != 10 || len(w.take(w.s.hints)) != 0 {
				t.Errorf("the webhook is %+v", hook)
			}
			for _, d := range w.hero.Deliveries() {
				for _, a := range d.Attempts {
					if a.Status != http.StatusUnauthorized || a.Answer != "" {
						t.Errorf("attempt %+v, want 401", a)
					}
				}
			}
			if settings := w.settings(); settings.RefusedLately(time.Now()) != 10 || !settings.LastAt.IsZero() {
				t.Errorf("%d refused, last delivery %s", settings.Refused, settings.LastAt)
			}
			// A person mends it.
			w.must(w.hero.Set("webhook-signature", "base64"))
			w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret(w.hero.WebhookSecrets().Current)))
			hook.Off = false
			hook, err := w.hero.SetWebhook(string(campaign), hook)
			w.must(err)
			attempt, err := w.hero.TestWebhook(t.Context(), string(campaign), hook.ID)
			if err != nil || attempt.Status != http.StatusOK || w.settings().LastAt.IsZero() {
				t.Errorf("the Test button: %+v, %v", attempt, err)
			}
			w.add(map[string]string{"email": "ada@example.org"})
			if got := w.take(w.s.hints); len(got) != 1 {
				t.Errorf("hints %+v, want one", got)
			}
		})
	}
}

// TestRenewalLosesNothing renews the secret while deliveries are on their way, and then the address.
func TestRenewalLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hero.Options{})
	w.add(map[string]string{"email": "p1@example.org"})
	w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret(w.hero.RenewWebhookSecret()+"")))
	w.add(map[string]string{"email": "p2@example.org"})
	w.must(w.service.SetSecret(t.Context(), account, bridge.NewSecret("not-yet-in-use-at-referralhero")))
	w.add(map[string]string{"email": "p3@example.org"}) // still signed with the one before
	w.must(w.service.NewAddress(t.Context(), account))
	w.add(map[string]string{"email": "p4@example.org"}) // still to the address before
	hook := w.hero.Webhooks(string(campaign))[0]
	hook.URL = w.address()
	if _, err := w.hero.SetWebhook(string(campaign), hook); err != nil {
		t.Fatal(err)
	}
	w.add(map[string]string{"email": "p5@example.org"})
	if got := w.take(w.s.hints); len(got) != 5 {
		t.Errorf("%d hints, want 5", len(got))
	}
}

// capture takes the log of the whole process, so tests that use it run alone.
func capture(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&locked{w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestAttacks sends what strangers may send, and holds that nothing comes of it and nothing of it shows in the log.
func TestAttacks(t *testing.T) {
	log := capture(t)
	w := newWorld(t, hero.Options{})
	const marked = "marked"
	body := fmt.Sprintf(`{"list_uuid":%q,"subscriber_id":"sub_marked","response":"new_registration","email":"marked@example.org","name":"Marked"}`, campaign)
	sign := func(body string) string {
		mac := hmac.New(sha256.New, []byte(w.hero.WebhookSecrets().Current))
		mac.Write([]byte(body))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	other := strings.TrimSuffix(w.address(), w.settings().Address.Reveal())
	double := strings.Replace(body, `"response"`, `"response":"subscriber_deleted","response"`, 1)
	deep := strings.Replace(body, `"name"`, `"x":`+strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000)+`,"name"`, 1)
	long := body + strings.Repeat(" ", inbox.Largest)
	for name, tc := range map[string]struct {
		address, body string
		signatures    []string
		status        int
	}{
		"a guessed address":                        {other + marked, body, []string{sign(body)}, 404},
		"an address that is part of the right one": {w.address()[:len(w.address())-1], body, []string{sign(body)}, 404},
		"an address in small letters":              {other + strings.ToLower(w.settings().Address.Reveal()), body, []string{sign(body)}, 404},
		"an address with more behind it":           {w.address() + "%00", body, []string{sign(body)}, 404},
		"an address that leads elsewhere":          {other + "..%2f" + marked, body, []string{sign(body)}, 404},
		"a very long address":                      {other + strings.Repeat(marked, 1000), body, []string{sign(body)}, 404},
		"no signature":                             {w.address(), body, nil, 401},
		"a signature of its own":                   {w.address(), body, []string{marked}, 401},
		"a signature of another body":              {w.address(), body, []string{sign("{}")}, 401},
		"two signatures, one of them right":        {w.address(), body, []string{sign(body), marked}, 401},
		"the same signature twice":                 {w.address(), body, []string{sign(body), sign(body)}, 401},
		"a body that was cut, with its signature":  {w.address(), body[:40], []string{sign(body)}, 401},
		"a signed body with two meanings":          {w.address(), double, []string{sign(double)}, 400},
		"a signed body without a bottom":           {w.address(), deep, []string{sign(deep)}, 400},
		"a signed body that is too long":           {w.address(), long, []string{sign(long)}, 400},
		"a body that is too long, and not signed":  {w.address(), long, nil, 400},
		"nothing at all":                           {w.address(), "", nil, 401},
		"nothing, signed":                          {w.address(), "", []string{sign("")}, 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tc.address, strings.NewReader(tc.body))
		w.must(err)
		for _, s := range tc.signatures {
			r.Header.Add(hero.SignatureHeader, s)
		}
		response, err := http.DefaultClient.Do(r)
		w.must(err)
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != tc.status || len(answer) != 0 {
			t.Errorf("%s: answered %d %q, want %d and nothing", name, response.StatusCode, answer, tc.status)
		}
	}
	if hints, changes := w.take(w.s.hints), w.take(w.s.changes); len(hints)+len(changes) != 0 {
		t.Errorf("queued %+v %+v", hints, changes)
	}
	for _, secret := range []string{marked, "Marked", w.settings().Address.Reveal(), w.hero.WebhookSecrets().Current, sign(body)} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	if !strings.Contains(log.String(), `"route":"POST /referralhero/events/{hook}"`) {
		t.Errorf("the log does not say what was refused: %s", log)
	}
}
