package syncer

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// anybody is a subscriber as ReferralHero may show one.
func anybody(t *rapid.T) (bridge.Subscriber, time.Time) {
	text := func(name string) string {
		return rapid.OneOf(rapid.String(), rapid.StringN(0, 400, -1), rapid.SampledFrom([]string{"", " ", "\u00a0x ", "👋🏽", strings.Repeat("é", 300)})).Draw(t, name)
	}
	s := bridge.Subscriber{
		ID: bridge.SubscriberID(rapid.StringMatching(`sub_[0-9a-f]{12}`).Draw(t, "id")), Name: text("name"), Email: text("email"), Code: text("code"),
		ExtraField: text("extra"), ExtraField2: text("extra 2"), Points: rapid.Int().Draw(t, "points"), Position: rapid.Int().Draw(t, "position"),
		Link: text("link"), Source: text("source"), PeopleReferred: rapid.IntRange(0, 1<<40).Draw(t, "people"),
		Referrer: bridge.Referral{Name: text("referrer"), Email: text("referrer's address")},
	}
	var last time.Time
	if rapid.Bool().Draw(t, "referred anybody") {
		last = time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "last"), 0)
	}
	return s, last
}

// TestValuesFit says what the fields can hold: what fits stays as it is when it is fitted again, no text is longer than its field, none
// has blanks around it, nothing is cut in the middle of a character, and a time zone makes no difference.
func TestValuesFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, last := anybody(t)
		l := bridge.Layout{Visible: bridge.EveryField}
		if rapid.Bool().Draw(t, "short fields") {
			for i := range l.Lengths {
				l.Lengths[i] = rapid.IntRange(1, 255).Draw(t, "length")
			}
		}
		zone := time.FixedZone("somewhere", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
		if Values(s, last) != Values(s, last.In(zone)) {
			t.Error("a time zone makes a difference")
		}
		v, m := fit(Values(s, last), l)
		if again, more := fit(v, l); again != v || more != (misfits{}) {
			t.Errorf("fitted again %q is %q", v, again)
		}
		for i, f := range bridge.Fields {
			length := f.Length
			if l.Lengths[i] > 0 {
				length = l.Lengths[i]
			}
			if n := utf8.RuneCountInString(v[i]); f.Length > 0 && n > length || v[i] != strings.TrimSpace(v[i]) || !utf8.ValidString(v[i]) && f.Type == bridge.TextField {
				t.Errorf("%s is %q", f.Name, v[i])
			}
			if m.left.Has(i) && (v[i] != "" || m.cut.Has(i)) {
				t.Errorf("%s is left out and is %q, cut: %t", f.Name, v[i], m.cut.Has(i))
			}
			if whole := strings.TrimSpace(strings.ToValidUTF8(Values(s, last)[i], "")); f.Type == bridge.TextField && m.cut.Has(i) != (v[i] != whole) {
				t.Errorf("%s is %q of %q, cut: %t", f.Name, v[i], whole, m.cut.Has(i))
			}
		}
	})
}

// TestPrintsTellValuesApart changes one value, or the set.
func TestPrintsTellValuesApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, last := anybody(t)
		v, _ := fit(Values(s, last), bridge.Layout{})
		set := bridge.FieldSet(rapid.IntRange(0, int(bridge.EveryField)).Draw(t, "set"))
		at := rapid.IntRange(0, bridge.FieldCount-1).Draw(t, "field")
		other := v
		other[at] += "!"
		if differ := print(v, set) != print(other, set); differ != set.Has(at) {
			t.Errorf("the prints of values that differ in %s, of the set %b, differ: %t", bridge.Fields[at].Name, set, differ)
		}
		if print(v, set) == print(v, set.With(at)) != set.Has(at) {
			t.Errorf("the set with %s has the same print", bridge.Fields[at].Name)
		}
	})
}

func TestNumbersAreWhatADoubleHolds(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"0": "0", "-7": "-7", "999999999999999": "999999999999999", "123456789012345678": "123456789012345680", "-123456789012345678": "-123456789012345680",
		"1234567890123456789": "",
	} {
		got, _ := fit(bridge.Values{bridge.Points: number}, bridge.Layout{})
		if got[bridge.Points] != want {
			t.Errorf("%s is kept as %q, want %q", number, got[bridge.Points], want)
		}
	}
}

func FuzzPerson(f *testing.F) {
	f.Add("Ada Byron", "ada@example.org", "+44 20 7946 0000")
	f.Add("", " ", "0")
	f.Add("", "@", strings.Repeat("1", 60))
	f.Add("  \u3000 ", "a b@x.y", "")
	f.Add(strings.Repeat("Wolfeschlegelsteinhausenbergerdorff ", 9), "x@y", "٣")
	f.Fuzz(func(t *testing.T, name, email, phone string) {
		for _, target := range []bridge.Target{bridge.ToContact, bridge.ToLead, bridge.ToPersonAccount} {
			p := person(bridge.Subscriber{Name: name, Email: email, Phone: phone}, Options{Target: target})
			switch {
			case strings.TrimSpace(p.LastName) == "", utf8.RuneCountInString(p.LastName) > 80, utf8.RuneCountInString(p.FirstName) > 40,
				p.Email != "" && !bridge.ValidEmail(bridge.NormalizeEmail(p.Email)), utf8.RuneCountInString(p.Phone) > 40,
				p.Company == "" && target == bridge.ToLead:
				t.Errorf("%q, %q, %q make %+v", name, email, phone, p)
			}
			if utf8.ValidString(name+email) && !utf8.ValidString(p.FirstName+p.LastName) {
				t.Errorf("%q is cut in the middle of a character: %+v", name, p)
			}
		}
	})
}

// BenchmarkCompare works out what the fields of 50,000 subscribers are to hold, and their fingerprints.
func BenchmarkCompare(b *testing.B) {
	const n = 50_000
	v := bridge.Values{bridge.Code: "1ce4a0b2", bridge.Source: "facebook", bridge.SubscriberKey: "sub_0123456789ab", bridge.Points: "12"}
	var layout bridge.Layout
	layout.Visible = bridge.EveryField
	s := bridge.Subscriber{ID: "sub_0123456789ab", Code: "1ce4a0b2", Name: "Ada Byron", Link: "https://www.example.com/join?mwr=1ce4a0b2", Points: 12, Position: 4711}
	b.ReportAllocs()
	for b.Loop() {
		for range n {
			fitted, _ := fit(Values(s, time.Time{}), layout)
			if print(fitted, lasting(layout.Visible)) == "" || bridge.Differ(fitted, v, layout.Visible) == 0 {
				b.Fatal("everything is equal")
			}
		}
	}
}

// BenchmarkSeen remembers 50,000 subscribers and packs them.
func BenchmarkSeen(b *testing.B) {
	const n = 50_000
	people := make([]bridge.Subscriber, n)
	for i := range people {
		people[i] = bridge.Subscriber{ID: bridge.SubscriberID("sub_" + strings.Repeat("0", 7) + string(rune('a'+i%6)) + "0123"), Verified: true}
	}
	b.ReportAllocs()
	for b.Loop() {
		s := newSeen()
		for _, p := range people {
			s.meet(p)
		}
		s.parts(nil)
	}
}
