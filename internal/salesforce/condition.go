package salesforce

import (
	"net/url"
	"strings"
)

// list is the condition that a field has one of some values.
type list struct {
	field  string
	values []string
}

func texts[T ~string](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}

// anyOf writes the condition that a record is in one of the lists, as several ones if one would be longer than room,
// in the form that it has in an address.
func anyOf(room int, lists ...list) []string {
	var conditions []string
	var b strings.Builder
	left := room
	for _, of := range lists {
		opening, closing := of.field+" IN (", ")"
		open := false
		for _, value := range of.values {
			// In a composite call this would be taken for a reference. No address or id has it.
			if value == "" || strings.Contains(value, "@{") {
				continue
			}
			term := quote(value)
			size := len(url.QueryEscape(term))
			switch {
			case open && left >= size+len("%2C"):
				b.WriteString(",")
				left -= len("%2C")
			case !open && b.Len() > 0 && left >= size+len(url.QueryEscape(" OR "+opening+closing)):
				b.WriteString(" OR " + opening)
				left -= len(url.QueryEscape(" OR " + opening + closing))
			default:
				if open {
					b.WriteString(closing)
				}
				if b.Len() > 0 {
					conditions = append(conditions, b.String())
				}
				b.Reset()
				b.WriteString(opening)
				left = room - len(url.QueryEscape(opening+closing))
			}
			open = true
			b.WriteString(term)
			left -= size
		}
		if open {
			b.WriteString(closing)
		}
	}
	if b.Len() > 0 {
		conditions = append(conditions, b.String())
	}
	return conditions
}
