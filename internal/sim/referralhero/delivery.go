package referralhero

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SignatureHeader carries the signature of a webhook's body.
const SignatureHeader = "X-ReferralHero-Signature"

// Encoding is how a signature is written: an HMAC-SHA256 of the raw body. The vendor does not say which it uses;
// its sample loads base64.
type Encoding string

// The encodings of signatures.
const (
	Base64    Encoding = "base64"
	Base64URL Encoding = "base64url" // with padding
	Hex       Encoding = "hex"
	Unsigned  Encoding = "none" // "Payload Verification" is off: there is no header
)

// sign returns the signature of a body, or nothing.
func (e Encoding) sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	sum := mac.Sum(nil)
	switch e {
	case Unsigned:
		return ""
	case Hex:
		return hex.EncodeToString(sum)
	case Base64URL:
		return base64.URLEncoding.EncodeToString(sum)
	default:
		return base64.StdEncoding.EncodeToString(sum)
	}
}

// Delivery is a message to a webhook, and what became of it.
type Delivery struct {
	ID        int           `json:"id"`
	At        time.Time     `json:"at"` // when it happened, on the Service's clock
	List      string        `json:"list"`
	Webhook   string        `json:"webhook"`
	Event     WebhookEvent  `json:"event"`
	Test      bool          `json:"test,omitempty"` // it came from the Test button
	Body      string        `json:"body"`
	Signature string        `json:"signature"` // empty means none is sent
	State     DeliveryState `json:"state"`
	Attempts  []Attempt     `json:"attempts"`
}

// Attempt is one try of a Delivery.
type Attempt struct {
	At     time.Time `json:"at"` // on the Service's clock
	URL    string    `json:"url"`
	Status int       `json:"status"` // of HTTP; 0 if there was no answer
	Answer string    `json:"answer"` // its beginning, or why there was none
}

// DeliveryState says how far a Delivery has come.
type DeliveryState string

// The states of deliveries. All but Waiting are final.
const (
	Waiting   DeliveryState = "waiting"
	Delivered DeliveryState = "delivered" // answered 200: no other status will do
	Failed    DeliveryState = "failed"    // not tried again
	Abandoned DeliveryState = "abandoned" // its webhook was off, or gone, when its turn came
	Dropped   DeliveryState = "dropped"   // lost on purpose, by the switch webhook-drop
)

// pauses are between the attempts of a delivery. The vendor says that there are three within five minutes.
var pauses = [...]time.Duration{time.Minute, 3 * time.Minute}

const (
	mostFailures   = 10   // in a row, over all deliveries of a webhook, switch it off
	mostDeliveries = 1000 // are kept in the log: the newest
	mostAtOnce     = 8    // attempts
	longestAnswer  = 256  // bytes are kept of what a webhook answers
)

// courier takes deliveries to where they go, in the background. The Service's lock protects it. It has goroutines
// only while something is due.
type courier struct {
	client   *http.Client
	running  context.Context // until Close
	stop     context.CancelFunc
	carriers sync.WaitGroup
	carrying int // carriers at work

	due    []*Delivery
	timers map[*Delivery]*time.Timer // of those that are not due yet
	open   int                       // deliveries without a final state
	idle   chan struct{}             // closed while open is 0
	events int                       // that webhooks were to be told of so far
	log    []*Delivery
	made   int // deliveries so far
}

func newCourier(transport http.RoundTripper) *courier {
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: mostAtOnce, IdleConnTimeout: time.Minute}
	}
	c := &courier{
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		timers: map[*Delivery]*time.Timer{}, idle: make(chan struct{}),
	}
	c.running, c.stop = context.WithCancel(context.Background())
	close(c.idle)
	return c
}

// Close ends all deliveries: those on their way at once, those that wait without an attempt. It returns when
// nothing runs in the background any more. Calls are still answered, and webhooks no longer told.
func (s *Service) Close() {
	s.mu.Lock()
	s.courier.stop()
	for d, timer := range s.courier.timers {
		timer.Stop()
		s.end(d, Abandoned)
	}
	clear(s.courier.timers)
	for _, d := range s.courier.due {
		s.end(d, Abandoned)
	}
	s.courier.due = nil
	s.mu.Unlock()
	s.courier.carriers.Wait()
	s.courier.client.CloseIdleConnections()
}

// Delivered waits until nothing is on its way to a webhook and nothing waits for another attempt. It returns
// ctx's error if ctx ends first.
func (s *Service) Delivered(ctx context.Context) error {
	s.mu.Lock()
	idle := s.courier.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deliveries returns the newest thousand deliveries, oldest first.
func (s *Service) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	deliveries := make([]Delivery, len(s.courier.log))
	for i, d := range s.courier.log {
		deliveries[i] = *d
		deliveries[i].Attempts = slices.Clone(d.Attempts)
	}
	return deliveries
}

// dispatch has a webhook told of an event, as the switches say: late, twice, or not at all. The lock is held.
func (s *Service) dispatch(c *campaign, h *Webhook, event WebhookEvent, body string) {
	if s.courier.running.Err() != nil {
		return
	}
	s.courier.events++
	every := func(n int) bool { return n > 0 && s.courier.events%n == 0 }
	copies := 1
	if every(s.options.WebhookDuplicate) {
		copies = 2
	}
	for range copies {
		d := s.newDelivery(c.UUID, h.ID, event, body)
		if every(s.options.WebhookDrop) {
			s.end(d, Dropped)
			continue
		}
		wait := s.options.WebhookDelay
		if s.options.WebhookSpread > 0 {
			wait += time.Duration(s.random.Int64N(int64(s.options.WebhookSpread)))
		}
		s.schedule(d, wait)
	}
}

// newDelivery begins a delivery, signs it and puts it into the log. The lock is held.
func (s *Service) newDelivery(list, webhook string, event WebhookEvent, body string) *Delivery {
	q := s.courier
	q.made++
	d := &Delivery{ID: q.made, At: s.now(), List: list, Webhook: webhook, Event: event, Body: body, State: Waiting, Attempts: []Attempt{}}
	if d.Signature = s.options.Signature.sign(s.secrets.Current, body); d.Signature != "" && s.options.SignaturePrefix {
		d.Signature = "sha256=" + d.Signature
	}
	if len(q.log) == mostDeliveries {
		q.log = slices.Delete(q.log, 0, 1)
	}
	q.log = append(q.log, d)
	if q.open == 0 {
		q.idle = make(chan struct{})
	}
	q.open++
	return d
}

// end gives a delivery its final state. The lock is held.
func (s *Service) end(d *Delivery, state DeliveryState) {
	d.State = state
	if s.courier.open--; s.courier.open == 0 {
		close(s.courier.idle)
	}
}

// schedule makes a delivery due after a while on the Service's clock. The lock is held.
func (s *Service) schedule(d *Delivery, wait time.Duration) {
	q := s.courier
	if wait = time.Duration(float64(wait) / s.options.Speed); wait <= 0 {
		s.hand(d)
		return
	}
	q.timers[d] = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.timers[d] != nil { // else Close was first
			delete(q.timers, d)
			s.hand(d)
		}
	})
}

// hand gives a delivery that is due to a carrier. The lock is held.
func (s *Service) hand(d *Delivery) {
	q := s.courier
	q.due = append(q.due, d)
	if q.carrying < mostAtOnce {
		q.carrying++
		q.carriers.Go(s.carry)
	}
}

// carry makes attempts until none is due.
func (s *Service) carry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.courier
	for len(q.due) > 0 {
		d := q.due[0]
		q.due = q.due[1:]
		h := s.webhook(d.List, d.Webhook)
		if h == nil || h.Off {
			s.end(d, Abandoned)
			continue
		}
		address, timeout, at := h.URL, s.options.WebhookTimeout, s.now()
		s.mu.Unlock()
		attempt := q.attempt(q.running, timeout, address, d)
		s.mu.Lock()
		attempt.At = at
		s.note(d, attempt)
	}
	q.carrying--
}

// note says what an attempt means to a delivery and to its webhook. The lock is held.
func (s *Service) note(d *Delivery, attempt Attempt) {
	if s.courier.running.Err() != nil { // an attempt that Close cut short says nothing about the webhook
		s.end(d, Abandoned)
		return
	}
	d.Attempts = append(d.Attempts, attempt)
	ok := attempt.Status == http.StatusOK
	if h := s.webhook(d.List, d.Webhook); h != nil && !h.Off { // what comes late changes nothing of one that is off
		h.count(ok, s.now())
	}
	if ok {
		s.end(d, Delivered)
		return
	}
	if len(d.Attempts) > len(pauses) {
		s.end(d, Failed)
		return
	}
	s.schedule(d, pauses[len(d.Attempts)-1])
}

// count counts an attempt: too many failures in a row switch the webhook off.
func (h *Webhook) count(ok bool, now time.Time) {
	if ok {
		h.Failures = 0
		return
	}
	if h.Failures++; h.Failures >= mostFailures {
		h.Off, h.StoppedAt = true, now.Unix()
	}
}

// attempt sends a delivery to an address. The receiver's clock is not ours, so timeout is in real time.
func (q *courier) attempt(ctx context.Context, timeout time.Duration, address string, d *Delivery) Attempt {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, answer, err := q.post(ctx, address, d)
	if err != nil {
		answer = err.Error()
	}
	return Attempt{URL: address, Status: status, Answer: answer}
}

func (q *courier) post(ctx context.Context, address string, d *Delivery) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(d.Body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "ReferralHero (simulated)")
	if d.Signature != "" {
		r.Header.Set(SignatureHeader, d.Signature)
	}
	response, err := q.client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the address, which stands beside it
	}
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, longestAnswer)) // the status alone decides
	return response.StatusCode, strings.ToValidUTF8(string(text), "\uFFFD"), nil
}

// TestWebhook does what the Test button does: it sends made-up data to a webhook, also to one that is off, and
// returns what came of it. There is one attempt, and it counts neither for nor against the webhook. The error
// says that there is no such webhook.
func (s *Service) TestWebhook(ctx context.Context, list, id string) (Attempt, error) {
	body, err := json.Marshal(ping)
	if err != nil {
		return Attempt{}, err
	}
	s.mu.Lock()
	h := s.webhook(list, id)
	if h == nil {
		s.mu.Unlock()
		return Attempt{}, errNoWebhook
	}
	d := s.newDelivery(list, id, ping.Response, string(body))
	d.Test = true
	address, timeout := h.URL, s.options.WebhookTimeout
	s.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.courier.running, cancel)()
	attempt := s.courier.attempt(ctx, timeout, address, d)

	s.mu.Lock()
	defer s.mu.Unlock()
	attempt.At = d.At
	d.Attempts = append(d.Attempts, attempt)
	if attempt.Status == http.StatusOK {
		s.end(d, Delivered)
	} else {
		s.end(d, Failed)
	}
	return attempt, nil
}

// Outcome says in words what came of an attempt.
func (a Attempt) Outcome() string {
	if a.Status == 0 {
		return "no answer: " + a.Answer
	}
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + a.Answer)
}
