package oidc

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	tokenLifetime = time.Hour
	largestForm   = 64 << 10
)

// access is what an access token stands for.
type access struct {
	person  Person
	expires time.Time
}

// claims are the claims of an ID token beside the registered ones, and those of userinfo.
type claims struct {
	Name          string `json:"name"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Nonce         string `json:"nonce,omitempty"`
	AtHash        string `json:"at_hash,omitempty"` // binds the access token, OpenID Connect Core 3.1.3.6
}

// refused is an OAuth error answer, RFC 6749 section 5.2.
type refused struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// token exchanges a code.
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, largestForm)
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, refused{"invalid_request", "the form cannot be read"})
		return
	}
	if !s.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		writeJSON(w, http.StatusUnauthorized, refused{"invalid_client", "the client id or secret is wrong"})
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		writeJSON(w, http.StatusBadRequest, refused{"unsupported_grant_type", "grant_type must be authorization_code"})
		return
	}
	now := s.options.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	granted, words := s.redeem(r.PostForm, now)
	if words != "" {
		writeJSON(w, http.StatusBadRequest, refused{"invalid_grant", words})
		return
	}
	idToken, err := s.sign(granted, now)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, refused{"server_error", "the token cannot be signed"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": granted.used, "token_type": "Bearer", "expires_in": int(tokenLifetime.Seconds()),
		"id_token": idToken, "scope": "openid email profile",
	})
}

// authenticated checks the client's id and secret, in the header or in the form, but not in both.
func (s *Service) authenticated(r *http.Request) bool {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		if secret != "" {
			return false
		}
		var err1, err2 error
		id, err1 = url.QueryUnescape(user) // RFC 6749 section 2.3.1 has both form-encoded first
		secret, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return false
		}
	}
	return equal(id, s.options.ClientID) && equal(secret, s.options.ClientSecret)
}

// redeem uses up a code, and says in words why it is refused. A code that comes again takes back what it was
// exchanged for, since one of the two is a thief. The lock is held.
func (s *Service) redeem(form url.Values, now time.Time) (granted grant, words string) {
	code := form.Get("code")
	granted, known := s.codes[code]
	challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case !known:
		return grant{}, "the code is not known"
	case granted.used != "":
		delete(s.tokens, granted.used)
		return grant{}, "the code was used before"
	}
	granted.used = rand.Text()
	s.codes[code] = granted // used up, whatever comes of it
	switch {
	case now.Sub(granted.at) > codeLifetime:
		return grant{}, "the code has expired"
	case form.Get("redirect_uri") != granted.redirectURI:
		return grant{}, "the redirect_uri is another one"
	case !equal(base64.RawURLEncoding.EncodeToString(challenge[:]), granted.challenge):
		return grant{}, "the code_verifier does not fit the code_challenge"
	}
	for old, token := range s.tokens {
		if now.After(token.expires) {
			delete(s.tokens, old)
		}
	}
	s.tokens[granted.used] = access{granted.person, now.Add(tokenLifetime)}
	return granted, ""
}

// sign returns the ID token of a grant. The lock is held.
func (s *Service) sign(granted grant, now time.Time) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: s.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(granted.used))
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: s.options.Issuer, Subject: subject(granted.person), Audience: jwt.Audience{s.options.ClientID},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLifetime)),
	}).Claims(claims{
		Name: granted.person.Name, Email: granted.person.Email, EmailVerified: true,
		Nonce: granted.nonce, AtHash: base64.RawURLEncoding.EncodeToString(hash[:len(hash)/2]),
	}).Serialize()
}

// subject returns the same text for the same address each time.
func subject(person Person) string {
	sum := sha256.Sum256([]byte(person.Email))
	return hex.EncodeToString(sum[:16])
}

func (s *Service) userinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	held, ok := s.tokens[token]
	s.mu.Unlock()
	if !ok || s.options.Now().After(held.expires) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, refused{"invalid_token", "the access token is not valid"})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Subject string `json:"sub"`
		claims
	}{subject(held.person), claims{Name: held.person.Name, Email: held.person.Email, EmailVerified: true}})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
