package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSalesforceID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"a contact's short id":          {"003ak00000luKU1", "003ak00000luKU1AAM"},
		"an org's short id":             {"00D5g000004AbCd", "00D5g000004AbCdEAK"},
		"a deployment's short id":       {"0Af5g00000ZyXwV", "0Af5g00000ZyXwVCAV"},
		"a long id":                     {"00D5g000004AbCdEAK", "00D5g000004AbCdEAK"},
		"a checksum in small letters":   {"00D5g000004AbCdeak", "00D5g000004AbCdEAK"},
		"a checksum of another id":      {"00D5g000004AbCdAAM", ""},
		"the case of the id was lost":   {"00d5g000004abcdEAK", ""},
		"too short":                     {"00D5g000004AbC", ""},
		"between the two lengths":       {"00D5g000004AbCdEA", ""},
		"a quote, to break out of SOQL": {"00D5g000004Ab'd", ""},
		"empty":                         {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSalesforceID(tc.in)
			if string(got) != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("ParseSalesforceID(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
			}
		})
	}
}

func FuzzParseSalesforceID(f *testing.F) {
	f.Add("003ak00000luKU1")
	f.Add("003ak00000luKU1AAM")
	f.Fuzz(func(t *testing.T, in string) {
		id, err := ParseSalesforceID(in)
		if err != nil {
			return
		}
		again, err := ParseSalesforceID(string(id))
		if err != nil || again != id || len(id) != 18 || id.Key() != in[:15] {
			t.Errorf("ParseSalesforceID(%q) = %q, which reads as %q, %v", in, id, again, err)
		}
	})
}

func TestValidEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"ada@example.org":                        true,
		"ada+tag@mail.example.org":               true,
		"o'brien@example.org":                    true,
		"":                                       false,
		"ada":                                    false,
		"ada@":                                   false,
		"@example.org":                           false,
		"ada@localhost":                          false,
		"ada@example.":                           false,
		"ada@.org":                               false,
		"ada@example..org":                       false,
		"ada@@example.org":                       false,
		"ada b@example.org":                      false,
		"ada@example.org, bob@example.org":       false,
		"Ada <ada@example.org>":                  false,
		strings.Repeat("a", 70) + "@example.org": false,
	} {
		if got := ValidEmail(in); got != want {
			t.Errorf("ValidEmail(%q) = %t, want %t", in, got, want)
		}
	}
	if got := NormalizeEmail("  Ada.Byron@Example.ORG\t"); got != "ada.byron@example.org" {
		t.Errorf("NormalizeEmail = %q", got)
	}
}

func TestSecretsCannotBePrinted(t *testing.T) {
	t.Parallel()
	const text = "00Dxx!token-that-nobody-should-see"
	s := NewSecret(text)
	holder := struct {
		Name  string
		Token Secret
	}{"c_1", s}

	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "token", s, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]string{
		"log": logged.String(), "json": string(encoded),
		"%v": fmt.Sprintf("%v %v", s, holder), "%+v": fmt.Sprintf("%+v", holder), "%#v": fmt.Sprintf("%#v %#v", s, holder),
		"%s": fmt.Sprintf("%s %s", s, holder), "%q": fmt.Sprintf("%q", s), "%x": fmt.Sprintf("%x", s), "pointer": fmt.Sprintf("%v", &holder),
	} {
		if strings.Contains(shown, text) || strings.Contains(shown, fmt.Sprintf("%x", text)) {
			t.Errorf("%s shows the secret: %s", name, shown)
		}
	}
	if got := s.Masked(); got != "••••-see" {
		t.Errorf("Masked = %q", got)
	}
	if got := NewSecret("short").Masked(); got != "••••" {
		t.Errorf("Masked shows part of a short secret: %q", got)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("no route")
	coded := &Error{Op: "salesforce.Query", Kind: Throttled, Code: "REQUEST_LIMIT_EXCEEDED", Message: "Wait.", Field: "f", After: time.Minute, Err: cause}
	wrapped := E("importer.Page", "", fmt.Errorf("page 3: %w", coded))

	for name, ok := range map[string]bool{
		"a kind survives wrapping":          KindOf(wrapped) == Throttled,
		"a code survives wrapping":          CodeOf(wrapped) == "REQUEST_LIMIT_EXCEEDED",
		"a wait survives wrapping":          AfterOf(wrapped, time.Second) == time.Minute,
		"a cause survives wrapping":         errors.Is(wrapped, cause),
		"a new kind goes before":            KindOf(E("x", Denied, wrapped)) == Denied,
		"no error stays no error":           E("x", Denied, nil) == nil,
		"no error has no kind":              KindOf(nil) == "",
		"an error without a kind is ours":   KindOf(cause) == Internal,
		"a context that ended may go again": KindOf(fmt.Errorf("call: %w", context.DeadlineExceeded)) == Unavailable,
		"nobody said how long":              AfterOf(cause, time.Second) == time.Second,
		"nobody said a code":                CodeOf(cause) == "",
		"permanent":                         Invalid.Permanent() && Revoked.Permanent() && !Conflict.Permanent() && !UnknownOutcome.Permanent(),
	} {
		if !ok {
			t.Errorf("not so: %s", name)
		}
	}
	if message, field := MessageOf(wrapped); message != "Wait." || field != "f" {
		t.Errorf("MessageOf = %q, %q", message, field)
	}
	if got, want := coded.Error(), "salesforce.Query: throttled REQUEST_LIMIT_EXCEEDED: no route"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1000)
		draw := func(name string) Counts {
			return Counts{n.Draw(t, name), n.Draw(t, name), n.Draw(t, name), n.Draw(t, name), n.Draw(t, name)}
		}
		a, b := draw("a"), draw("b")
		if a.Plus(b).Sum() != a.Sum()+b.Sum() || a.Plus(b).Minus(b) != a {
			t.Fatalf("%+v and %+v do not add up", a, b)
		}
	})
}

func TestIDsSortByTheirTime(t *testing.T) {
	t.Parallel()
	before := ""
	for range 1000 {
		id := NewID("i")
		if id <= before || !strings.HasPrefix(id, "i_") {
			t.Fatalf("%q does not sort after %q", id, before)
		}
		before = id
	}
	if a, b := NewToken(), NewToken(); a == b || len(a.Reveal()) < 43 {
		t.Errorf("tokens are too short or the same")
	}
}
