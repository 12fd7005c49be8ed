package salesforce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoadCSV(t *testing.T) {
	t.Parallel()
	file := "\ufeff\"email\",LASTNAME,Id,\"Favourite Colour\",HasOptedOutOfEmail,CreatedDate,EmailBouncedDate\r\n" +
		"ann@example.com,\"Lee,\r\nthe younger\",0035g0000000001,red,TRUE,2026-01-02T03:04:05.000Z,2026-02-03\r\n" +
		"\"not \"\"an\"\" address\", O'Neil ,,,0,2026-01-02T03:04:05.000+0100,\r\n"
	got, err := LoadCSV(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Contact{
		{ID: "0035g0000000001AAA", LastName: "Lee,\nthe younger", Email: "ann@example.com", HasOptedOutOfEmail: true,
			Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), EmailBounced: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)},
		{LastName: "O'Neil", Email: `not "an" address`, Created: time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadCSVSaysWhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, want string }{
		"empty":                         {"", "line 1: the file is empty"},
		"no last name column":           {"Id,Email\n", "line 1: no column LastName; the header names Id, Email"},
		"a column twice":                {"LastName,Email,lastname\n", "line 1, column 3 (lastname): the header has this name in column 1 already"},
		"a column without name":         {"LastName,,Email\n", "line 1, column 2: the header has no name"},
		"too few values":                {"LastName,Email\na,b\nc\n", "line 3: 1 columns, but the header has 2"},
		"too many values":               {"LastName\na,b\n", "line 2: 2 columns, but the header has 1"},
		"no last name":                  {"Email,LastName\nx,\n", "line 2, column 2 (LastName): a contact needs a last name"},
		"an id that is none":            {"Id,LastName\n003,x\n", `line 2, column 1 (Id): "003" is not a Salesforce id of 15 or 18 characters`},
		"an id with a wrong checksum":   {"Id,LastName\n0035g0000000001AAB,x\n", `line 2, column 1 (Id): "0035g0000000001AAB" is not`},
		"an id of an account":           {"Id,LastName\n0015g0000000001AAA,x\n", "line 2, column 1 (Id): 0015g0000000001AAA is an id of something else"},
		"an id twice, in two lengths":   {"Id,LastName\n0035g0000000001AAA,x\n0035g0000000001,y\n", "line 3: Id 0035g0000000001AAA is on line 2 already"},
		"neither true nor false":        {"LastName,HasOptedOutOfEmail\nx,perhaps\n", `line 2, column 2 (HasOptedOutOfEmail): "perhaps" is neither true nor false`},
		"a date that is none":           {"LastName,CreatedDate\nx,12.3.26\n", `line 2, column 2 (CreatedDate): "12.3.26" is not a date`},
		"too long":                      {"LastName\n" + strings.Repeat("ü", 81) + "\n", "line 2, column 1 (LastName): 81 characters; Salesforce holds 80"},
		"a line after a quoted newline": {"LastName,HasOptedOutOfEmail\n\"a\nb\",true\nc,maybe\n", "line 4, column 2 (HasOptedOutOfEmail)"},
		"a quotation mark inside":       {"LastName\na \"b\" c\n", "line 2, character 3: bare"},
		"a quotation that never ends":   {"LastName\n\"a\n", "line 2, character 4: extraneous or missing"},
		"not UTF-8":                     {"LastName\nM\xfcller\n", "line 2, column 1 (LastName): not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contacts, err := LoadCSV(strings.NewReader(tc.file))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v (%d contacts), want %s", err, len(contacts), tc.want)
			}
		})
	}
}

func FuzzLoadCSV(f *testing.F) {
	f.Add(fiveContacts)
	f.Add("\ufeffLastName,Id\r\n\"a\r\nb\",0035g0000000001\r\n")
	f.Add("LastName,CreatedDate\nx,2026-01-01\n")
	f.Fuzz(func(t *testing.T, file string) {
		contacts, err := LoadCSV(strings.NewReader(file))
		if err != nil {
			return
		}
		if contacts == nil {
			contacts = []Contact{}
		}
		if o := New(Options{Contacts: contacts}); o.table("Contact").live != len(contacts) {
			t.Errorf("%d contacts in the org, want %d", o.table("Contact").live, len(contacts))
		}
	})
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	const n = 10_000
	contacts := slices.Collect(Generate(n, 7))
	if diff := cmp.Diff(contacts, slices.Collect(Generate(n, 7))); diff != "" {
		t.Errorf("the same seed made others: %s", diff)
	}
	if contacts[99].Email == slices.Collect(Generate(n, 8))[99].Email {
		t.Error("another seed made the same")
	}
	emails := map[string]int{}
	var none, malformed, shared, optedOut, foreign, otherCase int
	for _, c := range contacts {
		switch {
		case c.LastName == "":
			t.Fatalf("%s has no last name", c.ID)
		case c.Email == "":
			none++
		case !emailForm.MatchString(c.Email):
			malformed++
		default:
			if emails[fold(c.Email)]++; emails[fold(c.Email)] > 1 {
				shared++
			}
			if c.Email != fold(c.Email) {
				otherCase++
			}
		}
		if c.HasOptedOutOfEmail {
			optedOut++
		}
		if strings.IndexFunc(c.FirstName+c.LastName, func(r rune) bool { return r > 0x24f }) >= 0 {
			foreign++
		}
	}
	for what, of := range map[string]struct{ got, least, most int }{
		"without e-mail":     {none, 200, 400},
		"malformed":          {malformed, 50, 160},
		"sharing an address": {shared, 120, 280},
		"in other letters":   {otherCase, 50, 160},
		"opted out":          {optedOut, 300, 500},
		"not in Latin":       {foreign, 200, 400},
	} {
		if of.got < of.least || of.got > of.most {
			t.Errorf("%s: %d of %d, want %d to %d", what, of.got, n, of.least, of.most)
		}
	}
}
