package salesforce

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	codeLife      = 15 * time.Minute
	idleLife      = 30 * 24 * time.Hour // of a refresh token that nobody uses
	mostGrants    = 5                   // of one user to one app
	alreadyAtIt   = "token request is already being processed"
	expiredToken  = "expired access/refresh token"
	expiredCode   = "expired authorization code"
	wrongVerifier = "invalid code verifier"
)

// oauthError is an answer of the OAuth endpoints that is no success.
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

// grants are what users have allowed the app: codes on their way, grants with their refresh tokens,
// and the access tokens in use. Its fields are what a snapshot holds.
type grants struct {
	mu       sync.Mutex
	Codes    map[string]*code
	Grants   map[string]*grant
	Sessions map[string]*session // by access token
}

// code is an authorization code. One that was used stays until its time is over, to notice a second use.
type code struct {
	User        id
	Scope       string
	RedirectURI string
	Challenge   string
	Issued      time.Time
	Used        bool
	Grant       string // what it was exchanged for
}

// grant is a user's consent, with the refresh token that stands for it.
type grant struct {
	User       id
	Scope      string
	Refresh    string
	Superseded []string // refresh tokens that rotation has replaced
	Created    time.Time
	Used       time.Time
	busy       bool // a refresh is under way
}

// session is an access token.
type session struct {
	User    id
	Scope   string
	Grant   string // empty for client credentials
	Issued  time.Time
	Expires time.Time
}

func (g *grants) reset() {
	g.Codes, g.Grants, g.Sessions = map[string]*code{}, map[string]*grant{}, map[string]*session{}
}

// random returns n characters that nobody can guess.
func random(n int) string {
	var text strings.Builder
	for text.Len() < n {
		text.WriteString(rand.Text())
	}
	return text.String()[:n]
}

// issueCode keeps a consent until the app collects it.
func (g *grants) issueCode(c code) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for text, old := range g.Codes {
		if c.Issued.Sub(old.Issued) > codeLife {
			delete(g.Codes, text)
		}
	}
	text := "aPrx" + random(52) + "=="
	g.Codes[text] = &c
	return text
}

// exchange turns a code into a grant. A second use of a code ends what the first one gave.
func (g *grants) exchange(text, redirectURI, verifier string, now time.Time) (string, *grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.Codes[text]
	switch {
	case c == nil:
		return "", nil, &oauthError{"invalid_grant", "invalid authorization code"}
	case c.Used:
		g.end(c.Grant)
		return "", nil, &oauthError{"invalid_grant", expiredCode}
	case now.Sub(c.Issued) > codeLife:
		return "", nil, &oauthError{"invalid_grant", expiredCode}
	}
	c.Used = true
	if redirectURI != c.RedirectURI {
		return "", nil, &oauthError{"redirect_uri_mismatch", "redirect_uri must match configuration"}
	}
	if c.Challenge != "" && subtle.ConstantTimeCompare([]byte(challenge(verifier)), []byte(c.Challenge)) == 0 {
		return "", nil, &oauthError{"invalid_grant", wrongVerifier}
	}
	g.makeRoom(c.User)
	grant := &grant{User: c.User, Scope: c.Scope, Created: now, Used: now}
	if slices.Contains(strings.Fields(c.Scope), "refresh_token") {
		grant.Refresh = "5Aep861" + random(80)
	}
	c.Grant = "grant-" + random(12)
	g.Grants[c.Grant] = grant
	return c.Grant, grant, nil
}

// challenge is the S256 code challenge of a verifier.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// makeRoom ends a user's oldest grants, so that one more is not too many.
func (g *grants) makeRoom(user id) {
	var of []string
	for name, grant := range g.Grants {
		if grant.User == user {
			of = append(of, name)
		}
	}
	slices.SortFunc(of, func(a, b string) int { return g.Grants[a].Created.Compare(g.Grants[b].Created) })
	for len(of) >= mostGrants {
		g.end(of[0])
		of = of[1:]
	}
}

// end forgets a grant and its access tokens.
func (g *grants) end(name string) {
	delete(g.Grants, name)
	for token, s := range g.Sessions {
		if s.Grant == name {
			delete(g.Sessions, token)
		}
	}
}

// startRefresh claims the grant that a refresh token stands for. Until finishRefresh any other use of
// the token is refused. A superseded token ends its grant.
func (g *grants) startRefresh(token string, now time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, grant := range g.Grants {
		switch {
		case slices.Contains(grant.Superseded, token):
			g.end(name)
			return "", &oauthError{"invalid_grant", expiredToken}
		case grant.Refresh != token || token == "":
			continue
		case grant.busy:
			return "", &oauthError{"invalid_grant", alreadyAtIt}
		case now.Sub(grant.Used) > idleLife:
			g.end(name)
			return "", &oauthError{"invalid_grant", expiredToken}
		}
		grant.busy = true
		return name, nil
	}
	return "", &oauthError{"invalid_grant", expiredToken}
}

// finishRefresh rotates the token of a claimed grant, if told so, and releases the claim. The grant may
// have ended in between.
func (g *grants) finishRefresh(name string, rotate bool, now time.Time) (grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.Grants[name]
	if of == nil {
		return grant{}, &oauthError{"invalid_grant", expiredToken}
	}
	of.busy = false
	of.Used = now
	if rotate {
		of.Superseded = append(of.Superseded, of.Refresh)
		of.Refresh = "5Aep861" + random(80)
	}
	return *of, nil
}

// open issues an access token.
func (g *grants) open(s session, org id) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for token, old := range g.Sessions {
		if s.Issued.After(old.Expires) {
			delete(g.Sessions, token)
		}
	}
	token := org.short() + "!AQ" + random(94)
	g.Sessions[token] = &s
	return token
}

// session finds a live access token.
func (g *grants) session(token string, now time.Time) (session, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.Sessions[token]
	if s == nil || !now.Before(s.Expires) {
		return session{}, false
	}
	return *s, true
}

// revoke ends whatever a token stands for: a refresh token its grant, an access token itself.
func (g *grants) revoke(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Sessions[token] != nil {
		delete(g.Sessions, token)
		return true
	}
	for name, grant := range g.Grants {
		if token != "" && grant.Refresh == token {
			g.end(name)
			return true
		}
	}
	return false
}

// byRefresh finds the grant of a current refresh token.
func (g *grants) byRefresh(token string, now time.Time) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, of := range g.Grants {
		if token != "" && of.Refresh == token && now.Sub(of.Used) <= idleLife {
			return *of, true
		}
	}
	return grant{}, false
}

func (g *grants) count() (grants, sessions int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.Grants), len(g.Sessions)
}

// ExpireTokens ends all access tokens at once, as a changed session policy does. Refresh tokens stay.
func (o *Org) ExpireTokens() {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	clear(o.auth.Sessions)
}

// RevokeGrants ends all grants with their tokens, as an administrator does who blocks the app.
func (o *Org) RevokeGrants() {
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	clear(o.auth.Grants)
	clear(o.auth.Sessions)
}
