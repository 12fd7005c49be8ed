package referralhero

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// parameters are those of the query and of the body, merged as Rails does: the body wins. Unknown ones are
// ignored; one of the wrong type is remembered as wrong, so that a handler checks once after reading all.
type parameters struct {
	values map[string]any
	wrong  string
}

var errBody = refuse("invalid_parameter", "The body cannot be read")

// readParameters reads the query of r and its body, which is JSON or a form as its Content-Type says.
// A body without either type is ignored; of one that cannot be read, only the query remains.
func readParameters(r *http.Request, body []byte) (*parameters, error) {
	p := &parameters{values: map[string]any{}}
	p.merge(r.URL.Query())
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
	case kind == "application/json":
		var object map[string]any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&object); err != nil { // null is no parameters
			return p, errBody
		}
		if _, err := decoder.Token(); err != io.EOF {
			return p, errBody
		}
		for name, value := range object {
			p.values[name] = value
		}
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return p, errBody
		}
		p.merge(form)
	}
	return p, nil
}

func (p *parameters) merge(values url.Values) {
	for name, list := range values {
		if plain, isList := strings.CutSuffix(name, "[]"); isList {
			texts := make([]any, len(list))
			for i, text := range list {
				texts[i] = text
			}
			p.values[plain] = texts
		} else {
			p.values[name] = list[len(list)-1]
		}
	}
}

// has reports whether a parameter was given, and not as null.
func (p *parameters) has(name string) bool { return p.values[name] != nil }

// text returns a text, trimmed. It is empty if it was not given.
func (p *parameters) text(name string) string {
	value, ok := p.values[name].(string)
	if !ok && p.has(name) {
		p.wrong = name
	}
	return strings.TrimSpace(value)
}

// number returns a number, given as such or as text, or 0.
func (p *parameters) number(name string) float64 {
	var text string
	switch value := p.values[name].(type) {
	case nil:
		return 0
	case json.Number:
		text = value.String()
	case string:
		text = strings.TrimSpace(value)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		p.wrong = name
		return 0
	}
	return n
}

// integer returns a whole number of a sensible size, or 0.
func (p *parameters) integer(name string) int {
	n := p.number(name)
	if n != math.Trunc(n) || math.Abs(n) > 1e9 {
		p.wrong = name
		return 0
	}
	return int(n)
}

// boolean returns a boolean, given as such or as text, or fallback if it was not given.
func (p *parameters) boolean(name string, fallback bool) bool {
	switch value := p.values[name].(type) {
	case nil:
		return fallback
	case bool:
		return value
	case string:
		if b, err := strconv.ParseBool(value); err == nil {
			return b
		}
	}
	p.wrong = name
	return fallback
}

// texts returns a list of texts. One text alone is a list of one.
func (p *parameters) texts(name string) []string {
	switch value := p.values[name].(type) {
	case nil:
		return nil
	case string:
		return []string{value}
	case []any:
		list := make([]string, 0, len(value))
		for _, element := range value {
			text, ok := element.(string)
			if !ok {
				p.wrong = name
				return nil
			}
			list = append(list, text)
		}
		return list
	}
	p.wrong = name
	return nil
}

// err refuses the call if a parameter had the wrong type.
func (p *parameters) err() error {
	if p.wrong == "" {
		return nil
	}
	return refuse("invalid_parameter", "The parameter "+p.wrong+" has the wrong type")
}
