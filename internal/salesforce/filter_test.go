package salesforce

import (
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func TestCheckFilter(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		filter string
		good   bool
	}{
		"empty":                              {"", true},
		"a comparison":                       {"MailingCountry = 'Italy'", true},
		"several":                            {"(A = 1 OR B = 'x') AND NOT (C LIKE '%y%')", true},
		"a date":                             {"CreatedDate > 2024-01-01T00:00:00Z AND CreatedDate = LAST_N_DAYS:30", true},
		"a field of a parent":                {"Account.Industry IN ('Retail', 'Media')", true},
		"a query within":                     {"Id IN (SELECT ContactId FROM OpportunityContactRole WHERE IsPrimary = true LIMIT 5)", true},
		"a keyword inside of a literal":      {"LastName = 'ORDER BY'", true},
		"a keyword as part of a name":        {"Order_Limit__c > 1 AND Limit__c = 2", true},
		"an escaped quote":                   {`LastName = 'O\'Brien'`, true},
		"a literal with parentheses":         {"LastName = ')('", true},
		"letters of any language in literal": {"LastName = 'Ωμέγα'", true},

		"blank":                               {"   ", false},
		"a literal that does not end":         {"LastName = 'O", false},
		"a quote escaped at the end":          {`LastName = 'O\'`, false},
		"a parenthesis too many":              {"A = 1) OR (B = 2", false},
		"a parenthesis that is open":          {"(A = 1", false},
		"an order":                            {"A = 1 ORDER BY Id", false},
		"a limit in lower case":               {"A = 1 limit 1", false},
		"a limit behind a line break":         {"A = 1\nLIMIT 1", false},
		"a limit behind a parenthesis":        {"(A = 1)LIMIT 1", false},
		"a whole query":                       {"SELECT Id FROM Contact", false},
		"with its WHERE":                      {"WHERE A = 1", false},
		"locking rows":                        {"A = 1 FOR UPDATE", false},
		"deleted ones too":                    {"A = 1 ALL ROWS", false},
		"a semicolon":                         {"A = 1; DROP", false},
		"a double quote":                      {`A = "1"`, false},
		"a NUL byte":                          {"A = 1\x00", false},
		"a letter of another script, outside": {"Α = 1", false},
		"very long":                           {"A = '" + strings.Repeat("x", longestFilter) + "'", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckFilter(tc.filter)
			if (err == nil) != tc.good {
				t.Fatalf("CheckFilter = %v, want good %t", err, tc.good)
			}
			if tc.good {
				return
			}
			if message, field := bridge.MessageOf(err); bridge.KindOf(err) != bridge.Invalid || message == "" || field != "filter" {
				t.Errorf("kind, message, field = %q, %q, %q", bridge.KindOf(err), message, field)
			}
		})
	}
}

// FuzzCheckFilter holds that an accepted filter stays inside of the parentheses around it.
func FuzzCheckFilter(f *testing.F) {
	for _, seed := range []string{"A = 1", "A = ')'", `A = '\\') OR ('`, `A = '\'`, "(", "A='(' AND (B=')')", `\'`, `'\\'`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		if CheckFilter(filter) != nil || filter == "" {
			return
		}
		depth, inside := 0, false
		statement := "(" + filter + ")"
		for i := 0; i < len(statement); i++ {
			switch c := statement[i]; {
			case inside && c == '\\':
				i++
			case c == '\'':
				inside = !inside
			case !inside && c == '(':
				depth++
			case !inside && c == ')':
				depth--
			}
			if depth == 0 && i < len(statement)-1 {
				t.Fatalf("%q leaves its parentheses at byte %d", filter, i)
			}
		}
		if depth != 0 || inside {
			t.Fatalf("%q is not closed", filter)
		}
	})
}

// FuzzQuote holds that a literal ends where it should, whatever is in it.
func FuzzQuote(f *testing.F) {
	f.Add(`a'b\`)
	f.Add("x\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		literal := quote(text)
		if end := closingQuote(literal); end != len(literal) {
			t.Errorf("literal of %q ends at %d of %d", text, end, len(literal))
		}
	})
}
