package provision

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// patience is how long Salesforce may take until new permissions count.
const patience = time.Minute

// Work goes on with a setup from wherever it is, or checks one that is complete.
func (s Service) Work(ctx context.Context, job Job) error {
	const op = "provision.Work"
	setup, err := s.Rows.Setup(ctx, job.Account, job.Connection)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil // the account was erased
	}
	if err != nil {
		return bridge.E(op, "", err)
	}
	if setup.Step.Over() && !job.Check {
		return nil // it was done already
	}
	c, err := s.Connections.Connection(ctx, job.Account, job.Connection)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if c.Status != bridge.Active {
		return s.rest(ctx, op, &setup)
	}
	err = s.advance(ctx, s.Org(c), c, &setup)
	if bridge.KindOf(err) == bridge.Conflict { // somebody else works on it, or decided anew
		return &bridge.Error{Op: op, Kind: bridge.Throttled, After: untilRow, Err: err}
	}
	return bridge.E(op, "", err)
}

// rest leaves a setup whose connection cannot be used to the sweep: for a day, if nothing is under way.
func (s Service) rest(ctx context.Context, op string, setup *Setup) error {
	if !setup.Step.Over() {
		return nil
	}
	setup.DueAt = s.Now().Add(daily)
	return bridge.E(op, "", s.save(ctx, setup))
}

func (s Service) advance(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	var err error
	switch {
	case setup.Step == Removing:
		err = s.remove(ctx, org, c, setup)
	case setup.Step.Over():
		return s.check(ctx, org, c, setup)
	case setup.Step == Verifying:
		err = s.verify(ctx, org, setup)
	default:
		err = s.install(ctx, org, c, setup)
	}
	switch kind := bridge.KindOf(err); {
	case err == nil, kind == bridge.Conflict, kind == bridge.Revoked:
		return err // a connection that ended is put right elsewhere, and then the sweep comes again
	case !kind.Permanent():
		setup.forget(orgWaits)
		setup.report(orgWaits, reason(err))
		_ = s.save(ctx, setup) // for people to see; the job comes again in any case
		return err
	}
	setup.Step, setup.DueAt = Stopped, s.Now().Add(daily)
	setup.report(orgRefused, reason(err))
	return s.save(ctx, setup)
}

// install makes what is missing, and has it seen.
func (s Service) install(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	setup.Problems = nil
	err := s.makeFields(ctx, org, setup)
	if barred(err) {
		return s.byHand(ctx, org, setup, err)
	}
	if err != nil {
		return err
	}
	setup.Step, setup.DueAt = Granting, s.Now().Add(overdue)
	if err := s.save(ctx, setup); err != nil {
		return err
	}
	if err := s.grant(ctx, org, c, setup); err != nil {
		return err
	}
	setup.Step, setup.Deadline = Verifying, s.Now().Add(patience)
	if err := s.save(ctx, setup); err != nil {
		return err
	}
	return s.verify(ctx, org, setup)
}

// rounds is how often fields are looked for and made: more than once, if somebody else makes some meanwhile.
const rounds = 3

// makeFields finds the fields and makes those that are missing. An error that says barred is that the org lets no app do
// that, or not this user.
func (s Service) makeFields(ctx context.Context, org Org, setup *Setup) error {
	setup.Route, setup.Step = ByAPI, Making
	for range rounds {
		setup.Problems = nil
		for _, object := range setup.Objects() {
			seen, err := survey(ctx, org, setup, object)
			if err != nil {
				return err
			}
			if without := choose(setup.of(object), setup.Prefix, seen); without != nil {
				setup.report(namesTaken, without...)
			}
		}
		if !setup.incomplete() {
			break
		}
		setup.DueAt = s.Now().Add(overdue)
		if err := s.save(ctx, setup); err != nil { // the names, before there is anything of these names
			return err
		}
		again := false
		for _, object := range setup.Objects() {
			taken, err := s.create(ctx, org, setup, object)
			if err != nil {
				return err
			}
			again = again || taken
		}
		if !again {
			break
		}
	}
	return nil
}

// incomplete reports whether a field is to be made.
func (s Setup) incomplete() bool {
	return slices.ContainsFunc(s.Fields, func(f Field) bool { return !f.made() && f.Name != "" })
}

// create makes the fields of an object that are missing. It reports whether a name was taken meanwhile, so that it is worth
// looking again. What Salesforce refuses for a field's own sake is a problem of that field.
func (s Service) create(ctx context.Context, org Org, setup *Setup, object string) (taken bool, err error) {
	fields := setup.of(object)
	var list []NewField
	var at []int
	for i, f := range fields {
		if !f.made() && f.Name != "" {
			list, at = append(list, newField(f)), append(at, i)
		}
	}
	if len(list) == 0 {
		return false, nil
	}
	results, err := org.CreateFields(ctx, object, list)
	if err != nil {
		return false, err
	}
	created := map[string]int{}
	var denied []error
	for n, err := range results {
		f := &fields[at[n]]
		switch kind := bridge.KindOf(err); {
		case err == nil:
			created[strings.ToLower(f.Name)] = at[n]
		case kind == bridge.Conflict:
			taken = true
		case !kind.Permanent():
			return false, err
		default:
			if bridge.CodeOf(err) == accessRefused {
				denied = append(denied, err)
			}
			setup.refuse(fieldRefused, f.Name, err)
		}
	}
	if len(denied) == len(list) {
		return false, denied[0] // it is about the user, and not about the fields
	}
	if len(created) == 0 {
		return taken, nil
	}
	found, err := search(ctx, org, *setup, object) // for their ids
	if err != nil {
		return false, err
	}
	for name, i := range created {
		if f, there := found.named(name); there {
			fields[i].ID, fields[i].Name = f.ID, f.Name
		}
	}
	return taken, nil
}

// newField is the definition of a field.
func newField(f Field) NewField {
	of := bridge.Fields[f.Index]
	return NewField{
		Name: f.Name, Label: "RH " + of.Name, Description: of.Text + ". " + Mark + ": please leave it as it is.", Help: of.Text, Of: of,
	}
}

// byHand looks for what an administrator made, and leaves the rest to them, since the API refused.
func (s Service) byHand(ctx context.Context, org Org, setup *Setup, refused error) error {
	problems, err := obstacles(ctx, org)
	if err != nil {
		return err
	}
	if setup.Problems = problems; problems == nil {
		setup.report(setupRefused, reason(refused))
	}
	setup.Route = ByHand
	if err = s.observe(ctx, org, setup, Done); err != nil && bridge.KindOf(err).Permanent() {
		setup.Route, setup.Problems = ByAPI, nil // the whole org refuses us, which says nothing about how fields are made there
	}
	return err
}
