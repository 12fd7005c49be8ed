package salesforce

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// search is a statement whose names have been found in the schema, as one user may see it.
type search struct {
	*soql
	table   *table
	all     bool // deleted records too
	columns []*column
	match   func(row) bool // nil: every record
	order   []sortKey

	// lo and hi are the 15 characters between which ids must lie; hi is empty if there is no end.
	lo, hi     string
	candidates []int32 // positions, in order, outside which nothing matches; see narrowed
	narrowed   bool
}

// column is a selected field, or a parent with the fields selected of it.
type column struct {
	name     string
	field    *field    // the field, or the reference to the parent
	parent   *table    // nil for a field
	children []*column // of the parent
}

type sortKey struct {
	read       func(row) string
	ownID      bool // the record's own id: the order in which records are found
	kind       kind
	descending bool
	nullsLast  bool
}

// planner gives a statement its meaning. The org's lock is held while it works.
type planner struct {
	org  *Org
	user id
	q    *soql
	now  time.Time
}

// plan checks a statement against the schema and prepares it to run. The caller holds the lock.
func (o *Org) plan(q *soql, c call, all bool) (*search, error) {
	user := c.user
	p := &planner{org: o, user: user, q: q, now: o.now().UTC()}
	t := o.tables[fold(q.from.names[0])]
	if t == nil || t.tooling && !c.tooling || o.switches.concealed(t.object) {
		return nil, refuseAt(q.source, q.from.at, "INVALID_TYPE", fmt.Sprintf("sObject type '%s' is not supported. If you are attempting to use a custom object, "+
			"be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.", q.from))
	}
	s := &search{soql: q, table: t, all: all}
	if q.everyField {
		if q.limit < 0 || q.limit > 200 {
			return nil, refuseAt(q.source, q.from.at, "MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
		}
		for _, f := range t.everyField() {
			if o.visible(user, t.object, f) {
				s.columns = append(s.columns, &column{name: f.name, field: f})
			}
		}
	}
	for _, f := range q.fields {
		if err := p.selectPath(s, f); err != nil {
			return nil, err
		}
	}
	if q.where != nil {
		match, err := p.compile(t, q.where)
		if err != nil {
			return nil, err
		}
		s.match = match
		s.lo, s.hi = idBounds(q.where)
		s.candidates, s.narrowed = p.narrow(t, q.where)
	}
	if q.count && len(q.order) > 0 {
		return nil, refuseAt(q.source, q.order[0].path.at, "MALFORMED_QUERY", "ORDER BY is not allowed with COUNT()")
	}
	for _, by := range q.order {
		read, f, err := p.reader(t, by.path)
		if err != nil {
			return nil, err
		}
		s.order = append(s.order, sortKey{read: read, ownID: f == t.field("Id") && len(p.relative(t, by.path)) == 1,
			kind: f.kind, descending: by.descending, nullsLast: by.nullsLast})
	}
	return s, nil
}

// selectPath adds a selected field to the columns, under its parents.
func (p *planner) selectPath(s *search, f path) error {
	names := p.relative(s.table, f)
	t, columns := s.table, &s.columns
	for i, name := range names {
		if i == len(names)-1 {
			last, err := p.field(t, f, name)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(*columns, func(c *column) bool { return c.name == last.name }) {
				return refuseAt(p.q.source, f.at, "INVALID_FIELD", "duplicate field selected: "+last.name)
			}
			*columns = append(*columns, &column{name: last.name, field: last})
			return nil
		}
		reference, err := p.relationship(t, f, name)
		if err != nil {
			return err
		}
		t = p.org.tables[fold(reference.to)]
		at := slices.IndexFunc(*columns, func(c *column) bool { return c.name == reference.relation })
		if at < 0 {
			at = len(*columns)
			*columns = append(*columns, &column{name: reference.relation, field: reference, parent: t})
		}
		columns = &(*columns)[at].children
	}
	return nil
}

// relative strips the object's own name or alias from a path.
func (p *planner) relative(t *table, f path) []string {
	own := strings.EqualFold(f.names[0], t.name) || p.q.alias != "" && strings.EqualFold(f.names[0], p.q.alias)
	if len(f.names) > 1 && own && t.byRelation[fold(f.names[0])] == nil {
		return f.names[1:]
	}
	return f.names
}

func (p *planner) field(t *table, f path, name string) (*field, error) {
	column := t.field(name)
	if column == nil || !p.org.visible(p.user, t.object, column) {
		return nil, refuseAt(p.q.source, f.at, "INVALID_FIELD", fmt.Sprintf("No such column '%s' on entity '%s'. If you are attempting to use a custom field, "+
			"be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.", name, t.name))
	}
	return column, nil
}

func (p *planner) relationship(t *table, f path, name string) (*field, error) {
	reference := t.byRelation[fold(name)]
	if reference == nil || !p.org.visible(p.user, t.object, reference) {
		return nil, refuseAt(p.q.source, f.at, "INVALID_FIELD", fmt.Sprintf("Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, "+
			"be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", name))
	}
	return reference, nil
}

// reader returns how to read a path from a row, and the field at its end.
func (p *planner) reader(t *table, f path) (func(row) string, *field, error) {
	names := p.relative(t, f)
	steps := []func(row) (row, bool){}
	for _, name := range names[:len(names)-1] {
		reference, err := p.relationship(t, f, name)
		if err != nil {
			return nil, nil, err
		}
		t = p.org.tables[fold(reference.to)]
		parents := t
		steps = append(steps, func(r row) (row, bool) { return parents.parent(reference.value(r)) })
	}
	last, err := p.field(t, f, names[len(names)-1])
	if err != nil {
		return nil, nil, err
	}
	if len(steps) == 0 {
		return last.value, last, nil
	}
	return func(r row) string {
		for _, step := range steps {
			var ok bool
			if r, ok = step(r); !ok {
				return ""
			}
		}
		return last.value(r)
	}, last, nil
}

// parent returns the record that a reference leads to, if it is there and not deleted.
func (t *table) parent(reference string) (row, bool) {
	at := t.find(id(reference))
	if at < 0 || t.isDeleted(t.rows[at]) {
		return "", false
	}
	return t.rows[at], true
}

// compile turns a condition into a function of a row. A comparison with null is decided, as in the
// org: nothing is less or greater than null, and null is unequal to any value.
func (p *planner) compile(t *table, c condition) (func(row) bool, error) {
	switch c := c.(type) {
	case allOf:
		parts, err := p.compileEach(t, c)
		return func(r row) bool {
			for _, part := range parts {
				if !part(r) {
					return false
				}
			}
			return true
		}, err
	case anyOf:
		parts, err := p.compileEach(t, c)
		return func(r row) bool {
			for _, part := range parts {
				if part(r) {
					return true
				}
			}
			return false
		}, err
	case noneOf:
		part, err := p.compile(t, c.condition)
		return func(r row) bool { return !part(r) }, err
	case comparison:
		return p.compileComparison(t, c)
	}
	panic(fmt.Sprintf("no such condition: %T", c))
}

func (p *planner) compileEach(t *table, conditions []condition) ([]func(row) bool, error) {
	parts := make([]func(row) bool, len(conditions))
	for i, c := range conditions {
		part, err := p.compile(t, c)
		if err != nil {
			return nil, err
		}
		parts[i] = part
	}
	return parts, nil
}

func (p *planner) compileComparison(t *table, c comparison) (func(row) bool, error) {
	read, f, err := p.reader(t, c.path)
	if err == nil && f.kind == kindComplex || t.tooling && strings.EqualFold(c.path.String(), "FullName") {
		err = refuseAt(p.q.source, c.path.at, "INVALID_FIELD", fmt.Sprintf("field '%s' can not be filtered in a query call", c.path))
	}
	if err != nil {
		return nil, err
	}
	for i := range c.values {
		if err := p.suits(f, c, &c.values[i]); err != nil {
			return nil, err
		}
	}
	first := c.values[0]
	switch c.operator {
	case "LIKE":
		like := newPattern(first.text)
		return func(r row) bool { return like.match(read(r)) }, nil
	case "IN", "NOT IN":
		if f.kind == kindDatetime && slices.ContainsFunc(c.values, func(l literal) bool { return l.form == formDays }) {
			return nil, refuseAt(p.q.source, first.at, "MALFORMED_QUERY", "date literals are not allowed in a list here")
		}
		set := make(map[string]bool, len(c.values))
		for _, l := range c.values {
			set[f.kind.comparable(l.value())] = true
		}
		in := c.operator == "IN"
		return func(r row) bool { return set[f.kind.comparable(read(r))] == in }, nil
	}
	if first.form == formDays {
		begin, end := p.days(f.kind, first)
		return func(r row) bool {
			v := read(r)
			switch {
			case v == "":
				return c.operator == "!="
			case c.operator == "=":
				return compare(f.kind, v, begin) >= 0 && compare(f.kind, v, end) < 0
			case c.operator == "!=":
				return compare(f.kind, v, begin) < 0 || compare(f.kind, v, end) >= 0
			case c.operator == "<":
				return compare(f.kind, v, begin) < 0
			case c.operator == "<=":
				return compare(f.kind, v, end) < 0
			case c.operator == ">":
				return compare(f.kind, v, end) >= 0
			default:
				return compare(f.kind, v, begin) >= 0
			}
		}, nil
	}
	want := f.kind.comparable(first.value())
	switch c.operator {
	case "=":
		if want == "" {
			return func(r row) bool { return read(r) == "" }, nil
		}
		return func(r row) bool { return f.kind.comparable(read(r)) == want }, nil
	case "!=":
		if want == "" {
			return func(r row) bool { return read(r) != "" }, nil
		}
		return func(r row) bool { return f.kind.comparable(read(r)) != want }, nil
	}
	operator := c.operator
	return func(r row) bool {
		v := read(r)
		if v == "" || want == "" {
			return false
		}
		switch n := compare(f.kind, v, want); operator {
		case "<":
			return n < 0
		case "<=":
			return n <= 0
		case ">":
			return n > 0
		default:
			return n >= 0
		}
	}, nil
}

// value is a literal in the form in which rows hold values.
func (l literal) value() string {
	if l.form == formString {
		return l.plain()
	}
	return l.text
}

// suits checks that a literal and an operator fit a field, and brings the literal's text into the
// form in which rows hold it.
func (p *planner) suits(f *field, c comparison, l *literal) error {
	ordered := strings.ContainsAny(c.operator, "<>")
	refuse := func(code, message string) error { return refuseAt(p.q.source, c.path.at, code, message) }
	if c.operator == "LIKE" && (!f.kind.text() || l.form != formString) {
		return refuse("INVALID_QUERY_FILTER_OPERATOR", fmt.Sprintf("invalid operator on %s field", f.kind))
	}
	if ordered && f.kind == kindBoolean {
		return refuse("INVALID_QUERY_FILTER_OPERATOR", "invalid operator on boolean field")
	}
	if l.form == formNull {
		l.text = ""
		if f.kind == kindBoolean {
			l.text = "null" // which no boolean is: nothing in a row is false
		}
		if ordered {
			return refuse("INVALID_QUERY_FILTER_OPERATOR", fmt.Sprintf("field '%s' cannot be less or greater than null", f.name))
		}
		return nil
	}
	wrong := func() error {
		return refuse("INVALID_FIELD", fmt.Sprintf("value of filter criterion for field '%s' must be of type %s%s", f.name, f.kind.soqlName(), f.kind.quoting()))
	}
	switch {
	case f.kind.id():
		if l.form != formString {
			return wrong()
		}
		if l.text == "" && !ordered {
			return nil
		}
		parsed, err := parseID(l.plain())
		if err != nil {
			return refuse("INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "+l.plain())
		}
		l.text = string(parsed)
	case f.kind.text():
		if l.form != formString {
			return wrong()
		}
	case f.kind.number():
		n, err := strconv.ParseFloat(l.text, 64)
		if l.form != formNumber || err != nil {
			return wrong()
		}
		l.text = numberValue(n)
	case f.kind == kindBoolean:
		if l.form != formBoolean {
			return wrong()
		}
	case f.kind == kindDate:
		if l.form != formDate && l.form != formDays {
			return wrong()
		}
	case f.kind == kindDatetime:
		if l.form != formDatetime && l.form != formDays {
			return wrong()
		}
	}
	return nil
}

func (k kind) soqlName() string {
	switch {
	case k.number():
		return "double"
	case k == kindDatetime:
		return "dateTime"
	case k.id() || k.text():
		return "string"
	}
	return string(k)
}

func (k kind) quoting() string {
	if k.id() || k.text() {
		return " and should be enclosed in quotes"
	}
	return " and should not be enclosed in quotes"
}

// days is the span of a relative date literal, in the form in which rows hold values.
func (p *planner) days(k kind, l literal) (begin, end string) {
	midnight := time.Date(p.now.Year(), p.now.Month(), p.now.Day(), 0, 0, 0, 0, time.UTC)
	from, to := midnight.AddDate(0, 0, l.first), midnight.AddDate(0, 0, l.first+l.days)
	if k == kindDate {
		return from.Format(time.DateOnly), to.Format(time.DateOnly)
	}
	return datetimeValue(from), datetimeValue(to)
}

// comparable is a value such that equal values of the kind are equal text.
func (k kind) comparable(value string) string {
	if k.text() {
		return fold(value)
	}
	return value
}

// compare orders two values that are not null.
func compare(k kind, a, b string) int {
	switch {
	case k.number() || k == kindDatetime:
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	case k.text():
		return strings.Compare(fold(a), fold(b))
	}
	return strings.Compare(a, b) // ids, dates and booleans: the order of their bytes
}

// idBounds finds what a condition says about the range of ids: whatever else it says, only ids of
// at least lo and, if there is one, at most hi can match.
func idBounds(c condition) (lo, hi string) {
	switch c := c.(type) {
	case allOf:
		for _, part := range c {
			l, h := idBounds(part)
			lo = max(lo, l)
			if h != "" && (hi == "" || h < hi) {
				hi = h
			}
		}
	case comparison:
		if len(c.path.names) != 1 || !strings.EqualFold(c.path.names[0], "Id") || c.values[0].form != formString {
			return "", ""
		}
		of, err := parseID(c.values[0].plain())
		if err != nil {
			return "", ""
		}
		switch c.operator {
		case "=":
			return of.short(), of.short()
		case ">", ">=":
			return of.short(), ""
		case "<", "<=":
			return "", of.short()
		}
	}
	return lo, hi
}

// narrow looks for indexes that say where a condition can match at all.
func (p *planner) narrow(t *table, c condition) (positions []int32, ok bool) {
	switch c := c.(type) {
	case allOf:
		for _, part := range c {
			if found, narrowed := p.narrow(t, part); narrowed && (!ok || len(found) < len(positions)) {
				positions, ok = found, true
			}
		}
		return positions, ok
	case anyOf:
		for _, part := range c {
			found, narrowed := p.narrow(t, part)
			if !narrowed {
				return nil, false
			}
			positions = append(positions, found...)
		}
	case comparison:
		if c.operator != "=" && c.operator != "IN" || len(c.path.names) != 1 {
			return nil, false
		}
		f := t.field(c.path.names[0])
		x := t.indexes[f]
		if x == nil && f.kind != kindID {
			return nil, false
		}
		for _, l := range c.values {
			value := l.value()
			if value == "" { // null is not in an index
				return nil, false
			}
			if f.kind.id() {
				parsed, err := parseID(value)
				if err != nil {
					return nil, false
				}
				value = string(parsed)
			}
			if x != nil {
				positions = append(positions, x.positions(fold(value))...)
			} else if at := t.find(id(value)); at >= 0 {
				positions = append(positions, int32(at))
			}
		}
	default:
		return nil, false
	}
	slices.Sort(positions)
	return slices.Compact(positions), true
}

// find returns the positions of the records that are asked for, in the order asked for.
func (s *search) find() []int32 {
	var found []int32
	enough := -1 // how many to look for
	if s.limit >= 0 {
		enough = s.offset + s.limit
	}
	byID := len(s.order) == 0 || s.order[0].ownID && !s.order[0].descending
	if !byID {
		enough = -1
	}
	s.scan(func(at int32) bool {
		if enough >= 0 && len(found) >= enough {
			return false
		}
		found = append(found, at)
		return true
	})
	switch {
	case byID:
	case s.order[0].ownID: // descending
		slices.Reverse(found)
	default:
		s.sort(found)
	}
	found = found[min(s.offset, len(found)):]
	if s.limit >= 0 {
		found = found[:min(s.limit, len(found))]
	}
	return found
}

// single reports whether what is asked for can be had of one record at a time only.
func (s *search) single() bool {
	return s.table.tooling && slices.ContainsFunc(s.columns, func(c *column) bool { return c.name == "FullName" || c.name == "Metadata" })
}

// total counts the records that are asked for.
func (s *search) total() int {
	n := 0
	if s.match == nil && !s.all {
		n = s.table.live
	} else {
		s.scan(func(int32) bool { n++; return true })
	}
	n = max(0, n-s.offset)
	if s.limit >= 0 {
		n = min(n, s.limit)
	}
	return n
}

// scan visits the matching records in the order of their ids, until visit says no.
func (s *search) scan(visit func(int32) bool) {
	t := s.table
	try := func(at int32) bool {
		r := t.rows[at]
		if !s.all && t.isDeleted(r) || s.match != nil && !s.match(r) {
			return true
		}
		return visit(at)
	}
	if s.narrowed {
		for _, at := range s.candidates {
			if !try(at) {
				return
			}
		}
		return
	}
	for at := t.from(s.lo); at < len(t.rows); at++ {
		if s.hi != "" && t.rows[at].id().short() > s.hi || !try(int32(at)) {
			return
		}
	}
}

// sort orders positions by the sort keys, and by id where they say nothing.
func (s *search) sort(found []int32) {
	keys := make([][]string, len(found))
	order := make([]int, len(found))
	for i, at := range found {
		order[i] = i
		for _, by := range s.order {
			v := by.read(s.table.rows[at])
			if by.kind == kindBoolean && v == "" {
				v = "false"
			}
			if by.kind.text() {
				v = fold(v)
			}
			keys[i] = append(keys[i], v)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		for i, by := range s.order {
			if n := by.compare(keys[a][i], keys[b][i]); n != 0 {
				return n
			}
		}
		return 0
	})
	sorted := make([]int32, len(found))
	for i, n := range order {
		sorted[i] = found[n]
	}
	copy(found, sorted)
}

// compare orders two values, nulls included: they come first unless it is said otherwise, whatever
// the direction.
func (by sortKey) compare(a, b string) int {
	if a == "" || b == "" {
		n := cmp.Compare(boolInt(a != ""), boolInt(b != ""))
		if by.nullsLast {
			return -n
		}
		return n
	}
	n := compare(by.kind, a, b)
	if by.descending {
		return -n
	}
	return n
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
