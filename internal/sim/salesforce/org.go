package salesforce

import (
	"net/http"
	"time"
)

// Options describe an org. The zero value is a usable one: 1,000 generated contacts, rotation on.
type Options struct {
	// Origin is the org's own public origin, such as "http://127.0.0.1:8002": what instance_url and id
	// begin with. Empty means whatever host a request was sent to.
	Origin string
	// Now is the org's clock; nil means time.Now.
	Now func() time.Time

	Name           string // the organization's name; default "Acme Outdoor"
	OrganizationID string // 15 or 18 characters; default 00D5g000004AbCdEAK
	Username       string // who administers the org, and connects it; default admin@acme.example

	// The one app that may ask for a grant. Defaults: a fixed consumer key and secret, and any redirect
	// URI on this machine (localhost, 127.0.0.1).
	ClientID     string
	ClientSecret string
	RedirectURIs []string

	StaticRefreshTokens bool          // refresh-token rotation off; on is the default
	PKCEOptional        bool          // an authorize request without code_challenge is accepted
	SessionTimeout      time.Duration // how long an access token works after it was issued; default 2 h
	DailyRequests       int           // API calls per rolling 24 hours; default 115,000
	Latency             time.Duration // added to every API and token answer

	// Contacts are the org's contacts; nil means Generate(Generated, Seed).
	Contacts  []Contact
	Generated int // how many to generate; 0 means 1,000, negative none
	Seed      uint64
}

// Org is a simulated org: an http.Handler. It is safe for concurrent use.
type Org struct {
	options Options
}

// New returns an org with its data in place. It panics if an id among the options is not one.
func New(o Options) *Org { return &Org{options: o} }

// ServeHTTP answers OAuth, REST, the pages and the control routes.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Snapshot returns the org's records, grants and switches as JSON, for Restore.
func (o *Org) Snapshot() ([]byte, error) { return []byte("{}"), nil }

// Restore replaces records, grants and switches by those of a Snapshot. On an error nothing has changed.
func (o *Org) Restore(snapshot []byte) error { return nil }
