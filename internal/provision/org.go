package provision

import (
	"context"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Org is an org as its connected user sees it and sets it up. Lists of errors answer a list of things in its order, with
// nil for what was done; a thing that the org refuses has an error with Salesforce's code.
type Org interface {
	gatekeeper
	fields
	definer
	sets
	setter
	assigner
	people
	groups
}

type gatekeeper interface {
	// Edition returns the org's edition as Salesforce calls it.
	Edition(context.Context) (string, error)
	// Permissions says which permissions the user has, by their names in the API.
	Permissions(context.Context) (map[string]bool, error)
}

type fields interface {
	// Describe returns the fields of an object that the user may see; NotFound if the user may not read the object.
	Describe(ctx context.Context, object string) (Description, error)
	// CustomFields returns the custom fields of an object that have one of the names or ids, whoever may see them.
	CustomFields(ctx context.Context, object string, names []string, ids []bridge.SalesforceID) ([]CustomField, error)
}

type definer interface {
	// Definitions returns how custom fields are defined, whoever may see them. Those that do not exist are left out.
	Definitions(ctx context.Context, object string, names []string) ([]Definition, error)
	// CreateFields makes fields. Conflict: there is one of that name, in whatever letters. Nobody sees a new field.
	CreateFields(ctx context.Context, object string, made []NewField) ([]error, error)
	// DeleteFields deletes custom fields with what they hold. NotFound: there is none of that name.
	DeleteFields(ctx context.Context, object string, names []string) ([]error, error)
}

type sets interface {
	// PermissionSets returns those of the org's own permission sets that have one of the names.
	PermissionSets(ctx context.Context, names []string) ([]Set, error)
	// ReadPermissionSets returns what is in permission sets.
	ReadPermissionSets(ctx context.Context, names []string) ([]PermissionSet, error)
}

type setter interface {
	// SavePermissionSets makes permission sets, or replaces what is in them.
	SavePermissionSets(context.Context, []PermissionSet) ([]error, error)
	// DeletePermissionSets deletes permission sets that nobody has any more.
	DeletePermissionSets(ctx context.Context, names []string) ([]error, error)
}

type assigner interface {
	// Assignments returns who has a permission set; of one user only, if user is not empty.
	Assignments(ctx context.Context, set, user bridge.SalesforceID) ([]Assignment, error)
	// Assign gives permission sets to users. That a user has one already is fine.
	Assign(context.Context, []Assignment) ([]error, error)
	// Unassign ends assignments, by their ids. That one has ended already is fine.
	Unassign(context.Context, []Assignment) ([]error, error)
}

type people interface {
	// Users returns up to 200 active users whose names or usernames contain a text, and whether there are more.
	Users(ctx context.Context, search string) (found []User, more bool, err error)
	// Named returns users by their ids, active or not. Those that do not exist are left out.
	Named(context.Context, []bridge.SalesforceID) ([]User, error)
}

type groups interface {
	// Profiles returns the profiles that active users have.
	Profiles(context.Context) ([]Profile, error)
	// UsersOf returns the active ones among the users, and all active users of the profiles.
	UsersOf(context.Context, Readers) ([]bridge.SalesforceID, error)
}

// User is somebody in the org who may get to see the fields.
type User struct {
	ID             bridge.SalesforceID
	Name, Username string
	Profile        string // its name
}

// Profile is what its users have in common.
type Profile struct {
	ID    bridge.SalesforceID
	Name  string
	Users int // active ones
}

// Readers are the people who get to see the fields: users, and whoever has one of the profiles.
type Readers struct{ Users, Profiles []bridge.SalesforceID }

// None reports whether nobody was picked.
func (r Readers) None() bool { return len(r.Users)+len(r.Profiles) == 0 }

// Assignment is that a user has a permission set.
type Assignment struct{ ID, Set, User bridge.SalesforceID }

// CustomField is a custom field that exists.
type CustomField struct {
	ID   bridge.SalesforceID
	Name string // API name
}

// Shape is what a field holds.
type Shape struct {
	Name     string           // API name
	Type     bridge.FieldType // empty for a type that none of the fourteen has
	Word     string           // what Salesforce calls the type, such as "picklist"
	Length   int              // characters of a text or link
	Digits   int              // before the decimal point, of a number
	Key      bool             // external id, and unique
	Editable bool             // by the user who described it
}

// Definition is how a custom field is defined.
type Definition struct {
	Shape
	Description string
}

// NewField is a field to be made.
type NewField struct {
	Name        string // API name
	Label       string
	Description string // for administrators
	Help        string // for users
	Of          bridge.Field
}

// Set is a permission set.
type Set struct {
	ID                bridge.SalesforceID
	Name, Description string
}

// PermissionSet is a permission set with what it allows.
type PermissionSet struct {
	Name, Label, Description string
	Fields                   []FieldAccess
	Objects                  []ObjectAccess
}

// FieldAccess allows to read a field, or to edit it too.
type FieldAccess struct {
	Field string // such as Contact.RH_CODE__c
	Edit  bool
}

// ObjectAccess allows to read the records of an object, as far as these are shared, or more.
type ObjectAccess struct {
	Object                           string
	Create, Edit, Delete             bool
	ViewAllRecords, ModifyAllRecords bool
}

// Description is an object as a user sees it.
type Description struct {
	Fields  map[string]Shape // by API name in lower case
	Persons bool             // contacts may be halves of person accounts
}

// Field returns a visible field by its API name, in whatever letters.
func (d Description) Field(name string) (Shape, bool) {
	shape, found := d.Fields[strings.ToLower(name)]
	return shape, found
}

// Fit returns the layout with the fields that the user may write, as described.
func (d Description) Fit(l bridge.Layout) bridge.Layout {
	l.Visible, l.Lengths, l.Persons = 0, [bridge.FieldCount]int{}, d.Persons
	for i, name := range l.Names {
		shape, found := d.Field(name)
		if name == "" || !found || !shape.Editable || misfit(bridge.Fields[i], shape) != "" {
			continue
		}
		l.Visible = l.Visible.With(i)
		l.Lengths[i] = shape.Length
	}
	return l
}
