package bridge

import "strings"

// FieldType is how Salesforce keeps a field.
type FieldType string

// The types, by the Metadata API's names.
const (
	TextField     FieldType = "Text"
	URLField      FieldType = "Url"
	NumberField   FieldType = "Number"
	DateTimeField FieldType = "DateTime"
)

// Field is one of the fourteen that Salesforce shows of a subscriber.
type Field struct {
	Name   string // as the product's users know it
	Type   FieldType
	Length int    // characters that it holds, of texts and links
	Key    bool   // external id, unique and case-sensitive
	Text   string // what it shows, for people
}

// Positions of the fields in Fields, in Values and in a FieldSet.
const (
	Code = iota
	ExtraField
	ExtraField2
	LastReferral
	Points
	Position
	ReferralLink
	Referrer
	Source
	SubscriberKey
	TotalReferrals
	EmailLink
	FacebookLink
	TwitterLink
	FieldCount
)

// Fields are the fourteen. Provisioning, syncing, the console and the README's list come from this table. Links are
// URL fields, of which Salesforce keeps 255 characters; numbers have 18 digits and no decimals.
var Fields = [FieldCount]Field{
	Code:           {Name: "CODE", Type: TextField, Length: 64, Text: "Subscriber's unique referral code"},
	ExtraField:     {Name: "EX_FIELD", Type: TextField, Length: 255, Text: "Subscriber's extra field value"},
	ExtraField2:    {Name: "EX_FIELD_2", Type: TextField, Length: 255, Text: "Subscriber's second extra field value"},
	LastReferral:   {Name: "LAST_REF", Type: DateTimeField, Text: "Timestamp of last referral"},
	Points:         {Name: "POINTS", Type: NumberField, Text: "Subscriber's total accumulated points"},
	Position:       {Name: "POSITION", Type: NumberField, Text: "Subscriber's position"},
	ReferralLink:   {Name: "REF_LINK", Type: URLField, Length: 255, Text: "Subscriber's unique referral link"},
	Referrer:       {Name: "REFERRER", Type: TextField, Length: 255, Text: "Name of who referred the subscriber"},
	Source:         {Name: "SOURCE", Type: TextField, Length: 255, Text: "Subscriber's source, or None"},
	SubscriberKey:  {Name: "SUB_ID", Type: TextField, Length: 64, Key: true, Text: "Subscriber's id"},
	TotalReferrals: {Name: "TOT_REF", Type: NumberField, Text: "Subscriber's total number of referrals"},
	EmailLink:      {Name: "EM_LINK", Type: URLField, Length: 255, Text: "Subscriber's e-mail link"},
	FacebookLink:   {Name: "FB_LINK", Type: URLField, Length: 255, Text: "Subscriber's Facebook link"},
	TwitterLink:    {Name: "TW_LINK", Type: URLField, Length: 255, Text: "Subscriber's Twitter link"},
}

// Digits is how many digits a number field keeps.
const Digits = 18

// Values are what the fields hold, each as canonical text: a text as it is, a number in decimal digits, a time in UTC
// as 2006-01-02T15:04:05Z. The empty text is null.
type Values [FieldCount]string

// FieldSet is a set of positions in Fields.
type FieldSet uint16

// EveryField is the set of all fourteen.
const EveryField FieldSet = 1<<FieldCount - 1

// Has reports whether field is in the set.
func (s FieldSet) Has(field int) bool { return s&(1<<field) != 0 }

// With returns the set with field in it.
func (s FieldSet) With(field int) FieldSet { return s | 1<<field }

// Without returns the set without field.
func (s FieldSet) Without(field int) FieldSet { return s &^ (1 << field) }

// Names returns the names of the fields in the set, in the order of Fields.
func (s FieldSet) Names() []string {
	var names []string
	for i, f := range Fields {
		if s.Has(i) {
			names = append(names, f.Name)
		}
	}
	return names
}

// Differ returns the fields of set whose values differ in a and b.
func Differ(a, b Values, set FieldSet) FieldSet {
	var differ FieldSet
	for i := range Fields {
		if set.Has(i) && a[i] != b[i] {
			differ = differ.With(i)
		}
	}
	return differ
}

// Target is what kind of Salesforce record carries the fields.
type Target string

// The targets. A person account is an Account and a hidden contact in one; its fields are written through the account.
const (
	ToContact       Target = "Contact"
	ToLead          Target = "Lead"
	ToPersonAccount Target = "PersonAccount"
)

// Object is the API name of the object on which the custom fields of a target are defined. Those of person accounts
// are defined on Contact.
func (t Target) Object() string {
	if t == ToLead {
		return "Lead"
	}
	return "Contact"
}

// Layout says where the fourteen fields are on an object of an org, and which of them we may write. It is found by
// looking as the connected user; a field that is hidden from that user looks like one that is not there.
type Layout struct {
	Account    AccountID
	Connection ConnectionID
	Object     string             // Contact or Lead
	Names      [FieldCount]string // API names, such as RH_CODE__c; empty where none was chosen yet
	Lengths    [FieldCount]int    // characters that texts and links may have, as described; 0 where unknown
	Visible    FieldSet           // those that the connected user may read and edit
	Persons    bool               // the org has person accounts
	Version    int
}

// AccountName is the name that a custom field of Contact has on Account, where person accounts have it.
func AccountName(name string) string { return strings.TrimSuffix(name, "__c") + "__pc" }
