// Package browser is a browser without a window: it keeps cookies, follows redirects and fills in the
// forms that it finds on a page, so that a program can walk the same way through the product as a
// person does.
package browser

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Page is what a browser shows.
type Page struct {
	URL    *url.URL
	Status int
	Title  string
	Text   string // all text, with single spaces
	Forms  []Form
	Links  []Link
	Data   map[string]string   // data-* attributes by name without "data-"; the first of a name counts
	Marked map[string]string   // texts of elements with a data-* attribute, by "name=value"; the first counts
	Alerts []string            // texts of elements with role=alert
	Lines  []map[string]string // the data-* attributes of each element that has some, in their order
}

// Link is a link of a page.
type Link struct{ Text, Href string }

// Form is a form of a page with the values that it would send if nobody touched it.
type Form struct {
	ID, Method, Action string
	Values             url.Values
	Buttons            []Button
}

// Button is a submit button with a name.
type Button struct{ Name, Value string }

// Form returns the form whose id or whose action's path is name.
func (p *Page) Form(name string) (Form, error) {
	for _, f := range p.Forms {
		action, err := url.Parse(f.Action)
		if err == nil && (f.ID == name || action.Path == name) {
			return f, nil
		}
	}
	known := make([]string, len(p.Forms))
	for i, f := range p.Forms {
		known[i] = fmt.Sprintf("#%s %s", f.ID, f.Action)
	}
	return Form{}, fmt.Errorf("%s has no form %q, only %q", p.URL.Path, name, known)
}

// parse reads HTML that is well-formed enough to be read as loose XML, which our pages and those of
// the simulators are.
func parse(r io.Reader) (*Page, error) {
	decoder := xml.NewDecoder(r)
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	reader := reader{page: &Page{Data: map[string]string{}, Marked: map[string]string{}}}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			reader.page.Text = strings.Join(strings.Fields(reader.text.String()), " ")
			return reader.page, nil
		}
		if err != nil {
			return nil, fmt.Errorf("page not readable: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			reader.open(token)
		case xml.EndElement:
			reader.close()
		case xml.CharData:
			reader.characters(string(token))
		}
	}
}

// reader walks over a page.
type reader struct {
	page   *Page
	text   strings.Builder
	stack  []element
	form   *Form
	choice *choice // the select that we are in
	option *option // the option that we are in
}

// element is one that is open; done, if there is one, gets its text when it ends.
type element struct {
	name string
	text *strings.Builder
	done func(text string)
}

type choice struct {
	name string
	some bool // had an option already
}

type option struct {
	value    *string
	selected bool
}

func (r *reader) open(start xml.StartElement) {
	attributes := map[string]string{}
	var marks []string
	line := map[string]string{}
	for _, a := range start.Attr {
		name := strings.ToLower(a.Name.Local)
		attributes[name] = a.Value
		if data, ok := strings.CutPrefix(name, "data-"); ok {
			if _, taken := r.page.Data[data]; !taken {
				r.page.Data[data] = a.Value
			}
			marks = append(marks, data+"="+a.Value)
			line[data] = a.Value
		}
	}
	if len(line) > 0 {
		r.page.Lines = append(r.page.Lines, line)
	}
	e := element{name: strings.ToLower(start.Name.Local)}
	listen := func(done func(string)) { e.text, e.done = &strings.Builder{}, done }
	switch e.name {
	case "title":
		listen(func(text string) { r.page.Title = text })
	case "a":
		href := attributes["href"]
		listen(func(text string) { r.page.Links = append(r.page.Links, Link{text, href}) })
	case "form":
		method := strings.ToUpper(attributes["method"])
		if method == "" {
			method = "GET"
		}
		r.page.Forms = append(r.page.Forms, Form{ID: attributes["id"], Method: method, Action: attributes["action"], Values: url.Values{}})
		r.form = &r.page.Forms[len(r.page.Forms)-1]
	case "input", "button":
		r.input(e.name, attributes)
	case "select":
		r.choice = &choice{name: attributes["name"]}
	case "option":
		_, selected := attributes["selected"]
		r.option = &option{selected: selected}
		if value, ok := attributes["value"]; ok {
			r.option.value = &value
		}
		listen(r.chosen)
	case "textarea":
		name, form := attributes["name"], r.form
		listen(func(text string) {
			if form != nil && name != "" {
				form.Values.Set(name, text)
			}
		})
	}
	if attributes["role"] == "alert" && e.done == nil {
		listen(func(text string) { r.page.Alerts = append(r.page.Alerts, text) })
	}
	if len(marks) > 0 && e.done == nil {
		listen(func(text string) {
			for _, mark := range marks {
				if _, taken := r.page.Marked[mark]; !taken {
					r.page.Marked[mark] = text
				}
			}
		})
	}
	r.stack = append(r.stack, e)
}

func (r *reader) input(element string, attributes map[string]string) {
	name, kind := attributes["name"], strings.ToLower(attributes["type"])
	_, disabled := attributes["disabled"]
	if r.form == nil || name == "" || disabled {
		return
	}
	value := attributes["value"]
	_, checked := attributes["checked"]
	switch {
	case element == "button" || kind == "submit":
		r.form.Buttons = append(r.form.Buttons, Button{name, value})
	case kind == "checkbox" || kind == "radio":
		if value == "" {
			value = "on"
		}
		if checked {
			r.form.Values.Add(name, value)
		}
	default:
		r.form.Values.Add(name, value)
	}
}

// chosen ends an option: the first one counts unless another is selected.
func (r *reader) chosen(text string) {
	if r.choice == nil || r.option == nil || r.form == nil || r.choice.name == "" {
		return
	}
	value := text
	if r.option.value != nil {
		value = *r.option.value
	}
	if r.option.selected || !r.choice.some {
		r.form.Values.Set(r.choice.name, value)
	}
	r.choice.some = true
}

func (r *reader) close() {
	if len(r.stack) == 0 {
		return
	}
	e := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	if e.done != nil {
		e.done(strings.Join(strings.Fields(e.text.String()), " "))
	}
	switch e.name {
	case "form":
		r.form = nil
	case "select":
		r.choice = nil
	case "option":
		r.option = nil
		r.characters(" ")
	case "p", "div", "li", "td", "th", "h1", "h2", "h3", "dt", "dd", "label", "button":
		r.characters(" ")
	}
}

func (r *reader) characters(text string) {
	if len(r.stack) > 0 && r.stack[len(r.stack)-1].name == "title" {
		r.stack[len(r.stack)-1].text.WriteString(text)
		return
	}
	r.text.WriteString(text)
	for _, e := range r.stack {
		if e.text != nil {
			e.text.WriteString(text)
		}
	}
}
