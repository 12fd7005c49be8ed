package salesforce

import (
	"encoding/json"
	"strconv"
	"strings"
)

// tally is COUNT of a field in a selection: how many records of a group have a value there.
type tally struct {
	path  path
	alias string // what the answer calls it; expr0, expr1 and so on unless the statement says
}

// tally reads COUNT(field) and its alias, of which the opening parenthesis was read.
func (p *parser) tally(q *soql) error {
	f, err := p.path()
	if err != nil {
		return err
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	t := tally{path: f, alias: "expr" + strconv.Itoa(len(q.tallies))}
	if next := p.peek(); next.class == 'w' && !next.is("FROM") {
		t.alias = p.next().text
	}
	q.tallies = append(q.tallies, t)
	return nil
}

// grouping reads GROUP BY, of which GROUP was read.
func (p *parser) grouping(q *soql) error {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		f, err := p.path()
		if err != nil {
			return err
		}
		q.group = append(q.group, f)
		if !p.accept(",") {
			return nil
		}
	}
}

// aggregated reports whether the answer is made of groups of records.
func (q *soql) aggregated() bool { return len(q.group)+len(q.tallies) > 0 }

// aggregate answers a statement with its groups, in the order that it asks for or in that of their first records. The
// caller holds the lock.
func (o *Org) aggregate(c call, q *soql) ([]byte, error) {
	every := *q
	every.limit, every.offset = -1, 0
	s, err := o.plan(&every, c, false)
	if err != nil {
		return nil, err
	}
	p := &planner{org: o, user: c.user, q: q, now: o.now().UTC()}
	grouped := map[string]bool{}
	var keys []func(row) string
	for _, f := range q.group {
		read, _, err := p.reader(s.table, f)
		if err != nil {
			return nil, err
		}
		keys, grouped[fold(f.String())] = append(keys, read), true
	}
	type output struct {
		name  string
		read  func(row) string
		count bool
	}
	var outputs []output
	add := func(name string, f path, count bool) error {
		read, _, err := p.reader(s.table, f)
		outputs = append(outputs, output{name, read, count})
		return err
	}
	for _, f := range q.fields {
		if !grouped[fold(f.String())] {
			return nil, refuseAt(q.source, f.at, "MALFORMED_QUERY", "Field must be grouped or aggregated: "+f.String())
		}
		if err := add(f.names[len(f.names)-1], f, false); err != nil {
			return nil, err
		}
	}
	for _, t := range q.tallies {
		if err := add(t.alias, t.path, true); err != nil {
			return nil, err
		}
	}
	places := map[string]int{}
	var groups []map[string]any
	for _, at := range s.find() {
		r := s.table.rows[at]
		var key strings.Builder
		for _, read := range keys {
			key.WriteString(read(r) + "\x00")
		}
		n, known := places[key.String()]
		if !known {
			n = len(groups)
			places[key.String()] = n
			groups = append(groups, map[string]any{"attributes": map[string]string{"type": "AggregateResult"}})
		}
		for _, out := range outputs {
			value := out.read(r)
			switch {
			case out.count:
				before, _ := groups[n][out.name].(int)
				groups[n][out.name] = before + boolInt(value != "")
			case value == "":
				groups[n][out.name] = nil
			default:
				groups[n][out.name] = value
			}
		}
	}
	groups = groups[min(q.offset, len(groups)):]
	if q.limit >= 0 {
		groups = groups[:min(q.limit, len(groups))]
	}
	if groups == nil {
		groups = []map[string]any{}
	}
	return json.Marshal(map[string]any{"totalSize": len(groups), "done": true, "records": groups})
}
