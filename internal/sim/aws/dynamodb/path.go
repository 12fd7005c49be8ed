package dynamodb

import (
	"slices"
	"strconv"
	"strings"
)

// path leads to an attribute or into it, such as a.b[1].c.
type path []step

// step is the name of an attribute or of a map's member, or, if name is empty, an index of a list.
type step struct {
	name  string
	index int
}

func (s step) String() string {
	if s.name == "" {
		return "[" + strconv.Itoa(s.index) + "]"
	}
	return s.name
}

// String writes a path as AWS's messages do.
func (p path) String() string {
	steps := make([]string, len(p))
	for i, s := range p {
		steps[i] = s.String()
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// of returns the value that the path leads to in an item, or nil.
func (p path) of(item document) value {
	var v value = item
	for _, s := range p {
		switch container := v.(type) {
		case document:
			if s.name == "" {
				return nil
			}
			v = container[s.name]
		case list:
			if s.name != "" || s.index >= len(container) {
				return nil
			}
			v = container[s.index]
		default:
			return nil
		}
	}
	return v
}

// keywords cannot be names in an expression: the grammar takes them first.
var keywords = map[string]bool{"AND": true, "OR": true, "NOT": true, "BETWEEN": true, "IN": true,
	"SET": true, "REMOVE": true, "ADD": true, "DELETE": true}

func (p *parser) path() (path, error) {
	first, err := p.step()
	if err != nil {
		return nil, err
	}
	steps := path{first}
	for {
		switch {
		case p.accepts("."):
			s, err := p.step()
			if err != nil {
				return nil, err
			}
			steps = append(steps, s)
		case p.accepts("["):
			if p.next().kind != digits {
				return nil, p.syntax()
			}
			index, err := strconv.ParseInt(p.source(p.next()), 10, 32)
			if err != nil {
				p.wrongPlace("List index is not within the allowable range; index: [%s]", p.source(p.next()))
			}
			p.advance()
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			steps = append(steps, step{index: int(index)})
		default:
			p.paths = append(p.paths, steps)
			return steps, nil
		}
	}
}

// step reads a name of a path.
func (p *parser) step() (step, error) {
	t := p.next()
	name := p.source(t)
	switch {
	case t.kind == placeholder:
		full, ok := p.with.names[name]
		if !ok {
			p.wrongPlace("An expression attribute name used in the document path is not defined; attribute name: %s", name)
		}
		p.with.used[name] = true
		p.advance()
		return step{name: full}, nil
	case t.kind == word && !keywords[strings.ToUpper(name)]:
		if reserved[strings.ToUpper(name)] {
			p.wrongWord("Attribute name is a reserved keyword; reserved keyword: %s", name)
		}
		p.advance()
		return step{name: name}, nil
	}
	return step{}, p.syntax()
}

// apart checks that no path leads to or into another, and that none takes for a list what another takes for a map.
func (p *parser) apart(paths []path) {
	for i, one := range paths {
		for _, other := range paths[:i] {
			shorter := min(len(one), len(other))
			switch at := diverge(other, one); {
			case at == shorter:
				p.wrongPlace("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other, one)
			case (one[at].name == "") != (other[at].name == ""):
				p.wrongPlace("Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other, one)
			}
		}
	}
}

// diverge returns how many steps two paths have in common.
func diverge(a, b path) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// projection reads a ProjectionExpression.
func projection(p *parser) ([]path, error) {
	paths, err := several(p, p.path)
	if err == nil {
		p.apart(paths)
	}
	return paths, err
}

// project returns the parts of an item to which the paths lead, in their place: of a list only the chosen elements stay.
func (d document) project(paths []path) document {
	result := document{}
	for _, group := range byFirst(paths) {
		name := group[0][0].name
		if v, ok := d[name]; ok {
			if part := narrow(v, rests(group)); part != nil {
				result[name] = part
			}
		}
	}
	return result
}

// narrow returns what the paths lead to inside v, or nil if that is nothing.
func narrow(v value, paths []path) value {
	if len(paths[0]) == 0 {
		return v
	}
	switch v := v.(type) {
	case document:
		if part := v.project(slices.DeleteFunc(slices.Clone(paths), func(p path) bool { return p[0].name == "" })); len(part) > 0 {
			return part
		}
	case list:
		var part list
		groups := byFirst(paths)
		slices.SortFunc(groups, func(a, b []path) int { return a[0][0].index - b[0][0].index })
		for _, group := range groups {
			if first := group[0][0]; first.name == "" && first.index < len(v) {
				if element := narrow(v[first.index], rests(group)); element != nil {
					part = append(part, element)
				}
			}
		}
		if part != nil {
			return part
		}
	}
	return nil
}

func byFirst(paths []path) [][]path { return grouped(paths, func(p path) step { return p[0] }) }

// grouped puts together what has the same first step, in the order of appearance.
func grouped[T any](all []T, first func(T) step) [][]T {
	var groups [][]T
	for _, one := range all {
		i := slices.IndexFunc(groups, func(group []T) bool { return first(group[0]) == first(one) })
		if i < 0 {
			groups, i = append(groups, nil), len(groups)
		}
		groups[i] = append(groups[i], one)
	}
	return groups
}

// rests returns paths without their first step.
func rests(paths []path) []path {
	shorter := make([]path, len(paths))
	for i, p := range paths {
		shorter[i] = p[1:]
	}
	return shorter
}
