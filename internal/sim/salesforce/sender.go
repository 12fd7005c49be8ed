package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outbound are the switches of the sender of outbound messages.
type Outbound struct {
	OutboundPaused      bool     `json:"outboundPaused"`      // nothing is sent; the queue grows
	OutboundDelay       Duration `json:"outboundDelay"`       // from a change to the first attempt, by the org's clock
	OutboundSpread      Duration `json:"outboundSpread"`      // up to that much more, at random: notifications overtake each other
	OutboundDuplicate   int      `json:"outboundDuplicate"`   // every such notification that is acknowledged is sent once more; 0: none
	OutboundLoseAnswer  int      `json:"outboundLoseAnswer"`  // the answer to every such message is lost on its way; 0: to none
	OutboundTimeout     Duration `json:"outboundTimeout"`     // how long a receiver has to answer, in real time; 0: 30 s
	OutboundClonedOrgID string   `json:"outboundClonedOrgId"` // if set, messages say that they come from this org, as from a sandbox that was made of this one
}

// check refuses what cannot be.
func (s Outbound) check() error {
	if s.OutboundClonedOrgID != "" {
		if of, err := parseID(s.OutboundClonedOrgID); err != nil || !strings.HasPrefix(string(of), "00D") {
			return refuse(400, "INVALID", "outboundClonedOrgId is no id of an org: "+s.OutboundClonedOrgID)
		}
	}
	if s.OutboundDuplicate < 0 || s.OutboundLoseAnswer < 0 {
		return refuse(400, "INVALID", "outboundDuplicate and outboundLoseAnswer cannot be negative")
	}
	return nil
}

// Notification tells that a record was saved. It is queued when that is committed, and sent until a receiver acknowledges it.
type Notification struct {
	ID      string            `json:"id"`
	Message string            `json:"message"` // id of the outbound message, which its receivers know as ActionId
	Record  string            `json:"record"`
	Queued  time.Time         `json:"queued"` // times are by the org's clock
	Due     time.Time         `json:"due"`    // of the next attempt; it is not made earlier
	Tries   int               `json:"tries"`
	State   NotificationState `json:"state"`
	Reason  string            `json:"reason,omitempty"` // why the last attempt failed
	Again   bool              `json:"again,omitempty"`  // it was acknowledged, and is sent once more
}

// NotificationState says how far a Notification has come.
type NotificationState string

// The states of notifications. All but Queued are final.
const (
	NotificationQueued    NotificationState = "queued"
	NotificationDelivered NotificationState = "delivered" // acknowledged
	NotificationDropped   NotificationState = "dropped"   // nobody acknowledged it within a day
	NotificationDeleted   NotificationState = "deleted"   // by a person, or with its outbound message
)

// Post is an attempt to send notifications.
type Post struct {
	At            time.Time `json:"at"` // by the org's clock
	URL           string    `json:"url"`
	Message       string    `json:"message"` // full name of the outbound message
	Notifications []string  `json:"notifications"`
	Status        int       `json:"status"` // of HTTP; 0 if there was no answer
	Answer        string    `json:"answer"` // its beginning, or why there was none
	Acknowledged  bool      `json:"acknowledged"`
	Lost          bool      `json:"lost,omitempty"` // the answer was lost on its way: the org does not know it
}

// OutboundCounts count notifications, and the messages that carried them.
type OutboundCounts struct {
	Queued    int `json:"queued"`
	Waiting   int `json:"waiting"` // of Queued, those without a final state
	Delivered int `json:"delivered"`
	Dropped   int `json:"dropped"`
	Deleted   int `json:"deleted"`
	Posts     int `json:"posts"`
	Failed    int `json:"failed"` // of Posts, those that were not acknowledged
}

// What the sender does. Salesforce says that it puts up to 100 notifications into a message, waits longer each time, at
// most two hours, and gives up after 24; the first pause, and how many messages are on their way at once, are guesses.
const (
	mostInMessage   = 100
	firstPause      = 30 * time.Second
	longestPause    = 2 * time.Hour
	notificationAge = 24 * time.Hour
	mostSenders     = 4
	answerTime      = 30 * time.Second
	mostLogged      = 1_000 // notifications with a final state, and posts, each
	longestAnswer   = 64 << 10
	keptAnswer      = 256
)

// outbox is the queue of notifications, and sends them in the background. It has goroutines only while something is due.
// Whoever holds its lock takes no other one.
type outbox struct {
	now    func() time.Time
	speed  float64
	send   func(list []*Notification, at time.Time) // sends, and then notes what came of it
	client *http.Client
	random *rand.Rand

	running context.Context // until Close
	stop    context.CancelFunc
	senders sync.WaitGroup

	mu       sync.Mutex
	switches Outbound
	sending  int             // senders at work
	waiting  []*Notification // those that no sender has, in the order in which they were queued
	carried  []*Notification // those that one has
	timer    *time.Timer     // until the next one is due
	idle     chan struct{}   // closed while none is waiting or carried
	acked    int             // notifications that were acknowledged, for the first time
	outboxSnapshot
}

// outboxSnapshot is what the outbox must not forget. Queued is empty but in a snapshot.
type outboxSnapshot struct {
	Newest id              `json:"newest"`
	Counts OutboundCounts  `json:"counts"`
	Queued []Notification  `json:"queued,omitempty"`
	Done   []*Notification `json:"done,omitempty"` // newest last
	Posts  []Post          `json:"posts,omitempty"`
}

// snapshot copies what is to be kept.
func (q *outbox) snapshot() outboxSnapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.outboxSnapshot
	s.Queued = q.open()
	s.Done, s.Posts = nil, slices.Clone(q.Posts)
	for _, n := range copied(q.Done) {
		s.Done = append(s.Done, &n)
	}
	return s
}

// restore replaces everything by what was kept. What is on its way is forgotten.
func (q *outbox) restore(s outboxSnapshot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.outboxSnapshot = s
	q.Newest = max(q.Newest, makeID("04l", 0))
	q.Queued, q.waiting, q.carried = nil, nil, nil
	for _, n := range s.Queued {
		q.waiting = append(q.waiting, &n)
	}
	q.wake()
}

func newOutbox(o *Org) *outbox {
	transport := o.options.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: mostSenders, IdleConnTimeout: time.Minute}
	}
	q := &outbox{now: o.options.Now, speed: o.options.Speed, send: o.deliver,
		random: rand.New(rand.NewPCG(o.options.Seed, 4)), outboxSnapshot: outboxSnapshot{Newest: makeID("04l", 0)}, idle: make(chan struct{}),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	q.running, q.stop = context.WithCancel(context.Background())
	close(q.idle)
	return q
}

// Close ends the sending of outbound messages, also of those on their way. It returns when nothing runs in the background
// any more. The org still answers; notifications are queued, and a snapshot has them.
func (o *Org) Close() {
	q := o.outbox
	q.stop()
	q.mu.Lock()
	q.wake()
	q.mu.Unlock()
	q.senders.Wait()
	q.client.CloseIdleConnections()
}

// Delivered waits until no notification is waiting or on its way. It returns ctx's error if ctx ends first.
func (o *Org) Delivered(ctx context.Context) error {
	o.outbox.mu.Lock()
	idle := o.outbox.idle
	o.outbox.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Notifications returns those that have no final state, and of the others the newest thousand, oldest first.
func (o *Org) Notifications() (waiting, done []Notification) {
	q := o.outbox
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open(), copied(q.Done)
}

// open returns the notifications without a final state, oldest first. The lock is held.
func (q *outbox) open() []Notification {
	list := slices.Concat(copied(q.waiting), copied(q.carried))
	slices.SortFunc(list, func(a, b Notification) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func copied(list []*Notification) []Notification {
	values := make([]Notification, len(list))
	for i, n := range list {
		values[i] = *n
	}
	return values
}

// Posts returns the newest thousand attempts, oldest first.
func (o *Org) Posts() []Post {
	o.outbox.mu.Lock()
	defer o.outbox.mu.Unlock()
	return slices.Clone(o.outbox.Posts)
}

// OutboundCounts returns what was counted since the org was made, or restored.
func (o *Org) OutboundCounts() OutboundCounts {
	q := o.outbox
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := q.Counts
	counts.Waiting = len(q.waiting) + len(q.carried)
	return counts
}

// Requeue makes waiting notifications due now: the one with an id, or all.
func (o *Org) Requeue(id string) error {
	return o.outbox.pick(id, func(n *Notification) bool { n.Due = o.outbox.now(); return false })
}

// DeleteNotification takes waiting notifications out of the queue: the one with an id, or all. What is just being
// sent stays.
func (o *Org) DeleteNotification(id string) error {
	return o.outbox.pick(id, func(n *Notification) bool { o.outbox.end(n, NotificationDeleted); return true })
}

// pick does something with waiting notifications, and takes out those for which it returns true.
func (q *outbox) pick(id string, do func(*Notification) bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := id == ""
	q.waiting = slices.DeleteFunc(q.waiting, func(n *Notification) bool {
		if id != "" && n.ID != id {
			return false
		}
		found = true
		return do(n)
	})
	q.wake()
	if !found {
		return refuse(404, "NOT_FOUND", "no notification waits with the id "+id)
	}
	return nil
}

// set changes the switches.
func (q *outbox) set(s Outbound) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.switches = s
	q.wake()
}

// queue adds a notification for everything that was sent.
func (q *outbox) queue(now time.Time, list []fired) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, one := range list {
		q.Newest = q.Newest.next()
		n := &Notification{ID: string(q.Newest), Message: string(one.message), Record: string(one.record), Queued: now, State: NotificationQueued}
		n.Due = now.Add(time.Duration(q.switches.OutboundDelay) + q.spread())
		q.Counts.Queued++
		q.waiting = append(q.waiting, n)
	}
	q.wake()
}

// spread is a while at random. The lock is held.
func (q *outbox) spread() time.Duration {
	if q.switches.OutboundSpread <= 0 {
		return 0
	}
	return time.Duration(q.random.Int64N(int64(q.switches.OutboundSpread)))
}

// end gives a notification its final state. The lock is held.
func (q *outbox) end(n *Notification, state NotificationState) {
	n.State = state
	switch state {
	case NotificationDelivered:
		q.Counts.Delivered++
	case NotificationDropped:
		q.Counts.Dropped++
	case NotificationDeleted:
		q.Counts.Deleted++
	}
	if len(q.Done) == mostLogged {
		q.Done = slices.Delete(q.Done, 0, 1)
	}
	q.Done = append(q.Done, n)
}

// wake drops what is too old, has senders take what is due, and sets the timer for what is not. The lock is held, and
// whatever changes the queue calls it last.
func (q *outbox) wake() {
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	now := q.now()
	var next time.Time
	due := false
	q.waiting = slices.DeleteFunc(q.waiting, func(n *Notification) bool {
		when := n.Queued.Add(notificationAge)
		switch {
		case now.Before(when):
		case n.Again: // it was acknowledged before
			q.end(n, NotificationDelivered)
			return true
		default:
			q.end(n, NotificationDropped)
			return true
		}
		if !q.switches.OutboundPaused {
			due = due || !n.Due.After(now)
			if n.Due.Before(when) {
				when = n.Due
			}
		}
		if next.IsZero() || when.Before(next) {
			next = when
		}
		return false
	})
	open := len(q.waiting)+len(q.carried) > 0
	select {
	case <-q.idle:
		if open {
			q.idle = make(chan struct{})
		}
	default:
		if !open {
			close(q.idle)
		}
	}
	switch {
	case q.running.Err() != nil:
	case due:
		if q.sending < mostSenders {
			q.sending++
			q.senders.Go(q.work)
		}
	case !next.IsZero():
		// The clock may be one that is moved by hand: when the timer ends, it is asked again.
		wait := max(time.Duration(float64(next.Sub(now))/q.speed), time.Millisecond)
		q.timer = time.AfterFunc(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.wake()
		})
	}
}

// work sends until nothing is due.
func (q *outbox) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running.Err() == nil {
		now := q.now()
		list := q.take(now)
		if len(list) == 0 {
			break
		}
		q.carried = append(q.carried, list...)
		q.wake() // another sender may have work, too
		q.mu.Unlock()
		q.send(list, now)
		q.mu.Lock()
	}
	q.sending--
	q.wake()
}

// take takes out of the queue what goes into one message: notifications that are due, of one outbound message. The lock is held.
func (q *outbox) take(now time.Time) []*Notification {
	if q.switches.OutboundPaused {
		return nil
	}
	var list []*Notification
	q.waiting = slices.DeleteFunc(q.waiting, func(n *Notification) bool {
		if len(list) == mostInMessage || n.Due.After(now) || len(list) > 0 && list[0].Message != n.Message {
			return false
		}
		list = append(list, n)
		return true
	})
	return list
}

// note says what a post means to its notifications; nothing to those that Restore has forgotten meanwhile.
func (q *outbox) note(list []*Notification, p Post, state NotificationState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list = slices.DeleteFunc(list, func(n *Notification) bool { return !slices.Contains(q.carried, n) })
	q.carried = slices.DeleteFunc(q.carried, func(n *Notification) bool { return slices.Contains(list, n) })
	if q.running.Err() != nil { // a post that Close cut short says nothing
		q.waiting = append(q.waiting, list...)
		return
	}
	now := q.now()
	if p.URL != "" {
		q.Counts.Posts++
		if lose := q.switches.OutboundLoseAnswer; lose > 0 && q.Counts.Posts%lose == 0 && p.Status != 0 {
			p.Lost, p.Acknowledged = true, false
		}
		if !p.Acknowledged {
			q.Counts.Failed++
		}
		if len(q.Posts) == mostLogged {
			q.Posts = slices.Delete(q.Posts, 0, 1)
		}
		q.Posts = append(q.Posts, p)
	}
	for _, n := range list {
		n.Tries++
		switch {
		case state != "":
			q.end(n, state)
		case p.Acknowledged && n.Again:
			q.end(n, NotificationDelivered)
		case p.Acknowledged:
			n.Reason = ""
			q.acked++
			if every := q.switches.OutboundDuplicate; every > 0 && q.acked%every == 0 {
				n.Again, n.Due = true, now.Add(q.spread())
				q.waiting = append(q.waiting, n)
				continue
			}
			q.end(n, NotificationDelivered)
		default:
			n.Reason = p.failure()
			n.Due = now.Add(pauseAfter(n.Tries))
			q.waiting = append(q.waiting, n)
		}
	}
}

// pauseAfter is how long a notification waits after so many tries.
func pauseAfter(tries int) time.Duration {
	pause := firstPause
	for ; tries > 1 && pause < longestPause; tries-- {
		pause *= 2
	}
	return min(pause, longestPause)
}

// failure says in words why nothing was acknowledged.
func (p Post) failure() string {
	switch {
	case p.Lost:
		return "the answer was lost"
	case p.Status == 0:
		return orElse(p.Answer, "no answer")
	case p.Status != http.StatusOK:
		return fmt.Sprintf("status %d", p.Status)
	}
	return "the answer is no acknowledgement"
}

// deliver sends notifications of one outbound message, as the definitions and records are now.
func (o *Org) deliver(list []*Notification, at time.Time) {
	q := o.outbox
	granted := o.auth.grantees() // before the org's own lock
	o.mu.RLock()
	messages := o.table("WorkflowOutboundMessage")
	message := messages.find(id(list[0].Message))
	if message < 0 || messages.isDeleted(messages.rows[message]) {
		o.mu.RUnlock()
		q.note(list, Post{}, NotificationDeleted)
		return
	}
	p := Post{At: at, Message: messages.value(message, "FullName")}
	for _, n := range list {
		p.Notifications = append(p.Notifications, n.ID)
	}
	m, err := messages.message(message)
	user := id(messages.value(message, "IntegrationUserId"))
	if o.userValue(user, "IsActive") != "true" || o.switches.UserDeactivated && granted[user] {
		err = errors.New("the user to send as is not active")
	}
	organization := o.orgID
	if clone, err := parseID(o.switches.OutboundClonedOrgID); err == nil {
		organization = clone
	}
	timeout := time.Duration(o.switches.OutboundTimeout)
	if timeout == 0 {
		timeout = answerTime
	}
	var body []byte
	if err == nil {
		body = o.envelope(message, m, list, organization)
	}
	o.mu.RUnlock()
	if err != nil {
		p.Answer = err.Error()
		q.note(list, p, "")
		return
	}
	p.URL = m.EndpointURL
	ctx, cancel := context.WithTimeout(q.running, timeout)
	defer cancel()
	p.Status, p.Answer, p.Acknowledged = q.post(ctx, m.EndpointURL, body)
	q.note(list, p, "")
}

// post makes a request, and reads the answer.
func (q *outbox) post(ctx context.Context, address string, body []byte) (status int, answer string, acked bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error(), false
	}
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	r.Header.Set("SOAPAction", `""`)
	r.Header.Set("User-Agent", "Salesforce (simulated)")
	response, err := q.client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the address, which stands beside it
	}
	if err != nil {
		return 0, err.Error(), false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return 0, err.Error(), false
	}
	acked = response.StatusCode == http.StatusOK && acknowledged(text)
	return response.StatusCode, strings.ToValidUTF8(string(text[:min(len(text), keptAnswer)]), "\uFFFD"), acked
}

// grantees are the users who have allowed the app anything.
func (g *grants) grantees() map[id]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	users := map[id]bool{}
	for _, one := range g.Grants {
		users[one.User] = true
	}
	return users
}
