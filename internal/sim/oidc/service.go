// Package oidc is a small local OpenID Connect issuer.
package oidc

import (
	"flag"
	"net/http"
	"time"
)

// Options say what a Service is like.
type Options struct {
	Issuer       string // the URL at which the Service is reached
	ClientID     string
	ClientSecret string
	RedirectURIs []string         // where a sign-in may return to, exactly
	LogoutURIs   []string         // where a sign-out may return to, exactly
	Now          func() time.Time // nil means time.Now
}

// Flags registers every option on fs.
func Flags(fs *flag.FlagSet) *Options {
	o := &Options{}
	fs.StringVar(&o.ClientID, "client-id", "referral-bridge", "the client id")
	return o
}

// Service is the issuer.
type Service struct{ o Options }

// New returns an issuer.
func New(o Options) (*Service, error) { return &Service{o: o}, nil }

// ServeHTTP answers discovery, sign-in, tokens and sign-out.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Snapshot returns everything that Restore needs to go on from here.
func (s *Service) Snapshot() ([]byte, error) { return []byte("{}"), nil }

// Restore replaces what the Service knows by what Snapshot returned.
func (s *Service) Restore(snapshot []byte) error { return nil }
