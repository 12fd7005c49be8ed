// Package aws is the part of AWS that Referral Bridge uses, in memory, spoken to over AWS's own wire protocols: DynamoDB, SQS,
// Secrets Manager, SES v2 and Lambda's Invoke. Point any AWS SDK at it with AWS_ENDPOINT_URL.
//
// It is bounded and strict. What it knows, it does as AWS does; an operation or a parameter that it does not know is refused by
// name, never ignored, so that nothing works here by accident and fails in the cloud. Requests must be signed, for the right
// service and region, but the signature itself is not verified: there are no secret keys here.
//
// Things can be made to go wrong (Options.Fault), callers can be held to their roles (Options.Authorize), and everything can be
// kept in a file (Save, Load).
package aws

import (
	"net/http"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/aws/lambda"
	"github.com/referralbridge/referralbridge/internal/sim/aws/secretsmanager"
	"github.com/referralbridge/referralbridge/internal/sim/aws/ses"
	"github.com/referralbridge/referralbridge/internal/sim/aws/sqs"
)

// The one account and region there is.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// Options say how a Server behaves. The zero value is a well-behaved AWS that lets everybody in and has no functions.
type Options struct {
	// Now is the clock of all services. Nil means time.Now.
	Now func() time.Time

	// Invoke runs a function for Lambda's Invoke. Nil means that there are no functions.
	Invoke lambda.Invoker
	// Alias is that of each function; empty if they have none.
	Alias string

	// Authorize is asked before each operation, once for each action and resource that it needs: action as in a policy
	// ("dynamodb:PutItem"), resource as an ARN. An error becomes AccessDeniedException, and ends its message. Nil lets everybody in.
	Authorize func(accessKey, action, resource string) error

	// Fault is asked before each operation, with the service as in a policy ("sqs") and the operation ("SendMessage").
	// It may look at the request but must leave its body alone. Nil, or an answer of nil, means that nothing goes wrong.
	Fault func(service, operation string, r *http.Request) *Fault

	// Watch is shown the body of each operation that was admitted, before it happens. It must not change it. Nil: nobody watches.
	Watch func(service, operation string, body []byte)
}

// Fault is what goes wrong with one request.
type Fault struct {
	// Delay passes before anything else happens.
	Delay time.Duration

	// DropReply lets the operation happen, and then closes the connection without an answer.
	DropReply bool

	// Status, Code and Message refuse the request, in the service's own error format. Status 0 lets it pass.
	Status  int
	Code    string
	Message string
}

// Server is an http.Handler that answers for all the services. It is safe for concurrent use.
type Server struct {
	DynamoDB *dynamodb.Server
	SQS      *sqs.Server
	Secrets  *secretsmanager.Server
	SES      *ses.Server
	Lambda   *lambda.Server

	options  Options
	services []service
	still    sync.RWMutex // held alone by Save, shared by what changes the state
}

// New returns an empty AWS.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		DynamoDB: dynamodb.New(dynamodb.Options{Now: o.Now}),
		SQS:      sqs.New(sqs.Options{Now: o.Now}),
		Secrets:  secretsmanager.New(secretsmanager.Options{Now: o.Now}),
		SES:      ses.New(ses.Options{Now: o.Now}),
		Lambda:   lambda.New(lambda.Options{Invoke: o.Invoke, Alias: o.Alias}),
		options:  o,
	}
	s.services = s.directory()
	return s
}
