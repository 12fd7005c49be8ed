package syncer_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/cost"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// backfill switches syncing on in a campaign of n, of whom so many are contacts already, and returns the org's calls and the write units
// per 1,000 subscribers.
func backfill(t *testing.T, n, there, bulk int) (w *world, calls, units float64) {
	t.Helper()
	contacts := make([]simorg.Contact, there)
	for i := range contacts {
		contacts[i] = simorg.Contact{LastName: "X", Email: fmt.Sprintf("subscriber%d@example.net", i+1), Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	w = newWorld(t, options{contacts: contacts, bare: true, bulk: bulk, hero: simhero.Options{Subscribers: n, WindowKind: simhero.None}})
	w.allow(60_000)
	w.count()
	w.org.ResetCounts()
	w.units.ResetUnits()
	w.on(nil)
	run, err := w.store.Run(t.Context(), account, campaign)
	w.must(err)
	if s := run.Statement; run.EndedAt.IsZero() || s.Subscribers != n || s.Repaired != n || s.Created != n-there {
		t.Fatalf("the run has ended at %s with %+v; log:\n%s", run.EndedAt, s, w.logs)
	}
	return w, float64(w.org.Counts().API) / float64(n) * 1000, w.units.Units().Write / float64(n) * 1000
}

// allow sets how many calls ReferralHero takes in an hour.
func (w *world) allow(calls int) {
	w.t.Helper()
	a, err := w.store.Account(w.t.Context(), account)
	w.must(err)
	a.Allowance = calls
	w.must(w.store.SaveAccount(w.t.Context(), a))
}

func TestWhatABackfillCosts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("some seconds long")
	}
	for name, tc := range map[string]struct {
		n, there, bulk int
		calls          float64
	}{
		"by collections, half of them contacts":               {4_000, 2_000, 20_000, 5.3},
		"by collections, all of them new":                     {3_000, 0, 20_000, 5.3},
		"in bulk, which is 14 calls at most for up to 50,000": {8_000, 8_000, 7_000, 14.0 / 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, calls, units := backfill(t, tc.n, tc.there, tc.bulk)
			hero := float64(w.hero.Counts().Calls) / float64(tc.n) * 1000
			reads := w.units.Units().Read / float64(tc.n) * 1000
			t.Logf("per 1,000 subscribers: %.3g calls to Salesforce, %.3g to ReferralHero, %.4g write and %.4g read units", calls, hero, units, reads)
			if calls > tc.calls || units > cost.FilledIn.Writes || reads > cost.FilledIn.Reads || hero > 21 {
				t.Errorf("want at most %g calls to Salesforce, 21 to ReferralHero, %g write and %g read units", tc.calls, cost.FilledIn.Writes, cost.FilledIn.Reads)
			}
		})
	}
}

func TestWhatAComparisonCosts(t *testing.T) {
	t.Parallel()
	const people = 3_000
	w, _, _ := backfill(t, people, people, 20_000)
	hero := w.hero.Counts().Calls
	w.org.ResetCounts()
	w.units.ResetUnits()
	w.must(w.service.Compare(t.Context(), account, campaign))
	w.work(fixed(1), immortal)
	run, err := w.store.Run(t.Context(), account, campaign)
	w.must(err)
	if s := run.Statement; run.EndedAt.IsZero() || s.Subscribers != people || s.Repaired != 0 {
		t.Fatalf("the run has ended at %s with %+v; log:\n%s", run.EndedAt, s, w.logs)
	}
	thousands := float64(people) / 1000
	calls, asked := float64(w.org.Counts().API)/thousands, float64(w.hero.Counts().Calls-hero)/thousands
	units := w.units.Units()
	t.Logf("per 1,000 subscribers: %.3g calls to Salesforce, %.3g to ReferralHero, %.4g write and %.4g read units", calls, asked, units.Write/thousands, units.Read/thousands)
	if calls > 1 || asked > 21 || units.Write/thousands > cost.Compared.Writes || units.Read/thousands > cost.Compared.Reads {
		t.Errorf("want at most 1 call to Salesforce, 21 to ReferralHero, %g write and %g read units", cost.Compared.Writes, cost.Compared.Reads)
	}
}

// TestWhatSteadyChangesCost has ten changes a second come in windows of a minute, to a few more often than to others.
func TestWhatSteadyChangesCost(t *testing.T) {
	t.Parallel()
	const (
		people  = 3_000
		windows = 5
		changes = 600 // in a window
	)
	w, _, _ := backfill(t, people, people, 10_000)
	c, err := w.store.Campaign(t.Context(), account, campaign)
	w.must(err)
	c.Subscribers = 50_000 // so many that reading all of them takes longer than reading some
	w.must(w.store.SaveCampaign(t.Context(), c))
	ids := make([]bridge.SubscriberID, 0, people)
	for _, s := range w.hero.Subscribers(string(campaign)) {
		ids = append(ids, bridge.SubscriberID(s.ID))
	}
	popular := rand.NewZipf(fixed(7), 1.1, 1, people-1)
	w.org.ResetCounts()
	w.units.ResetUnits()
	for window := range windows {
		var batch []message
		for i := range changes {
			id := ids[popular.Uint64()]
			w.heroCall(http.MethodPost, "/subscribers/"+string(id), map[string]any{"extra_field": fmt.Sprint(window, ".", i)}, nil)
			batch = append(batch, message{hint: &syncer.Hint{Account: account, Campaign: campaign, Subscriber: id, At: w.Now().UnixMilli(), Why: "update"}})
		}
		w.do(batch, immortal(nil))
		w.work(fixed(1), immortal)
		w.advance(time.Minute)
	}
	calls, units := float64(w.org.Counts().API)/(windows*changes)*1000, w.units.Units().Write/(windows*changes)*1000
	reads := w.units.Units().Read / (windows * changes) * 1000
	t.Logf("per 1,000 changes: %.3g calls to Salesforce, %.4g write and %.4g read units", calls, units, reads)
	if calls > 3.5 || units > cost.Changed.Writes || reads > cost.Changed.Reads {
		t.Errorf("want at most 3.5 calls to Salesforce, %g write and %g read units: the webhooks write 1,000 beside them", cost.Changed.Writes, cost.Changed.Reads)
	}
	w.agree(false)
}
