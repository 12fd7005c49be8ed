package importer_test

import (
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

func TestAnImportThatWaitsForItsConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{contacts: people(700)})
	waker := importer.Waker{Imports: w.store, Jobs: jobs{w}, Now: w.Now}
	i := w.start(nil)
	link := func(s bridge.ConnectionStatus) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.link = s
	}
	link(bridge.NeedsReconnect)
	for _, m := range w.receive(10) {
		w.do(m, immortal(nil))
	}
	if got := w.get(i.ID); got.Parked == "" || got.Until.IsZero() {
		t.Fatalf("parked %q until %v", got.Parked, got.Until)
	}
	waiting, err := w.service.Waiting(t.Context(), account)
	if got := waiting[connection]; err != nil || len(waiting) != 1 || got != (importer.Waiting{Imports: 1, Contacts: 700}) {
		t.Errorf("waiting = %+v, %v", waiting, err)
	}
	if waited, err := waker.Wake(t.Context(), account, "c_other"); err != nil || waited.Imports != 0 || w.get(i.ID).Parked == "" {
		t.Errorf("another connection: %+v, %v", waited, err)
	}

	link(bridge.Active)
	before := w.Now()
	waited, err := waker.Wake(t.Context(), account, connection)
	if err != nil || waited != (importer.Waiting{Imports: 1, Contacts: 700}) {
		t.Errorf("wake = %+v, %v", waited, err)
	}
	if again, err := waker.Wake(t.Context(), account, connection); err != nil || again.Imports != 0 {
		t.Errorf("wake again = %+v, %v", again, err)
	}
	next := w.receive(1)
	if len(next) != 1 || next[0].at.Sub(before).Minutes() > 1 {
		t.Fatalf("the next job comes at %v, not at once", next)
	}
	w.do(next[0], immortal(nil))
	w.work(fixed(1), immortal)
	if got := w.get(i.ID); got.State != bridge.Done || got.Counts.Sum() != 700 {
		t.Errorf("state %s, counts %+v", got.State, got.Counts)
	}
	if waiting, err := w.service.Waiting(t.Context(), account); err != nil || len(waiting) != 0 {
		t.Errorf("waiting at the end = %+v, %v", waiting, err)
	}
}
