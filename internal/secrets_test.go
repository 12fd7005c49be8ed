package internal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretShapes are what secrets look like of which somebody else could make use. Each begins with its first letters, and not with
// the border of a word: letters are searched for without the machine of regular expressions, which takes seconds under the race detector.
var secretShapes = map[string]*regexp.Regexp{
	"an access key of AWS's":        regexp.MustCompile(`A[KS]IA[A-Z0-9]{16}\b`),
	"a private key":                 regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`),
	"an access token of Salesforce": regexp.MustCompile(`00D[0-9A-Za-z]{12,15}![0-9A-Za-z._]{40,}`),
	"a refresh token of Salesforce": regexp.MustCompile(`5Aep861[0-9A-Za-z._]{20,}`),
	"a secret of a webhook":         regexp.MustCompile(`whsec_[0-9A-Za-z+/=]{20,}`),
	"a key of Stripe's":             regexp.MustCompile(`k_live_[0-9A-Za-z]{10,}`),
	"a token of GitHub's":           regexp.MustCompile(`gh[opsur]_[0-9A-Za-z]{30,}`),
	"a token of Slack's":            regexp.MustCompile(`xox[abprs]-[0-9A-Za-z-]{10,}`),
	"a signed token":                regexp.MustCompile(`eyJ[0-9A-Za-z_-]{15,}\.eyJ[0-9A-Za-z_-]{15,}\.[0-9A-Za-z_-]{20,}`),
}

// random is a text without a pattern, as keys are.
var random = regexp.MustCompile(`[0-9A-Za-z+/_=-]{32,}`)

// known are texts that look like secrets and are none, by the beginning of their SHA-256.
var known = map[string]string{
	"13d31e961a1a": "the verifier of RFC 7636, appendix B",
	"0d299b1eb548": "its challenge",
	"1397edb6999e": "a signature of a test, whose key stands beside it",
}

// alphabet is in what names the characters of ids.
var alphabet = regexp.MustCompile(`(?i)abcdefgh`)

// TestNothingCommittedIsASecret looks into every file that is committed.
func TestNothingCommittedIsASecret(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() { // what is not committed
			case ".git", ".build", ".local", ".aws-sam", ".tools", "node_modules":
				return filepath.SkipDir
			}
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 { // a picture
			return err
		}
		files++
		for what, shape := range secretShapes {
			for _, found := range shape.FindAllString(string(text), -1) {
				if known[digest(found)] == "" {
					t.Errorf("%s has what looks like %s: %.12s…, %s", path, what, found, digest(found))
				}
			}
		}
		name := filepath.Base(path)
		if name == "go.sum" || name == "package-lock.json" || strings.Contains(path, "/static/") { // checksums, and programs of others
			return nil
		}
		for _, found := range random.FindAllString(string(text), -1) {
			if entropy(found) > 4.6 && !alphabet.MatchString(found) && known[digest(found)] == "" {
				t.Errorf("%s has what looks like a key: %.12s…, %s", path, found, digest(found))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 300 {
		t.Errorf("looked into %d files, want all", files)
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// entropy is how many bits a character of a text tells. Words have about 4, random letters and digits come near 5 in texts of a key's length.
func entropy(text string) float64 {
	counts := map[rune]float64{}
	for _, r := range text {
		counts[r]++
	}
	var bits float64
	for _, n := range counts {
		share := n / float64(len(text))
		bits -= share * math.Log2(share)
	}
	return bits
}
