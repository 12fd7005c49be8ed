package syncer_test

import (
	"net/http"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// TestComparisonsCountWhatNobodyTold has something happen before a comparison: only changes at ReferralHero that no hint told of
// are a sign that its webhook is off.
func TestComparisonsCountWhatNobodyTold(t *testing.T) {
	t.Parallel()
	change := func(w *world, ada bridge.SubscriberID) {
		w.heroCall(http.MethodPost, "/subscribers/"+string(ada), map[string]any{"extra_field": "ACME"}, nil)
	}
	for name, tc := range map[string]struct {
		happens        func(w *world, ada bridge.SubscriberID)
		options        func(*syncer.Options)
		bulk           int
		repaired, news int
	}{
		"nothing":                  {happens: func(*world, bridge.SubscriberID) {}},
		"somebody changes":         {happens: change, repaired: 1, news: 1},
		"somebody changes in bulk": {happens: change, bulk: -1, repaired: 1, news: 1},
		"somebody changes, and is told": {happens: func(w *world, ada bridge.SubscriberID) {
			change(w, ada)
			w.tell(syncer.Hint{Subscriber: ada, Why: "update"})
			w.work(fixed(2), immortal)
		}},
		"somebody signs up": {happens: func(w *world, _ bridge.SubscriberID) { w.signUp("zoe@example.org", "Zoe Z", "") }, repaired: 1, news: 1},
		"somebody overwrites the record in Salesforce": {happens: func(w *world, _ bridge.SubscriberID) {
			id := w.contact("ada@example.org").text("Id")
			w.orgCall(http.MethodPatch, "/sobjects/Contact/"+id, map[string]any{"RH_POINTS__c": 77}, nil)
		}, repaired: 1},
		"a contact is made of one who had none": {happens: func(w *world, _ bridge.SubscriberID) {
			w.orgCall(http.MethodPost, "/sobjects/Contact", map[string]any{"LastName": "Byron", "Email": "ada@example.org"}, nil)
		}, options: func(o *syncer.Options) { o.LinkOnly = true }, repaired: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{bare: true, bulk: tc.bulk})
			ada, _ := w.signUp("ada@example.org", "Ada Byron", "")
			w.count()
			w.on(tc.options)
			tc.happens(w, ada)
			w.must(w.service.Compare(t.Context(), account, campaign))
			w.work(fixed(3), immortal)
			if s := w.ran().Statement; s.Repaired != tc.repaired || s.News != tc.news {
				t.Errorf("%d repaired, and %d told by nobody; want %d and %d", s.Repaired, s.News, tc.repaired, tc.news)
			}
		})
	}
}
