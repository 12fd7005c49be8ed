package plumbing_test

import (
	"testing"

	"github.com/referralbridge/referralbridge/internal/plumbing"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if s := w.begin(); s.State != plumbing.Working {
		t.Fatalf("%+v %+v\n%v", s, s.Trouble, w.counted())
	}
	t.Log(w.counted())
	w.opportunity()
	if n := w.messages(w.get().Hook); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}
