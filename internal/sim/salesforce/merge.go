package salesforce

// Merge makes one contact of two, as a person does who found duplicates: loser is deleted, with MasterRecordId naming
// winner, and what hung on loser hangs on winner. winner keeps its own values, whatever loser had. Both are ids.
func (o *Org) Merge(winner, loser string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("Contact")
	into, survivor, err := t.named(winner)
	if err != nil {
		return err
	}
	from, at, err := t.named(loser)
	switch {
	case err != nil:
		return err
	case at == survivor:
		return refuse(400, "INVALID_INPUT", "a contact cannot be merged with itself")
	case t.isDeleted(t.rows[at]) || t.isDeleted(t.rows[survivor]):
		return refuse(404, "ENTITY_IS_DELETED", "entity is deleted")
	}
	roles := o.table("OpportunityContactRole")
	for _, at := range o.children("OpportunityContactRole", "ContactId", string(from)) {
		values := roles.rows[at].values(roles.width)
		values[roles.field("ContactId").at] = string(into)
		o.store(o.admin, roles, at, values)
	}
	values := t.rows[at].values(t.width)
	values[t.field("MasterRecordId").at] = string(into)
	values[t.deleted.at] = "true"
	o.store(o.admin, t, at, values)
	o.store(o.admin, t, survivor, t.rows[survivor].values(t.width))
	return nil
}
