package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// These are the attacks on a consent that RFC 9700 tells of, and those that would have our servers call an
// address of the attacker's choice. Each goes through the real routes: handler, broker, table, org.

// myDomain is the form of somebody who typed a domain.
func myDomain(domain string) url.Values {
	return url.Values{"environment": {"mydomain"}, "domain": {domain}}
}

// hostile are addresses that are no org's, whatever they look like.
var hostile = map[string]string{
	"another host":                            "https://attacker.example",
	"plain http":                              "http://acme.my.salesforce.com",
	"Salesforce's name before another":        "https://acme.my.salesforce.com.attacker.example",
	"a name that ends like Salesforce's":      "https://evil-my.salesforce.com",
	"a name that ends like it without a dot":  "https://attackermy.salesforce.com",
	"the suffix without a name":               "https://my.salesforce.com",
	"Salesforce's name as a user":             "https://acme.my.salesforce.com@attacker.example",
	"Salesforce's name as user and password":  "https://acme.my.salesforce.com:x@attacker.example",
	"a user before the name":                  "https://attacker@acme.my.salesforce.com",
	"a port":                                  "https://acme.my.salesforce.com:8443",
	"a path":                                  "https://acme.my.salesforce.com/../attacker",
	"a query":                                 "https://attacker.example?.my.salesforce.com",
	"a fragment":                              "https://attacker.example#.my.salesforce.com",
	"a backslash":                             `https://attacker.example\.my.salesforce.com`,
	"an escaped slash":                        "https://attacker.example%2f.my.salesforce.com",
	"a dot at the end":                        "https://acme.my.salesforce.com.",
	"a label in punycode":                     "https://xn--cme-5cd.my.salesforce.com",
	"a letter that looks like another":        "https://асme.my.salesforce.com",
	"a dot that looks like another":           "https://attacker。example/.my.salesforce.com",
	"a line break":                            "https://acme.my.salesforce.com\r\nSet-Cookie: session=planted",
	"a zero byte":                             "https://acme.my.salesforce.com\x00.attacker.example",
	"another scheme":                          "gopher://acme.my.salesforce.com",
	"a file":                                  "file:///etc/passwd",
	"a script":                                "javascript:alert(1)//acme.my.salesforce.com",
	"an address of our own machine":           "https://127.0.0.1",
	"our own machine by name":                 "https://localhost",
	"our own machine in one number":           "https://2130706433",
	"our own machine in hexadecimal":          "https://0x7f000001",
	"an address of our own net":               "https://10.0.0.1",
	"the address of the machine's role":       "https://169.254.169.254",
	"the address of the task's role":          "https://169.254.170.2",
	"the name of the machine's role":          "https://metadata.google.internal",
	"an address of IPv6":                      "https://[::1]",
	"an address of IPv4 in IPv6":              "https://[::ffff:169.254.169.254]",
	"the address of the machine's role, IPv6": "https://[fd00:ec2::254]",
}

func TestAttackByMyDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	for name, address := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := w.signIn("a_1")
			for _, typed := range []string{address, strings.TrimPrefix(address, "https://")} {
				to := b.start(myDomain(typed))
				at, err := url.Parse(to)
				if err != nil || at.Host != "" || at.Path != "/connections" || at.Query().Get("problem") != "domain" {
					t.Errorf("%q leads to %s, %v", typed, to, err)
				}
				if cookies := b.Jar.Cookies(b.site()); len(cookies) != 1 {
					t.Errorf("%q leaves cookies: %v", typed, cookies)
				}
			}
		})
	}
}

func TestAttackByInstance(t *testing.T) {
	t.Parallel()
	for name, address := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			back := b.consent()
			w.answerTokens(func(answer map[string]any) { answer["instance_url"] = address })
			w.refuses(b, back, "host")
		})
	}
}

func TestAttackByIdentity(t *testing.T) {
	t.Parallel()
	const ids = "/id/00D5g000004AbCdEAK/0055g000001JkLmAAK"
	all := map[string]string{
		"the ids of nobody":     "https://login.salesforce.com/id/x/y",
		"a wrong checksum":      "https://login.salesforce.com/id/00D5g000004AbCdAAA/0055g000001JkLmAAK",
		"more than the ids":     "https://login.salesforce.com" + ids + "/../../../secret",
		"a query":               "https://login.salesforce.com" + ids + "?to=attacker",
		"nothing":               "",
		"a login host's double": "https://login.salesforce.com.attacker.example" + ids,
	}
	for name, origin := range hostile {
		all[name] = origin + ids
	}
	for name, address := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			back := b.consent()
			before := w.org.Counts().Login
			w.answerTokens(func(answer map[string]any) { answer["id"] = address }) // and sign that
			w.refuses(b, back, "exchange")
			if after := w.org.Counts().Login; after != before {
				t.Errorf("%d requests for an identity", after-before)
			}
		})
	}
}

// refuses opens the way back and checks that it ends with the problem, and without a connection.
func (w *world) refuses(b browser, back, problem string) {
	w.t.Helper()
	if got := b.open(back); got != "/connections?problem="+problem {
		w.t.Errorf("ends at %s, want problem %s", got, problem)
	}
	for _, account := range []bridge.AccountID{"a_1", "a_2"} {
		if list := w.connections(account); len(list) > 0 {
			w.t.Errorf("there is a connection: %+v", list)
		}
	}
}

// instead has somebody else answer for the org.
func (w *world) instead(answer http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = answer
}

// below has somebody else answer for the org below a path.
func (w *world) below(path string, answer http.HandlerFunc) {
	w.instead(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			answer(rw, r)
			return
		}
		w.org.ServeHTTP(rw, r)
	})
}

const (
	tokenPath    = "/services/oauth2/token"
	identityPath = "/id/"
	queryPath    = "/services/data/v66.0/query"
)

// answerTokens changes the answers of the token endpoint, and signs what came of them.
func (w *world) answerTokens(change func(answer map[string]any)) {
	w.rewrite(tokenPath, func(answer map[string]any) {
		change(answer)
		id, _ := answer["id"].(string)
		issued, _ := answer["issued_at"].(string)
		if _, signed := answer["signature"]; signed {
			answer["signature"] = sign(id, issued)
		}
	})
}

func sign(id, issued string) string {
	mac := hmac.New(sha256.New, []byte(simulated.DefaultClientSecret))
	mac.Write([]byte(id + issued))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// rewrite changes the org's answers below a path.
func (w *world) rewrite(path string, change func(answer map[string]any)) {
	w.below(path, func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		w.org.ServeHTTP(recorder, r)
		var answer map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			w.t.Errorf("%s answers %s", r.URL.Path, recorder.Body)
		}
		change(answer)
		maps.Copy(rw.Header(), recorder.Header())
		rw.Header().Del("Content-Length")
		rw.WriteHeader(recorder.Code)
		_ = json.NewEncoder(rw).Encode(answer)
	})
}

// Each of these is an org, or somebody in its place, that does not play by the rules.
func TestAttackByAnswers(t *testing.T) {
	t.Parallel()
	say := func(header string, status int, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			name, value, _ := strings.Cut(header, ": ")
			rw.Header().Set(name, value)
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
		}
	}
	without := func(field string) func(*world) {
		return func(w *world) { w.answerTokens(func(answer map[string]any) { delete(answer, field) }) }
	}
	at := func(path string, answer http.HandlerFunc) func(*world) {
		return func(w *world) { w.below(path, answer) }
	}
	record := func(change func(map[string]any)) func(*world) {
		return func(w *world) {
			w.rewrite(queryPath, func(answer map[string]any) { change(answer["records"].([]any)[0].(map[string]any)) })
		}
	}
	for name, tc := range map[string]struct {
		org  func(*world)
		want string
	}{
		"no signature":     {without("signature"), "exchange"},
		"no refresh token": {without("refresh_token"), "app"},
		"no access token":  {without("access_token"), "exchange"},
		"no time of issue": {without("issued_at"), "exchange"},
		"no instance":      {without("instance_url"), "host"},
		"a user of a community": {func(w *world) {
			w.answerTokens(func(answer map[string]any) { answer["sfdc_community_url"] = "https://acme.my.site.com" })
		}, "app"},
		"a signature of another answer": {func(w *world) {
			w.rewrite(tokenPath, func(answer map[string]any) { answer["signature"] = sign(answer["id"].(string), "1793613600000") })
		}, "exchange"},
		"a signature with another secret": {func(w *world) {
			w.rewrite(tokenPath, func(answer map[string]any) { answer["signature"] = base64.StdEncoding.EncodeToString(make([]byte, 32)) })
		}, "exchange"},
		"an identity of another org": {func(w *world) {
			w.rewrite(identityPath, func(answer map[string]any) { answer["organization_id"] = "00D5g000004AbCeEAK" })
		}, "org_mismatch"},
		"an identity of another user": {func(w *world) {
			w.rewrite(identityPath, func(answer map[string]any) { answer["user_id"] = "0055g000001JkLnAAK" })
		}, "org_mismatch"},
		"an organization of another id":     {record(func(r map[string]any) { r["Id"] = "00D5g000004AbCeEAK" }), "org_mismatch"},
		"an organization that has no id":    {record(func(r map[string]any) { delete(r, "Id") }), "org_mismatch"},
		"two organizations":                 {func(w *world) { w.rewrite(queryPath, double) }, "org_mismatch"},
		"tokens as a page of HTML":          {at(tokenPath, say("Content-Type: text/html", 200, "<html><script>alert(1)</script>")), "unavailable"},
		"tokens as another kind of JSON":    {at(tokenPath, say("Content-Type: application/json", 200, `[{"access_token":"x"}]`)), "unavailable"},
		"an identity as a page of HTML":     {at(identityPath, say("Content-Type: text/html", 200, "<html>")), "unavailable"},
		"an organization as a page of HTML": {at(queryPath, say("Content-Type: text/html", 200, "<html>")), "unavailable"},
		"tokens that never end":             {func(w *world) { w.answerTokens(padded) }, "unavailable"},
		"an identity that never ends":       {func(w *world) { w.rewrite(identityPath, padded) }, "unavailable"},
		"an organization that never ends":   {func(w *world) { w.rewrite(queryPath, padded) }, "unavailable"},
		"a refusal that never ends":         {at(tokenPath, say("Content-Type: application/json", 400, `{"a":"`+strings.Repeat("x", 1<<20)+`","error":"invalid_grant"}`)), "unavailable"},
		"tokens packed a thousandfold":      {at(tokenPath, packed), "unavailable"},
		"a refusal in words of ours":        {at(tokenPath, say("Content-Type: application/json", 400, `{"error":"denied","error_description":"/connections?connected=c_1"}`)), "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			back := b.consent()
			tc.org(w)
			w.refuses(b, back, tc.want)
		})
	}
}

// padded puts two megabytes before the rest of an answer.
func padded(answer map[string]any) { answer["AAAA"] = strings.Repeat("x", 2<<20) }

// double puts the records there twice.
func double(answer map[string]any) {
	records := answer["records"].([]any)
	answer["records"] = append(records, records...)
}

// packed answers with little that unpacks to much.
func packed(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(rw)
	_, _ = io.WriteString(zip, `{"AAAA":"`)
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range 64 {
		if _, err := zip.Write(chunk); err != nil {
			return // as it should
		}
	}
	_, _ = io.WriteString(zip, `","access_token":"x"}`)
	_ = zip.Close()
}

// Somebody in the org's place sends us on. What we carry is for nobody else, not even for another path of
// the same host.
func TestAttackByRedirect(t *testing.T) {
	t.Parallel()
	for from, path := range map[string]string{"the token endpoint": tokenPath, "the identity": identityPath, "the organization": queryPath} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(from+" with "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, simulated.Options{})
				b := w.signIn("a_1")
				back := b.consent()
				var stolen atomic.Int32
				w.instead(func(rw http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/stolen":
						stolen.Add(1)
					case strings.HasPrefix(r.URL.Path, path):
						rw.Header().Set("Location", "/stolen")
						rw.WriteHeader(status)
					default:
						w.org.ServeHTTP(rw, r)
					}
				})
				w.refuses(b, back, "unavailable")
				if stolen.Load() != 0 {
					t.Error("the redirect was followed")
				}
			})
		}
	}
}

// Each of these begins with an address of the consent page that somebody has changed on its way.
func TestAttackOnTheConsentPage(t *testing.T) {
	t.Parallel()
	const registered = "/oauth/callback/"
	for name, tc := range map[string]struct {
		change func(b browser, query url.Values)
		stays  bool   // Salesforce sends nobody back
		want   string // problem at the end
	}{
		"without a challenge":     {change: func(_ browser, q url.Values) { q.Del("code_challenge") }, want: "app"},
		"with a plain challenge":  {change: func(_ browser, q url.Values) { q.Set("code_challenge_method", "plain") }, want: "app"},
		"with another challenge":  {change: func(_ browser, q url.Values) { q.Set("code_challenge", strings.Repeat("x", 43)) }, want: "exchange"},
		"with a wider scope":      {change: func(_ browser, q url.Values) { q.Set("scope", "full web") }, want: "app"},
		"for a token in the URL":  {change: func(_ browser, q url.Values) { q.Set("response_type", "token") }, want: "app"},
		"with another state":      {change: func(_ browser, q url.Values) { q.Set("state", bridge.NewToken().Reveal()) }, want: "state"},
		"without a state":         {change: func(_ browser, q url.Values) { q.Del("state") }, want: "state"},
		"to another site":         {change: func(_ browser, q url.Values) { q.Set("redirect_uri", "https://attacker.example/") }, stays: true},
		"to a path below ours":    {change: func(b browser, q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"/x") }, stays: true},
		"to ours with a query":    {change: func(b browser, q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"?x") }, stays: true},
		"to our callback's other": {change: func(b browser, q url.Values) { q.Set("redirect_uri", b.world.site.URL+registered+"sandbox") }, want: "state"},
		"for another app":         {change: func(_ browser, q url.Values) { q.Set("client_id", "3MVG9attacker") }, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := simulated.Options{RedirectURIs: []string{}}
			w := newWorld(t, simulated.Options{})
			for _, e := range []string{"production", "sandbox"} {
				options.RedirectURIs = append(options.RedirectURIs, w.site.URL+registered+e)
			}
			options.Now = w.Now
			strict := simulated.New(options)
			w.instead(strict.ServeHTTP)
			b := w.signIn("a_1")
			page, err := url.Parse(b.start(production))
			if err != nil {
				t.Fatal(err)
			}
			query := page.Query()
			tc.change(b, query)
			page.RawQuery = query.Encode()
			response, err := b.PostForm(page.String(), url.Values{"decision": {"allow"}})
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			back := response.Header.Get("Location")
			if tc.stays {
				if back != "" {
					t.Errorf("Salesforce sends the person to %s", back)
				}
				return
			}
			w.refuses(b, back, tc.want)
		})
	}
}

// Each of these comes to the callback from elsewhere than the consent that this browser began.
func TestAttackOnTheCallback(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		back func(victim browser) string
		want string
	}{
		"an attacker's address, while nothing was begun": {func(b browser) string { return b.world.signIn("a_2").consent() }, "state"},
		"an attacker's address, while one was begun": {func(b browser) string {
			b.start(production)
			return b.world.signIn("a_2").consent()
		}, "state"},
		"an attacker's address, with the attacker's cookie": {func(b browser) string {
			attacker := b.world.signIn("a_2")
			back := attacker.consent()
			for _, c := range attacker.Jar.Cookies(b.site()) {
				if c.Name == browserCookie {
					b.Jar.SetCookies(b.site(), []*http.Cookie{c})
				}
			}
			return back
		}, "state"},
		"an attacker's code with this state": {func(b browser) string {
			return swap(b, b.consent(), b.world.signIn("a_2").consent(), "code")
		}, "exchange"},
		"the code of a former consent of this browser": {func(b browser) string {
			former := b.consent()
			return swap(b, b.consent(), former, "code")
		}, "exchange"},
		"the state of a former consent of this browser": {func(b browser) string {
			former := b.consent()
			return swap(b, b.consent(), former, "state")
		}, "state"},
		"the name of another issuer":     {func(b browser) string { return b.consent() + "&iss=" + url.QueryEscape("https://attacker.example") }, "state"},
		"the name of the issuer, longer": {func(b browser) string { return b.consent() + "&iss=" + url.QueryEscape(b.world.at+"/x") }, "state"},
		"a token instead of a code": {func(b browser) string {
			return strings.Replace(b.consent(), "code=", "access_token=", 1)
		}, "exchange"},
		"a code for another kind of host": {func(b browser) string {
			return strings.Replace(b.consent(), "/callback/production", "/callback/mydomain", 1)
		}, "state"},
		"a kind of host that is a path": {func(b browser) string {
			return strings.Replace(b.consent(), "/callback/production", "/callback/..%2Fproduction", 1)
		}, "state"},
		"words that are a script": {func(b browser) string {
			return b.world.site.URL + "/oauth/callback/production?error=%3Cscript%3E&error_description=%3Cscript%3Ealert(1)%3C/script%3E"
		}, "state"},
		"an error that is a script": {func(b browser) string {
			return strings.Replace(b.consent(), "code=", "error=%3Cscript%3E&x=", 1)
		}, "app"},
		"a code with a line break": {func(b browser) string {
			return strings.Replace(b.consent(), "code=", "code=%0d%0aSet-Cookie:%20session=planted", 1)
		}, "exchange"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			w.refuses(b, tc.back(b), tc.want)
		})
	}
}

// swap puts a value of the other address into an address.
func swap(b browser, address, other, name string) string {
	b.t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	from, err := url.Parse(other)
	if err != nil {
		b.t.Fatal(err)
	}
	query := to.Query()
	query.Set(name, from.Query().Get(name))
	to.RawQuery = query.Encode()
	return to.String()
}

func TestIssuerThatIsNamedRightly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	b := w.signIn("a_1")
	if got := b.open(b.consent() + "&iss=" + url.QueryEscape(w.at)); !strings.HasPrefix(got, "/connections?connected=") {
		t.Errorf("ends at %s", got)
	}
}

// A form of another site would connect the attacker's org to the victim's account, or send the victim away.
func TestAttackByAForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	for name, headers := range map[string][]string{
		"of another site":          {"Sec-Fetch-Site", "cross-site", "Origin", "https://attacker.example"},
		"of a sister site":         {"Sec-Fetch-Site", "same-site", "Origin", "https://attacker.bridge.example"},
		"of a sandboxed frame":     {"Origin", "null"},
		"of a browser of long ago": {"Origin", "https://attacker.example"},
		"that says it is text":     {"Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"},
		"over another port":        {"Origin", "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := w.signIn("a_1")
			response := b.send(http.MethodPost, "/oauth/start", production, headers...)
			if response.StatusCode != http.StatusForbidden || response.Header.Get("Location") != "" || response.Header.Get("Set-Cookie") != "" {
				t.Errorf("answered %s, %v", response.Status, response.Header)
			}
		})
	}
	t.Run("that is a link", func(t *testing.T) {
		t.Parallel()
		if response := w.signIn("a_1").send(http.MethodGet, "/oauth/start?environment=production", nil); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("answered %s, want 405", response.Status)
		}
	})
	t.Run("to the callback", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulated.Options{})
		b := w.signIn("a_1")
		back, err := url.Parse(b.consent())
		if err != nil {
			t.Fatal(err)
		}
		if response := b.send(http.MethodPost, back.Path, back.Query()); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("answered %s, want 405", response.Status)
		}
		if got := b.open(back.String()); !strings.HasPrefix(got, "/connections?connected=") {
			t.Errorf("the consent was used up: ends at %s", got)
		}
	})
}

// send makes a request with headers, given as names and values in turn.
func (b browser) send(method, path string, form url.Values, headers ...string) *http.Response {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.world.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
			for _, c := range b.Jar.Cookies(b.site()) { // which are for the real one
				request.AddCookie(c)
			}
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

// Where Salesforce sends the code is ours to say, whatever a request claims about the way it came.
func TestAttackByHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	for name, header := range map[string][]string{
		"in the host":            {"Host", "attacker.example"},
		"by a proxy's header":    {"X-Forwarded-Host", "attacker.example", "X-Forwarded-Proto", "https"},
		"by the standard header": {"Forwarded", "host=attacker.example;proto=https"},
		"by the address before":  {"X-Original-Url", "https://attacker.example/", "X-Rewrite-Url", "https://attacker.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := url.Parse(w.signIn("a_1").send(http.MethodPost, "/oauth/start", production, header...).Header.Get("Location"))
			if err != nil || page.Query().Get("redirect_uri") != w.site.URL+"/oauth/callback/production" {
				t.Errorf("Salesforce is to send the code to %s, %v", page.Query().Get("redirect_uri"), err)
			}
		})
	}
}

// Where the person came from is all that a form can say about where they return to.
func TestAttackByTheWayBack(t *testing.T) {
	t.Parallel()
	for name, campaign := range map[string]string{
		"another site":             "https://attacker.example/",
		"another host":             "//attacker.example",
		"another host, backslash":  `/\attacker.example`,
		"a way up":                 "../../attacker",
		"more of a query":          "x&connected=c_1&problem=none",
		"a fragment":               "x#<script>",
		"a line break":             "x\r\nLocation: https://attacker.example",
		"a script":                 "javascript:alert(1)",
		"another site as a suffix": ".attacker.example",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			for _, form := range []url.Values{{"environment": {"production"}}, myDomain("attacker.example")} {
				form.Set("campaign", campaign)
				to := b.start(form)
				if form.Get("domain") == "" {
					to = b.open(b.decide(to, "allow"))
				}
				end, err := url.Parse(to)
				if err != nil || end.Scheme+end.Host+end.Fragment != "" || end.Path != "/connections" || strings.ContainsAny(to, "\r\n<>\\") {
					t.Fatalf("ends at %q, %v", to, err)
				}
				query := end.Query()
				if query.Get("campaign") != campaign || len(query["connected"])+len(query["problem"]) != 1 {
					t.Errorf("ends at %q", to)
				}
			}
		})
	}
}

// What is no app's key and secret goes nowhere: not to Salesforce, and not back into an address.
func TestAttackByAnApp(t *testing.T) {
	t.Parallel()
	const key, secret = "3MVG9.marked.key.of.a.customers.app", "marked-secret-of-an-app"
	w := newWorld(t, simulated.Options{})
	for name, app := range map[string][2]string{
		"a key that is more of the address":  {key + "&redirect_uri=https://attacker.example", secret},
		"a key that is an address":           {"https://attacker.example/marked?x", secret},
		"a key with a line break":            {key + "\r\nSet-Cookie: session=planted", secret},
		"a key that is a script":             {"<script>marked</script>aaaaaaaaaa", secret},
		"a key without end":                  {strings.Repeat("marked", 1000), secret},
		"a key in letters that look alike":   {strings.Replace(key, "e", "е", 1), secret},
		"a key without a secret":             {key, ""},
		"a secret without a key":             {"", secret},
		"a secret with a line break":         {key, secret + "\nx"},
		"a secret with a zero byte":          {key, secret + "\x00x"},
		"a secret without end":               {key, strings.Repeat("marked", 1000)},
		"nothing, and nobody there to ask":   {"", ""},
		"an app of Salesforce's login hosts": {key, secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := url.Values{"environment": {"production"}, "app_key": {app[0]}, "app_secret": {app[1]}}
			want := "own_app"
			switch {
			case app[0]+app[1] == "": // an app that needs no consent, and is not there
				form.Set("environment", "mydomain")
				form.Set("domain", w.at)
				form.Set("unattended", "on")
			case app == [2]string{key, secret}: // one that needs no consent has an org of its own
				form.Set("unattended", "on")
				want = "domain"
			}
			b := w.signIn("a_1")
			to := b.start(form)
			end, err := url.Parse(to)
			if err != nil || end.Host != "" || end.Query().Get("problem") != want || strings.Contains(to, "marked") {
				t.Errorf("leads to %.200s, %v; want problem %s", to, err, want)
			}
			if cookies := b.Jar.Cookies(b.site()); len(cookies) != 1 {
				t.Errorf("leaves cookies: %v", cookies)
			}
		})
	}
	if calls := w.org.Counts(); calls.Token+calls.Login != 0 {
		t.Errorf("Salesforce was asked: %+v", calls)
	}
}

// Whoever names a connection in a form must have it.
func TestAttackByReconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	owner := w.signIn("a_1")
	owner.open(owner.consent())
	was := w.connections("a_1")
	for name, id := range map[string]string{
		"of another account":     string(was[0].ID),
		"that is a key":          "c_1#GRANT",
		"that is another's key":  "../ACCOUNT#a_1/CONNECTION#" + string(was[0].ID),
		"that there is not":      "c_0",
		"that is no text at all": "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := w.signIn("a_2")
			if to := b.start(url.Values{"connection": {id}, "environment": {"production"}}); !strings.HasPrefix(to, "/connections?problem=") {
				t.Errorf("leads to %s", to)
			}
			if list := w.connections("a_2"); len(list) != 0 || w.connections("a_1")[0] != was[0] {
				t.Errorf("connections: %v, %v", list, w.connections("a_1"))
			}
		})
	}
}

// What is left behind must not be kept by the browser, told to the next site, or stolen by a page's script.
func TestAttackOnWhatStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulated.Options{})
	routes := routes(w.service(), signin.Service{Store: w.rows, Now: w.Now}, signin.JarFor("https://bridge.example"))
	token := bridge.NewToken()
	session := bridge.Session{Account: "a_1", CreatedAt: w.Now(), SeenAt: w.Now(), Expires: w.Now().Add(time.Hour)}
	if err := w.rows.CreateSession(t.Context(), token, session); err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]*http.Request{
		"at the start":    httptest.NewRequest(http.MethodPost, "/oauth/start", strings.NewReader(production.Encode())),
		"at the callback": httptest.NewRequest(http.MethodGet, "/oauth/callback/production?state=x&code=y", nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("Cookie", "__Host-"+signin.SessionCookie+"="+token.Reveal())
			recorder := httptest.NewRecorder()
			routes.ServeHTTP(recorder, request)
			header := recorder.Header()
			if recorder.Code != http.StatusSeeOther || header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("answered %d, %v", recorder.Code, header)
			}
			cookie := header.Get("Set-Cookie")
			if !strings.HasPrefix(cookie, "__Host-"+browserCookie+"=") || !strings.Contains(cookie, "; Path=/; ") ||
				!strings.HasSuffix(cookie, "; HttpOnly; Secure; SameSite=Lax") {
				t.Errorf("cookie = %s", cookie)
			}
		})
	}
}

// A name that was an org's when it was checked may be an address of our own net when it is called. The
// resolver is one for the whole program: this test does not run beside others.
func TestAttackByDNS(t *testing.T) {
	before, log := net.DefaultResolver, slog.Default()
	t.Cleanup(func() { net.DefaultResolver = before; slog.SetDefault(log) })
	for name, address := range map[string]net.IP{
		"to our own machine":               net.IPv4(127, 0, 0, 1),
		"to our own net":                   net.IPv4(10, 0, 0, 1),
		"to the role of the machine":       net.IPv4(169, 254, 169, 254),
		"to IPv6":                          net.IPv6loopback,
		"to the role of the machine, IPv6": net.ParseIP("fd00:ec2::254"),
		"to IPv4 in IPv6":                  net.ParseIP("64:ff9b::a9fe:a9fe"),
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			net.DefaultResolver = resolver(t, address, &asked)
			var said bytes.Buffer
			slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
			w := newWorld(t, simulated.Options{})
			b := w.signIn("a_1")
			page, err := url.Parse(b.start(myDomain("acme.my.salesforce.com")))
			if err != nil || page.Host != "acme.my.salesforce.com" {
				t.Fatalf("leads to %s, %v", page, err)
			}
			w.refuses(b, w.site.URL+"/oauth/callback/mydomain?code=x&state="+page.Query().Get("state"), "unavailable")
			if asked.Load() == 0 || !strings.Contains(said.String(), "address is not public") {
				t.Errorf("%d questions to the resolver; the log says %s", asked.Load(), said.String())
			}
		})
	}
}

// resolver answers every question with the address.
func resolver(t *testing.T, address net.IP, asked *atomic.Int32) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	serving.Go(func() {
		packet := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			asked.Add(1)
			_, _ = server.WriteTo(dnsAnswer(packet[:n], address), from)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// dnsAnswer answers a question for an address of its kind (RFC 1035, section 4.1).
func dnsAnswer(question []byte, address net.IP) []byte {
	const header = 12
	end := header
	for question[end] != 0 { // the labels of the name
		end += int(question[end]) + 1
	}
	end += 5 // the last label, type and class
	kind, data := byte(28), []byte(address.To16())
	if v4 := address.To4(); v4 != nil {
		kind, data = 1, v4
	}
	answer := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[header:end]...)
	if question[end-3] != kind {
		return answer // no such address
	}
	answer[7] = 1
	answer = append(answer, 0xc0, header, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
	return append(answer, data...)
}
