package bridge

import "time"

// Environment is the kind of host on which the consent is given.
type Environment string

// The environments that a person may choose.
const (
	Production Environment = "production" // login.salesforce.com
	Sandbox    Environment = "sandbox"    // test.salesforce.com
	MyDomain   Environment = "mydomain"   // the org's own host
)

// Access is by which app a connection came about.
type Access string

// The ways to get access. The empty one is the operator's app, with the consent of a person.
const (
	OwnApp            Access = "own_app"            // the customer's own app, with the consent of a person
	ClientCredentials Access = "client_credentials" // the customer's own app by itself: there is no refresh token
)

// App is an app of a customer's own in Salesforce: its consumer key and secret.
type App struct{ Key, Secret Secret }

// Empty reports whether there is no such app: then the operator's counts.
func (a App) Empty() bool { return a.Key.Empty() }

// ConnectionStatus says whether a connection can be used.
type ConnectionStatus string

// The states of a connection. Only an active one is used for calls.
const (
	Active         ConnectionStatus = "active"
	NeedsReconnect ConnectionStatus = "needs_reconnect" // the grant is dead; a person has to consent again
	NeedsAdmin     ConnectionStatus = "needs_admin"     // the org refuses us; its admin has to act; see Code
	Disconnected   ConnectionStatus = "disconnected"    // the customer ended it
)

// Connection is one Salesforce user's grant in one org. Campaigns share it.
type Connection struct {
	ID          ConnectionID
	Account     AccountID
	Org, User   SalesforceID
	OrgName     string
	Username    string
	Environment Environment
	LoginHost   string // origin on which consent was given, such as "https://login.salesforce.com"
	Instance    string // origin for API calls
	Edition     string // Organization.OrganizationType, such as "Enterprise Edition"
	IsSandbox   bool
	Access      Access
	Status      ConnectionStatus
	Code        string // the other side's code behind a status that is not active
	StatusAt    time.Time
	TellAt      time.Time // when the account is to hear of the status, for the first time or again; zero if never
	CreatedAt   time.Time
	Version     int
}

// AccessToken is what a worker needs for a call to Salesforce.
type AccessToken struct {
	Token    Secret
	Version  int    // rises with each token of the connection
	Instance string // origin for API calls
}

// Grant is what the token broker keeps for a connection.
type Grant struct {
	Account        AccountID
	Connection     ConnectionID
	Generation     int    // rises with each consent
	RefreshVersion int    // rises with each refresh token
	RefreshToken   Secret // empty to everybody but the broker
	Access         AccessToken
	App            App       // of the customer's own, if it was used; empty to everybody but the broker
	IssuedAt       time.Time // of the access token
	RefreshedAt    time.Time // when a refresh token, or an app, last gave an access token; zero if only the consent did
	LeaseOwner     string
	LeaseUntil     time.Time
	LeaseSequence  int
	InFlight       bool // a refresh was begun and its outcome was not written
	Status         ConnectionStatus
	Code           string
}
