package bridge

import "time"

// Account is a ReferralHero account: the tenant that owns everything else.
type Account struct {
	ID        AccountID
	Name      string    // as its people call it
	Notify    string    // address that mails about imports and connections go to
	Token     Secret    // ReferralHero's API token; empty until it was set up
	TokenAt   time.Time // when Token was last accepted by ReferralHero
	Refused   string    // ReferralHero's code if it refused Token since, such as "invalid_token"
	Allowance int       // calls that ReferralHero takes in an hour; 5,000 unless agreed otherwise
	Version   int       // rises with each change
	CreatedAt time.Time
}

// DefaultAllowance is ReferralHero's limit of calls in an hour for an account.
const DefaultAllowance = 5000

// Person is somebody who signs in. Several people may share an account.
type Person struct {
	Issuer, Subject string // identify the person at the OpenID Connect issuer
	Name, Email     string
}

// Session is one browser that is signed in.
type Session struct {
	Account   AccountID
	Person    Person
	CreatedAt time.Time
	SeenAt    time.Time // moves on at most once in five minutes
	Expires   time.Time
}
