package syncer

import (
	"context"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// calls rations the calls to ReferralHero of one piece of work. It leases as many as it will need.
type calls struct {
	w       Worker
	account bridge.Account
	lane    budget.Lane

	mu     sync.Mutex
	wanted int // calls that are still to be made, as far as is known
	lease  budget.Lease
	left   int
	told   int // calls left in the hour, as ReferralHero said last; negative if it did not
	made   int
}

// mostLeased is how many calls are leased at a time.
const mostLeased = 50

// expect says how many calls more will be made, so that not more are leased.
func (c *calls) expect(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted += n
}

// take allows one call, or says why there is none.
func (c *calls) take(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 || !c.w.Now().Before(c.lease.Expires) {
		if c.told >= 0 {
			if err := c.w.Budget.Correct(ctx, c.account.ID, budget.ReferralHero, c.account.Allowance, c.told); err != nil {
				return ofBudget(err)
			}
		}
		lease, err := c.w.Budget.Lease(ctx, c.account.ID, budget.ReferralHero, c.account.Allowance, c.lane, max(1, min(mostLeased, c.wanted)))
		if err != nil {
			return ofBudget(err)
		}
		c.lease, c.left = lease, lease.Calls
	}
	c.left--
	c.made++
	c.wanted = max(0, c.wanted-1)
	return nil
}

// ofBudget says what an error of the budget means.
func ofBudget(err error) error {
	wait := bridge.AfterOf(err, time.Second)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Conflict, kind == bridge.Throttled && wait <= 5*time.Second:
		return &stop{after: wait, err: err}
	case kind == bridge.Throttled:
		return &stop{waits: hourUsedUp, wait: wait, err: err}
	default:
		return err
	}
}

// hear takes note of what an answer tells, and says what its error means. That there is no such subscriber is left as
// it is: NotFound.
func (c *calls) hear(ctx context.Context, q bridge.Quota, err error) error {
	c.mu.Lock()
	if q.Left >= 0 {
		c.told = q.Left
	}
	c.mu.Unlock()
	if err == nil || bridge.KindOf(err) == bridge.NotFound && bridge.CodeOf(err) != unknownList {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	var noted error
	switch bridge.KindOf(err) {
	case bridge.Throttled:
		noted = c.w.Budget.Close(ctx, c.account.ID, budget.ReferralHero, c.w.Now().Add(bridge.AfterOf(err, c.w.Budget.Length)))
	case bridge.Revoked, bridge.Denied:
		noted = c.w.Accounts.RefuseToken(ctx, c.account, bridge.CodeOf(err))
	}
	if noted != nil && bridge.KindOf(noted) != bridge.Conflict {
		return noted
	}
	return ofHero(err, c.w.Budget.Length)
}

// unknownList is ReferralHero's code for a campaign that it does not know; any other NotFound is about a subscriber.
const unknownList = "invalid_list"

// repeats is how often a read is tried again that brought no answer.
const repeats = 2

// ask makes a read, again if it brought no answer.
func ask[T any](ctx context.Context, c *calls, call func() (T, bridge.Quota, error)) (T, error) {
	var (
		result T
		failed error
	)
	for try := 0; try <= repeats; try++ {
		if err := c.take(ctx); err != nil {
			return result, err
		}
		got, quota, err := call()
		if failed = c.hear(ctx, quota, err); bridge.KindOf(err) != bridge.Unavailable || ctx.Err() != nil {
			return got, failed
		}
		if err := c.w.rest(ctx, time.Duration(try+1)*100*time.Millisecond); err != nil {
			return result, err
		}
	}
	return result, failed
}

func (b *bench) subscriber(ctx context.Context, id bridge.SubscriberID) (bridge.Subscriber, error) {
	return ask(ctx, b.calls, func() (bridge.Subscriber, bridge.Quota, error) {
		return b.w.Hero.Subscriber(ctx, b.account.Token, b.campaign.ID, id)
	})
}

func (b *bench) byCode(ctx context.Context, code string) (bridge.Subscriber, error) {
	return ask(ctx, b.calls, func() (bridge.Subscriber, bridge.Quota, error) {
		return b.w.Hero.SubscriberByCode(ctx, b.account.Token, b.campaign.ID, code)
	})
}

func (b *bench) page(ctx context.Context, number int) (bridge.SubscriberPage, error) {
	return ask(ctx, b.calls, func() (bridge.SubscriberPage, bridge.Quota, error) {
		return b.w.Hero.Subscribers(ctx, b.account.Token, b.campaign.ID, number)
	})
}

// lastReferral returns when the newest referral of a subscriber signed up. It asks for it only if that may have
// changed since the link was written.
func (b *bench) lastReferral(ctx context.Context, s bridge.Subscriber, l Link, deep bool) (time.Time, error) {
	switch {
	case s.Referrals() == 0:
		return time.Time{}, nil
	case !deep && l.Print != "" && l.Referrals == s.Referrals():
		return l.LastRef, nil
	}
	at, err := ask(ctx, b.calls, func() (time.Time, bridge.Quota, error) {
		return b.w.Hero.LastReferral(ctx, b.account.Token, b.campaign.ID, s.ID)
	})
	if bridge.KindOf(err) == bridge.NotFound {
		return time.Time{}, nil // deleted since it was read: another hint will tell
	}
	return at, err
}
