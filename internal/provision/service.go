package provision

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type connections interface {
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
}

type setups interface {
	// Setup returns the setup of a connection; NotFound if there is none.
	Setup(context.Context, bridge.AccountID, bridge.ConnectionID) (Setup, error)
	// SaveSetup writes a setup. Conflict: it is not the version that was read any more.
	SaveSetup(context.Context, Setup) error
}

type layouts interface {
	// Layout returns where the fields are on an object; NotFound if nobody looked yet.
	Layout(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.Layout, error)
	// SaveLayout writes a layout. Conflict: it is not the version that was read any more.
	SaveLayout(context.Context, bridge.Layout) error
}

type rows interface {
	setups
	layouts
}

type jobs interface {
	Send(ctx context.Context, delay time.Duration, jobs ...Job) error
}

// Service sets up the fields of orgs. Its fields are set once.
type Service struct {
	Connections connections
	Rows        rows
	Jobs        jobs
	Org         func(bridge.Connection) Org // the org behind a connection
	// Changed is called after a layout with other names or another Visible set was saved: at least once for each change.
	// It may be nil.
	Changed func(context.Context, bridge.Layout) error
	Now     func() time.Time
}

// Choices are what people decide about the fields.
type Choices struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	Object     string // Contact or Lead; with leads, contacts have the fields too
	Persons    bool   // subscribers become person accounts, which are made and written by their accounts
	Prefix     string // of the fields' names: "RH_", or nothing
	Readers    Readers
}

// The prefixes.
const (
	Prefixed = "RH_"
	Bare     = ""
)

// The most that may be picked by hand.
const (
	mostUsers    = 200
	mostProfiles = 50
)

func (c Choices) check(op string) error {
	switch {
	case c.Object != Contact && c.Object != Lead:
		return bridge.Say(op, bridge.Invalid, "object", "Choose contacts or leads.")
	case c.Prefix != Prefixed && c.Prefix != Bare:
		return bridge.Say(op, bridge.Invalid, "prefix", "Choose names that begin with RH_, or bare names.")
	case len(c.Readers.Users) > mostUsers:
		return bridge.Say(op, bridge.Invalid, "users", "Pick at most %d people. For more, pick their profiles.", mostUsers)
	case len(c.Readers.Profiles) > mostProfiles:
		return bridge.Say(op, bridge.Invalid, "profiles", "Pick at most %d profiles.", mostProfiles)
	case !all(c.Readers.Users, "005"):
		return bridge.Say(op, bridge.Invalid, "users", "One of the people is none. Please pick them again.")
	case !all(c.Readers.Profiles, "00e"):
		return bridge.Say(op, bridge.Invalid, "profiles", "One of the profiles is none. Please pick them again.")
	}
	return nil
}

// all reports whether ids are those of records of one kind.
func all(ids []bridge.SalesforceID, prefix string) bool {
	return !slices.ContainsFunc(ids, func(id bridge.SalesforceID) bool {
		parsed, err := bridge.ParseSalesforceID(string(id))
		return err != nil || parsed != id || !strings.HasPrefix(string(id), prefix)
	})
}

const (
	tries    = 5                // against others who write the same setup
	daily    = 24 * time.Hour   // between checks that nobody asked for
	hourly   = time.Hour        // as long as a field cannot be written, which may be about to change
	overdue  = 10 * time.Minute // after which a step that is not over is begun anew
	untilRow = 2 * time.Second  // to wait when somebody else was first
)

// usable returns the connection if it can be used now.
func (s Service) usable(ctx context.Context, op string, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	c, err := s.Connections.Connection(ctx, account, id)
	if err != nil {
		return bridge.Connection{}, bridge.E(op, "", err)
	}
	if c.Status != bridge.Active {
		return bridge.Connection{}, bridge.Say(op, bridge.Denied, "",
			"Salesforce does not let us into this org now. Put the connection right first; see Connections.")
	}
	return c, nil
}

// Begin has the fields made as people chose, and the chosen people see them. It may be called again with other choices: names
// of fields that were made stay.
func (s Service) Begin(ctx context.Context, c Choices) error {
	const op = "provision.Begin"
	if err := c.check(op); err != nil {
		return err
	}
	return s.restart(ctx, op, c.Account, c.Connection, Queued, func(setup *Setup) error {
		setup.Leaving = leaving(*setup, c.Readers)
		setup.Target, setup.Prefix, setup.Readers = c.Object, c.Prefix, c.Readers
		setup.Persons = c.Persons || setup.Persons && setup.Step != Removed // for another campaign of the org, which may go on
		setup.extend(Contact)
		if c.Object == Lead {
			setup.extend(Lead)
		}
		return nil
	})
}

// Repair does again what Begin did, with the same choices. NotFound: it was never begun.
func (s Service) Repair(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) error {
	const op = "provision.Repair"
	return s.restart(ctx, op, account, connection, Queued, func(setup *Setup) error {
		if setup.Version == 0 || setup.Step == Removing || setup.Step == Removed {
			return bridge.Say(op, bridge.NotFound, "", "There are no fields to repair. Choose where they should be, and set them up.")
		}
		return nil
	})
}

// Remove takes away what was set up: the permission sets, and with wipe also the fields that we made, with everything that
// they hold. Fields that administrators made stay.
func (s Service) Remove(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, wipe bool) error {
	const op = "provision.Remove"
	return s.restart(ctx, op, account, connection, Removing, func(setup *Setup) error {
		if setup.Version == 0 {
			return bridge.Say(op, bridge.NotFound, "", "There is nothing to remove.")
		}
		setup.Wipe = wipe
		return nil
	})
}

// restart changes the setup, puts it at a step, and sends the job that goes on from there. If that gets lost, the sweep sends
// it.
func (s Service) restart(
	ctx context.Context, op string, account bridge.AccountID, id bridge.ConnectionID, step Step, change func(*Setup) error,
) error {
	if _, err := s.usable(ctx, op, account, id); err != nil {
		return err
	}
	var err error
	for range tries {
		setup := Setup{Account: account, Connection: id}
		found, wrong := s.Rows.Setup(ctx, account, id)
		switch bridge.KindOf(wrong) {
		case "":
			setup = found
		case bridge.NotFound:
		default:
			return bridge.E(op, "", wrong)
		}
		if err := change(&setup); err != nil {
			return err
		}
		setup.Step, setup.Problems, setup.DueAt = step, nil, s.Now().Add(overdue)
		if err = s.Rows.SaveSetup(ctx, setup); bridge.KindOf(err) != bridge.Conflict {
			break
		}
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	return bridge.E(op, "", s.Jobs.Send(ctx, 0, Job{Account: account, Connection: id}))
}

// leaving returns who were readers, or were about to lose that, and are none of the next readers.
func leaving(was Setup, next Readers) Readers {
	less := func(of, kept []bridge.SalesforceID) []bridge.SalesforceID {
		var gone []bridge.SalesforceID
		for _, id := range of {
			if !slices.Contains(kept, id) && !slices.Contains(gone, id) {
				gone = append(gone, id)
			}
		}
		return gone
	}
	return Readers{
		Users:    less(slices.Concat(was.Leaving.Users, was.Readers.Users), next.Users),
		Profiles: less(slices.Concat(was.Leaving.Profiles, was.Readers.Profiles), next.Profiles),
	}
}

// Users returns up to 200 people of the org whose names contain a text, to pick readers from, and whether there are more.
func (s Service) Users(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, search string) (found []User, more bool, err error) {
	const op = "provision.Users"
	c, err := s.usable(ctx, op, account, id)
	if err != nil {
		return nil, false, err
	}
	found, more, err = s.Org(c).Users(ctx, search)
	return found, more, bridge.E(op, "", err)
}

// Named returns people of the org by their ids, such as those who were picked as readers.
func (s Service) Named(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, users []bridge.SalesforceID) ([]User, error) {
	const op = "provision.Named"
	c, err := s.usable(ctx, op, account, id)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	found, err := s.Org(c).Named(ctx, users)
	return found, bridge.E(op, "", err)
}

// Profiles returns the profiles that people of the org have, to pick readers from.
func (s Service) Profiles(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) ([]Profile, error) {
	const op = "provision.Profiles"
	c, err := s.usable(ctx, op, account, id)
	if err != nil {
		return nil, err
	}
	found, err := s.Org(c).Profiles(ctx)
	return found, bridge.E(op, "", err)
}
