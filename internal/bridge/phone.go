package bridge

import "strings"

// separators are what people put between the digits of a number.
var separators = strings.NewReplacer(" ", "", "-", "", ".", "", "/", "", "(", "", ")", "")

// NormalizePhone returns a number as a plus and its digits: the form in which numbers are sent to
// ReferralHero and compared. It is empty for a number that could not be sent: one without its country
// code, with fewer than 8 or more than 15 digits, or with letters such as an extension's.
func NormalizePhone(number string) string {
	digits, international := strings.CutPrefix(strings.TrimSpace(number), "+")
	digits = separators.Replace(digits)
	if !international || len(digits) < 8 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return "+" + digits
}
