package salesforce

import (
	"slices"
	"strings"
)

// kind is a field's type, by the name that describe gives it.
type kind string

const (
	kindID        kind = "id"
	kindReference kind = "reference"
	kindString    kind = "string"
	kindEmail     kind = "email"
	kindPhone     kind = "phone"
	kindURL       kind = "url"
	kindPicklist  kind = "picklist"
	kindBoolean   kind = "boolean"
	kindCurrency  kind = "currency"
	kindPercent   kind = "percent"
	kindInt       kind = "int"
	kindDouble    kind = "double"
	kindTextArea  kind = "textarea"
	kindComplex   kind = "complexvalue" // JSON
	kindDate      kind = "date"
	kindDatetime  kind = "datetime"
)

// text reports whether values are compared as text, without case.
func (k kind) text() bool {
	switch k {
	case kindString, kindEmail, kindPhone, kindURL, kindPicklist, kindTextArea:
		return true
	}
	return false
}

func (k kind) number() bool {
	return k == kindCurrency || k == kindPercent || k == kindInt || k == kindDouble
}

func (k kind) id() bool { return k == kindID || k == kindReference }

// field is a column of an object.
type field struct {
	name     string
	label    string
	kind     kind
	length   int    // characters; 0 for what is no text
	scale    int    // digits after the point
	to       string // the object that a reference leads to
	relation string // how SOQL names what it leads to: Account for AccountId

	readOnly   bool // set by the org alone
	createOnly bool // set when a record is created, and never again
	required   bool // never null
	basic      bool // cannot be hidden from anybody
	indexed    bool // look-ups by =, IN are fast

	// What only custom fields have.
	custom        bool
	external      bool // upserts find records by it
	unique        bool
	caseSensitive bool // its values differ by case, too
	precision     int  // digits of a number in all
	help          string

	persons bool   // there only as long as the org has person accounts
	mirrors *field // of the contact of a person account, which an account's field shows

	// derive computes the value of a field that is not stored.
	derive func(row) string

	at int // its place in a row; meaningless if derived
}

// object is a kind of record.
type object struct {
	name, label, plural string
	prefix              string // the first three characters of its ids
	readOnly            bool   // no record is ever made or changed through the API
	tooling             bool   // only the Tooling API knows it
	setup               bool   // part of the org's setup, which is not written together with data
	fields              []*field
	byName              map[string]*field // by folded name
	byRelation          map[string]*field // by folded relationship name
	width               int               // stored fields
	persons             *persons          // of accounts
}

func newObject(name, label, plural, prefix string, fields ...*field) *object {
	b := &object{name: name, label: label, plural: plural, prefix: prefix,
		byName: map[string]*field{}, byRelation: map[string]*field{}}
	for _, f := range fields {
		b.add(f)
	}
	return b
}

// add appends a column; rows that exist have null there.
func (b *object) add(f *field) {
	if f.derive == nil {
		f.at = b.width
		b.width++
	}
	b.fields = append(b.fields, f)
	b.byName[fold(f.name)] = f
	if f.relation != "" {
		b.byRelation[fold(f.relation)] = f
	}
}

func (b *object) field(name string) *field {
	f := b.byName[fold(name)]
	if f == nil && b.persons != nil {
		f = b.persons.mirrored(name)
	}
	return f
}

// drop takes a column away. Its place in the rows stays empty.
func (b *object) drop(f *field) {
	b.fields = slices.DeleteFunc(b.fields, func(one *field) bool { return one == f })
	delete(b.byName, fold(f.name))
}

// value reads a field of a row.
func (f *field) value(r row) string {
	if f.derive != nil {
		return f.derive(r)
	}
	return r.at(f.at)
}

// audited puts the id before, and the columns that every record has after, an object's own columns.
func audited(own ...*field) []*field {
	fields := append([]*field{
		{name: "Id", label: "Record ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
	}, own...)
	return append(fields,
		&field{name: "IsDeleted", label: "Deleted", kind: kindBoolean, readOnly: true, required: true, basic: true},
		&field{name: "CreatedDate", label: "Created Date", kind: kindDatetime, readOnly: true, required: true, basic: true},
		&field{name: "CreatedById", label: "Created By ID", kind: kindReference, length: 18, to: "User", relation: "CreatedBy", readOnly: true, required: true, basic: true},
		&field{name: "LastModifiedDate", label: "Last Modified Date", kind: kindDatetime, readOnly: true, required: true, basic: true},
		&field{name: "LastModifiedById", label: "Last Modified By ID", kind: kindReference, length: 18, to: "User", relation: "LastModifiedBy", readOnly: true, required: true, basic: true},
		&field{name: "SystemModstamp", label: "System Modstamp", kind: kindDatetime, readOnly: true, required: true, basic: true},
	)
}

func owner() *field {
	return &field{name: "OwnerId", label: "Owner ID", kind: kindReference, length: 18, to: "User", relation: "Owner", required: true, basic: true}
}

// fullName is how an org joins a name: what there is, with a blank between.
func fullName(first, last int) func(row) string {
	return func(r row) string { return strings.TrimSpace(r.at(first) + " " + r.at(last)) }
}

// unknown is the value of a field until linkPersons says how to find it.
func unknown(row) string { return "" }

// newSchema returns the objects that every org here has. Those of an org are its own: its
// administrators may add columns.
func newSchema() map[string]*object {
	objects := []*object{
		newObject("Contact", "Contact", "Contacts", "003", audited(
			&field{name: "FirstName", label: "First Name", kind: kindString, length: 40},
			&field{name: "LastName", label: "Last Name", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "Name", label: "Full Name", kind: kindString, length: 121, readOnly: true, required: true, basic: true, derive: fullName(1, 2)},
			&field{name: "Email", label: "Email", kind: kindEmail, length: 80, indexed: true},
			&field{name: "Phone", label: "Business Phone", kind: kindPhone, length: 40},
			&field{name: "Title", label: "Title", kind: kindString, length: 128},
			&field{name: "AccountId", label: "Account ID", kind: kindReference, length: 18, to: "Account", relation: "Account", indexed: true},
			owner(),
			&field{name: "HasOptedOutOfEmail", label: "Email Opt Out", kind: kindBoolean, required: true},
			&field{name: "EmailBouncedDate", label: "Email Bounced Date", kind: kindDatetime},
			&field{name: "MasterRecordId", label: "Master Record ID", kind: kindReference, length: 18, to: "Contact", relation: "MasterRecord", readOnly: true, basic: true},
			&field{name: "IsPersonAccount", label: "Is Person Account", kind: kindBoolean, readOnly: true, required: true, basic: true, persons: true, derive: unknown},
		)...),
		newObject("Account", "Account", "Accounts", "001", audited(
			&field{name: "Name", label: "Account Name", kind: kindString, length: 255, required: true, basic: true, indexed: true},
			&field{name: "Type", label: "Account Type", kind: kindString, length: 255},
			&field{name: "Industry", label: "Industry", kind: kindString, length: 255},
			&field{name: "Website", label: "Website", kind: kindURL, length: 255},
			&field{name: "Phone", label: "Account Phone", kind: kindPhone, length: 40},
			owner(),
			&field{name: "MasterRecordId", label: "Master Record ID", kind: kindReference, length: 18, to: "Account", relation: "MasterRecord", readOnly: true, basic: true},
			&field{name: "RecordTypeId", label: "Record Type ID", kind: kindReference, length: 18, to: "RecordType", relation: "RecordType", basic: true, createOnly: true, persons: true},
			&field{name: "PersonContactId", label: "Contact ID", kind: kindReference, length: 18, to: "Contact", relation: "PersonContact", readOnly: true, basic: true, persons: true},
			&field{name: "IsPersonAccount", label: "Is Person Account", kind: kindBoolean, readOnly: true, required: true, basic: true, persons: true, derive: unknown},
		)...),
		newObject("Opportunity", "Opportunity", "Opportunities", "006", audited(
			&field{name: "Name", label: "Name", kind: kindString, length: 120, required: true, basic: true},
			&field{name: "AccountId", label: "Account ID", kind: kindReference, length: 18, to: "Account", relation: "Account", indexed: true},
			&field{name: "ContactId", label: "Contact ID", kind: kindReference, length: 18, to: "Contact", relation: "Contact", createOnly: true},
			&field{name: "StageName", label: "Stage", kind: kindPicklist, length: 255, required: true, basic: true},
			&field{name: "Amount", label: "Amount", kind: kindCurrency, scale: 2},
			&field{name: "Probability", label: "Probability (%)", kind: kindPercent},
			&field{name: "CloseDate", label: "Close Date", kind: kindDate, required: true, basic: true},
			&field{name: "Type", label: "Opportunity Type", kind: kindString, length: 255},
			&field{name: "LeadSource", label: "Lead Source", kind: kindString, length: 255},
			&field{name: "IsClosed", label: "Closed", kind: kindBoolean, readOnly: true, required: true, basic: true},
			&field{name: "IsWon", label: "Won", kind: kindBoolean, readOnly: true, required: true, basic: true},
			&field{name: "ForecastCategoryName", label: "Forecast Category", kind: kindString, length: 255, readOnly: true},
			&field{name: "LastStageChangeDate", label: "Last Stage Change Date", kind: kindDatetime, readOnly: true},
			owner(),
		)...),
		newObject("OpportunityStage", "Opportunity Stage", "Opportunity Stage", "01J",
			&field{name: "Id", label: "Opportunity Stage ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
			&field{name: "ApiName", label: "API Name", kind: kindString, length: 255, required: true, basic: true},
			&field{name: "MasterLabel", label: "Master Label", kind: kindString, length: 255, required: true, basic: true},
			&field{name: "IsActive", label: "Is Active", kind: kindBoolean, required: true, basic: true},
			&field{name: "IsClosed", label: "Closed", kind: kindBoolean, required: true, basic: true},
			&field{name: "IsWon", label: "Won", kind: kindBoolean, required: true, basic: true},
			&field{name: "SortOrder", label: "Sort Order", kind: kindInt, basic: true},
			&field{name: "DefaultProbability", label: "Default Probability (%)", kind: kindPercent, basic: true},
			&field{name: "ForecastCategoryName", label: "Forecast Category", kind: kindString, length: 255, basic: true},
		),
		newObject("OpportunityContactRole", "Opportunity Contact Role", "Opportunity Contact Roles", "00K", audited(
			&field{name: "OpportunityId", label: "Opportunity ID", kind: kindReference, length: 18, to: "Opportunity", relation: "Opportunity", required: true, basic: true, createOnly: true, indexed: true},
			&field{name: "ContactId", label: "Contact ID", kind: kindReference, length: 18, to: "Contact", relation: "Contact", required: true, basic: true, indexed: true},
			&field{name: "Role", label: "Role", kind: kindString, length: 255},
			&field{name: "IsPrimary", label: "Primary", kind: kindBoolean, required: true},
		)...),
		newObject("OpportunityHistory", "Opportunity: Stage History", "Opportunity: Stage History", "008",
			&field{name: "Id", label: "Opportunity History ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
			&field{name: "OpportunityId", label: "Opportunity ID", kind: kindReference, length: 18, to: "Opportunity", relation: "Opportunity", required: true, basic: true, indexed: true},
			&field{name: "StageName", label: "Stage Name", kind: kindString, length: 255, required: true, basic: true},
			&field{name: "Amount", label: "Amount", kind: kindCurrency, scale: 2, basic: true},
			&field{name: "Probability", label: "Probability", kind: kindPercent, basic: true},
			&field{name: "CloseDate", label: "Close Date", kind: kindDate, basic: true},
			&field{name: "ForecastCategory", label: "Forecast Category", kind: kindString, length: 255, basic: true},
			&field{name: "CreatedById", label: "Created By ID", kind: kindReference, length: 18, to: "User", relation: "CreatedBy", required: true, basic: true},
			&field{name: "CreatedDate", label: "Created Date", kind: kindDatetime, required: true, basic: true},
			&field{name: "SystemModstamp", label: "System Modstamp", kind: kindDatetime, required: true, basic: true},
			&field{name: "IsDeleted", label: "Deleted", kind: kindBoolean, required: true, basic: true},
		),
		newObject("User", "User", "Users", "005",
			&field{name: "Id", label: "User ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
			&field{name: "Username", label: "Username", kind: kindString, length: 80, required: true, basic: true, indexed: true},
			&field{name: "FirstName", label: "First Name", kind: kindString, length: 40, basic: true},
			&field{name: "LastName", label: "Last Name", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "Name", label: "Full Name", kind: kindString, length: 121, required: true, basic: true, derive: fullName(2, 3)},
			&field{name: "Email", label: "Email", kind: kindEmail, length: 128, required: true, basic: true},
			&field{name: "IsActive", label: "Active", kind: kindBoolean, required: true, basic: true},
			&field{name: "UserType", label: "User Type", kind: kindString, length: 40, basic: true},
			profileField(),
			&field{name: "TimeZoneSidKey", label: "Time Zone", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "LocaleSidKey", label: "Locale", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "LanguageLocaleKey", label: "Language", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "CreatedDate", label: "Created Date", kind: kindDatetime, required: true, basic: true},
			&field{name: "LastModifiedDate", label: "Last Modified Date", kind: kindDatetime, required: true, basic: true},
			&field{name: "SystemModstamp", label: "System Modstamp", kind: kindDatetime, required: true, basic: true},
		),
		newObject("Organization", "Organization", "Organizations", "00D",
			&field{name: "Id", label: "Organization ID", kind: kindID, length: 18, readOnly: true, required: true, basic: true},
			&field{name: "Name", label: "Name", kind: kindString, length: 80, required: true, basic: true},
			&field{name: "OrganizationType", label: "Edition", kind: kindString, length: 40, basic: true},
			&field{name: "IsSandbox", label: "Is Sandbox", kind: kindBoolean, required: true, basic: true},
			&field{name: "InstanceName", label: "Instance Name", kind: kindString, length: 5, basic: true},
			&field{name: "DefaultLocaleSidKey", label: "Locale", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "LanguageLocaleKey", label: "Language", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "TimeZoneSidKey", label: "Time Zone", kind: kindString, length: 40, required: true, basic: true},
			&field{name: "CreatedDate", label: "Created Date", kind: kindDatetime, required: true, basic: true},
			&field{name: "SystemModstamp", label: "System Modstamp", kind: kindDatetime, required: true, basic: true},
		),
	}
	objects = append(objects, setupObjects()...)
	objects = append(objects, permissionObjects()...)
	objects = append(objects, automationObjects()...)
	objects = append(objects, newLeadObject(), newCustomFieldObject(), newRecordTypeObject(), profileObject())
	schema := make(map[string]*object, len(objects))
	for _, b := range objects {
		switch b.name {
		case "OpportunityStage", "OpportunityHistory", "User", "Organization", "UserPermissionAccess", "DuplicateRule", "RecordType":
			b.readOnly = true
		}
		schema[fold(b.name)] = b
	}
	return schema
}
