// Package sqs is Amazon SQS as far as Referral Bridge uses it: standard queues over the AWS JSON 1.0 protocol.
//
// It does as SQS does, down to the words of its errors. Where SQS is only likely to do something, it does it always: messages
// come in the order in which they became visible, each receive looks at the whole queue, and the counts are exact. It has no
// FIFO queues, no policies, no tags, no own keys for encryption and no move tasks, and says so when asked for them.
package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

const (
	account   = "000000000000"
	arnPrefix = "arn:aws:sqs:us-east-1:" + account + ":"
)

// Options say how a Server behaves.
type Options struct {
	Now   func() time.Time // the clock of delays, visibility and retention; nil means time.Now
	NewID func() string    // makes ids of messages and receipts, each a new one; nil means random ones
}

// Server is an http.Handler that answers the operations of SQS. It is safe for concurrent use.
type Server struct {
	now        func() time.Time
	newID      func() string
	operations map[string]wire.Operation

	mu       sync.Mutex
	queues   map[string]*queue
	requests map[string]int
	sent     uint64 // messages so far
}

// Protocol is how SQS answers.
var Protocol = wire.Protocol{
	ContentType: "application/x-amz-json-1.0",
	Namespace:   "com.amazonaws.sqs",
	Message:     "message",
	Query:       true,
}

// Target is what X-Amz-Target begins with.
const Target = "AmazonSQS."

// New returns an SQS without queues.
func New(o Options) *Server {
	s := &Server{now: o.Now, newID: o.NewID, queues: map[string]*queue{}, requests: map[string]int{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = uuid.NewString
	}
	s.operations = map[string]wire.Operation{
		"CreateQueue":                  wire.Do(s.createQueue),
		"DeleteQueue":                  wire.Do(s.deleteQueue),
		"GetQueueUrl":                  wire.Do(s.getQueueURL),
		"ListQueues":                   wire.Do(s.listQueues),
		"GetQueueAttributes":           wire.Do(s.getQueueAttributes),
		"SetQueueAttributes":           wire.Do(s.setQueueAttributes),
		"PurgeQueue":                   wire.Do(s.purgeQueue),
		"SendMessage":                  wire.Do(s.sendMessage),
		"SendMessageBatch":             wire.Do(s.sendMessageBatch),
		"ReceiveMessage":               wire.Do(s.receiveMessage),
		"DeleteMessage":                wire.Do(s.deleteMessage),
		"DeleteMessageBatch":           wire.Do(s.deleteMessageBatch),
		"ChangeMessageVisibility":      wire.Do(s.changeMessageVisibility),
		"ChangeMessageVisibilityBatch": wire.Do(s.changeMessageVisibilityBatch),
	}
	return s
}

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wire.Serve(w, r, Protocol, Target, s.operations, func(operation string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[operation]++
	})
}

// Requests counts the requests so far by operation, refused ones included. A batch is one request, as on the bill.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Permissions returns what a caller must be allowed to do for a request to run. A batch needs what its parts need.
func Permissions(operation string, body []byte) []wire.Permission {
	var in struct {
		QueueURL  string `json:"QueueUrl"`
		QueueName string
	}
	resource := "*"
	// A body that cannot be read names no queue, and is refused later.
	if _ = json.Unmarshal(body, &in); in.QueueURL != "" {
		resource = arnPrefix + in.QueueURL[strings.LastIndex(in.QueueURL, "/")+1:]
	} else if in.QueueName != "" {
		resource = arnPrefix + in.QueueName
	}
	return []wire.Permission{{Action: "sqs:" + strings.TrimSuffix(operation, "Batch"), Resource: resource}}
}

// none is the answer of operations that have nothing to say.
type none struct{}

type queueAddress struct {
	QueueURL string `json:"QueueUrl"`
}

// find returns the queue that a URL names. As with AWS's own clients, only the path counts.
func (s *Server) find(address string) (*queue, error) {
	u, err := url.Parse(address)
	if err == nil {
		name, ok := strings.CutPrefix(u.Path, "/"+account+"/")
		if q := s.queues[name]; ok && q != nil {
			return q, nil
		}
	}
	return nil, noQueue()
}

func address(r *http.Request, name string) string {
	return "http://" + r.Host + "/" + account + "/" + name
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (s *Server) createQueue(r *http.Request, in createQueueInput) (queueAddress, error) {
	if !queueName.MatchString(in.QueueName) {
		return queueAddress{}, invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := newQueue(in.QueueName, s.now())
	if err := s.set(q, in.Attributes); err != nil {
		return queueAddress{}, err
	}
	if old := s.queues[in.QueueName]; old != nil {
		for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
			if old.settings()[name] != q.settings()[name] {
				return queueAddress{}, &wire.Error{Code: "QueueNameExists", Query: "QueueAlreadyExists",
					Message: "A queue already exists with the same name and a different value for attribute " + name}
			}
		}
		return queueAddress{QueueURL: address(r, in.QueueName)}, nil
	}
	s.queues[in.QueueName] = q
	return queueAddress{QueueURL: address(r, in.QueueName)}, nil
}

func (s *Server) deleteQueue(_ *http.Request, in queueAddress) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	delete(s.queues, q.Name)
	q.wake() // a receive that waits there learns that it waits for nothing
	return none{}, nil
}

func (s *Server) getQueueURL(r *http.Request, in struct{ QueueName string }) (queueAddress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[in.QueueName] == nil {
		return queueAddress{}, noQueue()
	}
	return queueAddress{QueueURL: address(r, in.QueueName)}, nil
}

type queueList struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

type listQueuesInput struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

// listQueues pages only if MaxResults is given, as SQS does; the token is the name after which to go on.
func (s *Server) listQueues(r *http.Request, in listQueuesInput) (queueList, error) {
	most := 1000
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > 1000 {
			return queueList{}, invalidValue(most, "MaxResults", "MaxResults must be an integer between 1 and 1000.")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list queueList
	var last string
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if !strings.HasPrefix(name, in.QueueNamePrefix) || name <= in.NextToken {
			continue
		}
		if len(list.QueueURLs) == most {
			if in.MaxResults != nil {
				list.NextToken = last
			}
			break
		}
		list.QueueURLs, last = append(list.QueueURLs, address(r, name)), name
	}
	return list, nil
}

func (s *Server) purgeQueue(_ *http.Request, in queueAddress) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	now := s.now()
	if !q.Purged.IsZero() && now.Sub(q.Purged) < time.Minute {
		return none{}, &wire.Error{Status: http.StatusForbidden, Code: "PurgeQueueInProgress", Query: "AWS.SimpleQueueService.PurgeQueueInProgress",
			Message: fmt.Sprintf("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)}
	}
	q.Purged = now
	q.clear()
	return none{}, nil
}
