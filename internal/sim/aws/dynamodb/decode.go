package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// decode reads a request into the struct that in points to. Names are matched exactly, and a member that the struct does
// not have is refused: what AWS would do with it, this emulator would silently not do.
func decode(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return notSerialized("the body is not JSON: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return notSerialized("the body has something behind its JSON")
	}
	return assign(reflect.ValueOf(in).Elem(), tree, "")
}

// literals are the ExpressionAttributeValues of a request, by their names with the colon.
type literals document

// MarshalJSON writes them as they came in.
func (l literals) MarshalJSON() ([]byte, error) { return document(l).MarshalJSON() }

func assign(to reflect.Value, tree any, at string) error {
	if tree == nil {
		return nil
	}
	switch to.Interface().(type) {
	case document:
		d, err := parseDocument(tree, 1)
		to.Set(reflect.ValueOf(d))
		return err
	case literals:
		l, err := parseLiterals(tree)
		to.Set(reflect.ValueOf(l))
		return err
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Elem(), tree, at)
	case reflect.String:
		s, ok := tree.(string)
		if !ok {
			return notSerialized("%s cannot be converted to String", describe(tree))
		}
		to.SetString(s)
	case reflect.Bool:
		b, ok := tree.(bool)
		if !ok {
			return notSerialized("%s cannot be converted to Boolean", describe(tree))
		}
		to.SetBool(b)
	case reflect.Int:
		n, ok := tree.(json.Number)
		i, err := strconv.Atoi(n.String())
		if !ok || err != nil {
			return notSerialized("%s cannot be converted to Integer", describe(tree))
		}
		to.SetInt(int64(i))
	case reflect.Slice:
		return assignSlice(to, tree, at)
	case reflect.Map:
		return assignMap(to, tree, at)
	case reflect.Struct:
		return assignStruct(to, tree, at)
	default:
		panic("a request cannot have a member of type " + to.Type().String())
	}
	return nil
}

func assignSlice(to reflect.Value, tree any, at string) error {
	elements, ok := tree.([]any)
	if !ok {
		return notSerialized("Start of list expected, found %s", describe(tree))
	}
	to.Set(reflect.MakeSlice(to.Type(), len(elements), len(elements)))
	for i := range elements {
		if err := assign(to.Index(i), elements[i], at); err != nil {
			return err
		}
	}
	return nil
}

func assignMap(to reflect.Value, tree any, at string) error {
	members, ok := tree.(map[string]any)
	if !ok {
		return notSerialized("Start of structure or map expected, found %s", describe(tree))
	}
	to.Set(reflect.MakeMapWithSize(to.Type(), len(members)))
	for name, member := range members {
		v := reflect.New(to.Type().Elem()).Elem()
		if err := assign(v, member, at); err != nil {
			return err
		}
		to.SetMapIndex(reflect.ValueOf(name), v)
	}
	return nil
}

func assignStruct(to reflect.Value, tree any, at string) error {
	members, ok := tree.(map[string]any)
	if !ok {
		return notSerialized("Start of structure or map expected, found %s", describe(tree))
	}
	for name, member := range members {
		field := to.FieldByName(name)
		if !field.CanSet() {
			return unsupported("the parameter %s%s", at, name)
		}
		if err := assign(field, member, at+name+"."); err != nil {
			return err
		}
	}
	return nil
}

// describe names a piece of JSON as AWS's errors do.
func describe(tree any) string {
	switch tree := tree.(type) {
	case string:
		return "STRING_VALUE"
	case json.Number:
		return "NUMBER_VALUE"
	case bool:
		if tree {
			return "TRUE_VALUE"
		}
		return "FALSE_VALUE"
	case []any:
		return "START_ARRAY"
	case map[string]any:
		return "START_OBJECT"
	}
	return "NULL_VALUE"
}

func parseLiterals(tree any) (literals, error) {
	members, ok := tree.(map[string]any)
	if !ok {
		return nil, notSerialized("Start of structure or map expected, found %s", describe(tree))
	}
	l := make(literals, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		v, err := parseValue(members[name], 1)
		if f := (*failure)(nil); errors.As(err, &f) && f.kind == validated {
			return nil, invalid("ExpressionAttributeValues contains invalid value: %s for key %s", f.message, name)
		}
		if err != nil {
			return nil, err
		}
		l[name] = v
	}
	return l, nil
}
