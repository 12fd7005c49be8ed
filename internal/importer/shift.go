package importer

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

const (
	// hands is how many calls to ReferralHero a worker has on their way at a time.
	hands = 5
	// repeats is how often a call is repeated before its contact has failed.
	repeats = 3
	// outage is how many calls in a row must go wrong until ReferralHero counts as down.
	outage = 10
)

// shift is one worker's stretch of work on the chunks of a page. The hands take contacts in order, across
// chunks, so that one slow call holds up nobody, and whoever completes a chunk writes its receipt.
type shift struct {
	w       Worker
	i       bridge.Import
	account bridge.Account
	chunks  []*chunk
	end     time.Time // no contact is taken after; zero if the worker has all the time in the world
	cut     time.Time // calls that are still on their way are cut off then

	mu       sync.Mutex
	at, next int     // position of the next contact: chunk, contact
	waiting  int     // contacts for which no call was leased yet
	wrong    int     // calls that went wrong in a row
	doubtful []place // contacts that have failed meanwhile: it may not be their fault
	added    []Added
	why      error

	leasing sync.Mutex
	lease   budget.Lease
	left    int // calls of the lease
	told    int // calls left in the hour, as ReferralHero said last; negative if it did not
}

func newShift(ctx context.Context, w Worker, i bridge.Import, a bridge.Account, lease budget.Lease, chunks []*chunk) *shift {
	s := &shift{w: w, i: i, account: a, chunks: chunks, lease: lease, left: lease.Calls, told: -1}
	for _, k := range chunks {
		s.waiting += k.open
	}
	if deadline, ok := ctx.Deadline(); ok {
		m := margin(time.Until(deadline))
		s.end, s.cut = deadline.Add(-m), deadline.Add(-m/2)
	}
	return s
}

// margin is what a worker keeps of its time to put things in order.
func margin(left time.Duration) time.Duration { return min(10*time.Second, left/10) }

// run works until every chunk has its receipt, or until there is a reason to stop. Either way all calls have
// ended, and what they brought is written.
func (s *shift) run(ctx context.Context) error {
	calls := ctx
	if !s.cut.IsZero() {
		var cancel context.CancelFunc
		calls, cancel = context.WithDeadline(ctx, s.cut)
		defer cancel()
	}
	for _, k := range s.chunks {
		if k.open == 0 {
			if err := s.write(ctx, k); err != nil {
				return err
			}
		}
	}
	if err := s.begin(ctx, calls); err != nil {
		return err
	}
	var team sync.WaitGroup
	for range min(hands, s.waiting) {
		team.Go(func() { s.hand(ctx, calls, func() bool { return true }) })
	}
	team.Wait()
	for _, k := range s.chunks {
		if k.open > 0 && k.answers > 0 {
			if err := s.write(ctx, k); err != nil {
				return err
			}
		}
	}
	return s.why
}

// begin adds the first contact of an import alone, to learn the time by ReferralHero's clock and to note it. Should
// the answer be lost, the time that the next one tells is as good.
func (s *shift) begin(ctx, calls context.Context) error {
	if !s.i.HeroAt.IsZero() || s.waiting == 0 {
		return nil
	}
	s.hand(ctx, calls, func() bool { return s.i.HeroAt.IsZero() })
	if s.i.HeroAt.IsZero() {
		return nil // no answer at all: there is a reason to stop, or nobody is left to ask
	}
	i, err := s.w.setClock(ctx, s.i, s.i.HeroAt)
	if err == nil {
		s.i.HeroAt = i.HeroAt
	}
	return err
}

// hand takes contact after contact, as long as more says so.
func (s *shift) hand(ctx, calls context.Context, more func() bool) {
	for more() {
		k, n, ok := s.take(ctx)
		if !ok {
			return
		}
		code, err := s.ask(calls, k, n)
		if err != nil {
			s.stop(err)
			return
		}
		if s.settle(k, n, code) {
			if err := s.write(ctx, k); err != nil {
				s.stop(err)
				return
			}
		}
	}
}

// place is where a contact stands: the chunk, the position, and the code that it had.
type place struct {
	k    *chunk
	n    int
	code byte
}

// settle gives a contact its code and reports whether it was the last one of its chunk.
func (s *shift) settle(k *chunk, n int, code byte) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code == failed && s.wrong > 0 {
		s.doubtful = append(s.doubtful, place{k, n, k.codes[n]})
	}
	k.codes[n] = code
	k.open--
	k.answers++
	k.written = k.open == 0
	return k.written
}

// stop ends the shift; the first reason counts.
func (s *shift) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.why = why
	}
}

func (s *shift) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why != nil
}

// take returns the next contact to ask for. Between chunks it looks whether the import still wants to run.
func (s *shift) take(ctx context.Context) (*chunk, int, bool) {
	k, n, first := s.advance()
	if k == nil {
		return nil, 0, false
	}
	if first {
		i, err := s.w.Imports.Import(ctx, s.i.Account, s.i.ID)
		switch {
		case err != nil:
			s.stop(err)
		case i.State != bridge.Running || i.Parked != "":
			s.stop(&stop{gone: true})
		}
		if s.stopped() {
			return nil, 0, false
		}
	}
	return k, n, true
}

// advance moves on to the next contact without an outcome; first says that a new chunk begins with it.
func (s *shift) advance() (k *chunk, n int, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil && !s.end.IsZero() && !time.Now().Before(s.end) {
		s.why = errTimeUp
	}
	if s.why != nil {
		return nil, 0, false
	}
	for ; s.at < len(s.chunks); s.at, s.next = s.at+1, 0 {
		k := s.chunks[s.at]
		for s.next < len(k.codes) {
			n := s.next
			s.next++
			if undecided(k.codes[n]) {
				first := s.at > 0 && !k.taken
				k.taken = true
				return k, n, first
			}
		}
	}
	return nil, 0, false
}

// ask adds a contact's person to the campaign and returns the code for the answer. A call whose outcome is
// unknown is repeated: adding twice adds once.
func (s *shift) ask(ctx context.Context, k *chunk, n int) (byte, error) {
	p := Person{
		Identifier: s.i.Options.Identifier, Value: k.values[n], Name: fullName(k.contacts[n]), URL: s.i.Options.URL, Source: source,
	}
	pauses := s.pauses()
	for try := 0; ; try++ {
		if err := s.ticket(ctx, try == 0); err != nil {
			return 0, err
		}
		subscriber, quota, err := s.w.Hero.Add(ctx, s.account.Token, s.i.Options.Campaign, p)
		s.hear(quota, err)
		switch bridge.KindOf(err) {
		case "":
			s.remember(k.contacts[n].ID, subscriber.Subscriber)
			return answered(s.i, subscriber), nil
		case bridge.Invalid:
			return refused, nil
		case bridge.Throttled, bridge.Revoked, bridge.Denied, bridge.NotFound:
			return 0, s.w.heroStop(context.WithoutCancel(ctx), s.account, err)
		}
		switch {
		case ctx.Err() != nil:
			return 0, errTimeUp
		case s.down():
			return 0, ofHero(err, s.w.Budget.Length)
		case try == repeats:
			return failed, nil
		}
		if err := s.rest(ctx, pauses.NextBackOff()); err != nil {
			return 0, err
		}
	}
}

// remember keeps a subscriber for whoever wants to hear of those that were added.
func (s *shift) remember(contact bridge.SalesforceID, subscriber bridge.Subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.added = append(s.added, Added{contact, subscriber})
}

func (s *shift) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = s.w.Pause
	if b.InitialInterval == 0 {
		b.InitialInterval = 200 * time.Millisecond
	}
	b.Multiplier = 3
	return b
}

// rest waits before a repetition, unless the shift ends meanwhile.
func (s *shift) rest(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return errTimeUp
	case <-time.After(pause):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// hear takes note of what an answer tells beside.
func (s *shift) hear(q bridge.Quota, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Left >= 0 {
		s.told = q.Left
	}
	if s.i.HeroAt.IsZero() && (err == nil || !q.At.IsZero()) {
		s.i.HeroAt = s.w.startedBy(s.i, q) // still alone: see begin
	}
	switch bridge.KindOf(err) {
	case bridge.Unavailable, bridge.UnknownOutcome, bridge.Internal, bridge.Conflict:
		s.wrong++
	default:
		s.wrong, s.doubtful = 0, nil
	}
}

// down reports whether ReferralHero is down. Contacts that have failed since it last answered have not failed then,
// as far as they can still be taken back.
func (s *shift) down() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong < outage {
		return false
	}
	for _, p := range s.doubtful {
		if !p.k.written {
			p.k.codes[p.n] = p.code
			p.k.open++
		}
	}
	s.doubtful = nil
	return true
}

// ticket takes one call from the lease, or leases as many as the contacts that are left can use. Calls of a lease
// that has expired are lost. first is for the first call about a contact.
func (s *shift) ticket(ctx context.Context, first bool) error {
	s.leasing.Lock()
	defer s.leasing.Unlock()
	if s.left == 0 || !s.w.Now().Before(s.lease.Expires) {
		s.mu.Lock()
		wanted, told := max(1, min(chunkSize, s.waiting)), s.told
		s.mu.Unlock()
		if told >= 0 {
			if err := s.w.Budget.Correct(ctx, s.account.ID, budget.ReferralHero, s.account.Allowance, told); err != nil {
				return ofBudget(err)
			}
		}
		lease, err := s.w.Budget.Lease(ctx, s.account.ID, budget.ReferralHero, s.account.Allowance, budget.Bulk, wanted)
		if err != nil {
			return ofBudget(err)
		}
		s.lease, s.left = lease, lease.Calls
	}
	s.left--
	if first {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}
	return nil
}

// write writes what a chunk has come to. A Conflict means that somebody else has written it.
func (s *shift) write(ctx context.Context, k *chunk) error {
	r := k.receipt()
	err := s.w.Imports.SaveReceipt(ctx, r, complete(r.Codes))
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}
