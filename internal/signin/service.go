// Package signin lets people into the console: it begins and ends a sign-in at an OpenID Connect issuer,
// and keeps their session.
//
// A session is an opaque token of 256 bits in a cookie; the table holds its hash only. It ends after 30
// minutes without a request, after 12 hours in any case, and at once when the person signs out.
package signin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	idle     = 30 * time.Minute // without a request
	absolute = 12 * time.Hour   // in any case
	touch    = 5 * time.Minute  // a session that is used is written once in this time
	pending  = 10 * time.Minute // from the start of a sign-in to its end
)

// LongestSession is how long a session lasts at most.
const LongestSession = absolute

// PendingFor is how long a person has for signing in, and what the browser's cookie should last.
const PendingFor = pending

// SignIn is a sign-in that was begun and has not come back.
type SignIn struct {
	Browser  []byte // hash of the token in the browser that began it
	ReturnTo string // path in the console
	Expires  time.Time
}

// sessions keeps the sessions of browsers by their token.
type sessions interface {
	CreateSession(ctx context.Context, token bridge.Secret, s bridge.Session) error
	// Session returns NotFound for a token that is unknown or expired.
	Session(ctx context.Context, token bridge.Secret) (bridge.Session, error)
	// TouchSession writes SeenAt and Expires; it is a Conflict if was is not the SeenAt there any more.
	TouchSession(ctx context.Context, token bridge.Secret, s bridge.Session, was time.Time) error
	DeleteSession(ctx context.Context, token bridge.Secret) error
}

// signIns keeps sign-ins on their way by their state.
type signIns interface {
	CreateSignIn(ctx context.Context, state bridge.Secret, s SignIn) error
	// TakeSignIn removes and returns one, so that it is used once; NotFound if there is none (any more).
	TakeSignIn(ctx context.Context, state bridge.Secret) (SignIn, error)
}

// people knows which account a person belongs to.
type people interface {
	// AccountOf returns NotFound for a person who was never here.
	AccountOf(ctx context.Context, p bridge.Person) (bridge.AccountID, error)
	// CreateAccount adds the account together with its first person; it is a Conflict if the person has one.
	CreateAccount(ctx context.Context, a bridge.Account, p bridge.Person) error
}

// Store is what a Service keeps.
type Store interface {
	sessions
	signIns
	people
}

// Issuer is the OpenID Connect issuer.
type Issuer interface {
	// SignInURL returns where a browser goes to sign in.
	SignInURL(ctx context.Context, state, nonce, verifier bridge.Secret) (string, error)
	// Person redeems a code. It is Denied if the code or the answer cannot be trusted.
	Person(ctx context.Context, code, nonce, verifier bridge.Secret) (bridge.Person, error)
	// SignOutURL returns where a browser goes to sign out there too, or "" if the issuer has no such place.
	SignOutURL(ctx context.Context) string
}

// Service signs people in and out. Its fields are set once; a service that only reads sessions needs
// no Issuer.
type Service struct {
	Store  Store
	Issuer Issuer
	Now    func() time.Time // time.Now unless set
}

func (s Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Start begins a sign-in. The browser has to go to redirect, and to hand back the token browser to Finish.
// returnTo is where the person wanted to go; anything but a path of ours counts as "/".
func (s Service) Start(ctx context.Context, returnTo string) (redirect string, browser bridge.Secret, err error) {
	const op = "signin.Start"
	state, browser := bridge.NewToken(), bridge.NewToken()
	redirect, err = s.Issuer.SignInURL(ctx, state, derive("nonce", browser), derive("pkce", browser))
	if err != nil {
		return "", bridge.Secret{}, bridge.E(op, "", err)
	}
	err = s.Store.CreateSignIn(ctx, state, SignIn{
		Browser: fingerprint(browser), ReturnTo: LocalPath(returnTo), Expires: s.now().Add(pending),
	})
	if err != nil {
		return "", bridge.Secret{}, bridge.E(op, "", err)
	}
	return redirect, browser, nil
}

// Finish ends the sign-in of that state with the code that the issuer gave, and returns the token of a new
// session and the path to return to. It is Denied if the state is unknown, used or too old, or was begun by
// another browser; the person may then start again. Whoever signs in for the first time gets an account.
func (s Service) Finish(ctx context.Context, browser, state, code bridge.Secret) (token bridge.Secret, returnTo string, err error) {
	const op = "signin.Finish"
	begun, err := s.Store.TakeSignIn(ctx, state)
	if bridge.KindOf(err) == bridge.NotFound {
		return token, "", bridge.Say(op, bridge.Denied, "", "This sign-in was used already or took longer than ten minutes. Please start again.")
	}
	if err != nil {
		return token, "", bridge.E(op, "", err)
	}
	if subtle.ConstantTimeCompare(begun.Browser, fingerprint(browser)) != 1 {
		return token, "", bridge.Say(op, bridge.Denied, "", "This sign-in was begun in another browser. Please start again.")
	}
	person, err := s.Issuer.Person(ctx, code, derive("nonce", browser), derive("pkce", browser))
	if err != nil {
		return token, "", bridge.E(op, "", err)
	}
	account, err := s.account(ctx, person)
	if err != nil {
		return token, "", bridge.E(op, "", err)
	}
	now := s.now()
	token = bridge.NewToken()
	err = s.Store.CreateSession(ctx, token, bridge.Session{
		Account: account, Person: person, CreatedAt: now, SeenAt: now, Expires: now.Add(idle),
	})
	return token, begun.ReturnTo, bridge.E(op, "", err)
}

// account returns the person's account, and makes one for a person who was never here.
func (s Service) account(ctx context.Context, p bridge.Person) (bridge.AccountID, error) {
	id, err := s.Store.AccountOf(ctx, p)
	if bridge.KindOf(err) != bridge.NotFound {
		return id, err
	}
	account := bridge.Account{
		ID: bridge.AccountID(bridge.NewID("a")), Name: p.Name, Allowance: bridge.DefaultAllowance, CreatedAt: s.now(),
	}
	if address := bridge.NormalizeEmail(p.Email); bridge.ValidEmail(address) {
		account.Notify = address
	}
	err = s.Store.CreateAccount(ctx, account, p)
	if bridge.KindOf(err) == bridge.Conflict { // the same person, signing in twice at once
		return s.Store.AccountOf(ctx, p)
	}
	return account.ID, err
}

// Session returns the session with that token. It is Denied if there is none or if it has ended.
func (s Service) Session(ctx context.Context, token bridge.Secret) (bridge.Session, error) {
	const op = "signin.Session"
	if token.Empty() {
		return bridge.Session{}, bridge.Say(op, bridge.Denied, "", "Please sign in.")
	}
	session, err := s.Store.Session(ctx, token)
	if bridge.KindOf(err) == bridge.NotFound {
		return bridge.Session{}, bridge.Say(op, bridge.Denied, "", "Your session has ended. Please sign in again.")
	}
	if err != nil {
		return bridge.Session{}, bridge.E(op, "", err)
	}
	now, was := s.now(), session.SeenAt
	if now.Sub(was) < touch {
		return session, nil
	}
	session.SeenAt = now
	session.Expires = earlier(now.Add(idle), session.CreatedAt.Add(absolute))
	err = s.Store.TouchSession(ctx, token, session, was)
	if err != nil && bridge.KindOf(err) != bridge.Conflict {
		// The request is good; at worst the session ends a little early.
		slog.WarnContext(ctx, "session not moved on", "kind", bridge.KindOf(err), "err", err)
	}
	return session, nil
}

// SignOut ends the session at once and returns where the browser may sign out at the issuer too, or "".
func (s Service) SignOut(ctx context.Context, token bridge.Secret) (redirect string, err error) {
	const op = "signin.SignOut"
	if err := s.Store.DeleteSession(ctx, token); err != nil {
		return "", bridge.E(op, "", err)
	}
	return s.Issuer.SignOutURL(ctx), nil
}

// LocalPath returns target if it is a path of this site, with or without a query, and "/" otherwise.
func LocalPath(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(u.Path, "/") || path.Clean(u.Path) != u.Path || strings.ContainsAny(target, "\\\r\n\t") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// derive makes what a sign-in needs besides its state from the browser's token, so that it lies nowhere on
// our side while the person is away.
func derive(purpose string, browser bridge.Secret) bridge.Secret {
	sum := sha256.Sum256([]byte(purpose + "\n" + browser.Reveal()))
	return bridge.NewSecret(base64.RawURLEncoding.EncodeToString(sum[:]))
}

func fingerprint(browser bridge.Secret) []byte {
	sum := sha256.Sum256([]byte("browser\n" + browser.Reveal()))
	return sum[:]
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
