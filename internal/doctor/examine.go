package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// needed are the fields of contacts without which no import goes. Without phone, none goes into a campaign that tells
// people apart by it; without optOut, they all go, but leave nobody out.
var needed = []string{"FirstName", "LastName", "Email"}

const (
	phone  = "Phone"
	optOut = "HasOptedOutOfEmail"
)

// rights are the permissions of a user who sets up an org, by their names in the API, as Setup calls them.
var rights = []struct{ name, label string }{
	{"ViewSetup", "View Setup and Configuration"},
	{"CustomizeApplication", "Customize Application"},
	{"ModifyMetadata", "Modify Metadata Through Metadata API Functions"},
	{"ManageProfilesPermissionsets", "Manage Profiles and Permission Sets"},
	{"AssignPermissionSets", "Assign Permission Sets"},
	{"ManageInteraction", "Manage Flow"},
}

// examination collects what one examination finds.
type examination struct {
	ctx     context.Context
	org     Org
	user    bridge.SalesforceID
	layouts []bridge.Layout
	report  Report
}

// examine asks an org one thing after the other. What it refuses for a reason that concerns every question ends the
// examination.
func examine(ctx context.Context, org Org, user bridge.SalesforceID, layouts []bridge.Layout) (Report, error) {
	e := examination{ctx: ctx, org: org, user: user, layouts: layouts}
	var err error
	for _, look := range []func() error{e.edition, e.contacts, e.companies, e.sales, e.rights, e.duplicates, e.ours} {
		if err = look(); err != nil {
			break
		}
	}
	e.report.Used, e.report.Most = org.Usage()
	if err != nil {
		finding, known := ofRefusal(err)
		if !known {
			return Report{}, err
		}
		e.report.Findings = append(e.report.Findings, finding)
		return e.report, nil
	}
	if most, used := e.report.Most, e.report.Used; most > 0 && used*100 >= most*crowded {
		e.find(CallsLow)
	}
	return e.report, nil
}

// crowded is the share of an org's calls, in percent, at which a person should know. Imports stop at 80.
const crowded = 70

func (e *examination) find(check Check, details ...string) {
	e.report.Findings = append(e.report.Findings, Finding{check, details})
}

func (e *examination) edition() (err error) {
	e.report.Edition, err = e.org.Edition(e.ctx)
	if hidden(err) {
		return nil
	}
	if err == nil && limited(e.report.Edition) {
		e.find(EditionLimited, e.report.Edition)
	}
	return err
}

// hidden reports whether err says that the user may not see an object.
func hidden(err error) bool {
	kind, code := bridge.KindOf(err), bridge.CodeOf(err)
	return kind == bridge.NotFound || kind == bridge.Invalid || code == "INSUFFICIENT_ACCESS"
}

// untold reports whether err says no more than that the user may not know this: no import needs it.
func untold(err error) bool {
	return hidden(err) || bridge.KindOf(err) == bridge.Denied && codes[bridge.CodeOf(err)] == ""
}

func (e *examination) contacts() error {
	visible, err := e.org.Fields(e.ctx, "Contact")
	if hidden(err) {
		e.find(ContactsHidden)
		return nil
	}
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(needed), func(name string) bool { return slices.Contains(visible, name) })
	if len(missing) > 0 {
		e.find(FieldsHidden, missing...)
	}
	if !slices.Contains(visible, phone) {
		e.find(PhoneHidden)
	}
	if !slices.Contains(visible, optOut) {
		e.find(OptOutHidden)
	}
	return nil
}

func (e *examination) companies() error {
	_, err := e.org.Fields(e.ctx, "Account")
	if hidden(err) {
		e.find(CompaniesHidden)
		return nil
	}
	return err
}

func (e *examination) sales() error {
	var missing []string
	for _, object := range []string{"Opportunity", "OpportunityContactRole"} {
		_, err := e.org.Fields(e.ctx, object)
		if hidden(err) {
			missing = append(missing, object)
		} else if err != nil {
			return err
		}
	}
	if missing != nil {
		e.find(SalesHidden, missing...)
	}
	return nil
}

// rights looks for what setting up an org takes. An org that does not tell is not held against the user.
func (e *examination) rights() error {
	has, err := e.org.Permissions(e.ctx)
	if untold(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var missing []string
	for _, right := range rights {
		if !has[right.name] && !(right.name == "ModifyMetadata" && has["ModifyAllData"]) {
			missing = append(missing, right.label)
		}
	}
	if missing != nil {
		e.find(RightsMissing, missing...)
	}
	return nil
}

func (e *examination) duplicates() error {
	active, err := e.org.DuplicateRules(e.ctx, "Contact")
	if untold(err) {
		return nil
	}
	if err == nil && len(active) > 0 {
		e.find(DuplicateRule, active...)
	}
	return err
}

// integrationSet is the name of the permission set that lets the connected user edit ReferralHero's fields; a number may
// follow.
const integrationSet = "RH_Integration"

// ours looks for ReferralHero's fields, where they were chosen: which of them are gone, hidden, or something else.
func (e *examination) ours() error {
	var gone, unseen, other []string
	for _, layout := range e.layouts {
		if layout.Names == ([bridge.FieldCount]string{}) {
			continue // they were removed
		}
		seen, err := e.org.Look(e.ctx, layout)
		if hidden(err) {
			continue
		}
		if err != nil {
			return err
		}
		missing := map[string]bool{}
		for i, name := range layout.Names {
			if missing[name] = name != "" && !seen.Visible.Has(i); name == "" {
				gone = append(gone, layout.Object+"."+bridge.Fields[i].Name)
			}
		}
		g, u, o, err := e.explain(layout.Object, layout.Names[:], missing)
		if err != nil {
			return err
		}
		gone, unseen, other = append(gone, g...), append(unseen, u...), append(other, o...)
	}
	for _, f := range []Finding{{OurFieldsGone, gone}, {OurFieldsHidden, unseen}, {OurFieldsDiffer, other}} {
		if f.Details != nil {
			e.find(f.Check, f.Details...)
		}
	}
	if unseen == nil {
		return nil
	}
	holds, err := e.org.Holds(e.ctx, e.user, integrationSet)
	if err == nil && !holds {
		e.find(OurSetMissing, integrationSet)
	}
	if untold(err) {
		return nil
	}
	return err
}

// explain says of the fields that cannot be written why that is, with the object before their names.
func (e *examination) explain(object string, names []string, missing map[string]bool) (gone, unseen, other []string, err error) {
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !missing[name] })
	if len(asked) == 0 {
		return nil, nil, nil, nil
	}
	visible, err := e.org.Fields(e.ctx, object)
	if err != nil {
		return nil, nil, nil, err
	}
	existing, err := e.org.Existing(e.ctx, object, asked)
	if untold(err) { // then hidden and gone look the same
		existing, err = asked, nil
	}
	for _, name := range asked {
		full := object + "." + name
		switch {
		case contains(visible, name):
			other = append(other, full)
		case contains(existing, name):
			unseen = append(unseen, full)
		default:
			gone = append(gone, full)
		}
	}
	return gone, unseen, other, err
}

// contains reports whether a list has an API name, which is the same in any letters.
func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(one, name) })
}
