package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

const (
	administrator = "admin@acme.example"
	address       = "operator+smoke@example.com"
	campaign      = "MF0a1b2c3d4e"
)

// world is a sandbox with the fourteen fields and a campaign, whose answers can be changed on their way.
type world struct {
	t         *testing.T
	org       *simorg.Org
	hero      *simhero.Service
	options   Options
	lines     []string
	changed   func(r *http.Request, body []byte) []byte // of both sides; from it, nil is a connection that was cut after the work
	writes    []string                                  // requests that were no reads
	afterward func(r *http.Request)                     // called when one was answered
}

func newWorld(t *testing.T, contacts int) *world {
	t.Helper()
	w := &world{t: t,
		org:  simorg.New(simorg.Options{Generated: contacts, Username: administrator, ClientID: "key", ClientSecret: "consumer-secret"}),
		hero: simhero.New(simhero.Options{Token: strings.Repeat("f", 40), Subscribers: 120, Lists: []simhero.List{{UUID: campaign, Name: "Trial", URL: "https://example.com/join", Ranking: true}}}),
	}
	t.Cleanup(w.org.Close)
	t.Cleanup(w.hero.Close)
	switches := w.org.Switches()
	switches.Sandbox = true
	w.org.SetSwitches(switches)
	instance := w.serve(w.org)
	token, err := w.org.Token(administrator)
	if err != nil {
		t.Fatal(err)
	}
	w.options = Options{
		Org:  Org{Instance: instance, Token: bridge.NewSecret(token)},
		Hero: Hero{BaseURL: w.serve(w.hero) + "/api/v2", Token: bridge.NewSecret(w.hero.Token()), Campaign: campaign},
		Now:  time.Now, Address: address,
		Tell: func(format string, args ...any) { w.lines = append(w.lines, fmt.Sprintf(format, args...)) },
	}
	w.fields()
	w.writes = nil
	return w
}

// fields makes the fourteen and shows them to the user.
func (w *world) fields() {
	w.t.Helper()
	hosts := salesforce.Hosts{Simulator: w.options.Org.Instance}
	client := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: &given{token: bridge.AccessToken{Token: w.options.Org.Token, Instance: w.options.Org.Instance}}}
	var made []provision.NewField
	for _, f := range bridge.Fields {
		made = append(made, provision.NewField{Name: "RH_" + f.Name + "__c", Label: "RH " + f.Name, Of: f})
	}
	for part := range slices.Chunk(made, 10) {
		refused, err := client.CreateFields(w.t.Context(), "Contact", part)
		if err := errors.Join(append(refused, err)...); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, f := range made {
		if err := w.org.SetVisible(administrator, "Contact", f.Name, true); err != nil {
			w.t.Fatal(err)
		}
	}
}

// reading is what simulators are sent that changes nothing, whatever the door says.
var reading = regexp.MustCompile(`^(GET .*|POST /services/data/v66\.0/composite|POST /services/Soap/m/66\.0 readMetadata|POST /services/oauth2/token client_credentials)$`)

// serve serves a simulator, and notes what writes.
func (w *world) serve(simulator http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		what := r.Method + " " + r.URL.Path
		for _, word := range []string{"readMetadata", "client_credentials"} {
			if bytes.Contains(body, []byte(word)) {
				what += " " + word
			}
		}
		if !reading.MatchString(what) || bytes.Contains(body, []byte(`"method":"P`)) {
			w.writes = append(w.writes, what)
		}
		r.Header.Del("Accept-Encoding") // what is to be changed has to be readable
		recorder := httptest.NewRecorder()
		simulator.ServeHTTP(recorder, r)
		answer := append([]byte{}, recorder.Body.Bytes()...)
		if w.changed != nil {
			answer = w.changed(r, answer)
		}
		if w.afterward != nil {
			defer w.afterward(r)
		}
		if answer == nil && recorder.Body.Len() > 0 {
			panic(http.ErrAbortHandler)
		}
		for name, values := range recorder.Header() {
			if name != "Content-Length" {
				out.Header()[name] = values
			}
		}
		out.WriteHeader(recorder.Code)
		_, _ = out.Write(answer)
	}))
	w.t.Cleanup(server.Close)
	return server.URL
}

func (w *world) run() Report {
	w.t.Helper()
	r, err := Run(w.t.Context(), w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// said returns the lines that begin so.
func (w *world) said(verdict verdict) (some []string) {
	for _, line := range w.lines {
		if strings.HasPrefix(line, string(verdict)) {
			some = append(some, line)
		}
	}
	return some
}

func TestTheSimulatorsAreWhatWeAssume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2_300)
	got := w.run()
	if got.Differs > 0 || got.Err() != nil || got.OK < 30 {
		t.Errorf("found %+v, want nothing that differs:\n%s", got, strings.Join(w.lines, "\n"))
	}
	for _, line := range w.said(notTried) {
		if !strings.Contains(line, "-write") && !slices.ContainsFunc(untried, func(u struct{ assumption, how string }) bool { return strings.Contains(line, u.assumption) }) {
			t.Errorf("%q, want everything tried that can be", line)
		}
	}
	if len(w.writes) > 0 {
		t.Errorf("it has sent %q, want reads only", w.writes)
	}
	if got.Salesforce > mostOrgCalls*3/4 || got.ReferralHero > mostHeroCalls*3/4 {
		t.Errorf("%d and %d calls, want some to spare of what is announced", got.Salesforce, got.ReferralHero)
	}
	if w.org.Counts().API > got.Salesforce || w.hero.Counts().Calls != got.ReferralHero {
		t.Errorf("it says %d and %d calls; the other sides have counted %d and %d", got.Salesforce, got.ReferralHero, w.org.Counts().API, w.hero.Counts().Calls)
	}
}

func TestREADMESaysWhatIsNotTried(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range untried {
		if line := "\n| " + u.assumption + " | " + u.how + " |\n"; !strings.Contains(string(readme), line) {
			t.Errorf("README has no line %q", line)
		}
	}
}

func TestWhatIsWrittenIsRemoved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		changed       func(r *http.Request, body []byte) []byte
		endsAt        string // a request after which the operator has had enough
		kept, differs bool
	}{
		"when all goes well": {},
		"when what is read back differs": {differs: true, changed: func(r *http.Request, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte("2026-02-03T04:05:06"), []byte("2026-02-03T05:05:06"))
		}},
		"when nobody learns whether it was made": {changed: func(r *http.Request, body []byte) []byte {
			if r.Method == http.MethodPatch || r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/subscribers") {
				return nil
			}
			return body
		}},
		"when it is ended after the contact":    {endsAt: "PATCH "},
		"when it is ended after the subscriber": {endsAt: "POST /api/v2/lists/"},
		"or it says what is left": {kept: true, differs: true, changed: func(r *http.Request, body []byte) []byte {
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/services/") && strings.Contains(r.URL.RawQuery, "smoke_") {
				return nil
			}
			return body
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 10)
			before := len(w.hero.Subscribers(campaign))
			w.options.Write, w.changed = true, tc.changed
			if tc.kept { // Salesforce and ReferralHero let nothing be deleted
				w.org.SetFault(func(r *http.Request) *simorg.Fault {
					if r.Method == http.MethodDelete {
						return &simorg.Fault{Status: http.StatusForbidden, Code: "INSUFFICIENT_ACCESS"}
					}
					return nil
				})
				if err := w.hero.Set("faults", "refuse code internal_error every 3 on DELETE"); err != nil {
					t.Fatal(err)
				}
			}
			ctx, end := context.WithCancel(t.Context())
			defer end()
			w.afterward = func(r *http.Request) {
				if tc.endsAt != "" && strings.HasPrefix(r.Method+" "+r.URL.Path, tc.endsAt) {
					end()
				}
			}
			got, err := Run(ctx, w.options)
			if err != nil {
				t.Fatal(err)
			}
			left := len(w.hero.Subscribers(campaign)) - before + w.smoked()
			if !tc.kept && (left != 0 || got.Left != nil) || tc.kept && (left == 0 || len(got.Left) != left) {
				t.Errorf("%d are left, and it says %q:\n%s", left, got.Left, strings.Join(w.lines, "\n"))
			}
			if (got.Differs > 0) != tc.differs || (got.Err() != nil) != tc.differs {
				t.Errorf("found %+v:\n%s", got, strings.Join(w.lines, "\n"))
			}
			if want := "PATCH /services/data/v66.0/composite/sobjects/Contact/RH_SUB_ID__c"; !slices.Contains(w.writes, want) {
				t.Errorf("it has sent %q, want %q among them", w.writes, want)
			}
		})
	}
}

// smoked counts contacts with our mark.
func (w *world) smoked() int {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/services/data/v66.0/query?q=SELECT+Id+FROM+Contact+WHERE+LastName+LIKE+'%25smoke%25'", nil)
	r.Header.Set("Authorization", "Bearer "+w.options.Org.Token.Reveal())
	recorder := httptest.NewRecorder()
	w.org.ServeHTTP(recorder, r)
	var found struct{ TotalSize *int }
	if err := json.Unmarshal(recorder.Body.Bytes(), &found); err != nil || found.TotalSize == nil {
		w.t.Fatalf("%v: %s", err, recorder.Body)
	}
	return *found.TotalSize
}

func TestWhatDiffersIsSaid(t *testing.T) {
	t.Parallel()
	replace := func(path, old, new string) func(*http.Request, []byte) []byte {
		return func(r *http.Request, body []byte) []byte {
			if strings.Contains(r.URL.Path, path) {
				return bytes.ReplaceAll(body, []byte(old), []byte(new))
			}
			return body
		}
	}
	for name, tc := range map[string]struct {
		set     func(w *world) error
		changed func(r *http.Request, body []byte) []byte
		want    string
	}{
		"an unknown subscriber has another code":          {changed: replace("", "subscriber_not_found", "no_such_person"), want: "a subscriber whom it does not have is subscriber_not_found"},
		"an unknown campaign has another code":            {changed: replace("", "invalid_list", "no_such_list"), want: "a campaign that it does not have is invalid_list"},
		"an unknown token has another code":               {changed: replace("", "invalid_token", "who_are_you"), want: "a token that it does not know is refused with invalid_token"},
		"pages are counted otherwise":                     {changed: replace("/subscribers", `"total_pages":3`, `"total_pages":9`), want: "a page of subscribers tells where it is"},
		"calls_left is a word":                            {changed: replace("/lists", `"calls_left":`, `"calls_left":"plenty","was":`), want: "calls_left is a number"},
		"dates are in milliseconds":                       {changed: replace("/subscribers", `"created_at":`, `"created_at":1000000`), want: "created_at and last_updated_at are seconds"},
		"the org's further pages are elsewhere":           {changed: replace("/query", `"nextRecordsUrl":"/services`, `"nextRecordsUrl":"/elsewhere`), want: "a query goes on at nextRecordsUrl"},
		"permissions have other names":                    {changed: replace("/query", "PermissionsApiEnabled", "PermissionsApi"), want: "UserPermissionAccess tells what the user may do"},
		"our version is not listed":                       {changed: replace("/services/data/", `/services/data/v66.0"`, `/services/data/v99.0"`), want: "our version of the API is among those that it lists"},
		"dates of records are written otherwise":          {changed: replace("/composite", "+0000", " UTC"), want: "a composite call of five queries"},
		"parts of a composite call come in another order": {changed: replace("/composite", "part1", "part2"), want: "a composite call of five queries"},
		"the Metadata API takes no access token": {want: "the Metadata API takes the access token", set: func(w *world) error {
			w.org.SetRules(simorg.Rule{Kind: simorg.KindMetadata, Fault: simorg.Fault{Status: 500, Code: "INVALID_SESSION_ID"}})
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 300)
			w.changed = tc.changed
			if tc.set != nil {
				if err := tc.set(w); err != nil {
					t.Fatal(err)
				}
			}
			got := w.run()
			if said := w.said(differs); !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, tc.want) }) || got.Err() == nil {
				t.Errorf("differs: %s\nwant %q among them", strings.Join(said, "\n"), tc.want)
			}
		})
	}
}

func TestWhoIsNotTried(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(w *world)
		error  string // if it refuses to begin
		says   string
		calls  int // to both at most
	}{
		"an org in production": {func(w *world) {
			s := w.org.Switches()
			s.Sandbox = false
			w.org.SetSwitches(s)
		}, "in production", "", 2},
		"writing to an org in production": {func(w *world) {
			s := w.org.Switches()
			s.Sandbox = false
			w.org.SetSwitches(s)
			w.options.Write, w.options.Production = true, true
		}, "", "writing contacts (an org in production is only read)", 80},
		"an address that is no org's": {func(w *world) { w.options.Org.Instance = "https://example.com" }, "has to be like", "", 0},
		"writing without an address":  {func(w *world) { w.options.Write, w.options.Address = true, "" }, "e-mail address", "", 0},
		"anything after a token that is refused": {func(w *world) {
			w.options.Org.Token, w.options.Hero.Token = bridge.NewSecret("00D000000000000!stale"), bridge.NewSecret("stale")
		}, "", "not tried  Salesforce: the org tells its stages (after that: the token works", 4},
		"what was not given":            {func(w *world) { w.options.Org, w.options.Hero = Org{}, Hero{} }, "", "not tried  ReferralHero (no token was given)", 0},
		"a campaign that is not listed": {func(w *world) { w.options.Hero.Campaign = "MFffffffffff" }, "", "the one that was given is not among them", 60},
		"a subscriber who is there":     {func(w *world) { w.options.Write, w.options.Address = true, w.hero.Subscribers(campaign)[0].Email }, "", "who is left alone", 70},
		"one of several campaigns": {func(w *world) {
			w.hero.SetList(simhero.List{UUID: "MF1111111111", Name: "B", URL: "https://example.com"})
			w.options.Hero.Campaign = ""
		}, "", "say by REFERRALHERO_CAMPAIGN which one is for trying things out: MF0a1b2c3d4e, MF1111111111", 60},
		"the fields if they are not there": {func(w *world) {
			w.options.Write = true
			if err := w.org.SetVisible(administrator, "Contact", "RH_SUB_ID__c", false); err != nil {
				w.t.Fatal(err)
			}
		}, "", "switch syncing on for a campaign first", 80},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 10)
			w.org.ResetCounts()
			tc.change(w)
			got, err := Run(t.Context(), w.options)
			switch {
			case (err != nil) != (tc.error != "") || err != nil && !strings.Contains(err.Error(), tc.error):
				t.Errorf("error = %v, want %q in it", err, tc.error)
			case !strings.Contains(strings.Join(w.lines, "\n"), tc.says):
				t.Errorf("it says\n%s\nwant %q in it", strings.Join(w.lines, "\n"), tc.says)
			case got.Salesforce+got.ReferralHero > tc.calls:
				t.Errorf("%+v, want at most %d calls", got, tc.calls)
			case !w.org.Switches().Sandbox && slices.ContainsFunc(w.writes, func(what string) bool { return strings.Contains(what, "/services/") }):
				t.Errorf("it has sent %q", w.writes)
			}
		})
	}
}

func TestAnAppGetsATokenByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.options.Org.Token = bridge.Secret{}
	w.options.Org.App = bridge.App{Key: bridge.NewSecret("key"), Secret: bridge.NewSecret("consumer-secret")}
	if got := w.run(); got.Differs > 0 || !strings.Contains(strings.Join(w.lines, "\n"), "ok         Salesforce: an app gets a token by itself") {
		t.Errorf("found %+v:\n%s", got, strings.Join(w.lines, "\n"))
	}
	forged := w.org.Switches()
	forged.ForgedSignature = true
	w.org.SetSwitches(forged)
	if got := w.run(); got.Differs == 0 {
		t.Error("a signature by another secret was taken")
	}
}

// TestNothingPersonalIsSaid also when answers are strange, which is when one would like to see them.
func TestNothingPersonalIsSaid(t *testing.T) {
	t.Parallel()
	for name, changed := range map[string]func(r *http.Request, body []byte) []byte{
		"when all is as we assume": nil,
		"when nothing is": func(r *http.Request, body []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(`"status":"ok"`), []byte(`"status":"fine"`)), []byte(`"records"`), []byte(`"rows"`))
		},
		"when names are keys": func(r *http.Request, body []byte) []byte {
			return regexp.MustCompile(`"email":"`).ReplaceAll(body, []byte(`"ada@example.com":"`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 50)
			w.options.Write, w.changed = true, changed
			r := w.run()
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(w.lines, "\n") + string(text) + fmt.Sprint(r.Err())
			for what, hidden := range map[string]string{
				"the org's token": w.options.Org.Token.Reveal(), "ReferralHero's token": w.options.Hero.Token.Reveal(),
				"an address": "@example", "the operator's address": address,
			} {
				if strings.Contains(all, hidden) {
					t.Errorf("it tells %s:\n%s", what, all)
				}
			}
		})
	}
}
