package dynamodb

import "strings"

// token is a word of an expression. The end of the expression is a token of kind end.
type token struct {
	kind       tokenKind
	start, end int // where in the expression
}

type tokenKind int

const (
	end         tokenKind = iota
	word                  // a name, a keyword or a function
	placeholder           // #name
	literalName           // :value
	digits
	symbol
)

// lex cuts an expression into tokens. Everything is some token: what is wrong is for the parser to say.
func lex(expression string) []token {
	var tokens []token
	for i := 0; i < len(expression); {
		c := expression[i]
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			i++
			continue
		}
		t := token{kind: symbol, start: i, end: i + 1}
		switch {
		case letter(c):
			t.kind, t.end = word, tail(expression, i)
		case (c == '#' || c == ':') && tail(expression, i) > i+1:
			t.kind, t.end = placeholder, tail(expression, i)
			if c == ':' {
				t.kind = literalName
			}
		case c == '0': // a number has no leading zeros: 01 is two of them
			t.kind = digits
		case digit(c):
			t.kind = digits
			for t.end < len(expression) && digit(expression[t.end]) {
				t.end++
			}
		case strings.HasPrefix(expression[i:], "<=") || strings.HasPrefix(expression[i:], ">=") || strings.HasPrefix(expression[i:], "<>"):
			t.end = i + 2
		case c >= 0x80: // one character of a foreign script is one token
			for t.end < len(expression) && expression[t.end]&0xc0 == 0x80 {
				t.end++
			}
		}
		tokens = append(tokens, t)
		i = t.end
	}
	return append(tokens, token{kind: end, start: len(expression), end: len(expression)})
}

// tail returns where the name that starts at i ends.
func tail(expression string, i int) int {
	for i++; i < len(expression) && (letter(expression[i]) || digit(expression[i]) || expression[i] == '_'); i++ {
	}
	return i
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func digit(c byte) bool { return '0' <= c && c <= '9' }
