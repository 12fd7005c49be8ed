package dynamodb

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// substitutions are what the # and : of a request's expressions stand for, and which of them were used.
type substitutions struct {
	names  map[string]string
	values literals
	used   map[string]bool
}

// expressions are the parameters that stand beside any expression.
type expressions struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues literals
}

// substitutions checks the substitutes before any expression is parsed. All are the texts of the expressions that the
// request may have; those of parameters are the ones that may have values.
func (e expressions) substitutions(parameters string, all ...*string) (*substitutions, error) {
	given := slices.ContainsFunc(all, func(x *string) bool { return x != nil })
	switch {
	case e.ExpressionAttributeNames != nil && !given:
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	case e.ExpressionAttributeValues != nil && !given:
		return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s", parameters)
	case e.ExpressionAttributeNames != nil && len(e.ExpressionAttributeNames) == 0:
		return nil, invalid("ExpressionAttributeNames must not be empty")
	case e.ExpressionAttributeValues != nil && len(e.ExpressionAttributeValues) == 0:
		return nil, invalid("ExpressionAttributeValues must not be empty")
	}
	for _, key := range slices.Sorted(maps.Keys(e.ExpressionAttributeNames)) {
		if !substitute(key, '#') {
			return nil, invalid("ExpressionAttributeNames contains invalid key: Syntax error; key: \"%s\"", key)
		}
		if e.ExpressionAttributeNames[key] == "" {
			return nil, invalid("ExpressionAttributeNames contains invalid value: Empty attribute name for key %s", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.ExpressionAttributeValues)) {
		if !substitute(key, ':') {
			return nil, invalid("ExpressionAttributeValues contains invalid key: Syntax error; key: \"%s\"", key)
		}
	}
	return &substitutions{names: e.ExpressionAttributeNames, values: e.ExpressionAttributeValues, used: map[string]bool{}}, nil
}

func substitute(key string, first byte) bool {
	return len(key) > 1 && key[0] == first && tail(key, 0) == len(key)
}

// allUsed fails if a substitute stands for nothing in the expressions that were parsed.
func (s *substitutions) allUsed() error {
	for _, given := range []struct {
		parameter string
		keys      []string
	}{
		{"ExpressionAttributeNames", slices.Sorted(maps.Keys(s.names))},
		{"ExpressionAttributeValues", slices.Sorted(maps.Keys(s.values))},
	} {
		unused := slices.DeleteFunc(given.keys, func(key string) bool { return s.used[key] })
		if len(unused) > 0 {
			return invalid("Value provided in %s unused in expressions: keys: {%s}", given.parameter, strings.Join(unused, ", "))
		}
	}
	return nil
}

// parser reads one expression. Its methods return an error only for a fault of syntax. Other faults are remembered, since
// AWS reports syntax first, then words that may not be used, then paths, then what does not fit together.
type parser struct {
	parameter string // such as ConditionExpression, for messages
	text      string
	tokens    []token
	at        int
	with      *substitutions
	operators int    // that were read, and functions
	paths     []path // that were read
	words     error  // the first word that may not be used
	places    error  // the first path that leads nowhere or where another does
	meaning   error  // the first operand that does not fit
}

// What an expression may hold, from
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-expression-parameters
const (
	longestExpression = 4096 // bytes
	mostOperators     = 300  // and functions
	mostInList        = 100  // operands of IN
)

// parse reads the whole of text by the given rule. It returns the zero T if text is nil.
func parse[T any](parameter string, text *string, with *substitutions, rule func(*parser) (T, error)) (result T, err error) {
	if text == nil {
		return result, nil
	}
	p := &parser{parameter: parameter, text: *text, with: with}
	if p.text == "" {
		return result, p.fault("The expression can not be empty;")
	}
	if len(p.text) > longestExpression {
		return result, p.fault("Expression size has exceeded the maximum allowed size; expression size: %d", len(p.text))
	}
	p.tokens = lex(p.text)
	result, err = rule(p)
	if err == nil && p.next().kind != end {
		err = p.syntax()
	}
	if err := cmp.Or(err, p.words, p.places, p.meaning); err != nil {
		return *new(T), err
	}
	return result, nil
}

func (p *parser) fault(format string, args ...any) error {
	return invalid("Invalid "+p.parameter+": "+format, args...)
}

func (p *parser) wrongWord(format string, args ...any) {
	p.words = cmp.Or(p.words, p.fault(format, args...))
}

func (p *parser) wrongPlace(format string, args ...any) {
	p.places = cmp.Or(p.places, p.fault(format, args...))
}

func (p *parser) wrongMeaning(format string, args ...any) {
	p.meaning = cmp.Or(p.meaning, p.fault(format, args...))
}

// operator counts one more operator or function.
func (p *parser) operator() {
	if p.operators++; p.operators > mostOperators {
		p.wrongWord("The expression contains too many operators; operator count: %d", p.operators)
	}
}

// syntax says that the next token should not be there.
func (p *parser) syntax() error {
	from, t := max(p.at-1, 0), p.next()
	to := p.tokens[min(p.at+1, len(p.tokens)-1)].end
	start := p.tokens[from].start
	if t.kind == end {
		to = len(p.text)
		if p.at == 0 {
			start = 0
		}
		return p.fault("Syntax error; token: \"<EOF>\", near: \"%s\"", p.text[start:to])
	}
	return p.fault("Syntax error; token: \"%s\", near: \"%s\"", p.source(t), p.text[start:to])
}

func (p *parser) next() token { return p.tokens[p.at] }

func (p *parser) source(t token) string { return p.text[t.start:t.end] }

func (p *parser) advance() token {
	t := p.tokens[p.at]
	p.at++
	return t
}

// sees reports whether the next token is the given symbol or keyword, in any case.
func (p *parser) sees(what string) bool {
	t := p.next()
	return (t.kind == symbol || t.kind == word) && strings.EqualFold(p.source(t), what)
}

func (p *parser) accepts(what string) bool {
	if !p.sees(what) {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(what string) error {
	if !p.accepts(what) {
		return p.syntax()
	}
	return nil
}

// several reads what rule reads once or more often, with commas between.
func several[T any](p *parser, rule func() (T, error)) ([]T, error) {
	var all []T
	for {
		one, err := rule()
		if err != nil {
			return nil, err
		}
		all = append(all, one)
		if !p.accepts(",") {
			return all, nil
		}
	}
}

// literal is a :value.
type literal struct {
	value value
}

func (l literal) of(document) value { return l.value }

func (p *parser) literal() (literal, error) {
	if p.next().kind != literalName {
		return literal{}, p.syntax()
	}
	name := p.source(p.advance())
	v, ok := p.with.values[name]
	if !ok {
		p.wrongMeaning("An expression attribute value used in expression is not defined; attribute value: %s", name)
		return literal{}, nil
	}
	p.with.used[name] = true
	return literal{v}, nil
}
