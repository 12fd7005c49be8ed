package dynamodb

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// value is an attribute value. Values are never changed once made: an update builds new ones, so that items, indexes and
// answers may share them.
type value interface {
	kind() string // as on the wire: S, N, B, BOOL, NULL, L, M, SS, NS or BS
	size() int    // bytes, by which AWS limits and bills
}

type (
	text     string
	number   struct{ decimal }
	binary   string
	boolean  bool
	null     struct{}
	list     []value
	document map[string]value // a map, or a whole item
	set      struct {
		of      string  // kind of the members
		members []value // sorted, each once
	}
)

func (text) kind() string     { return "S" }
func (number) kind() string   { return "N" }
func (binary) kind() string   { return "B" }
func (boolean) kind() string  { return "BOOL" }
func (null) kind() string     { return "NULL" }
func (list) kind() string     { return "L" }
func (document) kind() string { return "M" }
func (s set) kind() string    { return s.of + "S" }

func (t text) size() int   { return len(t) }
func (b binary) size() int { return len(b) }
func (boolean) size() int  { return 1 }
func (null) size() int     { return 1 }

func (l list) size() int {
	size := 3
	for _, v := range l {
		size += v.size() + 1
	}
	return size
}

func (d document) size() int { return 3 + d.itemSize() + len(d) }

// itemSize is the size of an item, which unlike a map has no overhead.
func (d document) itemSize() int {
	size := 0
	for name, v := range d {
		size += len(name) + v.size()
	}
	return size
}

func (s set) size() int {
	size := 0
	for _, v := range s.members {
		size += v.size()
	}
	return size
}

// scalarOrder returns bytes by which two values of the same scalar kind sort. Only S, N and B have an order.
func scalarOrder(v value) string {
	switch v := v.(type) {
	case text:
		return string(v)
	case binary:
		return string(v)
	case number:
		return v.order()
	}
	panic("no order for " + v.kind())
}

func equal(a, b value) bool {
	switch a := a.(type) {
	case list:
		b, ok := b.(list)
		return ok && slices.EqualFunc(a, b, equal)
	case document:
		b, ok := b.(document)
		return ok && maps.EqualFunc(a, b, equal)
	case set:
		b, ok := b.(set)
		return ok && a.of == b.of && slices.Equal(a.members, b.members)
	}
	switch b.(type) {
	case list, document, set:
		return false
	}
	return a == b
}

// newSet makes a set, or says that a member occurs twice.
func newSet(of string, members []value) (s set, distinct bool) {
	s = set{of: of, members: slices.Clone(members)}
	slices.SortFunc(s.members, func(a, b value) int { return strings.Compare(scalarOrder(a), scalarOrder(b)) })
	s.members = slices.Compact(s.members)
	return s, len(s.members) == len(members)
}

func (s set) has(v value) bool {
	_, found := slices.BinarySearchFunc(s.members, v, func(a, b value) int {
		return strings.Compare(scalarOrder(a), scalarOrder(b))
	})
	return s.of == v.kind() && found
}

// MarshalJSON writes the attributes of an item.
func (d document) MarshalJSON() ([]byte, error) { return appendMembers(nil, d), nil }

func appendMembers(b []byte, d document) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(d)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		b = appendValue(b, d[name])
	}
	return append(b, '}')
}

func appendValue(b []byte, v value) []byte {
	b = append(b, `{"`+v.kind()+`":`...)
	switch v := v.(type) {
	case null:
		b = append(b, "true"...)
	case boolean:
		b = fmt.Append(b, bool(v))
	case document:
		b = appendMembers(b, v)
	case list:
		b = appendAll(b, v, appendValue)
	case set:
		b = appendAll(b, v.members, appendScalar)
	default:
		b = appendScalar(b, v)
	}
	return append(b, '}')
}

func appendAll(b []byte, values []value, one func([]byte, value) []byte) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

func appendScalar(b []byte, v value) []byte {
	switch v := v.(type) {
	case number:
		return appendText(b, v.String())
	case binary:
		return appendText(b, base64.StdEncoding.EncodeToString([]byte(v)))
	case text:
		return appendText(b, string(v))
	}
	panic("no scalar: " + v.kind())
}

func appendText(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}

// deepest is how many levels maps and lists may nest in an attribute, the innermost value included.
const deepest = 32

func tooDeep() error { return invalid("Nesting Levels have exceeded supported limits") }

// depth is how many levels an item has, itself and its innermost values included.
func (d document) depth() int {
	deepest := 0
	for _, v := range d {
		deepest = max(deepest, levels(v))
	}
	return deepest + 1
}

func levels(v value) int {
	switch v := v.(type) {
	case document:
		return v.depth()
	case list:
		deepest := 0
		for _, element := range v {
			deepest = max(deepest, levels(element))
		}
		return deepest + 1
	}
	return 1
}

// parseDocument reads attributes from decoded JSON: an item, a key, or expression values.
func parseDocument(tree any, depth int) (document, error) {
	members, ok := tree.(map[string]any)
	if !ok {
		return nil, notSerialized("Start of structure or map expected, found %s", describe(tree))
	}
	d := make(document, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		v, err := parseValue(members[name], depth)
		if err != nil {
			return nil, err
		}
		d[name] = v
	}
	return d, nil
}

func parseValue(tree any, depth int) (value, error) {
	if depth > deepest {
		return nil, tooDeep()
	}
	tagged, ok := tree.(map[string]any)
	if !ok {
		return nil, notSerialized("Start of structure or map expected, found %s", describe(tree))
	}
	switch len(tagged) {
	case 0:
		return nil, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case 1:
		for kind, content := range tagged {
			return parseContent(kind, content, depth)
		}
	}
	return nil, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
}

func parseContent(kind string, content any, depth int) (value, error) {
	switch kind {
	case "S", "N", "B":
		return parseScalar(kind, content)
	case "BOOL":
		b, ok := content.(bool)
		if !ok {
			return nil, notSerialized("%s cannot be converted to Boolean", describe(content))
		}
		return boolean(b), nil
	case "NULL":
		b, ok := content.(bool)
		if !ok {
			return nil, notSerialized("%s cannot be converted to Boolean", describe(content))
		}
		if !b {
			return nil, invalidValue("Null attribute value types must have the value of true")
		}
		return null{}, nil
	case "M":
		return parseDocument(content, depth+1)
	case "L":
		contents, ok := content.([]any)
		if !ok {
			return nil, notSerialized("Start of list expected, found %s", describe(content))
		}
		l := make(list, len(contents))
		for i := range contents {
			v, err := parseValue(contents[i], depth+1)
			if err != nil {
				return nil, err
			}
			l[i] = v
		}
		return l, nil
	case "SS", "NS", "BS":
		return parseSet(kind[:1], content)
	}
	return nil, unsupported("an attribute value of type %s", kind)
}

func parseScalar(kind string, content any) (value, error) {
	s, ok := content.(string)
	if !ok {
		return nil, notSerialized("%s cannot be converted to String", describe(content))
	}
	switch kind {
	case "N":
		d, err := parseDecimal(s)
		return number{d}, err
	case "B":
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, notSerialized("Invalid base64 in a binary value")
		}
		return binary(b), nil
	}
	return text(s), nil
}

func parseSet(of string, content any) (value, error) {
	contents, ok := content.([]any)
	if !ok {
		return nil, notSerialized("Start of list expected, found %s", describe(content))
	}
	if len(contents) == 0 {
		return nil, invalidValue("%s", map[string]string{
			"S": "An string set  may not be empty", "N": "An number set  may not be empty", "B": "Binary sets should not be empty",
		}[of])
	}
	members := make([]value, len(contents))
	for i := range contents {
		v, err := parseScalar(of, contents[i])
		if err != nil {
			return nil, err
		}
		members[i] = v
	}
	s, distinct := newSet(of, members)
	switch {
	case distinct:
		return s, nil
	case of == "N":
		return nil, invalid("Input collection contains duplicates")
	case of == "B":
		return nil, invalidValue("Input collection of type BS contains duplicates.")
	}
	return nil, invalidValue("Input collection %v contains duplicates.", contents)
}
