package outbound

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// FuzzParse wants that whatever Parse accepts, encoding/xml reads to the same values, and that what is refused is refused
// for one of the reasons.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"accepted", "refused"} {
		for _, text := range corpus(f, folder) {
			if len(text) < 8<<10 { // small seeds are what a fuzzer gets on with
				f.Add(text)
			}
		}
	}
	known := map[string]bool{}
	for _, r := range []Reason{TooLarge, Characters, Declaration, Doctype, Comment, CDATA, Instruction, Truncated, Tag, Namespace,
		Reference, Text, Limit, Structure, Duplicate, ID, Trailing} {
		known[string(r)] = true
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(bytes.NewReader(text))
		if err != nil {
			if bridge.KindOf(err) != bridge.Invalid || !known[bridge.CodeOf(err)] {
				t.Errorf("refused with %v", err)
			}
			return
		}
		want, err := peer(text)
		if err != nil {
			t.Fatalf("encoding/xml refuses it: %v", err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("got - encoding/xml +\n%s", diff)
		}
	})
}

// peer reads an envelope a second time, with encoding/xml's tokens. It takes the first of what may be there once, and
// refuses what is there twice.
func peer(text []byte) (e Envelope, err error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	values := map[string]string{}
	elements, roots := 0, 0
	var path []xml.Name
	var chars strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return e, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(path) == 0 {
				roots++
			}
			path = append(path, token.Name)
			elements++
			if roots > 1 || elements > mostElements || len(path) > deepest {
				return e, errors.New("more than there may be")
			}
			chars.Reset()
			if where(path) == "Envelope/Body/notifications/Notification" {
				e.Notifications = append(e.Notifications, Notification{})
			}
		case xml.CharData:
			chars.Write(token)
		case xml.EndElement:
			if err := e.set(where(path), chars.String(), values); err != nil {
				return e, err
			}
			if where(path) == "Envelope/Body/notifications/Notification" {
				for name := range values {
					if strings.HasPrefix(name, "Envelope/Body/notifications/Notification/") {
						delete(values, name)
					}
				}
			}
			path = path[:len(path)-1]
		case xml.Comment, xml.Directive:
			return e, errors.New("a comment or a directive")
		}
	}
	if e.Organization == "" || e.Action == "" || len(e.Notifications) == 0 || len(e.Notifications) > mostNotifications {
		return e, errors.New("something is missing, or too much")
	}
	return e, nil
}

// where is a path without its namespaces if they are the right ones, and otherwise "".
func where(path []xml.Name) string {
	spaces := []string{soapSpace, soapSpace, space, space, space, recordSpace}
	var names []string
	for i, name := range path {
		if i >= len(spaces) || name.Space != spaces[i] {
			return ""
		}
		names = append(names, name.Local)
	}
	return strings.Join(names, "/")
}

// set notes the text of an element.
func (e *Envelope) set(where, text string, values map[string]string) (err error) {
	name, ours := strings.CutPrefix(where, "Envelope/Body/notifications/")
	if !ours {
		return nil
	}
	var n *Notification
	if len(e.Notifications) > 0 {
		n = &e.Notifications[len(e.Notifications)-1]
	}
	switch name {
	case "OrganizationId":
		e.Organization, err = bridge.ParseSalesforceID(text)
	case "ActionId":
		e.Action, err = bridge.ParseSalesforceID(text)
	case "SessionId":
		e.SessionPresent = strings.TrimSpace(text) != ""
	case "Notification/Id":
		n.ID, _ = bridge.ParseSalesforceID(text)
	case "Notification/sObject/Id":
		n.Record, _ = bridge.ParseSalesforceID(text)
	case "Notification/sObject/StageName":
		n.Stage = text
	case "Notification/sObject/Amount":
		n.Amount = text
	case "Notification/sObject/LastModifiedDate":
		n.Modified, _ = time.Parse(time.RFC3339, text)
	default:
		return err
	}
	if _, twice := values[where]; twice {
		return errors.New("twice: " + where)
	}
	values[where] = text
	return err
}

func BenchmarkParse(b *testing.B) {
	for name, file := range map[string]string{"1": "as Salesforce sends it", "100": "a hundred notifications"} {
		text := corpus(b, "accepted")[file]
		for reader, parse := range map[string]func([]byte) (Envelope, error){
			"ours":         func(text []byte) (Envelope, error) { return Parse(bytes.NewReader(text)) },
			"encoding-xml": unmarshal,
		} {
			b.Run(name+"/"+reader, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := parse(text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// unmarshal reads an envelope in the way that is usual.
func unmarshal(text []byte) (Envelope, error) {
	var in struct {
		Body struct {
			Notifications struct {
				OrganizationID string `xml:"OrganizationId"`
				ActionID       string `xml:"ActionId"`
				Notification   []struct {
					ID     string `xml:"Id"`
					Record struct {
						ID       string `xml:"Id"`
						Stage    string `xml:"StageName"`
						Amount   string
						Modified string `xml:"LastModifiedDate"`
					} `xml:"sObject"`
				}
			} `xml:"notifications"`
		}
	}
	if err := xml.Unmarshal(text, &in); err != nil {
		return Envelope{}, err
	}
	var e Envelope
	e.Organization, _ = bridge.ParseSalesforceID(in.Body.Notifications.OrganizationID)
	e.Action, _ = bridge.ParseSalesforceID(in.Body.Notifications.ActionID)
	for _, v := range in.Body.Notifications.Notification {
		n := Notification{Stage: v.Record.Stage, Amount: v.Record.Amount}
		n.ID, _ = bridge.ParseSalesforceID(v.ID)
		n.Record, _ = bridge.ParseSalesforceID(v.Record.ID)
		n.Modified, _ = time.Parse(time.RFC3339, v.Record.Modified)
		e.Notifications = append(e.Notifications, n)
	}
	return e, nil
}
