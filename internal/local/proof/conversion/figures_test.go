package conversion

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	core "github.com/referralbridge/referralbridge/internal/conversion"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// The words of the log that alarms look for.
const (
	drift  = "entry differs and nothing explains it"
	doubt  = "effect in doubt"
	manual = "effect left to a person"
)

// said counts the lines of the log with all of some words.
func (s *story) said(words ...string) int {
	n := 0
	for line := range strings.Lines(s.logs.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

// unseen closes the time until now without a look at what happened in it.
func (s *story) unseen() {
	s.t.Helper()
	s.rewatch(func(v *bridge.Watch) { v.Closed = s.Now().Add(6 * time.Minute) })
}

func (s *story) rewatch(edit func(*bridge.Watch)) {
	s.t.Helper()
	v, err := s.store.Watch(s.t.Context(), account, connection)
	s.ok(err)
	edit(&v)
	s.ok(s.store.SaveWatch(s.t.Context(), v))
}

// blindfold is an org that shares no deals with the connected user.
type blindfold struct{ core.Org }

func (blindfold) Deals(context.Context, []bridge.SalesforceID, bridge.DealColumns) ([]bridge.Deal, []bridge.Stage, error) {
	return nil, nil, nil
}

// TestDrift has the daily check find all kinds of differences. It puts all of them right, and calls those drift that should
// have been found before.
func TestDrift(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stage   string // of the rule, and of the deal at first
		happens func(s *story, deal string)
		drifts  int
		spend   float64
	}{
		"nothing": {closedWon, func(*story, string) {}, 0, 5},
		"a price that changed while nobody looked": {closedWon, func(s *story, deal string) {
			s.edit(deal, map[string]any{"Amount": 6})
			s.unseen()
		}, 1, 6},
		"a deal that was lost while nobody looked": {closedWon, func(s *story, deal string) {
			s.edit(deal, map[string]any{"StageName": closedLost})
			s.unseen()
		}, 1, 0},
		"a deal that was deleted while nobody looked": {closedWon, func(s *story, deal string) {
			s.ok(s.api(s.t.Context(), http.MethodDelete, "/sobjects/Opportunity/"+deal, nil, nil))
			s.unseen()
		}, 1, 0},
		"a price that no message told of: the poll has found it": {closedWon, func(s *story, deal string) {
			s.edit(deal, map[string]any{"Amount": 6})
			s.rewatch(func(v *bridge.Watch) { v.PollAt = s.Now().Add(time.Minute) })
			s.pass(2 * time.Minute)
			s.unseen()
		}, 0, 6},
		"a price that the next window will come to": {closedWon, func(s *story, deal string) {
			s.edit(deal, map[string]any{"Amount": 6})
		}, 0, 6},
		"a contact that was merged, of which nothing tells": {closedWon, func(s *story, _ string) {
			s.ok(s.org.Merge(ann1, ann0))
		}, 0, 0},
		"a role that windows did not tell of": {closedWon, func(s *story, deal string) {
			s.ok(s.api(s.t.Context(), http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": deal, "ContactId": ann1, "IsPrimary": true}, nil))
			s.unseen()
		}, 0, 0},
		"a price that changed while the amount was hidden": {closedWon, func(s *story, deal string) {
			s.ok(s.org.SetVisible(admin, "Opportunity", "Amount", false))
			s.pass(25 * time.Hour)
			s.ok(s.org.SetVisible(admin, "Opportunity", "Amount", true))
			s.edit(deal, map[string]any{"Amount": 6})
			s.unseen()
		}, 0, 6},
		"a stage that changed while nobody looked, and the deal stands": {negotiation, func(s *story, deal string) {
			s.edit(deal, map[string]any{"StageName": closedWon})
			s.unseen()
		}, 0, 5},
		"a price that changed while the deal was hidden": {closedWon, func(s *story, deal string) {
			org := s.worker.Org
			s.worker.Org = func(c bridge.Connection) core.Org { return blindfold{org(c)} }
			s.pass(25 * time.Hour)
			s.worker.Org = org
			s.edit(deal, map[string]any{"Amount": 6})
			s.unseen()
		}, 0, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := spend
			rule.Stage = tc.stage
			s := newStory(t, two, rule)
			s.watched()
			deal := s.open(tc.stage, 5, ann0)
			s.message(deal)
			s.pass(10 * time.Minute)
			s.rewatch(func(v *bridge.Watch) { v.PollAt = began.Add(1000 * time.Hour) }) // the next window is left open
			tc.happens(s, deal)
			s.pass(25 * time.Hour)
			s.has(two, mail0, tc.spend)
			if got := s.said(drift); got != tc.drifts {
				t.Errorf("%d entries drifted, want %d; log: %s", got, tc.drifts, s.logs)
			}
			s.pass(24 * time.Hour)
			if got := s.said(drift); got != tc.drifts {
				t.Errorf("%d entries drifted by the next day, want %d", got, tc.drifts)
			}
		})
	}
}

func TestHowLongAnEventTakes(t *testing.T) {
	t.Parallel()
	held := confirmed
	held.Hold = 3
	late := func(s *story, deal string, age time.Duration) {
		s.put(0, core.Job{Account: account, Connection: connection, Opportunities: []string{deal}, At: s.Now().Add(-age)})
	}
	for name, tc := range map[string]struct {
		rule    bridge.Rule
		happens func(s *story, deal string)
		took    []time.Duration
	}{
		"a message that waited on the queue": {confirmed, func(s *story, deal string) {
			late(s, deal, 30*time.Second)
		}, []time.Duration{30 * time.Second}},
		"messages that change nothing any more": {confirmed, func(s *story, deal string) {
			late(s, deal, 30*time.Second)
			late(s, deal, 30*time.Second)
		}, []time.Duration{30 * time.Second}},
		"a change that the poll sees: since it has seen it": {confirmed, func(s *story, _ string) {
			s.watched()
		}, []time.Duration{0}},
		"a call without an answer, until a look shows that it was carried out": {confirmed, func(s *story, deal string) {
			s.faults.script = onceCut("/track_referral_conversion_event")
			late(s, deal, 10*time.Second)
		}, []time.Duration{10 * time.Second}},
		"an outage of Salesforce": {confirmed, func(s *story, deal string) {
			s.faults.set(weather{})
			s.faults.orgDown = s.Now().Add(90 * time.Second)
			late(s, deal, 0)
		}, []time.Duration{2 * time.Minute}},
		"a hold is not our time": {held, func(s *story, deal string) {
			late(s, deal, 30*time.Second)
		}, nil},
		"nor is the time until somebody reconnects": {confirmed, func(s *story, deal string) {
			alive := s.worker.Connections
			s.worker.Connections = status{alive, bridge.NeedsReconnect}
			late(s, deal, 0)
			s.pass(time.Hour)
			s.worker.Connections = alive
			s.ok(core.Waker{Ledger: s.store, Jobs: jobs{s.world}, Now: s.Now}.Wake(s.t.Context(), account, connection))
		}, nil},
		"nor is the time until there are calls": {confirmed, func(s *story, deal string) {
			s.spendCalls()
			late(s, deal, 0)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, two, tc.rule)
			tc.happens(s, s.open(closedWon, 5, ann0))
			s.pass(80 * time.Hour)
			s.is(two, mail0, "confirmed")
			if !slices.Equal(s.took, tc.took) {
				t.Errorf("took %v, want %v; log: %s", s.took, tc.took, s.logs)
			}
		})
	}
}

// spendCalls takes all calls of the hour, as an import does, or somebody else.
func (s *story) spendCalls() {
	s.t.Helper()
	_, err := s.worker.Budget.Lease(s.t.Context(), account, budget.ReferralHero, 5000, budget.Bulk, 5000)
	if err != nil && bridge.KindOf(err) != bridge.Throttled {
		s.t.Fatal(err)
	}
}

func TestLiveWorkThatWaitsForCalls(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	for i, contact := range []string{ann0, ann1} { // somebody who is known, and somebody to be asked for
		s.message(s.open(closedWon, 100, ann0))
		s.waited = nil
		s.spendCalls()
		s.message(s.open(closedWon, 5, contact))
		s.pass(2 * time.Hour)
		if len(s.waited) == 0 || slices.Max(s.waited) > time.Hour {
			t.Errorf("case %d: waited %v behind an import, want an hour at most; log: %s", i, s.waited, s.logs)
		}
		s.waited = nil
		s.faults.script = func(*http.Request) *simhero.Fault { return &simhero.Fault{Kind: simhero.Throttle} }
		s.message(s.open(closedWon, 5, []string{ann0, ann3}[i]))
		s.pass(3 * time.Hour)
		s.faults.script = nil
		if len(s.waited) == 0 || slices.Max(s.waited) < time.Hour {
			t.Errorf("case %d: waited %v while somebody else spends all calls, want over an hour", i, s.waited)
		}
		s.pass(6 * time.Hour)
		s.logged()
	}
	if s.waited = nil; s.said("live work waits for calls", "account="+string(account)) == 0 {
		t.Errorf("nobody says whose work waits: %s", s.logs)
	}
	s.message(s.open(closedWon, 5, ann0))
	if len(s.waited) > 0 {
		t.Errorf("waited %v with calls left", s.waited)
	}
}

func TestWhatIsSaidOfCallsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, confirmed)
	broken := false
	s.faults.script = func(r *http.Request) *simhero.Fault {
		switch {
		case broken && moves(r):
			return &simhero.Fault{Kind: simhero.CutBefore}
		case broken && r.Method == http.MethodGet:
			return &simhero.Fault{Kind: simhero.Broken}
		}
		return nil
	}
	s.message(s.open(closedWon, 1, ann1))
	if n := s.said(doubt) + s.said(manual); n > 0 {
		t.Errorf("%d lines about a call that was answered: %s", n, s.logs)
	}
	held := s.open(closedWon, 1, ann0)
	e := s.effect(two, bridge.EffectConfirmed, mail0) // not asked for yet
	e.State, e.CalledAt, e.Until, e.Due = bridge.EffectCalling, s.Now(), s.Now().Add(time.Minute), s.Now().Add(time.Minute)
	e.Deals = []bridge.Claim{{Rule: confirmed.ID, Deal: bridge.SalesforceID(held), Amount: decimal.Decimal{}}}
	s.ok(s.store.CommitConversions(t.Context(), core.Commit{Effects: []bridge.Effect{e}}))
	broken = true
	s.pass(3 * time.Minute) // its worker has died
	if s.said(doubt, "lost=true") != 1 || s.said(doubt, "lost=false") == 0 {
		t.Errorf("want one call that was lost, and looks in vain: %s", s.logs)
	}
	s.pass(40 * time.Minute)
	oldest := 0
	for line := range strings.Lines(s.logs.String()) {
		if _, rest, is := strings.Cut(line, "seconds="); is && strings.Contains(line, doubt) {
			var n int
			if _, err := fmt.Sscan(rest, &n); err == nil {
				oldest = max(oldest, n)
			}
		}
	}
	if oldest < 1800 || s.said(doubt, "lost=true") != 1 || s.said(manual) > 0 {
		t.Errorf("in doubt for %d s, want over half an hour, and no second call: %s", oldest, s.logs)
	}
	s.pass(25 * time.Hour)
	if e := s.effect(two, bridge.EffectConfirmed, mail0); e.State != bridge.EffectManual {
		t.Errorf("the effect is %s, want manual", e.State)
	}
	if n := s.said(manual); n != 1 {
		t.Errorf("%d lines say that a person decides, want one", n)
	}
	s.logged()
}
