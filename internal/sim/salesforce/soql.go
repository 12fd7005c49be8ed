package salesforce

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What a statement may ask for, at most.
const (
	longestStatement = 100_000
	deepestNesting   = 50 // parentheses and NOTs inside each other
	longestPath      = 5  // relationships in Contact.Account.Owner.Name
	largestOffset    = 2_000
)

// soql is a parsed statement. It has been checked for form only: the names mean nothing yet.
type soql struct {
	source string
	count  bool
	fields []path

	everyField bool // FIELDS(ALL)

	tallies []tally // COUNT(field) in the selection
	group   []path

	from   path // one name
	alias  string
	where  condition // nil: every record
	order  []ordering
	limit  int // -1: none
	offset int
}

// path is a field as written: Email, or Account.Owner.Name.
type path struct {
	names []string
	at    int // where it begins in the source
}

func (p path) String() string { return strings.Join(p.names, ".") }

type ordering struct {
	path       path
	descending bool
	nullsLast  bool
}

// condition is one of allOf, anyOf, noneOf, comparison.
type condition any

type (
	allOf      []condition
	anyOf      []condition
	noneOf     struct{ condition }
	comparison struct {
		path     path
		operator string // =, !=, <, <=, >, >=, LIKE, IN, NOT IN
		values   []literal
	}
)

// form is how a literal is written.
type form int

const (
	formNull form = iota
	formString
	formNumber
	formBoolean
	formDate
	formDatetime
	formDays // TODAY, LAST_N_DAYS:7: whole days, relative to the clock
)

type literal struct {
	form form
	text string
	// For formDays: the first of the days, counted from today, and how many there are.
	first, days int
	at          int
}

// apiError is a refusal: an error code and message as they go over the wire.
type apiError struct {
	status  int
	code    string
	message string
	fields  []string

	duplicate map[string]any // what a duplicate rule found
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refuseAt is a refusal that quotes the statement with a pointer under the place at fault.
func refuseAt(source string, at int, code, message string) error {
	at = min(at, len(source))
	row := 1 + strings.Count(source[:at], "\n")
	begin := strings.LastIndexByte(source[:at], '\n') + 1
	end := at
	for end < len(source) && source[end] != '\n' && end < at+40 {
		end++
	}
	from := max(begin, at-40)
	return &apiError{status: 400, code: code, message: fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n%s",
		strings.ToValidUTF8(source[from:end], "?"), strings.Repeat(" ", at-from), row, at-begin+1, message)}
}

// parseSOQL reads the part of SOQL that is documented in the package comment. Anything else is
// MALFORMED_QUERY, with a pointer to the first token that is not understood.
func parseSOQL(source string) (*soql, error) {
	if len(source) > longestStatement {
		return nil, &apiError{status: 400, code: "QUERY_TOO_COMPLICATED",
			message: fmt.Sprintf("SOQL statements cannot be longer than %d characters.", longestStatement)}
	}
	if !utf8.ValidString(source) {
		return nil, &apiError{status: 400, code: "MALFORMED_QUERY", message: "the statement is not UTF-8"}
	}
	p := &parser{source: source}
	q, err := p.statement()
	if p.err != nil { // a token that cannot be read comes before what it led to
		return nil, p.err
	}
	return q, err
}

type parser struct {
	source string
	pos    int // of what comes after token
	token  token
	peeked bool
	depth  int
	err    error
}

// token is a piece of a statement: a word, a string ('quoted'), a number or date, or a sign.
type token struct {
	class rune // 'w', 's', 'n', 'p'; 0 at the end
	text  string
	at    int
}

func (p *parser) peek() token {
	if !p.peeked {
		p.token, p.peeked = p.scan(), true
	}
	return p.token
}

func (p *parser) next() token {
	t := p.peek()
	p.peeked = false
	return t
}

func (p *parser) fail(at int, message string) token {
	if p.err == nil {
		p.err = refuseAt(p.source, at, "MALFORMED_QUERY", message)
	}
	p.pos = len(p.source)
	return token{at: at}
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *parser) scan() token {
	for p.pos < len(p.source) && strings.IndexByte(" \t\r\n", p.source[p.pos]) >= 0 {
		p.pos++
	}
	at := p.pos
	if at == len(p.source) {
		return token{at: at}
	}
	c := p.source[at]
	signed := (c == '-' || c == '+') && at+1 < len(p.source) && '0' <= p.source[at+1] && p.source[at+1] <= '9'
	switch {
	case c == '\'':
		return p.scanString()
	case '0' <= c && c <= '9' || signed:
		p.pos++
		for p.pos < len(p.source) && (wordByte(p.source[p.pos]) || strings.IndexByte(".:+-", p.source[p.pos]) >= 0) {
			p.pos++
		}
		return token{'n', p.source[at:p.pos], at}
	case wordByte(c):
		for p.pos < len(p.source) && wordByte(p.source[p.pos]) {
			p.pos++
		}
		return token{'w', p.source[at:p.pos], at}
	}
	for _, sign := range []string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", ":"} {
		if strings.HasPrefix(p.source[at:], sign) {
			p.pos += len(sign)
			return token{'p', sign, at}
		}
	}
	odd, _ := utf8.DecodeRuneInString(p.source[at:])
	return p.fail(at, fmt.Sprintf("line 1:%d no viable alternative at character '%c'", at, odd))
}

// escapes are the characters that may follow a backslash in a string, and what they mean. The
// wildcards of LIKE keep their backslash until the pattern is compiled.
var escapes = map[byte]string{'n': "\n", 'N': "\n", 'r': "\r", 'R': "\r", 't': "\t", 'T': "\t", 'b': "\b", 'B': "\b",
	'f': "\f", 'F': "\f", '"': `"`, '\'': "'", '\\': `\`, '_': `\_`, '%': `\%`}

func (p *parser) scanString() token {
	at := p.pos
	var text strings.Builder
	for p.pos++; p.pos < len(p.source); p.pos++ {
		switch c := p.source[p.pos]; c {
		case '\'':
			p.pos++
			return token{'s', text.String(), at}
		case '\\':
			p.pos++
			if p.pos == len(p.source) {
				continue
			}
			meaning, ok := escapes[p.source[p.pos]]
			if !ok {
				return p.fail(p.pos-1, fmt.Sprintf(`Invalid string literal: illegal escape sequence '\%c'`, p.source[p.pos]))
			}
			if meaning == `\` {
				meaning = backslash
			}
			text.WriteString(meaning)
		default:
			text.WriteByte(c)
		}
	}
	return p.fail(at, "unexpected token: <EOF>: the string that begins here does not end")
}

// backslash stands for an escaped backslash until the string's use is known: LIKE must tell it from
// the backslash of an escaped wildcard. It is a code point that never is a character.
const backslash = "\uffff"

// plain is a string literal's text for every use but LIKE.
func (l literal) plain() string {
	return strings.NewReplacer(backslash, `\`, `\_`, "_", `\%`, "%").Replace(l.text)
}

func (t token) is(word string) bool {
	return (t.class == 'w' || t.class == 'p') && strings.EqualFold(t.text, word)
}

// accept takes the next token if it is the given word or sign.
func (p *parser) accept(word string) bool {
	if p.peek().is(word) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(words ...string) error {
	for _, word := range words {
		if t := p.peek(); !t.is(word) {
			return p.unexpected(t, "expecting '"+word+"'")
		}
		p.next()
	}
	return nil
}

func (p *parser) unexpected(t token, hint string) error {
	text := "unexpected token: '" + t.text + "'"
	if t.class == 0 {
		text = "unexpected token: <EOF>"
	}
	if hint != "" {
		text += ", " + hint
	}
	return refuseAt(p.source, t.at, "MALFORMED_QUERY", text)
}

func (p *parser) statement() (*soql, error) {
	q := &soql{source: p.source, limit: -1}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	if err := p.selection(q); err != nil {
		return nil, err
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	t := p.next()
	if t.class != 'w' {
		return nil, p.unexpected(t, "expecting the name of an object")
	}
	q.from = path{names: []string{t.text}, at: t.at}
	if t := p.peek(); t.class == 'w' && !clause(t) {
		q.alias = p.next().text
	}
	if p.accept("WHERE") {
		where, err := p.conditions()
		if err != nil {
			return nil, err
		}
		q.where = where
	}
	if p.accept("GROUP") {
		if err := p.grouping(q); err != nil {
			return nil, err
		}
	}
	if p.accept("ORDER") {
		if err := p.orderings(q); err != nil {
			return nil, err
		}
	}
	if p.accept("LIMIT") {
		n, err := p.whole("LIMIT")
		if err != nil {
			return nil, err
		}
		q.limit = n
	}
	if t := p.peek(); p.accept("OFFSET") {
		n, err := p.whole("OFFSET")
		if err != nil {
			return nil, err
		}
		if n > largestOffset {
			return nil, refuseAt(p.source, t.at, "NUMBER_OUTSIDE_VALID_RANGE", fmt.Sprintf("Maximum SOQL offset allowed is %d", largestOffset))
		}
		q.offset = n
	}
	if t := p.next(); t.class != 0 {
		return nil, p.unexpected(t, "")
	}
	return q, nil
}

// clause reports whether a word begins what may follow FROM. Those that are not supported count too:
// they must not be taken for an alias.
func clause(t token) bool {
	for _, word := range []string{"WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "WITH", "FOR", "USING", "ALL", "UPDATE"} {
		if t.is(word) {
			return true
		}
	}
	return false
}

func (p *parser) selection(q *soql) error {
	if p.peek().is("COUNT") {
		t := p.next()
		if !p.peek().is("(") {
			return p.unexpected(t, "expecting a field")
		}
		if p.next(); p.accept(")") {
			q.count = true
			return nil
		}
		if err := p.tally(q); err != nil || !p.accept(",") {
			return err
		}
	}
	if t := p.peek(); t.is("FIELDS") {
		p.next()
		if !p.peek().is("(") {
			return p.unexpected(t, "expecting a field")
		}
		q.everyField = true
		return p.expect("(", "ALL", ")")
	}
	for {
		f, err := p.path()
		if err != nil {
			return err
		}
		if len(f.names) == 1 && strings.EqualFold(f.names[0], "COUNT") && p.accept("(") {
			err = p.tally(q)
		} else {
			q.fields = append(q.fields, f)
		}
		if err != nil || !p.accept(",") {
			return err
		}
	}
}

func (p *parser) path() (path, error) {
	t := p.next()
	if t.class != 'w' || t.is("FROM") {
		return path{}, p.unexpected(t, "expecting the name of a field")
	}
	f := path{names: []string{t.text}, at: t.at}
	for p.accept(".") {
		t := p.next()
		if t.class != 'w' {
			return path{}, p.unexpected(t, "expecting the name of a field")
		}
		f.names = append(f.names, t.text)
	}
	if len(f.names) > longestPath+1 {
		return path{}, refuseAt(p.source, f.at, "MALFORMED_QUERY", fmt.Sprintf("only %d levels of parent relationships are allowed", longestPath))
	}
	return f, nil
}

// conditions reads a WHERE clause, or what stands in parentheses inside one. AND and OR do not mix
// without parentheses.
func (p *parser) conditions() (condition, error) {
	first, err := p.condition()
	if err != nil {
		return nil, err
	}
	var word string
	switch t := p.peek(); {
	case t.is("AND"):
		word = "AND"
	case t.is("OR"):
		word = "OR"
	default:
		return first, nil
	}
	parts := []condition{first}
	for p.accept(word) {
		part, err := p.condition()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if t := p.peek(); t.is("AND") || t.is("OR") {
		return nil, p.unexpected(t, "AND and OR need parentheses beside each other")
	}
	if word == "AND" {
		return allOf(parts), nil
	}
	return anyOf(parts), nil
}

func (p *parser) condition() (condition, error) {
	if p.depth++; p.depth > deepestNesting {
		return nil, refuseAt(p.source, p.peek().at, "QUERY_TOO_COMPLICATED", "conditions are nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.accept("NOT") {
		inner, err := p.condition()
		return noneOf{inner}, err
	}
	if p.accept("(") {
		inner, err := p.conditions()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	f, err := p.path()
	if err != nil {
		return nil, err
	}
	c := comparison{path: f}
	switch t := p.next(); {
	case t.class == 'p' && strings.ContainsAny(t.text, "=<>"):
		c.operator = t.text
		if c.operator == "<>" {
			c.operator = "!="
		}
	case t.is("LIKE"):
		c.operator = "LIKE"
	case t.is("IN"):
		c.operator = "IN"
	case t.is("NOT"):
		if err := p.expect("IN"); err != nil {
			return nil, err
		}
		c.operator = "NOT IN"
	default:
		return nil, p.unexpected(t, "expecting an operator")
	}
	if c.operator != "IN" && c.operator != "NOT IN" {
		value, err := p.literal()
		c.values = []literal{value}
		return c, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for {
		value, err := p.literal()
		if err != nil {
			return nil, err
		}
		c.values = append(c.values, value)
		if !p.accept(",") {
			return c, p.expect(")")
		}
	}
}

func (p *parser) literal() (literal, error) {
	t := p.next()
	l := literal{text: t.text, at: t.at}
	switch {
	case t.class == 's':
		l.form = formString
		return l, nil
	case t.class == 'n':
		if _, err := time.Parse(time.DateOnly, t.text); err == nil {
			l.form = formDate
			return l, nil
		}
		if when, ok := parseDatetime(t.text); ok {
			l.form, l.text = formDatetime, datetimeValue(when)
			return l, nil
		}
		if strings.Trim(t.text, "+-.0123456789eE") == "" {
			if _, err := strconv.ParseFloat(t.text, 64); err == nil {
				l.form = formNumber
				return l, nil
			}
		}
	case t.is("NULL"):
		return l, nil
	case t.is("TRUE"), t.is("FALSE"):
		l.form, l.text = formBoolean, boolValue(t.is("TRUE"))
		return l, nil
	case t.is("TODAY"):
		l.form, l.days = formDays, 1
		return l, nil
	case t.is("YESTERDAY"):
		l.form, l.first, l.days = formDays, -1, 1
		return l, nil
	case t.is("LAST_N_DAYS"):
		if err := p.expect(":"); err != nil {
			return l, err
		}
		n, err := p.whole("LAST_N_DAYS")
		if err == nil && (n == 0 || n > 36_500) {
			err = refuseAt(p.source, t.at, "MALFORMED_QUERY", "LAST_N_DAYS takes a number from 1 to 36500")
		}
		l.form, l.first, l.days = formDays, -n, n+1 // today counts too
		return l, err
	}
	return l, p.unexpected(t, "expecting a value")
}

func (p *parser) whole(what string) (int, error) {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.class != 'n' || err != nil || n < 0 || t.text[0] == '+' {
		return 0, p.unexpected(t, what+" takes a whole number")
	}
	return n, nil
}

func (p *parser) orderings(q *soql) error {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		f, err := p.path()
		if err != nil {
			return err
		}
		by := ordering{path: f}
		if p.accept("DESC") {
			by.descending = true
		} else {
			p.accept("ASC")
		}
		if p.accept("NULLS") {
			by.nullsLast = p.accept("LAST")
			if !by.nullsLast {
				if err := p.expect("FIRST"); err != nil {
					return err
				}
			}
		}
		q.order = append(q.order, by)
		if !p.accept(",") {
			return nil
		}
	}
}
