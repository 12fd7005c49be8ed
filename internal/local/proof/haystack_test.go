package proof

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	const secret = "5Aep861+canary/of the mine=="
	quoted, err := json.Marshal(map[string]string{"a": secret + `"`})
	if err != nil {
		t.Fatal(err)
	}
	planted := map[string]string{
		"as it is":       "level=WARN err=" + secret + " more",
		"in a URL":       "GET /x?" + url.Values{"token": {secret}}.Encode(),
		"in JSON":        string(quoted),
		"twice":          secret + secret,
		"on other lines": "first\n" + secret + "\nlast",
	}
	for before := range 4 {
		for after := range 4 {
			text := fmt.Sprintf("%.*s%s%.*s", before, "abcd", secret, after, "wxyz")
			planted[fmt.Sprintf("in base64, %d before and %d after", before, after)] = base64.StdEncoding.EncodeToString([]byte(text))
			planted[fmt.Sprintf("in base64 for URLs, %d before and %d after", before, after)] = base64.RawURLEncoding.EncodeToString([]byte(text))
		}
	}
	for name, text := range planted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHaystack()
			h.look("secret", secret, org)
			h.add(org, []byte(text))
			if leaks, unseen := h.search(); len(leaks) > 0 || len(unseen) > 0 {
				t.Errorf("where it may be: leaks %v, unseen %v", leaks, unseen)
			}
			h.add(logs, []byte(text))
			if leaks, _ := h.search(); len(leaks) != 1 || leaks[0].place != logs || leaks[0].bytes < len(secret) {
				t.Errorf("leaks = %v, want one in the logs", leaks)
			}
		})
	}
}

func TestSearchThatFindsNothing(t *testing.T) {
	t.Parallel()
	h := newHaystack()
	h.look("secret", "a-secret-of-ours", org)
	h.look("another", "that-was-never-seen", org)
	h.look("a guess", "that-must-not-be-seen")
	h.look("too short", "short", org)
	h.add(logs, []byte("a-secret-of-theirs"))
	h.add(org, []byte("a-secret-of-ours"))
	leaks, unseen := h.search()
	if len(leaks) != 0 || len(unseen) != 1 || unseen[0] != "another" {
		t.Errorf("leaks %v, unseen %q, want none but the one that was never there", leaks, unseen)
	}
}
