package salesforce

import "unicode/utf8"

// pattern is the operand of LIKE: text in which % stands for anything and _ for one character,
// unless a backslash is before them.
type pattern struct {
	parts []rune // a wildcard is the negative of its character
}

func newPattern(text string) pattern {
	var p pattern
	folded := fold(text)
	for i := 0; i < len(folded); {
		r, size := utf8.DecodeRuneInString(folded[i:])
		switch {
		case r == '\uffff': // see backslash
			r = '\\'
		case r == '\\' && i+1 < len(folded):
			i += size
			r, size = utf8.DecodeRuneInString(folded[i:])
		case r == '%' || r == '_':
			r = -r
		}
		p.parts = append(p.parts, r)
		i += size
	}
	return p
}

// match reports whether a value is like the pattern. Null is like nothing. The time is at most the
// product of both lengths: on a mismatch only the last % takes one character more.
func (p pattern) match(value string) bool {
	if value == "" {
		return false
	}
	text := []rune(fold(value))
	at, i, star, from := 0, 0, -1, 0
	for at < len(text) {
		switch {
		case i < len(p.parts) && p.parts[i] == -'%':
			star, from = i, at
			i++
		case i < len(p.parts) && (p.parts[i] == -'_' || p.parts[i] == text[at]):
			i++
			at++
		case star >= 0:
			from++
			i, at = star+1, from
		default:
			return false
		}
	}
	for i < len(p.parts) && p.parts[i] == -'%' {
		i++
	}
	return i == len(p.parts)
}
