package salesforce

import (
	"slices"
	"strings"
)

// A person account is an account and a hidden contact, which are one person. The contact holds what is said of the
// person; the account shows it as fields of its own, and only by the account can it be changed. An org has person
// accounts if its switch PersonAccounts is on; otherwise their fields look like ones that are not there.

// personNames are the names that accounts have for standard fields of their person's contact.
var personNames = [][2]string{{"FirstName", "FirstName"}, {"LastName", "LastName"}, {"Email", "PersonEmail"}, {"Title", "PersonTitle"},
	{"HasOptedOutOfEmail", "PersonHasOptedOutOfEmail"}, {"EmailBouncedDate", "PersonEmailBouncedDate"}}

// persons is what the object Account knows of contacts.
type persons struct {
	contacts *table
	contact  *field // of the account: its person's contact
}

// linkPersons lets accounts and contacts find each other.
func linkPersons(tables map[string]*table) {
	accounts, contacts := tables["account"], tables["contact"]
	link, account := accounts.byName["personcontactid"], contacts.byName["accountid"]
	accounts.persons = &persons{contacts: contacts, contact: link}
	accounts.byName["ispersonaccount"].derive = func(r row) string { return boolValue(link.value(r) != "") }
	contacts.byName["ispersonaccount"].derive = func(r row) string {
		at := accounts.find(id(account.value(r)))
		return boolValue(at >= 0 && link.value(accounts.rows[at]) == string(r.id()))
	}
}

// mirror is the field of accounts that shows a contact's; nil if none does.
func (p *persons) mirror(of *field) *field {
	m := *of
	if name, custom := strings.CutSuffix(of.name, "__c"); custom {
		m.name = name + "__pc"
	} else if at := slices.IndexFunc(personNames, func(n [2]string) bool { return n[0] == of.name }); at >= 0 {
		m.name = personNames[at][1]
	} else {
		return nil
	}
	m.mirrors, m.persons = of, true
	m.required, m.indexed, m.external, m.unique = false, false, false, false
	m.derive = func(r row) string {
		at := p.contacts.find(id(p.contact.value(r)))
		if at < 0 {
			return ""
		}
		return of.value(p.contacts.rows[at])
	}
	return &m
}

// mirrored finds the field of accounts that shows one of contacts, by its name.
func (p *persons) mirrored(name string) *field {
	if base, custom := strings.CutSuffix(fold(name), "__pc"); custom {
		if of := p.contacts.byName[base+"__c"]; of != nil {
			return p.mirror(of)
		}
		return nil
	}
	for _, n := range personNames {
		if strings.EqualFold(n[1], name) {
			return p.mirror(p.contacts.field(n[0]))
		}
	}
	return nil
}

// everyField are an object's fields, with those that show a person's.
func (b *object) everyField() []*field {
	if b.persons == nil {
		return b.fields
	}
	list := slices.Clone(b.fields)
	for _, of := range b.persons.contacts.fields {
		if m := b.persons.mirror(of); m != nil {
			list = append(list, m)
		}
	}
	return list
}

// divide separates what is said of an account's person from what is said of the account.
func (b *object) divide(input map[string]any) (own, person map[string]any) {
	own, person = map[string]any{}, map[string]any{}
	for name, v := range input {
		if f := b.field(name); f != nil && f.mirrors != nil {
			person[f.mirrors.name] = v
		} else {
			own[name] = v
		}
	}
	return own, person
}

// misnamed refuses fields that this kind of account does not have.
func misnamed(names ...string) error {
	slices.Sort(names)
	return refuse(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Account: bad field names on insert/update call: "+strings.Join(names, ", "), names...)
}

// ofAccount says what a contact was refused for in the words of its account.
func (b *object) ofAccount(err error) error {
	if err == nil {
		return nil
	}
	refusal := *asRefusal(err)
	refusal.message = strings.ReplaceAll(strings.ReplaceAll(refusal.message, "__c", "__pc"), "of type Contact", "of type Account")
	refusal.fields = slices.Clone(refusal.fields)
	for i, name := range refusal.fields {
		if f := b.persons.contacts.field(name); f != nil {
			if m := b.persons.mirror(f); m != nil {
				refusal.fields[i] = m.name
			}
		}
	}
	return &refusal
}

// personType reports whether a record type is one of persons.
func (o *Org) personType(of any) bool {
	text, _ := of.(string)
	parsed, err := parseID(text)
	types := o.table("RecordType")
	at := types.find(parsed)
	return err == nil && at >= 0 && types.field("IsPersonType").value(types.rows[at]) == "true"
}

// bring adds a record: of an account of a record type for persons, with its contact. The caller holds the lock for
// writing.
func (o *Org) bring(by author, t *table, input map[string]any) (id, error) {
	if t.persons == nil || !o.switches.PersonAccounts {
		return o.insert(by, t, input)
	}
	own, person := t.divide(input)
	var recordType any
	for name, v := range own {
		if strings.EqualFold(name, "RecordTypeId") {
			recordType = v
		}
	}
	switch {
	case !o.personType(recordType) && len(person) > 0:
		return "", misnamed(t.shownAs(person)...)
	case !o.personType(recordType):
		return o.insert(by, t, own)
	case has(own, "Name"):
		return "", misnamed("Name")
	}
	first, _ := person["FirstName"].(string)
	last, _ := person["LastName"].(string)
	own["Name"] = orElse(strings.TrimSpace(first+" "+last), "?")
	made, err := o.insert(by, t, own)
	if err != nil {
		return "", err
	}
	contacts := t.persons.contacts
	person["AccountId"] = string(made)
	for name, v := range own {
		if strings.EqualFold(name, "Phone") {
			person["Phone"] = v
		}
	}
	by.person = true
	contact, err := o.insert(by, contacts, person)
	if err != nil {
		return "", t.ofAccount(err)
	}
	at := t.find(made)
	values := t.rows[at].values(t.width)
	values[t.persons.contact.at] = string(contact)
	t.replace(at, packRow(values))
	return made, nil
}

// shownAs are the names that accounts have for fields of contacts.
func (t *table) shownAs(person map[string]any) []string {
	var names []string
	for name := range person {
		names = append(names, t.persons.mirror(t.persons.contacts.field(name)).name)
	}
	return names
}

func has(input map[string]any, field string) bool {
	for name := range input {
		if strings.EqualFold(name, field) {
			return true
		}
	}
	return false
}

// isPerson reports whether an account is a person's, or a contact belongs to a person account.
func (o *Org) isPerson(t *table, r row) bool {
	if t.name != "Account" && t.name != "Contact" || !o.switches.PersonAccounts {
		return false
	}
	return t.byName["ispersonaccount"].value(r) == "true"
}

// alter changes the record at a position: of a person account, with its contact. The caller holds the lock for writing.
func (o *Org) alter(by author, t *table, at int, input map[string]any) error {
	switch {
	case t.name == "Contact" && o.isPerson(t, t.rows[at]):
		return refuse(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "The contact of a person account can be changed by the account only.")
	case t.persons == nil || !o.switches.PersonAccounts:
		return o.change(by, t, at, input)
	}
	own, person := t.divide(input)
	if !o.isPerson(t, t.rows[at]) {
		if len(person) > 0 {
			return misnamed(t.shownAs(person)...)
		}
		return o.change(by, t, at, own)
	}
	if has(own, "Name") {
		return misnamed("Name")
	}
	contacts := t.persons.contacts
	contact := contacts.find(id(t.persons.contact.value(t.rows[at])))
	for name, v := range own {
		if strings.EqualFold(name, "Phone") {
			person["Phone"] = v
		}
	}
	inner := by
	inner.person = true
	if err := o.change(inner, contacts, contact, person); err != nil {
		return t.ofAccount(err)
	}
	if err := o.change(by, t, at, own); err != nil {
		return err
	}
	values := t.rows[at].values(t.width)
	values[t.field("Name").at] = contacts.field("Name").value(contacts.rows[contact])
	t.replace(at, packRow(values))
	return nil
}

// drop removes the record at a position: of a person account, with its contact. The caller holds the lock for writing.
func (o *Org) drop(by author, t *table, at int) error {
	person := o.isPerson(t, t.rows[at])
	if t.name == "Contact" && person {
		return refuse(400, "INSUFFICIENT_ACCESS_OR_READONLY", "The contact of a person account goes with the account only.")
	}
	if err := o.discard(by, t, at); err != nil || !person {
		return err
	}
	by.person = true
	return o.discard(by, t.persons.contacts, t.persons.contacts.find(id(t.persons.contact.value(t.rows[at]))))
}

// newRecordTypeObject is what record types there are: of accounts, business ones and, in their time, persons.
func newRecordTypeObject() *object {
	return newObject("RecordType", "Record Type", "Record Types", "012",
		&field{name: "Id", label: "Record Type ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
		&field{name: "Name", label: "Name", kind: kindString, length: 80, required: true, basic: true},
		&field{name: "DeveloperName", label: "Record Type Name", kind: kindString, length: 80, required: true, basic: true},
		&field{name: "SobjectType", label: "Sobject Type Name", kind: kindString, length: 40, required: true, basic: true},
		&field{name: "IsActive", label: "Active", kind: kindBoolean, required: true, basic: true},
		&field{name: "IsPersonType", label: "Is Person Type", kind: kindBoolean, required: true, basic: true, persons: true},
	)
}

// settleRecordTypes makes the record types those that the switch asks for.
func (o *Org) settleRecordTypes() {
	types := o.table("RecordType")
	if len(types.rows) == 0 {
		o.put("RecordType", map[string]string{"Name": "Business Account", "DeveloperName": "Business_Account", "SobjectType": "Account", "IsActive": "true"})
	}
	if len(types.rows) == 1 && o.switches.PersonAccounts {
		o.put("RecordType", map[string]string{"Name": "Person Account", "DeveloperName": "PersonAccount", "SobjectType": "Account", "IsPersonType": "true"})
	}
	if len(types.rows) > 1 {
		values := types.rows[1].values(types.width)
		values[types.field("IsActive").at] = boolValue(o.switches.PersonAccounts)
		types.replace(1, packRow(values))
	}
}

// seedPersons makes person accounts of contacts that have no account.
func (o *Org) seedPersons(contacts []id) {
	o.settleRecordTypes()
	t, people, types := o.table("Account"), o.table("Contact"), o.table("RecordType")
	for _, contact := range contacts {
		at := people.find(contact)
		person := people.rows[at].values(people.width)
		account := t.nextID()
		values := make([]string, t.width)
		for name, v := range map[string]string{"Id": string(account), "Name": people.field("Name").value(people.rows[at]), "PersonContactId": string(contact),
			"RecordTypeId": string(types.rows[1].id())} {
			values[t.byName[fold(name)].at] = v
		}
		for _, name := range []string{"Phone", "OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"} {
			values[t.field(name).at] = person[people.field(name).at]
		}
		t.append(packRow(values))
		person[people.field("AccountId").at] = string(account)
		people.replace(at, packRow(person))
	}
}

// mergePersons makes one person account of two. The caller holds the lock for writing.
func (o *Org) mergePersons(survivor, at int) error {
	t := o.table("Account")
	contacts := t.persons.contacts
	if !o.isPerson(t, t.rows[survivor]) || !o.isPerson(t, t.rows[at]) {
		return refuse(400, "INVALID_INPUT", "only person accounts are merged here, with each other")
	}
	contactOf := func(at int) int { return contacts.find(id(t.persons.contact.value(t.rows[at]))) }
	o.mergeContacts(contactOf(survivor), contactOf(at))
	o.mergeRows(t, survivor, at)
	return nil
}
