package provision

import (
	"context"
	"slices"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// remove takes the connected user's permission set away, and what nobody else needs then: both sets go when no other
// connection's user has ours, and so do the fields, if that was wished.
func (s Service) remove(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	setup.Problems = nil
	integration, reader, err := findSets(ctx, org, *setup)
	if err != nil {
		return err
	}
	shared := false
	if integration.ID != "" {
		if shared, err = s.release(ctx, org, integration, c.User); err != nil {
			return err
		}
	}
	if shared {
		setup.report(stillShared)
	} else if err := s.wipe(ctx, org, setup, integration, reader); err != nil {
		return err
	}
	setup.Integration, setup.Reader, setup.Readers, setup.Leaving = Set{}, Set{}, Readers{}, Readers{}
	seen := map[string]sight{}
	for _, object := range setup.Objects() {
		seen[object] = sight{}
		for i := range setup.of(object) {
			setup.of(object)[i].State, setup.of(object)[i].Detail = Planned, ""
		}
	}
	return s.settle(ctx, setup, seen, Removed)
}

// release ends that a user has a set, and reports whether others have it.
func (s Service) release(ctx context.Context, org Org, set Set, user bridge.SalesforceID) (shared bool, err error) {
	have, err := org.Assignments(ctx, set.ID, "")
	if err != nil {
		return false, err
	}
	own := slices.DeleteFunc(slices.Clone(have), func(a Assignment) bool { return a.User != user })
	if err := s.unassign(ctx, org, own); err != nil {
		return false, err
	}
	return len(have) > len(own), nil
}

func (s Service) unassign(ctx context.Context, org Org, list []Assignment) error {
	if len(list) == 0 {
		return nil
	}
	results, err := org.Unassign(ctx, list)
	for _, refused := range results {
		if err == nil && refused != nil {
			err = refused
		}
	}
	return err
}

// wipe deletes the permission sets, and the fields that we made, if that was wished.
func (s Service) wipe(ctx context.Context, org Org, setup *Setup, integration, reader Set) error {
	var sets []string
	if integration.ID != "" {
		sets = append(sets, integration.Name)
	}
	if reader.ID != "" {
		have, err := org.Assignments(ctx, reader.ID, "")
		if err != nil {
			return err
		}
		if err := s.unassign(ctx, org, have); err != nil {
			return err
		}
		sets = append(sets, reader.Name)
	}
	if sets != nil {
		results, err := org.DeletePermissionSets(ctx, sets)
		if err := worst(results, err); err != nil {
			return err
		}
	}
	if !setup.Wipe {
		return nil
	}
	for _, object := range setup.Objects() {
		seen, err := search(ctx, org, *setup, object)
		if err != nil {
			return err
		}
		fields := setup.of(object)
		var doomed []string
		for i := range fields {
			if found, is := seen.byID[fields[i].ID]; is && fields[i].ID != "" {
				doomed = append(doomed, found.Name)
			}
		}
		if doomed != nil {
			results, err := org.DeleteFields(ctx, object, doomed)
			if err := worst(results, err); err != nil {
				return err
			}
		}
		for i := range fields {
			if !fields[i].Hand {
				fields[i].ID, fields[i].Name = "", ""
			}
		}
	}
	return nil
}

// worst returns the first error that is not that there is nothing to delete.
func worst(results []error, err error) error {
	for _, refused := range results {
		if err == nil && bridge.KindOf(refused) != bridge.NotFound {
			err = refused
		}
	}
	return err
}
