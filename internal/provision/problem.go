package provision

import (
	"errors"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Codes of problems.
const (
	editionLimited = "edition_limited"
	rightsMissing  = "rights_missing"
	setupRefused   = "setup_refused"
	obstaclesGone  = "obstacles_gone"
	namesTaken     = "names_taken"
	setsTaken      = "sets_taken"
	fieldRefused   = "field_refused"
	setRefused     = "set_refused"
	userRefused    = "user_refused"
	readersRefused = "readers_refused"
	unassigned     = "unassigned"
	objectHidden   = "object_hidden"
	stillShared    = "still_shared"
	orgRefused     = "org_refused"
	orgWaits       = "org_waits"
)

// observed are the problems that a check finds anew.
var observed = []string{unassigned, objectHidden, readersRefused, obstaclesGone, orgRefused, orgWaits}

// accessRefused is Salesforce's code for what the user may not do.
const accessRefused = "INSUFFICIENT_ACCESS"

// report notes a problem.
func (s *Setup) report(code string, details ...string) {
	s.Problems = append(s.Problems, Problem{code, details})
}

// forget takes problems away.
func (s *Setup) forget(codes ...string) {
	s.Problems = slices.DeleteFunc(s.Problems, func(p Problem) bool { return slices.Contains(codes, p.Code) })
}

// refuse notes what Salesforce refused, with its own words. What was refused for the same reason is one problem.
func (s *Setup) refuse(code, what string, err error) {
	reason := reason(err)
	at := slices.IndexFunc(s.Problems, func(p Problem) bool { return p.Code == code && p.Details[len(p.Details)-1] == reason })
	if at < 0 {
		s.report(code, what, reason)
		return
	}
	p := &s.Problems[at]
	p.Details = slices.Insert(p.Details, len(p.Details)-1, what)
}

// reason is Salesforce's code, with its words if there are any.
func reason(err error) string {
	code := bridge.CodeOf(err)
	if code == "" {
		code = string(bridge.KindOf(err))
	}
	var e *bridge.Error
	if errors.As(err, &e) && e.Message != "" {
		return strings.TrimPrefix(code+": "+e.Message, ": ")
	}
	return code
}

// Advice is a problem in words.
type Advice struct {
	Title   string   // what is wrong
	Remedy  string   // how it is put right
	Who     string   // can put it right
	Details []string // names of fields, permissions, people counts, and Salesforce's words
	Setup   string   // the place in Setup, as its menu has it
	Link    string   // to that place
	Repair  bool     // our Repair is worth a try, now or as the last step
}

// place is a page of Setup, with the path that Setup itself shows in the browser.
type place struct{ name, path string }

var (
	userPage       = place{"Users", "ManageUsers/home"}
	permissionSets = place{"Permission Sets", "PermSets/home"}
)

func fieldsOf(object string) place {
	return place{"Object Manager > " + object + " > Fields & Relationships", "ObjectManager/" + object + "/FieldsAndRelationships/view"}
}

const (
	anAdministrator = "An administrator of the Salesforce org"
	nobody          = "Nobody: it is a limit of the edition"
	you             = "You"
)

type words struct {
	title, remedy, who string
	place              place
	repair             bool
}

var problems = map[string]words{
	editionLimited: {"Apps cannot add fields in this edition", "Add the fields by hand from the list below, visible to the connected user and to whoever should see them. Then check again.", nobody, place{}, false},
	rightsMissing: {"The connected user may not set up the org", "Give the user these permissions for as long as it takes, and repair. Or add the fields by hand from the list below, and check again.", anAdministrator,
		permissionSets, true},
	setupRefused:  {"Salesforce does not let us set up this org", "Add the fields by hand from the list below, and check again.", anAdministrator, place{}, true},
	obstaclesGone: {"We could set up the rest now", "Repair, and the fields that are missing are made, and shown to the people whom you picked.", you, place{}, true},
	namesTaken:    {"No name is left for some fields", "Fields of your own have all the names that we would take. Rename or delete one of them, and repair.", anAdministrator, fieldsOf(Contact), true},
	setsTaken:     {"No name is left for our permission sets", "Permission sets of your own are called RH_Integration or RH_Reader, with all numbers that we would try. Rename one, and repair.", anAdministrator, permissionSets, true},
	fieldRefused: {"Salesforce did not make some fields", "Salesforce says why. The others work meanwhile. An object may be full: delete fields that nobody needs, and repair.", anAdministrator,
		fieldsOf(Contact), true},
	setRefused: {"Salesforce did not save a permission set", "Salesforce says why. Put that right, and repair.", anAdministrator, permissionSets, true},
	userRefused: {"The connected user cannot have the permission set", "Salesforce says why: most often the user's licence does not allow it. Assign another licence, or make the fields visible by the user's profile, and repair.",
		anAdministrator, userPage, true},
	readersRefused: {"Some people cannot have the permission set", "Salesforce says why for the first of them: most often their licences do not allow it. The others see the fields.", anAdministrator, permissionSets, true},
	unassigned:     {"The connected user does not have our permission set any more", "Repair, or assign the permission set to the user again.", you, permissionSets, true},
	objectHidden:   {"The connected user may not read these records", "Give the user the right to read and edit them, and repair.", anAdministrator, permissionSets, true},
	stillShared:    {"Another connection uses the same fields", "Our permission sets and the fields stay in the org, since another user has them. They go when the last connection is removed.", you, permissionSets, false},
	orgWaits:       {"Salesforce does not answer, or asks us to wait", "It goes on by itself.", "Nobody has to: it passes by itself", place{}, false},
	orgRefused:     {"Salesforce refuses us", "Salesforce's code says why. The examination of the connection has more.", anAdministrator, place{}, true},
}

// advice puts a problem of a connection into words.
func (p Problem) advice(instance string) (Advice, bool) {
	w, known := problems[p.Code]
	return Advice{
		Title: w.title, Remedy: w.remedy, Who: w.who, Details: p.Details, Setup: w.place.name, Link: w.place.link(instance), Repair: w.repair,
	}, known
}

func (p place) link(instance string) string {
	if p.path == "" || instance == "" {
		return ""
	}
	return instance + "/lightning/setup/" + p.path
}
