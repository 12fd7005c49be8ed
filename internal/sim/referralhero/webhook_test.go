package referralhero_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// got is what a webhook got.
type got struct {
	at     time.Time
	header http.Header
	raw    string
	body   object
}

// receiver answers webhooks, on the wire or as a transport without one.
type receiver struct {
	answer func(n int) int // status of the n-th, from 1; nil means 200. Negative: no answer

	mu    sync.Mutex
	gots  []got
	tried int // attempts without a wire, also those that were not answered
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	raw, _ := io.ReadAll(request.Body)
	g := got{at: time.Now(), header: request.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &g.body) // shows as an empty body
	r.mu.Lock()
	r.gots = append(r.gots, g)
	n := len(r.gots)
	r.mu.Unlock()
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(n)
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "answer %d", n)
}

// RoundTrip answers in a bubble, where a wire would stop the clock.
func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.tried++
	n := len(r.gots) + 1
	r.mu.Unlock()
	if r.answer != nil && r.answer(n) < 0 {
		<-request.Context().Done()
		return nil, request.Context().Err()
	}
	return direct{r}.RoundTrip(request)
}

func (r *receiver) all() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.gots)
}

// responses returns the events that came.
func (r *receiver) responses() []string {
	var responses []string
	for _, g := range r.all() {
		responses = append(responses, fmt.Sprint(g.body["response"]))
	}
	return responses
}

// hooked is a bench whose campaign has a webhook on the wire.
func hooked(t *testing.T, o referralhero.Options, list referralhero.List, r *receiver) (*bench, referralhero.Webhook) {
	t.Helper()
	b := setup(t, o, list)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Cleanup(b.Close)
	hook, err := b.SetWebhook(uuid, referralhero.Webhook{URL: server.URL + "/hook"})
	if err != nil {
		t.Fatal(err)
	}
	return b, hook
}

func (b *bench) delivered(t *testing.T) {
	t.Helper()
	if err := b.Delivered(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	b, _ := hooked(t, referralhero.Options{}, referralhero.List{
		Ranking: true, Verification: true, Bonuses: []referralhero.Bonus{{Title: "Mug", Referrals: 1}},
	}, r)
	path := func(s object) string { return fmt.Sprintf("%s/%s", subscribersPath, s["id"]) }
	grace := b.add(t, object{"email": "grace@example.com", "name": "Grace Brewster Hopper", "double_optin": false})
	b.delivered(t)
	ada := b.add(t, object{"email": "ada@example.com", "referrer": grace["code"], "source": "facebook", "extra_field": "ACME"})
	b.delivered(t)
	if diff := cmp.Diff([]string{"new_registration"}, r.responses()); diff != "" {
		t.Errorf("before Ada verified (-want +got):\n%s", diff)
	}
	check(t, r.all()[0].body, object{
		"list_uuid": uuid, "subscriber_id": grace["id"], "name": "Grace Brewster Hopper", "first_name": "Grace", "last_name": "Brewster Hopper",
		"email": "grace@example.com", "code": grace["code"], "source": "direct_visit", "referred": false, "referral": "",
		"referral_link": grace["referral_link"], "people_ahead": 0.0, "created_at": float64(noon.Unix()), "id": nil, "reward_id": nil,
	})

	b.Verify(uuid, ada["id"].(string))
	b.delivered(t)
	first := r.all()[1:]
	slices.SortFunc(first, func(a, b got) int {
		return strings.Compare(fmt.Sprint(a.body["response"]), fmt.Sprint(b.body["response"]))
	})
	check(t, first[0].body, object{
		"response": "new_registration", "subscriber_id": ada["id"], "source": "facebook", "extra_field": "ACME", "referred": true, "people_ahead": 1.0,
		"referral": map[string]any{"name": "Grace Brewster Hopper", "email": "grace@example.com", "code": grace["code"], "people_referred": 1.0, "points": 1.0},
	})
	check(t, first[1].body, object{
		"response": "reward_unlocked", "subscriber_id": grace["id"], "reward_id": 1.0, "reward_name": "Mug", "reward_status": "pending",
	})
	for _, step := range []struct {
		want, method, path string
		body               any
		about              object
	}{
		{"subscriber_updated", "POST", path(ada), object{"name": "Ada L"}, ada},
		{"subscriber_promoted", "POST", path(ada) + "/promote", nil, ada},
		{"reward_sent", "POST", subscribersPath + "/update_reward_status", object{"reward_id": 1, "status": "sent"}, grace},
		{"reward_unlocked", "POST", path(grace) + "/promote", nil, nil},
		{"subscriber_deleted", "DELETE", path(grace), nil, grace},
		{"subscriber_updated", "POST", path(ada), object{"extra_field": "none"}, ada},
	} {
		before := len(r.all())
		b.do(t, step.method, step.path, step.body)
		b.delivered(t)
		if step.about == nil { // a promotion, so that the promoted reward can be unlocked
			before = len(r.all())
			b.do(t, "POST", path(grace)+"/unlock_promoted_reward", object{"reward_id": 1})
			b.delivered(t)
			step.about = grace
		}
		told := r.all()[before:]
		if len(told) != 1 {
			t.Fatalf("%s: told %d times", step.want, len(told))
		}
		check(t, told[0].body, object{"response": step.want, "subscriber_id": step.about["id"]})
	}
	last := r.all()[len(r.all())-1]
	check(t, last.body, object{"referred": true, "referral": "subscriber_deleted"})
	if got := last.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestWebhookTellsOnlyWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	b, hook := hooked(t, referralhero.Options{}, referralhero.List{Verification: true}, r)
	hook.Events = []referralhero.WebhookEvent{referralhero.SubscriberDeleted}
	if _, err := b.SetWebhook(uuid, hook); err != nil {
		t.Fatal(err)
	}
	nobody := b.add(t, object{"email": "nobody@example.com"}) // never verified, so never told of
	b.browse(t, fmt.Sprintf("/lists/%s/subscribers/%s/delete", uuid, nobody["id"]), url.Values{})
	ada := b.add(t, object{"email": "ada@example.com", "double_optin": false})
	b.do(t, "DELETE", fmt.Sprintf("%s/%s", subscribersPath, ada["id"]), nil)
	hook.Off = true
	if _, err := b.SetWebhook(uuid, hook); err != nil {
		t.Fatal(err)
	}
	b.delivered(t)
	alan := b.add(t, object{"email": "alan@example.com", "double_optin": false})
	b.do(t, "DELETE", fmt.Sprintf("%s/%s", subscribersPath, alan["id"]), nil)
	b.delivered(t)
	if diff := cmp.Diff([]string{"subscriber_deleted"}, r.responses()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestUpdates counts whom webhooks hear of when a referral of three events is completed, by each meaning of update.
func TestUpdates(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		updates referralhero.Updates
		want    map[string]int // by name
	}{
		"calls that update a subscriber": {referralhero.ByFields, map[string]int{"Ada L": 1}},
		// Ada: tracked, confirmed, points, bought, bought, renamed. Grace: four statuses, since one is her deletion.
		"whatever changes": {referralhero.ByEverything, map[string]int{"Ada": 5, "Ada L": 1, "Grace": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			b, hook := hooked(t, referralhero.Options{WebhookUpdates: tc.updates}, referralhero.List{Events: 3}, r)
			hook.Events = []referralhero.WebhookEvent{referralhero.SubscriberUpdated}
			if _, err := b.SetWebhook(uuid, hook); err != nil {
				t.Fatal(err)
			}
			grace := b.add(t, object{"email": "grace@example.com", "name": "Grace"})
			ada := b.add(t, object{"email": "ada@example.com", "name": "Ada", "referrer": grace["code"], "status": "custom_event_pending"})
			b.do(t, "POST", subscribersPath+"/track_referral_conversion_event", object{"email": "ada@example.com"})
			b.do(t, "POST", subscribersPath+"/confirm", object{"email": "ada@example.com"})
			b.do(t, "POST", subscribersPath+"/add_points", object{"email": "ada@example.com", "points": 5})
			b.do(t, "POST", subscribersPath+"/add_transactions", object{"email": "ada@example.com", "amount": 1})
			b.do(t, "POST", subscribersPath+"/add_bulk_transactions", object{"transactions": []object{{"email": "ada@example.com", "amount": 1}, {"amount": 2}}})
			b.do(t, "POST", fmt.Sprintf("%s/%s", subscribersPath, ada["id"]), object{"name": "Ada L"})
			b.do(t, "DELETE", fmt.Sprintf("%s/%s", subscribersPath, ada["id"]), nil)
			b.delivered(t)
			told := map[string]int{}
			for _, g := range r.all() {
				told[fmt.Sprint(g.body["name"])]++
			}
			if diff := cmp.Diff(tc.want, told); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options referralhero.Options
		encode  func([]byte) string
	}{
		"base64":              {encode: base64.StdEncoding.EncodeToString},
		"base64 for URLs":     {referralhero.Options{Signature: referralhero.Base64URL}, base64.URLEncoding.EncodeToString},
		"hexadecimal":         {referralhero.Options{Signature: referralhero.Hex}, hex.EncodeToString},
		"with a prefix":       {referralhero.Options{Signature: referralhero.Hex, SignaturePrefix: true}, func(b []byte) string { return "sha256=" + hex.EncodeToString(b) }},
		"not at all":          {referralhero.Options{Signature: referralhero.Unsigned, SignaturePrefix: true}, func([]byte) string { return "" }},
		"with a secret given": {referralhero.Options{WebhookSecret: "shared"}, base64.StdEncoding.EncodeToString},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{}
			b, _ := hooked(t, tc.options, referralhero.List{}, r)
			b.add(t, object{"email": "ada@example.com", "name": "<Ada & Söhne>"})
			b.delivered(t)
			secret := b.WebhookSecrets().Current
			if given := tc.options.WebhookSecret; given != "" && secret != given || len(secret) != 40 && given == "" {
				t.Errorf("secret %q", secret)
			}
			g := r.all()[0]
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(g.raw))
			if got, want := g.header.Get(referralhero.SignatureHeader), tc.encode(mac.Sum(nil)); got != want {
				t.Errorf("signature %q, want %q", got, want)
			}
			if _, sent := g.header[http.CanonicalHeaderKey(referralhero.SignatureHeader)]; sent != (tc.options.Signature != referralhero.Unsigned) {
				t.Errorf("the header is there: %t", sent)
			}
		})
	}
}

// inBubble runs a test on a Service whose time passes only while everything waits.
func inBubble(t *testing.T, o referralhero.Options, r *receiver, test func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Transport = r
		o.Lists = []referralhero.List{{UUID: uuid, Name: "Test"}}
		s := referralhero.New(o)
		defer s.Close()
		hook, err := s.SetWebhook(uuid, referralhero.Webhook{URL: "https://receiver.example/hook"})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, hook)
	})
}

// signUp adds somebody without a wire.
func signUp(t *testing.T, s *referralhero.Service, email string) {
	t.Helper()
	r := httptest.NewRequest("POST", "/api/v2"+subscribersPath+"?email="+url.QueryEscape(email), nil)
	r.Header.Set("X-API-Key", s.Token())
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatalf("status %d, %s", w.Code, w.Body)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	always := func(status int) func(int) int { return func(int) int { return status } }
	for name, tc := range map[string]struct {
		options referralhero.Options
		answer  func(int) int
		want    []time.Duration // real time after the event at which attempts begin
		state   referralhero.DeliveryState
		status  int
	}{
		"200 is success":                       {answer: always(200), want: []time.Duration{0}, state: referralhero.Delivered, status: 200},
		"201 is none":                          {answer: always(201), want: []time.Duration{0, time.Minute, 4 * time.Minute}, state: referralhero.Failed, status: 201},
		"204 is none":                          {answer: always(204), want: []time.Duration{0, time.Minute, 4 * time.Minute}, state: referralhero.Failed, status: 204},
		"a redirect is not followed":           {answer: always(302), want: []time.Duration{0, time.Minute, 4 * time.Minute}, state: referralhero.Failed, status: 302},
		"the second attempt may succeed":       {answer: func(n int) int { return []int{503, 200}[n-1] }, want: []time.Duration{0, time.Minute}, state: referralhero.Delivered, status: 200},
		"a compressed clock shortens pauses":   {options: referralhero.Options{Speed: 60}, answer: always(500), want: []time.Duration{0, time.Second, 4 * time.Second}, state: referralhero.Failed, status: 500},
		"a delay comes before the first":       {options: referralhero.Options{Speed: 2, WebhookDelay: time.Minute}, answer: always(200), want: []time.Duration{30 * time.Second}, state: referralhero.Delivered, status: 200},
		"nothing is lost that is not chosen":   {options: referralhero.Options{WebhookDrop: 2, WebhookDuplicate: 3}, answer: always(200), want: []time.Duration{0}, state: referralhero.Delivered, status: 200},
		"no answer in time, on no fast clock":  {options: referralhero.Options{Speed: 60}, answer: always(-1), want: []time.Duration{0, 11 * time.Second, 24 * time.Second}, state: referralhero.Failed},
		"what is lost on purpose is not tried": {options: referralhero.Options{WebhookDrop: 1}, state: referralhero.Dropped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, tc.options, &receiver{answer: tc.answer}, func(t *testing.T, s *referralhero.Service, _ referralhero.Webhook) {
				began := time.Now()
				signUp(t, s, "ada@example.com")
				if err := s.Delivered(t.Context()); err != nil {
					t.Fatal(err)
				}
				all := s.Deliveries()
				if len(all) != 1 || all[0].State != tc.state || len(all[0].Attempts) != len(tc.want) {
					t.Fatalf("deliveries %+v", all)
				}
				speed := max(tc.options.Speed, 1)
				for i, a := range all[0].Attempts {
					if after := time.Duration(float64(a.At.Sub(began)) / speed); after != tc.want[i] {
						t.Errorf("attempt %d after %s, want %s", i+1, after, tc.want[i])
					}
					if i == len(tc.want)-1 && a.Status != tc.status {
						t.Errorf("status %d, want %d", a.Status, tc.status)
					}
				}
			})
		})
	}
}

func TestTenFailuresSwitchOff(t *testing.T) {
	t.Parallel()
	healthy := false // read and written while nothing is on its way
	r := &receiver{answer: func(n int) int {
		if healthy || n == 9 {
			return 200
		}
		return 500
	}}
	inBubble(t, referralhero.Options{}, r, func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook) {
		began := time.Now()
		check := func(when string, off bool, failures int) {
			t.Helper()
			got := s.Webhooks(uuid)[0]
			if got.Off != off || got.Failures != failures || (got.StoppedAt != 0) != (off && failures > 0) {
				t.Errorf("%s: %+v", when, got)
			}
		}
		for i, want := range []int{3, 6, 0, 3, 6, 9} { // the ninth attempt, the third of the third, succeeds
			signUp(t, s, fmt.Sprintf("p%d@example.com", i))
			if err := s.Delivered(t.Context()); err != nil {
				t.Fatal(err)
			}
			hook.URL += "/changed" // which is no reason to begin anew
			if _, err := s.SetWebhook(uuid, hook); err != nil {
				t.Fatal(err)
			}
			check(fmt.Sprint("delivery ", i+1), false, want)
		}
		signUp(t, s, "tenth@example.com")
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("the tenth failure", true, 10)
		all := s.Deliveries()
		if last := all[len(all)-1]; last.State != referralhero.Abandoned || len(last.Attempts) != 1 {
			t.Errorf("the last delivery: %+v", last)
		}
		if stopped, want := s.Webhooks(uuid)[0].StoppedAt, began.Add(6*4*time.Minute).Unix(); stopped != want {
			t.Errorf("stopped at %d, want %d", stopped, want)
		}
		before := len(r.all())
		signUp(t, s, "unheard@example.com")
		synctest.Wait()
		if len(r.all()) != before || len(s.Deliveries()) != len(all) {
			t.Error("a webhook that is off was to be told")
		}

		healthy = true
		hook.Off = false
		if _, err := s.SetWebhook(uuid, hook); err != nil {
			t.Fatal(err)
		}
		check("switched on", false, 0)
		signUp(t, s, "heard@example.com")
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.all(); len(got) != before+1 || got[before].body["email"] != "heard@example.com" {
			t.Errorf("%d came after it was switched on", len(got)-before)
		}
	})
}

// TestSecretRenewed renews the secret between an event and its second attempt: that is signed with the old one.
func TestSecretRenewed(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(n int) int { return []int{500, 200, 200}[n-1] }}
	inBubble(t, referralhero.Options{}, r, func(t *testing.T, s *referralhero.Service, _ referralhero.Webhook) {
		old := s.WebhookSecrets().Current
		signUp(t, s, "before@example.com")
		synctest.Wait()
		renewed := s.RenewWebhookSecret()
		if diff := cmp.Diff(referralhero.WebhookSecrets{Current: renewed, Previous: old}, s.WebhookSecrets()); diff != "" || renewed == old {
			t.Errorf("secrets (-want +got):\n%s", diff)
		}
		signUp(t, s, "after@example.com")
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, secret := range []string{old, renewed, old} {
			g := r.all()[i]
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(g.raw))
			if got, want := g.header.Get(referralhero.SignatureHeader), base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
				t.Errorf("attempt %d: signature %s, want %s", i+1, got, want)
			}
		}
	})
}

func TestUnreliableDelivery(t *testing.T) {
	t.Parallel()
	const events = 60
	r := &receiver{}
	o := referralhero.Options{WebhookDuplicate: 4, WebhookDrop: 10, WebhookSpread: time.Minute, WebhookDelay: time.Second}
	inBubble(t, o, r, func(t *testing.T, s *referralhero.Service, _ referralhero.Webhook) {
		began := time.Now()
		for i := range events {
			signUp(t, s, fmt.Sprintf("p%02d@example.com", i))
		}
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		bodies, addresses := map[string]int{}, []string{}
		for _, g := range r.all() {
			bodies[g.raw]++
			addresses = append(addresses, fmt.Sprint(g.body["email"]))
			if wait := g.at.Sub(began); wait < time.Second || wait >= time.Second+time.Minute {
				t.Errorf("came after %s", wait)
			}
		}
		twice := 0
		for _, n := range bodies {
			if n == 2 {
				twice++
			}
		}
		// Events 10, 20 ... are lost; 20, 40 and 60 would have come twice.
		if len(bodies) != events-6 || twice != events/4-3 {
			t.Errorf("%d events came, %d of them twice", len(bodies), twice)
		}
		if slices.IsSorted(addresses) {
			t.Error("everything came in order")
		}
	})
}

// TestManyAtOnce holds up a webhook: API calls do not wait for it, and no more than a few attempts are made at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const events = 1010
	arrived, free := make(chan struct{}, events), make(chan struct{})
	r := &receiver{answer: func(int) int { arrived <- struct{}{}; <-free; return 200 }}
	b, _ := hooked(t, referralhero.Options{}, referralhero.List{}, r)
	for i := range events {
		signUp(t, b.Service, fmt.Sprintf("p%d@example.com", i))
	}
	for range 8 {
		<-arrived
	}
	if n := len(r.all()); n != 8 {
		t.Errorf("%d at once", n)
	}
	close(free)
	b.delivered(t)
	seen := map[string]bool{}
	for _, g := range r.all() {
		seen[g.raw] = true
	}
	if len(seen) != events || len(r.all()) != events {
		t.Errorf("%d of %d events came, in %d requests", len(seen), events, len(r.all()))
	}
	log := b.Deliveries()
	if len(log) != 1000 || log[0].ID != events-999 {
		t.Errorf("%d deliveries are kept, from %d", len(log), log[0].ID)
	}
}

// TestClose closes while one delivery is on its way, one waits for another attempt and one for a carrier.
func TestClose(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(n int) int { return []int{500, -1, -1, -1, -1, -1, -1, -1, -1, -1}[n-1] }}
	inBubble(t, referralhero.Options{}, r, func(t *testing.T, s *referralhero.Service, _ referralhero.Webhook) {
		signUp(t, s, "refused@example.com")
		synctest.Wait()
		for i := range 12 {
			signUp(t, s, fmt.Sprintf("p%d@example.com", i))
		}
		synctest.Wait()
		began := time.Now()
		s.Close()
		s.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %s", took)
		}
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.tried != 9 {
			t.Errorf("%d attempts, want the one that was refused and the eight that were on their way", r.tried)
		}
		for i, d := range s.Deliveries() {
			attempts := 0
			if i == 0 {
				attempts = 1
			}
			if d.State != referralhero.Abandoned || len(d.Attempts) != attempts {
				t.Errorf("delivery %d: %+v", i, d)
			}
		}
		if failures := s.Webhooks(uuid)[0].Failures; failures != 1 {
			t.Errorf("%d failures: what Close cut short counts", failures)
		}
		signUp(t, s, "late@example.com")
		if n := len(s.Deliveries()); n != 13 {
			t.Errorf("%d deliveries after Close", n)
		}
	})
}

// TestWhateverHappens lets answers, people and time do what they like, and then asks whether the log, the webhook and
// the receiver tell the same story.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			answers := make([]int, 2000)
			for i := range answers {
				answers[i] = []int{200, 200, 500, 500, 202, 404}[random.IntN(6)]
			}
			r := &receiver{answer: func(n int) int { return answers[n] }}
			o := referralhero.Options{Seed: seed, WebhookSpread: time.Minute, WebhookDuplicate: 5, WebhookDrop: 7}
			inBubble(t, o, r, func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook) {
				for i := range 150 {
					switch random.IntN(8) {
					case 0:
						<-time.After(time.Duration(random.Int64N(int64(2 * time.Minute))))
					case 1:
						hook.Off = random.IntN(3) == 0
						if _, err := s.SetWebhook(uuid, hook); err != nil {
							t.Fatal(err)
						}
					case 2:
						s.RenewWebhookSecret()
					default:
						signUp(t, s, fmt.Sprintf("p%d@example.com", i))
					}
				}
				if err := s.Delivered(t.Context()); err != nil {
					t.Fatal(err)
				}
				attempts := 0
				for _, d := range s.Deliveries() {
					attempts += len(d.Attempts)
					successes := 0
					for _, a := range d.Attempts {
						if a.Status == http.StatusOK {
							successes++
						}
					}
					last := len(d.Attempts) > 0 && d.Attempts[len(d.Attempts)-1].Status == http.StatusOK
					want := map[referralhero.DeliveryState]bool{
						referralhero.Delivered: successes == 1 && last && len(d.Attempts) <= 3,
						referralhero.Failed:    successes == 0 && len(d.Attempts) == 3,
						referralhero.Abandoned: successes == 0 && len(d.Attempts) < 3,
						referralhero.Dropped:   len(d.Attempts) == 0,
					}
					if !want[d.State] {
						t.Errorf("delivery %+v", d)
					}
				}
				if came := len(r.all()); came != attempts || came == 0 {
					t.Errorf("%d requests came, and the log has %d attempts", came, attempts)
				}
				if h := s.Webhooks(uuid)[0]; !h.Off && h.Failures >= 10 || h.StoppedAt != 0 && (!h.Off || h.Failures != 10) {
					t.Errorf("webhook %+v", h)
				}
			})
		})
	}
}

// TestCloseEndsTests closes while the Test button waits for an answer.
func TestCloseEndsTests(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(int) int { return -1 }}
	inBubble(t, referralhero.Options{}, r, func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook) {
		began := time.Now()
		tested := make(chan error)
		go func() {
			attempt, err := s.TestWebhook(t.Context(), uuid, hook.ID)
			if attempt.Status != 0 {
				err = fmt.Errorf("attempt %+v, %w", attempt, err)
			}
			tested <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-tested; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("ended after %s", took)
		}
	})
}

// TestLateAnswer lets a webhook be switched off while it has yet to answer: the answer counts no more.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	inBubble(t, referralhero.Options{WebhookTimeout: time.Minute}, r, func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook) {
		free := make(chan struct{})
		r.answer = func(int) int { <-free; return 500 }
		signUp(t, s, "ada@example.com")
		synctest.Wait()
		hook.Off = true
		if _, err := s.SetWebhook(uuid, hook); err != nil {
			t.Fatal(err)
		}
		close(free)
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h, d := s.Webhooks(uuid)[0], s.Deliveries()[0]; h.Failures != 0 || d.State != referralhero.Abandoned || len(d.Attempts) != 1 {
			t.Errorf("webhook %+v, delivery %+v", h, d)
		}
	})
}

func TestDeletedWebhookIsToldNoMore(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(int) int { return 500 }}
	inBubble(t, referralhero.Options{}, r, func(t *testing.T, s *referralhero.Service, hook referralhero.Webhook) {
		signUp(t, s, "ada@example.com")
		synctest.Wait()
		if !s.DeleteWebhook(uuid, hook.ID) || s.DeleteWebhook(uuid, hook.ID) || s.DeleteWebhook("MF", hook.ID) {
			t.Error("DeleteWebhook does not say what it did")
		}
		if err := s.Delivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(r.all()) != 1 || s.Deliveries()[0].State != referralhero.Abandoned {
			t.Errorf("%d came; %+v", len(r.all()), s.Deliveries())
		}
	})
}

func TestTestButton(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer int
		off    bool
		state  referralhero.DeliveryState
	}{
		"answered":           {answer: 200, state: referralhero.Delivered},
		"refused":            {answer: 403, state: referralhero.Failed},
		"of one that is off": {answer: 200, off: true, state: referralhero.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &receiver{answer: func(int) int { return tc.answer }}
			b, hook := hooked(t, referralhero.Options{}, referralhero.List{}, r)
			hook.Off = tc.off
			if _, err := b.SetWebhook(uuid, hook); err != nil {
				t.Fatal(err)
			}
			attempt, err := b.TestWebhook(t.Context(), uuid, hook.ID)
			if err != nil || attempt.Status != tc.answer || attempt.Answer != "answer 1" {
				t.Errorf("attempt %+v, %v", attempt, err)
			}
			b.delivered(t)
			g := r.all()
			if len(g) != 1 || g[0].header.Get(referralhero.SignatureHeader) == "" {
				t.Fatalf("got %+v", g)
			}
			check(t, g[0].body, object{"list_uuid": "MFXXXX", "subscriber_id": "sub_123ABC", "response": "new_registration", "referral": ""})
			d := b.Deliveries()[0]
			if d.State != tc.state || !d.Test || len(d.Attempts) != 1 {
				t.Errorf("delivery %+v", d)
			}
			if got := b.Webhooks(uuid)[0]; got.Failures != 0 || got.Off != tc.off {
				t.Errorf("a test counts: %+v", got)
			}
		})
	}
	b, _ := hooked(t, referralhero.Options{}, referralhero.List{}, &receiver{})
	if _, err := b.TestWebhook(t.Context(), uuid, "wh_other"); err == nil {
		t.Error("tested a webhook that is not there")
	}
	gone, err := b.SetWebhook(uuid, referralhero.Webhook{URL: "http://127.0.0.1:1/"})
	if err != nil {
		t.Fatal(err)
	}
	attempt, err := b.TestWebhook(t.Context(), uuid, gone.ID)
	if err != nil || attempt.Status != 0 || !strings.Contains(attempt.Outcome(), "connection refused") || strings.Contains(attempt.Answer, "http") {
		t.Errorf("attempt %+v, %v", attempt, err)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	for name, tc := range map[string]struct {
		list string
		hook referralhero.Webhook
	}{
		"no address":        {uuid, referralhero.Webhook{}},
		"no host":           {uuid, referralhero.Webhook{URL: "https:///hook"}},
		"another scheme":    {uuid, referralhero.Webhook{URL: "ftp://receiver.example/"}},
		"an unknown event":  {uuid, referralhero.Webhook{URL: "https://receiver.example/", Events: []referralhero.WebhookEvent{"subscriber_born"}}},
		"an unknown list":   {"MF", referralhero.Webhook{URL: "https://receiver.example/"}},
		"an id of no other": {uuid, referralhero.Webhook{ID: "wh_1", URL: "https://receiver.example/"}},
	} {
		if hook, err := b.SetWebhook(tc.list, tc.hook); err == nil {
			t.Errorf("%s: taken as %+v", name, hook)
		}
	}
	if got := b.Webhooks(uuid); len(got) != 0 {
		t.Errorf("webhooks %+v", got)
	}
}

func TestRestoreWebhooks(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(n int) int { return map[bool]int{true: 500, false: 200}[n == 1] }}
	before := referralhero.New(referralhero.Options{Transport: r})
	defer before.Close()
	list := before.Lists()[0].UUID
	hook, err := before.SetWebhook(list, referralhero.Webhook{URL: "https://receiver.example/", Events: []referralhero.WebhookEvent{referralhero.SubscriberDeleted, referralhero.NewRegistration}})
	if err != nil {
		t.Fatal(err)
	}
	off, err := before.SetWebhook(list, referralhero.Webhook{URL: "https://other.example/", Off: true})
	if err != nil {
		t.Fatal(err)
	}
	before.RenewWebhookSecret()
	saved, err := before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, given := range map[string]string{"a made secret is restored": "", "a given one stays": "given"} {
		t.Run(name, func(t *testing.T) {
			after := referralhero.New(referralhero.Options{WebhookSecret: given})
			defer after.Close()
			if err := after.Restore(saved); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]referralhero.Webhook{hook, off}, after.Webhooks(list)); diff != "" {
				t.Errorf("webhooks (-want +got):\n%s", diff)
			}
			want := before.WebhookSecrets()
			if given != "" {
				want.Current = given
			}
			if diff := cmp.Diff(want, after.WebhookSecrets()); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
		})
	}
	broken := bytes.Replace(saved, []byte("https://other.example/"), []byte("other"), 1)
	if err := referralhero.New(referralhero.Options{}).Restore(broken); err == nil {
		t.Error("restored a webhook without an address")
	}
	var older map[string]any
	if err := json.Unmarshal(saved, &older); err != nil {
		t.Fatal(err)
	}
	delete(older, "webhook_secrets")
	saved, err = json.Marshal(older)
	after := referralhero.New(referralhero.Options{})
	if err := errors.Join(err, after.Restore(saved)); err != nil || len(after.WebhookSecrets().Current) != 40 {
		t.Errorf("an older snapshot: %v, secrets %+v", err, after.WebhookSecrets())
	}
}

func TestWebhookPages(t *testing.T) {
	t.Parallel()
	r := &receiver{answer: func(n int) int { return map[bool]int{true: 418, false: 200}[n == 1] }}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	b := setup(t, referralhero.Options{}, referralhero.List{})
	t.Cleanup(b.Close)
	page := "/lists/" + uuid + "/webhooks"
	contains(t, b.browse(t, "/lists/"+uuid, nil), "Webhooks (0)", page)
	contains(t, b.browse(t, page, nil), "Nobody is told", `name="new_registration" checked`, `name="reward_sent" checked`)
	contains(t, b.browse(t, "/deliveries", nil), "Nothing was delivered", b.WebhookSecrets().Current, "/faults")
	contains(t, b.browse(t, page, url.Values{"url": {server.URL}}), "choose an event")
	contains(t, b.browse(t, page, url.Values{"url": {"receiver"}, "new_registration": {"on"}}), "Not saved", "&#34;receiver&#34; is no address")
	contains(t, b.browse(t, page, url.Values{"url": {server.URL}, "new_registration": {"on"}}), "Saved.", server.URL, "On. Failures in a row: 0")
	hook := b.Webhooks(uuid)[0]
	if diff := cmp.Diff([]referralhero.WebhookEvent{referralhero.NewRegistration}, hook.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	one := page + "/" + hook.ID
	contains(t, b.browse(t, one+"/test", url.Values{}), "Tested: 418 answer 1")
	contains(t, b.browse(t, one+"/switch", url.Values{"to": {"off"}}), "Switched off.", "Off. Failures", "Switch on")
	contains(t, b.browse(t, one, url.Values{"url": {server.URL + "/new"}, "subscriber_deleted": {"on"}}), "Saved.", server.URL+"/new", "Off. Failures")
	contains(t, b.browse(t, one+"/switch", url.Values{"to": {"on"}}), "Switched on.", "Switch off")
	ada := b.add(t, object{"email": "ada@example.com", "name": "<i>Ada"})
	b.browse(t, fmt.Sprintf("/lists/%s/subscribers/%s/delete", uuid, ada["id"]), url.Values{})
	b.delivered(t)
	contains(t, b.browse(t, "/deliveries", nil), "1 delivered", "1 failed", "(test)", "418 answer 1", "200 answer 2", "subscriber_deleted", `\u003ci\u003eAda`, "after 0s, "+server.URL+"/new", b.Deliveries()[1].Signature[:8])
	old := b.WebhookSecrets().Current
	contains(t, b.browse(t, "/webhook-secret", url.Values{}), "new one", "before that <code>"+old, b.WebhookSecrets().Current)
	contains(t, b.browse(t, one+"/delete", url.Values{}), "Deleted.", "Nobody is told")
	for _, path := range []string{one + "/switch", one + "/test"} {
		answer, err := http.PostForm(b.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s of one that is gone: status %d", path, answer.StatusCode)
		}
	}
}

func TestStoppedWebhookShows(t *testing.T) {
	t.Parallel()
	b, hook := hooked(t, referralhero.Options{Speed: 1e6}, referralhero.List{}, &receiver{answer: func(int) int { return 500 }})
	for i := range 4 {
		b.add(t, object{"email": fmt.Sprintf("p%d@example.com", i)})
		b.delivered(t)
	}
	page := "/lists/" + uuid + "/webhooks"
	contains(t, b.browse(t, page, nil), "Switched off by failures, 2 Mar 2026, 12:00:00 UTC.", "Failures in a row: 10", "Switch on")
	contains(t, b.browse(t, page+"/"+hook.ID+"/switch", url.Values{"to": {"on"}}), "On. Failures in a row: 0")
}

func TestWebhookControls(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	b, hook := hooked(t, referralhero.Options{}, referralhero.List{}, r)
	b.add(t, object{"email": "ada@example.com"})
	b.delivered(t)
	list := "/__control/lists/" + uuid + "/webhooks"
	one := list + "/" + hook.ID
	for _, tc := range []struct{ request, body, want string }{
		{"GET " + list, "", hook.ID},
		{"GET /__control/lists/MF/webhooks", "", "no such campaign"},
		{"POST " + list, `{"url":"https://receiver.example/"}`, `"reward_sent"`},
		{"POST " + list, `{"url":"https://receiver.example/","secret":"x"}`, "unknown field"},
		{"POST /__control/lists/MF/webhooks", `{"url":"https://receiver.example/"}`, "no such campaign"},
		{"PUT " + one, `{"url":"` + hook.URL + `","events":["subscriber_deleted"],"off":true}`, `"events":["subscriber_deleted"],"off":true`},
		{"PUT " + list + "/wh_other", `{"url":"https://receiver.example/"}`, "no such webhook"},
		{"POST " + one + "/test", "", `"status":200,"answer":"answer 2"`},
		{"POST " + list + "/wh_other/test", "", "no such webhook"},
		{"GET /__control/deliveries", "", `"state":"delivered"`},
		{"DELETE " + one, "", `"deleted":true`},
		{"DELETE " + one, "", `"deleted":false`},
		{"GET /__control/webhook-secret", "", `{"current":"` + b.WebhookSecrets().Current + `"}`},
		{"POST /__control/webhook-secret", "", `"previous":"` + b.WebhookSecrets().Current},
		{"POST /__control/switches", `{"webhook-signature":"hex","webhook-drop":"3"}`, `"webhook-drop":"3"`},
		{"POST /__control/switches", `{"webhook-signature":"md5"}`, "must be one of"},
	} {
		method, path, _ := strings.Cut(tc.request, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(text), tc.want) {
			t.Errorf("%s: %v, %s; want %s", tc.request, err, text, tc.want)
		}
	}
}
