package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Options say what a Service is like. There is one client.
type Options struct {
	Issuer       string // origin at which the Service is reached, such as "http://127.0.0.1:8004"
	ClientID     string
	ClientSecret string
	RedirectURIs []string         // where a sign-in may return to, exactly
	LogoutURIs   []string         // where a sign-out may return to, exactly
	People       []Person         // offered on the page; nil means Dana Reeve
	Now          func() time.Time // nil means time.Now
}

// Person is somebody who can sign in.
type Person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Flags registers every option that a command line can set on fs, and returns where they will be.
func Flags(fs *flag.FlagSet) *Options {
	o := &Options{}
	fs.StringVar(&o.Issuer, "issuer", "", "the `URL` at which clients reach the issuer (default: where it listens)")
	fs.StringVar(&o.ClientID, "client-id", "referral-bridge", "`id` of the client")
	fs.StringVar(&o.ClientSecret, "client-secret", "not-a-secret", "`secret` of the client")
	fs.Func("redirect-uri", "`URL` to which a sign-in may return; may be repeated", appendURL(&o.RedirectURIs))
	fs.Func("logout-uri", "`URL` to which a sign-out may return; may be repeated", appendURL(&o.LogoutURIs))
	return o
}

func appendURL(list *[]string) func(string) error {
	return func(text string) error {
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Fragment != "" {
			return errors.New("want an absolute URL without a fragment")
		}
		*list = append(*list, text)
		return nil
	}
}

// Service is the issuer. It is safe for use by several goroutines.
type Service struct {
	options Options
	routes  http.Handler

	mu     sync.Mutex
	key    jose.JSONWebKey // with the private part
	people []Person        // who may be chosen: those given, then those who signed in
	codes  map[string]grant
	tokens map[string]access
}

// New returns an issuer with a new key. It fails if an option that it cannot do without is missing.
func New(o Options) (*Service, error) {
	o.Issuer = strings.TrimSuffix(o.Issuer, "/")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.People == nil {
		o.People = []Person{{"Dana Reeve", "dana@example.com"}}
	}
	for name, value := range map[string]string{"issuer": o.Issuer, "client id": o.ClientID, "client secret": o.ClientSecret} {
		if value == "" {
			return nil, fmt.Errorf("sign-in: the %s is missing", name)
		}
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	s := &Service{
		options: o, people: slices.Clone(o.People), codes: map[string]grant{}, tokens: map[string]access{},
		key: jose.JSONWebKey{Key: private, KeyID: rand.Text(), Algorithm: string(jose.RS256), Use: "sig"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.keys)
	mux.HandleFunc("GET /authorize", s.ask)
	mux.HandleFunc("POST /authorize", s.signIn)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /userinfo", s.userinfo)
	mux.HandleFunc("GET /logout", s.logout)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "home", o.Issuer) })
	s.routes = http.NewCrossOriginProtection().Handler(mux)
	return s, nil
}

// ServeHTTP answers discovery, sign-in, tokens and sign-out.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// snapshot is all that the issuer must not forget. Codes and access tokens are too short-lived to keep.
type snapshot struct {
	Key    jose.JSONWebKey `json:"key"`
	People []Person        `json:"people"`
}

// Snapshot returns the key and the people as JSON. It holds the private key.
func (s *Service) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(snapshot{s.key, s.people})
}

// Restore replaces the key and the people by those that Snapshot returned, so that tokens issued then still
// verify. After an error nothing has changed.
func (s *Service) Restore(data []byte) error {
	var saved snapshot
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("restore sign-in: %w", err)
	}
	if _, ok := saved.Key.Key.(*rsa.PrivateKey); !ok || !saved.Key.Valid() {
		return errors.New("restore sign-in: no private key")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.people = saved.Key, saved.People
	return nil
}

func (s *Service) discovery(w http.ResponseWriter, _ *http.Request) {
	issuer := s.options.Issuer
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "/authorize",
		"token_endpoint":                        issuer + "/token",
		"userinfo_endpoint":                     issuer + "/userinfo",
		"end_session_endpoint":                  issuer + "/logout",
		"jwks_uri":                              issuer + "/keys",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.RS256)},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"claims_supported":                      []string{"sub", "name", "email", "email_verified"},
	})
}

func (s *Service) keys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.key.Public()}})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only if the caller went away
}
