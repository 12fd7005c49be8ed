package conversion

import (
	"flag"
	"testing"
)

// A history that went wrong is repeated with: go test ./internal/local/proof/conversion -run Histories -seed N.
var seed = flag.Int("seed", -1, "the only history to let pass")

func TestHistories(t *testing.T) {
	t.Parallel()
	seeds := []uint64{2, 3} // messages alone; with losses, and few calls
	if *seed >= 0 {
		seeds = []uint64{uint64(*seed)}
	}
	for _, seed := range seeds {
		r, err := Run(t.Context(), seed, Nothing)
		if err != nil {
			t.Fatalf("history %d: %v", seed, err)
		}
		if r.Wrong() {
			t.Errorf("history %d: %d totals wrong, %d steps twice, %d unaccounted: %q", seed, r.SpendWrong, r.AdvancedTwice, r.Unaccounted, r.Notes)
		}
		if r.Messages == 0 || r.Duplicates == 0 || r.Killed == 0 || r.Unanswered == 0 || r.Advanced == 0 || r.Payments == 0 || seed%2 == 1 && r.Lost == 0 {
			t.Errorf("history %d is too quiet: %+v", seed, r)
		}
	}
}

// TestPlantedBugsAreFound says that the histories are worth something.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	for _, plant := range Plants {
		t.Run(string(plant), func(t *testing.T) {
			t.Parallel()
			for seed := range plant.Histories() {
				r, err := Run(t.Context(), seed, plant)
				if err != nil {
					t.Fatalf("history %d: %v", seed, err)
				}
				if r.Wrong() {
					t.Logf("found in history %d: %q", seed, r.Notes[0])
					return
				}
			}
			t.Error("no history finds it")
		})
	}
}
