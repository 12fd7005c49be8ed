package salesforce_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// stand is a client of an org that has the fourteen fields on contacts and leads, visible to everybody.
type stand struct {
	*salesforce.Client
	t       *testing.T
	org     *simulated.Org
	tokens  *session
	layouts map[string]bridge.Layout

	mu   sync.Mutex
	seen []seen // writing calls, in their order
}

// seen is a request as it came in.
type seen struct {
	method, path, body string
	header             http.Header
}

func newStand(t *testing.T, options simulated.Options) *stand {
	t.Helper()
	s := &stand{t: t, org: simulated.New(options), layouts: map[string]bridge.Layout{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/services/data/") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client has cut it off
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.mu.Lock()
			s.seen = append(s.seen, seen{r.Method, r.URL.Path, string(body), r.Header})
			s.mu.Unlock()
		}
		s.org.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	hosts := salesforce.Hosts{Simulator: server.URL}
	s.tokens = &session{t: t, org: s.org, origin: server.URL}
	s.Client = &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: s.tokens}
	for _, object := range []string{"Contact", "Lead"} {
		layout := bridge.Layout{Object: object, Visible: bridge.EveryField}
		for i, f := range bridge.Fields {
			layout.Names[i] = "RH_" + f.Name + "__c"
			form := url.Values{"object": {object}, "name": {"RH_" + f.Name}, "label": {f.Name}, "type": {string(f.Type)}, "visible": {"on"}}
			if f.Type == bridge.NumberField {
				form.Set("length", fmt.Sprint(bridge.Digits))
			}
			if f.Type == bridge.TextField {
				form.Set("length", fmt.Sprint(f.Length))
			}
			if f.Key {
				form.Set("external", "on")
				form.Set("unique", "on")
			}
			s.post("/setup/fields", form)
		}
		s.layouts[object] = layout
	}
	return s
}

// post sends a form of the org's pages.
func (s *stand) post(path string, form url.Values) {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.org.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		s.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

// control calls a control route of the org.
func (s *stand) control(path, body string) string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.org.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/__control/"+path, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// do calls the API as another app would.
func (s *stand) do(method, path, body string) string {
	s.t.Helper()
	token, err := s.tokens.Token(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(method, "/services/data/v66.0"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token.Token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.org.ServeHTTP(w, r)
	if w.Code >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

// rows runs a statement as another app would.
func (s *stand) rows(statement string) []map[string]any {
	s.t.Helper()
	var found struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(s.do(http.MethodGet, "/query?q="+url.QueryEscape(statement), "")), &found); err != nil {
		s.t.Fatal(err)
	}
	return found.Records
}

// calls runs do and returns how many calls of the org's allowance it took.
func (s *stand) calls(do func()) int {
	s.t.Helper()
	before, own := s.org.Counts().API, s.Calls()
	do()
	spent := s.org.Counts().API - before
	if made := s.Calls() - own; made != spent {
		s.t.Errorf("Calls counts %d, the org %d", made, spent)
	}
	return spent
}

// forget drops the requests seen so far.
func (s *stand) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// filled are values of all fields, for the nth subscriber.
func filled(n int) bridge.Values {
	return bridge.Values{
		bridge.Code: fmt.Sprintf("code%d", n), bridge.ExtraField: "extra", bridge.ExtraField2: `"quoted"\`, bridge.LastReferral: "2026-11-03T10:15:30Z",
		bridge.Points: fmt.Sprint(n), bridge.Position: fmt.Sprint(n + 1), bridge.ReferralLink: "https://acme.example/?r=a&b=<c>", bridge.Referrer: "Ελένη O'Neil",
		bridge.Source: "None", bridge.SubscriberKey: fmt.Sprintf("sub_%012x", n), bridge.TotalReferrals: "0", bridge.EmailLink: "mailto:?x=1",
		bridge.FacebookLink: "https://fb.example/1", bridge.TwitterLink: "https://tw.example/1",
	}
}

// newContacts are n changes that make a contact each.
func newContacts(n int) []bridge.Change {
	changes := make([]bridge.Change, n)
	for i := range changes {
		changes[i] = bridge.Change{Target: bridge.ToContact, Fields: bridge.EveryField, Values: filled(i),
			Person: &bridge.NewPerson{FirstName: "Ann", LastName: fmt.Sprintf("Lee %d", i), Email: fmt.Sprintf("new%d@example.com", i)}}
	}
	return changes
}
