package importer

import (
	"cmp"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// identify returns the value by which ReferralHero would tell the contact from others, and whether it can be
// sent. It is empty if the contact has none.
func identify(c bridge.Contact, by bridge.Identifier) (value string, valid bool) {
	if by == bridge.ByPhone {
		number := strings.TrimSpace(c.Phone)
		normal := bridge.NormalizePhone(number)
		return cmp.Or(normal, number), normal != ""
	}
	value = bridge.NormalizeEmail(c.Email)
	return value, bridge.ValidEmail(value)
}

// verdict is what becomes of a contact: a code, or pending if ReferralHero has to be asked for value.
type verdict struct {
	code  byte
	value string
}

// leftOut reports whether the contact is not to be added because it wants no mail.
func leftOut(c bridge.Contact, o bridge.ImportOptions) bool { return o.Welcome && c.OptedOut }

// judge says what becomes of each contact, in order of their ids. The owner of a value is the lowest contact that
// has it and is not left out; earlier names owners below the first of these contacts.
func judge(contacts []bridge.Contact, o bridge.ImportOptions, earlier map[string]bridge.SalesforceID) []verdict {
	verdicts := make([]verdict, len(contacts))
	owned := map[string]bool{}
	for i, c := range contacts {
		value, valid := identify(c, o.Identifier)
		verdicts[i] = verdict{pending, value}
		switch _, taken := earlier[value]; {
		case value == "":
			verdicts[i].code = without
		case !valid:
			verdicts[i].code = malformed
		case leftOut(c, o):
			verdicts[i].code = optedOut
		case taken || owned[value]:
			verdicts[i].code = shared
		}
		if verdicts[i].code == pending {
			owned[value] = true
		}
	}
	return verdicts
}

// values returns what would be asked for, each once.
func values(verdicts []verdict) []string {
	var all []string
	for _, v := range verdicts {
		if v.code == pending {
			all = append(all, v.value)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// owners selects the contacts that can own a value: not those that are left out.
func owners(s bridge.Selection, o bridge.ImportOptions) bridge.Selection {
	const mailable = "HasOptedOutOfEmail = false"
	switch {
	case !o.Welcome:
	case s.Filter == "":
		s.Filter = mailable
	default:
		s.Filter = "(" + s.Filter + ") AND " + mailable
	}
	return s
}

// answered is the code for what ReferralHero answered about an owner. It was there before unless this import
// made it: now, or by a call whose answer was lost.
func answered(i bridge.Import, s Subscriber) byte {
	if s.Created || s.Source == source && !s.CreatedAt.Before(i.HeroAt) {
		return created
	}
	return existed
}

// fullName is the one name that ReferralHero keeps.
func fullName(c bridge.Contact) string {
	return strings.TrimSpace(strings.TrimSpace(c.FirstName) + " " + strings.TrimSpace(c.LastName))
}
