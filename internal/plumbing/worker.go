package plumbing

import (
	"context"
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// lease is how long a worker has an installation to itself. It outlives every function that works on one, so
	// that no two are at it.
	lease = 3 * time.Minute
	// early is how much before its time a job may come: clocks differ, and queues count in seconds.
	early = 2 * time.Second
	// margin is what a worker keeps of its time to save how far it came.
	margin = 12 * time.Second
)

// The pauses.
const (
	day      = 24 * time.Hour
	soon     = time.Hour      // between looks at what a person was asked to do only just
	reaction = 6 * time.Hour  // between looks at a connection that does not work: its repair wakes us
	keep     = 48 * time.Hour // that an address before works on; Salesforce repeats a message for 24 hours
)

// Work goes on with an installation, as far as it comes without waiting. A job for one that is not due, or that
// another worker has, does nothing.
func (s Service) Work(ctx context.Context, job Job) error {
	const op = "plumbing.Work"
	if job.Wake {
		return bridge.E(op, "", s.Wake(ctx, job.Account, job.Connection))
	}
	i, err := s.Installations.Installation(ctx, job.Account, job.Connection)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil // the account was erased
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	now := s.Now()
	if i.DueAt.IsZero() || now.Add(early).Before(i.DueAt) {
		return nil
	}
	before := i.State()
	i.DueAt = now.Add(lease)
	if err := s.save(ctx, &i); err != nil {
		return yielded(op, err)
	}
	c, err := s.Connections.Connection(ctx, job.Account, job.Connection)
	if bridge.KindOf(err) == bridge.NotFound {
		c, err = bridge.Connection{Status: bridge.Disconnected}, nil
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	switch {
	case i.Stage == Deploying:
		i.Stage = Comparing // a worker has died, and may have sent it
	case i.Stage == Comparing && i.Route == ByHand:
		i.Stage = Preparing // the user's rights may have changed
	}
	t := &turn{s: s, i: &i, c: c, org: s.Org(c)}
	pause, failure := t.run(ctx)
	i.DueAt = time.Time{}
	if pause >= 0 {
		i.DueAt = s.Now().Add(pause)
	}
	i.note(before, s.Now())
	ctx = context.WithoutCancel(ctx) // whoever has no time any more can still tell how far it came
	if err := s.save(ctx, &i); err != nil {
		return yielded(op, err)
	}
	if pause >= 0 && pause <= longest {
		_ = s.Jobs.Send(ctx, pause, job) // if that fails, the sweep finds it due
	}
	return bridge.E(op, "", failure)
}

// longest is the longest pause that a queue can wait for; what waits longer is left to the sweep.
const longest = 15 * time.Minute

func (s Service) save(ctx context.Context, i *Installation) error {
	err := s.Installations.SaveInstallation(ctx, *i)
	if err == nil {
		i.Revision++
	}
	return err
}

// yielded is what it means that an installation could not be saved: if somebody else has changed it, the work is
// theirs.
func yielded(op string, err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return bridge.E(op, "", err)
}

// never is the pause of what has nothing to wait for.
const never time.Duration = -1

// again is the pause of what can go on at once.
const again time.Duration = 0

// turn is one worker's go at an installation.
type turn struct {
	s   Service
	i   *Installation
	c   bridge.Connection
	org Org

	latest int // number of the flow's latest version, once it was seen
}

// run takes step after step, until one has to wait. The returned error is for whoever runs the system; it is noted in
// the installation too.
func (t *turn) run(ctx context.Context) (time.Duration, error) {
	for {
		if t.c.Status == bridge.Disconnected {
			return t.cutOff(), nil
		}
		pause, err := t.step(ctx)
		if own := new(ownTrouble); errors.As(err, &own) {
			return time.Minute, own.error
		}
		if err != nil {
			return t.stuck(ctx, err)
		}
		t.i.Tries = 0
		if t.i.Fault.passing() {
			t.i.Fault, t.i.Details = "", nil
		}
		if pause != again {
			return pause, nil
		}
		if deadline, limited := ctx.Deadline(); limited && time.Until(deadline) < margin {
			return again, nil
		}
		if err := t.s.save(ctx, t.i); err != nil { // so that a worker that dies after this does not begin anew
			return again, err
		}
	}
}

// ownTrouble is an error that is not the org's.
type ownTrouble struct{ error }

// step does what the stage is for, and names the next stage.
func (t *turn) step(ctx context.Context) (time.Duration, error) {
	switch t.i.Stage {
	case Preparing:
		return t.prepare(ctx)
	case Resting: // a day is over
		if t.i.Route != ByDeployment {
			return t.prepare(ctx) // the edition may be another, or the user's rights
		}
		return t.compare(ctx)
	case Comparing:
		return t.compare(ctx)
	case Deploying:
		return t.deploy(ctx)
	case Landing:
		return t.land(ctx)
	case Activating:
		return t.activate(ctx)
	case Removing:
		return t.remove(ctx)
	default:
		return never, nil
	}
}

// pauses are those after looks that came to nothing, until it is an hour.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}

// stuck notes why a step failed, and when it is worth another try.
func (t *turn) stuck(ctx context.Context, err error) (time.Duration, error) {
	i := t.i
	pause := time.Hour
	if i.Tries < len(pauses) {
		pause = pauses[i.Tries]
	}
	i.Tries++
	fault := func(f Fault) {
		i.Fault, i.Details = f, nil
		if code := bridge.CodeOf(err); code != "" {
			i.Details = []string{code}
		}
	}
	// Asking may have changed the connection: the first to notice that access has ended says so.
	if c, lost := t.s.Connections.Connection(ctx, i.Account, i.Connection); lost == nil {
		t.c = c
	}
	switch kind := bridge.KindOf(err); {
	case t.c.Status == bridge.Disconnected:
		return t.cutOff(), nil
	case t.c.Status != bridge.Active, kind == bridge.Revoked:
		fault(ConnectionDead)
		return reaction, nil
	case kind == bridge.Throttled:
		after := bridge.AfterOf(err, pause)
		if after >= longest { // what is over sooner is nobody's concern
			fault(CallsUsedUp)
		}
		return after, nil
	case kind == bridge.Unavailable, kind == bridge.UnknownOutcome:
		if i.Tries > 2 {
			fault(OrgSilent)
		}
		return pause, nil
	case kind == bridge.Denied && i.Wish == Removed:
		return t.leave(err), nil
	case kind == bridge.Denied && i.Route == ByDeployment && !i.Mend:
		i.Stage = Resting
		return day, nil // rights to set up may have been for a while only; messages tell whether it works
	case kind == bridge.Denied:
		i.Route = ByHand
		fault(RightsMissing)
		return t.patience(), nil
	}
	fault(Refused)
	return day, err
}

// patience is how long to wait for what a person was asked to do.
func (t *turn) patience() time.Duration {
	if t.s.Now().Sub(t.i.BeganAt) < day {
		return soon
	}
	return day
}

// cutOff notes that there is no connection any more. What is installed stays, and does no harm.
func (t *turn) cutOff() time.Duration {
	if t.i.Wish == Removed {
		return t.leave(nil)
	}
	t.i.Fault, t.i.Details = ConnectionDead, nil
	return never
}
