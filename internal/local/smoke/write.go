package smoke

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/referralhero"
)

// lastName marks the contact that is made.
const lastName = "Referral Bridge smoke test"

// patience is how long removing may take, also after everything else was ended.
const patience = 30 * time.Second

// writes makes a contact as syncing does, looks at it, and removes it.
func (t *org) writes(ctx context.Context) {
	switch {
	case !t.o.Write:
		t.report.tell(t.print, notTried, t.name+": writing contacts", "it was not asked to: -write")
		return
	case t.production:
		t.report.tell(t.print, notTried, t.name+": writing contacts", "an org in production is only read")
		return
	}
	layouts := map[string]bridge.Layout{"Contact": t.layout}
	change := t.someone()
	var id bridge.SalesforceID
	begun := false
	defer func() {
		if begun {
			t.removeContacts(ctx, layouts, change)
		}
	}()
	made := t.try("a new contact is made by its SUB_ID", func() (string, error) {
		if t.layout.Names[bridge.SubscriberKey] == "" || !t.layout.Visible.Has(bridge.SubscriberKey) {
			return "", skipped("the user may not edit RH_SUB_ID__c, or it is not there: switch syncing on for a campaign first")
		}
		begun = true
		written := t.client.Write(ctx, layouts, []bridge.Change{change})[0]
		if written.Err != nil {
			return "", written.Err
		}
		id = written.ID
		t.door.own(string(id))
		if !written.Created {
			return "", unlike("it does not say that it was made")
		}
		return "", nil
	})
	if !made {
		return
	}
	t.try("what was written is read as it was written, dates and numbers too", func() (string, error) {
		read, err := t.contact(ctx, layouts, id)
		if err != nil {
			return "", err
		}
		if differ := bridge.Differ(read.Values, change.Values, t.layout.Visible); differ != 0 {
			return "", unlike("it is read otherwise: %s", strings.Join(differ.Names(), ", "))
		}
		return strings.Join(t.layout.Visible.Names(), ", "), nil
	})
	t.try("the same write again finds the contact and makes no other", func() (string, error) {
		written := t.client.Write(ctx, layouts, []bridge.Change{change})[0]
		if written.Err == nil && (written.ID != id || written.Created) {
			t.door.own(string(written.ID))
			return "", unlike("it was made again")
		}
		return "", written.Err
	})
	t.try("null empties a field", func() (string, error) {
		if !t.layout.Visible.Has(bridge.Points) {
			return "", skipped("the user may not edit RH_POINTS__c")
		}
		empty := bridge.Change{Target: bridge.ToContact, ID: id, Fields: bridge.FieldSet(0).With(bridge.Points)}
		if err := t.client.Write(ctx, layouts, []bridge.Change{empty})[0].Err; err != nil {
			return "", err
		}
		read, err := t.contact(ctx, layouts, id)
		if err == nil && read.Values[bridge.Points] != "" {
			return "", unlike("POINTS is not empty")
		}
		return "", err
	})
}

// someone is the contact that is made.
func (t *org) someone() bridge.Change {
	change := bridge.Change{Target: bridge.ToContact, Fields: t.layout.Visible,
		Person: &bridge.NewPerson{FirstName: "Please delete", LastName: lastName, Email: t.o.Address}}
	for i, field := range bridge.Fields {
		switch field.Type {
		case bridge.NumberField:
			change.Values[i] = "7"
		case bridge.DateTimeField:
			change.Values[i] = "2026-02-03T04:05:06Z"
		case bridge.URLField:
			change.Values[i] = "https://example.com/?mwr=smoke&mws=test"
		case bridge.TextField:
			change.Values[i] = `smoke "test" <ü>`
		}
	}
	change.Values[bridge.SubscriberKey] = "smoke_" + strings.ToLower(rand.Text()[:12])
	return change
}

func (t *org) contact(ctx context.Context, layouts map[string]bridge.Layout, id bridge.SalesforceID) (bridge.Record, error) {
	var found bridge.Record
	err := t.client.RecordsByID(ctx, layouts, bridge.ToContact, []bridge.SalesforceID{id}, func(r bridge.Record) { found = r })
	if err == nil && found.ID == "" {
		return found, unlike("it is not found")
	}
	return found, err
}

// removeContacts removes what was made, also if nobody knows whether it was: its SUB_ID is nobody else's.
func (t *org) removeContacts(ctx context.Context, layouts map[string]bridge.Layout, change bridge.Change) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	key := change.Values[bridge.SubscriberKey]
	err := t.client.RecordsByKey(ctx, layouts, bridge.ToContact, []bridge.SubscriberID{bridge.SubscriberID(key)}, nil, func(r bridge.Record) {
		t.door.own(string(r.ID))
	})
	if err != nil && len(t.door.owned()) == 0 {
		t.left("perhaps a contact whose RH_SUB_ID__c is " + key)
	}
	for _, id := range t.door.owned() {
		t.try("the contact is removed", func() (string, error) {
			err := t.call(ctx, http.MethodDelete, t.base+"/sobjects/Contact/"+id)
			if err != nil {
				t.left("contact " + id)
			}
			return "it is in the recycle bin", err
		})
	}
}

// left notes what has to be removed by hand.
func (s *side) left(what string) { s.report.Left = append(s.report.Left, what) }

// writes adds a subscriber as an import does, looks at it, and removes it.
func (t *hero) writes(ctx context.Context) {
	if !t.o.Write {
		t.report.tell(t.print, notTried, t.name+": adding subscribers, and whether they are mailed", "it was not asked to: -write")
		return
	}
	person := referralhero.Person{Identifier: bridge.ByEmail, Value: t.o.Address, Name: lastName, Source: "smoke"}
	var added referralhero.Added
	begun := false
	defer func() {
		if begun {
			t.removeSubscribers(ctx)
		}
	}()
	made := t.try("somebody new is added, verified at once", func() (string, error) {
		_, _, err := t.client.SubscriberByEmail(ctx, t.o.Hero.Token, t.campaign, t.o.Address)
		switch {
		case err == nil:
			return "", skipped("the address is a subscriber's already, who is left alone: give another one")
		case bridge.KindOf(err) != bridge.NotFound:
			return "", err
		}
		begun = true
		if added, _, err = t.client.Add(ctx, t.o.Hero.Token, t.campaign, person); err != nil {
			return "", err
		}
		t.door.own(string(added.ID))
		switch {
		case !added.Created:
			return "", unlike("data.response is not subscriber_created")
		case !added.Verified, added.Code == "", added.Link == "":
			return "", unlike("the subscriber is not verified, or has no code or link")
		}
		return "", nil
	})
	if !made {
		return
	}
	t.try("adding them again finds the same subscriber", func() (string, error) {
		again, _, err := t.client.Add(ctx, t.o.Hero.Token, t.campaign, person)
		if err == nil && (again.ID != added.ID || again.Created || !again.CreatedAt.Equal(added.CreatedAt)) {
			t.door.own(string(again.ID))
			return "", unlike("it made another one, or says so")
		}
		return "", err
	})
	t.try("they are on the first page", func() (string, error) {
		page, _, err := t.client.Subscribers(ctx, t.o.Hero.Token, t.campaign, 1)
		if err != nil {
			return "", err
		}
		for _, s := range page.Subscribers {
			if s.ID == added.ID {
				return "", nil
			}
		}
		return "", unlike("they are not")
	})
	t.report.tell(t.print, notTried, t.name+": the Welcome automation mails who is added by the API", "look whether a mail has come to the address that you gave")
}

// removeSubscribers removes who was made, also if nobody knows whether they were: the address was nobody's before.
func (t *hero) removeSubscribers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if len(t.door.owned()) == 0 {
		s, _, err := t.client.SubscriberByEmail(ctx, t.o.Hero.Token, t.campaign, t.o.Address)
		switch {
		case err == nil:
			t.door.own(string(s.ID))
		case bridge.KindOf(err) != bridge.NotFound:
			t.left("perhaps a subscriber with the address that was given")
		}
	}
	for _, id := range t.door.owned() {
		t.try("who was removed is subscriber_not_found", func() (string, error) {
			if err := t.remove(ctx, bridge.SubscriberID(id)); err != nil {
				t.left("subscriber " + id)
				return "", err
			}
			_, _, err := t.client.Subscriber(ctx, t.o.Hero.Token, t.campaign, bridge.SubscriberID(id))
			return t.refused(err, bridge.NotFound, "subscriber_not_found")
		})
	}
}
