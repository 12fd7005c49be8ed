package plumbing

import (
	"regexp"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// TestWords holds that each fault says in sentences what is wrong, what it breaks, who can mend it and how.
func TestWords(t *testing.T) {
	t.Parallel()
	sentence := regexp.MustCompile(`^\P{Ll}.*[.]$`)
	c := bridge.Connection{Instance: "https://acme.my.salesforce.com"}
	for fault := range told {
		w := trouble(Installation{Fault: fault, Route: ByDeployment}, c)
		if w.Title == "" || strings.HasSuffix(w.Title, ".") || !sentence.MatchString(w.Effect) || !sentence.MatchString(w.Remedy) || w.Who == "" {
			t.Errorf("%s: the words are no sentences: %+v", fault, w)
		}
		if (w.Link == "") != (w.Setup == "") || w.Link != "" && !strings.HasPrefix(w.Link, "https://acme.my.salesforce.com/lightning/setup/") {
			t.Errorf("%s: link %q to %q", fault, w.Link, w.Setup)
		}
		if w.Mend != strings.Contains(w.Remedy, "nstall again here") && fault != Refused {
			t.Errorf("%s: is it mended here (%t)? %s", fault, w.Mend, w.Remedy)
		}
	}
	if w := trouble(Installation{}, c); w != nil {
		t.Errorf("nothing is wrong: %+v", w)
	}
}
