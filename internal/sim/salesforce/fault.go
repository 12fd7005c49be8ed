package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kind sorts requests for counting and for faults.
type Kind string

// The kinds of requests. Pages and control routes have none.
const (
	KindToken Kind = "token" // POST /services/oauth2/token
	KindLogin Kind = "login" // the rest of OAuth: authorize, revoke, introspect, userinfo, identity
	KindQuery Kind = "query" // query, queryAll and their locators
	KindOther Kind = "other" // the rest of the REST API
	KindAPI   Kind = "api"   // query, other and metadata together; only in a Rule

	KindMetadata Kind = "metadata" // the Metadata API over SOAP
	KindRecord   Kind = "record"   // no request: a record that is written; only in a Rule
)

func kindOf(r *http.Request) Kind {
	path := r.URL.Path
	switch {
	case path == "/services/oauth2/token":
		return KindToken
	case strings.HasPrefix(path, "/services/oauth2/"), strings.HasPrefix(path, "/id/"), strings.HasPrefix(path, "/.well-known/"):
		return KindLogin
	case strings.HasPrefix(path, metadataEndpoint):
		return KindMetadata
	case strings.HasPrefix(path, "/services/"):
		path = strings.Replace(path, "/tooling/", "/", 1)
		if parts := strings.Split(path, "/"); len(parts) > 4 && (parts[4] == "query" || parts[4] == "queryAll") {
			return KindQuery
		}
		return KindOther
	}
	return ""
}

// Switches are what can be changed about an org while it runs.
type Switches struct {
	Rotation     bool `json:"rotation"`     // a refresh answers with a new refresh token
	AppInstalled bool `json:"appInstalled"` // off: authorizing ends on Salesforce's own error page

	// Token answers that a client must refuse.
	ForgedSignature   bool   `json:"forgedSignature"`   // signed with another secret
	OtherOrganization bool   `json:"otherOrganization"` // for another organization, signed rightly
	InstanceURL       string `json:"instanceURL"`       // if set, what they name instead of this org

	Setup
	Automation
	Outbound

	BulkDelay     Duration `json:"bulkDelay"`     // how long a job of the Bulk API takes, by the org's clock
	AccessDelay   Duration `json:"accessDelay"`   // how long it takes until changed permissions count, by the org's clock
	Latency       Duration `json:"latency"`       // added to every answer of the token endpoint and the API
	DailyRequests int      `json:"dailyRequests"` // API calls per rolling 24 hours
}

// Switches returns the switches as they are.
func (o *Org) Switches() Switches {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.switches
}

// SetSwitches replaces all switches.
func (o *Org) SetSwitches(s Switches) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.switches = s
	o.settle()
}

// Duration is a time.Duration that JSON writes as text, such as "1.5s".
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads, but nothing negative.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err == nil && parsed < 0 {
		err = errors.New("a duration cannot be negative")
	}
	*d = Duration(parsed)
	return err
}

// Fault is what happens to a request instead of, or beside, its answer. The zero value does nothing.
type Fault struct {
	// Delay comes before the answer. At the token endpoint it comes in the middle of a refresh, when the
	// token is claimed and not yet rotated; the refresh goes on if the client hangs up meanwhile.
	Delay Duration `json:"delay,omitempty"`
	// Status, if not 0, is answered, and nothing is done. The body is an error with Code and Message in
	// the form that the endpoint uses, or a page of HTML, as the edge of an overloaded pod sends.
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	HTML    bool   `json:"html,omitempty"`
	// Drop does what was asked, and then cuts the connection without an answer.
	Drop bool `json:"drop,omitempty"`
}

// Rule says which requests a fault happens to. One of KindRecord says instead which records are refused whenever
// anybody writes them, with Code (FIELD_CUSTOM_VALIDATION_EXCEPTION if it is empty) and Message: a validation rule, a
// locked row, a trigger of the customer's that fails.
type Rule struct {
	Kind  Kind   `json:"kind,omitempty"`  // empty: any request
	Path  string `json:"path,omitempty"`  // what the request's path and query contain; empty: anything
	Skip  int    `json:"skip,omitempty"`  // how many requests it spares first
	Times int    `json:"times,omitempty"` // how many requests it happens to; 0: all, until the rule is taken away

	// Of a record, each of which may be empty: its object, what is done to it (create, update, delete), and what
	// one of its fields contains, in capitals or not.
	Object    string `json:"object,omitempty"`
	Operation string `json:"operation,omitempty"`
	Field     string `json:"field,omitempty"`
	Contains  string `json:"contains,omitempty"`

	Fault
}

func (r Rule) matches(kind Kind, request *http.Request) bool {
	switch {
	case r.Kind == KindAPI && kind != KindQuery && kind != KindOther && kind != KindMetadata:
		return false
	case r.Kind != "" && r.Kind != KindAPI && r.Kind != kind:
		return false
	}
	return strings.Contains(request.URL.RequestURI(), r.Path)
}

// faults are the rules in force, and a function for what rules cannot say.
type faults struct {
	rules []Rule
	ask   func(*http.Request) *Fault
}

// SetRules replaces the fault rules. The first one that matches a request decides.
func (o *Org) SetRules(rules ...Rule) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults.rules = append([]Rule(nil), rules...)
}

// Rules returns the fault rules that are still in force.
func (o *Org) Rules() []Rule {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return append([]Rule{}, o.faults.rules...)
}

// SetFault has ask decide about each request that no rule matches; nil, from it or for it, is no
// fault. It may be called by several requests at once, and must leave the request's body alone.
func (o *Org) SetFault(ask func(*http.Request) *Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults.ask = ask
}

// fault decides what happens to a request.
func (o *Org) fault(kind Kind, r *http.Request) Fault {
	o.mu.Lock()
	ask := o.faults.ask
	for i := range o.faults.rules {
		rule := &o.faults.rules[i]
		if !rule.matches(kind, r) {
			continue
		}
		if rule.Skip > 0 {
			rule.Skip--
			continue
		}
		fault := rule.Fault
		o.faults.use(i)
		o.mu.Unlock()
		return fault
	}
	o.mu.Unlock()
	if ask != nil {
		if f := ask(r); f != nil {
			return *f
		}
	}
	return Fault{}
}

// use counts that a rule has happened once more, and forgets it after its last time.
func (f *faults) use(i int) {
	switch rule := &f.rules[i]; rule.Times {
	case 0:
	case 1:
		f.rules = slices.Delete(f.rules, i, i+1)
	default:
		rule.Times--
	}
}

// answer writes the error that a fault stands for.
func (f Fault) answer(w http.ResponseWriter, kind Kind) {
	switch {
	case f.HTML:
		w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		w.WriteHeader(f.Status)
		fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body><h1>We are down for maintenance</h1><p>Sorry for the inconvenience.</p></body></html>\n",
			f.Status, http.StatusText(f.Status))
	case kind == KindToken || kind == KindLogin:
		answerJSON(w, f.Status, map[string]string{"error": orElse(f.Code, "server_error"), "error_description": f.Message})
	case kind == KindMetadata:
		answerFault(w, refuse(f.Status, orElse(f.Code, "SERVER_UNAVAILABLE"), f.Message))
	default:
		answerError(w, refuse(f.Status, orElse(f.Code, "SERVER_UNAVAILABLE"), f.Message))
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// pause waits, or returns false when the client has gone.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// nowhere is where the answer of a dropped request goes.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
