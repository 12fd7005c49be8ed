// Package sqs is Amazon SQS as far as Referral Bridge uses it: standard queues over the AWS JSON 1.0 protocol.
package sqs

import (
	"net/http"
	"time"
)

// Options say how a Server behaves.
type Options struct {
	Now func() time.Time // the clock of delays, visibility and retention; nil means time.Now
}

// Server is an http.Handler that answers the operations of SQS. It is safe for concurrent use.
type Server struct{}

// New returns an SQS without queues.
func New(o Options) *Server { return &Server{} }

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Requests counts the requests so far, by operation.
func (s *Server) Requests() map[string]int { return nil }
