package doctor

import (
	"context"
	"slices"

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
	ctx    context.Context
	org    Org
	report Report
}

// examine asks an org one thing after the other. What it refuses for a reason that concerns every question ends the
// examination.
func examine(ctx context.Context, org Org) (Report, error) {
	e := examination{ctx: ctx, org: org}
	var err error
	for _, look := range []func() error{e.edition, e.contacts, e.companies, e.sales, e.rights, e.duplicates} {
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
