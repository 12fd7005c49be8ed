package referralhero

import (
	"maps"
	"sync"
	"time"
)

// Counts are numbers of calls since the start, or since ResetCounts.
type Counts struct {
	Calls       int            `json:"calls"` // all that came, whatever the answer
	ByPath      map[string]int `json:"by_path"`
	Counted     int            `json:"counted"` // against the limit
	Answers429  int            `json:"answers_429"`
	MaxInFlight int            `json:"max_in_flight"`
	FirstCall   time.Time      `json:"first_call,omitzero"` // on the Service's clock
	LastCall    time.Time      `json:"last_call,omitzero"`
}

// Call is one call as the log keeps it.
type Call struct {
	At       time.Time `json:"at"` // when it came, on the Service's clock
	Endpoint string    `json:"endpoint"`
	Status   int       `json:"status"`  // of HTTP; 0 if there was no answer
	Counted  bool      `json:"counted"` // against the limit
}

// longestLog is how many calls the log keeps: the newest.
const longestLog = 1 << 20

// counter counts calls. It has a lock of its own, since calls in flight are counted while others work.
type counter struct {
	mu       sync.Mutex
	inFlight int
	counts   Counts
	log      []Call
}

func (c *counter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight++
	c.counts.MaxInFlight = max(c.counts.MaxInFlight, c.inFlight)
}

func (c *counter) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
}

func (c *counter) note(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts.ByPath == nil {
		c.counts.ByPath = map[string]int{}
	}
	if c.counts.Calls == 0 || call.At.Before(c.counts.FirstCall) {
		c.counts.FirstCall = call.At
	}
	if call.At.After(c.counts.LastCall) {
		c.counts.LastCall = call.At
	}
	c.counts.Calls++
	c.counts.ByPath[call.Endpoint]++
	if call.Counted {
		c.counts.Counted++
	}
	if call.Status == 429 {
		c.counts.Answers429++
	}
	if len(c.log) == longestLog {
		c.log = c.log[1:]
	}
	c.log = append(c.log, call)
}

// Counts returns the numbers of calls so far.
func (s *Service) Counts() Counts {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	counts := s.counts.counts
	counts.ByPath = maps.Clone(counts.ByPath)
	return counts
}

// ResetCounts begins counting anew and empties the log. The allowance stays as used as it is.
func (s *Service) ResetCounts() {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	s.counts.counts, s.counts.log = Counts{MaxInFlight: s.counts.inFlight}, nil
}

// Calls returns the log of calls in the order in which they were answered: the newest million.
func (s *Service) Calls() []Call {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return append([]Call(nil), s.counts.log...)
}
