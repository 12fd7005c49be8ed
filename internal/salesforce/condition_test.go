package salesforce

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestConditionsHoldAllValues: no statement is too long, and no value is left out or comes twice.
func TestConditionsHoldAllValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(400, 3000).Draw(t, "room")
		var lists []list
		want := map[string]int{}
		for i := range rapid.IntRange(0, 3).Draw(t, "lists") {
			of := list{field: fmt.Sprintf("Field%d", i)}
			for k := range rapid.IntRange(0, 60).Draw(t, "values") {
				value := fmt.Sprintf("%d.%d", i, k) + rapid.StringN(0, 20, 40).Draw(t, "value")
				of.values = append(of.values, value)
				if !strings.Contains(value, "@{") {
					want[of.field+quote(value)]++
				}
			}
			lists = append(lists, of)
		}
		got := map[string]int{}
		for _, condition := range anyOf(room, lists...) {
			if n := len(url.QueryEscape(condition)); n > room {
				t.Fatalf("%d bytes, room for %d: %s", n, room, condition)
			}
			for rest := condition; rest != ""; {
				field, values, ok := strings.Cut(rest, " IN (")
				if !ok {
					t.Fatalf("no condition: %s", rest)
				}
				for more := true; more; {
					end := closingQuote(values)
					if end < 0 {
						t.Fatalf("no value: %s", values)
					}
					got[field+values[:end]]++
					values, more = strings.CutPrefix(values[end:], ",")
				}
				rest = strings.TrimPrefix(strings.TrimPrefix(values, ")"), " OR ")
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\nwant %v", got, want)
		}
	})
}
