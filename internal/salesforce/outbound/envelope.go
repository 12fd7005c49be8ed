// Package outbound reads the Outbound Messages that Salesforce posts, and acknowledges them.
//
// An Outbound Message is a SOAP 1.1 envelope with 1 to 100 notifications, each about one record. The reader goes over it
// once, builds no tree, and is a good deal stricter than XML: it knows the one shape that Salesforce sends, and refuses what
// could be read in two ways (document types, comments, CDATA, whatever is there twice or after the end) instead of choosing.
// What it accepts, encoding/xml reads to the same values: a fuzz test holds it to that.
//
// Nothing in an envelope proves who sent it. It says which records to look at, with our own access to the org, and that is
// all that it is believed.
package outbound

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Envelope is one Outbound Message.
type Envelope struct {
	Organization   bridge.SalesforceID
	Action         bridge.SalesforceID // the definition of the message in the org
	SessionPresent bool                // a session id was in it: Salesforce sends none since 2026, and this one is dropped
	Notifications  []Notification      // 1 to 100
}

// Notification is about one record, with its values at the time of sending. Values that are absent, nil or of an unknown
// form are zero: they cost nobody the other 99 notifications.
type Notification struct {
	ID       bridge.SalesforceID // of the notification; the same when Salesforce sends it again
	Record   bridge.SalesforceID // what it is about
	Stage    string
	Amount   string // a decimal as Salesforce writes it
	Modified time.Time
}

// The limits. Salesforce puts at most 100 notifications into an envelope; with ten fields each that is 64 KiB.
const (
	Largest = 512 << 10 // bytes of a body

	mostNotifications = 100
	mostElements      = 20_000
	mostAttributes    = 8 // of an element
	deepest           = 8
	longestName       = 80
	longestText       = 32 << 10 // between two tags; no text field of Salesforce's is longer
)

// The namespaces. Prefixes may be any.
const (
	soapSpace   = "http://schemas.xmlsoap.org/soap/envelope/"
	space       = "http://soap.sforce.com/2005/09/outbound"
	recordSpace = "urn:sobject.enterprise.soap.sforce.com"
	schemaSpace = "http://www.w3.org/2001/XMLSchema-instance"
	xmlSpace    = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace  = "http://www.w3.org/2000/xmlns/"
)

// Parse reads an envelope. What is none is Invalid, with one of the Reasons as its code; if r fails, it is Unavailable.
func Parse(r io.Reader) (Envelope, error) {
	const op = "outbound.Parse"
	var e Envelope
	var b body
	_, err := io.Copy(&b, r)
	if err == nil {
		e, err = parse(b.text.String())
	}
	var reason Reason
	switch {
	case err == nil:
		return e, nil
	case errors.As(err, &reason):
		return Envelope{}, Refuse(op, reason)
	case errors.As(err, new(*http.MaxBytesError)):
		return Envelope{}, Refuse(op, TooLarge)
	default:
		return Envelope{}, bridge.E(op, bridge.Unavailable, err)
	}
}

// body takes in no more than Largest. A reader that has it all hands it over in one piece, which is the only copy then.
type body struct{ text strings.Builder } // not embedded: its other methods know no limit

func (b *body) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > Largest {
		return 0, TooLarge
	}
	return b.text.Write(p)
}

// parse reads Envelope/Body/notifications, each of which has to be there once.
func parse(text string) (Envelope, error) {
	s, err := newScanner(text)
	if err != nil {
		return Envelope{}, err
	}
	root, err := s.root()
	if err != nil {
		return Envelope{}, err
	}
	if !root.is(soapSpace, "Envelope") {
		return Envelope{}, Structure
	}
	var e Envelope
	err = s.only(root, soapSpace, "Body", func(body element) error {
		return s.only(body, space, "notifications", func(notifications element) error {
			return e.read(s, notifications)
		})
	})
	if err != nil {
		return Envelope{}, err
	}
	return e, s.finish()
}

// read reads the element notifications.
func (e *Envelope) read(s *scanner, notifications element) error {
	var organization, action, session once
	err := s.children(notifications, func(child element) error {
		if child.space != space {
			return s.skip(child)
		}
		switch child.local {
		case "OrganizationId":
			return organization.read(s, child)
		case "ActionId":
			return action.read(s, child)
		case "SessionId":
			return session.read(s, child)
		case "Notification":
			if len(e.Notifications) == mostNotifications {
				return Limit
			}
			n, err := readNotification(s, child)
			e.Notifications = append(e.Notifications, n)
			return err
		default:
			return s.skip(child)
		}
	})
	if err != nil {
		return err
	}
	if !organization.seen || !action.seen || len(e.Notifications) == 0 {
		return Structure
	}
	e.SessionPresent = strings.TrimSpace(session.value) != ""
	if e.Organization, err = bridge.ParseSalesforceID(organization.value); err != nil {
		return ID
	}
	if e.Action, err = bridge.ParseSalesforceID(action.value); err != nil {
		return ID
	}
	return nil
}

func readNotification(s *scanner, notification element) (n Notification, err error) {
	var id, record, stage, amount, modified once
	var object bool
	err = s.children(notification, func(child element) error {
		switch {
		case child.is(space, "Id"):
			return id.read(s, child)
		case !child.is(space, "sObject"):
			return s.skip(child)
		case object:
			return Duplicate
		}
		object = true
		return s.children(child, func(field element) error {
			if field.space != recordSpace {
				return s.skip(field)
			}
			switch field.local {
			case "Id":
				return record.read(s, field)
			case "StageName":
				return stage.read(s, field)
			case "Amount":
				return amount.read(s, field)
			case "LastModifiedDate":
				return modified.read(s, field)
			default:
				return s.skip(field)
			}
		})
	})
	if err != nil {
		return n, err
	}
	if !id.seen || !record.seen {
		return n, Structure
	}
	n = Notification{Stage: stage.value, Amount: amount.value}
	n.ID, _ = bridge.ParseSalesforceID(id.value)
	n.Record, _ = bridge.ParseSalesforceID(record.value)
	n.Modified, _ = time.Parse(time.RFC3339, modified.value)
	return n, nil
}

// once is the value of an element that may be there once.
type once struct {
	value string
	seen  bool
}

func (o *once) read(s *scanner, e element) (err error) {
	if o.seen {
		return Duplicate
	}
	o.seen = true
	o.value, err = s.leaf(e)
	return err
}
