package salesforce

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// deepestElement is how far elements of a metadata file may be inside each other.
const deepestElement = 20

// problem is what is wrong with a file of a package, and where.
type problem struct {
	line, column int
	text         string
}

func (p *problem) Error() string { return p.text }

// element is an element of a metadata file with all that is in it: text, or other elements.
type element struct {
	name         string
	text         string
	children     []*element
	line, column int // where its start tag ends
}

func (e *element) problem(format string, args ...any) error {
	return &problem{e.line, e.column, fmt.Sprintf(format, args...)}
}

// readElement reads a metadata file: one element of the Metadata API's namespace, without attributes, and nothing else.
func readElement(file []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(file, []byte("\ufeff"))))
	fail := func(format string, args ...any) error {
		line, column := d.InputPos()
		return &problem{line, column, "Error parsing file: " + fmt.Sprintf(format, args...)}
	}
	var root *element
	var open []*element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fail("%s", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Space != metadataSpace {
				return nil, fail("Element {%s}%s is not of the namespace %s", token.Name.Space, token.Name.Local, metadataSpace)
			}
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					return nil, fail("Attribute %s is not allowed here", a.Name.Local)
				}
			}
			if root != nil && len(open) == 0 {
				return nil, fail("there is more than one element at the top")
			}
			if len(open) == deepestElement {
				return nil, fail("elements are nested too deeply")
			}
			e := &element{name: token.Name.Local}
			e.line, e.column = d.InputPos()
			if len(open) == 0 {
				root = e
			} else {
				open[len(open)-1].children = append(open[len(open)-1].children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			e := open[len(open)-1]
			if len(e.children) > 0 && strings.TrimSpace(e.text) != "" {
				return nil, e.problem("Error parsing file: there is text beside the elements in %s", e.name)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(token)
			} else if len(bytes.TrimSpace(token)) > 0 {
				return nil, fail("Content is not allowed outside of the root element.")
			}
		case xml.Directive:
			return nil, fail("DOCTYPE is disallowed")
		case xml.ProcInst:
			if token.Target != "xml" {
				return nil, fail("processing instruction %s is not allowed", token.Target)
			}
		}
	}
	if root == nil {
		return nil, fail("Premature end of file.")
	}
	return root, nil
}

// shape says what an element may hold: text of a kind, or other elements in their order.
type shape struct {
	name  string // of the type, in messages
	text  textKind
	among []string // what the text of an enumeration may be
	parts []part
}

// part is an element that another one may hold.
type part struct {
	name     string
	shape    *shape
	required bool
	repeated bool
}

// textKind is how the text of an element is read.
type textKind int

const (
	noText textKind = iota // elements
	anyText
	booleanText
	integerText
	numberText
	enumeration
)

var (
	stringShape  = &shape{text: anyText}
	booleanShape = &shape{text: booleanText}
	integerShape = &shape{text: integerText}
	numberShape  = &shape{text: numberText}
)

// enum is text that can be one of a few; name is that of the type.
func enum(name string, among ...string) *shape {
	return &shape{name: name, text: enumeration, among: among}
}

// must and may are parts of text; any number of a part makes it a list.
func must(name string, of *shape) part    { return part{name: name, shape: of, required: true} }
func may(name string, of *shape) part     { return part{name: name, shape: of} }
func anyOfIt(name string, of *shape) part { return part{name: name, shape: of, repeated: true} }

// read turns an element into what it would be in JSON, as the Tooling API writes metadata, or says what is wrong with it.
func (s *shape) read(e *element) (any, error) {
	if s.text != noText {
		return s.readText(e)
	}
	fields := map[string]any{}
	at := 0
	for i, child := range e.children {
		place := slices.IndexFunc(s.parts, func(p part) bool { return p.name == child.name })
		switch {
		case place < 0 || place < at:
			return nil, child.problem("Error parsing file: Element {%s}%s invalid at this location in type %s", metadataSpace, child.name, s.name)
		case place == at && i > 0 && e.children[i-1].name == child.name && !s.parts[place].repeated:
			return nil, child.problem("Error parsing file: Element %s is duplicated at this location in type %s", child.name, s.name)
		}
		at = place
		v, err := s.parts[place].shape.read(child)
		if err != nil {
			return nil, err
		}
		if list, _ := fields[child.name].([]any); s.parts[place].repeated {
			fields[child.name] = append(list, v)
		} else {
			fields[child.name] = v
		}
	}
	for _, p := range s.parts {
		if _, there := fields[p.name]; p.required && !there {
			return nil, e.problem("Required field is missing: %s", p.name)
		}
	}
	return fields, nil
}

// decode reads a whole file into v, and returns its element.
func (s *shape) decode(file []byte, v any) (*element, error) {
	root, err := readElement(file)
	if err != nil {
		return nil, err
	}
	if root.name != s.name {
		return nil, root.problem("Error parsing file: Element %s is not a %s", root.name, s.name)
	}
	return root, s.fill(root, v)
}

// fill reads an element into v.
func (s *shape) fill(e *element, v any) error {
	fields, err := s.read(e)
	if err != nil {
		return err
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func (s *shape) readText(e *element) (any, error) {
	if len(e.children) > 0 {
		first := e.children[0]
		return nil, first.problem("Error parsing file: Element {%s}%s invalid at this location in type %s", metadataSpace, first.name, orElse(s.name, "xsd:string"))
	}
	text := strings.TrimSpace(e.text)
	switch s.text {
	case booleanText:
		switch text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, e.problem("Error parsing file: '%s' is not a valid value for the type xsd:boolean", text)
	case integerText:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, e.problem("Error parsing file: '%s' is not a valid value for the type xsd:int", text)
		}
		return n, nil
	case numberText:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n-n != 0 { // a number that is none, or has no end, is no JSON
			return nil, e.problem("Error parsing file: '%s' is not a valid value for the type xsd:double", text)
		}
		return n, nil
	case enumeration:
		if !slices.Contains(s.among, text) {
			return nil, e.problem("'%s' is not a valid value for the enum '%s'", text, s.name)
		}
	}
	return text, nil
}
