package provision

import (
	"fmt"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Mark is in the description of everything that we make in an org: so it is known again.
const Mark = "Managed by Referral Bridge"

// The objects that may carry the fields.
const (
	Contact = "Contact"
	Lead    = "Lead"
)

// Step is how far a setup is.
type Step string

// The steps.
const (
	Queued    Step = "queued"
	Making    Step = "making"    // names are chosen, fields are made
	Granting  Step = "granting"  // permission sets and who has them
	Verifying Step = "verifying" // until when, says Setup.Deadline
	Done      Step = "done"      // nothing more to do for us
	Stopped   Step = "stopped"   // by Setup.Problem
	Removing  Step = "removing"
	Removed   Step = "removed"
)

// Over reports whether nothing is under way.
func (s Step) Over() bool { return s == Done || s == Stopped || s == Removed }

// Route is who makes the fields.
type Route string

// The routes.
const (
	ByAPI  Route = "api"
	ByHand Route = "hand" // an administrator, in Setup
)

// State is what is known of a field.
type State string

// The states. Only a field that is Visible or HandMade is written.
const (
	Planned  State = "planned"   // not made yet
	Visible  State = "visible"   // the connected user may edit it
	HandMade State = "by_hand"   // the same, made by an administrator
	Hidden   State = "hidden"    // it exists, and the connected user does not see it
	ReadOnly State = "read_only" // the connected user sees it, and may not edit it
	Missing  State = "missing"   // it was there
	Unseen   State = "unseen"    // it was there; whether it is hidden or gone cannot be found out
	Differs  State = "differs"   // it holds something else; see Field.Detail
)

// Written reports whether a field in that state is kept up to date.
func (s State) Written() bool { return s == Visible || s == HandMade }

// Field is one of the fourteen on an object of an org.
type Field struct {
	Object string
	Index  int                 // in bridge.Fields
	Name   string              // API name; empty until one is chosen
	ID     bridge.SalesforceID // of its definition; empty if it was not made by us
	Hand   bool                // made by an administrator
	State  State
	Detail string // how it differs
}

// made reports whether the field exists, or did, so that its name is not ours to change.
func (f Field) made() bool { return f.ID != "" || f.Hand }

// Setup is what is known of a connection's fields.
type Setup struct {
	Account     bridge.AccountID
	Connection  bridge.ConnectionID
	Target      string // object that people chose: Contact or Lead
	Persons     bool   // they chose person accounts, for this campaign or another one
	Prefix      string // of names: "RH_", or nothing
	Readers     Readers
	Leaving     Readers // who were readers, and are to lose their access
	Fields      []Field // of one object after the other, each in the order of bridge.Fields
	Integration Set     // permission set of the connected user; Name and ID are empty until it is there
	Reader      Set     // permission set of the readers
	Route       Route
	Step        Step
	Problems    []Problem
	Wipe        bool      // of a removal: the fields too
	Deadline    time.Time // of verifying
	Unannounced bool      // a layout was saved, or is about to be, that others have not heard of
	CheckedAt   time.Time // when the org was last asked
	DueAt       time.Time // when the sweep looks after it
	Version     int
}

// Objects returns the objects that carry the fields.
func (s Setup) Objects() []string {
	var objects []string
	for _, f := range s.Fields {
		if !slices.Contains(objects, f.Object) {
			objects = append(objects, f.Object)
		}
	}
	return objects
}

// extend gives the setup the fields of an object, unless it has them.
func (s *Setup) extend(object string) {
	if slices.Contains(s.Objects(), object) {
		return
	}
	for i := range bridge.Fields {
		s.Fields = append(s.Fields, Field{Object: object, Index: i, State: Planned})
	}
}

// of returns the fields of an object, to be changed in place.
func (s *Setup) of(object string) []Field {
	first := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Object == object })
	if first < 0 {
		return nil
	}
	return s.Fields[first : first+bridge.FieldCount]
}

// Problem is something that keeps a setup from being complete.
type Problem struct {
	Code    string   // one of ours, or Salesforce's; words has what to say
	Details []string // names of fields and permissions, counts, Salesforce's words
}

// Job asks to go on with the fields of a connection.
type Job struct {
	Account    bridge.AccountID    `json:"account"`
	Connection bridge.ConnectionID `json:"connection"`
	Check      bool                `json:"check,omitempty"` // look, and set up nothing
}

// Group names the account, so that one account's jobs cannot delay another's.
func (j Job) Group() string { return string(j.Account) }

// misfit says how a field's shape is not what one of the fourteen needs, or nothing if it is. A longer or a shorter text
// than ours is fine where a part of it still tells something: of an id or a code it does not.
func misfit(want bridge.Field, is Shape) string {
	switch {
	case is.Type != want.Type:
		word := is.Word
		if word == "" {
			word = string(is.Type)
		}
		return fmt.Sprintf("it is of the type %s, and has to be of the type %s", word, want.Type)
	case want.Key && !is.Key:
		return "it has to be an external id, with unique values"
	case want.Type == bridge.TextField && want.Length < 255 && is.Length < want.Length:
		return fmt.Sprintf("it holds %d characters, and has to hold %d", is.Length, want.Length)
	case want.Type == bridge.NumberField && is.Digits < bridge.Digits:
		return fmt.Sprintf("it holds %d digits, and has to hold %d", is.Digits, bridge.Digits)
	}
	return ""
}
