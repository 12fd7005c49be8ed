package outbound

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// corpus reads the envelopes of a folder below testdata, by the sentences that their files are called.
func corpus(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".xml"), "-", " ")] = text
	}
	return found
}

// plain is the envelope that most of the accepted ones are another way to write.
func plain() Envelope {
	return Envelope{
		Organization: "00D5g000004AbCdEAK", Action: "04k5g000000PqRsAAK",
		Notifications: []Notification{{
			ID: "04l5g000003LmNoAAK", Record: "0065g00000XyZaBAAV", Stage: "Closed Won", Amount: "1250.0",
			Modified: time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC),
		}},
	}
}

func with(edit func(*Envelope)) Envelope {
	e := plain()
	edit(&e)
	return e
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	stage := func(text string) Envelope {
		return with(func(e *Envelope) { e.Notifications[0].Stage = text })
	}
	want := map[string]Envelope{
		"as Salesforce sends it":              plain(),
		"a byte order mark":                   plain(),
		"a declaration in its own way":        plain(),
		"another order":                       plain(),
		"default namespaces at every level":   plain(),
		"every namespace declared at the top": plain(),
		"ids of 15 characters":                plain(),
		"line ends of two characters":         plain(),
		"no declaration":                      plain(),
		"no session id":                       plain(),
		"no white space between elements":     plain(),
		"other prefixes":                      plain(),
		"a session id that is empty":          plain(),
		"single quotes and blanks in tags":    plain(),
		"unknown fields":                      plain(),
		"xml attributes":                      plain(),
		"letters beyond ASCII":                stage("Geschäft gewonnen 🎉"),
		"references to characters":            stage("<Won> & \"paid\" 'üü\r"),
		"line breaks in a value":              stage("Closed\nWon\nand\npaid"),
		"a session id of old times":           with(func(e *Envelope) { e.SessionPresent = true }),
		"nil values": with(func(e *Envelope) {
			e.Notifications[0] = Notification{ID: "04l5g000003LmNoAAK", Record: "0065g00000XyZaBAAV"}
		}),
		"values of unknown forms": with(func(e *Envelope) {
			e.Notifications[0] = Notification{ID: "04l5g000003LmNoAAK", Stage: "Closed Won", Amount: "twelve"}
		}),
		"a record whose checksum is wrong": with(func(e *Envelope) { e.Notifications[0].Record = "" }),
		"two notifications": with(func(e *Envelope) {
			second := e.Notifications[0]
			second.ID, second.Record, second.Stage, second.Amount = "04l5g000003LmNpAAK", "0065g00000XyZaCAAV", "Prospecting", "1.0E7"
			e.Notifications = append(e.Notifications, second)
		}),
		"a hundred notifications": with(func(e *Envelope) {
			first := e.Notifications[0]
			e.Notifications = nil
			for i := range 100 {
				first.ID, _ = bridge.ParseSalesforceID(fmt.Sprintf("04l5g%010d", i))
				first.Record, _ = bridge.ParseSalesforceID(fmt.Sprintf("0065g%010d", i))
				e.Notifications = append(e.Notifications, first)
			}
		}),
	}
	files := corpus(t, "accepted")
	if got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("the files are not those of the test: %s", cmp.Diff(got, want))
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				got, err := Parse(bytes.NewReader(text))
				if diff := cmp.Diff(got, want[name]); err != nil || diff != "" {
					t.Errorf("%v, got - want +\n%s", err, diff)
				}
			}
			if got, err := peer(text); err != nil || cmp.Diff(got, want[name]) != "" {
				t.Errorf("encoding/xml reads something else: %v, %s", err, cmp.Diff(got, want[name]))
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	want := map[string]Reason{
		"a document type":                           Doctype,
		"a document type before the declaration":    Doctype,
		"a document type in small letters":          Doctype,
		"a billion laughs":                          Doctype,
		"an external entity":                        Doctype,
		"an external parameter entity":              Doctype,
		"an entity that nobody declared":            Reference,
		"an entity in a field that does not matter": Reference,
		"an ampersand":                              Reference,
		"an ampersand at the end of a text":         Reference,
		"a reference to no character":               Reference,
		"a reference to half a character":           Reference,
		"a reference beyond all characters":         Reference,
		"a reference to what is no character":       Reference,
		"a reference without digits":                Reference,
		"a reference with a sign":                   Reference,
		"a comment":                                 Comment,
		"a comment that splits an id":               Comment,
		"a comment among the fields":                Comment,
		"a comment in a field that does not matter": Comment,
		"CDATA":                           CDATA,
		"CDATA beside text":               CDATA,
		"an end of CDATA in text":         Text,
		"a processing instruction":        Instruction,
		"a style sheet":                   Instruction,
		"a declaration in the middle":     Instruction,
		"a declaration after a blank":     Instruction,
		"two declarations":                Instruction,
		"another version of XML":          Declaration,
		"another encoding":                Declaration,
		"UTF 7":                           Declaration,
		"a declaration in another order":  Declaration,
		"a declaration without a version": Declaration,
		"UTF 16":                          Characters,
		"bytes that are not UTF 8":        Characters,
		"an overlong form":                Characters,
		"a surrogate in UTF 8":            Characters,
		"a NUL":                           Characters,
		"a control character":             Characters,
		"a character that is none":        Characters,
		"a byte order mark twice":         Text,
		"nothing":                         Truncated,
		"only blanks":                     Truncated,
		"only a declaration":              Truncated,
		"cut in the middle":               Truncated,
		"cut before the last tag":         Truncated,
		"cut in the last tag":             Truncated,
		"cut in an attribute":             Truncated,
		"JSON":                            Text,
		"a web page":                      Structure,
		"tags that cross":                 Structure,
		"an end tag of another prefix":    Tag,
		"an end tag in other letters":     Tag,
		"an end tag that goes on":         Tag,
		"an end tag with an attribute":    Tag,
		"an end tag too many":             Tag,
		"a prefix that nobody declared":   Namespace,
		"an attribute with a prefix that nobody declared": Namespace,
		"a prefix that was declared next door":            Namespace,
		"a prefix that is declared away":                  Namespace,
		"the prefix xml declared":                         Namespace,
		"the prefix xmlns used":                           Namespace,
		"a name with two colons":                          Tag,
		"a name that begins with a digit":                 Tag,
		"a name beyond ASCII":                             Tag,
		"a name that is too long":                         Limit,
		"an attribute without quotes":                     Tag,
		"an attribute without a value":                    Tag,
		"an attribute twice":                              Duplicate,
		"an attribute twice by two prefixes":              Duplicate,
		"attributes that touch":                           Tag,
		"a tag in an attribute":                           Tag,
		"a reference in an attribute":                     Tag,
		"nine attributes":                                 Limit,
		"a nil that is neither true nor false":            Tag,
		"a nil with content":                              Structure,
		"nine levels":                                     Limit,
		"text between elements":                           Text,
		"text around the message":                         Text,
		"text before the root":                            Text,
		"text after the root":                             Trailing,
		"a second root":                                   Trailing,
		"a second envelope":                               Trailing,
		"a comment after the root":                        Trailing,
		"two bodies":                                      Duplicate,
		"two messages in a body":                          Duplicate,
		"a header":                                        Structure,
		"a fault":                                         Structure,
		"an empty body":                                   Structure,
		"no body":                                         Structure,
		"an envelope of another version of SOAP":          Structure,
		"a message of another namespace":                  Structure,
		"a message without an envelope":                   Structure,
		"records of another namespace":                    Structure,
		"no organization":                                 Structure,
		"an organization in no namespace":                 Structure,
		"two organizations":                               Duplicate,
		"an organization that is no id":                   ID,
		"an organization whose checksum is wrong":         ID,
		"an organization with blanks":                     ID,
		"an organization that is nil":                     ID,
		"an organization with a child":                    Structure,
		"no action":                                       Structure,
		"two actions":                                     Duplicate,
		"an action that is no id":                         ID,
		"two session ids":                                 Duplicate,
		"no notification":                                 Structure,
		"101 notifications":                               Limit,
		"a notification without an id":                    Structure,
		"a notification with two ids":                     Duplicate,
		"a notification without a record":                 Structure,
		"a notification with two records":                 Duplicate,
		"a record that is nil":                            Structure,
		"a record without an id":                          Structure,
		"a record with two ids":                           Duplicate,
		"a record with two stages":                        Duplicate,
		"a stage with a child":                            Structure,
		"an id outside its record":                        Structure,
	}
	files := corpus(t, "refused")
	if got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Errorf("the files are not those of the test: %s", cmp.Diff(got, want))
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, bytes.NewReader(text), want[name])
		})
	}
}

// refused wants that what r reads is refused, for that reason and without a word of it.
func refused(t *testing.T, r io.Reader, want Reason) {
	t.Helper()
	got, err := Parse(r)
	if diff := cmp.Diff(got, Envelope{}); diff != "" {
		t.Errorf("something was read: %s", diff)
	}
	if bridge.KindOf(err) != bridge.Invalid || bridge.CodeOf(err) != string(want) {
		t.Fatalf("got %v, want %q", err, want)
	}
	if err.Error() != "outbound.Parse: invalid "+string(want) {
		t.Errorf("the error says more than its reason: %v", err)
	}
}

// TestRefusedForItsSize builds what is too large to be kept as a file.
func TestRefusedForItsSize(t *testing.T) {
	t.Parallel()
	text := string(corpus(t, "accepted")["as Salesforce sends it"])
	fill := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, tc := range map[string]struct {
		text string
		want Reason // "" if it fits
	}{
		"as large as may be":    {text + strings.Repeat("\n", Largest-len(text)), ""},
		"a byte larger":         {text + strings.Repeat("\n", Largest-len(text)+1), TooLarge},
		"a text of 32 KiB":      {fill("Closed Won", strings.Repeat("x", longestText)), ""},
		"a text a byte longer":  {fill("Closed Won", strings.Repeat("x", longestText+1)), Limit},
		"an attribute of 33 KB": {fill(`xsi:nil="true"`, `a="`+strings.Repeat("x", 33_000)+`"`), Limit},
		"a text that does not matter of 33 KB": {
			fill("<sf:Amount>", "<sf:Other__c>"+strings.Repeat("x", 33_000)+"</sf:Other__c><sf:Amount>"), Limit,
		},
		"19,000 fields":       {fill("<sf:Amount>", strings.Repeat("<sf:A/>", 19_000)+"<sf:Amount>"), ""},
		"20,000 fields":       {fill("<sf:Amount>", strings.Repeat("<sf:A/>", 20_000)+"<sf:Amount>"), Limit},
		"20,000 levels":       {fill("<sf:Amount>", strings.Repeat("<sf:A>", 20_000)), Limit},
		"20,000 levels alone": {strings.Repeat("<a>", 20_000), Structure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.want != "" {
				refused(t, strings.NewReader(tc.text), tc.want)
			} else if _, err := Parse(strings.NewReader(tc.text)); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestParseReadsHoweverItComes(t *testing.T) {
	t.Parallel()
	text := corpus(t, "accepted")["as Salesforce sends it"]
	down := errors.New("connection reset")
	for name, tc := range map[string]struct {
		from io.Reader
		want bridge.Kind
		code Reason
	}{
		"byte by byte":           {iotest.OneByteReader(bytes.NewReader(text)), "", ""},
		"with the end at once":   {iotest.DataErrReader(bytes.NewReader(text)), "", ""},
		"it breaks off":          {io.MultiReader(bytes.NewReader(text), iotest.ErrReader(down)), bridge.Unavailable, ""},
		"a limit of the request": {http.MaxBytesReader(nil, io.NopCloser(bytes.NewReader(text)), 100), bridge.Invalid, TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse(tc.from); bridge.KindOf(err) != tc.want || bridge.CodeOf(err) != string(tc.code) {
				t.Errorf("got %v, want %q %q", err, tc.want, tc.code)
			}
		})
	}
}

func TestAck(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Ack(w)
	const want = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>` +
		`<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>` +
		`</soapenv:Body></soapenv:Envelope>`
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/xml; charset=UTF-8" || w.Body.String() != want {
		t.Errorf("%d %q\n%s", w.Code, w.Header(), w.Body)
	}
}

// TestParseAllocatesLittle holds the reader to a count, which no machine changes.
func TestParseAllocatesLittle(t *testing.T) {
	text := corpus(t, "accepted")["a hundred notifications"]
	allocations := testing.AllocsPerRun(20, func() {
		if _, err := Parse(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 150 {
		t.Errorf("%.0f allocations for 100 notifications, want at most 150", allocations)
	}
}
