// Package oidc signs people in at an OpenID Connect issuer: authorization code flow with PKCE and nonce.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Issuer is one issuer and our client there. What the issuer publishes about itself is read when it is first
// needed, and again until that succeeds. Its exported fields are set once; it is safe for concurrent use.
type Issuer struct {
	URL         string                                       // as in its tokens' "iss"
	ClientID    string                                       // of ours
	Secret      func(context.Context) (bridge.Secret, error) // of our client; may give an empty one
	RedirectURL string                                       // where people come back to, as registered
	HomeURL     string                                       // where people come back to after signing out, as registered
	HTTP        *http.Client                                 // with a timeout; Client() unless set
	Now         func() time.Time                             // time.Now unless set

	mu       sync.Mutex
	provider *oidc.Provider
	signOut  string
}

// patience is how long an answer of the issuer may take.
const patience = 8 * time.Second

// Client returns an HTTP client for an issuer: with a timeout, and without following redirects.
func Client() *http.Client {
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// discover returns what the issuer publishes about itself.
func (i *Issuer) discover(ctx context.Context) (*oidc.Provider, error) {
	const op = "oidc.discover"
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.provider != nil {
		return i.provider, nil
	}
	if i.HTTP == nil {
		i.HTTP = Client()
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.HTTP), i.URL)
	if err != nil {
		return nil, bridge.E(op, bridge.Unavailable, err)
	}
	var more struct {
		SignOut string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, bridge.E(op, bridge.Internal, err)
	}
	i.provider, i.signOut = provider, more.SignOut
	return provider, nil
}

func (i *Issuer) config(ctx context.Context, p *oidc.Provider) (oauth2.Config, error) {
	secret, err := i.Secret(ctx)
	if err != nil {
		return oauth2.Config{}, err
	}
	endpoint := p.Endpoint()
	// Left to itself, the library would try a code a second time, in another style.
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	return oauth2.Config{
		ClientID: i.ClientID, ClientSecret: secret.Reveal(), Endpoint: endpoint, RedirectURL: i.RedirectURL,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}

// SignInURL returns where a browser goes to sign in. The issuer sends it back with state and a code.
func (i *Issuer) SignInURL(ctx context.Context, state, nonce, verifier bridge.Secret) (string, error) {
	const op = "oidc.SignInURL"
	provider, err := i.discover(ctx)
	if err != nil {
		return "", bridge.E(op, "", err)
	}
	config, err := i.config(ctx, provider)
	if err != nil {
		return "", bridge.E(op, "", err)
	}
	return config.AuthCodeURL(state.Reveal(), oidc.Nonce(nonce.Reveal()), oauth2.S256ChallengeOption(verifier.Reveal())), nil
}

// Person redeems a code, once, and returns whom the issuer says it is. It is Denied if the code is refused or
// the token is not for us or not for this sign-in. The address is left out unless the issuer has verified it.
func (i *Issuer) Person(ctx context.Context, code, nonce, verifier bridge.Secret) (bridge.Person, error) {
	const op = "oidc.Person"
	var none bridge.Person
	provider, err := i.discover(ctx)
	if err != nil {
		return none, bridge.E(op, "", err)
	}
	config, err := i.config(ctx, provider)
	if err != nil {
		return none, bridge.E(op, "", err)
	}
	ctx = oidc.ClientContext(ctx, i.HTTP)
	tokens, err := config.Exchange(ctx, code.Reveal(), oauth2.VerifierOption(verifier.Reveal()))
	if err != nil {
		return none, refusal(op, err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return none, bridge.E(op, bridge.Denied, errors.New("the answer has no id token"))
	}
	token, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: i.ClientID, Now: i.Now}).Verify(ctx, raw)
	if err != nil {
		return none, bridge.E(op, bridge.Denied, err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce.Reveal())) != 1 {
		return none, bridge.E(op, bridge.Denied, errors.New("the id token is for another sign-in"))
	}
	var claims struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // Cognito writes a boolean; some issuers a text
	}
	if err := token.Claims(&claims); err != nil {
		return none, bridge.E(op, bridge.Denied, err)
	}
	person := bridge.Person{Issuer: token.Issuer, Subject: token.Subject, Name: claims.Name}
	if claims.Verified == true || claims.Verified == "true" {
		person.Email = claims.Email
	}
	if person.Name == "" {
		person.Name = person.Email
	}
	return person, nil
}

// refusal says what a failed exchange means. The library's own words would quote the issuer's answer.
func refusal(op string, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return bridge.E(op, bridge.Unavailable, err)
	}
	switch {
	case refused.ErrorCode == "invalid_grant":
		return &bridge.Error{Op: op, Kind: bridge.Denied, Code: refused.ErrorCode}
	case refused.Response != nil && refused.Response.StatusCode >= http.StatusInternalServerError:
		return &bridge.Error{Op: op, Kind: bridge.Unavailable, Code: refused.ErrorCode}
	default: // a wrong secret, an unknown client: the operator's to mend
		return &bridge.Error{Op: op, Kind: bridge.Internal, Code: refused.ErrorCode}
	}
}

// SignOutURL returns where a browser goes to sign out at the issuer too, or "" if the issuer has no such place
// or cannot be asked now.
func (i *Issuer) SignOutURL(ctx context.Context) string {
	if _, err := i.discover(ctx); err != nil || i.signOut == "" {
		return ""
	}
	u, err := url.Parse(i.signOut)
	if err != nil {
		return ""
	}
	query := u.Query()
	query.Set("client_id", i.ClientID)
	query.Set("post_logout_redirect_uri", i.HomeURL) // OpenID Connect RP-Initiated Logout
	query.Set("logout_uri", i.HomeURL)               // Cognito's name for it
	u.RawQuery = query.Encode()
	return u.String()
}
