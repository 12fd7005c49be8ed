package salesforce

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Columns of a row beside the fourteen fields, which have theirs by position.
const (
	columnID = bridge.FieldCount + iota
	columnEmail
	columnModified
	columnAccount
	columnPerson
)

// row is a record as the API has it, read column by column: a map for each would cost more than all the rest. Null is
// the empty text.
type row struct {
	columns map[string]int // by name

	id, email, modified, account string
	person                       bool
	values                       bridge.Values
}

var errRow = errors.New("row not readable")

// UnmarshalJSON reads a row, which is valid JSON, since a decoder has seen it before.
func (r *row) UnmarshalJSON(b []byte) error {
	*r = row{columns: r.columns}
	text := string(b) // values are parts of it, so that a row is one piece of memory
	for rest := strings.TrimLeft(text, "{ \t\r\n"); rest != "" && rest[0] == '"'; {
		var name, value string
		name, rest = cut(rest)
		rest = strings.TrimLeft(rest, ": \t\r\n")
		value, rest = cut(rest)
		rest = strings.TrimLeft(rest, ", \t\r\n")
		name, err := unquote(name)
		if column, known := r.columns[name]; known && err == nil {
			err = r.set(column, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cut takes the value that valid JSON begins with from it.
func cut(text string) (value, rest string) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				end := min(i+1, len(text))
				return text[:end], text[end:]
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return text[:i+1], text[i+1:]
			}
			if depth < 0 {
				return text[:i], text[i:]
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return text[:i], text[i:]
			}
		}
	}
	return text, ""
}

func (r *row) set(column int, value string) error {
	if value == "null" {
		return nil
	}
	if column == columnPerson {
		r.person = value == "true"
		return nil
	}
	value, err := unquote(value)
	if err != nil {
		return err
	}
	switch column {
	case columnID:
		r.id = value
	case columnEmail:
		r.email = value
	case columnModified:
		r.modified = value
	case columnAccount:
		r.account = value
	default:
		r.values[column] = canonical(bridge.Fields[column].Type, value)
	}
	return nil
}

// unquote returns what a JSON string says; any other value stays.
func unquote(value string) (string, error) {
	if !strings.HasPrefix(value, `"`) {
		return value, nil
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	var text string
	if json.Unmarshal([]byte(value), &text) != nil {
		return "", errRow
	}
	return text, nil
}

// canonical writes a value as bridge.Values says. What cannot be one of the type stays as it is, and so differs from
// anything that we would write.
func canonical(kind bridge.FieldType, value string) string {
	switch kind {
	case bridge.NumberField:
		whole, _ := strings.CutSuffix(value, ".0") // as Salesforce writes a double
		if _, err := strconv.ParseInt(whole, 10, 64); err == nil {
			return whole
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			return strconv.FormatFloat(number, 'f', -1, 64)
		}
	case bridge.DateTimeField:
		if at, ok := moment(value); ok {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return value
}

// wireTime is how the REST API writes a time. Other parts of the API write it as RFC 3339 does.
const wireTime = "2006-01-02T15:04:05.000-0700"

func moment(text string) (time.Time, bool) {
	at, err := time.Parse(wireTime, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	return at, err == nil
}

// record is the row as a record of the object that it was read from.
func (r *row) record(target bridge.Target) (bridge.Record, error) {
	id, err := bridge.ParseSalesforceID(r.id)
	modified, ok := moment(r.modified)
	if err != nil || !ok {
		return bridge.Record{}, errRow
	}
	record := bridge.Record{Target: target, ID: id, Email: r.email, Modified: modified.UTC(), Values: r.values}
	if r.account != "" {
		if record.Parent, err = bridge.ParseSalesforceID(r.account); err != nil {
			return bridge.Record{}, errRow
		}
	}
	if r.person {
		record.Target, record.ID, record.Parent = bridge.ToPersonAccount, record.Parent, ""
		if record.ID == "" {
			return bridge.Record{}, errRow
		}
	}
	return record, nil
}
