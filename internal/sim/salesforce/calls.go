package salesforce

import (
	"sync"
	"time"
)

// Counts are the requests that an org has had.
type Counts struct {
	Token int `json:"token"` // of the token endpoint
	Login int `json:"login"` // of the rest of OAuth
	Query int `json:"query"` // queries and their further pages
	Other int `json:"other"` // of the rest of the REST API, and of the Metadata API
	// API counts the calls that the org's daily allowance pays for: Query and Other with a live access token.
	API         int `json:"api"`
	Refused     int `json:"refused"` // for want of allowance
	InFlight    int `json:"inFlight"`
	MaxInFlight int `json:"maxInFlight"` // the most at once, of all kinds
}

// calls counts requests, and keeps the rolling day's allowance.
type calls struct {
	now func() time.Time

	mu     sync.Mutex
	counts Counts
	day    [288]struct { // one for each five minutes of a day, reused the next day
		slot  int64
		calls int
	}
}

const slotLength = 24 * time.Hour / 288

func (c *calls) begin(kind Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch kind {
	case KindToken:
		c.counts.Token++
	case KindLogin:
		c.counts.Login++
	case KindQuery:
		c.counts.Query++
	case KindOther, KindMetadata:
		c.counts.Other++
	}
	c.counts.InFlight++
	c.counts.MaxInFlight = max(c.counts.MaxInFlight, c.counts.InFlight)
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.InFlight--
}

// used is how many calls the last 24 hours have had, to five minutes.
func (c *calls) used() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usedLocked()
}

func (c *calls) usedLocked() int {
	slot := c.now().UnixNano() / int64(slotLength)
	sum := 0
	for _, s := range c.day {
		if slot-s.slot < int64(len(c.day)) {
			sum += s.calls
		}
	}
	return sum
}

// spend takes one call from an allowance; false means that none was left.
func (c *calls) spend(allowance int) (used int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	used = c.usedLocked()
	if used >= allowance {
		c.counts.Refused++
		return used, false
	}
	c.counts.API++
	slot := c.now().UnixNano() / int64(slotLength)
	at := &c.day[slot%int64(len(c.day))]
	if at.slot != slot {
		at.slot, at.calls = slot, 0
	}
	at.calls++
	return used + 1, true
}

// Counts returns the requests so far.
func (o *Org) Counts() Counts {
	o.calls.mu.Lock()
	defer o.calls.mu.Unlock()
	return o.calls.counts
}

// ResetCounts begins to count anew. The daily allowance stays used.
func (o *Org) ResetCounts() {
	o.calls.mu.Lock()
	defer o.calls.mu.Unlock()
	o.calls.counts = Counts{InFlight: o.calls.counts.InFlight}
}
