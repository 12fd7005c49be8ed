// Package lambda is AWS Lambda's Invoke.
package lambda

import (
	"context"
	"errors"
	"net/http"
)

// Invoker runs the function of that name and waits for its answer. A functionError ("Unhandled") says that the function itself
// failed; result is then its error object. An error says that it was not run: ErrNotFound, ErrThrottled, anything else is a
// fault of the service.
type Invoker func(ctx context.Context, function string, payload []byte) (result []byte, functionError string, err error)

// Options say how a Server behaves.
type Options struct {
	Invoke Invoker // nil means that there are no functions
}

// Server is an http.Handler that answers Invoke. It is safe for concurrent use.
type Server struct{ invoke Invoker }

// New returns a Lambda with the functions that o.Invoke knows.
func New(o Options) *Server { return &Server{invoke: o.Invoke} }

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// What an Invoker may answer. They may be wrapped.
var (
	ErrNotFound  = errors.New("no such function")
	ErrThrottled = errors.New("too many requests")
)
