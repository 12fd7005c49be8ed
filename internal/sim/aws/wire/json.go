package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Decode reads one JSON object into the struct that into points to. Unlike AWS, and unlike encoding/json, it refuses every member
// that the struct does not name exactly: what would be ignored here might matter there.
func Decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return serialization("the body is not JSON: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return serialization("the body goes on behind its JSON")
	}
	if err := known(raw, reflect.TypeOf(into).Elem(), ""); err != nil {
		return err
	}
	d = json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields() // finds what hides in the first of two members of one name
	if err := d.Decode(into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return serialization(fmt.Sprintf("%s: a JSON %s can not be converted to %s", wrong.Field, wrong.Value, wrong.Type))
		}
		return serialization(err.Error())
	}
	return nil
}

// known walks down a JSON value and the type that it is for, and names the first member that the type does not have. What
// does not fit in any other way is left to json.Unmarshal to tell.
func known(value any, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := value.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, element := range v {
			if err := known(element, t.Elem(), path+"."+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner, at := t, path+"."+name
			switch t.Kind() {
			case reflect.Map:
				inner = t.Elem()
			case reflect.Struct:
				field, ok := member(t, name)
				if !ok {
					return &Error{Status: http.StatusBadRequest, Code: "ValidationException", Message: "The member " + at[1:] + " is not supported here."}
				}
				inner = field.Type
			}
			if err := known(v[name], inner, at); err != nil {
				return err
			}
		}
	case nil:
		if path == "" {
			return serialization("the body is null")
		}
	}
	return nil
}

func member(t reflect.Type, name string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Anonymous {
			if inner, ok := member(field.Type, name); ok {
				return inner, true
			}
			continue
		}
		as, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if as == "" {
			as = field.Name
		}
		if as == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func serialization(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "SerializationException", Query: "MalformedInput", Message: message}
}

// Encode writes a value as JSON the way AWS does: in one line, without escapes for HTML.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // our own answers are plain structs, which always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
