// Package lambda is AWS Lambda's Invoke, for functions that somebody else runs. It knows requests that wait for the answer,
// and the one version that there is: $LATEST.
package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

const arnPrefix = "arn:aws:lambda:us-east-1:000000000000:function:"

// largest is what a request, and an answer, may weigh in bytes.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const largest = 6 << 20

// Invoker runs the function of that name and waits for its answer. A functionError ("Unhandled") says that the function itself
// failed; result is then its error object. An error says that it was not run: ErrNotFound, ErrThrottled; anything else is a
// fault of the service.
type Invoker func(ctx context.Context, function string, payload []byte) (result []byte, functionError string, err error)

// What an Invoker may answer. They may be wrapped.
var (
	ErrNotFound  = errors.New("no such function")
	ErrThrottled = errors.New("too many requests")
)

// Options say how a Server behaves.
type Options struct {
	Invoke Invoker // nil means that there are no functions
	Alias  string  // that each function has; empty if they have none
}

// Server is an http.Handler that answers Invoke. It is safe for concurrent use.
type Server struct {
	invoke Invoker
	alias  string
	mux    http.ServeMux

	mu       sync.Mutex
	requests map[string]int
}

// Protocol is how Lambda answers. Its errors are not of one mind about the name of the member that holds the message.
var Protocol = wire.Protocol{ContentType: "application/json", Message: "Message", REST: true}

// Path is what the path of an Invoke begins with.
const Path = "/2015-03-31/functions/"

const invocations = Path + "{function}/invocations"

// New returns a Lambda with the functions that o.Invoke knows.
func New(o Options) *Server {
	s := &Server{invoke: o.Invoke, alias: o.Alias, requests: map[string]int{}}
	if s.invoke == nil {
		s.invoke = func(context.Context, string, []byte) ([]byte, string, error) { return nil, "", ErrNotFound }
	}
	s.mux.HandleFunc("POST "+invocations, s.serveInvoke)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		Protocol.Refuse(w, wire.UnknownOperation(r.Method+" "+r.URL.Path))
	})
	return s
}

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Requests counts the invocations that were asked for, by function.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Permissions returns what a caller must be allowed to do for a request to run.
func Permissions(r *http.Request) []wire.Permission {
	name, qualifier, err := function(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, Path), "/invocations"))
	if err != nil {
		return nil // refused later, as the name of nothing
	}
	resource := arnPrefix + name
	if qualifier = cmp.Or(r.URL.Query().Get("Qualifier"), qualifier); qualifier != "" {
		resource += ":" + qualifier
	}
	return []wire.Permission{{Action: "lambda:InvokeFunction", Resource: resource}}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
var functionName = regexp.MustCompile(`^(?:(?:arn:aws:lambda:us-east-1:)?000000000000:function:)?([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9$_-]+))?$`)

func function(id string) (name, qualifier string, err error) {
	m := functionName.FindStringSubmatch(id)
	if m == nil {
		return "", "", &wire.Error{Code: "ValidationException",
			Message: fmt.Sprintf("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern", id)}
	}
	return m[1], m[2], nil
}

func (s *Server) serveInvoke(w http.ResponseWriter, r *http.Request) {
	result, functionError, err := s.run(r)
	if err != nil {
		Protocol.Refuse(w, err)
		return
	}
	if len(result) > largest {
		functionError = "Unhandled"
		result = wire.Encode(map[string]string{"errorType": "Function.ResponseSizeTooLarge",
			"errorMessage": fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", largest)})
	}
	w.Header().Set("Content-Type", Protocol.ContentType)
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if functionError != "" {
		w.Header().Set("X-Amz-Function-Error", functionError)
	}
	_, _ = w.Write(result) // a client that has gone needs no answer
}

func (s *Server) run(r *http.Request) (result []byte, functionError string, err error) {
	name, qualifier, err := function(r.PathValue("function"))
	if err != nil {
		return nil, "", err
	}
	if err := simple(r); err != nil {
		return nil, "", err
	}
	qualifier = cmp.Or(r.URL.Query().Get("Qualifier"), qualifier)
	arn := arnPrefix + name
	if qualifier != "" && qualifier != "$LATEST" && qualifier != s.alias {
		return nil, "", notFound(arn + ":" + qualifier)
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	switch {
	case err != nil:
		return nil, "", wire.TooLarge(err)
	case len(payload) > largest:
		return nil, "", &wire.Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestTooLargeException", More: blame(
			fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", largest))}
	case len(payload) == 0:
		payload = []byte("{}")
	case !json.Valid(payload):
		return nil, "", &wire.Error{Code: "InvalidRequestContentException", More: blame("Could not parse request body into json.")}
	}
	s.mu.Lock()
	s.requests[name]++
	s.mu.Unlock()
	result, functionError, err = s.invoke(r.Context(), name, payload)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, "", notFound(arn)
	case errors.Is(err, ErrThrottled):
		more := blame("Rate Exceeded.")
		more["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded"
		return nil, "", &wire.Error{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", More: more}
	case err != nil:
		return nil, "", &wire.Error{Status: http.StatusInternalServerError, Code: "ServiceException", Message: err.Error(), More: map[string]string{"Type": "Service"}}
	}
	return result, functionError, nil
}

// simple refuses the options of Invoke that are not known here.
func simple(r *http.Request) error {
	for header, allowed := range map[string]string{"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "None"} {
		if given := r.Header.Get(header); given != "" && given != allowed {
			return unsupported(header + ": " + given)
		}
	}
	for _, header := range []string{"X-Amz-Client-Context", "X-Amz-Durable-Execution-Name", "X-Amz-Tenant-Id"} {
		if r.Header.Get(header) != "" {
			return unsupported(header)
		}
	}
	for name := range r.URL.Query() {
		if name != "Qualifier" {
			return unsupported(name)
		}
	}
	return nil
}

func unsupported(what string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterValueException", More: blame(what + " is not supported here.")}
}

func notFound(arn string) *wire.Error {
	return &wire.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Function not found: " + arn, More: map[string]string{"Type": "User"}}
}

// blame is the body of the errors that spell the member of their message with a small letter.
func blame(message string) map[string]string {
	return map[string]string{"Type": "User", "message": message}
}
