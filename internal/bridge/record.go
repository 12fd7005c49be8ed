package bridge

import "time"

// Record is a contact, a lead or a person account as far as syncing reads it.
type Record struct {
	Target   Target
	ID       SalesforceID // of the account where Target is ToPersonAccount
	Parent   SalesforceID // the account of a contact; empty if it has none
	Email    string
	Modified time.Time // SystemModstamp
	Values   Values    // of the fields that are visible; the others are empty
}

// Change is what is to be written to a record.
type Change struct {
	Target Target
	ID     SalesforceID // empty makes a new record
	Parent SalesforceID // of a new contact: the account to put it under; empty for none
	Person *NewPerson   // of a new record only
	Fields FieldSet     // those to write; a new record always gets its SUB_ID
	Values Values
}

// NewPerson is what a new record says besides the fourteen fields. An existing record's names, addresses and numbers
// are its owner's, and never written.
type NewPerson struct {
	FirstName, LastName string // LastName is never empty
	Company             string // of a lead
	Email, Phone        string
	RecordType          SalesforceID // of a person account
}

// Written is what became of a change.
type Written struct {
	ID      SalesforceID
	Created bool
	Err     error // nil if it was written; an *Error with Salesforce's code if it was refused
}

// Fate is what became of a record that is not found under its id any more.
type Fate struct {
	Deleted bool
	Target  Target       // of Next
	Next    SalesforceID // the record that it was merged into, or the contact that the lead was converted to; may be empty
}

// Which says which of an object's records are meant.
type Which string

// The records that syncing asks for without naming them.
const (
	Ours      Which = "ours"      // those with a SUB_ID
	Matchable Which = "matchable" // those with an e-mail address, or with a SUB_ID as far as that is visible
)

// Load is how far a bulk load is.
type Load struct {
	Ended     bool
	Failed    bool // it ended without having tried every row
	Processed int  // rows so far, refused ones included
	Failures  int  // rows that were refused
}

// LoadFailure is a row of a bulk load that was refused.
type LoadFailure struct {
	Key string // the row's SUB_ID or Id, whichever the load goes by
	Err error  // an *Error with Salesforce's code
}
