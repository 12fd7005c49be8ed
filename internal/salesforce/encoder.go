package salesforce

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// form is how records of a target are written.
type form struct {
	object  string                    // Contact, Lead or Account
	email   string                    // its field for the address
	names   [bridge.FieldCount]string // of the fourteen
	visible bridge.FieldSet
}

// encoder writes changes as the API takes them.
type encoder struct{ forms map[bridge.Target]form }

func newEncoder(layouts map[string]bridge.Layout) *encoder {
	e := &encoder{forms: map[bridge.Target]form{}}
	for _, target := range []bridge.Target{bridge.ToContact, bridge.ToLead, bridge.ToPersonAccount} {
		layout, known := layouts[target.Object()]
		if !known {
			continue
		}
		f := form{object: target.Object(), email: "Email", names: layout.Names}
		for i, name := range layout.Names {
			if name != "" && layout.Visible.Has(i) {
				f.visible = f.visible.With(i)
			}
			if target == bridge.ToPersonAccount {
				f.names[i] = bridge.AccountName(name)
			}
		}
		if target == bridge.ToPersonAccount {
			f.object, f.email = "Account", "PersonEmail"
		}
		e.forms[target] = f
	}
	return e
}

// key is the name of the field by which new records of a target are found again.
func (e *encoder) key(target bridge.Target) string {
	return e.forms[target].names[bridge.SubscriberKey]
}

// sent are the fields of a change that are written: those that the user may edit.
func (e *encoder) sent(change bridge.Change) bridge.FieldSet {
	fields := change.Fields
	if change.ID == "" {
		fields = fields.With(bridge.SubscriberKey)
	}
	return fields & e.forms[change.Target].visible
}

var (
	errTarget = errors.New("a change of a kind of record whose layout is not known")
	errPerson = errors.New("a new record without a person or a subscriber's id")
	errNumber = errors.New("a number that is none")
)

// check refuses a change that would spoil the call it is in, or make a record that nobody finds again.
func (e *encoder) check(op string, change bridge.Change) error {
	f, known := e.forms[change.Target]
	switch {
	case !known:
		return bridge.E(op, bridge.Internal, errTarget)
	case change.ID == "" && (change.Person == nil || change.Values[bridge.SubscriberKey] == ""):
		return bridge.E(op, bridge.Internal, errPerson)
	case change.ID == "" && !f.visible.Has(bridge.SubscriberKey):
		return hiddenKey(op, change.Target)
	}
	return e.checkNumbers(op, change)
}

func (e *encoder) checkNumbers(op string, change bridge.Change) error {
	sent := e.sent(change)
	for i, field := range bridge.Fields {
		if value := change.Values[i]; field.Type == bridge.NumberField && value != "" && sent.Has(i) && !isNumber(value) {
			return bridge.E(op, bridge.Internal, errNumber)
		}
	}
	return nil
}

// hiddenKey says that nothing can be done without SUB_ID.
func hiddenKey(op string, target bridge.Target) error {
	return bridge.Say(op, bridge.Denied, "", "The connected Salesforce user may not edit the field SUB_ID of %ss, by which records are found again. "+
		"An administrator can give access to it in Setup > Permission Sets.", target.Object())
}

func isNumber(text string) bool {
	return (text[0] == '-' || '0' <= text[0] && text[0] <= '9') && json.Valid([]byte(text))
}

// appendCollection writes the body of a collection of the changes at some positions.
func (e *encoder) appendCollection(b []byte, changes []bridge.Change, of []int) []byte {
	b = append(b, `{"allOrNone":false,"records":[`...)
	for i, at := range of {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.appendRecord(b, &changes[at])
	}
	return append(b, "]}"...)
}

func (e *encoder) appendRecord(b []byte, change *bridge.Change) []byte {
	f := e.forms[change.Target]
	b = appendText(append(b, `{"attributes":{"type":`...), f.object)
	b = append(b, '}')
	if change.ID != "" {
		b = appendField(b, "id", string(change.ID))
	} else {
		for _, own := range f.person(change) {
			if own[1] != "" {
				b = appendField(b, own[0], own[1])
			}
		}
	}
	sent := e.sent(*change)
	for i := range bridge.Fields {
		if sent.Has(i) {
			b = f.appendValue(b, i, change.Values[i])
		}
	}
	return append(b, '}')
}

// person lists what a new record says besides the fourteen fields, by the names of the columns.
func (f form) person(change *bridge.Change) [5][2]string {
	p := change.Person
	list := [5][2]string{{"FirstName", p.FirstName}, {"LastName", p.LastName}, {f.email, p.Email}, {"Phone", p.Phone}}
	switch change.Target {
	case bridge.ToContact:
		list[4] = [2]string{"AccountId", string(change.Parent)}
	case bridge.ToLead:
		list[4] = [2]string{"Company", p.Company}
	case bridge.ToPersonAccount:
		list[4] = [2]string{"RecordTypeId", string(p.RecordType)}
	}
	return list
}

func (f form) appendValue(b []byte, field int, value string) []byte {
	b = append(appendText(append(b, ','), f.names[field]), ':')
	switch {
	case value == "":
		return append(b, "null"...)
	case bridge.Fields[field].Type == bridge.NumberField:
		return append(b, value...)
	}
	return appendText(b, value)
}

func appendField(b []byte, name, value string) []byte {
	return appendText(append(appendText(append(b, ','), name), ':'), value)
}

const hexadecimal = "0123456789abcdef"

// appendText writes a JSON string. What is no UTF-8 becomes U+FFFD.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	from := 0 // of what is not written yet
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			b = append(b, text[from:i]...)
			if c < ' ' {
				b = append(b, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
			} else {
				b = append(b, '\\', c)
			}
			from = i + 1
		}
		i++
	}
	return append(append(b, text[from:]...), '"')
}
