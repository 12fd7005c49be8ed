package bridge

import (
	"fmt"
	"net/url"
	"strings"
)

// longestLink is more than the link fields of other systems are known to hold.
const longestLink = 1000

// LinkProblem says what is wrong with a trimmed address as the base of referral links, and what to type
// instead, or "" if ReferralHero can append "?mwr=code" to it.
func LinkProblem(address string) string {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return "Type the address that referral links should lead to, such as https://mywebsite.com."
	case len(address) > longestLink:
		return fmt.Sprintf("This address is too long. Use one of at most %d characters.", longestLink)
	case err != nil || strings.ContainsAny(address, " \t\r\n\"<>\\"):
		return "This is not an address. Type one such as https://mywebsite.com."
	case u.Scheme == "" && u.Host == "" && looksLikeHost(address):
		return "The address needs https:// in front. Type https://" + address + "."
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Opaque != "":
		return "The address must begin with https:// or http://, such as https://mywebsite.com."
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), ".") || strings.Contains(u.Hostname(), ".."):
		return "The address names no website. Type one such as https://mywebsite.com."
	case u.User != nil:
		return "Leave out the user name and password in the address."
	case strings.Contains(address, "#"):
		return "Leave out the part from # on: referral codes would be lost behind it. Type " + address[:strings.IndexByte(address, '#')] + "."
	default:
		return ""
	}
}

// looksLikeHost reports whether an address without a scheme begins like a website.
func looksLikeHost(address string) bool {
	host, _, _ := strings.Cut(address, "/")
	return strings.Contains(host, ".") && !strings.HasPrefix(host, ".")
}
