package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // Lambda's image has no time zones

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/doctor"
)

//go:embed templates
var templateFiles embed.FS

// pages holds every page by file name: each with the layout and the parts that pages share.
var pages = sync.OnceValue(func() map[string]*template.Template {
	functions := template.FuncMap{
		"number": number, "duration": duration, "about": about, "plural": plural, "total": total, "link": link, "list": list, "meter": meter,
		"worst": worst, "level": func(l doctor.Level) badge { return findingLevels[l] },
		"part":     func(data any) view { return view{Data: data} },
		"outcomes": func() []outcomeWord { return outcomeWords }, "importState": importState, "connectionState": connectionState, "access": access,
		"identifiers": func() []choice { return identifiers }, "events": func() []choice { return events },
		"targets": func() []choice { return targets }, "onlyChoices": func() []choice { return onlyChoices }, "prefixes": func() []choice { return prefixes },
		"targetWords": func(t bridge.Target) [2]string { return targetWords[t] }, "onlyChoice": onlyChoice, "everyWords": everyWords,
		"sentence": sentence, "money": money, "trigger": triggerWordOf, "whoChoices": func() []choice { return whoChoices }, "prompt": promptWords,
		"effectState": effectState, "effectKind": effectKind, "reviewTitle": reviewTitle, "answerOf": answerOf, "dealLink": dealLink, "dealAnswer": dealAnswer, "condition": condition,
		"fieldState": fieldState, "statement": statement, "misfit": misfit, "runWhy": runWhy,
	}
	shared := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err) // not without a fault in the build
	}
	all := map[string]*template.Template{}
	for _, entry := range entries {
		if name := entry.Name(); name != "layout.html" && name != "parts.html" {
			all[name] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, path.Join("templates", name)))
		}
	}
	return all
})

// view is what a template gets. Data is the page's own.
type view struct {
	Title    string
	Section  string // of the navigation, to be marked
	Notice   string // good news, once
	Problems []problem
	Reload   int // seconds after which a browser without scripts loads the page again; 0 for never
	Data     any

	Person  string
	Stopped string // what has to be said about work that stopped
	Assets  string // where static files are
	zone    *time.Location
	now     time.Time
}

// problem is what is wrong with a form's field, or with the whole form if Field is empty.
type problem struct{ Field, Message string }

// problems returns what a person should mend, or err again if it is not theirs to mend here.
func problems(err error, fields ...string) ([]problem, error) {
	message, field := bridge.MessageOf(err)
	if message == "" {
		return nil, err
	}
	for _, known := range fields {
		if field == known {
			return []problem{{field, message}}, nil
		}
	}
	return []problem{{"", message}}, nil
}

// At returns what is wrong with that field, or nil.
func (v view) At(field string) *problem {
	for _, p := range v.Problems {
		if p.Field == field {
			return &p
		}
	}
	return nil
}

// Time shows a moment in the time zone of the browser, or in UTC as long as that is not known.
func (v view) Time(t time.Time) template.HTML { return v.moment(t, "2 Jan 2006, 15:04 MST") }

// Clock is Time without the day if that is today.
func (v view) Clock(t time.Time) template.HTML {
	if y, m, d := t.In(v.zone).Date(); time.Date(y, m, d, 0, 0, 0, 0, v.zone).Equal(midnight(v.now.In(v.zone))) {
		return v.moment(t, "15:04 MST")
	}
	return v.Time(t)
}

func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

func (v view) moment(t time.Time, layout string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	// The zone's name comes from Go's own table, so there is nothing to escape; it is escaped all the same.
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`,
		t.UTC().Format(time.RFC3339), template.HTMLEscapeString(t.In(v.zone).Format(layout))))
}

// Ago says how long ago a moment was, roughly.
func (v view) Ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := v.now.Sub(t); d >= time.Minute {
		return duration(d) + " ago"
	}
	return "just now"
}

// render answers with a page.
func (v *visit) render(status int, name string, data view) {
	data.Person = v.session.Person.Name
	if data.Section != "stopped" { // which says it itself
		data.Stopped = v.stoppedNotice()
	}
	v.execute(status, name, "page", data)
}

// execute answers with a template of a page's file: the page, or a part of it. A template that fails is our fault
// and gives no half page.
func (v *visit) execute(status int, name, part string, data view) {
	data.Assets, data.now, data.zone = "/static/"+assets().version, v.Now(), v.zone()
	var body bytes.Buffer
	if err := pages()[name].ExecuteTemplate(&body, part, data); err != nil {
		panic(fmt.Errorf("render %s: %w", name, err)) // caught at the edge, which answers 500
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body.Bytes()) // a browser that hung up needs no answer
}

// zone is what the browser's script has put into a cookie: the name of the person's time zone.
func (v *visit) zone() *time.Location {
	cookie, err := v.r.Cookie("tz")
	if err != nil {
		return time.UTC
	}
	name := strings.ReplaceAll(cookie.Value, "%2F", "/")
	if zone, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		return zone
	}
	return time.UTC
}

// Zone names the time zone of the page's times.
func (v view) Zone() string {
	if v.zone == time.UTC {
		return "UTC"
	}
	return strings.ReplaceAll(v.zone.String(), "_", " ")
}

// link is an entry of the navigation.
func link(section, name, to, label string) (l struct {
	To, Label string
	Here      bool
}) {
	l.To, l.Label, l.Here = to, label, section == name
	return l
}

// list hands a page's imports to the part that shows them.
func list(v view, rows []importRow) (l struct {
	View view
	Rows []importRow
}) {
	l.View, l.Rows = v, rows
	return l
}

// meter lays out how much of an hour's calls is used.
func meter(v view, s budget.State, limit int) (m struct {
	Used, Limit, Width int
	Words              template.HTML
}) {
	m.Used, m.Limit = s.Used, limit
	m.Width = min(1000, 1000*s.Used/max(1, limit))
	switch {
	case !s.ClosedUntil.IsZero():
		m.Words = "ReferralHero asked us to wait. We call again at " + v.Clock(s.ClosedUntil) + "."
	case s.Left == 0 && !s.NextAt.IsZero():
		m.Words = "All used. The next calls are free at " + v.Clock(s.NextAt) + "."
	default:
		m.Words = template.HTML(plural(s.Left, "call is", "calls are") + " left for imports.")
	}
	return m
}

// number writes n with commas between thousands.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural picks the word for n things.
func plural(n int, one, many string) string {
	if n == 1 {
		return number(n) + " " + one
	}
	return number(n) + " " + many
}

// about says how long something will take, in a sentence.
func about(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return "about " + duration(d)
}

// duration says how long something takes, in at most two units.
func duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "no time"
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return plural(int((d+30*time.Second)/time.Minute), "minute", "minutes")
	case d < 48*time.Hour:
		hours, minutes := int(d/time.Hour), int(d%time.Hour/time.Minute)
		if minutes == 0 {
			return plural(hours, "hour", "hours")
		}
		return plural(hours, "hour", "hours") + " " + plural(minutes, "minute", "minutes")
	default:
		days, hours := int(d/(24*time.Hour)), int(d%(24*time.Hour)/time.Hour)
		if hours == 0 {
			return plural(days, "day", "days")
		}
		return plural(days, "day", "days") + " " + plural(hours, "hour", "hours")
	}
}
