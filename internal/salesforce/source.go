package salesforce

import (
	"fmt"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// source is where the records of a target are read, and what of them.
type source struct {
	target     bridge.Target // Contact or Lead
	layout     bridge.Layout
	object     string
	names      []string
	columns    map[string]int
	conditions []string
}

// from runs read on the source for a target. The account of a contact is left out if the connected user may not see
// it: nothing but the order of writes depends on it.
func (c *Client) from(op string, layouts map[string]bridge.Layout, target bridge.Target, read func(*source) error) error {
	layout, known := layouts[target.Object()]
	if !known || target == bridge.ToPersonAccount && !layout.Persons {
		return bridge.E(op, bridge.Internal, errTarget)
	}
	for {
		hidden := c.accountHidden.Load()
		err := read(newSource(layout, target, !hidden || layout.Persons))
		if names(err, "AccountId") && !hidden && !layout.Persons {
			c.accountHidden.Store(true)
			continue
		}
		return explain(err, bridge.Selection{}, "Email")
	}
}

func newSource(layout bridge.Layout, target bridge.Target, account bool) *source {
	s := &source{target: bridge.ToContact, layout: layout, object: target.Object(), columns: map[string]int{}}
	add := func(name string, column int) {
		s.names = append(s.names, name)
		s.columns[name] = column
	}
	add("Id", columnID)
	add("Email", columnEmail)
	add("SystemModstamp", columnModified)
	switch {
	case target == bridge.ToLead:
		s.target = bridge.ToLead
		s.conditions = []string{"IsConverted = false"}
	case layout.Persons:
		add("AccountId", columnAccount)
		add("IsPersonAccount", columnPerson)
	case account:
		add("AccountId", columnAccount)
	}
	for i, name := range layout.Names {
		if name != "" && layout.Visible.Has(i) {
			add(name, i)
		}
	}
	return s
}

// key is the name of the field SUB_ID; empty if the connected user does not see it.
func (s *source) key() string {
	if !s.layout.Visible.Has(bridge.SubscriberKey) {
		return ""
	}
	return s.layout.Names[bridge.SubscriberKey]
}

// only narrows the source to the records that are meant.
func (s *source) only(op string, which bridge.Which) error {
	switch {
	case which == bridge.Matchable && s.key() == "":
		s.conditions = append(s.conditions, "Email != null")
	case which == bridge.Matchable:
		s.conditions = append(s.conditions, "(Email != null OR "+s.key()+" != null)")
	case which != bridge.Ours:
		return bridge.E(op, bridge.Internal, fmt.Errorf("which records: %q", string(which)))
	case s.key() == "":
		return hiddenKey(op, s.target)
	default:
		s.conditions = append(s.conditions, s.key()+" != null")
	}
	return nil
}

func (s *source) where(more ...string) string {
	return where(bridge.Selection{}, append(s.conditions[:len(s.conditions):len(s.conditions)], more...)...)
}

// statement asks for what is read of the records that meet some more conditions.
func (s *source) statement(conditions ...string) string {
	return "SELECT " + strings.Join(s.names, ", ") + " FROM " + s.object + s.where(conditions...)
}
