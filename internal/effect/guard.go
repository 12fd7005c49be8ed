// Package effect makes calls that must not be made twice, such as sending a mail: plan, claim, call,
// confirm. What is written before the call outlives a crash, so that nobody repeats a call of which
// the outcome is unknown.
package effect

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// State says what is known of an effect.
type State string

// The states. Claimed means that a worker is at it; a claim that ran out means that nobody knows.
const (
	Claimed State = "claimed"
	Done    State = "done"    // it happened
	Failed  State = "failed"  // it did not happen, and trying again would not help
	Open    State = "open"    // it did not happen, and may be tried again
	Unknown State = "unknown" // it may have happened: only a person, or a look at the other side, can tell
)

// Record is what is stored of an effect.
type Record struct {
	State   State
	Fence   int       // rises with each claim
	Until   time.Time // end of the claim
	Code    string    // the other side's code for a failure
	Version int       // as read; 0 if there is no item yet
}

// store keeps records. Save fails with a Conflict unless the version is still the one that was read.
type store interface {
	Effect(ctx context.Context, account bridge.AccountID, kind, subject string) (Record, error)
	SaveEffect(ctx context.Context, account bridge.AccountID, kind, subject string, r Record) error
}

// Guard makes calls at most once. Its fields are set once.
type Guard struct {
	Store store
	Now   func() time.Time
}

// longest is how long a claim lasts if the context does not end before: longer than any worker lives.
const longest = 15 * time.Minute

// Once makes the call unless it was made before. kind and subject name the effect by what it is about,
// never by the message that asked for it. The state that it returns is what is known now:
//
//   - Done, Failed or Unknown if the call was made, now or earlier;
//   - Claimed if another worker is making it;
//   - Open, with the error, if it was refused for now (Throttled or Unavailable) and may be asked for again.
//
// A call that returns UnknownOutcome, or an error without a meaning, or that is cut short by a crash,
// ends as Unknown and is never repeated here.
func (g Guard) Once(ctx context.Context, account bridge.AccountID, kind, subject string, call func(context.Context) error) (State, error) {
	const op = "effect.Once"
	r, err := g.Store.Effect(ctx, account, kind, subject)
	if err != nil {
		return "", bridge.E(op, "", err)
	}
	switch {
	case r.State == Done, r.State == Failed, r.State == Unknown:
		return r.State, nil
	case r.State == Claimed && g.Now().Before(r.Until):
		return Claimed, nil
	case r.State == Claimed: // its worker died at it
		r.State = Unknown
		return g.settle(ctx, account, kind, subject, r)
	}
	r.State, r.Fence, r.Until = Claimed, r.Fence+1, g.end(ctx)
	if err := g.Store.SaveEffect(ctx, account, kind, subject, r); err != nil {
		if bridge.KindOf(err) == bridge.Conflict {
			return Claimed, nil
		}
		return "", bridge.E(op, "", err) // not claimed for certain, so not called
	}
	r.Version++
	failure := call(ctx)
	r.Code = bridge.CodeOf(failure)
	switch kind := bridge.KindOf(failure); {
	case failure == nil:
		r.State = Done
	case kind == bridge.Throttled, kind == bridge.Unavailable && ctx.Err() == nil:
		r.State = Open
	case kind.Permanent():
		r.State = Failed
	default:
		r.State = Unknown
	}
	// The outcome is worth more than the deadline.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	state, err := g.settle(ctx, account, kind, subject, r)
	if err == nil && state == Open {
		err = bridge.E(op, "", failure)
	}
	return state, err
}

// settle writes the outcome. If that fails, the claim stands, runs out, and the outcome is unknown: which
// is true.
func (g Guard) settle(ctx context.Context, account bridge.AccountID, kind, subject string, r Record) (State, error) {
	if err := g.Store.SaveEffect(ctx, account, kind, subject, r); err != nil {
		return "", bridge.E("effect.settle", "", err)
	}
	return r.State, nil
}

// end is when a claim of this worker ends for certain: after its context's deadline, when it is dead.
func (g Guard) end(ctx context.Context) time.Time {
	now := g.Now()
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left < longest {
			return now.Add(left + 5*time.Second)
		}
	}
	return now.Add(longest)
}
