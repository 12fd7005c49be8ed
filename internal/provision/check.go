package provision

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// verify describes the objects as the connected user until all fields are visible that were made, for a minute at most.
func (s Service) verify(ctx context.Context, org Org, setup *Setup) error {
	seen := map[string]sight{}
	for _, object := range setup.Objects() {
		description, err := describe(ctx, org, setup, object)
		if err != nil {
			return err
		}
		seen[object] = sight{Description: description, told: true, byID: known(setup.of(object))} // they were found right before
		judge(setup.of(object), seen[object])
	}
	waiting := slices.ContainsFunc(setup.Fields, func(f Field) bool { return f.made() && (f.State == Hidden || f.State == ReadOnly) })
	now := s.Now()
	if left := setup.Deadline.Sub(now); waiting && left > 0 {
		delay := min(max(patience-left, firstWait), max(left, firstWait))
		return s.Jobs.Send(ctx, delay, Job{Account: setup.Account, Connection: setup.Connection})
	}
	return s.settle(ctx, setup, seen, Done)
}

// firstWait is until the first look after that which comes at once; later ones take as long as it took so far.
const firstWait = 5 * time.Second

// known are the fields that we have made.
func known(fields []Field) map[bridge.SalesforceID]CustomField {
	found := map[bridge.SalesforceID]CustomField{}
	for _, f := range fields {
		if f.ID != "" {
			found[f.ID] = CustomField{f.ID, f.Name}
		}
	}
	return found
}

// describe returns an object as the connected user sees it: nothing at all if they may not read it, which is a problem.
func describe(ctx context.Context, org Org, setup *Setup, object string) (Description, error) {
	d, err := org.Describe(ctx, object)
	if bridge.KindOf(err) == bridge.NotFound {
		setup.report(objectHidden, object)
		return Description{}, nil
	}
	return d, err
}

// Check looks at the fields again, and returns how they stand. It changes nothing in the org but that people who got a profile
// that was picked see the fields. NotFound: there is no setup.
func (s Service) Check(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Status, error) {
	const op = "provision.Check"
	c, err := s.usable(ctx, op, account, id)
	if err != nil {
		return Status{}, err
	}
	for range tries {
		var setup Setup
		if setup, err = s.Rows.Setup(ctx, account, id); err != nil {
			return Status{}, bridge.E(op, "", err)
		}
		if !setup.Step.Over() {
			break // a job looks at it right now
		}
		if err = s.check(ctx, s.Org(c), c, &setup); bridge.KindOf(err) != bridge.Conflict {
			break
		}
	}
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	return s.Status(ctx, account, id)
}

// check looks at a setup that is complete, and says what has changed.
func (s Service) check(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	if setup.Step == Removed {
		return nil
	}
	if setup.Step == Done && setup.Route == ByHand {
		problems, err := obstacles(ctx, org)
		if err != nil {
			return err
		}
		refused := slices.ContainsFunc(setup.Problems, func(p Problem) bool { return p.Code == setupRefused })
		if problems == nil && !refused {
			problems = []Problem{{Code: obstaclesGone}}
		}
		if problems != nil {
			setup.Problems = problems
		}
		return s.observe(ctx, org, setup, setup.Step)
	}
	setup.forget(observed...)
	if err := s.refresh(ctx, org, c, setup); err != nil {
		return err
	}
	return s.observe(ctx, org, setup, setup.Step)
}

// refresh looks whether the connected user still has the permission set, and gives the readers' to those who have become
// readers.
func (s Service) refresh(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	if setup.Integration.ID == "" {
		return nil
	}
	own, err := org.Assignments(ctx, setup.Integration.ID, c.User)
	if barred(err) {
		return nil // the user may not view Setup any more: what it may see is what counts
	}
	if err != nil {
		return err
	}
	if len(own) == 0 {
		setup.report(unassigned, setup.Integration.Name)
	}
	readers, err := s.lacking(ctx, org, setup, true)
	if err != nil && !barred(err) {
		return err
	}
	if len(readers) == 0 {
		return nil
	}
	wanted := make([]Assignment, len(readers))
	for i, user := range readers {
		wanted[i] = Assignment{Set: setup.Reader.ID, User: user}
	}
	results, err := org.Assign(ctx, wanted)
	if barred(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return setup.assigned(results, false)
}

// observe looks at the objects, and writes down how the fields stand.
func (s Service) observe(ctx context.Context, org Org, setup *Setup, next Step) error {
	all := map[string]sight{}
	for _, object := range setup.Objects() {
		seen, err := search(ctx, org, *setup, object)
		if err != nil && !barred(err) {
			return err
		}
		if seen.Description, err = describe(ctx, org, setup, object); err != nil {
			return err
		}
		fields := setup.of(object)
		if setup.Route == ByHand {
			if without := chooseByHand(fields, setup.Prefix, seen); without != nil {
				setup.report(namesTaken, without...)
			}
		} else {
			follow(fields, seen)
		}
		judge(fields, seen)
		all[object] = seen
	}
	return s.settle(ctx, setup, all, next)
}

// follow takes on the names that administrators have given to our fields.
func follow(fields []Field, seen sight) {
	for i := range fields {
		if found, is := seen.byID[fields[i].ID]; is && fields[i].ID != "" {
			fields[i].Name = found.Name
		}
	}
}
