package oidc_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/referralbridge/referralbridge/internal/sim/oidc"
)

const (
	callback = "http://127.0.0.1:8000/signin/callback"
	home     = "http://127.0.0.1:8000/"
)

// bench is an issuer on the wire, and the library that a client would use with it.
type bench struct {
	service  *oidc.Service
	server   *httptest.Server
	browser  *http.Client
	provider *goidc.Provider
	config   oauth2.Config
	moved    atomic.Int64 // by how much the clock was moved on
}

func (b *bench) now() time.Time { return time.Now().Add(time.Duration(b.moved.Load())) }

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{}
	b.server = httptest.NewUnstartedServer(nil)
	service, err := oidc.New(oidc.Options{
		Issuer: "http://" + b.server.Listener.Addr().String(), ClientID: "bridge", ClientSecret: "s3cret/+ %", Now: b.now,
		RedirectURIs: []string{callback}, LogoutURIs: []string{home},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.service, b.server.Config.Handler = service, service
	b.server.Start()
	t.Cleanup(b.server.Close)
	b.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if b.provider, err = goidc.NewProvider(t.Context(), b.server.URL); err != nil {
		t.Fatal(err)
	}
	b.config = oauth2.Config{
		ClientID: "bridge", ClientSecret: "s3cret/+ %", RedirectURL: callback,
		Endpoint: b.provider.Endpoint(), Scopes: []string{goidc.ScopeOpenID, "email", "profile"},
	}
	b.config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	return b
}

// signIn does what a person does with the page, and returns what the client is told.
func (b *bench) signIn(t *testing.T, config oauth2.Config, form url.Values, options ...oauth2.AuthCodeOption) url.Values {
	t.Helper()
	answer, err := b.browser.PostForm(config.AuthCodeURL("the state", options...), form)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), callback+"?") {
		t.Fatalf("signed in: status %d, location %q", answer.StatusCode, answer.Header.Get("Location"))
	}
	location, err := answer.Location()
	if err != nil {
		t.Fatal(err)
	}
	if got := location.Query().Get("state"); got != "the state" {
		t.Errorf("state = %q", got)
	}
	return location.Query()
}

var dana = url.Values{"name": {"Dana Reeve"}, "email": {"Dana@Example.com"}}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]oauth2.AuthStyle{
		"secret in the form":   oauth2.AuthStyleInParams,
		"secret in the header": oauth2.AuthStyleInHeader,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.config.Endpoint.AuthStyle = style
			verifier := oauth2.GenerateVerifier()
			answer := b.signIn(t, b.config, dana, goidc.Nonce("n-1"), oauth2.S256ChallengeOption(verifier))
			tokens, err := b.config.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			token, err := b.provider.Verifier(&goidc.Config{ClientID: "bridge"}).Verify(t.Context(), tokens.Extra("id_token").(string))
			if err != nil {
				t.Fatal(err)
			}
			if err := token.VerifyAccessToken(tokens.AccessToken); err != nil {
				t.Error(err)
			}
			if token.Nonce != "n-1" {
				t.Errorf("nonce = %q; a client would take this for another sign-in", token.Nonce)
			}
			info, err := b.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tokens))
			if err != nil {
				t.Fatal(err)
			}
			if info.Email != "dana@example.com" || !info.EmailVerified || info.Subject != token.Subject {
				t.Errorf("userinfo = %+v, subject of the token = %q", info, token.Subject)
			}
		})
	}
}

func TestSubjectStaysTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	subjects := map[string]bool{}
	for _, email := range []string{"ada@example.com", " ADA@example.com ", "grace@example.com"} {
		verifier := oauth2.GenerateVerifier()
		code := b.signIn(t, b.config, url.Values{"email": {email}}, oauth2.S256ChallengeOption(verifier)).Get("code")
		tokens, err := b.config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		token, err := b.provider.Verifier(&goidc.Config{ClientID: "bridge"}).Verify(t.Context(), tokens.Extra("id_token").(string))
		if err != nil {
			t.Fatal(err)
		}
		subjects[token.Subject] = true
	}
	if len(subjects) != 2 {
		t.Errorf("%d subjects for two people", len(subjects))
	}
}

func TestExchangeIsRefused(t *testing.T) {
	t.Parallel()
	right := oauth2.GenerateVerifier()
	for name, tc := range map[string]struct {
		change   func(*oauth2.Config)
		verifier string
		wait     time.Duration
		twice    bool
		want     string
	}{
		"another verifier":     {verifier: oauth2.GenerateVerifier(), want: "invalid_grant"},
		"no verifier":          {verifier: "", want: "invalid_grant"},
		"another redirect_uri": {verifier: right, change: func(c *oauth2.Config) { c.RedirectURL = home }, want: "invalid_grant"},
		"another secret":       {verifier: right, change: func(c *oauth2.Config) { c.ClientSecret = "guess" }, want: "invalid_client"},
		"another client":       {verifier: right, change: func(c *oauth2.Config) { c.ClientID = "other" }, want: "invalid_client"},
		"too late":             {verifier: right, wait: time.Minute + time.Second, want: "invalid_grant"},
		"for the second time":  {verifier: right, twice: true, want: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			code := b.signIn(t, b.config, dana, oauth2.S256ChallengeOption(right)).Get("code")
			var first *oauth2.Token
			if tc.twice {
				var err error
				if first, err = b.config.Exchange(t.Context(), code, oauth2.VerifierOption(right)); err != nil {
					t.Fatal(err)
				}
			}
			b.moved.Store(int64(tc.wait))
			config := b.config
			if tc.change != nil {
				tc.change(&config)
			}
			_, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(tc.verifier))
			refused, ok := err.(*oauth2.RetrieveError)
			if !ok || refused.ErrorCode != tc.want {
				t.Fatalf("err = %v, want %s", err, tc.want)
			}
			if first == nil {
				return
			}
			if _, err := b.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(first)); err == nil {
				t.Error("the access token of a code that came twice still works")
			}
		})
	}
}

func TestAuthorizeIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pkce := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	set := func(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }
	for name, tc := range map[string]struct {
		options []oauth2.AuthCodeOption
		form    url.Values
		status  int
		code    string // told to the client; empty where the browser must not be sent there
	}{
		"unknown client":        {options: []oauth2.AuthCodeOption{pkce, set("client_id", "other")}, form: dana, status: 400},
		"foreign redirect_uri":  {options: []oauth2.AuthCodeOption{pkce, set("redirect_uri", callback+"/x")}, form: dana, status: 400},
		"no challenge":          {form: dana, status: 303, code: "invalid_request"},
		"plain challenge":       {options: []oauth2.AuthCodeOption{pkce, set("code_challenge_method", "plain")}, form: dana, status: 303, code: "invalid_request"},
		"implicit flow":         {options: []oauth2.AuthCodeOption{pkce, set("response_type", "token")}, form: dana, status: 303, code: "unsupported_response_type"},
		"no openid":             {options: []oauth2.AuthCodeOption{pkce, set("scope", "email")}, form: dana, status: 303, code: "invalid_scope"},
		"no session to go on":   {options: []oauth2.AuthCodeOption{pkce, set("prompt", "none")}, form: dana, status: 303, code: "login_required"},
		"the person cancels":    {options: []oauth2.AuthCodeOption{pkce}, form: url.Values{"cancel": {"yes"}}, status: 303, code: "access_denied"},
		"not an e-mail address": {options: []oauth2.AuthCodeOption{pkce}, form: url.Values{"email": {"dana"}}, status: 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := b.browser.PostForm(b.config.AuthCodeURL("s", tc.options...), tc.form)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tc.status {
				t.Fatalf("status = %d, want %d", answer.StatusCode, tc.status)
			}
			location, _ := url.Parse(answer.Header.Get("Location"))
			if got := location.Query().Get("error"); got != tc.code {
				t.Errorf("error = %q, want %q", got, tc.code)
			}
			if location.Query().Has("code") {
				t.Error("a code was given all the same")
			}
		})
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		query    string
		status   int
		location string
	}{
		"back to the client": {"client_id=bridge&state=x&post_logout_redirect_uri=" + url.QueryEscape(home), 303, home + "?state=x"},
		"to nowhere":         {"", 200, ""},
		"to elsewhere":       {"post_logout_redirect_uri=" + url.QueryEscape("https://example.org/"), 400, ""},
		"of another client":  {"client_id=other&post_logout_redirect_uri=" + url.QueryEscape(home), 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := b.browser.Get(b.server.URL + "/logout?" + tc.query)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tc.status || answer.Header.Get("Location") != tc.location {
				t.Errorf("status %d, location %q; want %d, %q", answer.StatusCode, answer.Header.Get("Location"), tc.status, tc.location)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	verifier := oauth2.GenerateVerifier()
	code := b.signIn(t, b.config, url.Values{"name": {"Ада"}, "email": {"ada@example.com"}}, oauth2.S256ChallengeOption(verifier)).Get("code")
	tokens, err := b.config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	saved, err := b.service.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := oidc.New(oidc.Options{Issuer: b.server.URL, ClientID: "bridge", ClientSecret: "x"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(again)
	defer server.Close()
	verify := func() error {
		keys := goidc.NewRemoteKeySet(t.Context(), server.URL+"/keys")
		_, err := goidc.NewVerifier(b.server.URL, keys, &goidc.Config{ClientID: "bridge"}).Verify(t.Context(), tokens.Extra("id_token").(string))
		return err
	}
	if verify() == nil {
		t.Error("an issuer with another key vouches for the token")
	}
	if err := again.Restore(saved); err != nil {
		t.Fatal(err)
	}
	if err := verify(); err != nil {
		t.Errorf("after Restore: %v", err)
	}
	restored, err := again.Snapshot()
	if err != nil || string(restored) != string(saved) {
		t.Errorf("the second snapshot differs from the first: %v", err)
	}
	for _, broken := range []string{"", "{}", `{"key":{"kty":"EC"}}`, string(saved[:len(saved)/2])} {
		if again.Restore([]byte(broken)) == nil {
			t.Errorf("restored from %.20q", broken)
		}
	}
}

func TestPageOffersPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pkce := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	b.signIn(t, b.config, url.Values{"name": {"<Mallory>"}, "email": {"m@example.com"}}, pkce)
	answer, err := b.browser.Get(b.config.AuthCodeURL("s", pkce))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"dana@example.com", "&lt;Mallory&gt;", "this machine only"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(string(page), "<Mallory>") {
		t.Error("a name is taken for HTML")
	}
}

// FuzzToken sends any form to the token endpoint: it must refuse, and in JSON.
func FuzzToken(f *testing.F) {
	service, err := oidc.New(oidc.Options{Issuer: "http://issuer.test", ClientID: "bridge", ClientSecret: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("grant_type=authorization_code&client_id=bridge&client_secret=x&code=1&code_verifier=2", "")
	f.Add("%zz", "Basic eDp5")
	f.Fuzz(func(t *testing.T, form, authorization string) {
		r := httptest.NewRequestWithContext(context.Background(), "POST", "/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		var refused struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &refused); err != nil || refused.Error == "" || w.Code < 400 {
			t.Errorf("status %d, body %s", w.Code, w.Body)
		}
	})
}

func TestFlags(t *testing.T) {
	t.Parallel()
	fs := flag.NewFlagSet("oidc", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o := oidc.Flags(fs)
	if err := fs.Parse([]string{"-issuer", "http://127.0.0.1:8004", "-redirect-uri", callback, "-redirect-uri", home, "-logout-uri", home}); err != nil {
		t.Fatal(err)
	}
	if len(o.RedirectURIs) != 2 || len(o.LogoutURIs) != 1 {
		t.Errorf("options %+v", o)
	}
	if _, err := oidc.New(*o); err != nil {
		t.Error(err)
	}
	if fs.Parse([]string{"-redirect-uri", "/callback"}) == nil {
		t.Error("took a redirect address without a host")
	}
	if _, err := oidc.New(oidc.Options{}); err == nil {
		t.Error("an issuer without a name and a client")
	}
}
