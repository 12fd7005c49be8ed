package salesforce

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// What RFC 7636 gives as an example.
const (
	verifier      = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback      = "http://127.0.0.1:8000/oauth/callback"
	administrator = "admin@acme.example"
	fiveContacts  = `Id,FirstName,LastName,Email,HasOptedOutOfEmail,AccountId,CreatedDate
0035g00000000Aa,Ann,Lee,ann@example.com,false,0015g0000000001,2026-01-01T10:00:00.000Z
0035g00000000aA,Bo,Katz,BO@Example.com,true,0015g0000000001,2026-02-01T10:00:00.000Z
0035g00000000zZ,Cy,O'Neil,cy_1%@example.com,false,,2026-03-01T10:00:00.000Z
0035g000000000B,,Διονύσης,,false,0015g0000000002,2026-04-01T10:00:00.000Z
0035g000000000C,Dee,"back\slash",dee@example.com,false,,2026-05-01T10:00:00.000Z
`
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// site is an org behind a real listener, and a client of it that follows no redirects.
type site struct {
	t *testing.T
	*Org
	*httptest.Server
	*clock
	client *http.Client
}

func newSite(t *testing.T, options Options) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{now: time.Date(2026, 11, 3, 10, 15, 30, 0, time.UTC)}}
	options.Now = s.clock.Now
	s.Org = New(options)
	s.Server = httptest.NewServer(s.Org)
	t.Cleanup(s.Server.Close)
	s.client = s.Server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// five is an org of the five contacts of fiveContacts.
func five(t *testing.T) *site {
	t.Helper()
	contacts, err := LoadCSV(strings.NewReader(fiveContacts))
	if err != nil {
		t.Fatal(err)
	}
	return newSite(t, Options{Contacts: contacts})
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) do(r *http.Request) answer {
	s.t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// form posts a form.
func (s *site) form(path string, pairs ...string) answer {
	s.t.Helper()
	r := s.request("POST", path, strings.NewReader(values(pairs...).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r)
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (s *site) request(method, path string, body io.Reader) *http.Request {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// api makes a REST call with an access token; body is JSON, or nothing.
func (s *site) api(token, method, path, body string) answer {
	s.t.Helper()
	r := s.request(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return s.do(r)
}

func (s *site) query(token, statement string) answer {
	s.t.Helper()
	return s.api(token, "GET", "/services/data/v66.0/query?q="+url.QueryEscape(statement), "")
}

func (s *site) token() string {
	s.t.Helper()
	token, err := s.Org.Token(administrator)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// codeOf is the error code of a REST answer.
func codeOf(a answer) string {
	var list []struct{ ErrorCode string }
	if json.Unmarshal([]byte(a.body), &list) != nil || len(list) != 1 {
		return ""
	}
	return list[0].ErrorCode
}

// wireToken is a token answer as a client reads it.
type wireToken struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Signature    string `json:"signature"`
	Scope        string `json:"scope"`
	InstanceURL  string `json:"instance_url"`
	ID           string `json:"id"`
	IssuedAt     string `json:"issued_at"`
	TokenType    string `json:"token_type"`
}

func authorizePath(change ...string) string {
	q := values("response_type", "code", "client_id", DefaultClientID, "redirect_uri", callback, "scope", "api refresh_token id",
		"state", "xyz", "code_challenge", codeChallenge, "code_challenge_method", "S256", "prompt", "login consent")
	for i := 0; i < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "" {
			q.Del(change[i])
		}
	}
	return "/services/oauth2/authorize?" + q.Encode()
}

// code consents, and returns the code that comes back.
func (s *site) code(change ...string) string {
	s.t.Helper()
	a := s.form(authorizePath(change...), "decision", "allow")
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		s.t.Fatalf("no code: %d %s", a.status, a.header.Get("Location"))
	}
	return to.Query().Get("code")
}

func (s *site) exchange(code string, change ...string) answer {
	s.t.Helper()
	return s.form("/services/oauth2/token", append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback,
		"client_id", DefaultClientID, "client_secret", DefaultClientSecret, "code_verifier", verifier}, change...)...)
}

func (s *site) connect() wireToken {
	s.t.Helper()
	a := s.exchange(s.code())
	if a.status != http.StatusOK {
		s.t.Fatal(a.body)
	}
	return decode[wireToken](s.t, a.body)
}

func (s *site) refresh(token string) answer {
	s.t.Helper()
	return s.form("/services/oauth2/token", "grant_type", "refresh_token", "refresh_token", token,
		"client_id", DefaultClientID, "client_secret", DefaultClientSecret)
}

// alive reports whether an access token still opens the API.
func (s *site) alive(token string) bool {
	s.t.Helper()
	return s.api(token, "GET", "/services/data/v66.0/limits", "").status == http.StatusOK
}
