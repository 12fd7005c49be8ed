package salesforce

import (
	"net/http"
	"slices"
	"strings"
)

// Setup is what an administrator of the org decides under Setup that may get in an app's way. The zero value is an
// org that lets the app do everything.
type Setup struct {
	Edition            string `json:"edition"`            // such as "Professional Edition"; empty: Enterprise Edition
	APIDisabledForOrg  bool   `json:"apiDisabledForOrg"`  // the edition has no API
	APIDisabledForUser bool   `json:"apiDisabledForUser"` // nobody has the permission "API Enabled"
	Locked             bool   `json:"locked"`             // Salesforce has locked the whole org
	UserDeactivated    bool   `json:"userDeactivated"`    // whoever gave consent is no active user any more
	UserNotAllowed     bool   `json:"userNotAllowed"`     // the app is for approved users, and nobody was approved
	AddressRefused     bool   `json:"addressRefused"`     // the address that the app calls from is not on the list
	DuplicatesAllowed  bool   `json:"duplicatesAllowed"`  // the standard duplicate rule for contacts is off
	PersonAccounts     bool   `json:"personAccounts"`     // accounts can be persons; a real org cannot go back from that

	// DuplicateAction is what that rule does with a contact whose address another one has: "alert" (or empty), which an
	// app may overrule, "allow" or "block".
	DuplicateAction string `json:"duplicateAction,omitempty"`

	MissingPermissions Names `json:"missingPermissions,omitempty"` // that no user has, such as "ViewSetup"
	HiddenObjects      Names `json:"hiddenObjects,omitempty"`      // that no user may read, such as "Opportunity"
	HiddenFields       Names `json:"hiddenFields,omitempty"`       // that no user may see, such as "Contact.Phone"
}

// check refuses what no org can be set up to.
func (s Setup) check() error {
	switch s.DuplicateAction {
	case "", duplicateAlert, duplicateAllow, duplicateBlock:
		return nil
	}
	return refuse(400, "INVALID", "duplicateAction is none of alert, allow, block: "+s.DuplicateAction)
}

// Names is a list that a form shows as text with commas.
type Names []string

func (n Names) String() string { return strings.Join(n, ", ") }

func (n Names) have(name string) bool {
	return slices.ContainsFunc(n, func(one string) bool { return strings.EqualFold(one, name) })
}

func parseNames(text string) Names {
	var list Names
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list
}

// refusal is what the token endpoint says as long as the org does not let the app in; nil if it does.
func (s Switches) refusal() *oauthError {
	switch {
	case s.Locked:
		return &oauthError{"inactive_org", "organization is locked, closed, or suspended"}
	case !s.AppInstalled:
		return &oauthError{"invalid_client", "app must be installed into org"}
	case s.UserNotAllowed:
		return &oauthError{"invalid_app_access", "user is not admin approved to access this app"}
	case s.UserDeactivated:
		return &oauthError{"inactive_user", "user is inactive"}
	case s.AddressRefused:
		return &oauthError{"invalid_grant", "ip restricted or invalid login hours"}
	}
	return nil
}

// apiRefusal is what every call of the API is answered with as long as the org does not let the app in; nil if it
// does. Sessions are over at once when the app or the user is.
func (s Switches) apiRefusal() error {
	switch {
	case s.refusal() != nil:
		return refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
	case s.APIDisabledForOrg:
		return refuse(http.StatusForbidden, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
	case s.APIDisabledForUser:
		return refuse(http.StatusForbidden, "API_CURRENTLY_DISABLED", "The REST API is not enabled for this User.")
	}
	return nil
}

// settle makes the records say what the switches do, and adds those that every org has. The caller holds the lock,
// or is the only one that knows the org.
func (o *Org) settle() {
	organization := o.table("Organization")
	if at := organization.find(o.orgID); at >= 0 {
		values := organization.rows[at].values(organization.width)
		values[organization.field("OrganizationType").at] = orElse(o.switches.Edition, "Enterprise Edition")
		values[organization.field("IsSandbox").at] = boolValue(o.switches.Sandbox)
		organization.replace(at, packRow(values))
	}
	permissions := o.table("UserPermissionAccess")
	if len(permissions.rows) == 0 {
		o.put("UserPermissionAccess", nil)
	}
	values := permissions.rows[0].values(permissions.width)
	for _, f := range permissions.fields[1:] {
		name := strings.TrimPrefix(f.name, "Permissions")
		values[f.at] = boolValue(!o.switches.MissingPermissions.have(name) && !(name == "ApiEnabled" && o.switches.APIDisabledForUser))
	}
	permissions.replace(0, packRow(values))
	rules := o.table("DuplicateRule")
	if len(rules.rows) == 0 {
		o.put("DuplicateRule", map[string]string{"DeveloperName": "Standard_Contact_Duplicate_Rule", "MasterLabel": "Standard Contact Duplicate Rule", "SobjectType": "Contact"})
	}
	values = rules.rows[0].values(rules.width)
	values[rules.field("IsActive").at] = boolValue(!o.switches.DuplicatesAllowed)
	rules.replace(0, packRow(values))
	o.outbox.set(o.switches.Outbound)
	o.settleRecordTypes()
}

// permissionNames are the permissions of users that an app of this kind may ask about.
var permissionNames = []string{"ApiEnabled", "ViewSetup", "CustomizeApplication", "ModifyMetadata", "ModifyAllData",
	"ManageProfilesPermissionsets", "AssignPermissionSets", "ManageInteraction", "ViewAllData"}

// setupObjects are those that tell about Setup itself.
func setupObjects() []*object {
	permissions := []*field{{name: "Id", label: "Permission Access ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true}}
	for _, name := range permissionNames {
		permissions = append(permissions, &field{name: "Permissions" + name, label: name, kind: kindBoolean, readOnly: true, required: true, basic: true})
	}
	return []*object{
		newObject("UserPermissionAccess", "User Permission Access", "User Permission Access", "000", permissions...),
		newObject("DuplicateRule", "Duplicate Rule", "Duplicate Rules", "0Bm",
			&field{name: "Id", label: "Duplicate Rule ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
			&field{name: "DeveloperName", label: "Developer Name", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "MasterLabel", label: "Label", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "SobjectType", label: "Object", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "IsActive", label: "Active", kind: kindBoolean, required: true, basic: true},
		),
	}
}

// setUp changes what the form of the page says about Setup.
func (s *Setup) setUp(r *http.Request) {
	on := func(name string) bool { return r.PostFormValue(name) != "" }
	*s = Setup{
		Edition: strings.TrimSpace(r.PostFormValue("edition")), APIDisabledForOrg: on("apiDisabledForOrg"), APIDisabledForUser: on("apiDisabledForUser"),
		Locked: on("locked"), UserDeactivated: on("userDeactivated"), UserNotAllowed: on("userNotAllowed"), AddressRefused: on("addressRefused"),
		DuplicatesAllowed: on("duplicatesAllowed"), PersonAccounts: on("personAccounts"), DuplicateAction: r.PostFormValue("duplicateAction"), MissingPermissions: parseNames(r.PostFormValue("missingPermissions")),
		HiddenObjects: parseNames(r.PostFormValue("hiddenObjects")), HiddenFields: parseNames(r.PostFormValue("hiddenFields")),
	}
}
