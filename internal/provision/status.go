package provision

import (
	"context"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Status is how the fields of a connection stand.
type Status struct {
	Target      string // Contact or Lead, as people chose
	Prefix      string
	Readers     Readers
	Route       Route
	Step        Step
	Problems    []Advice
	Fields      []FieldStatus
	Integration string    // names of the permission sets; empty if they are not there
	Reader      string    //
	CheckedAt   time.Time // when the org was last asked; zero if it never was
}

// FieldStatus is how a field stands.
type FieldStatus struct {
	Object string
	Of     bridge.Field
	Name   string // API name; empty if none was chosen
	State  State
	Why    string // it is not written; empty if it is
	Who    string // can put it right
	Link   string // to the object's fields in Setup
	Repair bool   // our Repair puts it right
}

// Status returns how the fields of a connection stand, as was last seen, without asking the org. NotFound: there is no
// setup.
func (s Service) Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Status, error) {
	const op = "provision.Status"
	setup, err := s.Rows.Setup(ctx, account, id)
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	c, err := s.Connections.Connection(ctx, account, id)
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	status := Status{
		Target: setup.Target, Prefix: setup.Prefix, Readers: setup.Readers, Route: setup.Route, Step: setup.Step,
		Integration: setup.Integration.Name, Reader: setup.Reader.Name, CheckedAt: setup.CheckedAt,
	}
	for _, p := range setup.Problems {
		if advice, known := p.advice(c.Instance); known {
			status.Problems = append(status.Problems, advice)
		}
	}
	for _, f := range setup.Fields {
		w := stateWords[f.State]
		if f.State == Planned && setup.Route == ByHand {
			w = stateWords[Missing]
		}
		if setup.Route == ByHand && w.byHand != "" {
			w.why, w.who, w.repair = w.byHand, anAdministrator, false
		}
		if f.State == Differs {
			w.why += ": " + f.Detail + "."
		}
		status.Fields = append(status.Fields, FieldStatus{
			Object: f.Object, Of: bridge.Fields[f.Index], Name: f.Name, State: f.State,
			Why: w.why, Who: w.who, Link: fieldsOf(f.Object).link(c.Instance), Repair: w.repair,
		})
	}
	return status, nil
}

// stateWords say why a field of a state is not written, and who can put that right; byHand where administrators make the
// fields.
var stateWords = map[State]struct {
	why, who string
	repair   bool
	byHand   string
}{
	Planned: {"It is not made yet.", you, true, ""},
	Hidden: {"It exists, and field-level security hides it from the connected user.", you, true,
		"It exists, and field-level security hides it from the connected user. Make it visible and editable for the user's profile."},
	ReadOnly: {"The connected user may see it, and not edit it.", you, true,
		"The connected user may see it, and not edit it. Make it editable for the user's profile."},
	Missing: {"Somebody deleted it in Salesforce.", you, true, "It is not there yet. Make it as the list says."},
	Unseen: {"It is hidden from the connected user, or somebody deleted it.", anAdministrator, false,
		"It is not there, or hidden from the connected user. Make it as the list says, visible and editable for the user's profile."},
	Differs: {"Its definition was changed", anAdministrator, false, "It is not as the list says"},
}

// Instruction is what an administrator enters to make a field by hand.
type Instruction struct {
	Type                            string // as Setup calls it
	Label, Name                     string // Setup adds the ending to the name
	Length                          int    // of a text; 0 where Setup does not ask
	Places                          int    // of a number: digits before the point; after it there are 0
	Unique, CaseSensitive, External bool
	Description, Help               string
}

// typeNames are what Setup calls the types.
var typeNames = map[bridge.FieldType]string{
	bridge.TextField: "Text", bridge.URLField: "URL", bridge.NumberField: "Number", bridge.DateTimeField: "Date/Time",
}

// Instruct says how to make a field of an API name by hand, under Setup > Object Manager > the object > Fields &
// Relationships > New.
func Instruct(field bridge.Field, name string) Instruction {
	i := Instruction{
		Type: typeNames[field.Type], Label: "RH " + field.Name, Name: name[:max(0, len(name)-len("__c"))],
		Unique: field.Key, CaseSensitive: field.Key, External: field.Key, Description: Mark, Help: field.Text,
	}
	switch field.Type {
	case bridge.TextField:
		i.Length = field.Length
	case bridge.NumberField:
		i.Places = bridge.Digits
	}
	return i
}

// String is the instruction in a line.
func (i Instruction) String() string {
	text := i.Type
	if i.Length > 0 {
		text += ", length " + strconv.Itoa(i.Length)
	}
	if i.Places > 0 {
		text += ", length " + strconv.Itoa(i.Places) + ", decimal places 0"
	}
	if i.External {
		text += ", unique (case sensitive), external id"
	}
	return text
}
