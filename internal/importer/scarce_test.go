package importer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/budget"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// While others of the account use calls to ReferralHero all the time, the hour is nearly used up for most of an import. Pages try again every
// few seconds then, which must not cost the org anything.
func TestWaitingForCallsCostsTheOrgNothing(t *testing.T) {
	t.Parallel()
	const hours, bucket = 2, 20 * time.Second
	contacts := make([]simorg.Contact, 12_000)
	for n := range contacts {
		contacts[n] = simorg.Contact{ID: fmt.Sprintf("0035g00000%05d", n), LastName: "X", Email: fmt.Sprintf("x%d@example.com", n),
			Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	w := newWorld(t, options{contacts: contacts, hero: simhero.Options{WindowKind: simhero.None}})
	others := func() { // 180 calls an hour
		if _, err := w.worker.Budget.Lease(t.Context(), account, budget.ReferralHero, 5000, budget.Live, 1); err != nil {
			t.Error(err)
		}
	}
	for range time.Hour / bucket {
		others()
		w.advance(bucket)
	}
	i := w.start(nil)
	w.org.ResetCounts()
	began, last := w.Now(), w.Now()
	for w.Now().Sub(began) < hours*time.Hour {
		batch := w.receive(2)
		if len(batch) == 0 {
			break
		}
		for ; w.Now().Sub(last) >= bucket; last = last.Add(bucket) {
			others()
		}
		for _, m := range batch {
			w.do(m, immortal(nil))
		}
	}
	done, calls := w.get(i.ID).Counts.Sum(), w.org.Counts().API
	if done < 4000*hours || calls*100 > done {
		t.Errorf("%d contacts in %d hours by %d calls of the org, want at least 4,000 an hour, and one call for a hundred", done, hours, calls)
	}
}
