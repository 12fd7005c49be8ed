package syncer

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// noSource is what SOURCE says of a subscriber without one. ReferralHero's webhooks call that state direct_visit.
const noSource = "None"

// Values returns what Salesforce is to show of a subscriber whose newest referral signed up at lastRef; the zero time
// if there is none.
func Values(s bridge.Subscriber, lastRef time.Time) bridge.Values {
	link := withScheme(s.Link)
	v := bridge.Values{
		bridge.Code: s.Code, bridge.ExtraField: s.ExtraField, bridge.ExtraField2: s.ExtraField2,
		bridge.Points: strconv.Itoa(s.Points), bridge.ReferralLink: link, bridge.Referrer: referrer(s.Referrer),
		bridge.Source: source(s.Source), bridge.SubscriberKey: string(s.ID), bridge.TotalReferrals: strconv.Itoa(s.PeopleReferred),
		bridge.EmailLink: via(link, "email"), bridge.FacebookLink: via(link, "facebook"), bridge.TwitterLink: via(link, "twitter"),
	}
	if s.Position > 0 {
		v[bridge.Position] = strconv.Itoa(s.Position)
	}
	if !lastRef.IsZero() {
		v[bridge.LastReferral] = lastRef.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return v
}

// referrer is the name of who referred somebody, or the address of one without a name.
func referrer(r bridge.Referral) string {
	if r.Name != "" {
		return r.Name
	}
	return r.Email
}

func source(s string) string {
	if s == "" || s == "direct_visit" {
		return noSource
	}
	return s
}

// withScheme completes links of campaigns whose address was given without one.
func withScheme(link string) string {
	if link == "" || strings.Contains(link, "://") {
		return link
	}
	return "https://" + link
}

// via is the referral link with a mark of where it was shared. ReferralHero's script takes a visitor's source from the
// parameter mws. Its own share links are shortened ones that the API does not tell; these work the same.
func via(link, channel string) string {
	switch {
	case link == "":
		return ""
	case strings.Contains(link, "?"):
		return link + "&mws=" + channel
	default:
		return link + "?mws=" + channel
	}
}

// fit returns values as the fields of an org can hold them: texts are cut to their field's length, in characters, and
// trimmed as Salesforce trims them; numbers are rounded as Salesforce, which keeps doubles, rounds them; a link that is too long would lead elsewhere if it were cut, and is left out, as is a
// number with too many digits.
func fit(v bridge.Values, l bridge.Layout) (fitted bridge.Values, m misfits) {
	for i, f := range bridge.Fields {
		text := strings.TrimSpace(v[i])
		length := room(l, i)
		switch {
		case f.Type == bridge.URLField && utf8.RuneCountInString(text) > length,
			f.Type == bridge.NumberField && len(strings.TrimPrefix(text, "-")) > bridge.Digits:
			text, m.left = "", m.left.With(i)
		case f.Type == bridge.NumberField:
			text = double(text)
		case f.Type == bridge.TextField:
			text = strings.ToValidUTF8(text, "")
			if utf8.RuneCountInString(text) > length {
				text, m.cut = strings.TrimSpace(firstRunes(text, length)), m.cut.With(i)
			}
			text = strings.TrimSpace(text)
		}
		fitted[i] = text
	}
	return fitted, m
}

// misfits are the fields whose values are not what ReferralHero says, since they do not fit.
type misfits struct{ left, cut bridge.FieldSet }

// room is how many characters a field holds where the org has it, or digits if it is a number.
func room(l bridge.Layout, field int) int {
	switch f := bridge.Fields[field]; {
	case f.Type == bridge.NumberField:
		return bridge.Digits
	case l.Lengths[field] > 0:
		return l.Lengths[field]
	default:
		return f.Length
	}
}

// double returns a whole number as a double holds it, which is exact up to 15 digits.
func double(text string) string {
	const exact = 15
	if len(text) <= exact {
		return text
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// firstRunes returns the first n characters of a text.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// print is the fingerprint of the values of set. It changes with the set too, so that a field that has become visible
// makes a difference.
func print(v bridge.Values, set bridge.FieldSet) string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(int(set)))
	for i, value := range v {
		if set.Has(i) {
			b.WriteByte(0)
			b.WriteString(value)
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// lasting are the fields of set that are a reason for a write by themselves.
func lasting(set bridge.FieldSet) bridge.FieldSet { return set.Without(bridge.Position) }

// person is what a new record says of a subscriber.
func person(s bridge.Subscriber, o Options) *bridge.NewPerson {
	p := &bridge.NewPerson{Email: s.Email, Phone: s.Phone}
	words := strings.Fields(s.Name)
	switch {
	case len(words) > 0:
		p.LastName, p.FirstName = words[len(words)-1], strings.Join(words[:len(words)-1], " ")
	case s.Email != "":
		local, _, _ := strings.Cut(s.Email, "@")
		p.LastName = strings.TrimSpace(local)
	}
	if p.LastName == "" {
		p.LastName = "Unknown"
	}
	p.FirstName, p.LastName = firstRunes(p.FirstName, 40), firstRunes(p.LastName, 80) // Salesforce's lengths
	if !bridge.ValidEmail(bridge.NormalizeEmail(s.Email)) {
		p.Email = "" // Salesforce would refuse the whole record
	}
	if len(p.Phone) > 40 {
		p.Phone = ""
	}
	switch o.Target {
	case bridge.ToLead:
		p.Company = "[not provided]" // Salesforce's own word for a lead without one
	case bridge.ToPersonAccount:
		p.RecordType = o.RecordType
	}
	return p
}
