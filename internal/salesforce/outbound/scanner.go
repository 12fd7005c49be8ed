package outbound

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner goes over XML in UTF-8 of which it knows a part: elements, attributes, text and references to characters.
// Everything else is refused. Its errors are Reasons. After one it must not be used.
type scanner struct {
	text     string
	at       int // the next byte
	depth    int // open elements
	elements int // so far
	bindings []binding
	marked   bool // "]]>" is somewhere, and must not be in text
}

// binding says what a prefix means inside the element of a depth.
type binding struct {
	prefix, space string
	depth         int
}

// element is a start tag that was read.
type element struct {
	name         string // with its prefix
	space, local string
	empty        bool // it is its own end tag
	null         bool // xsi:nil
}

func (e element) is(space, local string) bool { return e.local == local && e.space == space }

type attribute struct{ name, value string }

// newScanner stands behind the byte order mark and the XML declaration, if there are any.
func newScanner(text string) (*scanner, error) {
	text = strings.TrimPrefix(text, "\uFEFF")
	if !utf8.ValidString(text) || strings.Contains(text, "\uFFFE") || strings.Contains(text, "\uFFFF") {
		return nil, Characters
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return nil, Characters
		}
	}
	s := &scanner{text: text, bindings: make([]binding, 0, mostAttributes), marked: strings.Contains(text, "]]>")}
	return s, s.declaration()
}

// declaration reads <?xml version="1.0" encoding="UTF-8" standalone="yes"?>, of which all but the version may be missing.
func (s *scanner) declaration() error {
	const begin, end = "<?xml", "?>"
	if !strings.HasPrefix(s.text, begin) || len(s.text) == len(begin) || !isBlank(s.text[len(begin)]) {
		return nil
	}
	s.at = len(begin)
	for parts := []string{"version", "encoding", "standalone"}; ; {
		apart := s.blank()
		if strings.HasPrefix(s.text[s.at:], end) {
			s.at += len(end)
			if len(parts) == 3 {
				return Declaration
			}
			return nil
		}
		a, err := s.attribute()
		if err != nil {
			return err
		}
		i := slices.Index(parts, a.name)
		switch {
		case !apart, i < 0, i > 0 && len(parts) == 3,
			a.name == "version" && a.value != "1.0",
			a.name == "encoding" && !strings.EqualFold(a.value, "UTF-8"),
			a.name == "standalone" && a.value != "yes" && a.value != "no":
			return Declaration
		}
		parts = parts[i+1:]
	}
}

// root reads the start tag of the outermost element.
func (s *scanner) root() (element, error) {
	s.blank()
	if s.at == len(s.text) {
		return element{}, Truncated
	}
	if s.text[s.at] != '<' {
		return element{}, Text
	}
	return s.start()
}

// finish refuses whatever follows the outermost element.
func (s *scanner) finish() error {
	s.blank()
	if s.at < len(s.text) {
		return Trailing
	}
	return nil
}

// only reads the content of an element that must have one child, of the given name, and nothing else.
func (s *scanner) only(parent element, space, local string, read func(element) error) error {
	found := false
	err := s.children(parent, func(child element) error {
		switch {
		case !child.is(space, local):
			return Structure
		case found:
			return Duplicate
		}
		found = true
		return read(child)
	})
	if err == nil && !found {
		return Structure
	}
	return err
}

// children gives each child of an element to read, which must read it to its end, and then reads the element's end tag.
func (s *scanner) children(parent element, read func(element) error) error {
	if parent.empty {
		s.leave()
		return nil
	}
	for {
		s.blank()
		switch {
		case s.at == len(s.text):
			return Truncated
		case s.text[s.at] != '<':
			return Text
		case strings.HasPrefix(s.text[s.at:], "</"):
			return s.end(parent)
		}
		child, err := s.start()
		if err != nil {
			return err
		}
		if err := read(child); err != nil {
			return err
		}
	}
}

// leaf reads the text of an element that has no children, and its end tag.
func (s *scanner) leaf(e element) (string, error) {
	if e.empty {
		s.leave()
		return "", nil
	}
	raw, err := s.run()
	if err != nil {
		return "", err
	}
	value, err := decode(raw)
	if err != nil {
		return "", err
	}
	if e.null && value != "" {
		return "", Structure
	}
	switch r := s.foreign(); {
	case r != "":
		return "", r
	case !strings.HasPrefix(s.text[s.at:], "</"):
		return "", Structure
	}
	return value, s.end(e)
}

// skip reads the content of an element that does not matter, and its end tag. It has to be well-formed all the same.
func (s *scanner) skip(e element) error {
	if e.empty {
		s.leave()
		return nil
	}
	for {
		raw, err := s.run()
		if err != nil {
			return err
		}
		if _, err := decode(raw); err != nil {
			return err
		}
		if strings.HasPrefix(s.text[s.at:], "</") {
			return s.end(e)
		}
		child, err := s.start()
		if err != nil {
			return err
		}
		if err := s.skip(child); err != nil {
			return err
		}
	}
}

// run returns the text up to the next "<", as it is written.
func (s *scanner) run() (string, error) {
	n := strings.IndexByte(s.text[s.at:], '<')
	if n < 0 {
		return "", Truncated
	}
	raw := s.text[s.at : s.at+n]
	switch {
	case n > longestText:
		return "", Limit
	case s.marked && strings.Contains(raw, "]]>"):
		return "", Text
	}
	s.at += n
	return raw, nil
}

// foreign says what stands at "<" if it is no tag, or returns "".
func (s *scanner) foreign() Reason {
	rest := s.text[s.at:]
	switch {
	case rest == "<":
		return Truncated
	case rest[1] == '?':
		return Instruction
	case rest[1] != '!':
		return ""
	case strings.HasPrefix(rest, "<!--"):
		return Comment
	case strings.HasPrefix(rest, "<![CDATA["):
		return CDATA
	default:
		return Doctype
	}
}

// start reads a start tag, at "<".
func (s *scanner) start() (element, error) {
	if r := s.foreign(); r != "" {
		return element{}, r
	}
	s.at++
	name, err := s.name()
	if err != nil {
		return element{}, err
	}
	s.depth++
	s.elements++
	if s.depth > deepest || s.elements > mostElements {
		return element{}, Limit
	}
	e := element{name: name}
	if strings.HasPrefix(s.text[s.at:], ">") { // as nearly all do
		s.at++
	} else if err := s.attributes(&e); err != nil {
		return element{}, err
	}
	var known bool
	if e.space, e.local, known = s.expand(name); !known {
		return element{}, Namespace
	}
	return e, nil
}

// attributes reads the rest of a start tag.
func (s *scanner) attributes(e *element) error {
	var list [mostAttributes]attribute
	found := list[:0]
	for {
		apart := s.blank()
		rest := s.text[s.at:]
		switch {
		case rest == "":
			return Truncated
		case rest[0] == '>':
			s.at++
			return s.resolve(e, found)
		case strings.HasPrefix(rest, "/>"):
			s.at += len("/>")
			e.empty = true
			return s.resolve(e, found)
		case !apart:
			return Tag
		case len(found) == mostAttributes:
			return Limit
		}
		a, err := s.attribute()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(other attribute) bool { return other.name == a.name }) {
			return Duplicate
		}
		found = append(found, a)
		if err := s.bind(a); err != nil {
			return err
		}
	}
}

// attribute reads name="value". Values hold no references and no line breaks: Salesforce writes none.
func (s *scanner) attribute() (attribute, error) {
	name, err := s.name()
	if err != nil {
		return attribute{}, err
	}
	s.blank()
	if !strings.HasPrefix(s.text[s.at:], "=") {
		return attribute{}, s.short()
	}
	s.at++
	s.blank()
	if rest := s.text[s.at:]; rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return attribute{}, s.short()
	}
	quote := s.text[s.at]
	s.at++
	n := strings.IndexByte(s.text[s.at:], quote)
	if n < 0 {
		return attribute{}, Truncated
	}
	value := s.text[s.at : s.at+n]
	switch {
	case n > longestText:
		return attribute{}, Limit
	case strings.ContainsAny(value, "<&\t\r\n"):
		return attribute{}, Tag
	}
	s.at += n + 1
	return attribute{name, value}, nil
}

// bind notes what a prefix means from here on, if that is what the attribute says.
func (s *scanner) bind(a attribute) error {
	prefix, declares := strings.CutPrefix(a.name, "xmlns:")
	if !declares {
		if a.name != "xmlns" {
			return nil
		}
		prefix = ""
	}
	if prefix == "xml" || prefix == "xmlns" || a.value == xmlSpace || a.value == xmlnsSpace || declares && a.value == "" {
		return Namespace
	}
	s.bindings = append(s.bindings, binding{prefix, a.value, s.depth})
	return nil
}

// resolve finds out what the prefixes of attributes mean, once all declarations of their tag are known.
func (s *scanner) resolve(e *element, attributes []attribute) error {
	var expanded [mostAttributes]struct{ space, local string }
	for i, a := range attributes {
		if !strings.Contains(a.name, ":") || strings.HasPrefix(a.name, "xmlns:") {
			continue // of no namespace, whatever the default is
		}
		x := &expanded[i]
		var known bool
		if x.space, x.local, known = s.expand(a.name); !known {
			return Namespace
		}
		if slices.Contains(expanded[:i], *x) {
			return Duplicate // one name by two prefixes
		}
		if x.space != schemaSpace || x.local != "nil" {
			continue
		}
		switch a.value {
		case "true", "1":
			e.null = true
		case "false", "0":
		default:
			return Tag
		}
	}
	return nil
}

// expand splits a name and says what its prefix means here.
func (s *scanner) expand(name string) (space, local string, known bool) {
	prefix, local, prefixed := strings.Cut(name, ":")
	if !prefixed {
		prefix, local = "", name
	}
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if s.bindings[i].prefix == prefix {
			return s.bindings[i].space, local, true
		}
	}
	if prefix == "xml" {
		return xmlSpace, local, true
	}
	return "", local, !prefixed
}

// end reads the end tag of e, at "</".
func (s *scanner) end(e element) error {
	s.at += len("</")
	rest, fits := strings.CutPrefix(s.text[s.at:], e.name)
	if !fits {
		if strings.HasPrefix(e.name, s.text[s.at:]) {
			return Truncated
		}
		return Tag
	}
	s.at = len(s.text) - len(rest)
	s.blank()
	if !strings.HasPrefix(s.text[s.at:], ">") {
		return s.short()
	}
	s.at++
	s.leave()
	return nil
}

// leave forgets what an element declared.
func (s *scanner) leave() {
	for n := len(s.bindings); n > 0 && s.bindings[n-1].depth == s.depth; n = len(s.bindings) {
		s.bindings = s.bindings[:n-1]
	}
	s.depth--
}

// name reads a name, with or without a prefix. Salesforce's have only letters, digits and "_"; some of XML's other characters are
// let through, and none beyond ASCII.
func (s *scanner) name() (string, error) {
	begin, part, colons := s.at, s.at, 0
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			continue
		case s.at > part && (c >= '0' && c <= '9' || c == '-' || c == '.'):
			continue
		case s.at > part && c == ':' && colons == 0:
			colons++
			part = s.at + 1
			continue
		}
		break
	}
	switch {
	case s.at == part:
		return "", s.short()
	case s.at-begin > longestName:
		return "", Limit
	}
	return s.text[begin:s.at], nil
}

// blank passes white space, and reports whether there was any.
func (s *scanner) blank() bool {
	begin := s.at
	for s.at < len(s.text) && isBlank(s.text[s.at]) {
		s.at++
	}
	return s.at > begin
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// short is what is wrong with a tag that does not go on as it should.
func (s *scanner) short() Reason {
	if s.at == len(s.text) {
		return Truncated
	}
	return Tag
}

// decode returns text as it is meant: with its references resolved and its line breaks as XML has them.
func decode(raw string) (string, error) {
	if strings.IndexByte(raw, '&') < 0 && strings.IndexByte(raw, '\r') < 0 { // quicker than to look for both
		return raw, nil
	}
	var b strings.Builder
	b.Grow(len(raw))
	for raw != "" {
		n := strings.IndexAny(raw, "&\r")
		if n < 0 {
			n = len(raw)
		}
		b.WriteString(raw[:n])
		raw = raw[n:]
		switch {
		case raw == "":
		case raw[0] == '\r':
			b.WriteByte('\n')
			raw = strings.TrimPrefix(raw[1:], "\n")
		default:
			name, rest, ended := strings.Cut(raw[1:], ";")
			r, ok := character(name)
			if !ended || !ok {
				return "", Reference
			}
			b.WriteRune(r)
			raw = rest
		}
	}
	return b.String(), nil
}

// character returns what a reference stands for.
func character(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, numeric := strings.CutPrefix(name, "#")
	base := 10
	if hexadecimal, is := strings.CutPrefix(digits, "x"); is {
		digits, base = hexadecimal, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	r := rune(n)
	ok := numeric && err == nil && utf8.ValidRune(r) && r != 0xFFFE && r != 0xFFFF &&
		(r >= ' ' || r == '\t' || r == '\n' || r == '\r')
	return r, ok
}
