package bridge

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is text that must not be shown: a token, a key, a verifier. Printing, logging or encoding it
// gives a placeholder; only Reveal gives the text.
type Secret struct{ text string }

const hidden = "[secret]"

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text, for the one place that has to send or seal it.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.text == "" }

// Masked returns a form that a person can recognise and nobody can use: the last four characters of a
// text that is long enough to spare them.
func (s Secret) Masked() string {
	if len(s.text) < 16 {
		return "••••"
	}
	return "••••" + s.text[len(s.text)-4:]
}

// String, Format, LogValue and MarshalJSON hide the text.
func (s Secret) String() string               { return hidden }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hidden)) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
