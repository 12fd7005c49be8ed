package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

// largest is what one message, and one batch, may weigh in bytes: body and attributes.
const largest = 1 << 20

// attribute is a message attribute.
type attribute struct {
	DataType         string
	StringValue      *string  `json:",omitempty"`
	BinaryValue      []byte   `json:",omitempty"`
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

type outgoing struct {
	Body         string `json:"MessageBody"`
	DelaySeconds *int
	Attributes   map[string]attribute `json:"MessageAttributes"`
	Group        string               `json:"MessageGroupId"`
}

// sent is what SQS says of a message that it has taken: the sums are there to be compared.
type sent struct {
	ID            string `json:"MessageId"`
	BodySum       string `json:"MD5OfMessageBody"`
	AttributesSum string `json:"MD5OfMessageAttributes,omitempty"`
}

func (s *Server) sendMessage(r *http.Request, in struct {
	queueAddress
	outgoing
}) (sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return sent{}, err
	}
	return s.send(r, q, in.outgoing)
}

type sendEntry struct {
	ID string `json:"Id"`
	outgoing
}

type sentEntry struct {
	Entry string `json:"Id"`
	sent
}

func (s *Server) sendMessageBatch(r *http.Request, in struct {
	queueAddress
	Entries []sendEntry
}) (batchAnswer[sentEntry], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return batchAnswer[sentEntry]{}, err
	}
	total := 0
	for _, e := range in.Entries {
		total += weight(e.Body, e.Attributes)
	}
	if total > largest {
		return batchAnswer[sentEntry]{}, batchRule("BatchRequestTooLong",
			fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", largest, total))
	}
	return batch(in.Entries, func(e sendEntry) string { return e.ID }, func(e sendEntry) (sentEntry, error) {
		m, err := s.send(r, q, e.outgoing)
		return sentEntry{e.ID, m}, err
	})
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
var group = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\\[\\\\\\]^_`{|}~-]{1,128}$")

func (s *Server) send(r *http.Request, q *queue, m outgoing) (sent, error) {
	if m.Body == "" {
		return sent{}, missing("MessageBody")
	}
	if err := legible(m.Body, "message body"); err != nil {
		return sent{}, err
	}
	if err := checkAttributes(m.Attributes); err != nil {
		return sent{}, err
	}
	if weight(m.Body, m.Attributes) > q.MaximumSize {
		return sent{}, invalid(fmt.Sprintf("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MaximumSize))
	}
	if m.Group != "" && !group.MatchString(m.Group) {
		return sent{}, invalidValue(m.Group, "MessageGroupId",
			"MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	delay := q.Delay
	if m.DelaySeconds != nil {
		if delay = *m.DelaySeconds; delay < 0 || delay > 900 {
			return sent{}, invalidValue(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
		}
	}
	now := s.now()
	s.sent++
	taken := &message{ID: s.newID(), Body: m.Body, Attributes: m.Attributes, Group: m.Group, Number: s.sent,
		Sent: now, VisibleAt: now.Add(seconds(delay))}
	if caller, err := wire.Signer(r); err == nil {
		taken.Sender = caller.AccessKey
	}
	q.add(taken)
	return sent{ID: taken.ID, BodySum: sum([]byte(m.Body)), AttributesSum: attributesSum(m.Attributes)}, nil
}

func weight(body string, attributes map[string]attribute) int {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

// legible refuses what XML 1.0 cannot say, which SQS does not carry.
func legible(text, where string) error {
	for _, c := range text {
		switch {
		case c == '\t', c == '\n', c == '\r', c >= 0x20 && c <= 0xD7FF, c >= 0xE000 && c <= 0xFFFD, c >= 0x10000:
			continue
		}
		return &wire.Error{Code: "InvalidMessageContents", Message: fmt.Sprintf("Invalid binary character '#x%X' was found in the %s, "+
			"the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", c, where)}
	}
	return nil
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\..+)?$`)
)

func checkAttributes(attributes map[string]attribute) error {
	if len(attributes) > 10 {
		return invalid(fmt.Sprintf("Number of message attributes [%d] exceeds the allowed maximum [10].", len(attributes)))
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := attributes[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func (a attribute) check(name string) error {
	lower := strings.ToLower(name)
	if !attributeName.MatchString(name) || len(name) > 256 || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
		return invalid("Message (user) attribute name '" + name + "' is invalid: it can contain A-Z, a-z, 0-9, underscore, hyphen and " +
			"period, does not begin or end with a period or repeat it, does not begin with AWS. or Amazon., and has at most 256 characters.")
	}
	if a.StringListValues != nil || a.BinaryListValues != nil {
		return unsupported("Message attribute list values are not supported.")
	}
	if !attributeType.MatchString(a.DataType) || len(a.DataType) > 256 {
		return invalid(fmt.Sprintf("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name))
	}
	base, _, _ := strings.Cut(a.DataType, ".")
	if base == "Binary" {
		if len(a.BinaryValue) == 0 || a.StringValue != nil {
			return empty(name, a.DataType)
		}
		return nil
	}
	if a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil {
		return empty(name, a.DataType)
	}
	if base == "Number" {
		if _, ok := new(big.Float).SetString(*a.StringValue); !ok {
			return invalid(fmt.Sprintf("Can't cast the value of message (user) attribute '%s' to a number.", name))
		}
	}
	return legible(*a.StringValue, "message attribute '"+name+"'")
}

func empty(name, dataType string) *wire.Error {
	return invalid(fmt.Sprintf("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, dataType))
}

func sum(b []byte) string {
	s := md5.Sum(b)
	return hex.EncodeToString(s[:])
}

// attributesSum is the checksum that SQS gives with attributes; empty if there are none.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func attributesSum(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	h := md5.New()
	part := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(b)))
		_, _ = h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		part([]byte(name))
		part([]byte(a.DataType))
		if a.StringValue != nil {
			_, _ = h.Write([]byte{1})
			part([]byte(*a.StringValue))
		} else {
			_, _ = h.Write([]byte{2})
			part(a.BinaryValue)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
