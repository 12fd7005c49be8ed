package salesforce

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// csvColumn is a column of a contact export: its name, and how a value of it enters a contact.
type csvColumn struct {
	name string
	set  func(c *Contact, value string) error
}

var csvColumns = []csvColumn{
	{"Id", func(c *Contact, v string) error { return setID(&c.ID, "003", v) }},
	{"FirstName", func(c *Contact, v string) error { return setText(&c.FirstName, 40, v) }},
	{"LastName", func(c *Contact, v string) error {
		if v == "" {
			return errors.New("a contact needs a last name")
		}
		return setText(&c.LastName, 80, v)
	}},
	{"Email", func(c *Contact, v string) error { return setText(&c.Email, 80, v) }},
	{"Phone", func(c *Contact, v string) error { return setText(&c.Phone, 40, v) }},
	{"Title", func(c *Contact, v string) error { return setText(&c.Title, 128, v) }},
	{"IsPersonAccount", func(c *Contact, v string) error { return setBool(&c.Person, v) }},
	{"AccountId", func(c *Contact, v string) error { return setID(&c.AccountID, "001", v) }},
	{"HasOptedOutOfEmail", func(c *Contact, v string) error { return setBool(&c.HasOptedOutOfEmail, v) }},
	{"EmailBouncedDate", func(c *Contact, v string) error { return setTime(&c.EmailBounced, v) }},
	{"CreatedDate", func(c *Contact, v string) error { return setTime(&c.Created, v) }},
	{"LastModifiedDate", func(c *Contact, v string) error { return setTime(&c.Modified, v) }},
}

// LoadCSV reads contacts as Data Loader exports them: comma-separated UTF-8 with a header that names
// the columns, in any order and case. LastName must be there; Id, FirstName, Email, Phone, Title,
// AccountId, IsPersonAccount, HasOptedOutOfEmail, EmailBouncedDate, CreatedDate and LastModifiedDate may be; any other
// column is ignored. E-mail addresses are taken as they are. An error names the line and column.
func LoadCSV(r io.Reader) ([]Contact, error) {
	text := bufio.NewReader(r)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = text.Discard(3) // the byte-order mark that Excel writes; the header may be quoted behind it
	}
	in := csv.NewReader(text)
	in.FieldsPerRecord = -1 // counted here, to say what is wrong in words
	in.ReuseRecord = true
	header, err := in.Read()
	if err == io.EOF {
		return nil, errors.New("line 1: the file is empty; it needs a header such as Id,FirstName,LastName,Email")
	}
	if err != nil {
		return nil, csvError(err)
	}
	columns, names, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	var contacts []Contact
	lines := map[string]int{} // of each id
	for {
		record, err := in.Read()
		if err == io.EOF {
			return contacts, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		line, _ := in.FieldPos(0)
		if len(record) != len(columns) {
			return nil, fmt.Errorf("line %d: %d columns, but the header has %d", line, len(record), len(columns))
		}
		var c Contact
		for i, value := range record {
			line, _ := in.FieldPos(i)
			err := error(nil)
			if !utf8.ValidString(value) {
				err = errors.New("not UTF-8; save the file as UTF-8")
			} else if columns[i] != nil {
				err = columns[i].set(&c, strings.TrimSpace(value))
			}
			if err != nil {
				return nil, fmt.Errorf("line %d, column %d (%s): %w", line, i+1, names[i], err)
			}
		}
		if c.ID != "" {
			if first, ok := lines[c.ID]; ok {
				return nil, fmt.Errorf("line %d: Id %s is on line %d already", line, c.ID, first)
			}
			lines[c.ID] = line
		}
		contacts = append(contacts, c)
	}
}

// readHeader finds the column of each name; nil for those that are ignored.
func readHeader(header []string) ([]*csvColumn, []string, error) {
	columns, names := make([]*csvColumn, len(header)), make([]string, len(header))
	seen := map[string]int{}
	for i, name := range header {
		names[i] = strings.TrimSpace(name)
		if names[i] == "" {
			return nil, nil, fmt.Errorf("line 1, column %d: the header has no name", i+1)
		}
		if !utf8.ValidString(names[i]) {
			return nil, nil, fmt.Errorf("line 1, column %d: not UTF-8; save the file as UTF-8", i+1)
		}
		if first, ok := seen[fold(names[i])]; ok {
			return nil, nil, fmt.Errorf("line 1, column %d (%s): the header has this name in column %d already", i+1, names[i], first)
		}
		seen[fold(names[i])] = i + 1
		for k := range csvColumns {
			if strings.EqualFold(csvColumns[k].name, names[i]) {
				columns[i] = &csvColumns[k]
			}
		}
	}
	if seen["lastname"] == 0 {
		return nil, nil, fmt.Errorf("line 1: no column LastName; the header names %s", strings.Join(names, ", "))
	}
	return columns, names, nil
}

// csvError says where a quotation mark is wrong.
func csvError(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	return fmt.Errorf("line %d, character %d: %w", parse.Line, parse.Column, parse.Err)
}

func setText(to *string, longest int, value string) error {
	if n := utf8.RuneCountInString(value); n > longest {
		return fmt.Errorf("%d characters; Salesforce holds %d", n, longest)
	}
	*to = strings.Clone(value) // the reader's line would stay in memory
	return nil
}

func setID(to *string, prefix, value string) error {
	if value == "" {
		return nil
	}
	of, err := parseID(value)
	if err != nil {
		return fmt.Errorf("%q is not a Salesforce id of 15 or 18 characters", value)
	}
	if string(of[:3]) != prefix {
		return fmt.Errorf("%s is an id of something else; expected one that begins with %s", value, prefix)
	}
	*to = string(of)
	return nil
}

func setBool(to *bool, value string) error {
	if value == "" {
		return nil
	}
	b, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", value)
	}
	*to = b
	return nil
}

func setTime(to *time.Time, value string) error {
	if value == "" {
		return nil
	}
	if when, ok := parseDatetime(value); ok {
		*to = when
		return nil
	}
	when, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return fmt.Errorf("%q is not a date like 2026-11-03T10:15:30.000Z", value)
	}
	*to = when
	return nil
}
