package syncer_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// times collects times in a list.
func times(list *[]time.Duration) func(time.Duration) {
	var mu sync.Mutex
	return func(length time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, length)
	}
}

func TestHowLongASignUpTakes(t *testing.T) {
	t.Parallel()
	const age = 2 * time.Minute
	for name, tc := range map[string]struct {
		happens func(w *world, ada bridge.SubscriberID)
		counted bool
	}{
		"a sign-up whose hint waited on the queue": {func(w *world, ada bridge.SubscriberID) {
			w.tell(syncer.Hint{Subscriber: ada, Why: "registration", Once: true})
			w.advance(age)
		}, true},
		"one that comes twice: it is written once": {func(w *world, ada bridge.SubscriberID) {
			w.tell(syncer.Hint{Subscriber: ada, Why: "registration", Once: true}, syncer.Hint{Subscriber: ada, Why: "registration", Once: true})
			w.advance(age)
		}, true},
		"a change that may wait": {func(w *world, ada bridge.SubscriberID) {
			w.put(0, false, syncer.Hint{Account: account, Campaign: campaign, Subscriber: ada, At: w.Now().UnixMilli(), Why: "update"})
			w.advance(age)
		}, false},
		"a comparison": {func(w *world, _ bridge.SubscriberID) {
			w.must(w.service.Compare(w.t.Context(), account, campaign))
			w.advance(age)
		}, false},
		"a write for certainty's sake, long after the first": {func(w *world, ada bridge.SubscriberID) {
			w.tell(syncer.Hint{Subscriber: ada, Why: "registration", Force: true})
			w.advance(age)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{})
			var took []time.Duration
			w.worker.Took = times(&took)
			ada, _ := w.signUp("ada@example.org", "Ada Byron", "")
			w.count()
			tc.happens(w, ada)
			w.work(fixed(1), immortal)
			w.agree(true)
			if tc.counted != (len(took) == 1) || len(took) > 1 || tc.counted && (took[0] < age || took[0] > 2*age) {
				t.Errorf("took %v; is one of about %s wanted: %t", took, age, tc.counted)
			}
			took = nil
			w.tell(syncer.Hint{Subscriber: ada, Why: "registration"})
			w.work(fixed(2), immortal)
			if len(took) > 0 {
				t.Errorf("took %v for nothing that had to be written", took)
			}
		})
	}
}

func TestHowLongLiveHintsWaitForCalls(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault string
		live  bool
		want  bool
	}{
		"sign-ups while the hour is used up":      {"429", true, true},
		"other changes while the hour is used up": {"429", false, false},
		"sign-ups while ReferralHero is down":     {"502", true, false},
		"sign-ups while all is well":              {"", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{})
			var waited []time.Duration
			w.worker.Waits = times(&waited)
			ada, _ := w.signUp("ada@example.org", "Ada Byron", "")
			w.count()
			heroFault(tc.fault)(w)
			w.put(0, tc.live, syncer.Hint{Account: account, Campaign: campaign, Subscriber: ada, At: w.Now().UnixMilli(), Why: "registration"})
			for end := w.Now().Add(2 * time.Hour); w.Now().Before(end); w.advance(5 * time.Minute) {
				w.some(10)
			}
			if got := len(waited) > 0 && slices.Max(waited) > time.Hour; got != tc.want || !tc.want && len(waited) > 0 {
				t.Errorf("waited %v; is over an hour wanted: %t", waited, tc.want)
			}
			heroFault("")(w)
			w.pass(2 * time.Hour)
			w.agree(true)
		})
	}
}
