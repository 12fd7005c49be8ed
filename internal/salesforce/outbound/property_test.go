package outbound

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// TestEveryGenuineEnvelopeIsAccepted writes envelopes in all the ways that mean the same: with any prefixes, white space,
// order, unknown elements and references.
func TestEveryGenuineEnvelopeIsAccepted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Envelope{Organization: anyID("00D").Draw(t, "organization"), Action: anyID("04k").Draw(t, "action")}
		for range rapid.IntRange(1, 5).Draw(t, "notifications") {
			want.Notifications = append(want.Notifications, Notification{
				ID: anyID("04l").Draw(t, "id"), Record: anyID("006").Draw(t, "record"),
				Stage:    rapid.StringOfN(rapid.RuneFrom([]rune("aZ 09&<>\"'ü€🎉\n\t]")), 0, 20, -1).Draw(t, "stage"),
				Amount:   rapid.SampledFrom([]string{"", "0.0", "-1250.0", "1.0E7"}).Draw(t, "amount"),
				Modified: time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "modified"), 0).UTC(),
			})
		}
		text := writer{t}.envelope(want)
		got, err := Parse(strings.NewReader(text))
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Fatalf("%v, got - want +\n%s\n%s", err, diff, text)
		}
	})
}

func anyID(prefix string) *rapid.Generator[bridge.SalesforceID] {
	return rapid.Custom(func(t *rapid.T) bridge.SalesforceID {
		id, _ := bridge.ParseSalesforceID(prefix + rapid.StringMatching(`[0-9A-Za-z]{12}`).Draw(t, "id"))
		return id
	})
}

// writer draws how to write what may be written in several ways.
type writer struct{ *rapid.T }

func (w writer) one(of ...string) string { return rapid.SampledFrom(of).Draw(w.T, "choice") }

func (w writer) blank() string { return w.one("", "", " ", "\n", "\r\n\t") }

// prefix declares a namespace: by a prefix that is returned with its colon, or as the default.
func (w writer) prefix(space string, names ...string) (prefix, declaration string) {
	quote := w.one(`"`, "'")
	name := w.one(names...)
	if name == "" {
		return "", "xmlns=" + quote + space + quote
	}
	return name + ":", "xmlns:" + name + w.one("=", " = ") + quote + space + quote
}

// mixed puts parts into any order, with white space and elements between them that nobody knows.
func (w writer) mixed(parts ...string) string {
	order := rapid.Permutation(parts).Draw(w.T, "order")
	if rapid.Bool().Draw(w.T, "unknown") {
		at := rapid.IntRange(0, len(order)).Draw(w.T, "at")
		order = slices.Insert(order, at, w.one(`<u:x xmlns:u="urn:unknown"/>`, `<u:Id xmlns:u="urn:unknown">&amp;<u:y>z</u:y></u:Id>`))
	}
	var b strings.Builder
	for _, part := range order {
		b.WriteString(w.blank() + part)
	}
	return b.String() + w.blank()
}

func (w writer) leaf(prefix, name, value string) string {
	return fmt.Sprintf("<%s%s%s>%s</%[1]s%[2]s%s>", prefix, name, w.one("", " "), w.escape(value), w.one("", "\n"))
}

func (w writer) escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '&':
			b.WriteString(w.one("&amp;", "&#38;"))
		case r == '<':
			b.WriteString(w.one("&lt;", "&#x3c;"))
		case r == '>':
			b.WriteString("&gt;")
		case rapid.IntRange(0, 9).Draw(w.T, "reference") == 0:
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (w writer) envelope(e Envelope) string {
	soap, soapIs := w.prefix(soapSpace, "soapenv", "S", "")
	ours, oursIs := w.prefix(space, "n", "om", "")
	parts := []string{w.leaf(ours, "OrganizationId", string(e.Organization)), w.leaf(ours, "ActionId", string(e.Action))}
	switch w.one("nil", "empty", "absent") {
	case "nil":
		parts = append(parts, "<"+ours+`SessionId xmlns:xsi="`+schemaSpace+`" xsi:nil="true"/>`)
	case "empty":
		parts = append(parts, w.leaf(ours, "SessionId", ""))
	}
	// Notifications keep their order among themselves.
	var notifications strings.Builder
	for _, n := range e.Notifications {
		prefixes := []string{"sf", "o"}
		if ours != "" { // or the record's own element would be of its fields' namespace
			prefixes = append(prefixes, "")
		}
		record, recordIs := w.prefix(recordSpace, prefixes...)
		notifications.WriteString("<" + ours + "Notification>" + w.mixed(
			w.leaf(ours, "Id", string(n.ID)),
			"<"+ours+"sObject "+recordIs+">"+w.mixed(
				w.leaf(record, "Id", string(n.Record)), w.leaf(record, "StageName", n.Stage), w.leaf(record, "Amount", n.Amount),
				w.leaf(record, "LastModifiedDate", n.Modified.Format("2006-01-02T15:04:05.000Z")), w.leaf(record, "Name", "Deal"),
			)+"</"+ours+"sObject>",
		) + "</" + ours + "Notification>" + w.blank())
	}
	parts = append(parts, notifications.String())
	return w.one("", "\uFEFF") + w.one("", `<?xml version="1.0" encoding="UTF-8"?>`, "<?xml version='1.0'?>") + w.blank() +
		"<" + soap + "Envelope " + soapIs + ">" + w.blank() + "<" + soap + "Body>" + w.blank() +
		"<" + ours + "notifications " + oursIs + ">" + w.mixed(parts...) + "</" + ours + "notifications>" + w.blank() +
		"</" + soap + "Body>" + w.blank() + "</" + soap + "Envelope>" + w.blank()
}
