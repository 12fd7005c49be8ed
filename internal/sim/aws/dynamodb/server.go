package dynamodb

import (
	"net/http"
	"time"
)

// Options are the doors through which the world comes in. The zero value is ready for use.
type Options struct {
	// Now is the clock of everything that depends on time: expiry, idempotency tokens, creation dates. It defaults to time.Now.
	Now func() time.Time
	// Latency is added to every answer. AWS needs 2 to 5 ms; the default is none.
	Latency time.Duration
}

// Server is a region of DynamoDB with one account. It is safe for concurrent use, and every operation on it is atomic:
// transactions are serialisable and never conflict.
type Server struct {
	options Options
}

// New returns a server without tables.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{options: o}
}

// ServeHTTP answers a POST whose header X-Amz-Target names an operation of DynamoDB_20120810. Signatures are not looked at.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "no operation yet", http.StatusNotImplemented)
}
