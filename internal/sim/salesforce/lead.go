package salesforce

import "strings"

// newLeadObject is a person whom nobody has qualified yet.
func newLeadObject() *object {
	return newObject("Lead", "Lead", "Leads", "00Q", audited(
		&field{name: "FirstName", label: "First Name", kind: kindString, length: 40},
		&field{name: "LastName", label: "Last Name", kind: kindString, length: 80, required: true, basic: true},
		&field{name: "Name", label: "Full Name", kind: kindString, length: 121, readOnly: true, required: true, basic: true, derive: fullName(1, 2)},
		&field{name: "Company", label: "Company", kind: kindString, length: 255, required: true, basic: true},
		&field{name: "Email", label: "Email", kind: kindEmail, length: 80, indexed: true},
		&field{name: "Phone", label: "Phone", kind: kindPhone, length: 40},
		&field{name: "Title", label: "Title", kind: kindString, length: 128},
		owner(),
		&field{name: "HasOptedOutOfEmail", label: "Email Opt Out", kind: kindBoolean, required: true},
		&field{name: "EmailBouncedDate", label: "Email Bounced Date", kind: kindDatetime},
		&field{name: "IsConverted", label: "Converted", kind: kindBoolean, readOnly: true, required: true, basic: true},
		&field{name: "ConvertedDate", label: "Converted Date", kind: kindDate, readOnly: true},
		&field{name: "ConvertedAccountId", label: "Converted Account ID", kind: kindReference, length: 18, to: "Account", relation: "ConvertedAccount", readOnly: true},
		&field{name: "ConvertedContactId", label: "Converted Contact ID", kind: kindReference, length: 18, to: "Contact", relation: "ConvertedContact", readOnly: true},
		&field{name: "MasterRecordId", label: "Master Record ID", kind: kindReference, length: 18, to: "Lead", relation: "MasterRecord", readOnly: true, basic: true},
	)...)
}

// Convert makes an account and a contact of a lead, as a salesperson does, and returns the contact's id. The lead stays,
// marked, and nobody can change it any more. Custom fields of the lead are not carried over: the org maps none.
func (o *Org) Convert(lead string) (contact string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.table("Lead")
	_, at, err := t.named(strings.TrimSpace(lead))
	if err != nil {
		return "", err
	}
	r := t.rows[at]
	switch {
	case t.isDeleted(r):
		return "", refuse(404, "ENTITY_IS_DELETED", "entity is deleted")
	case t.field("IsConverted").value(r) == "true":
		return "", refuse(400, "INVALID_INPUT", "the lead is converted already")
	}
	err = o.attempt(func() error {
		account, err := o.create(o.visitor(), o.table("Account"), map[string]any{"Name": t.field("Company").value(r)})
		if err != nil {
			return err
		}
		fields := map[string]any{"AccountId": string(account), "HasOptedOutOfEmail": t.field("HasOptedOutOfEmail").value(r) == "true"}
		for _, name := range []string{"FirstName", "LastName", "Email", "Phone", "Title", "OwnerId"} {
			fields[name] = t.field(name).value(r)
		}
		made, err := o.create(o.visitor(), o.table("Contact"), fields)
		if err != nil {
			return err
		}
		contact = string(made)
		values := r.values(t.width)
		for name, v := range map[string]string{"IsConverted": "true", "ConvertedDate": o.now().UTC().Format("2006-01-02"),
			"ConvertedAccountId": string(account), "ConvertedContactId": contact} {
			values[t.field(name).at] = v
		}
		o.store(o.admin, t, at, values)
		return nil
	})
	return contact, err
}

// converted refuses to change a lead that was converted.
func (t *table) converted(at int) error {
	if t.name == "Lead" && t.field("IsConverted").value(t.rows[at]) == "true" {
		return refuse(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	return nil
}
