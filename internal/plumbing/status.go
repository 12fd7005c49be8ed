package plumbing

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Mode is how changes of opportunities are found.
type Mode string

// The modes.
const (
	MessagesAndPoll Mode = "messages_and_poll"
	PollAlone       Mode = "poll"
)

// Status is how an installation is, for the console.
type Status struct {
	State    State
	Since    time.Time
	Mode     Mode
	Name     string    // of flow and message in the org, as people see it; empty if none was chosen yet
	Trouble  *Trouble  // nil if nothing is wrong
	Edition  string    // that allows no more than looking; else empty
	Sent     time.Time // when a deployment was sent that is under way; else zero
	SeenAt   time.Time // the last message; zero if none came
	Checked  time.Time // the org was last compared to the end; zero if it never was
	Next     time.Time // when it is looked at again by itself; zero if it is not
	Changing bool      // the address is being replaced
	// FormerEnds is until when the address before still works; zero if there is none.
	FormerEnds time.Time
	Copy       *Trouble // another org sends to our address too: a sandbox that was copied from this one; else nil
	Manual     []Screen // what an administrator does by hand; nil if nobody has to
	Stays      []string // what is left in an org after a removal that did not succeed, or not yet
}

// Status tells how the installation of a connection is, without asking the org.
func (s Service) Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Status, error) {
	const op = "plumbing.Status"
	i, err := s.Installations.Installation(ctx, account, id)
	if bridge.KindOf(err) == bridge.NotFound {
		return Status{State: NotBegun, Mode: PollAlone}, nil
	}
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	c, err := s.Connections.Connection(ctx, account, id)
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	status := Status{
		State: i.State(), Since: i.Since, Mode: PollAlone, Trouble: trouble(i, c), Checked: i.CheckedAt, Next: i.DueAt,
		Changing: !i.Former.Empty(), Edition: i.Edition,
	}
	if i.Name != "" {
		status.Name = label(i.Name)
	}
	if i.sends() {
		status.Mode = MessagesAndPoll
	}
	if i.Deployment != "" {
		status.Sent = i.DeployedAt
	}
	if s.Now().Before(i.FormerEnds) {
		status.FormerEnds = i.FormerEnds
	}
	if i.Wish == Removed && i.Name != "" {
		status.Stays = left(i)
	}
	if status.State == NeedsHands {
		status.Manual = s.Manual(i, c)
	}
	if err := s.listened(ctx, i, c, &status); err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	return status, nil
}

// Troubles are all that is wrong.
func (s Status) Troubles() []Trouble {
	var all []Trouble
	for _, t := range []*Trouble{s.Trouble, s.Copy} {
		if t != nil {
			all = append(all, *t)
		}
	}
	return all
}

// sends reports whether the org sends messages, as far as we know: also with what it lets them be worse than they
// should, and while their address is being replaced.
func (i Installation) sends() bool {
	return i.State() == Working || i.Fault == UserChanged || i.Fault == FieldsMissing || i.Fault == "" && !i.Former.Empty()
}

// listened adds what came in by the installation's addresses.
func (s Service) listened(ctx context.Context, i Installation, c bridge.Connection, status *Status) error {
	for _, hook := range []bridge.Secret{i.Hook, i.Former} {
		if hook.Empty() {
			continue
		}
		h, err := s.Hooks.InstalledHook(ctx, hook)
		if bridge.KindOf(err) == bridge.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		if h.SeenAt.After(status.SeenAt) {
			status.SeenAt = h.SeenAt
		}
		if h.Copy != "" {
			status.Copy = trouble(Installation{Fault: OrgCopied, Details: []string{string(h.Copy)}}, c)
		}
	}
	return nil
}
