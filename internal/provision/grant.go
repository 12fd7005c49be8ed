package provision

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// The permission sets, as they are called if the names are free.
const (
	integrationSet = "RH_Integration"
	readerSet      = "RH_Reader"
)

func setNames(base string) []string {
	found := []string{base}
	for n := range alternatives {
		found = append(found, fmt.Sprintf("%s_%d", base, n+2))
	}
	return found
}

// pick returns the set of ours among those that were found, or the name for a new one; an empty name if all are taken.
func pick(base string, known Set, found []Set) Set {
	for _, name := range setNames(base) {
		at := slices.IndexFunc(found, func(s Set) bool { return strings.EqualFold(s.Name, name) })
		if at < 0 {
			return Set{Name: name}
		}
		if s := found[at]; s.ID == known.ID || strings.Contains(s.Description, Mark) {
			return s
		}
	}
	return Set{}
}

// findSets finds our permission sets. Those that are not there have no id.
func findSets(ctx context.Context, org Org, setup Setup) (integration, reader Set, err error) {
	found, err := org.PermissionSets(ctx, slices.Concat(setNames(integrationSet), setNames(readerSet)))
	if err != nil {
		return Set{}, Set{}, err
	}
	return pick(integrationSet, setup.Integration, found), pick(readerSet, setup.Reader, found), nil
}

// grant sees to the permission sets, and to who has them.
func (s Service) grant(ctx context.Context, org Org, c bridge.Connection, setup *Setup) error {
	integration, reader, err := findSets(ctx, org, *setup)
	if err != nil {
		return err
	}
	if integration.Name == "" || reader.Name == "" {
		setup.report(setsTaken)
		return nil
	}
	fresh := integration.ID == "" || reader.ID == ""
	if err := s.fill(ctx, org, setup, integration, reader); err != nil {
		return err
	}
	wasThere := reader.ID != ""
	if fresh {
		if integration, reader, err = findSets(ctx, org, *setup); err != nil {
			return err
		}
	}
	if integration.ID == "" || reader.ID == "" {
		return nil // refused, which was reported
	}
	setup.Integration, setup.Reader = integration, reader
	if err := s.assign(ctx, org, setup, Assignment{Set: integration.ID, User: c.User}, wasThere); err != nil {
		return err
	}
	return s.dismiss(ctx, org, setup)
}

// fill makes the permission sets allow what they have to, beside what they allow already.
func (s Service) fill(ctx context.Context, org Org, setup *Setup, integration, reader Set) error {
	accounts, err := accountAccess(ctx, org, setup)
	if err != nil {
		return err
	}
	wanted := []PermissionSet{
		{Name: integration.Name, Label: "ReferralHero Integration", Objects: objectAccess(setup.Objects(), accounts),
			Description: "Lets the connected user keep ReferralHero's fields up to date. " + Mark + "."},
		{Name: reader.Name, Label: "ReferralHero Reader", Description: "Lets people see ReferralHero's fields. " + Mark + "."},
	}
	for _, f := range setup.Fields {
		if f.made() {
			wanted[0].Fields = append(wanted[0].Fields, FieldAccess{f.Object + "." + f.Name, true})
			wanted[1].Fields = append(wanted[1].Fields, FieldAccess{f.Object + "." + f.Name, false})
		}
	}
	var there []string
	for _, set := range []Set{integration, reader} {
		if set.ID != "" {
			there = append(there, set.Name)
		}
	}
	if there != nil {
		content, err := org.ReadPermissionSets(ctx, there)
		if err != nil {
			return err
		}
		var lacking []PermissionSet
		for _, want := range wanted {
			at := slices.IndexFunc(content, func(p PermissionSet) bool { return strings.EqualFold(p.Name, want.Name) })
			if at < 0 {
				lacking = append(lacking, want)
			} else if whole, more := union(content[at], want); more {
				lacking = append(lacking, whole)
			}
		}
		wanted = lacking
	}
	if len(wanted) == 0 {
		return nil
	}
	results, err := org.SavePermissionSets(ctx, wanted)
	if err != nil {
		return err
	}
	for i, err := range results {
		if err != nil && !bridge.KindOf(err).Permanent() {
			return err
		}
		if err != nil {
			setup.refuse(setRefused, wanted[i].Name, err)
		}
	}
	return nil
}

// objectAccess is what syncing does with records. Salesforce lets nobody read contacts who may not read accounts, and nobody
// make person accounts who may not make contacts.
func objectAccess(objects []string, accounts ObjectAccess) []ObjectAccess {
	access := []ObjectAccess{accounts}
	for _, object := range objects {
		access = append(access, ObjectAccess{Object: object, Create: true, Edit: true})
	}
	return access
}

// accountAccess is what syncing does with accounts. Where there are person accounts it edits them whatever people chose: the
// contact that is found by its address may be half of one, and is written by its account.
func accountAccess(ctx context.Context, org Org, setup *Setup) (ObjectAccess, error) {
	there, err := persons(ctx, org)
	return ObjectAccess{Object: "Account", Create: setup.Persons, Edit: setup.Persons || there}, err
}

// persons reports whether contacts may be halves of person accounts; not of contacts that are hidden, which nothing is said of.
func persons(ctx context.Context, org Org) (bool, error) {
	d, err := org.Describe(ctx, Contact)
	if barred(err) {
		return false, nil
	}
	return d.Persons, err
}

// union adds to what a permission set allows, and reports whether that is more than it was.
func union(is, want PermissionSet) (whole PermissionSet, more bool) {
	whole = is
	whole.Fields, whole.Objects = slices.Clone(is.Fields), slices.Clone(is.Objects)
	for _, w := range want.Fields {
		at := slices.IndexFunc(whole.Fields, func(f FieldAccess) bool { return strings.EqualFold(f.Field, w.Field) })
		switch {
		case at < 0:
			whole.Fields, more = append(whole.Fields, w), true
		case w.Edit && !whole.Fields[at].Edit:
			whole.Fields[at].Edit, more = true, true
		}
	}
	for _, w := range want.Objects {
		at := slices.IndexFunc(whole.Objects, func(o ObjectAccess) bool { return strings.EqualFold(o.Object, w.Object) })
		switch {
		case at < 0:
			whole.Objects, more = append(whole.Objects, w), true
		case w.Create && !whole.Objects[at].Create, w.Edit && !whole.Objects[at].Edit:
			o := &whole.Objects[at]
			o.Create, o.Edit, more = o.Create || w.Create, o.Edit || w.Edit, true
		}
	}
	return whole, more
}

// assign gives the sets to the connected user and to the readers who do not have theirs yet.
func (s Service) assign(ctx context.Context, org Org, setup *Setup, own Assignment, look bool) error {
	wanted := []Assignment{own}
	readers, err := s.lacking(ctx, org, setup, look)
	if err != nil {
		return err
	}
	for _, user := range readers {
		wanted = append(wanted, Assignment{Set: setup.Reader.ID, User: user})
	}
	results, err := org.Assign(ctx, wanted)
	if err != nil {
		return err
	}
	return setup.assigned(results, true)
}

// lacking returns the readers who do not have the set for readers. look is not needed where the set is new.
func (s Service) lacking(ctx context.Context, org Org, setup *Setup, look bool) ([]bridge.SalesforceID, error) {
	if setup.Readers.None() {
		return nil, nil
	}
	users, err := org.UsersOf(ctx, setup.Readers)
	if err != nil || !look {
		return users, err
	}
	have, err := org.Assignments(ctx, setup.Reader.ID, "")
	if err != nil {
		return nil, err
	}
	has := map[bridge.SalesforceID]bool{}
	for _, a := range have {
		has[a.User] = true
	}
	return slices.DeleteFunc(users, func(user bridge.SalesforceID) bool { return has[user] }), nil
}

// assigned reports who could not be given a set; with own, the first one is the connected user. A user's licence may not
// allow it.
func (s *Setup) assigned(results []error, own bool) error {
	var failed int
	var first error
	for i, err := range results {
		if err != nil && !bridge.KindOf(err).Permanent() {
			return err
		}
		if err != nil && i == 0 && own {
			s.refuse(userRefused, s.Integration.Name, err)
		} else if err != nil {
			if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		s.refuse(readersRefused, strconv.Itoa(failed), first)
	}
	return nil
}

// dismiss takes the set for readers away from people who are none any more.
func (s Service) dismiss(ctx context.Context, org Org, setup *Setup) error {
	if setup.Leaving.None() {
		return nil
	}
	leaving, err := org.UsersOf(ctx, setup.Leaving)
	if err != nil {
		return err
	}
	staying, err := org.UsersOf(ctx, setup.Readers)
	if err != nil {
		return err
	}
	have, err := org.Assignments(ctx, setup.Reader.ID, "")
	if err != nil {
		return err
	}
	have = slices.DeleteFunc(have, func(a Assignment) bool {
		return !slices.Contains(leaving, a.User) || slices.Contains(staying, a.User)
	})
	results, err := org.Unassign(ctx, have)
	if err != nil {
		return err
	}
	for _, err := range results {
		if err != nil && !bridge.KindOf(err).Permanent() {
			return err
		}
	}
	setup.Leaving = Readers{}
	return nil
}
