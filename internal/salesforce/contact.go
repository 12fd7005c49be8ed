package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// longestStatement keeps the address of a query, with what is around the statement, under the 16,384
// bytes that Salesforce takes.
const longestStatement = 14000

// CountContacts returns how many contacts are selected, as far as the connected user may see them. A
// filter that Salesforce does not understand is Invalid, with Salesforce's words for the field "filter".
func (c *Client) CountContacts(ctx context.Context, s bridge.Selection) (int, error) {
	const op = "salesforce.CountContacts"
	var counted answer[struct{}]
	path := data + "/query?q=" + url.QueryEscape("SELECT COUNT() FROM Contact"+where(s))
	if err := c.get(ctx, op, path, &counted); err != nil {
		return 0, explain(err, s)
	}
	return counted.TotalSize, nil
}

// ContactIDs returns the ids of the next selected contacts after the given one, in Salesforce's order, at
// most limit of them, and fewer only if there are no more. limit must be 1 to 2,000.
func (c *Client) ContactIDs(ctx context.Context, s bridge.Selection, after bridge.SalesforceID, limit int) ([]bridge.SalesforceID, error) {
	const op = "salesforce.ContactIDs"
	statement := fmt.Sprintf("SELECT Id FROM Contact%s ORDER BY Id LIMIT %d", where(s, beyond(after)...), limit)
	var ids []bridge.SalesforceID
	err := query(ctx, c, op, statement, func(r contact) bool {
		ids = append(ids, r.ID)
		return true
	})
	return ids, explain(err, s)
}

// Contacts returns the selected contacts after one and up to another, which is included, in Salesforce's
// order. Of addresses and numbers it reads the one that identifies them only. OptedOut is false for all if
// the connected user may not see that field.
func (c *Client) Contacts(ctx context.Context, s bridge.Selection, by bridge.Identifier, after, last bridge.SalesforceID) ([]bridge.Contact, error) {
	const op = "salesforce.Contacts"
	read := lookups[by].field
	if read == "" {
		return nil, bridge.Say(op, bridge.Invalid, "", "contacts are not identified by %s", by)
	}
	conditions := where(s, append(beyond(after), "Id <= "+quote(string(last)))...)
	for {
		fields, hidden := "Id, FirstName, LastName, "+read, c.optOutHidden.Load()
		if !hidden {
			fields += ", HasOptedOutOfEmail"
		}
		var contacts []bridge.Contact
		err := query(ctx, c, op, "SELECT "+fields+" FROM Contact"+conditions+" ORDER BY Id", func(r contact) bool {
			contacts = append(contacts, r.contact())
			return true
		})
		if !hidden && names(err, "HasOptedOutOfEmail") {
			c.optOutHidden.Store(true)
			continue
		}
		return contacts, explain(err, s, "FirstName", read)
	}
}

// EarliestContacts returns, for each of the values that a selected contact before the given one has, the
// first contact that has it. Values are normalised: e-mail addresses as by bridge.NormalizeEmail, phone
// numbers to a plus and digits, whatever stands between these in Salesforce. Others are never found.
func (c *Client) EarliestContacts(ctx context.Context, s bridge.Selection, by bridge.Identifier, values []string, before bridge.SalesforceID) (map[string]bridge.SalesforceID, error) {
	const op = "salesforce.EarliestContacts"
	asked := lookups[by]
	if asked.field == "" {
		return nil, bridge.Say(op, bridge.Invalid, "", "contacts cannot be found by %s", by)
	}
	first := make(map[string]bridge.SalesforceID)
	for len(values) > 0 {
		statement, taken := asked.statement(s, values, before)
		if taken == 0 {
			return nil, bridge.E(op, bridge.Internal, errTooLarge)
		}
		missing := make(map[string]bool, taken)
		for _, v := range values[:taken] {
			missing[v] = true
		}
		err := query(ctx, c, op, statement, func(r contact) bool {
			if value := asked.normalize(asked.value(r)); missing[value] {
				first[value] = r.ID
				delete(missing, value)
			}
			return len(missing) > 0 // records come in order, so the first of each is the one
		})
		if err != nil {
			return nil, err
		}
		values = values[taken:]
	}
	return first, nil
}

// lookup says how contacts are found by an identifier.
type lookup struct {
	field     string
	value     func(contact) string
	normalize func(string) string
	// A condition is opening, one term for each value, and closing.
	opening, between, closing string
	term                      func(value string) string
}

var lookups = map[bridge.Identifier]lookup{
	bridge.ByEmail: {
		field: "Email", value: func(r contact) string { return r.Email }, normalize: bridge.NormalizeEmail,
		opening: "Email IN (", between: ",", closing: ")", term: quote, // IN ignores case
	},
	bridge.ByPhone: {
		field: "Phone", value: func(r contact) string { return r.Phone }, normalize: bridge.NormalizePhone,
		opening: "(", between: " OR ", closing: ")", term: phonePattern,
	},
}

// statement asks for as many of the values as fit, and returns how many these are.
func (l lookup) statement(s bridge.Selection, values []string, before bridge.SalesforceID) (string, int) {
	opening := "SELECT Id, " + l.field + " FROM Contact" + where(s, "Id < "+quote(string(before)), l.opening)
	closing := l.closing + " ORDER BY Id"
	room := longestStatement - len(url.QueryEscape(opening+closing))
	var terms []string
	for _, v := range values {
		term := l.term(v)
		if room -= len(url.QueryEscape(l.between + term)); room < 0 {
			break
		}
		terms = append(terms, term)
	}
	return opening + strings.Join(terms, l.between) + closing, len(terms)
}

// phonePattern finds a number in whatever way it was written, and some others too.
func phonePattern(number string) string {
	return "Phone LIKE " + quote("%"+strings.Join(strings.Split(strings.TrimPrefix(number, "+"), ""), "%")+"%")
}

// contact is a Contact as the API has it. Null is the zero value.
type contact struct {
	ID                 bridge.SalesforceID `json:"Id"`
	FirstName          string
	LastName           string
	Email              string
	Phone              string
	HasOptedOutOfEmail bool
}

func (r contact) contact() bridge.Contact {
	return bridge.Contact{
		ID: r.ID, FirstName: r.FirstName, LastName: r.LastName, Email: r.Email, Phone: r.Phone, OptedOut: r.HasOptedOutOfEmail,
	}
}

// where joins the selection's conditions and more of them.
func where(s bridge.Selection, more ...string) string {
	var conditions []string
	if s.Filter != "" {
		conditions = append(conditions, "("+s.Filter+")")
	}
	if !s.Bound.IsZero() {
		conditions = append(conditions, "CreatedDate <= "+s.Bound.UTC().Format("2006-01-02T15:04:05Z"))
	}
	conditions = append(conditions, more...)
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// beyond is the condition for contacts after the given one; none for the empty id.
func beyond(after bridge.SalesforceID) []string {
	if after == "" {
		return nil
	}
	return []string{"Id > " + quote(string(after))}
}

// names reports whether err says that there is no such field, as far as the connected user may see.
func names(err error, field string) bool {
	var told words
	return bridge.CodeOf(err) == noSuchField && errors.As(err, &told) && strings.Contains(told.text, "'"+field+"'")
}

// explain lets a person read what they can do about a selected field that is hidden from the connected
// user, and what Salesforce said about their filter.
func explain(err error, s bridge.Selection, selected ...string) error {
	var refusal *bridge.Error
	var told words
	if bridge.KindOf(err) != bridge.Invalid || !errors.As(err, &refusal) || !errors.As(err, &told) {
		return err
	}
	for _, field := range selected {
		if names(err, field) {
			refusal.Message = "The connected Salesforce user may not see the field " + field +
				" of contacts. An administrator can change that in Setup > Field Accessibility."
			return err
		}
	}
	if s.Filter != "" {
		// Salesforce quotes the statement first, and says what is wrong with it in the last line.
		lines := strings.Split(strings.TrimSpace(told.text), "\n")
		refusal.Field = "filter"
		refusal.Message = "Salesforce does not understand the filter: " + strings.TrimSpace(lines[len(lines)-1])
	}
	return err
}
