package salesforce

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, RedirectURIs: []string{callback}})
	for name, tc := range map[string]struct {
		change []string
		error  string // sent back to the app
		shown  string // to the person, and not sent back
	}{
		"another app":                       {change: []string{"client_id", "other"}, shown: "invalid_client_id"},
		"no redirect URI":                   {change: []string{"redirect_uri", ""}, shown: "redirect_uri_missing"},
		"a redirect URI with a slash more":  {change: []string{"redirect_uri", callback + "/"}, shown: "redirect_uri_mismatch"},
		"a redirect URI somewhere else":     {change: []string{"redirect_uri", "https://evil.example/cb"}, shown: "redirect_uri_mismatch"},
		"an implicit grant":                 {change: []string{"response_type", "token"}, error: "unsupported_response_type"},
		"a scope that the app has not":      {change: []string{"scope", "api full"}, error: "invalid_scope"},
		"no code challenge":                 {change: []string{"code_challenge", ""}, error: "invalid_request"},
		"a plain code challenge":            {change: []string{"code_challenge_method", "plain"}, error: "invalid_request"},
		"a code challenge of another shape": {change: []string{"code_challenge", "short"}, error: "invalid_request"},
		"no person to ask":                  {change: []string{"prompt", "none"}, error: "immediate_unsuccessful"},
		"an unknown prompt":                 {change: []string{"prompt", "sing"}, error: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.do(s.request("GET", authorizePath(tc.change...), nil))
			to, err := url.Parse(a.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if got := to.Query().Get("error"); got != tc.error {
				t.Errorf("error sent back = %q, want %q", got, tc.error)
			}
			if tc.error != "" && to.Query().Get("state") != "xyz" {
				t.Errorf("state sent back = %q, want xyz", to.Query().Get("state"))
			}
			if !strings.Contains(a.body, tc.shown) || tc.shown != "" && a.status != http.StatusBadRequest {
				t.Errorf("the page (%d) does not say %q", a.status, tc.shown)
			}
		})
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})

	page := s.do(s.request("GET", authorizePath(), nil))
	for _, text := range []string{"Acme Outdoor", administrator, "Allow", "Deny", "Perform requests at any time"} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the consent page does not say %q", text)
		}
	}
	denied := s.form(authorizePath(), "decision", "deny").header.Get("Location")
	if want := callback + "?error=access_denied&error_description=end-user+denied+authorization&state=xyz"; denied != want {
		t.Errorf("denied: sent to %s, want %s", denied, want)
	}
	for name, does := range map[string]func() answer{
		"chosen on the page": func() answer { return s.form(authorizePath(), "decision", "not-installed") },
		"switched": func() answer {
			s.SetSwitches(Switches{})
			return s.form(authorizePath(), "decision", "allow")
		},
	} {
		if a := does(); a.header.Get("Location") != "" || !strings.Contains(a.body, "OAUTH_APPROVAL_ERROR_GENERIC") {
			t.Errorf("app not installed, %s: sent to %q, want an error page", name, a.header.Get("Location"))
		}
	}
	s.SetSwitches(Switches{AppInstalled: true})
	if a := s.form(authorizePath(), "decision", "allow", "user", "former@acme.example"); a.header.Get("Location") != "" {
		t.Errorf("an inactive user got to %s", a.header.Get("Location"))
	}
}

func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	code := s.code()
	if !strings.HasSuffix(code, "==") {
		t.Errorf("code = %q, want one that needs URL encoding", code)
	}
	a := s.exchange(code)
	got := decode[wireToken](t, a.body)
	if got.InstanceURL != s.URL || got.TokenType != "Bearer" || got.Scope != "api refresh_token id" {
		t.Errorf("answer = %+v", got)
	}
	if want := s.URL + "/id/00D5g000004AbCdEAK/0055g0000000001AAA"; got.ID != want {
		t.Errorf("id = %s, want %s", got.ID, want)
	}
	if want := strconv.FormatInt(s.clock.Now().UnixMilli(), 10); got.IssuedAt != want {
		t.Errorf("issued_at = %s, want %s", got.IssuedAt, want)
	}
	if want := sign(DefaultClientSecret, got.ID, got.IssuedAt); got.Signature != want {
		t.Errorf("signature = %s, want %s", got.Signature, want)
	}
	if strings.Contains(a.body, "expires_in") {
		t.Error("the answer has expires_in, which the real one has not")
	}
	if !strings.HasPrefix(got.AccessToken, "00D5g000004AbCd!") || !s.alive(got.AccessToken) {
		t.Errorf("access token %s does not open the API", got.AccessToken)
	}
}

func TestSignatureVector(t *testing.T) {
	t.Parallel()
	got := sign("demo-consumer-secret", "https://login.salesforce.com/id/00D5g000004AbCdEAK/0055g000001JkLmAAK", "1793613600000")
	if want := "rcTHSPphF37jCYcRoRm9/G/u13zrzDjVVHeDiPMjXxI="; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
	if got := challenge(verifier); got != codeChallenge {
		t.Errorf("challenge = %s, want %s", got, codeChallenge)
	}
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change []string
		wait   time.Duration
		error  string
	}{
		"another verifier":       {change: []string{"code_verifier", strings.Repeat("a", 43)}, error: "invalid_grant: invalid code verifier"},
		"no verifier":            {change: []string{"code_verifier", ""}, error: "invalid_grant: invalid code verifier"},
		"another secret":         {change: []string{"client_secret", "guess"}, error: "invalid_client: invalid client credentials"},
		"no secret":              {change: []string{"client_secret", ""}, error: "invalid_client: invalid client credentials"},
		"another app":            {change: []string{"client_id", "other"}, error: "invalid_client_id: client identifier invalid"},
		"another redirect URI":   {change: []string{"redirect_uri", callback + "2"}, error: "redirect_uri_mismatch: redirect_uri must match configuration"},
		"another code":           {change: []string{"code", "aPrx"}, error: "invalid_grant: invalid authorization code"},
		"too late":               {wait: codeLife + time.Second, error: "invalid_grant: expired authorization code"},
		"a grant nobody knows":   {change: []string{"grant_type", "device"}, error: "unsupported_grant_type: grant type not supported"},
		"nothing wrong, at last": {wait: codeLife},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: -1})
			code := s.code()
			s.forward(tc.wait)
			a := s.exchange(code, tc.change...)
			status := http.StatusOK
			if tc.error != "" {
				status = http.StatusBadRequest
				got := decode[struct {
					Error       string `json:"error"`
					Description string `json:"error_description"`
				}](t, a.body)
				if got.Error+": "+got.Description != tc.error {
					t.Errorf("error = %s: %s, want %s", got.Error, got.Description, tc.error)
				}
			}
			if a.status != status {
				t.Errorf("status = %d, want %d", a.status, status)
			}
		})
	}
}

func TestSecondUseOfCodeEndsGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	code := s.code()
	first := decode[wireToken](t, s.exchange(code).body)
	if a := s.exchange(code); a.status != http.StatusBadRequest {
		t.Errorf("second use: status = %d, want 400", a.status)
	}
	if s.alive(first.AccessToken) {
		t.Error("the access token of the first use is alive")
	}
	if a := s.refresh(first.RefreshToken); a.status != http.StatusBadRequest {
		t.Error("the refresh token of the first use is alive")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	first := s.connect()
	second := decode[wireToken](t, s.refresh(first.RefreshToken).body)
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Fatalf("refresh token after a refresh = %q, want a new one", second.RefreshToken)
	}
	if !s.alive(first.AccessToken) || !s.alive(second.AccessToken) {
		t.Error("a refresh ended an access token")
	}
	a := s.refresh(first.RefreshToken)
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, expiredToken) {
		t.Errorf("superseded token: %d %s, want 400 %s", a.status, a.body, expiredToken)
	}
	if a := s.refresh(second.RefreshToken); a.status != http.StatusBadRequest {
		t.Error("the newest refresh token survived the use of an old one")
	}
	if s.alive(second.AccessToken) {
		t.Error("the access token survived the use of an old refresh token")
	}
}

func TestStaticRefreshToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, StaticRefreshTokens: true})
	first := s.connect()
	for range 2 {
		a := s.refresh(first.RefreshToken)
		if a.status != http.StatusOK || strings.Contains(a.body, "refresh_token\":") {
			t.Errorf("refresh: %d %s, want 200 without a refresh token", a.status, a.body)
		}
	}
}

func TestConcurrentRefresh(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	first := s.connect()
	// The delay falls in the middle of a refresh, so whichever comes second finds the token claimed.
	s.SetRules(Rule{Kind: KindToken, Fault: Fault{Delay: Duration(300 * time.Millisecond)}})
	answers := make(chan answer, 2)
	for range 2 {
		go func() { answers <- s.refresh(first.RefreshToken) }()
	}
	refused, rotated := <-answers, <-answers
	if refused.status != http.StatusBadRequest || !strings.Contains(refused.body, alreadyAtIt) {
		t.Errorf("the one = %d %s, want 400 %s", refused.status, refused.body, alreadyAtIt)
	}
	if rotated.status != http.StatusOK {
		t.Fatalf("the other = %d %s, want 200", rotated.status, rotated.body)
	}
	s.SetRules()
	if a := s.refresh(decode[wireToken](t, rotated.body).RefreshToken); a.status != http.StatusOK {
		t.Errorf("afterwards: %d %s, want 200", a.status, a.body)
	}
}

func TestIdleRefreshTokenDies(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, StaticRefreshTokens: true})
	token := s.connect().RefreshToken
	for _, step := range []struct {
		wait   time.Duration
		status int
	}{{29 * 24 * time.Hour, 200}, {29 * 24 * time.Hour, 200}, {30*24*time.Hour + time.Second, 400}} {
		s.forward(step.wait)
		if a := s.refresh(token); a.status != step.status {
			t.Errorf("after %s: %d, want %d", step.wait, a.status, step.status)
		}
	}
}

func TestSixthGrantEvictsFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, StaticRefreshTokens: true})
	var tokens []string
	for range 6 {
		tokens = append(tokens, s.connect().RefreshToken)
		s.forward(time.Second)
	}
	for i, token := range tokens {
		want := http.StatusOK
		if i == 0 {
			want = http.StatusBadRequest
		}
		if a := s.refresh(token); a.status != want {
			t.Errorf("grant %d: %d, want %d", i+1, a.status, want)
		}
	}
}

func TestAccessTokenExpires(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1, SessionTimeout: time.Hour})
	token := s.connect()
	s.forward(time.Hour - time.Second)
	if !s.alive(token.AccessToken) {
		t.Error("dead within the session timeout")
	}
	s.forward(time.Second)
	a := s.api(token.AccessToken, "GET", "/services/data/v66.0/limits", "")
	if a.status != http.StatusUnauthorized || codeOf(a) != "INVALID_SESSION_ID" {
		t.Errorf("after the session timeout: %d %s, want 401 INVALID_SESSION_ID", a.status, a.body)
	}
	fresh := decode[wireToken](t, s.refresh(token.RefreshToken).body)
	s.ExpireTokens()
	if s.alive(fresh.AccessToken) {
		t.Error("alive after all were expired")
	}
	if a := s.refresh(fresh.RefreshToken); a.status != http.StatusOK {
		t.Errorf("refresh after all access tokens were expired: %d", a.status)
	}
	s.RevokeGrants()
	if a := s.refresh(fresh.RefreshToken); a.status != http.StatusBadRequest {
		t.Errorf("refresh after all grants were revoked: %d, want 400", a.status)
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	r := s.request("POST", "/services/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(DefaultClientID, DefaultClientSecret)
	a := s.do(r)
	got := decode[wireToken](t, a.body)
	if a.status != http.StatusOK || got.RefreshToken != "" || !s.alive(got.AccessToken) {
		t.Errorf("answer = %d %s", a.status, a.body)
	}
}

func TestRevokeAndIntrospect(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	token := s.connect()
	introspect := func(token string) map[string]any {
		return decode[map[string]any](t, s.form("/services/oauth2/introspect", "token", token, "client_id", DefaultClientID, "client_secret", DefaultClientSecret).body)
	}
	for name, of := range map[string]string{"access": token.AccessToken, "refresh": token.RefreshToken} {
		if got := introspect(of); got["active"] != true || got["username"] != administrator || got["token_type"] != name+"_token" {
			t.Errorf("%s token: %v", name, got)
		}
	}
	if a := s.form("/services/oauth2/revoke", "token", "unknown"); a.status != http.StatusBadRequest {
		t.Errorf("revoking an unknown token: %d, want 400", a.status)
	}
	if a := s.form("/services/oauth2/revoke", "token", token.RefreshToken); a.status != http.StatusOK || a.body != "" {
		t.Errorf("revoke: %d %q, want 200 and nothing", a.status, a.body)
	}
	if got := introspect(token.AccessToken); got["active"] != false {
		t.Errorf("access token of a revoked grant: %v", got)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	token := s.connect()
	for name, tc := range map[string]struct {
		path, token string
		status      int
		body        string
	}{
		"the user":           {strings.TrimPrefix(token.ID, s.URL), token.AccessToken, 200, `"username":"admin@acme.example"`},
		"ids of 15":          {"/id/00D5g000004AbCd/0055g0000000001", token.AccessToken, 200, `"organization_id":"00D5g000004AbCdEAK"`},
		"no token":           {strings.TrimPrefix(token.ID, s.URL), "", 403, "Missing_OAuth_Token"},
		"a dead token":       {strings.TrimPrefix(token.ID, s.URL), "dead", 403, "Bad_OAuth_Token"},
		"another org":        {"/id/00D5g000004AbCe/0055g0000000001", token.AccessToken, 403, "Wrong_Org"},
		"no id":              {"/id/00D5g000004AbCd/me", token.AccessToken, 404, "Bad_Id"},
		"user info":          {"/services/oauth2/userinfo", token.AccessToken, 200, `"preferred_username":"admin@acme.example"`},
		"user info, no more": {"/services/oauth2/userinfo", "dead", 403, "Bad_OAuth_Token"},
		"discovery":          {"/.well-known/openid-configuration", "", 200, s.URL + "/services/oauth2/token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.request("GET", tc.path, nil)
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			if a := s.do(r); a.status != tc.status || !strings.Contains(a.body, tc.body) {
				t.Errorf("answer = %d %s, want %d with %s", a.status, a.body, tc.status, tc.body)
			}
		})
	}
}

func TestTokenAnswersToRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: -1})
	switches := s.Switches()

	switches.ForgedSignature = true
	s.SetSwitches(switches)
	if got := s.connect(); got.Signature == sign(DefaultClientSecret, got.ID, got.IssuedAt) {
		t.Error("the forged signature is right")
	}
	switches.ForgedSignature, switches.OtherOrganization, switches.InstanceURL = false, true, "https://evil.example"
	s.SetSwitches(switches)
	got := s.connect()
	if strings.Contains(got.ID, DefaultOrganizationID) || got.Signature != sign(DefaultClientSecret, got.ID, got.IssuedAt) {
		t.Errorf("id = %s with signature %s, want another organization, signed", got.ID, got.Signature)
	}
	if got.InstanceURL != "https://evil.example" {
		t.Errorf("instance_url = %s, want https://evil.example", got.InstanceURL)
	}
}
