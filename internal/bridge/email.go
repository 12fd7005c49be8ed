package bridge

import (
	"net/mail"
	"strings"
)

// NormalizeEmail trims and lower-cases an address: the form in which addresses are sent to
// ReferralHero and compared. Nothing else is changed; plus-addressing is kept.
func NormalizeEmail(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// longestEmail is what Salesforce keeps in an Email field.
const longestEmail = 80

// ValidEmail reports whether a normalised address can be sent to ReferralHero: one bare address with a
// dotted domain and no spaces, of at most 80 characters.
func ValidEmail(address string) bool {
	if address == "" || len(address) > longestEmail || strings.ContainsAny(address, " \t\r\n\"<>(),;:\\[]") {
		return false
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" {
		return false
	}
	domain := address[strings.LastIndexByte(address, '@')+1:]
	dot := strings.LastIndexByte(domain, '.')
	return dot > 0 && dot < len(domain)-1 && !strings.Contains(domain, "..")
}
