package sqs

import (
	"cmp"
	"container/heap"
	"encoding/base64"
	"strings"
	"time"
)

// queue is one queue. What it exports is what a snapshot keeps.
type queue struct {
	Name              string
	Created, Modified time.Time
	Purged            time.Time // when PurgeQueue ran last
	Delay             int       // seconds
	MaximumSize       int       // bytes
	Retention         int       // seconds
	Wait              int       // seconds that a receive waits unless it says otherwise
	Visibility        int       // seconds
	Encrypted         bool
	Redrive           *redrivePolicy `json:",omitempty"`

	messages map[string]*message // by id
	order    byVisibility
	changed  chan struct{} // closed, and replaced, when a message may have become visible
}

// message is one message. What it exports is what a snapshot keeps.
type message struct {
	ID, Body   string
	Sender     string // access key of who sent it
	Group      string `json:",omitempty"`
	Attributes map[string]attribute
	Sent       time.Time
	First      time.Time // first received
	Last       time.Time // last received
	VisibleAt  time.Time // when it can be received
	Number     uint64    // grows with each message sent
	Receives   int
	Receipt    string // the newest one; those before it are worth nothing
	Source     string `json:",omitempty"` // ARN of the queue that gave it up

	place int // in the queue's order
}

func newQueue(name string, now time.Time) *queue {
	q := &queue{Name: name, Created: now.Truncate(time.Second), Modified: now.Truncate(time.Second),
		MaximumSize: largest, Retention: 345600, Visibility: 30, Encrypted: true}
	q.open()
	return q
}

// open makes what a snapshot does not keep.
func (q *queue) open() {
	q.clear()
	q.changed = make(chan struct{})
}

func (q *queue) arn() string { return arnPrefix + q.Name }

func (q *queue) clear() {
	q.messages, q.order = map[string]*message{}, nil
}

// add puts a message into the queue and tells those who wait for one.
func (q *queue) add(m *message) {
	q.put(m)
	q.wake()
}

func (q *queue) put(m *message) {
	q.messages[m.ID] = m
	heap.Push(&q.order, m)
}

func (q *queue) remove(m *message) {
	delete(q.messages, m.ID)
	heap.Remove(&q.order, m.place)
}

// show says when a message can be received next.
func (q *queue) show(m *message, at time.Time) {
	m.VisibleAt = at
	heap.Fix(&q.order, m.place)
	q.wake()
}

// wake lets every waiting receive look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// expire forgets what has been kept for as long as the queue keeps anything.
func (q *queue) expire(now time.Time) {
	for _, m := range q.messages {
		if now.Sub(m.Sent) >= seconds(q.Retention) {
			q.remove(m)
		}
	}
}

// counts returns how many messages can be received, are being worked on, and have been delayed so far.
func (q *queue) counts(now time.Time) (visible, flying, delayed int) {
	q.expire(now)
	for _, m := range q.messages {
		switch {
		case !m.VisibleAt.After(now):
			visible++
		case m.Receives > 0:
			flying++
		default:
			delayed++
		}
	}
	return visible, flying, delayed
}

// next returns when the next message will become visible, if there is any.
func (q *queue) next() (time.Time, bool) {
	if len(q.order) == 0 {
		return time.Time{}, false
	}
	return q.order[0].VisibleAt, true
}

// handle is the receipt handle of a message: opaque to clients, and good until the next receive.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Join([]string{q.arn(), m.ID, m.Receipt}, " ")))
}

// held finds the message that a receipt handle is for. It is nil if the message is gone or the handle has been superseded, and
// ok is false if no such handle was ever given out for this queue.
func (q *queue) held(handle string) (m *message, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(plain), " ")
	if err != nil || len(parts) != 3 || parts[0] != q.arn() {
		return nil, false
	}
	if m = q.messages[parts[1]]; m != nil && m.Receipt == parts[2] {
		return m, true
	}
	return nil, true
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// byVisibility is a heap of messages: first the one that has been visible for the longest time, then the one sent first.
type byVisibility []*message

func (h byVisibility) Len() int { return len(h) }

func (h byVisibility) Less(i, j int) bool {
	return cmp.Or(h[i].VisibleAt.Compare(h[j].VisibleAt), cmp.Compare(h[i].Number, h[j].Number)) < 0
}

func (h byVisibility) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *byVisibility) Push(m any) {
	m.(*message).place = len(*h)
	*h = append(*h, m.(*message))
}

func (h *byVisibility) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
