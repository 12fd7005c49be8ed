package signin

import (
	"net/http"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// SessionCookie is the name of the cookie that holds a session's token.
const SessionCookie = "session"

// Jar reads and writes cookies that hold tokens. They are for the whole site and no script, and travel with
// links from other sites but not with their forms.
type Jar struct {
	Secure bool // HTTPS only, and tied to this very host by the browser
}

// JarFor returns the jar for a site that is reached at baseURL: secure unless that is plain HTTP, as on one's
// own machine.
func JarFor(baseURL string) Jar { return Jar{Secure: !strings.HasPrefix(baseURL, "http://")} }

// name adds the prefix that makes browsers refuse the cookie from anybody but this host over HTTPS.
func (j Jar) name(name string) string {
	if j.Secure {
		return "__Host-" + name
	}
	return name
}

// Read returns the token in that cookie. It is empty if there is no such cookie, or more than one: then
// somebody else may have planted one of them.
func (j Jar) Read(r *http.Request, name string) bridge.Secret {
	cookies := r.CookiesNamed(j.name(name))
	if len(cookies) != 1 {
		return bridge.Secret{}
	}
	return bridge.NewSecret(cookies[0].Value)
}

// Write sets the cookie for maxAge; with 0 it lasts until the browser closes.
func (j Jar) Write(w http.ResponseWriter, name string, token bridge.Secret, maxAge time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: j.name(name), Value: token.Reveal(), Path: "/", MaxAge: int(maxAge.Seconds()),
		Secure: j.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Clear removes the cookie.
func (j Jar) Clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: j.name(name), Path: "/", MaxAge: -1, Secure: j.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
