package plumbing

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type installations interface {
	// Installation returns what is known about a connection's; NotFound if nothing is.
	Installation(context.Context, bridge.AccountID, bridge.ConnectionID) (Installation, error)
	// SaveInstallation adds it if Revision is 0, or replaces it; Conflict unless the revision is still the one that
	// was read.
	SaveInstallation(context.Context, Installation) error
}

type connections interface {
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
}

type jobs interface {
	Send(ctx context.Context, delay time.Duration, jobs ...Job) error
}

// Hook is an address that lets messages in, by its token.
type Hook struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	Off        bool                // messages are acknowledged and forgotten: no rule is on
	SeenAt     time.Time           // when the last message came; zero if none did
	Copy       bridge.SalesforceID // another org that sends to it: a sandbox that was copied from this one; empty if none did
}

type hooks interface {
	// InstallHook lets messages in by a token. That it does so already is fine.
	InstallHook(ctx context.Context, token bridge.Secret, h Hook, now time.Time) error
	// InstalledHook returns what is known of a token; NotFound if it lets nothing in.
	InstalledHook(ctx context.Context, token bridge.Secret) (Hook, error)
	// RetireHook lets no more messages in from a time on. That it does not now is fine.
	RetireHook(ctx context.Context, token bridge.Secret, at time.Time) error
}

// Service installs flows and messages. Its fields are set once.
type Service struct {
	Installations installations
	Connections   connections
	Hooks         hooks
	Jobs          jobs
	Org           func(bridge.Connection) Org // the org behind a connection
	Inbox         string                      // what the addresses for messages begin with; a hook's token follows
	Now           func() time.Time
}

// tries is how often a change is tried that others are faster with.
const tries = 5

// change changes a connection's installation and makes it due at once. A worker that is at it loses it: what it saves
// after is a Conflict.
func (s Service) change(ctx context.Context, op string, account bridge.AccountID, id bridge.ConnectionID, change func(*Installation) error) error {
	var err error
	for range tries {
		var i Installation
		i, err = s.Installations.Installation(ctx, account, id)
		if bridge.KindOf(err) == bridge.NotFound {
			i, err = Installation{Account: account, Connection: id}, nil
		}
		if err != nil {
			break
		}
		before := i.State()
		if err := change(&i); err != nil {
			return err
		}
		i.DueAt = s.Now()
		i.note(before, s.Now())
		if err = s.Installations.SaveInstallation(ctx, i); bridge.KindOf(err) != bridge.Conflict {
			break
		}
	}
	return bridge.E(op, "", err)
}

// order is a change that a worker goes on with.
func (s Service) order(ctx context.Context, op string, account bridge.AccountID, id bridge.ConnectionID, change func(*Installation) error) error {
	if err := s.change(ctx, op, account, id, change); err != nil {
		return err
	}
	return bridge.E(op, "", s.Jobs.Send(ctx, 0, Job{Account: account, Connection: id}))
}

// note keeps since when the installation is in its state.
func (i *Installation) note(before State, now time.Time) {
	if i.State() != before || i.Since.IsZero() {
		i.Since = now
	}
}

// Begin installs flow and message in the org of a connection, or mends what is there. Repeating it is harmless.
// NotFound: the account has no such connection, or it was disconnected.
func (s Service) Begin(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	const op = "plumbing.Begin"
	if err := s.usable(ctx, op, account, id); err != nil {
		return err
	}
	return s.order(ctx, op, account, id, func(i *Installation) error {
		if i.Hook.Empty() {
			i.Hook = bridge.NewToken()
		}
		if i.Wish != Installed {
			i.Deployment = "" // which a removal may have cancelled
		}
		i.Wish, i.Stage = Installed, Preparing
		i.renew(s.Now())
		return nil
	})
}

// Ensure is Begin for who does not know whether it was begun before: what is installed, or on its way, is left as it is.
func (s Service) Ensure(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	i, err := s.Installations.Installation(ctx, account, id)
	if err == nil && i.Wish == Installed {
		return nil
	}
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return bridge.E("plumbing.Ensure", "", err)
	}
	return s.Begin(ctx, account, id)
}

// renew forgets what kept an installation, since somebody asks for it again.
func (i *Installation) renew(now time.Time) {
	i.Mend, i.Fault, i.Details, i.Tries, i.Rounds, i.Draft, i.BeganAt = true, "", nil, 0, 0, false, now
}

func (s Service) usable(ctx context.Context, op string, account bridge.AccountID, id bridge.ConnectionID) error {
	c, err := s.Connections.Connection(ctx, account, id)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if c.Status == bridge.Disconnected {
		return bridge.Say(op, bridge.NotFound, "", "This Salesforce account was disconnected. Connect the org again.")
	}
	return nil
}

// Rotate gives the org another address to send messages to. The one before lets messages in until two days after the
// org has the new one: a message may wait in the org for a day. Conflict: an address was replaced only just.
func (s Service) Rotate(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	const op = "plumbing.Rotate"
	if err := s.usable(ctx, op, account, id); err != nil {
		return err
	}
	return s.order(ctx, op, account, id, func(i *Installation) error {
		switch now := s.Now(); {
		case i.Wish != Installed || i.Route == PollOnly:
			return bridge.Say(op, bridge.Conflict, "", "No messages come from this org, so there is no address to replace.")
		case !i.Former.Empty():
			return bridge.Say(op, bridge.Conflict, "", "The address is being replaced already. The org does not have the new one yet.")
		case now.Before(i.FormerEnds):
			return bridge.Say(op, bridge.Conflict, "", "The address was replaced only just. The one before works until %s; then it can be replaced again.",
				i.FormerEnds.UTC().Format("2 January 2006, 15:04 UTC"))
		}
		i.Former, i.Hook, i.FormerEnds = i.Hook, bridge.NewToken(), time.Time{}
		i.Stage = Preparing
		i.renew(s.Now())
		return nil
	})
}

// Remove takes flow and message out of the org of a connection. That nothing was installed is fine.
func (s Service) Remove(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	const op = "plumbing.Remove"
	_, err := s.Installations.Installation(ctx, account, id)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	return s.order(ctx, op, account, id, s.removal)
}

func (s Service) removal(i *Installation) error {
	i.Wish, i.Stage = Removed, Removing
	i.renew(s.Now())
	return nil
}

// Wake goes on with an installation that waits for its connection, which works again. Others are left alone.
func (s Service) Wake(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	const op = "plumbing.Wake"
	i, err := s.Installations.Installation(ctx, account, id)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && i.Fault != ConnectionDead {
		return nil
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	return s.order(ctx, op, account, id, func(i *Installation) error {
		i.Fault, i.Details, i.Tries = "", nil, 0
		return nil
	})
}

// Check looks at once how things are, and goes on with what waits for somebody to do something in Salesforce. It waits
// for what it finds, and nothing else: a deployment goes on by itself.
func (s Service) Check(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Status, error) {
	const op = "plumbing.Check"
	i, err := s.Installations.Installation(ctx, account, id)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && i.Wish != Installed {
		return s.Status(ctx, account, id)
	}
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	err = s.change(ctx, op, account, id, func(i *Installation) error {
		i.Tries = 0
		return nil
	})
	if err == nil {
		err = s.Work(ctx, Job{Account: account, Connection: id})
	}
	if err != nil && !bridge.KindOf(err).Permanent() { // what is refused for good is told by the status
		return Status{}, bridge.E(op, "", err)
	}
	return s.Status(ctx, account, id)
}
