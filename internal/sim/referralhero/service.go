package referralhero

import (
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Service is a simulated ReferralHero with one account. It is safe for use by several goroutines. Close ends what it
// does in the background.
type Service struct {
	routes http.Handler

	mu        sync.Mutex
	options   Options
	began     time.Time     // on the given clock; Speed applies from here
	skew      time.Duration // added to the clock, so that it does not run backwards after Restore
	token     string
	secrets   WebhookSecrets
	source    *rand.ChaCha8
	random    *rand.Rand
	limiter   limiter
	tally     tally
	campaigns []*campaign // as they were made
	mails     mailbox
	counts    counter
	courier   *courier
	entries   int // given as ids to transactions and rewards so far
}

// New returns a Service.
func New(o Options) *Service {
	o.fill()
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("referralhero %d", o.Seed))
	s := &Service{options: o, began: o.Now(), source: rand.NewChaCha8(seed), tally: make(tally, len(o.FaultRules))}
	s.random = rand.New(s.source)
	s.token = s.hex(40)
	if o.Token != "" {
		s.token = o.Token
	}
	s.limiter = limiter{kind: o.WindowKind, limit: o.Limit, window: o.Window}
	if o.Lists == nil {
		s.seed()
	}
	for _, list := range o.Lists {
		s.addCampaign(list)
	}
	s.populate(o.Subscribers)
	s.secrets.Current = s.hex(40)
	if o.WebhookSecret != "" {
		s.secrets.Current = o.WebhookSecret
	}
	s.courier = newCourier(o.Transport)
	s.routes = s.handler()
	return s
}

// ServeHTTP answers the API, the pages and the controls.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, run := range endpoints {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /api/v2"+path, s.api(pattern, run))
	}
	mux.Handle("/api/v2/", s.api("unknown", func(*Service, *call) (any, error) {
		return nil, refuse("not_found", "There is no such endpoint")
	}))
	browser := http.NewServeMux()
	s.pages(browser)
	s.controls(browser)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(browser))
	return mux
}

// Token returns the API token that is accepted.
func (s *Service) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// RenewToken makes a new API token, as the dashboard can, and returns it. The old one is refused from now on.
func (s *Service) RenewToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = s.hex(40)
	return s.token
}

// Set changes a switch while the Service runs. name and value are those of a flag of Flags; those of the
// start, such as seed, cannot be changed. A change of the limit or its window begins a new window.
func (s *Service) Set(name, value string) error {
	return s.setAll(map[string]string{name: value})
}

// setAll changes several switches, or none if one is wrong.
func (s *Service) setAll(values map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.options
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	switches(fs, &o)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := fs.Set(name, strings.TrimSpace(values[name])); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !slices.Equal(o.FaultRules, s.options.FaultRules) {
		s.tally = make(tally, len(o.FaultRules))
	}
	fresh := limiter{kind: o.WindowKind, limit: o.Limit, window: o.Window}
	if fresh.kind != s.limiter.kind || fresh.limit != s.limiter.limit || fresh.window != s.limiter.window {
		s.limiter = fresh
	}
	s.options = o
	return nil
}

// now returns the time on the Service's clock. The lock is held.
func (s *Service) now() time.Time {
	now := s.options.Now()
	if s.options.Speed != 1 {
		now = s.began.Add(time.Duration(float64(now.Sub(s.began)) * s.options.Speed))
	}
	return now.Add(s.skew)
}

// latency returns how long to wait, in real time, before an answer. The lock is held.
func (s *Service) latency() time.Duration {
	d := float64(s.options.Latency) / s.options.Speed
	if s.options.Jitter > 0 {
		d *= math.Exp(s.options.Jitter * s.random.NormFloat64())
	}
	return time.Duration(d)
}

// hex returns n random hexadecimal digits.
func (s *Service) hex(n int) string {
	bytes := make([]byte, (n+1)/2)
	_, _ = s.source.Read(bytes) // never fails
	return hex.EncodeToString(bytes)[:n]
}

// fresh returns prefix and n hexadecimal digits that are not taken.
func (s *Service) fresh(prefix string, n int, taken map[string]*member) string {
	for {
		if text := prefix + s.hex(n); taken[text] == nil {
			return text
		}
	}
}

func (s *Service) addCampaign(list List) *campaign {
	if list.UUID == "" {
		list.UUID = "MF" + s.hex(10)
	}
	if list.CreatedAt == 0 {
		list.CreatedAt = s.now().Unix()
	}
	c := newCampaign(list)
	s.campaigns = append(s.campaigns, c)
	return c
}

// campaign returns the campaign with a uuid, or nil.
func (s *Service) campaign(uuid string) *campaign {
	for _, c := range s.campaigns {
		if c.UUID == uuid {
			return c
		}
	}
	return nil
}

// Lists returns the campaigns, as they were made.
func (s *Service) Lists() []List {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := make([]List, len(s.campaigns))
	for i, c := range s.campaigns {
		lists[i] = c.List
	}
	return lists
}

// SetList changes the settings of the campaign with list's uuid, or makes one. The identifier of a campaign
// with subscribers stays as it is.
func (s *Service) SetList(list List) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(list.UUID)
	if c == nil {
		s.addCampaign(list)
		return
	}
	if len(c.byID) > 0 {
		list.Identifier = c.Identifier
	}
	list.Identifier, list.Events = either(list.Identifier, ByEmail), either(list.Events, 1)
	list.CreatedAt = either(list.CreatedAt, c.CreatedAt)
	c.List = list
}

// Subscribers returns everybody in a campaign in order of sign-up, also those who are not verified.
func (s *Service) Subscribers(uuid string) []Subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.campaign(uuid); c != nil {
		return c.subscribers()
	}
	return nil
}

// Transactions returns the transactions of a campaign in the order in which they came.
func (s *Service) Transactions(uuid string) []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.campaign(uuid); c != nil {
		return c.allTransactions()
	}
	return nil
}
