package conversion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// weather is how much goes wrong, in percent of calls, and of workers.
type weather struct {
	hero, org, mortality int
}

// faults let calls go wrong, and watch those that move referrals.
type faults struct {
	w *world

	script func(*http.Request) *simhero.Fault // decides first, if there is one

	mu       sync.Mutex
	weather  weather
	paused   bool      // nothing goes wrong just now
	orgDown  time.Time // until then nothing works there
	advances map[string]int
	lost     int // answers of calls that were carried out
	twice    []string
}

func (f *faults) set(w weather) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.weather = w
	f.w.org.SetFault(f.org)
}

// pause lets nothing go wrong, or goes on.
func (f *faults) pause(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused = on
}

func (f *faults) now() weather {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.weather
}

// carriedOut are the faults that lose the answer only.
var carriedOut = []simhero.FaultKind{simhero.Cut, simhero.BrokenAfter, simhero.Truncated}

// notCarriedOut are those that nothing comes of.
var notCarriedOut = []simhero.FaultKind{simhero.CutBefore, simhero.Broken, simhero.Gateway, simhero.ErrorIn200}

// hero decides what goes wrong with a call to ReferralHero. Requests of people are left alone.
func (f *faults) hero(r *http.Request) *simhero.Fault {
	if r.Header.Get("X-Person") != "" {
		return nil
	}
	if f.script != nil {
		fault := f.script(r)
		if fault == nil || slices.Contains(carriedOut, fault.Kind) {
			f.watch(r)
		}
		return fault
	}
	f.mu.Lock()
	var fault *simhero.Fault
	done := true
	percent := f.weather.hero
	switch {
	case f.paused:
		percent = 0
	case moves(r) && percent > 0:
		percent = 50 // what matters most has the worst of it
	}
	if f.w.roll(100) < percent {
		switch f.w.roll(20) {
		case 0:
			fault, done = &simhero.Fault{Kind: simhero.Throttle}, false
		case 1, 2, 3, 4, 5, 6, 7:
			fault, done = &simhero.Fault{Kind: notCarriedOut[f.w.roll(len(notCarriedOut))]}, false
		default:
			fault = &simhero.Fault{Kind: carriedOut[f.w.roll(len(carriedOut))]}
			f.lost++
		}
	}
	f.mu.Unlock()
	if done && r.Method == http.MethodPost {
		f.watch(r)
	}
	return fault
}

// moves reports whether a call moves a referral.
func moves(r *http.Request) bool {
	return r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/track_referral_conversion_event") || strings.HasSuffix(r.URL.Path, "/confirm"))
}

// watch notes a call that moves a referral and is carried out: the second one for the same step, or one that comes when
// the step is done already, may move it one step too far.
func (f *faults) watch(r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v2/lists/"), "/")
	list := parts[0]
	step, id, mail := "", "", ""
	switch {
	case strings.HasSuffix(r.URL.Path, "/track_referral_conversion_event"):
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var in struct{ Email string }
		_ = json.Unmarshal(body, &in)
		mail = strings.ToLower(in.Email)
		step = "confirmed"
		if bridge.CampaignID(list) == three {
			step = "unconfirmed"
		}
	case strings.HasSuffix(r.URL.Path, "/confirm") && len(parts) == 4:
		step, id = "confirmed", parts[2]
	default:
		return
	}
	for _, s := range f.w.hero.Subscribers(list) {
		if s.ID != id && !(mail != "" && strings.ToLower(s.Email) == mail) {
			continue
		}
		key := list + " " + s.ID + " " + step
		f.mu.Lock()
		if f.advances == nil {
			f.advances = map[string]int{}
		}
		f.advances[key]++
		if rank(string(s.Status)) >= rank(step) || f.advances[key] > 1 {
			f.twice = append(f.twice, fmt.Sprintf("%s, which is %s, for the %d. time", key, s.Status, f.advances[key]))
		}
		f.mu.Unlock()
	}
}

func rank(status string) int {
	return map[string]int{"pending": 1, "unconfirmed": 2, "confirmed": 3}[status]
}

// org decides what goes wrong with a call to Salesforce.
func (f *faults) org(r *http.Request) *simorg.Fault {
	if r.Header.Get("X-Person") != "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused {
		return nil
	}
	if f.w.Now().Before(f.orgDown) {
		return &simorg.Fault{Status: 503, HTML: true}
	}
	if f.w.roll(100) >= f.weather.org {
		return nil
	}
	switch f.w.roll(10) {
	case 0:
		return &simorg.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}
	case 1, 2, 3:
		return &simorg.Fault{Drop: true}
	case 4:
		return &simorg.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}
	default:
		return &simorg.Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "try later"}
	}
}
