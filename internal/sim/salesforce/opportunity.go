package salesforce

import (
	"net/http"
	"strings"
)

// Undelete takes an opportunity out of the recycle bin, with the contact roles that were deleted with it. No flow runs.
func (o *Org) Undelete(opportunity string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("Opportunity")
	_, at, err := t.named(strings.TrimSpace(opportunity))
	switch {
	case err != nil:
		return err
	case !t.isDeleted(t.rows[at]):
		return refuse(400, "UNDELETE_FAILED", "Entity is not in the recycle bin")
	}
	o.undelete(t, at)
	return nil
}

func (o *Org) undelete(t *table, at int) {
	values := t.rows[at].values(t.width)
	stamp := values[t.field("LastModifiedDate").at]
	values[t.deleted.at] = ""
	o.store(o.admin, t, at, values)
	for _, part := range partsOf[t.name] {
		of := o.table(part.object)
		for _, at := range of.indexes[of.field(part.reference)].positions(fold(values[0])) {
			if r := of.rows[at]; of.isDeleted(r) && of.value(int(at), part.reference) == values[0] && of.value(int(at), "LastModifiedDate") == stamp {
				o.undelete(of, int(at))
			}
		}
	}
}

// follow does what an opportunity's stage history does when the opportunity is deleted, or undeleted: the same.
func (o *Org) follow(opportunity id, deleted string) {
	t := o.table("OpportunityHistory")
	f, gone := t.field("OpportunityId"), t.field("IsDeleted")
	for _, at := range t.indexes[f].positions(fold(string(opportunity))) {
		if f.value(t.rows[at]) == string(opportunity) {
			values := t.rows[at].values(t.width)
			values[gone.at] = deleted
			t.replace(int(at), packRow(values))
		}
	}
}

// dropPrimary takes the contact of a role that is no primary one any more from its opportunity.
func (o *Org) dropPrimary(role []string) {
	t, opportunities := o.table("OpportunityContactRole"), o.table("Opportunity")
	contact := opportunities.field("ContactId")
	at := opportunities.find(id(role[t.field("OpportunityId").at]))
	if at < 0 || contact.value(opportunities.rows[at]) != role[t.field("ContactId").at] {
		return
	}
	values := opportunities.rows[at].values(opportunities.width)
	values[contact.at] = ""
	opportunities.replace(at, packRow(values)) // no stamp: a role's change is no change of the opportunity
}

// SetActive activates a user, or deactivates one: whose sessions are over then, and whose outbound messages are not sent.
func (o *Org) SetActive(username string, active bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("User")
	for at, r := range t.rows {
		if !strings.EqualFold(t.field("Username").value(r), username) {
			continue
		}
		values := r.values(t.width)
		values[t.field("IsActive").at] = boolValue(active)
		t.replace(at, packRow(values))
		if !active {
			o.auth.expel(r.id())
		}
		return nil
	}
	return refuse(404, "NOT_FOUND", "there is no user "+username)
}

// expel closes all sessions of a user.
func (g *grants) expel(user id) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for token, s := range g.Sessions {
		if s.User == user {
			delete(g.Sessions, token)
		}
	}
}

// shownRole is a contact role on an opportunity's page.
type shownRole struct {
	ID, Contact id
	Name, Role  string
	Primary     bool
}

func (o *Org) shownRoles(opportunity id) []shownRole {
	t, contacts := o.table("OpportunityContactRole"), o.table("Contact")
	var list []shownRole
	for _, at := range o.children(t.name, "OpportunityId", string(opportunity)) {
		one := shownRole{ID: t.rows[at].id(), Contact: id(t.value(at, "ContactId")), Name: "(deleted)",
			Role: t.value(at, "Role"), Primary: t.value(at, "IsPrimary") == "true"}
		if contact, ok := contacts.parent(string(one.Contact)); ok {
			one.Name = contacts.field("Name").value(contact)
		}
		list = append(list, one)
	}
	return list
}

// changeRole makes a role the primary one, or takes it away, as the pressed button says.
func (o *Org) changeRole(w http.ResponseWriter, r *http.Request) {
	o.edited(w, r, "Opportunity", o.alterRole(r.PathValue("role"), r.PostFormValue("do")))
}

func (o *Org) alterRole(role, does string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("OpportunityContactRole")
	_, at, err := t.named(role)
	switch {
	case err != nil:
		return err
	case does == "remove":
		return o.remove(o.visitor(), t, at)
	}
	return o.update(o.visitor(), t, at, map[string]any{"IsPrimary": does == "primary"})
}

// addOpportunity makes an opportunity by hand, for a contact if one is named.
func (o *Org) addOpportunity(w http.ResponseWriter, r *http.Request) {
	fields := map[string]any{}
	o.mu.Lock()
	t := o.table("Opportunity")
	for _, name := range []string{"Name", "StageName", "Amount", "CloseDate", "ContactId", currencyCode} {
		if value := strings.TrimSpace(r.PostFormValue(name)); value != "" && t.field(name) != nil {
			fields[name] = formValue(t.field(name), value)
		}
	}
	created, err := o.create(o.visitor(), t, fields)
	o.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	http.Redirect(w, r, recordPaths["Opportunity"]+string(created), http.StatusSeeOther)
}

// binOpportunity deletes an opportunity, or takes it out of the recycle bin, as the pressed button says.
func (o *Org) binOpportunity(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("do") == "undelete" {
		o.edited(w, r, "Opportunity", o.Undelete(r.PathValue("id")))
		return
	}
	o.mu.Lock()
	t := o.table("Opportunity")
	_, at, err := t.named(r.PathValue("id"))
	if err == nil {
		err = o.remove(o.visitor(), t, at)
	}
	o.mu.Unlock()
	o.edited(w, r, "Opportunity", err)
}
