package provision

import (
	"context"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// barred reports whether an org's answer says that setting up is not for apps, or not for this user.
func barred(err error) bool {
	switch bridge.KindOf(err) {
	case bridge.Denied, bridge.NotFound, bridge.Invalid:
		return true
	}
	return false
}

// search asks Setup which custom fields an object has of those that matter: the ones that we remember, and all whose
// names ours may get.
func search(ctx context.Context, org Org, setup Setup, object string) (sight, error) {
	var wanted []string
	var ids []bridge.SalesforceID
	for _, f := range setup.of(object) {
		wanted = append(wanted, names(setup.Prefix, bridge.Fields[f.Index])...)
		if f.Name != "" && !slices.Contains(wanted, f.Name) {
			wanted = append(wanted, f.Name)
		}
		if f.ID != "" {
			ids = append(ids, f.ID)
		}
	}
	found, err := org.CustomFields(ctx, object, wanted, ids)
	if err != nil {
		return sight{}, err
	}
	seen := sight{told: true, byID: map[bridge.SalesforceID]CustomField{}, byName: map[string]CustomField{}}
	for _, f := range found {
		seen.byID[f.ID] = f
		seen.byName[strings.ToLower(f.Name)] = f
	}
	return seen, nil
}

// define asks how those fields are defined that were found by a name, and that nobody remembers.
func (s *sight) define(ctx context.Context, org Org, setup Setup, object string) error {
	remembered := map[bridge.SalesforceID]bool{}
	for _, f := range setup.of(object) {
		remembered[f.ID] = true
	}
	var strangers []string
	for id, f := range s.byID {
		if !remembered[id] {
			strangers = append(strangers, f.Name)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	slices.Sort(strangers)
	defined, err := org.Definitions(ctx, object, strangers)
	if err != nil {
		return err
	}
	s.defined = map[string]Definition{}
	for _, d := range defined {
		s.defined[strings.ToLower(d.Name)] = d
	}
	return nil
}

// survey looks at an object the way the route needs it: all that Setup tells by the API; what the user sees, and what
// Setup tells if it does, for what is made by hand.
func survey(ctx context.Context, org Org, setup *Setup, object string) (sight, error) {
	seen, err := search(ctx, org, *setup, object)
	if setup.Route == ByHand {
		if err != nil && !barred(err) {
			return sight{}, err
		}
		seen.Description, err = describe(ctx, org, setup, object)
		return seen, err
	}
	if err == nil {
		err = seen.define(ctx, org, *setup, object)
	}
	return seen, err
}

// rights are the permissions that the connected user needs, by their names in the API, as Setup calls them.
var rights = []struct{ name, label string }{
	{"CustomizeApplication", "Customize Application"},
	{"ModifyMetadata", "Modify Metadata Through Metadata API Functions"},
	{"ManageProfilesPermissionsets", "Manage Profiles and Permission Sets"},
	{"AssignPermissionSets", "Assign Permission Sets"},
	{"ViewSetup", "View Setup and Configuration"},
}

// obstacles says what keeps us from setting up an org by the API.
func obstacles(ctx context.Context, org Org) ([]Problem, error) {
	edition, err := org.Edition(ctx)
	if err != nil && !barred(err) {
		return nil, err
	}
	if limited(edition) {
		return []Problem{{Code: editionLimited, Details: []string{edition}}}, nil
	}
	has, err := org.Permissions(ctx)
	if barred(err) {
		return nil, nil // it does not tell; trying does
	}
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, right := range rights {
		if !has[right.name] && !(right.name == "ModifyMetadata" && has["ModifyAllData"]) {
			missing = append(missing, right.label)
		}
	}
	if missing != nil {
		return []Problem{{Code: rightsMissing, Details: missing}}, nil
	}
	return nil, nil
}

// limited reports whether an edition lets no app make fields: those below Enterprise do not, whatever is bought besides.
// https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_intro.htm
func limited(edition string) bool {
	return slices.ContainsFunc([]string{"Professional", "Group", "Essentials", "Starter", "Contact Manager", "Personal"}, func(name string) bool {
		return strings.Contains(edition, name)
	})
}
