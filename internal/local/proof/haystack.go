package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// place is somewhere where bytes end up.
type place string

// The places that are watched.
const (
	logs     place = "logs"     // all that functions and the stack say, metrics included
	answers  place = "answers"  // of the console, but for carriers
	carriers place = "carriers" // the console's cookies and redirects, which have to carry secrets
	messages place = "messages" // of queues, with their attributes
	rows     place = "rows"     // what is written to the table, and the keys that are read
	mails    place = "mails"
	vault    place = "vault" // Secrets Manager
	calls    place = "calls" // of one function by another
	org      place = "org"   // Salesforce, what it is told and what it tells
	hero     place = "hero"  // what ReferralHero is told
)

// mark is a text that may be seen at some places, and nowhere else.
type mark struct {
	what    string
	text    string
	allowed []place
}

// haystack is all that was seen, and what to look for in it. It is safe for concurrent use.
type haystack struct {
	mu    sync.Mutex
	seen  map[place]*bytes.Buffer
	marks map[string]mark // by text
}

func newHaystack() *haystack {
	return &haystack{seen: map[place]*bytes.Buffer{}, marks: map[string]mark{}}
}

// shortest is the length under which a text could turn up by chance.
const shortest = 8

// look has a text looked for. What is too short to be told from chance is left alone.
func (h *haystack) look(what, text string, allowed ...place) {
	if len(text) < shortest {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marks[text] = mark{what, text, allowed}
}

// add keeps what was seen at a place.
func (h *haystack) add(at place, seen []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen[at] == nil {
		h.seen[at] = &bytes.Buffer{}
	}
	h.seen[at].Write(seen)
	h.seen[at].WriteByte('\n')
}

// at returns a writer for what is seen at a place.
func (h *haystack) at(p place) writer { return writer{h, p} }

type writer struct {
	haystack *haystack
	place    place
}

func (w writer) Write(b []byte) (int, error) {
	w.haystack.add(w.place, b)
	return len(b), nil
}

// sees reports whether a text was seen at a place.
func (h *haystack) sees(at place, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.seen[at]
	return seen != nil && slices.ContainsFunc(forms(text), func(form string) bool { return bytes.Contains(seen.Bytes(), []byte(form)) })
}

// size is how many bytes were seen.
func (h *haystack) size() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, seen := range h.seen {
		n += seen.Len()
	}
	return n
}

// leak is a mark where it must not be.
type leak struct {
	what  string
	place place
	bytes int
}

func (l leak) String() string { return fmt.Sprintf("%d bytes of %s in %s", l.bytes, l.what, l.place) }

// search returns what is where it must not be, and which kinds of marks were seen nowhere, not even where they
// may be: for those it would not have found a leak either.
func (h *haystack) search() (leaks []leak, unseen []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kinds := map[string]bool{} // whether one was seen
	for _, text := range slices.Sorted(maps.Keys(h.marks)) {
		m := h.marks[text]
		forms := forms(text)
		found := false
		for _, at := range slices.Sorted(maps.Keys(h.seen)) {
			n := 0
			for _, form := range forms {
				n += bytes.Count(h.seen[at].Bytes(), []byte(form)) * len(form)
			}
			switch {
			case n == 0:
			case slices.Contains(m.allowed, at):
				found = true
			default:
				leaks = append(leaks, leak{m.what, at, n})
			}
		}
		kinds[m.what] = kinds[m.what] || found || len(m.allowed) == 0
	}
	for _, what := range slices.Sorted(maps.Keys(kinds)) {
		if !kinds[what] {
			unseen = append(unseen, what)
		}
	}
	return leaks, unseen
}

// forms are the ways in which a text is written: as it is, in URLs, JSON and HTML, and in base64 wherever it
// begins in what is encoded.
func forms(text string) []string {
	quoted, _ := json.Marshal(text) // a string: cannot fail
	all := []string{text, url.QueryEscape(text), url.PathEscape(text), strings.Trim(string(quoted), `"`), html.EscapeString(text)}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...))
		// The first characters depend on what is before, and the last on what follows.
		encoded = encoded[(before*8+5)/6 : (before+len(text))*8/6]
		all = append(all, encoded, strings.NewReplacer("+", "-", "/", "_").Replace(encoded))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
