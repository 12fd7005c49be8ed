package conversion

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func TestScratch(t *testing.T) {
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	to, _ := strconv.Atoi(os.Getenv("TO"))
	plant := Plant("")
	if n := os.Getenv("PLANT"); n != "" {
		i, _ := strconv.Atoi(n)
		plant = Plants[i]
	}
	found := 0
	began := time.Now()
	for seed := from; seed < to; seed++ {
		r, err := Run(t.Context(), uint64(seed), plant)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if r.Wrong() {
			found++
			if plant == "" {
				t.Errorf("seed %d: %d totals wrong, %d steps twice, %d unaccounted: %q", seed, r.SpendWrong, r.AdvancedTwice, r.Unaccounted, r.Notes)
			} else {
				t.Logf("seed %d: %d totals wrong, %d steps twice, %d unaccounted", seed, r.SpendWrong, r.AdvancedTwice, r.Unaccounted)
			}
		}
	}
	t.Logf("%d of %d wrong, %s", found, to-from, time.Since(began))
}
