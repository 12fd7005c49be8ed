package salesforce

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// TestRowsOfALoadAreRows: whatever people write, it is in its own cell.
func TestRowsOfALoadAreRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawnChange(t)
		create := c.ID == ""
		if create && c.Target == bridge.ToPersonAccount {
			c.Target = bridge.ToContact
		}
		rows, err := newTable("op", newEncoder(known()), c.Target, bridge.EveryField, create)
		if err != nil {
			t.Fatal(err)
		}
		in := csv.NewReader(bytes.NewReader(rows.appendRow(rows.appendHeader(nil), c)))
		lines, err := in.ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != len(lines[1]) {
			t.Fatalf("%q, %v", lines, err)
		}
		cells := map[string]string{}
		for i, name := range lines[0] {
			cells[name] = lines[1][i]
		}
		f := rows.form
		for i := range bridge.Fields {
			want := strings.ReplaceAll(strings.ToValidUTF8(c.Values[i], "\uFFFD"), "\r\n", "\n") // which encoding/csv makes of it
			switch {
			case create && i == bridge.SubscriberKey:
			case !c.Fields.Has(i):
				want = ""
			case want == "":
				want = "#N/A"
			}
			if got := cells[f.names[i]]; got != want {
				t.Fatalf("%s: %q, want %q", f.names[i], got, want)
			}
		}
	})
}

func TestUploadsEndBeforeTheyAreTooLong(t *testing.T) {
	t.Parallel()
	u := upload{out: bufio.NewWriter(io.Discard), sent: mostUploaded - 10}
	for i, want := range []bool{true, false, false} {
		if room := u.write([]byte("12345")); room != want {
			t.Errorf("line %d: room for more is %t, want %t", i, room, want)
		}
	}
}

func FuzzFailures(f *testing.F) {
	f.Add([]byte("\"sf__Id\",\"sf__Error\",\"Id\",\"RH_CODE__c\"\n\"003\",\"STRING_TOO_LONG:CODE: too large: x:RH_CODE__c --\",\"003\",\"x\"\n"))
	f.Add([]byte("Records not found for this query"))
	f.Add([]byte(""))
	f.Add([]byte("\"sf__Id\",\"sf__Error\",\"Id\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readFailures("op", bytes.NewReader(b), func(l bridge.LoadFailure) {
			if bridge.KindOf(l.Err) == "" {
				t.Errorf("an error of no kind: %v", l.Err)
			}
		})
	})
}

func TestResultsWithoutFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		bad  bool
	}{
		"nothing":                {"", false},
		"a header":               {"\"sf__Id\",\"sf__Error\",\"Id\"\n", false},
		"a sentence":             {"Records not found for this query", false},
		"a sentence, and a line": {"Records not found for this query\n", false},
		"another table":          {"a,b\n1,2\n", true},
		"a header of another":    {"a,b\n", true},
		"a row too short":        {"\"sf__Id\",\"sf__Error\",\"Id\"\n\"x\",\"y\"\n", true},
		"a page":                 {"<html>\n<body>\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := readFailures("op", strings.NewReader(tc.body), func(bridge.LoadFailure) { t.Error("a failure") })
			if (err != nil) != tc.bad {
				t.Errorf("%v", err)
			}
		})
	}
}
