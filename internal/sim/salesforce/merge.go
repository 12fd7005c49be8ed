package salesforce

import "strings"

// Merge makes one contact of two, or one person account of two, as a person does who found duplicates: loser is
// deleted, with MasterRecordId naming winner, and what hung on loser hangs on winner. winner keeps its own values,
// whatever loser had. Both are ids.
func (o *Org) Merge(winner, loser string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("Contact")
	accounts := o.table("Account")
	if strings.HasPrefix(winner, accounts.prefix) {
		t = accounts
	}
	_, survivor, err := t.named(winner)
	if err != nil {
		return err
	}
	_, at, err := t.named(loser)
	switch {
	case err != nil:
		return err
	case at == survivor:
		return refuse(400, "INVALID_INPUT", "a record cannot be merged with itself")
	case t.isDeleted(t.rows[at]) || t.isDeleted(t.rows[survivor]):
		return refuse(404, "ENTITY_IS_DELETED", "entity is deleted")
	case t == accounts:
		return o.mergePersons(survivor, at)
	case o.isPerson(t, t.rows[at]) || o.isPerson(t, t.rows[survivor]):
		return refuse(400, "INVALID_INPUT", "a contact of a person account is merged by the account")
	}
	o.mergeContacts(survivor, at)
	return nil
}

// mergeContacts merges the contact at a position into another one. The caller holds the lock for writing.
func (o *Org) mergeContacts(survivor, at int) {
	t, roles := o.table("Contact"), o.table("OpportunityContactRole")
	for _, role := range o.children("OpportunityContactRole", "ContactId", string(t.rows[at].id())) {
		values := roles.rows[role].values(roles.width)
		values[roles.field("ContactId").at] = string(t.rows[survivor].id())
		o.store(o.admin, roles, role, values)
	}
	o.mergeRows(t, survivor, at)
}

// mergeRows deletes the record at a position in favour of another one.
func (o *Org) mergeRows(t *table, survivor, at int) {
	values := t.rows[at].values(t.width)
	values[t.field("MasterRecordId").at] = string(t.rows[survivor].id())
	values[t.deleted.at] = "true"
	o.store(o.admin, t, at, values)
	o.store(o.admin, t, survivor, t.rows[survivor].values(t.width))
}
