package aws

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/aws/lambda"
	"github.com/referralbridge/referralbridge/internal/sim/aws/secretsmanager"
	"github.com/referralbridge/referralbridge/internal/sim/aws/ses"
	"github.com/referralbridge/referralbridge/internal/sim/aws/sqs"
	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

// largest is more than any service takes in one request; SES with 40 MB in base64 takes most.
const largest = 64 << 20

// service is what the front door has to know of one.
type service struct {
	name        string // in policies, and in the scope of signatures
	target      string // that X-Amz-Target begins with, or
	path        string // that the path begins with
	operation   string // for those without X-Amz-Target
	protocol    wire.Protocol
	handler     http.Handler
	permissions func(operation string, r *http.Request, body []byte) []wire.Permission
}

func (s *Server) directory() []service {
	return []service{{
		name: "dynamodb", target: "DynamoDB_20120810.", handler: s.DynamoDB,
		protocol: wire.Protocol{ContentType: "application/x-amz-json-1.0", Namespace: "com.amazonaws.dynamodb.v20120810", Message: "message", Checksum: true},
		permissions: func(_ string, r *http.Request, body []byte) []wire.Permission {
			var all []wire.Permission
			for _, p := range dynamodb.Permissions(r.Header.Get("X-Amz-Target"), body) {
				all = append(all, wire.Permission(p))
			}
			return all
		},
	}, {
		name: "sqs", target: sqs.Target, handler: s.SQS, protocol: sqs.Protocol,
		permissions: func(operation string, _ *http.Request, body []byte) []wire.Permission {
			return sqs.Permissions(operation, body)
		},
	}, {
		name: "secretsmanager", target: secretsmanager.Target, handler: s.Secrets, protocol: secretsmanager.Protocol,
		permissions: func(operation string, _ *http.Request, body []byte) []wire.Permission {
			return s.Secrets.Permissions(operation, body)
		},
	}, {
		name: "ses", path: "/v2/email/", operation: "SendEmail", handler: s.SES, protocol: ses.Protocol,
		permissions: func(_ string, _ *http.Request, body []byte) []wire.Permission { return ses.Permissions(body) },
	}, {
		name: "lambda", path: lambda.Path, operation: "Invoke", handler: s.Lambda, protocol: lambda.Protocol,
		permissions: func(_ string, r *http.Request, _ []byte) []wire.Permission { return lambda.Permissions(r) },
	}}
}

// find returns the service that a request is for, and the operation.
func (s *Server) find(r *http.Request) (service, string, bool) {
	for _, each := range s.services {
		if each.path != "" && strings.HasPrefix(r.URL.Path, each.path) {
			return each, each.operation, true
		}
		if operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), each.target); ok && each.target != "" {
			return each, operation, true
		}
	}
	return service{}, "", false
}

// ServeHTTP answers one request of an AWS client, or shows a person the mails that were sent (GET /mails, GET /mails.json).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/mails") {
		s.SES.ServeHTTP(w, r)
		return
	}
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	to, operation, ok := s.find(r)
	if !ok {
		unknown := wire.Protocol{ContentType: "application/x-amz-json-1.0", Message: "message"}
		unknown.Refuse(w, wire.UnknownOperation(strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Amz-Target"))))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		to.protocol.Refuse(w, wire.TooLarge(err))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := s.admit(to, operation, r, body); err != nil {
		to.protocol.Refuse(w, err)
		return
	}
	if s.options.Watch != nil {
		s.options.Watch(to.name, operation, body)
	}
	if s.options.Fault != nil {
		if fault := s.options.Fault(to.name, operation, r); fault != nil {
			s.fail(*fault, to, operation, w, r)
			return
		}
	}
	s.serve(to, operation, w, r)
}

// admit refuses requests that are not signed, or signed for something else, or by somebody who may not do this.
func (s *Server) admit(to service, operation string, r *http.Request, body []byte) error {
	caller, err := wire.Signer(r)
	switch {
	case err != nil:
		return err
	case caller.Service != to.name:
		return badScope("Credential should be scoped to correct service: '" + to.name + "'.")
	case caller.Region != Region:
		return badScope("Credential should be scoped to a valid region, not '" + caller.Region + "': there is only " + Region + " here.")
	}
	if s.options.Authorize == nil {
		return nil
	}
	for _, p := range to.permissions(operation, r, body) {
		if err := s.options.Authorize(caller.AccessKey, p.Action, p.Resource); err != nil {
			return &wire.Error{Status: to.denied(), Code: "AccessDeniedException", Query: "AccessDenied",
				Message: "User: arn:aws:iam::" + Account + ":user/" + caller.AccessKey + " is not authorized to perform: " + p.Action +
					" on resource: " + p.Resource + " because " + err.Error()}
		}
	}
	return nil
}

func badScope(message string) error {
	return &wire.Error{Status: http.StatusForbidden, Code: "InvalidSignatureException", Query: "SignatureDoesNotMatch", Message: message}
}

// denied is the status of AccessDeniedException, on which the services do not agree.
func (to service) denied() int {
	if to.name == "dynamodb" || to.name == "secretsmanager" {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}

// serve lets the service answer, though not while a snapshot is being taken. Two do not wait for that, nor hold it up: a receive
// may wait for twenty seconds and changes but one queue, which is consistent by itself; and an invocation makes requests of its own.
func (s *Server) serve(to service, operation string, w http.ResponseWriter, r *http.Request) {
	if to.name != "lambda" && operation != "ReceiveMessage" {
		s.still.RLock()
		defer s.still.RUnlock()
	}
	to.handler.ServeHTTP(w, r)
}

func (s *Server) fail(fault Fault, to service, operation string, w http.ResponseWriter, r *http.Request) {
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.DropReply:
		s.serve(to, operation, nobody{http.Header{}}, r)
		panic(http.ErrAbortHandler) // net/http's way of closing the connection
	case fault.Status != 0:
		to.protocol.Refuse(w, &wire.Error{Status: fault.Status, Code: fault.Code, Message: fault.Message})
	default:
		s.serve(to, operation, w, r)
	}
}

// nobody is who hears an answer that gets lost.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) WriteHeader(int)             {}
func (n nobody) Write(b []byte) (int, error) { return len(b), nil }
