package proof

import "testing"

// TestCanary takes the whole journey.
func TestCanary(t *testing.T) {
	t.Parallel()
	leaked, err := Canary(t.Context(), "../../..", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if leaked != 0 {
		t.Errorf("%d bytes leaked", leaked)
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	found, err := storms(t.Context(), "../../..", 3, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if found.Rounds != 3 || found.TokenCalls != 1 || found.Revoked != 0 {
		t.Errorf("found %+v", found)
	}
}
