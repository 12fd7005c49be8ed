package salesforce

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// longestFilter leaves room, in a statement that travels in an address, for what is asked besides.
const longestFilter = 6000

// clauses are words that begin another part of a statement. Inside of parentheses they may belong to a
// query within the condition.
var clauses = map[string]bool{
	"SELECT": true, "FROM": true, "WHERE": true, "ORDER": true, "GROUP": true, "HAVING": true, "LIMIT": true, "OFFSET": true,
	"WITH": true, "USING": true, "FOR": true, "UPDATE": true, "ALL": true,
}

// CheckFilter checks that a condition which a person wrote stays one when it is put between parentheses
// into a statement: its quotes and parentheses are balanced, and no other clause begins. Whether
// Salesforce understands it, only Salesforce can say. The empty condition is fine. The error is Invalid,
// with a message for the field "filter".
func CheckFilter(filter string) error {
	const op = "salesforce.CheckFilter"
	say := func(format string, args ...any) error {
		return bridge.Say(op, bridge.Invalid, "filter", format, args...)
	}
	if filter == "" {
		return nil
	}
	if strings.TrimSpace(filter) == "" {
		return say("The filter is blank. Leave it empty to import all contacts.")
	}
	if len(url.QueryEscape(filter)) > longestFilter {
		return say("The filter is too long. Shorten it to about %d characters.", longestFilter/2)
	}
	depth := 0
	for rest := filter; rest != ""; {
		switch c := rest[0]; {
		case c == '\'':
			end := closingQuote(rest)
			if end < 0 {
				return say("A quote (') is not closed.")
			}
			rest = rest[end:]
			continue
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return say("There is a closing parenthesis too many.")
			}
		case c == ';', c == '\\', c == '"', c < ' ' && c != '\t' && c != '\n' && c != '\r', c >= 0x7f:
			return say("Outside of quotes, the filter has a character that no condition has.")
		case isWord(c):
			word := rest[:wordEnd(rest)]
			if depth == 0 && clauses[strings.ToUpper(word)] {
				return say("%s begins another part of a query. Write only the condition, such as MailingCountry = 'Italy'.", strings.ToUpper(word))
			}
			rest = rest[len(word):]
			continue
		}
		rest = rest[1:]
	}
	if depth > 0 {
		return say("A parenthesis is not closed.")
	}
	return nil
}

// closingQuote returns the index after the string literal that text begins with, or -1.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return -1
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c < unicode.MaxASCII && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)))
}

func wordEnd(text string) int {
	for i := range len(text) {
		if !isWord(text[i]) {
			return i
		}
	}
	return len(text)
}

var escapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// quote returns text as a string literal of SOQL.
func quote(text string) string { return "'" + escapes.Replace(text) + "'" }
