package importer

import (
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// A code is one letter in a receipt: what became of a contact.
const (
	pending   = '.' // not asked yet
	again     = ',' // failed in an earlier pass and not asked yet in this one
	created   = 'c'
	existed   = 'e'
	shared    = 'd'
	malformed = 'm'
	refused   = 'r'
	without   = 'n'
	optedOut  = 'o'
	vanished  = 'v'
	failed    = 'f'
	poisoned  = 'p'
)

// meanings says what each code counts as, and why, in words for a person.
var meanings = map[byte]struct {
	outcome bridge.Outcome // empty: none yet
	reason  string
}{
	pending:   {"", ""},
	again:     {bridge.Failed, "ReferralHero did not take it in several attempts; it is being tried again"},
	created:   {bridge.Created, "is a subscriber now"},
	existed:   {bridge.Existed, "was a subscriber already"},
	shared:    {bridge.Existed, "has the same e-mail address or phone number as a contact before"},
	malformed: {bridge.Refused, "the e-mail address or phone number is malformed"},
	refused:   {bridge.Refused, "ReferralHero does not accept the e-mail address or phone number"},
	without:   {bridge.Skipped, "has no e-mail address or phone number"},
	optedOut:  {bridge.Skipped, "opted out of e-mail, and a welcome mail was to be sent"},
	vanished:  {bridge.Skipped, "was deleted or changed in Salesforce before its turn came"},
	failed:    {bridge.Failed, "ReferralHero did not take it in several attempts"},
	poisoned:  {bridge.Failed, "could not be processed"},
}

// count adds up codes by outcome.
func count(codes string) bridge.Counts {
	var c bridge.Counts
	for i := range len(codes) {
		switch meanings[codes[i]].outcome {
		case bridge.Created:
			c.Created++
		case bridge.Existed:
			c.Existed++
		case bridge.Refused:
			c.Invalid++
		case bridge.Failed:
			c.Failed++
		case bridge.Skipped:
			c.Skipped++
		}
	}
	return c
}

// undecided reports whether a code waits for ReferralHero's answer.
func undecided(code byte) bool { return code == pending || code == again }

// complete reports whether every contact has its outcome, as far as the pass goes.
func complete(codes string) bool { return !strings.ContainsAny(codes, string([]byte{pending, again})) }

// settled reports whether a receipt leaves nothing to do in the pass.
func settled(r bridge.Receipt, pass int) bool {
	return complete(r.Codes) && (r.Pass >= pass || count(r.Codes).Failed == 0)
}
