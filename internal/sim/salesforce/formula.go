package salesforce

import (
	"fmt"
	"regexp"
	"strings"
)

// saved is a record that was saved: the values of its fields, before and now.
type saved struct {
	table         *table
	created       bool
	before, after []string
}

func (s saved) value(f *field, values []string) string {
	if f.derive != nil {
		return f.derive(packRow(values))
	}
	return values[f.at]
}

func (s saved) changed(f *field) bool {
	return !s.created && s.value(f, s.before) != s.value(f, s.after)
}

// rule is a condition of a flow on a record that was saved.
type rule func(saved) bool

// formula reads the entry conditions of a flow that are written as a formula: AND, OR, NOT, ISNEW, ISCHANGED and
// ISPICKVAL of the record's own fields.
type formula struct {
	table   *table
	creates bool // the flow also runs for new records
	rest    string
	depth   int
}

// readFormula reads a whole formula. A flow that also runs for new records cannot use ISCHANGED, unless beside ISNEW() in an OR.
func readFormula(t *table, creates bool, text string) (rule, error) {
	f := &formula{table: t, creates: creates, rest: text}
	r, err := f.expression(false)
	if err == nil && strings.TrimSpace(f.rest) != "" {
		err = f.unexpected()
	}
	return r, err
}

var (
	functionForm  = regexp.MustCompile(`^\s*([A-Za-z]+)\s*\(`)
	referenceForm = regexp.MustCompile(`^\s*\{!\$Record\.([A-Za-z][A-Za-z0-9_]*)\}`)
	textForm      = regexp.MustCompile(`^\s*"((?:[^"\\]|\\.)*)"`)
	newForm       = regexp.MustCompile(`(?i)^\s*ISNEW\s*\(\s*\)`)
)

func (f *formula) unexpected() error {
	rest := strings.TrimSpace(f.rest)
	if rest == "" {
		return fmt.Errorf("the formula ends too early")
	}
	return fmt.Errorf("syntax error at %q", rest[:min(len(rest), 40)])
}

// take returns what a form finds at the beginning of the rest, and goes on after it.
func (f *formula) take(form *regexp.Regexp) (string, bool) {
	found := form.FindStringSubmatch(f.rest)
	if found == nil {
		return "", false
	}
	f.rest = f.rest[len(found[0]):]
	return found[len(found)-1], true
}

func (f *formula) accept(sign string) bool {
	rest := strings.TrimLeft(f.rest, " \t\r\n")
	after, ok := strings.CutPrefix(rest, sign)
	if ok {
		f.rest = after
	}
	return ok
}

// expression reads a call of a function. besideNew says that it stands in an OR with ISNEW().
func (f *formula) expression(besideNew bool) (rule, error) {
	if f.depth++; f.depth > deepestElement {
		return nil, fmt.Errorf("the formula is nested too deeply")
	}
	defer func() { f.depth-- }()
	name, ok := f.take(functionForm)
	if !ok {
		return nil, f.unexpected()
	}
	name = strings.ToUpper(name)
	switch name {
	case "AND", "OR":
		return f.group(name)
	case "NOT":
		inner, err := f.expression(false)
		if err == nil && !f.accept(")") {
			err = f.unexpected()
		}
		return func(s saved) bool { return !inner(s) }, err
	case "ISNEW":
		if !f.accept(")") {
			return nil, f.unexpected()
		}
		return func(s saved) bool { return s.created }, nil
	case "ISCHANGED":
		if f.creates && !besideNew {
			return nil, fmt.Errorf("ISCHANGED cannot be used when the flow runs for a new record, unless in OR(ISNEW(), ...)")
		}
		of, err := f.reference()
		if err == nil && !f.accept(")") {
			err = f.unexpected()
		}
		return func(s saved) bool { return s.changed(of) }, err
	case "ISPICKVAL":
		return f.picked()
	}
	return nil, fmt.Errorf("unknown function %s", name)
}

func (f *formula) group(name string) (rule, error) {
	besideNew := name == "OR" && newForm.MatchString(f.rest)
	var parts []rule
	for {
		part, err := f.expression(besideNew)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if f.accept(",") {
			continue
		}
		if !f.accept(")") {
			return nil, f.unexpected()
		}
		break
	}
	decides := name == "OR" // the answer of a part that is that of the whole
	return func(s saved) bool {
		for _, part := range parts {
			if part(s) == decides {
				return decides
			}
		}
		return !decides
	}, nil
}

func (f *formula) picked() (rule, error) {
	of, err := f.reference()
	if err != nil {
		return nil, err
	}
	if of.kind != kindPicklist {
		return nil, fmt.Errorf("%s is no picklist", of.name)
	}
	if !f.accept(",") {
		return nil, f.unexpected()
	}
	quoted, ok := f.take(textForm)
	if !ok || !f.accept(")") {
		return nil, f.unexpected()
	}
	want := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(quoted)
	return func(s saved) bool { return s.value(of, s.after) == want }, nil
}

func (f *formula) reference() (*field, error) {
	name, ok := f.take(referenceForm)
	if !ok {
		return nil, f.unexpected()
	}
	of := f.table.field(name)
	if of == nil {
		return nil, fmt.Errorf("field %s does not exist", name)
	}
	return of, nil
}
