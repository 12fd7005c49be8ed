package salesforce

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// known are layouts with all fields, of an org with person accounts.
func known() map[string]bridge.Layout {
	layout := bridge.Layout{Visible: bridge.EveryField, Persons: true}
	for i, f := range bridge.Fields {
		layout.Names[i] = "RH_" + f.Name + "__c"
	}
	return map[string]bridge.Layout{"Contact": layout, "Lead": layout}
}

// drawnText is what people write: all of Unicode, and what trips software up.
func drawnText(t *rapid.T, label string) string {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `\`, "\x00", "\n", "\r\n", "#N/A", "a,b", "\xff", "@{a.b}", "</script>", "é\u2028"})).Draw(t, label)
}

func drawnChange(t *rapid.T) bridge.Change {
	c := bridge.Change{
		Target: rapid.SampledFrom([]bridge.Target{bridge.ToContact, bridge.ToLead, bridge.ToPersonAccount}).Draw(t, "target"),
		Fields: bridge.FieldSet(rapid.Uint16Max(uint16(bridge.EveryField)).Draw(t, "fields")),
	}
	for i, field := range bridge.Fields {
		c.Values[i] = drawnText(t, field.Name)
		if field.Type == bridge.NumberField {
			c.Values[i] = rapid.StringMatching(`(-?(0|[1-9][0-9]{0,17}))?`).Draw(t, field.Name)
		}
	}
	if c.ID = bridge.SalesforceID(rapid.SampledFrom([]string{"", "0035g00000QwErTAAV"}).Draw(t, "id")); c.ID == "" {
		c.Values[bridge.SubscriberKey] = "sub_" + drawnText(t, "key")
		c.Person = &bridge.NewPerson{FirstName: drawnText(t, "first"), LastName: drawnText(t, "last"), Email: drawnText(t, "email")}
	}
	return c
}

// TestWhatIsWrittenIsWhatWasMeant: whatever people write, the collection is JSON that says exactly that.
func TestWhatIsWrittenIsWhatWasMeant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := newEncoder(known())
		c := drawnChange(t)
		if err := e.check("op", c); err != nil {
			t.Fatalf("check: %v", err)
		}
		var got struct{ Records []map[string]any }
		d := json.NewDecoder(bytes.NewReader(e.appendCollection(nil, []bridge.Change{c}, []int{0})))
		d.UseNumber()
		if err := d.Decode(&got); err != nil || len(got.Records) != 1 {
			t.Fatalf("%d records, %v", len(got.Records), err)
		}
		f := e.forms[c.Target]
		want := map[string]any{"attributes": map[string]any{"type": f.object}}
		set := func(name, value string) {
			if value != "" {
				want[name] = strings.ToValidUTF8(value, "\uFFFD")
			}
		}
		set("id", string(c.ID))
		if c.Person != nil {
			set("FirstName", c.Person.FirstName)
			set("LastName", c.Person.LastName)
			set(f.email, c.Person.Email)
		}
		for i, field := range bridge.Fields {
			if !c.Fields.Has(i) && (i != bridge.SubscriberKey || c.ID != "") {
				continue
			}
			want[f.names[i]] = nil
			if set(f.names[i], c.Values[i]); field.Type == bridge.NumberField && c.Values[i] != "" {
				want[f.names[i]] = json.Number(c.Values[i])
			}
		}
		for name, v := range want { // a run of bad bytes is one mark for strings.ToValidUTF8, and several for us
			if text, is := v.(string); is && strings.Contains(text, "\uFFFD") {
				delete(want, name)
				delete(got.Records[0], name)
			}
		}
		if !reflect.DeepEqual(got.Records[0], want) {
			t.Fatalf("%v\nwant %v", got.Records[0], want)
		}
	})
}

func FuzzOutcomes(f *testing.F) {
	f.Add([]byte(`[{"id":"0035g00000QwErTAAV","success":true,"errors":[],"created":true},{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"m","fields":["LastName"]}]}]`), 200)
	f.Add([]byte(`[{"errorCode":"INVALID_FIELD","message":"m"}]`), 400)
	f.Add([]byte(`[{"success":true},{"success":false}]`), 200)
	f.Add([]byte(`null`), 200)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		changes := []bridge.Change{{ID: "0035g00000QwErTAAV"}, {}}
		for _, method := range []string{http.MethodPatch, http.MethodPost} {
			results := make([]bridge.Written, 2)
			collection{method: method, of: []int{0, 1}}.take("op", partAnswer{Status: status, Body: body}, changes, results)
			for i, w := range results {
				switch {
				case w.Err == nil && w.ID == "":
					t.Errorf("result %d has neither an id nor an error", i)
				case w.Err != nil && bridge.KindOf(w.Err) == "":
					t.Errorf("result %d has an error of no kind", i)
				case w.Err == nil && status >= 300:
					t.Errorf("result %d succeeded at %d", i, status)
				}
			}
		}
	})
}

func BenchmarkEncodeCollection(b *testing.B) {
	e := newEncoder(known())
	changes := make([]bridge.Change, mostRecords)
	of := make([]int, mostRecords)
	for i := range changes {
		of[i] = i
		changes[i] = bridge.Change{Target: bridge.ToContact, ID: "0035g00000QwErTAAV", Fields: bridge.EveryField, Values: bridge.Values{
			"code", "an extra value", "Ελένη \"quoted\"", "2026-11-03T10:15:30Z", "120", "7", "https://acme.example/?r=code&utm=1", "Ann O'Neil", "None",
			"sub_0123456789ab", "3", "https://acme.example/em?r=code", "https://acme.example/fb?r=code", "https://acme.example/tw?r=code"}}
	}
	body := e.appendCollection(nil, changes, of)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		body = e.appendCollection(body[:0], changes, of)
	}
}
