// Package secretsmanager is AWS Secrets Manager as far as Referral Bridge uses it, over the AWS JSON 1.1 protocol.
package secretsmanager

import (
	"net/http"
	"time"
)

// Options say how a Server behaves.
type Options struct {
	Now func() time.Time // nil means time.Now
}

// Server is an http.Handler that answers the operations of Secrets Manager. It is safe for concurrent use.
type Server struct{}

// New returns a Secrets Manager without secrets.
func New(o Options) *Server { return &Server{} }

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
