package conversion

import (
	"testing"
	"time"
)

func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		began := time.Now()
		r, err := Run(t.Context(), seed, Nothing)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		t.Logf("seed %d, %s: %+v", seed, time.Since(began).Round(time.Millisecond), r)
		if r.Wrong() {
			t.Errorf("seed %d: %d totals wrong, %d steps twice, %d unaccounted", seed, r.SpendWrong, r.AdvancedTwice, r.Unaccounted)
		}
	}
}
