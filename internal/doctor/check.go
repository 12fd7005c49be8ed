package doctor

import (
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Check is something that may be wrong with a connection.
type Check string

// The checks.
const (
	GrantEnded      Check = "grant_ended"
	AppMissing      Check = "app_missing"
	AppForbidden    Check = "app_forbidden"
	AppCredentials  Check = "app_credentials"
	UserInactive    Check = "user_inactive"
	OrgLocked       Check = "org_locked"
	AddressRefused  Check = "address_refused"
	SessionRefused  Check = "session_refused"
	NoAPI           Check = "no_api"
	NoAPIForUser    Check = "no_api_for_user"
	AccessRefused   Check = "access_refused"
	CallsUsedUp     Check = "calls_used_up"
	CallsLow        Check = "calls_low"
	Unreachable     Check = "unreachable"
	ContactsHidden  Check = "contacts_hidden"
	FieldsHidden    Check = "fields_hidden"
	PhoneHidden     Check = "phone_hidden"
	OptOutHidden    Check = "opt_out_hidden"
	CompaniesHidden Check = "companies_hidden"
	SalesHidden     Check = "sales_hidden"
	RightsMissing   Check = "rights_missing"
	EditionLimited  Check = "edition_limited"
	DuplicateRule   Check = "duplicate_rule"

	// Of ReferralHero's fields, where they were chosen.
	OurFieldsGone   Check = "our_fields_gone"
	OurFieldsHidden Check = "our_fields_hidden"
	OurFieldsDiffer Check = "our_fields_differ"
	OurSetMissing   Check = "our_set_missing"
)

// Advice is a finding in words.
type Advice struct {
	Check   Check    `json:"check"`
	Level   Level    `json:"level"`
	Title   string   `json:"title"`  // what is wrong
	Effect  string   `json:"effect"` // what it breaks
	Who     string   `json:"who"`    // can put it right
	Remedy  string   `json:"remedy"` // how
	Details []string `json:"details,omitempty"`
	Setup   string   `json:"setup,omitempty"` // the place in Setup, as its menu has it
	Link    string   `json:"link,omitempty"`  // to that place
	// Reconnect says that consenting again puts it right, by itself or as the last step.
	Reconnect bool `json:"reconnect,omitempty"`
	// Repair says that repairing the fields puts it right, by itself or as the last step.
	Repair bool `json:"repair,omitempty"`
}

const (
	anAdministrator = "An administrator of the Salesforce org"
	theUser         = "Whoever may sign in as the connected user"
	ourSupport      = "Whoever runs Referral Bridge"
	nobody          = "Nobody has to: it passes by itself"
)

// place is a page of Setup. The paths are those that Setup itself shows in the browser.
type place struct{ name, path string }

var (
	companyInformation = place{"Company Information", "CompanyProfileInfo/home"}
	oauthUsage         = place{"Connected Apps OAuth Usage", "ConnectedAppsUsage/home"}
	users              = place{"Users", "ManageUsers/home"}
	permissionSets     = place{"Permission Sets", "PermSets/home"}
	networkAccess      = place{"Network Access", "NetworkAccess/home"}
	loginHistory       = place{"Login History", "OrgLoginHistory/home"}
	contactFields      = place{"Object Manager > Contact > Fields & Relationships", "ObjectManager/Contact/FieldsAndRelationships/view"}
	duplicateRules     = place{"Duplicate Rules", "DuplicateRules/home"}
)

// advice is how a check is put into words.
type advice struct {
	level                      Level
	title, effect, who, remedy string
	place                      place
	reconnect                  bool
}

const importsWait = "Imports from this org wait, and go on by themselves when this is put right."

var words = map[Check]advice{
	GrantEnded: {Blocking, "Salesforce has ended our access", importsWait, theUser,
		"Reconnect, with the same user. It ends when a password is reset, when somebody revokes the app, or after 30 days without use.", oauthUsage, true},
	AppMissing: {Blocking, "The app is not installed in the org, or it was blocked", importsWait, anAdministrator,
		"Install or unblock the app, then check again here.", oauthUsage, true},
	AppForbidden: {Blocking, "The connected user may not use the app", importsWait, anAdministrator,
		"The app is for approved users only: assign it to the user's profile or to a permission set, then check again here.", oauthUsage, true},
	AppCredentials: {Blocking, "Salesforce does not know the app's key or secret", importsWait, ourSupport,
		"The key or secret of the app was changed. Put the new one into the settings of Referral Bridge.", oauthUsage, false},
	UserInactive: {Blocking, "The connected user is deactivated or frozen", importsWait, anAdministrator,
		"Activate the user again, then check again here. Or connect the org with another user, as a connection of its own.", users, true},
	OrgLocked: {Blocking, "Salesforce has locked the org", importsWait, "Salesforce, for an administrator who asks",
		"The trial may be over, a bill open, or the sandbox deleted. Salesforce's support can tell.", companyInformation, false},
	AddressRefused: {Blocking, "The org does not take calls from our address, or not at this hour", importsWait, anAdministrator,
		"Add our addresses to the trusted ranges and to those of the user's profile, and look at the profile's login hours. Then check again here.", networkAccess, true},
	SessionRefused: {Blocking, "The org refuses sessions that it has just opened", importsWait, anAdministrator,
		"A policy ties sessions to an address or an hour: look into the login history for what was refused and why. Then check again here.", loginHistory, true},
	NoAPI: {Blocking, "The org has no API", importsWait, "Whoever buys the org's licences",
		"Professional edition has the API as an add-on; Group and Essentials editions do not have it. Salesforce enables it in the org.", companyInformation, false},
	NoAPIForUser: {Blocking, "The connected user may not use the API", importsWait, anAdministrator,
		"Give the user the permission “API Enabled”, by the profile or a permission set.", permissionSets, false},
	AccessRefused: {Blocking, "The org refuses us", importsWait, anAdministrator,
		"Salesforce's code says why. The login history has more.", loginHistory, true},
	CallsUsedUp: {Blocking, "The org's API calls of the last 24 hours are used up", "Imports from this org wait, and go on by themselves.", nobody,
		"Calls come back as the day moves on. If it happens often, find what uses them, or buy more.", companyInformation, false},
	CallsLow: {Limiting, "Most of the org's API calls of the last 24 hours are used", "Imports wait as soon as 80 % are used, and leave the rest to you.", nobody,
		"Calls come back as the day moves on.", companyInformation, false},
	Unreachable: {Limiting, "Salesforce did not answer", "The connection could not be examined, and imports may wait.", nobody,
		"It is most often over in minutes. Check again then.", place{}, false},
	ContactsHidden: {Blocking, "The connected user may not read contacts", "There is nothing to import.", anAdministrator,
		"Give the user the right to read the object Contact.", permissionSets, false},
	FieldsHidden: {Blocking, "The connected user may not see fields of contacts that an import reads", "Imports from this org end early.", anAdministrator,
		"Make the fields visible to the user, by field-level security or a permission set.", contactFields, false},
	PhoneHidden: {Limiting, "The connected user may not see phone numbers", "Imports into campaigns that tell people apart by phone number end early.", anAdministrator,
		"Make the field Phone visible to the user, if you have such campaigns.", contactFields, false},
	OptOutHidden: {Limiting, "The connected user may not see whether a contact has opted out of e-mail", "Imports cannot leave those contacts out.", anAdministrator,
		"Make the field Email Opt Out visible to the user.", contactFields, false},
	CompaniesHidden: {Limiting, "The connected user may not read accounts", "A filter of an import cannot ask about the contact's account.", anAdministrator,
		"Give the user the right to read the object Account, if you want such filters.", permissionSets, false},
	SalesHidden: {Later, "The connected user may not read opportunities or their contact roles", "No opportunity can move a referral.", anAdministrator,
		"Give the user the right to read these objects.", permissionSets, false},
	RightsMissing: {Later, "The connected user may not set up the org", "We can neither add ReferralHero's fields to this org nor repair them. An administrator can add them by hand.", anAdministrator,
		"Give the user these permissions, for as long as it takes to set up.", permissionSets, false},
	EditionLimited: {Later, "Apps cannot add fields in this edition", "ReferralHero's fields have to be added to contacts by hand, and stages are looked up instead of reported.",
		"Nobody: it is a limit of the edition", "The page of the fields lists what an administrator has to add.", companyInformation, false},
	DuplicateRule: {Later, "A duplicate rule watches over contacts", "It may refuse contacts that are created from new subscribers.", anAdministrator,
		"Decide whether the rule may stop the connected user, or should only report.", duplicateRules, false},
	OurFieldsGone: {Limiting, "Some of ReferralHero's fields are not there", fieldsWait, "You, or an administrator where fields are added by hand",
		"Somebody deleted them, or they were not added yet. Repair the fields, or add those by hand that we cannot add.", contactFields, false},
	OurFieldsHidden: {Limiting, "The connected user does not see some of ReferralHero's fields", fieldsWait, "You, or an administrator of the Salesforce org",
		"Field-level security hides them. Repair the fields, or make them visible and editable for the user.", permissionSets, false},
	OurFieldsDiffer: {Limiting, "Some of ReferralHero's fields are not as they have to be", fieldsWait, anAdministrator,
		"The user may not edit them, or their types, lengths or uniqueness were changed. The page of the fields says which it is.", contactFields, false},
	OurSetMissing: {Limiting, "The connected user does not have our permission set any more", fieldsWait, "You, or an administrator of the Salesforce org",
		"Repair the fields, or assign the permission set to the user again.", permissionSets, false},
}

// repaired are the checks that repairing the fields puts right.
var repaired = map[Check]bool{OurFieldsGone: true, OurFieldsHidden: true, OurSetMissing: true}

const fieldsWait = "These fields are not kept up to date. The others are, and these are filled in as soon as they can be written."

// about puts a finding at a connection into words.
func (w advice) about(f Finding, c bridge.Connection) Advice {
	a := Advice{
		Check: f.Check, Level: w.level, Title: w.title, Effect: w.effect, Who: w.who, Remedy: w.remedy,
		Details: f.Details, Setup: w.place.name, Reconnect: w.reconnect, Repair: repaired[f.Check],
	}
	if w.place.path != "" && c.Instance != "" {
		a.Link = c.Instance + "/lightning/setup/" + w.place.path
	}
	if w.place == users {
		a.Details = append(a.Details, c.Username)
	}
	return a
}

// codes says what it means that Salesforce refuses us with a code.
var codes = map[string]Check{
	"app_not_installed":      AppMissing,
	"invalid_app_access":     AppForbidden,
	"unauthorized_client":    AppForbidden,
	"invalid_client":         AppCredentials,
	"invalid_client_id":      AppCredentials,
	"inactive_user":          UserInactive,
	"inactive_org":           OrgLocked,
	"ip_restricted":          AddressRefused,
	"INVALID_SESSION_ID":     SessionRefused,
	"token_refused":          SessionRefused, // our own word for a new token that does not work
	"API_DISABLED_FOR_ORG":   NoAPI,
	"API_CURRENTLY_DISABLED": NoAPIForUser,
	"REQUEST_LIMIT_EXCEEDED": CallsUsedUp,
}

// ofState says what is wrong with a connection that cannot be used.
func ofState(c bridge.Connection) Finding {
	if check, known := codes[c.Code]; known {
		return Finding{Check: check}
	}
	if c.Status == bridge.NeedsAdmin {
		return Finding{AccessRefused, detail(c.Code)}
	}
	return Finding{Check: GrantEnded}
}

// ofRefusal says what is wrong if the org answers a first question with an error, or nothing if that says nothing
// about the connection.
func ofRefusal(err error) (Finding, bool) {
	code := bridge.CodeOf(err)
	if check, known := codes[code]; known {
		return Finding{Check: check}, true
	}
	switch bridge.KindOf(err) {
	case bridge.Revoked:
		return Finding{Check: GrantEnded}, true
	case bridge.Denied:
		return Finding{AccessRefused, detail(code)}, true
	case bridge.Unavailable, bridge.UnknownOutcome, bridge.Throttled:
		return Finding{Unreachable, detail(code)}, true
	}
	return Finding{}, false
}

func detail(code string) []string {
	if code == "" {
		return nil
	}
	return []string{code}
}

// limited reports whether an edition's own apps cannot be set up from outside: Professional edition has no Metadata API
// for them.
// https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_intro.htm
func limited(edition string) bool { return strings.Contains(edition, "Professional") }
