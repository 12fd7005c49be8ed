package sqs

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nap is the longest time that a waiting receive trusts the clock of the machine: Now may run faster, or be set by hand.
const nap = 50 * time.Millisecond

const longestInvisibility = 12 * time.Hour // counted from the receive

type receiveInput struct {
	queueAddress
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
}

type received struct {
	ID            string               `json:"MessageId"`
	Handle        string               `json:"ReceiptHandle"`
	BodySum       string               `json:"MD5OfBody"`
	Body          string               `json:"Body"`
	System        map[string]string    `json:"Attributes,omitempty"`
	AttributesSum string               `json:"MD5OfMessageAttributes,omitempty"`
	Attributes    map[string]attribute `json:"MessageAttributes,omitempty"`
}

type receiveAnswer struct {
	Messages []received `json:",omitempty"`
}

// receiveMessage waits for the first message, not for as many as were asked for. It does not take any for a client that has gone.
func (s *Server) receiveMessage(r *http.Request, in receiveInput) (receiveAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return receiveAnswer{}, err
	}
	most, visibility, wait, err := in.limits(q)
	if err != nil {
		return receiveAnswer{}, err
	}
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if name != "All" && !slices.Contains(systemAttributes, name) {
			return receiveAnswer{}, unknownAttribute(name)
		}
	}
	until := s.now().Add(wait)
	for {
		if messages := s.take(q, most, visibility); len(messages) > 0 {
			var answer receiveAnswer
			for _, m := range messages {
				answer.Messages = append(answer.Messages, in.show(q, m))
			}
			return answer, nil
		}
		pause := until.Sub(s.now())
		if pause <= 0 {
			return receiveAnswer{}, nil
		}
		if next, ok := q.next(); ok {
			pause = min(pause, next.Sub(s.now()))
		}
		changed := q.changed
		s.mu.Unlock()
		timer := time.NewTimer(min(pause, nap))
		select {
		case <-changed:
		case <-timer.C:
		case <-r.Context().Done():
		}
		timer.Stop()
		s.mu.Lock()
		if r.Context().Err() != nil {
			return receiveAnswer{}, nil
		}
		if s.queues[q.Name] != q {
			return receiveAnswer{}, noQueue()
		}
	}
}

func (in receiveInput) limits(q *queue) (most int, visibility, wait time.Duration, err error) {
	value := func(given *int, otherwise int) int {
		if given != nil {
			return *given
		}
		return otherwise
	}
	most = value(in.MaxNumberOfMessages, 1)
	v, w := value(in.VisibilityTimeout, q.Visibility), value(in.WaitTimeSeconds, q.Wait)
	switch {
	case most < 1 || most > 10:
		err = invalidValue(most, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	case v < 0 || v > 43200:
		err = invalidValue(v, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
	case w < 0 || w > 20:
		err = invalidValue(w, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
	}
	return most, seconds(v), seconds(w), err
}

// take receives up to so many visible messages. What was received too often moves to the dead-letter queue instead, with its
// id, age and count.
func (s *Server) take(q *queue, most int, visibility time.Duration) []*message {
	now := s.now()
	var taken []*message
	for len(taken) < most {
		next, ok := q.next()
		if !ok || next.After(now) {
			break
		}
		m := q.order[0]
		q.remove(m) // a message that stays invisible for no time must not be taken twice
		switch dead := s.deadLetterQueue(q); {
		case now.Sub(m.Sent) >= seconds(q.Retention):
		case dead != nil && m.Receives >= q.Redrive.Most:
			m.Source, m.VisibleAt, m.Receipt = q.arn(), now, ""
			dead.add(m)
		default:
			m.Receives++
			m.Receipt, m.Last, m.VisibleAt = s.newID(), now, now.Add(visibility)
			if m.First.IsZero() {
				m.First = now
			}
			taken = append(taken, m)
		}
	}
	for _, m := range taken {
		q.put(m)
	}
	return taken
}

// deadLetterQueue is nil if there is none, or it has been deleted.
func (s *Server) deadLetterQueue(q *queue) *queue {
	if q.Redrive == nil {
		return nil
	}
	return s.queues[strings.TrimPrefix(q.Redrive.Target, arnPrefix)]
}

var systemAttributes = []string{"ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "AWSTraceHeader", "DeadLetterQueueSourceArn",
	"MessageDeduplicationId", "MessageGroupId", "SenderId", "SentTimestamp", "SequenceNumber"}

// show is the message as this request wants to see it.
func (in receiveInput) show(q *queue, m *message) received {
	out := received{ID: m.ID, Handle: q.handle(m), Body: m.Body, BodySum: sum([]byte(m.Body)), System: map[string]string{}, Attributes: map[string]attribute{}}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for name, value := range map[string]string{
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.First.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
		"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"SenderId":                         m.Sender,
		"MessageGroupId":                   m.Group,
		"DeadLetterQueueSourceArn":         m.Source,
	} {
		if value != "" && (slices.Contains(wanted, name) || slices.Contains(wanted, "All")) {
			out.System[name] = value
		}
	}
	for name, a := range m.Attributes {
		if slices.ContainsFunc(in.MessageAttributeNames, func(pattern string) bool {
			prefix, any := strings.CutSuffix(pattern, ".*")
			return pattern == "All" || pattern == name || any && strings.HasPrefix(name, prefix)
		}) {
			out.Attributes[name] = a
		}
	}
	out.AttributesSum = attributesSum(out.Attributes)
	return out
}

type deleteEntry struct {
	ID     string `json:"Id"`
	Handle string `json:"ReceiptHandle"`
}

type doneEntry struct {
	ID string `json:"Id"`
}

func (s *Server) deleteMessage(_ *http.Request, in struct {
	queueAddress
	Handle string `json:"ReceiptHandle"`
}) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	return none{}, q.delete(in.Handle)
}

func (s *Server) deleteMessageBatch(_ *http.Request, in struct {
	queueAddress
	Entries []deleteEntry
}) (batchAnswer[doneEntry], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return batchAnswer[doneEntry]{}, err
	}
	return batch(in.Entries, func(e deleteEntry) string { return e.ID }, func(e deleteEntry) (doneEntry, error) {
		return doneEntry{e.ID}, q.delete(e.Handle)
	})
}

// delete removes a message. With a handle that has been superseded it says yes and does nothing, as SQS does.
func (q *queue) delete(handle string) error {
	if handle == "" {
		return missing("ReceiptHandle")
	}
	m, ok := q.held(handle)
	if !ok {
		return badHandle(handle)
	}
	if m != nil {
		q.remove(m)
	}
	return nil
}

type visibilityEntry struct {
	ID                string `json:"Id"`
	Handle            string `json:"ReceiptHandle"`
	VisibilityTimeout *int
}

func (s *Server) changeMessageVisibility(_ *http.Request, in struct {
	queueAddress
	Handle            string `json:"ReceiptHandle"`
	VisibilityTimeout *int
}) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	return none{}, q.hide(in.Handle, in.VisibilityTimeout, s.now())
}

func (s *Server) changeMessageVisibilityBatch(_ *http.Request, in struct {
	queueAddress
	Entries []visibilityEntry
}) (batchAnswer[doneEntry], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return batchAnswer[doneEntry]{}, err
	}
	return batch(in.Entries, func(e visibilityEntry) string { return e.ID }, func(e visibilityEntry) (doneEntry, error) {
		return doneEntry{e.ID}, q.hide(e.Handle, e.VisibilityTimeout, s.now())
	})
}

// hide makes a message invisible for so long from now on. The newest handle may do that even after its time is over, as long
// as nobody else has received the message.
func (q *queue) hide(handle string, visibility *int, now time.Time) error {
	switch {
	case handle == "":
		return missing("ReceiptHandle")
	case visibility == nil:
		return missing("VisibilityTimeout")
	case *visibility < 0 || *visibility > 43200:
		return invalidValue(*visibility, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
	}
	m, ok := q.held(handle)
	if !ok {
		return badHandle(handle)
	}
	if m == nil {
		return invalidValue(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	}
	until := now.Add(seconds(*visibility))
	if until.Sub(m.Last) > longestInvisibility {
		return invalidValue(*visibility, "VisibilityTimeout", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	q.show(m, until)
	return nil
}
