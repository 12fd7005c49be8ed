package proof

import "testing"

// TestWorkersAreKilled is the first of the experiments, which is short enough for a test: an import of 2,000 contacts
// through the real binaries, of which more than fifty are killed at work.
func TestWorkersAreKilled(t *testing.T) {
	t.Parallel()
	var found Import
	if err := kills(t.Context(), "../../..", t.Logf, &found); err != nil {
		t.Fatal(err)
	}
	if found.Kills < 50 || found.Contacts != 2000 || found.Lost != 0 || found.Doubled != 0 || found.Emails != 1 || found.Answers429 != 0 {
		t.Errorf("found %+v; want at least 50 kills, 2,000 contacts, nothing lost, nothing doubled, one mail", found)
	}
}
