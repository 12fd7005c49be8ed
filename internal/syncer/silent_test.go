package syncer_test

import (
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/syncer"
)

// A webhook that has fallen silent shows by what a comparison finds.
func TestASilentWebhook(t *testing.T) {
	t.Parallel()
	w, ids := listed(t, 3, 0)
	w.on(nil)
	health := func() syncer.Health {
		t.Helper()
		h, err := w.service.Health(t.Context(), account, campaign, 14)
		w.must(err)
		return h
	}
	if h := health(); h.Told() != nil || h.Silent() {
		t.Error("syncing was just switched on")
	}
	tomorrow := func(value string) {
		t.Helper()
		w.advance(25 * time.Hour)
		w.update(ids[0], value)
		w.compare()
	}
	w.update(ids[0], "told")
	w.tell(syncer.Hint{Subscriber: ids[0], Why: "update"})
	w.advance(3 * time.Second)
	w.work(fixed(1), immortal)
	if told := health().Told(); told == nil || told.Told != 1 || told.Behind < 3*time.Second || told.Behind > time.Minute {
		t.Errorf("%+v, want one change, three seconds late", told)
	}
	w.advance(25 * time.Hour)
	w.compare()
	if health().Silent() {
		t.Error("nothing has changed, so nothing was to be told")
	}
	tomorrow("not told")
	if !health().Silent() {
		t.Error("a change was found of which nobody has told us")
	}
	w.told("update", ids[1])
	if health().Silent() {
		t.Error("ReferralHero tells us again")
	}
}
