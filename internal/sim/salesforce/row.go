package salesforce

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

// row is a record: the values of its fields one after the other, each led by its length, in the order
// of the object's fields. It never changes, so a reader may keep it without a lock. A million contacts with
// their accounts and indexes take some 300 MB like this, and the garbage collector has little to look at.
//
// A value is text, and no text is null, as it is for Salesforce. Booleans are "true" or nothing; a
// datetime is its seconds since 1970; a number is as JSON writes it; an id has 18 characters.
// Fields that were added after a row was written are null in it.
type row string

func packRow(values []string) row {
	size := 0
	for _, v := range values {
		size += len(v) + 2
	}
	packed := make([]byte, 0, size)
	for _, v := range values {
		packed = binary.AppendUvarint(packed, uint64(len(v)))
		packed = append(packed, v...)
	}
	return row(packed)
}

// at returns the nth value.
func (r row) at(n int) string {
	for ; r != ""; n-- {
		size, head := r.head()
		if n == 0 {
			return string(r[head : head+size])
		}
		r = r[head+size:]
	}
	return ""
}

// head decodes the length before the first value, and says how long it is itself.
func (r row) head() (size, head int) {
	for shift := 0; ; shift += 7 {
		b := r[head]
		head++
		size |= int(b&0x7f) << shift
		if b < 0x80 {
			return size, head
		}
	}
}

// values unpacks at least n values.
func (r row) values(n int) []string {
	values := make([]string, 0, n)
	for r != "" {
		size, head := r.head()
		values = append(values, string(r[head:head+size]))
		r = r[head+size:]
	}
	for len(values) < n {
		values = append(values, "")
	}
	return values
}

// id is the first value of every row.
func (r row) id() id { return id(r[1:19]) }

func datetimeValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func boolValue(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func numberValue(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// wireTime is how REST writes a datetime: UTC, with a zone that has no colon.
const wireTime = "2006-01-02T15:04:05.000-0700"

func wireDatetime(value string) string {
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(wireTime)
}

// parseDatetime reads what clients send: ISO 8601 with a zone, with or without colon and fraction.
func parseDatetime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, wireTime, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// round keeps scale digits after the point, halves away from zero.
func round(f float64, scale int) float64 {
	p := math.Pow10(scale)
	return math.Round(f*p) / p
}

// fold is text as the org compares it: without case.
func fold(text string) string { return strings.ToLower(text) }
