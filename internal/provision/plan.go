package provision

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Plan is what Begin would do.
type Plan struct {
	Route    Route
	Problems []Advice // why it is to be done by hand, and names that are missing
	Fields   []PlannedField
	Sets     []PlannedSet // none if it is to be done by hand
	Persons  bool         // the org has person accounts, so that accounts are written too
}

// PlannedField is what becomes of a field.
type PlannedField struct {
	Object string
	Of     bridge.Field
	Name   string // API name that it has or gets
	Exists bool   // it was made before, by us or for us
	Taken  string // the name that it would have, if a field of somebody else's has that
}

// PlannedSet is what becomes of a permission set.
type PlannedSet struct {
	Name   string
	Exists bool
}

// Plan says what Begin would do with an object and a prefix, without doing it.
func (s Service) Plan(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, object, prefix string) (Plan, error) {
	const op = "provision.Plan"
	if err := (Choices{Object: object, Prefix: prefix}).check(op); err != nil {
		return Plan{}, err
	}
	c, err := s.usable(ctx, op, account, id)
	if err != nil {
		return Plan{}, err
	}
	setup, err := s.Rows.Setup(ctx, account, id)
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return Plan{}, bridge.E(op, "", err)
	}
	setup.Account, setup.Connection, setup.Prefix = account, id, prefix
	setup.extend(Contact)
	if object == Lead {
		setup.extend(Lead)
	}
	org := s.Org(c)
	if setup.Problems, err = obstacles(ctx, org); err != nil {
		return Plan{}, bridge.E(op, "", err)
	}
	setup.Route = ByAPI
	if setup.Problems != nil {
		setup.Route = ByHand
	}
	plan, err := s.plan(ctx, org, &setup)
	if barred(err) && setup.Route == ByAPI {
		setup.Route, setup.Problems = ByHand, []Problem{{Code: setupRefused}}
		plan, err = s.plan(ctx, org, &setup)
	}
	if err != nil {
		return Plan{}, bridge.E(op, "", err)
	}
	plan.Route = setup.Route
	if plan.Persons, err = persons(ctx, org); err != nil {
		return Plan{}, bridge.E(op, "", err)
	}
	for _, p := range setup.Problems {
		if advice, known := p.advice(c.Instance); known {
			plan.Problems = append(plan.Problems, advice)
		}
	}
	return plan, nil
}

func (s Service) plan(ctx context.Context, org Org, setup *Setup) (Plan, error) {
	var plan Plan
	for _, object := range setup.Objects() {
		seen, err := survey(ctx, org, setup, object)
		if err != nil {
			return Plan{}, err
		}
		way := choose
		if setup.Route == ByHand {
			way = chooseByHand
		}
		fields := setup.of(object)
		if without := way(fields, setup.Prefix, seen); without != nil {
			setup.report(namesTaken, without...)
		}
		for _, f := range fields {
			planned := PlannedField{Object: object, Of: bridge.Fields[f.Index], Name: f.Name, Exists: f.made()}
			if best := names(setup.Prefix, planned.Of)[0]; f.Name != best && !f.made() {
				planned.Taken = best
			}
			plan.Fields = append(plan.Fields, planned)
		}
	}
	if setup.Route == ByHand {
		return plan, nil
	}
	integration, reader, err := findSets(ctx, org, *setup)
	if err != nil {
		return Plan{}, err
	}
	for _, set := range []Set{integration, reader} {
		plan.Sets = append(plan.Sets, PlannedSet{set.Name, set.ID != ""})
	}
	return plan, nil
}
