package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
)

// An answer of a token endpoint, signed with the secret below.
const (
	demoSecret = "demo-consumer-secret"
	demoID     = "https://login.salesforce.com/id/00D5g000004AbCdEAK/0055g000001JkLmAAK"
	demoAnswer = `{"access_token":"00D!access","refresh_token":"5Aep861","signature":"rcTHSPphF37jCYcRoRm9/G/u13zrzDjVVHeDiPMjXxI=",
		"scope":"refresh_token id api","instance_url":"https://acme.my.salesforce.com","id":"` + demoID + `","token_type":"Bearer","issued_at":"1793613600000"}`
)

// app is our app, whose requests all go to answer, whatever host they are for.
func app(answer func(*http.Request) *http.Response) OAuth {
	return OAuth{
		HTTP: &http.Client{Transport: roundTrip(answer), CheckRedirect: Hosts{}.TokenClient().CheckRedirect}, ClientID: "key",
		Secret: func(context.Context) (bridge.Secret, error) { return bridge.NewSecret(demoSecret), nil },
	}
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	response := f(r)
	response.Request = r
	return response, nil
}

func respond(status int, body string, header ...string) *http.Response {
	response := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

var demoCode = connect.Code{
	Code: connect.Carried{Secret: bridge.NewSecret("the-code")}, Verifier: connect.Carried{Secret: bridge.NewSecret("the-verifier")},
	LoginHost: productionLogin, RedirectURI: "https://bridge.example/oauth/callback/production", Environment: bridge.Production,
}

func TestExchange(t *testing.T) {
	t.Parallel()
	var asked url.Values
	o := app(func(r *http.Request) *http.Response {
		if r.Method != http.MethodPost || r.URL.String() != productionLogin+"/services/oauth2/token" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		asked = r.PostForm
		return respond(200, demoAnswer)
	})
	got, err := o.Exchange(t.Context(), bridge.App{}, demoCode)
	want := connect.Issued{
		Access: bridge.NewSecret("00D!access"), Refresh: bridge.NewSecret("5Aep861"), Instance: "https://acme.my.salesforce.com",
		Identity: demoID, Org: "00D5g000004AbCdEAK", User: "0055g000001JkLmAAK", At: time.UnixMilli(1793613600000).UTC(),
	}
	if err != nil || got != want {
		t.Errorf("Exchange = %+v, %v", got, err)
	}
	for name, value := range map[string]string{
		"grant_type": "authorization_code", "code": "the-code", "code_verifier": "the-verifier", "client_id": "key",
		"client_secret": demoSecret, "redirect_uri": demoCode.RedirectURI,
	} {
		if asked.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, asked.Get(name), value)
		}
	}
}

func TestExchangeIsRefused(t *testing.T) {
	t.Parallel()
	with := func(old, new string) string {
		if !strings.Contains(demoAnswer, old) {
			t.Fatalf("no %q in the answer", old)
		}
		return strings.Replace(demoAnswer, old, new, 1)
	}
	for name, tc := range map[string]struct {
		response *http.Response
		code     string
		kind     bridge.Kind
	}{
		"another user than was signed": {respond(200, with("0055g000001JkLmAAK", "0055g000001JkLnAAK")), "exchange", bridge.Denied},
		"another time than was signed": {respond(200, with("1793613600000", "1793613600001")), "exchange", bridge.Denied},
		"a signature that is no text":  {respond(200, with("rcTHSPphF37jCYcRoRm9/G/u13zrzDjVVHeDiPMjXxI=", "!")), "exchange", bridge.Denied},
		"no signature":                 {respond(200, with(`"signature"`, `"sig"`)), "exchange", bridge.Denied},
		"no access token":              {respond(200, with(`"access_token"`, `"token"`)), "exchange", bridge.Denied},
		"no refresh token":             {respond(200, with(`"refresh_token"`, `"token"`)), "app", bridge.Denied},
		"a user of a community":        {respond(200, with(`{`, `{"sfdc_community_url":"https://acme.my.site.com",`)), "app", bridge.Denied},
		"an instance elsewhere":        {respond(200, with("https://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example")), "host", bridge.Denied},
		"an instance over plain http":  {respond(200, with("https://acme.my", "http://acme.my")), "host", bridge.Denied},
		"no JSON":                      {respond(200, "<html>"), "", bridge.UnknownOutcome},
		"a redirect":                   {respond(307, "", "Location", "https://evil.example/services/oauth2/token"), "MOVED", bridge.Unavailable},
		"too many requests":            {respond(429, ""), "", bridge.Throttled},
		"a firewall's page":            {respond(403, "<html>"), "403", bridge.UnknownOutcome},
		"a code of somebody else":      {respond(400, `{"error":"invalid_grant","error_description":"invalid authorization code"}`), "invalid_grant", bridge.Revoked},
		"a verifier that does not fit": {respond(400, `{"error":"invalid_request","error_description":"invalid code verifier"}`), "invalid_request", bridge.Invalid},
		"words that quote the code":    {respond(400, `{"error":"the-code","error_description":"the-code"}`), "token_endpoint_refused", bridge.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			o := app(func(*http.Request) *http.Response { calls++; return tc.response })
			issued, err := o.Exchange(t.Context(), bridge.App{}, demoCode)
			if bridge.KindOf(err) != tc.kind || bridge.CodeOf(err) != tc.code || issued != (connect.Issued{}) {
				t.Errorf("kind, code = %q, %q, want %q, %q", bridge.KindOf(err), bridge.CodeOf(err), tc.kind, tc.code)
			}
			if calls != 1 {
				t.Errorf("%d requests, want 1", calls)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "the-code") || strings.Contains(text, demoSecret) {
				t.Errorf("the error's text shows what was sent: %s", text)
			}
		})
	}
}

func TestCodeGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"a stranger's": "https://evil.example", "another of Salesforce's": sandboxLogin, "plain http": "http://login.salesforce.com",
		"the login host and more": productionLogin + "@evil.example", "none": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := app(func(r *http.Request) *http.Response {
				t.Errorf("a request went to %s", r.URL.Host)
				return respond(200, demoAnswer)
			})
			code := demoCode
			code.LoginHost = host
			if _, err := o.Exchange(t.Context(), bridge.App{}, code); bridge.CodeOf(err) != string(connect.UntrustedHost) {
				t.Errorf("Exchange = %v", err)
			}
			if _, err := o.Refresh(t.Context(), bridge.App{}, "https://evil.example", "https://evil.example", bridge.NewSecret("x")); err == nil {
				t.Error("the refresh token was shown to a stranger")
			}
		})
	}
}

func TestRefreshOfAnOrgThatMoved(t *testing.T) {
	t.Parallel()
	var hosts []string
	o := app(func(r *http.Request) *http.Response {
		hosts = append(hosts, r.URL.Host)
		if r.URL.Host == "former.my.salesforce.com" {
			return respond(301, "", "Location", "https://acme.my.salesforce.com/services/oauth2/token")
		}
		return respond(200, demoAnswer)
	})
	issued, err := o.Refresh(t.Context(), bridge.App{}, "https://former.my.salesforce.com", productionLogin, bridge.NewSecret("x"))
	if err != nil || issued.Instance != "https://acme.my.salesforce.com" {
		t.Errorf("Refresh = %q, %v", issued.Instance, err)
	}
	if got := strings.Join(hosts, " "); got != "former.my.salesforce.com login.salesforce.com" {
		t.Errorf("asked %s", got)
	}
}

func TestRefreshThatNeverLeft(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	hosts := Hosts{Simulator: server.URL}
	server.Close() // nobody listens there now
	o := app(nil)
	o.Hosts, o.HTTP = hosts, hosts.TokenClient()
	_, err := o.Refresh(t.Context(), bridge.App{}, server.URL, server.URL, bridge.NewSecret("x"))
	if bridge.KindOf(err) != bridge.Unavailable {
		t.Errorf("kind = %q (%v), want unavailable: nothing was done", bridge.KindOf(err), err)
	}
}

// FuzzTokenAnswer holds that no answer of a token endpoint gets past the checks unsigned, and that none
// makes an error that quotes it.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, demoAnswer)
	f.Add(200, `{"id":"x","issued_at":"1","access_token":"marked","signature":""}`)
	f.Add(400, `{"error":"marked","error_description":"marked"}`)
	f.Add(503, "<html>marked")
	f.Fuzz(func(t *testing.T, status int, body string) {
		issued, err := app(func(*http.Request) *http.Response { return respond(status, body) }).Exchange(t.Context(), bridge.App{}, demoCode)
		if err != nil {
			if strings.Contains(err.Error(), "marked") {
				t.Errorf("the error quotes the answer: %v", err)
			}
			return
		}
		var told token
		if json.Unmarshal([]byte(body), &told) == nil && told.ID+told.IssuedAt != demoID+"1793613600000" || issued.Org == "" {
			t.Errorf("an answer was taken that nobody signed: %s", body)
		}
	})
}
