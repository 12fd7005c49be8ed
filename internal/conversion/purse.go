package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// purse holds calls to ReferralHero that were leased.
type purse struct {
	lease budget.Lease
	left  int
	told  int // calls left, as ReferralHero said last; 0 if it did not
	want  int // calls that this turn may still make
}

// One deal takes about three calls. They are leased some at a time; what is not used is lost for an hour.
const (
	callsPerDeal = 3
	mostLeased   = 30
)

// ticket takes one call from the budget. What keeps us from calling is a stop, and stays so for the rest of the turn.
func (t *turn) ticket(ctx context.Context) error {
	if t.heroOut != nil {
		return t.heroOut
	}
	if t.account == nil {
		a, err := t.w.Accounts.Account(ctx, t.id)
		if err != nil {
			return err
		}
		t.account = &a
	}
	if t.account.Token.Empty() || t.account.Refused != "" {
		return t.shut(&stop{reason: tokenRefused, wait: longWait})
	}
	if t.purse.left > 0 && t.w.Now().Before(t.purse.lease.Expires) {
		t.purse.left--
		return nil
	}
	if t.purse.told > 0 {
		if err := t.w.Budget.Correct(ctx, t.id, budget.ReferralHero, t.account.Allowance, t.purse.told); err != nil && bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	lease, err := t.w.Budget.Lease(ctx, t.id, budget.ReferralHero, t.account.Allowance, budget.Live, min(max(t.purse.want, callsPerDeal), mostLeased))
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Throttled:
		return t.shut(&stop{reason: hourUsedUp, wait: bridge.AfterOf(err, time.Minute), err: err})
	case kind == bridge.Conflict:
		return t.shut(&stop{reason: hourUsedUp, wait: time.Second, err: err})
	case err != nil:
		return err
	}
	t.purse = purse{lease: lease, left: lease.Calls - 1, want: t.purse.want - lease.Calls}
	return nil
}

func (t *turn) shut(s *stop) error {
	t.heroOut = s
	return s
}

// hear takes note of what an answer tells of the allowance.
func (t *turn) hear(q bridge.Quota) {
	if q.Left > 0 {
		t.purse.told = q.Left
	}
}

// heroStop takes note of what an error of ReferralHero says about token and budget, and says what it means: a stop, but
// for an error that is about this one call only.
func (t *turn) heroStop(ctx context.Context, err error) error {
	var noted error
	s := &stop{err: err}
	switch kind := bridge.KindOf(err); kind {
	case bridge.Throttled:
		s.reason, s.wait = heroSaysNo, bridge.AfterOf(err, t.w.Budget.Length)
		noted = t.w.Budget.Close(ctx, t.id, budget.ReferralHero, t.w.Now().Add(s.wait))
	case bridge.Revoked, bridge.Denied:
		s.reason, s.wait = tokenRefused, longWait
		noted = t.w.Accounts.RefuseToken(ctx, *t.account, bridge.CodeOf(err))
	case bridge.NotFound:
		s.reason, s.wait = campaignMissing, longWait
	case bridge.Unavailable, bridge.UnknownOutcome:
		s.reason, s.outage = heroDown, true
	default:
		return err
	}
	if noted != nil && bridge.KindOf(noted) != bridge.Conflict {
		return noted
	}
	return t.shut(s)
}
