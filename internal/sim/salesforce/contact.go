package salesforce

import "time"

// Contact is a person as a Data Loader export has them. Empty text is null.
type Contact struct {
	ID                 string // 15 or 18 characters; empty: the org gives one
	FirstName          string
	LastName           string
	Email              string // as the org holds it, however malformed
	Phone              string
	Title              string
	AccountID          string // an account that is not there is made
	Person             bool   // has a person account of their own, if the org has such
	HasOptedOutOfEmail bool
	EmailBounced       time.Time // zero: it did not
	Created            time.Time // zero: when the org was made
	Modified           time.Time // zero: Created
}
