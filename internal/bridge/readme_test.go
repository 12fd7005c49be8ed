package bridge

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestReadmeListsTheFields holds the list that people read to the table that everything else comes from.
func TestReadmeListsTheFields(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Fields {
		kind := string(f.Type)
		if f.Length > 0 {
			kind += fmt.Sprintf("(%d)", f.Length)
		}
		if f.Key {
			kind += ", external id, unique"
		}
		if line := fmt.Sprintf("| %s | %s | %s |\n", f.Name, kind, f.Text); !strings.Contains(string(text), line) {
			t.Errorf("README.md has no line %q", line)
		}
	}
}
