package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttacksAreTests holds the list to the tests that there are, without running them.
func TestAttacksAreTests(t *testing.T) {
	t.Parallel()
	for _, a := range attacks {
		files, err := filepath.Glob(filepath.Join("../../..", a.folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		function, name, _ := strings.Cut(a.test, "/")
		found := false
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, after, has := strings.Cut(string(source), "func "+function+"(")
			found = found || has && strings.Contains(after, `"`+strings.ReplaceAll(name, "_", " "))
		}
		if !found {
			t.Errorf("%s: %s has no %s", a.threat, a.folder, a.test)
		}
	}
}
