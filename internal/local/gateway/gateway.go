// Package gateway answers HTTP as an API Gateway HTTP API does that hands its requests to Lambda functions
// in payload format 2.0.
//
// See https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// What the HTTP API takes: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html.
const (
	largestBody   = 10 << 20
	largestHeader = 10240 // request line and header values together
	longest       = 30 * time.Second
)

// ErrTooLarge is what an Invoke returns if an event is larger than Lambda takes.
var ErrTooLarge = errors.New("the event is too large")

// Invoke runs a function with an event. functionError is empty unless the function failed.
type Invoke func(ctx context.Context, function string, event []byte) (answer []byte, functionError string, err error)

// Gateway is the HTTP API.
type Gateway struct {
	routes []route
	invoke Invoke
	say    func(function, line string)

	Account string           // of the request context
	ID      string           // of the request context
	Now     func() time.Time // time.Now if nil
	Longest time.Duration    // that a function may take to answer; 30 s if 0
}

// New returns an API that calls invoke. What people who read logs should know about an answer goes to say.
func New(routes []Route, invoke Invoke, say func(function, line string)) (*Gateway, error) {
	sorted, err := order(routes)
	if err != nil {
		return nil, err
	}
	return &Gateway{routes: sorted, invoke: invoke, say: say, Longest: longest, Now: time.Now}, nil
}

// ServeHTTP hands the request to the function of the most specific route.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if headerSize(r) > largestHeader {
		message(w, http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	match, variables, ok := find(g.routes, r.Method, r.URL.Path)
	if !ok {
		message(w, http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		message(w, http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the caller went away
	}
	event, err := json.Marshal(g.request(r, match, variables, body))
	if err != nil {
		g.say(match.Function, "event: "+err.Error())
		message(w, http.StatusInternalServerError)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.Longest)
	defer cancel()
	answer, functionError, err := g.invoke(ctx, match.Function, event)
	switch {
	case errors.Is(err, ErrTooLarge):
		message(w, http.StatusRequestEntityTooLarge)
	case errors.Is(err, context.DeadlineExceeded):
		g.say(match.Function, fmt.Sprintf("did not answer %s within %s", match.key(), g.Longest))
		message(w, http.StatusServiceUnavailable)
	case err != nil:
		message(w, http.StatusServiceUnavailable)
	case functionError != "":
		message(w, http.StatusInternalServerError)
	default:
		if err := respond(w, answer); err != nil {
			g.say(match.Function, fmt.Sprintf("answered %s with what is no HTTP response: %v", match.key(), err))
			message(w, http.StatusInternalServerError)
		}
	}
}

// message answers as the HTTP API does when it is the one who answers.
func message(w http.ResponseWriter, status int) {
	text := map[int]string{
		http.StatusNotFound: "Not Found", http.StatusInternalServerError: "Internal Server Error",
		http.StatusServiceUnavailable: "Service Unavailable", http.StatusRequestEntityTooLarge: "Request Entity Too Large",
		http.StatusRequestHeaderFieldsTooLarge: "Request Header Fields Too Large",
	}[status]
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, text)
}

// headerSize returns how many bytes the request line and the header values have.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, value := range values {
			size += len(value)
		}
	}
	return size
}
