package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

// numeric are the attributes that are whole numbers of seconds or bytes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var numeric = map[string]struct {
	least, most int
	field       func(*queue) *int
}{
	"DelaySeconds":                  {0, 900, func(q *queue) *int { return &q.Delay }},
	"MaximumMessageSize":            {1024, largest, func(q *queue) *int { return &q.MaximumSize }},
	"MessageRetentionPeriod":        {60, 1209600, func(q *queue) *int { return &q.Retention }},
	"ReceiveMessageWaitTimeSeconds": {0, 20, func(q *queue) *int { return &q.Wait }},
	"VisibilityTimeout":             {0, 43200, func(q *queue) *int { return &q.Visibility }},
}

// redrivePolicy sends a message that was received too often to another queue.
type redrivePolicy struct {
	Target string `json:"deadLetterTargetArn"`
	Most   int    `json:"maxReceiveCount"`
}

// set changes attributes of a queue, or none of them if one is wrong.
func (s *Server) set(q *queue, attributes map[string]string) error {
	changed := *q
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		if n, ok := numeric[name]; ok {
			v, err := strconv.Atoi(value)
			if err != nil || v < n.least || v > n.most {
				return badAttribute(name)
			}
			*n.field(&changed) = v
			continue
		}
		switch name {
		case "SqsManagedSseEnabled":
			if value != "true" && value != "false" {
				return badAttribute(name)
			}
			changed.Encrypted = value == "true"
		case "RedrivePolicy":
			policy, err := s.redrive(value)
			if err != nil {
				return err
			}
			if policy != nil && policy.Target == q.arn() {
				return invalidValue(value, "RedrivePolicy", "A queue that is its own dead-letter queue is not supported here.")
			}
			changed.Redrive = policy
		default:
			return unknownAttribute(name)
		}
	}
	*q = changed
	return nil
}

// redrive reads a RedrivePolicy. AWS takes maxReceiveCount as a number and as a string.
func (s *Server) redrive(value string) (*redrivePolicy, error) {
	if value == "" {
		return nil, nil
	}
	var in struct {
		Target string          `json:"deadLetterTargetArn"`
		Most   json.RawMessage `json:"maxReceiveCount"`
	}
	if err := wire.Decode([]byte(value), &in); err != nil {
		return nil, invalidValue(value, "RedrivePolicy", "Amazon SQS can't create the redrive policy, as it's in an unsupported format.")
	}
	most, err := strconv.Atoi(strings.Trim(string(in.Most), `"`))
	if err != nil || most < 1 || most > 1000 {
		return nil, invalidValue(value, "RedrivePolicy", "Invalid value for maxReceiveCount: must be between 1 and 1000.")
	}
	name, ok := strings.CutPrefix(in.Target, arnPrefix)
	if !ok {
		return nil, invalidValue(value, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
	}
	if s.queues[name] == nil {
		return nil, invalidValue(value, "RedrivePolicy", "Dead letter target does not exist.")
	}
	return &redrivePolicy{Target: in.Target, Most: most}, nil
}

// settings are the attributes that can be set, as text.
func (q *queue) settings() map[string]string {
	all := map[string]string{"SqsManagedSseEnabled": strconv.FormatBool(q.Encrypted)}
	for name, n := range numeric {
		all[name] = strconv.Itoa(*n.field(q))
	}
	if q.Redrive != nil {
		all["RedrivePolicy"] = string(wire.Encode(q.Redrive))
	}
	return all
}

type getQueueAttributesInput struct {
	queueAddress
	AttributeNames []string
}

type queueAttributes struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(_ *http.Request, in getQueueAttributesInput) (queueAttributes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return queueAttributes{}, err
	}
	now := s.now()
	all := q.settings()
	all["QueueArn"] = q.arn()
	all["CreatedTimestamp"] = strconv.FormatInt(q.Created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.Modified.Unix(), 10)
	visible, flying, delayed := q.counts(now)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(flying)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)

	chosen := map[string]string{}
	for _, name := range in.AttributeNames {
		value, ok := all[name]
		switch {
		case name == "All":
			maps.Copy(chosen, all)
		case ok:
			chosen[name] = value
		case name != "RedrivePolicy": // a queue need not have one
			return queueAttributes{}, unknownAttribute(name)
		}
	}
	return queueAttributes{Attributes: chosen}, nil
}

type setQueueAttributesInput struct {
	queueAddress
	Attributes map[string]string
}

func (s *Server) setQueueAttributes(_ *http.Request, in setQueueAttributesInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	if len(in.Attributes) == 0 {
		return none{}, missing("Attribute.Name")
	}
	if err := s.set(q, in.Attributes); err != nil {
		return none{}, err
	}
	q.Modified = s.now().Truncate(time.Second)
	return none{}, nil
}

func badAttribute(name string) *wire.Error {
	return &wire.Error{Code: "InvalidAttributeValue", Message: fmt.Sprintf("Invalid value for the parameter %s.", name)}
}

func unknownAttribute(name string) *wire.Error {
	return &wire.Error{Code: "InvalidAttributeName", Message: fmt.Sprintf("Unknown Attribute %s.", name)}
}
