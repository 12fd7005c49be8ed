package connect

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Service is what people do with connections.
type Service struct {
	Connections connectionReader
	Consents    consents
	Salesforce  consentPage
	Broker      Caller
	BaseURL     string // where Salesforce sends people back to, without a slash at the end
	// Resume sets going what waits for a connection, which works again, and returns how much it is. It may be nil.
	Resume func(context.Context, bridge.AccountID, bridge.ConnectionID) (int, error)
	Now    func() time.Time // time.Now unless set
}

func (s Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

type connectionReader interface {
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
	Connections(context.Context, bridge.AccountID) ([]bridge.Connection, error)
}

type consents interface {
	PutConsent(ctx context.Context, state bridge.Secret, c Consent) error
	// TakeConsent gives a consent once: Conflict for a state that is unknown or was taken before.
	TakeConsent(ctx context.Context, state bridge.Secret) (Consent, error)
}

type consentPage interface {
	// LoginHost returns the origin for an environment. domain is what a person typed; it is read for
	// bridge.MyDomain only, and Invalid if it is no host of Salesforce.
	LoginHost(environment bridge.Environment, domain string) (string, error)
	// ConsentURL returns the address of the consent page. appKey is empty for the operator's app.
	ConsentURL(loginHost, redirectURI string, appKey, state bridge.Secret, challenge string) string
}

// Wish is what a person asks for who wants to connect an org.
type Wish struct {
	Account     bridge.AccountID
	Session     bridge.Secret // token of the session
	Environment bridge.Environment
	Domain      string              // My Domain, as typed
	Campaign    bridge.CampaignID   // where to return to; may be empty
	Connection  bridge.ConnectionID // that is to be connected again, by the same host and app; may be empty
	App         bridge.App          // the customer's own; may be empty
	Unattended  bool                // the app stands for a user by itself, without a consent
}

// Departure is where to send the person, and the token that their browser has to bring back. With an app
// that needs no consent there is nowhere to go: URL is empty, and Arrival says how it ended.
type Departure struct {
	URL      string
	Browser  bridge.Secret
	Lifetime time.Duration // of Browser
	Arrival  Arrival
}

// Start begins a consent, or connects at once if none is needed. For a host that is not Salesforce's the
// problem is BadDomain, and for what is no app BadApp.
func (s Service) Start(ctx context.Context, w Wish) (Departure, error) {
	const op = "connect.Start"
	access := bridge.Access("")
	switch {
	case w.Connection != "":
		c, err := s.Connections.Connection(ctx, w.Account, w.Connection)
		if bridge.KindOf(err) == bridge.NotFound {
			return Departure{}, fail(op, bridge.NotFound, BadState)
		}
		if err != nil {
			return Departure{}, bridge.E(op, "", err)
		}
		w.Environment, w.Domain, w.App, access = c.Environment, c.LoginHost, bridge.App{}, c.Access
	case w.Unattended:
		access = bridge.ClientCredentials
	case w.App != bridge.App{}:
		access = bridge.OwnApp
	}
	host, err := s.Salesforce.LoginHost(w.Environment, w.Domain)
	if bridge.KindOf(err) == bridge.Invalid || err == nil && access == bridge.ClientCredentials && w.Environment != bridge.MyDomain {
		return Departure{}, fail(op, bridge.Invalid, BadDomain)
	}
	if err != nil {
		return Departure{}, bridge.E(op, "", err)
	}
	var held Reply
	if access != "" {
		request := Request{Task: HoldApp, Account: w.Account, Connection: w.Connection, LoginHost: host}
		if access == bridge.ClientCredentials {
			request.Task = RunApp
		}
		if w.Connection == "" {
			if !sound(w.App) {
				return Departure{}, fail(op, bridge.Invalid, BadApp)
			}
			request.App = &CarriedApp{Key: Carried{w.App.Key}, Secret: Carried{w.App.Secret}}
		}
		if held, err = s.Broker.Call(ctx, request); err != nil {
			return Departure{}, bridge.E(op, "", err)
		}
	}
	if access == bridge.ClientCredentials {
		return Departure{Arrival: s.arrive(ctx, w.Account, held.Connection, w.Campaign)}, nil
	}
	state, browser := bridge.NewToken(), bridge.NewToken()
	consent := Consent{
		Account: w.Account, Session: fingerprint(w.Session), Browser: fingerprint(browser),
		Environment: w.Environment, LoginHost: host, Campaign: w.Campaign, Expires: s.now().Add(patience),
		Connection: w.Connection, App: held.App,
	}
	if err := s.Consents.PutConsent(ctx, state, consent); err != nil {
		return Departure{}, bridge.E(op, "", err)
	}
	return Departure{
		URL:     s.Salesforce.ConsentURL(host, s.redirectURI(w.Environment), held.AppKey.Secret, state, challenge(verifier(browser))),
		Browser: browser, Lifetime: patience,
	}, nil
}

// redirectURI differs by environment, so that a code from one kind of host is never taken for another's.
func (s Service) redirectURI(e bridge.Environment) string {
	return s.BaseURL + "/oauth/callback/" + string(e)
}

// Return is what comes back with the person.
type Return struct {
	Account     bridge.AccountID // of the session
	Session     bridge.Secret    // token of the session
	Browser     bridge.Secret    // token that Start gave to the browser
	Environment bridge.Environment
	State, Code bridge.Secret
	Issuer      string // who says that it sends the person; may be empty (RFC 9207)
	Error       string // Salesforce's code instead of a Code
}

// Arrival is how a consent ended well.
type Arrival struct {
	Connection bridge.ConnectionID
	Campaign   bridge.CampaignID // where the person came from; may be empty
	Resumed    int               // how many imports had waited for the connection, and go on
}

// arrive sets going what waited. If that fails it goes on by itself, later.
func (s Service) arrive(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, campaign bridge.CampaignID) Arrival {
	arrival := Arrival{Connection: id, Campaign: campaign}
	if s.Resume != nil {
		arrival.Resumed, _ = s.Resume(ctx, account, id)
	}
	return arrival
}

// Finish turns a consent into a connection. A state works once, whatever comes of it. ProblemOf says
// what an error means.
func (s Service) Finish(ctx context.Context, r Return) (Arrival, error) {
	const op = "connect.Finish"
	consent, err := s.Consents.TakeConsent(ctx, r.State)
	if bridge.KindOf(err) == bridge.Conflict {
		return Arrival{}, fail(op, bridge.Denied, BadState)
	}
	if err != nil {
		return Arrival{}, bridge.E(op, "", err)
	}
	switch {
	case consent.Account != r.Account, !same(consent.Browser, fingerprint(r.Browser)), consent.Environment != r.Environment,
		r.Issuer != "" && r.Issuer != consent.LoginHost:
		return Arrival{}, fail(op, bridge.Denied, BadState)
	case !same(consent.Session, fingerprint(r.Session)):
		return Arrival{}, fail(op, bridge.Denied, OtherSession)
	case !s.now().Before(consent.Expires):
		return Arrival{}, fail(op, bridge.Denied, Expired)
	}
	switch {
	case r.Error == "access_denied":
		return Arrival{}, fail(op, bridge.Denied, Declined)
	case r.Error == "server_error", r.Error == "temporarily_unavailable":
		return Arrival{}, fail(op, bridge.Unavailable, NoAnswer)
	case r.Error != "":
		return Arrival{}, fail(op, bridge.Denied, AppRefused)
	case r.Code.Empty():
		return Arrival{}, fail(op, bridge.Invalid, NoExchange)
	}
	reply, err := s.Broker.Call(ctx, Request{Task: ExchangeCode, Account: consent.Account, Consent: &Code{
		Code: Carried{r.Code}, Verifier: Carried{verifier(r.Browser)}, LoginHost: consent.LoginHost,
		RedirectURI: s.redirectURI(consent.Environment), Environment: consent.Environment,
		App: consent.App, Connection: consent.Connection,
	}})
	if err != nil {
		return Arrival{}, bridge.E(op, "", err)
	}
	return s.arrive(ctx, consent.Account, reply.Connection, consent.Campaign), nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// List returns the account's connections, oldest first, with those that were disconnected.
func (s Service) List(ctx context.Context, account bridge.AccountID) ([]bridge.Connection, error) {
	return s.Connections.Connections(ctx, account)
}

// Get returns one connection of the account; NotFound if the account has none of that id.
func (s Service) Get(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	return s.Connections.Connection(ctx, account, id)
}

// NotRevoked is the Code of a disconnected connection that Salesforce could not be told about: its
// tokens are forgotten here, and an admin should revoke the app's access in the org's Setup.
const NotRevoked = "not_revoked"

// Disconnect ends a connection: Salesforce is told to revoke the grant, and its tokens are forgotten.
// It succeeds although Salesforce cannot be reached, and then leaves the code NotRevoked. Repeating it
// is harmless.
func (s Service) Disconnect(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	const op = "connect.Disconnect"
	_, err := s.Broker.Call(ctx, Request{Task: RevokeGrant, Account: account, Connection: id})
	return bridge.E(op, "", err)
}
