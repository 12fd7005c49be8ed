package salesforce

import (
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// setNull is how a cell says that a value is taken away; an empty one leaves it as it is.
const setNull = "#N/A"

// table writes changes as rows of CSV. Its first column is what the rows go by.
type table struct {
	job     job
	encoder *encoder
	form    form
	target  bridge.Target
	create  bool
	fields  []int
}

func newTable(op string, e *encoder, target bridge.Target, fields bridge.FieldSet, create bool) (*table, error) {
	f, known := e.forms[target]
	switch {
	case !known, create && target == bridge.ToPersonAccount:
		return nil, bridge.E(op, bridge.Internal, errTarget)
	case create && !f.visible.Has(bridge.SubscriberKey):
		return nil, hiddenKey(op, target)
	}
	t := &table{encoder: e, form: f, target: target, create: create,
		job: job{Object: f.object, Operation: "update", Type: "CSV", LineEnding: "LF", Delimiter: "COMMA"}}
	if create {
		t.job.Operation, t.job.Key = "upsert", e.key(target)
		fields = fields.Without(bridge.SubscriberKey) // it has the first column
	}
	for i := range bridge.Fields {
		if fields.Has(i) && f.visible.Has(i) {
			t.fields = append(t.fields, i)
		}
	}
	return t, nil
}

// check refuses a row that cannot be one of this table.
func (t *table) check(op string, change bridge.Change) error {
	switch {
	case change.Target != t.target:
		return bridge.E(op, bridge.Internal, errTarget)
	case t.create && change.Values[bridge.SubscriberKey] == "", !t.create && change.ID == "":
		return bridge.E(op, bridge.Internal, errPerson)
	}
	return t.encoder.checkNumbers(op, change)
}

func (t *table) appendHeader(b []byte) []byte {
	if t.create {
		b = append(b, t.job.Key...)
		for _, own := range t.form.person(&bridge.Change{Target: t.target, Person: &bridge.NewPerson{}}) {
			b = append(append(b, ','), own[0]...)
		}
	} else {
		b = append(b, "Id"...)
	}
	for _, i := range t.fields {
		b = append(append(b, ','), t.form.names[i]...)
	}
	return append(b, '\n')
}

func (t *table) appendRow(b []byte, change bridge.Change) []byte {
	if t.create {
		b = appendCell(b, change.Values[bridge.SubscriberKey])
		if change.Person == nil {
			change.Person = &bridge.NewPerson{}
		}
		for _, own := range t.form.person(&change) {
			b = appendCell(append(b, ','), own[1])
		}
	} else {
		b = appendCell(b, string(change.ID))
	}
	for _, i := range t.fields {
		b = append(b, ',')
		switch value := change.Values[i]; {
		case !change.Fields.Has(i):
		case value == "":
			b = append(b, setNull...)
		default:
			b = appendCell(b, value)
		}
	}
	return append(b, '\n')
}

// appendCell writes a text in quotes, or nothing for none. What is no UTF-8 becomes U+FFFD.
func appendCell(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), `"`, `""`)...)
	return append(b, '"')
}
