package dynamodb

import (
	"maps"
	"slices"
	"strings"
)

// update is a parsed UpdateExpression.
type update struct {
	sets    []assignment
	removes []path
	adds    []difference
	deletes []difference
	paths   []path // all that it changes
}

type assignment struct {
	path path
	term term
}

type difference struct {
	path  path
	value literal
}

// term is the right side of an assignment. It fails with the item that it is computed from.
type term interface {
	compute(document) (value, error)
}

type (
	copied struct{ operand operand }
	sum    struct {
		operator    string
		left, right term
	}
	fallback struct { // if_not_exists
		path path
		term term
	}
	joined struct{ left, right term } // list_append
)

func (c copied) compute(item document) (value, error) {
	if v := c.operand.of(item); v != nil {
		return v, nil
	}
	return nil, invalid("The provided expression refers to an attribute that does not exist in the item")
}

func (s sum) compute(item document) (value, error) {
	left, right, err := computeBoth[number](item, s.left, s.right)
	if err != nil {
		return nil, err
	}
	apply := left.minus
	if s.operator == "+" {
		apply = left.plus
	}
	result, err := apply(right.decimal)
	return number{result}, err
}

func (f fallback) compute(item document) (value, error) {
	if v := f.path.of(item); v != nil {
		return v, nil
	}
	return f.term.compute(item)
}

func (j joined) compute(item document) (value, error) {
	left, right, err := computeBoth[list](item, j.left, j.right)
	if err != nil {
		return nil, err
	}
	return slices.Concat(left, right), nil
}

func computeBoth[T value](item document, left, right term) (l, r T, err error) {
	one, err := left.compute(item)
	if err != nil {
		return l, r, err
	}
	other, err := right.compute(item)
	if err != nil {
		return l, r, err
	}
	l, isLeft := one.(T)
	r, isRight := other.(T)
	if !isLeft || !isRight {
		return l, r, wrongOperand()
	}
	return l, r, nil
}

func wrongOperand() error {
	return invalid("An operand in the update expression has an incorrect data type")
}

// apply returns the item as it is after the update. Everything is computed from the item as it was.
func (u *update) apply(item document) (document, error) {
	for _, p := range u.paths {
		if !p.placed(item) {
			return nil, wrongPath()
		}
	}
	var changes []change
	for _, a := range u.sets {
		v, err := a.term.compute(item)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{a.path, v})
	}
	for _, p := range u.removes {
		changes = append(changes, change{p, nil})
	}
	for _, a := range u.adds {
		v, err := added(a.path.of(item), a.value.value)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{a.path, v})
	}
	for _, d := range u.deletes {
		v, err := subtracted(d.path.of(item), d.value.value.(set))
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{d.path, v})
	}
	return changeMap(item, changes), nil
}

// placed reports whether there is a map or a list in the item for the last step of the path.
func (p path) placed(item document) bool {
	last := len(p) - 1
	switch p[:last].of(item).(type) {
	case document:
		return p[last].name != ""
	case list:
		return p[last].name == ""
	}
	return false
}

// added is what ADD makes of a value, which may be nil.
func added(v, more value) (value, error) {
	if v == nil {
		return more, nil
	}
	switch v := v.(type) {
	case number:
		if n, ok := more.(number); ok {
			total, err := v.plus(n.decimal)
			return number{total}, err
		}
	case set:
		if s, ok := more.(set); ok && s.of == v.of {
			union, _ := newSet(v.of, slices.Concat(v.members, s.members))
			return union, nil
		}
	}
	return nil, wrongOperand()
}

// subtracted is what DELETE makes of a value, which may be nil. Of an empty set nothing remains.
func subtracted(v value, less set) (value, error) {
	if v == nil {
		return nil, nil
	}
	s, ok := v.(set)
	if !ok || s.of != less.of {
		return nil, wrongOperand()
	}
	rest := slices.DeleteFunc(slices.Clone(s.members), less.has)
	if len(rest) == 0 {
		return nil, nil
	}
	return set{s.of, rest}, nil
}

// change puts a value where a path leads, or removes what is there if value is nil.
type change struct {
	path  path
	value value
}

// changeMap returns a copy of d with the changes made. Their paths are placed in it.
func changeMap(d document, changes []change) document {
	result := maps.Clone(d)
	for _, group := range changesByFirst(changes) {
		name := group[0].path[0].name
		if v := changed(d[name], group); v != nil {
			result[name] = v
		} else {
			delete(result, name)
		}
	}
	return result
}

// changeList is changeMap for a list: an index behind its end appends, and what is removed leaves no hole.
func changeList(l list, changes []change) list {
	result := slices.Clone(l)
	groups := changesByFirst(changes)
	slices.SortFunc(groups, func(a, b []change) int { return a[0].path[0].index - b[0].path[0].index })
	for _, group := range groups {
		if at := group[0].path[0].index; at < len(l) {
			result[at] = changed(l[at], group)
		} else if v := changed(nil, group); v != nil {
			result = append(result, v)
		}
	}
	return slices.DeleteFunc(result, func(v value) bool { return v == nil })
}

// changed returns what becomes of a value by changes whose first step, which they share, led to it: nil if nothing
// remains.
func changed(v value, changes []change) value {
	if len(changes[0].path) == 1 {
		return changes[0].value
	}
	deeper := make([]change, len(changes))
	for i, c := range changes {
		deeper[i] = change{c.path[1:], c.value}
	}
	if l, ok := v.(list); ok {
		return changeList(l, deeper)
	}
	return changeMap(v.(document), deeper)
}

func wrongPath() error {
	return invalid("The document path provided in the update expression is invalid for update")
}

func changesByFirst(changes []change) [][]change {
	return grouped(changes, func(c change) step { return c.path[0] })
}

// updateRule reads an UpdateExpression.
func updateRule(p *parser) (*update, error) {
	u := &update{}
	seen := map[string]bool{}
	for {
		section := strings.ToUpper(p.source(p.next()))
		var err error
		switch section {
		case "SET":
			p.advance()
			u.sets, err = clauses(p, u, u.sets, p.assignment, func(a assignment) path { return a.path })
		case "REMOVE":
			p.advance()
			u.removes, err = clauses(p, u, u.removes, p.path, func(removed path) path { return removed })
		case "ADD":
			p.advance()
			u.adds, err = clauses(p, u, u.adds, p.addition, func(d difference) path { return d.path })
		case "DELETE":
			p.advance()
			u.deletes, err = clauses(p, u, u.deletes, p.deletion, func(d difference) path { return d.path })
		default:
			if len(seen) == 0 {
				return nil, p.syntax()
			}
			p.apart(u.paths)
			return u, nil
		}
		if err != nil {
			return nil, err
		}
		if seen[section] {
			p.wrongWord("The \"%s\" section can only be used once in an update expression;", section)
		}
		seen[section] = true
	}
}

// clauses reads what follows the keyword of a section.
func clauses[T any](p *parser, u *update, before []T, rule func() (T, error), at func(T) path) ([]T, error) {
	more, err := several(p, rule)
	for _, clause := range more {
		u.paths = append(u.paths, at(clause))
	}
	return append(before, more...), err
}

func (p *parser) assignment() (assignment, error) {
	to, err := p.path()
	if err != nil {
		return assignment{}, err
	}
	if err := p.expect("="); err != nil {
		return assignment{}, err
	}
	t, err := p.sum()
	return assignment{to, t}, err
}

func (p *parser) sum() (term, error) {
	left, err := p.summand()
	if err != nil || !p.sees("+") && !p.sees("-") {
		return left, err
	}
	operator := p.source(p.advance())
	p.operator()
	right, err := p.summand()
	if err != nil {
		return nil, err
	}
	for _, t := range []term{left, right} {
		if _, ok := t.(joined); ok {
			p.wrongWord("The function is not allowed to be used this way in an expression; function: list_append")
		}
	}
	p.known(operator, "N", left, right)
	return sum{operator, left, right}, nil
}

func (p *parser) summand() (term, error) {
	t := p.next()
	switch {
	case p.accepts("("):
		again := p.sees("(")
		inside, err := p.sum()
		if err != nil {
			return nil, err
		}
		if again && p.sees(")") {
			p.wrongWord("The expression has redundant parentheses;")
		}
		return inside, p.expect(")")
	case t.kind == literalName:
		l, err := p.literal()
		return copied{l}, err
	case t.kind == word && p.source(p.tokens[p.at+1]) == "(" && !keywords[strings.ToUpper(p.source(t))]:
		return p.updateCall()
	}
	from, err := p.path()
	return copied{from}, err
}

func (p *parser) updateCall() (term, error) {
	function := p.source(p.advance())
	p.operator()
	known := slices.Contains(updateFunctions, function)
	if _, elsewhere := functions[function]; elsewhere {
		p.wrongWord("The function is not allowed in an update expression; function: %s", function)
	} else if !known {
		p.wrongWord("Invalid function name; function: %s", function)
	}
	p.advance() // the parenthesis that made it a call
	arguments, err := several(p, p.sum)
	if err == nil {
		err = p.expect(")")
	}
	if err != nil || !known {
		return copied{literal{null{}}}, err
	}
	if len(arguments) != 2 {
		p.wrongMeaning("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", function, len(arguments))
		return arguments[0], nil
	}
	if function == "list_append" {
		p.known(function, "L", arguments...)
		return joined{arguments[0], arguments[1]}, nil
	}
	if c, ok := arguments[0].(copied); ok {
		if first, ok := c.operand.(path); ok {
			return fallback{first, arguments[1]}, nil
		}
	}
	p.wrongMeaning("Operator or function requires a document path; operator or function: if_not_exists")
	return arguments[1], nil
}

// known checks the kinds of those terms that are literals.
func (p *parser) known(operator, kind string, terms ...term) {
	for _, t := range terms {
		if c, ok := t.(copied); ok {
			p.typed(operator, []string{kind}, c.operand)
		}
	}
}

// addable are the kinds that ADD takes, deletable those that DELETE takes.
var (
	addable   = []string{"N", "SS", "NS", "BS"}
	deletable = []string{"SS", "NS", "BS"}
)

// longNames is how messages about ADD and DELETE name the kinds.
var longNames = map[string]string{"S": "STRING", "N": "NUMBER", "B": "BINARY", "BOOL": "BOOLEAN", "NULL": "NULL", "L": "LIST", "M": "MAP"}

func (p *parser) addition() (difference, error) { return p.difference("ADD", addable) }

func (p *parser) deletion() (difference, error) { return p.difference("DELETE", deletable) }

func (p *parser) difference(section string, allowed []string) (difference, error) {
	at, err := p.path()
	if err != nil {
		return difference{}, err
	}
	l, err := p.literal()
	if err != nil {
		return difference{}, err
	}
	if l.value != nil && !slices.Contains(allowed, l.value.kind()) {
		p.wrongMeaning("Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
			section, longNames[l.value.kind()], section)
	}
	return difference{at, l}, nil
}
