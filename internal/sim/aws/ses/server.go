// Package ses is Amazon SES v2 as far as Referral Bridge uses it: SendEmail, and a page for people who look at what was sent.
package ses

import (
	"net/http"
	"time"
)

// Options say how a Server behaves.
type Options struct {
	Now func() time.Time // nil means time.Now
}

// Server is an http.Handler that answers SendEmail and shows the mails. It is safe for concurrent use.
type Server struct{}

// New returns an SES that has sent nothing.
func New(o Options) *Server { return &Server{} }

// Mail is one mail that was sent.
type Mail struct {
	ID      string            `json:"id"`      // the MessageId that SendEmail answered
	At      time.Time         `json:"at"`      // when it was accepted
	From    string            `json:"from"`    // as given, a display name may be part of it
	To      []string          `json:"to"`      // To, Cc and Bcc, as given
	Subject string            `json:"subject"` //
	Text    string            `json:"text"`    // empty if there is no such part
	HTML    string            `json:"html"`    // empty if there is no such part
	Tags    map[string]string `json:"tags"`    // EmailTags
}

// Mails returns what was sent, newest first.
func (s *Server) Mails() []Mail { return nil }

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
