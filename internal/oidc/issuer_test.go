package oidc

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	sim "github.com/referralbridge/referralbridge/internal/sim/oidc"
)

const home = "https://bridge.example/"

// newIssuer returns an issuer and what stands between us and it, which a test may replace.
func newIssuer(t *testing.T) (*Issuer, *wire) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	address := "http://" + server.Listener.Addr().String()
	service, err := sim.New(sim.Options{
		Issuer: address, ClientID: "console", ClientSecret: "hush", RedirectURIs: []string{home + "callback"}, LogoutURIs: []string{home},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = service
	server.Start()
	t.Cleanup(server.Close)
	w := &wire{next: server.Client().Transport}
	client := Client()
	client.Transport = w
	return &Issuer{
		URL: address, ClientID: "console", RedirectURL: home + "callback", HomeURL: home, HTTP: client,
		Secret: func(context.Context) (bridge.Secret, error) { return bridge.NewSecret("hush"), nil },
	}, w
}

// wire passes requests on, unless a test has something else in mind.
type wire struct {
	next   http.RoundTripper
	change func(*http.Request, http.RoundTripper) (*http.Response, error)
	tokens atomic.Int32 // requests of the token endpoint
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.tokens.Add(1)
	}
	if w.change != nil {
		return w.change(r, w.next)
	}
	return w.next.RoundTrip(r)
}

var nonce, verifier = bridge.NewToken(), bridge.NewSecret(strings.Repeat("v", 43))

// consent signs Dana in at the issuer and returns the code that it gives.
func consent(t *testing.T, i *Issuer) bridge.Secret {
	t.Helper()
	target, err := i.SignInURL(t.Context(), bridge.NewSecret("state"), nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"name": {"Dana Reeve"}, "email": {"dana@example.com"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := i.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := url.Parse(response.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != "state" {
		t.Fatalf("the issuer answered %s to %q", response.Status, back)
	}
	return bridge.NewSecret(back.Query().Get("code"))
}

func TestPerson(t *testing.T) {
	t.Parallel()
	i, w := newIssuer(t)
	code := consent(t, i)
	person, err := i.Person(t.Context(), code, nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if person.Name != "Dana Reeve" || person.Email != "dana@example.com" || person.Issuer != i.URL || person.Subject == "" {
		t.Errorf("person = %+v", person)
	}
	if n := w.tokens.Load(); n != 1 {
		t.Errorf("the code was sent %d times, want once", n)
	}
	again, err := i.Person(t.Context(), consent(t, i), nonce, verifier)
	if err != nil || again != person {
		t.Errorf("the second time: %+v, %v", again, err)
	}
}

func TestPersonRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*Issuer, *wire)
		nonce bridge.Secret
		check bridge.Secret // verifier
		code  bridge.Secret
		want  bridge.Kind
	}{
		"another sign-in's nonce": {nonce: bridge.NewToken(), want: bridge.Denied},
		"another verifier":        {check: bridge.NewSecret(strings.Repeat("w", 43)), want: bridge.Denied},
		"a made-up code":          {code: bridge.NewToken(), want: bridge.Denied},
		"an old token":            {spoil: func(i *Issuer, _ *wire) { i.Now = func() time.Time { return time.Now().Add(48 * time.Hour) } }, want: bridge.Denied},
		"our secret is wrong": {want: bridge.Internal, spoil: func(i *Issuer, _ *wire) {
			i.Secret = func(context.Context) (bridge.Secret, error) { return bridge.NewSecret("wrong"), nil }
		}},
		"the issuer is down": {want: bridge.Unavailable, spoil: func(_ *Issuer, w *wire) { w.change = answer(http.StatusBadGateway, "<html>down</html>") }},
		"no id token": {want: bridge.Denied, spoil: func(_ *Issuer, w *wire) {
			w.change = answer(http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
		}},
		"a changed id token": {want: bridge.Denied, spoil: func(_ *Issuer, w *wire) {
			w.change = editToken(func(s string) string { return s[:len(s)-8] + "AAAAAAAA" })
		}},
		"an id token without a signature": {want: bridge.Denied, spoil: func(_ *Issuer, w *wire) {
			w.change = editToken(func(s string) string {
				return "eyJhbGciOiJub25lIn0." + strings.Split(s, ".")[1] + "."
			})
		}},
		"an id token for somebody else": {want: bridge.Denied, spoil: func(i *Issuer, w *wire) {
			// What is sent to the issuer still names us; what we look for does not.
			i.ClientID = "another"
			w.change = func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				return next.RoundTrip(edit(r, "client_id=another", "client_id=console"))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, w := newIssuer(t)
			code := consent(t, i)
			if tc.spoil != nil {
				tc.spoil(i, w)
			}
			or := func(secret, usual bridge.Secret) bridge.Secret {
				if secret.Empty() {
					return usual
				}
				return secret
			}
			person, err := i.Person(t.Context(), or(tc.code, code), or(tc.nonce, nonce), or(tc.check, verifier))
			if bridge.KindOf(err) != tc.want || person != (bridge.Person{}) {
				t.Errorf("Person = %+v, %v; want %s", person, err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), code.Reveal()) || strings.Contains(err.Error(), "hush")) {
				t.Errorf("the error shows a secret: %v", err)
			}
			if n := w.tokens.Load(); n != 1 {
				t.Errorf("the code was sent %d times, want once", n)
			}
		})
	}
}

// answer gives the token endpoint's answer in its place.
func answer(status int, body string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/token") {
			return next.RoundTrip(r)
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// editToken changes the id token on its way.
func editToken(change func(string) string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || !strings.HasSuffix(r.URL.Path, "/token") {
			return response, err
		}
		defer response.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			return nil, err
		}
		body["id_token"] = change(body["id_token"].(string))
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		return answer(http.StatusOK, string(text))(r, next)
	}
}

func edit(r *http.Request, old, replacement string) *http.Request {
	if r.Body == nil {
		return r
	}
	body, _ := io.ReadAll(r.Body) // of a test
	text := strings.ReplaceAll(string(body), old, replacement)
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return c
}

func TestDiscoveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	i, w := newIssuer(t)
	w.change = func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	if _, err := i.SignInURL(t.Context(), nonce, nonce, verifier); bridge.KindOf(err) != bridge.Unavailable {
		t.Errorf("while the issuer is away: %v, want unavailable", err)
	}
	if to := i.SignOutURL(t.Context()); to != "" {
		t.Errorf("sign-out while the issuer is away leads to %q, want nowhere", to)
	}
	w.change = nil
	if _, err := i.SignInURL(t.Context(), nonce, nonce, verifier); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestSignInURL(t *testing.T) {
	t.Parallel()
	i, _ := newIssuer(t)
	target, err := i.SignInURL(t.Context(), bridge.NewSecret("st&te"), nonce, verifier)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "console", "redirect_uri": home + "callback", "state": "st&te", "nonce": nonce.Reveal(),
		"code_challenge_method": "S256", "scope": "openid email profile",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if query.Get("code_challenge") == "" || strings.Contains(target, verifier.Reveal()) || query.Has("client_secret") {
		t.Error("the address shows what has to stay with us")
	}
	out, err := url.Parse(i.SignOutURL(t.Context()))
	if err != nil || out.Query().Get("post_logout_redirect_uri") != home || out.Query().Get("client_id") != "console" {
		t.Errorf("sign-out leads to %q, %v", out, err)
	}
}
