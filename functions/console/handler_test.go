package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// TestWayThrough walks the whole way that a new customer walks, up to an import that runs.
func TestWayThrough(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)

	if a := v.get("/"); a.Header.Get("Location") != "/sign-in?ended=yes&return=%2F" {
		t.Errorf("/ without a session leads to %q, want the sign-in page", a.Header.Get("Location"))
	}
	v.page("/sign-in?ended=yes&return=%2Faccount")
	if a := v.signIn("Dana Reeve", "dana@example.com"); a.Header.Get("Location") != "/account" {
		t.Fatalf("after signing in: %s to %q, want to /account\n%s", a.Status, a.Header.Get("Location"), a.text)
	}
	contains(t, v.page("/"), "Set up Referral Bridge", `data-step="account" data-done="false"`, "Dana Reeve", "No import yet")

	contains(t, v.page("/account"), "Not set yet", `value="dana@example.com"`, `value="5000"`)
	token := r.hero.Token()
	v.post("/account/token", url.Values{"token": {"  " + token + "\n"}}, "/account?done=token")
	account := v.page("/account?done=token")
	contains(t, account, "ReferralHero accepted the token", "••••"+token[len(token)-4:])
	if strings.Contains(account.text, token) {
		t.Error("the account page shows the API token")
	}
	v.post("/account/preferences", url.Values{"notify": {"ops@example.com"}, "allowance": {"4,000"}}, "/account?done=preferences")
	contains(t, v.page("/account"), `value="ops@example.com"`, `value="4000"`)

	list := v.page("/campaigns")
	contains(t, list, "Spring Referral", "Partner Programme", "VIP Waitlist")
	id := regexp.MustCompile(`href="/campaigns/(MF[0-9a-f]{10})">Spring Referral`).FindStringSubmatch(list.text)[1]
	v.post("/campaigns/refresh", nil, "/campaigns?done=refreshed")

	contains(t, v.page("/campaigns/"+id), "First, connect your Salesforce account", "/connections?campaign="+id)
	connection := v.connect()
	contains(t, v.page("/connections?connected="+string(connection)+"&campaign="+id),
		"Acme Outdoor is connected.", "Go on with the import", `data-state="active"`, "admin@acme.example")

	v.post("/campaigns/"+id+"/settings", url.Values{
		"connection": {string(connection)}, "identifier": {"email"}, "events": {"1"}, "url": {"https://example.com/join"},
	}, "/campaigns/"+id+"/settings?done=settings")
	contains(t, v.page("/campaigns/"+id+"/settings"), `value="1" aria-describedby="events-1-text" checked`, "https://example.com/join")

	contains(t, v.page("/campaigns/"+id), "Salesforce account from which you want to import contacts", "https://example.com/join?mwr=123456", `value="`+string(connection)+`" selected`)
	contains(t, v.page("/referral-link?url="+url.QueryEscape("https://a.example/x?y=z")), "https://a.example/x?y=z&amp;mwr=123456")
	contains(t, v.page("/referral-link?url=a"), "http://mywebsite.com?mwr=123456")
	options := url.Values{"connection": {string(connection)}, "url": {"http://mywebsite.com"}}
	preview := v.do(http.MethodPost, "/campaigns/"+id+"/preview", options)
	contains(t, preview, `data-total="120"`, "http://mywebsite.com?mwr=123456", "Welcome Email: no", "the Welcome automation is off")

	again := v.do(http.MethodPost, "/campaigns/"+id+"/imports", options)
	if again.StatusCode != http.StatusBadRequest {
		t.Errorf("Start without the confirmation answered %s, want 400", again.Status)
	}
	contains(t, again, `data-problem="confirmed"`, `data-total="120"`)

	options.Set("confirmed", "on")
	begun := v.post("/campaigns/"+id+"/imports", options, "/imports/i_").Header.Get("Location")
	second := v.post("/campaigns/"+id+"/imports", options, begun)
	if to := second.Header.Get("Location"); to != begun+"?done=running" {
		t.Errorf("the second Start leads to %q, want the running import", to)
	}
	contains(t, v.page(begun+"?done=running"), "was running already", `data-state="running"`, `hx-trigger="every 2s"`, `http-equiv="refresh"`)

	progress := v.page(begun + "/progress?seen=other")
	contains(t, progress, `data-processed="0"`, `data-total="120"`, `data-count="created"`)
	if strings.Contains(progress.text, "<html") || progress.Header.Get("HX-Refresh") != "true" {
		t.Errorf("progress of another state: HX-Refresh = %q, want true, and a part of a page", progress.Header.Get("HX-Refresh"))
	}
	seen := regexp.MustCompile(`progress\?seen=([^"]+)"`).FindStringSubmatch(v.page(begun).text)[1]
	if fresh := v.page(begun + "/progress?seen=" + seen).Header.Get("HX-Refresh"); fresh != "" {
		t.Errorf("progress of the state that is shown: HX-Refresh = %q, want none", fresh)
	}

	for _, step := range []struct{ action, state string }{{"pause", "paused"}, {"resume", "running"}, {"cancel", "canceled"}} {
		v.post(begun+"/"+step.action, nil, begun)
		contains(t, v.page(begun), `data-state="`+step.state+`"`)
	}
	late := v.do(http.MethodPost, begun+"/pause", nil)
	if late.StatusCode != http.StatusConflict {
		t.Errorf("pausing a canceled import answered %s, want 409", late.Status)
	}
	contains(t, late, `role="alert"`, `data-state="canceled"`)
	contains(t, v.page("/imports"), `data-state="canceled"`, "Spring Referral", "Dana Reeve")
	contains(t, v.page("/"), "<h1>Home</h1>", "Acme Outdoor")
	file := v.page(begun + "/contacts.csv")
	if !strings.HasPrefix(file.text, "Contact Id,Outcome,Reason\n") || !strings.Contains(file.Header.Get("Content-Disposition"), ".csv") {
		t.Errorf("the CSV file begins %.40q as %q", file.text, file.Header.Get("Content-Disposition"))
	}

	v.post("/connections/"+string(connection)+"/disconnect", nil, "/connections?disconnected=")
	contains(t, v.page("/connections?disconnected="+string(connection)), "Acme Outdoor is disconnected. Salesforce was told", `data-state="disconnected"`)

	out := v.do(http.MethodPost, "/sign-out", nil)
	contains(t, out, "You are signed out")
	if !strings.Contains(out.Header.Get("Refresh"), "post_logout_redirect_uri") {
		t.Errorf("signing out leads on to %q, want the issuer", out.Header.Get("Refresh"))
	}
	if a := v.get("/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("/account after signing out answered %s, want the sign-in page", a.Status)
	}
}

func contains(t *testing.T, a answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			t.Errorf("%s %s (%s) lacks %q\n%s", a.Request.Method, a.Request.URL.Path, a.Status, text, a.text)
		}
	}
}

// TestBadInput sends each form something that it cannot take: it must say so at the field and keep the rest.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	v.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account")
	connection := string(v.connect())
	id := regexp.MustCompile(`href="/campaigns/(MF[0-9a-f]{10})">Spring Referral`).FindStringSubmatch(v.page("/campaigns").text)[1]
	campaign := "/campaigns/" + id

	for name, tc := range map[string]struct {
		to    string
		form  url.Values
		field string
		kept  []string
	}{
		"no token":            {to: "/account/token", form: url.Values{}, field: "token"},
		"a sentence":          {to: "/account/token", form: url.Values{"token": {"my token"}}, field: "token"},
		"a wrong token":       {to: "/account/token", form: url.Values{"token": {"0123456789abcdef0123456789abcdef01234567"}}, field: "token"},
		"no address to write": {to: "/account/preferences", form: url.Values{"notify": {"dana@"}, "allowance": {"777"}}, field: "notify", kept: []string{"dana@", "777"}},
		"no number":           {to: "/account/preferences", form: url.Values{"notify": {"d@example.com"}, "allowance": {"many"}}, field: "allowance", kept: []string{"d@example.com", "many"}},
		"too low a number":    {to: "/account/preferences", form: url.Values{"notify": {""}, "allowance": {"0"}}, field: "allowance"},
		"a foreign connection": {to: campaign + "/settings", field: "connection", kept: []string{"https://kept.example"},
			form: url.Values{"connection": {"c_foreign"}, "identifier": {"email"}, "events": {"2"}, "url": {"https://kept.example"}}},
		"an unknown identifier": {to: campaign + "/settings", field: "identifier", form: url.Values{"identifier": {"shoe size"}, "events": {"2"}}},
		"four events":           {to: campaign + "/settings", field: "events", form: url.Values{"identifier": {"email"}, "events": {"4"}}},
		"a default URL that is none": {to: campaign + "/settings", field: "url", kept: []string{"example.com/a"},
			form: url.Values{"identifier": {"email"}, "events": {"2"}, "url": {"example.com/a"}}},
		"no connection to import from": {to: campaign + "/preview", field: "connection", kept: []string{"http://kept.example"},
			form: url.Values{"url": {"http://kept.example"}}},
		"a URL that is none": {to: campaign + "/preview", field: "url", kept: []string{"mywebsite", "Email != null"},
			form: url.Values{"connection": {connection}, "url": {"mywebsite"}, "filter": {"Email != null"}}},
		"a script for a URL": {to: campaign + "/preview", field: "url", form: url.Values{"connection": {connection}, "url": {"javascript:alert(1)"}}},
		"a filter that does not close": {to: campaign + "/preview", field: "filter", kept: []string{"https://kept.example"},
			form: url.Values{"connection": {connection}, "url": {"https://kept.example"}, "filter": {"Name = 'x"}}},
		"a filter that Salesforce refuses": {to: campaign + "/preview", field: "filter", kept: []string{"ShoeSize__c = 42"},
			form: url.Values{"connection": {connection}, "url": {"https://kept.example"}, "filter": {"ShoeSize__c = 42"}}},
		"Start with a URL that is none": {to: campaign + "/imports", field: "url",
			form: url.Values{"connection": {connection}, "url": {"ftp://x.example"}, "confirmed": {"on"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.do(http.MethodPost, tc.to, tc.form)
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("answered %s, want a refusal", a.Status)
			}
			contains(t, a, `data-problem="`+tc.field+`"`, `role="alert"`, `aria-invalid="true"`, `href="#`+tc.field+`"`)
			contains(t, a, tc.kept...)
			if token := tc.form.Get("token"); token != "" && strings.Contains(a.text, token) {
				t.Error("the page shows the token that was typed")
			}
		})
	}

	t.Run("a form that is too large", func(t *testing.T) {
		if a := v.do(http.MethodPost, "/account/preferences", url.Values{"notify": {strings.Repeat("x", largestForm)}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("answered %s, want 400", a.Status)
		}
	})
	for code := range consentProblems {
		contains(t, v.page("/connections?problem="+string(code)), `role="alert"`)
	}
	contains(t, v.page("/connections?problem=%3Cscript%3E"), "The org was not connected")
}

func TestWithoutSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, route := range r.console.table() {
		method, path, found := strings.Cut(route.pattern, " ")
		if !found {
			method, path = http.MethodGet, "/no/such/page"
		}
		path = strings.NewReplacer("{$}", "", "{campaign}", "MF0123456789", "{import}", "i_1", "{connection}", "c_1", "{action}", "pause",
			"{version}", "x", "{file...}", "console.css").Replace(path)
		t.Run(route.pattern, func(t *testing.T) {
			t.Parallel()
			a := r.visitor(t).do(method, path, nil)
			if toSignIn := strings.HasPrefix(a.Header.Get("Location"), "/sign-in?"); toSignIn == route.public {
				t.Errorf("answered %s to %q; public = %t", a.Status, a.Header.Get("Location"), route.public)
			}
		})
	}
	t.Run("a part of a page reloads the page", func(t *testing.T) {
		t.Parallel()
		a := r.visitor(t).do(http.MethodGet, "/imports/i_1/progress", nil, "HX-Request", "true")
		if a.StatusCode != http.StatusNoContent || a.Header.Get("HX-Refresh") != "true" {
			t.Errorf("answered %s, HX-Refresh = %q", a.Status, a.Header.Get("HX-Refresh"))
		}
	})
	t.Run("a form leads back to its page", func(t *testing.T) {
		t.Parallel()
		a := r.visitor(t).do(http.MethodPost, "/account/token", nil, "Referer", r.url+"/account?x=1")
		if to := a.Header.Get("Location"); to != "/sign-in?ended=yes&return=%2Faccount%3Fx%3D1" {
			t.Errorf("leads to %q", to)
		}
		a = r.visitor(t).do(http.MethodPost, "/account/token", nil, "Referer", "https://evil.example/account")
		if to := a.Header.Get("Location"); to != "/sign-in?ended=yes&return=%2F" {
			t.Errorf("from a foreign page leads to %q", to)
		}
	})
}

func TestForeignThingsAreNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	owner, stranger := r.visitor(t), r.visitor(t)
	owner.signIn("Dana Reeve", "dana@example.com")
	stranger.signIn("Sam Other", "sam@example.com")
	if owner.account() == stranger.account() {
		t.Fatal("two people share an account")
	}
	owner.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account")
	connection := string(owner.connect())
	id := regexp.MustCompile(`href="/campaigns/(MF[0-9a-f]{10})">Spring Referral`).FindStringSubmatch(owner.page("/campaigns").text)[1]
	begun := owner.post("/campaigns/"+id+"/imports", url.Values{"connection": {connection}, "url": {"https://x.example"}, "confirmed": {"on"}}, "/imports/").
		Header.Get("Location")

	for _, address := range []string{"/campaigns/" + id, "/campaigns/" + id + "/settings", begun, begun + "/progress", begun + "/contacts.csv"} {
		if a := stranger.get(address); a.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s by a stranger answered %s, want 404", address, a.Status)
		}
		owner.page(address)
	}
	for _, address := range []string{
		"/campaigns/" + id + "/settings", "/campaigns/" + id + "/preview", "/campaigns/" + id + "/imports", begun + "/cancel", begun + "/retry",
		"/connections/" + connection + "/disconnect", begun + "/delete",
	} {
		if a := stranger.do(http.MethodPost, address, url.Values{"confirmed": {"on"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s by a stranger answered %s, want 404", address, a.Status)
		}
	}
	contains(t, owner.page(begun), `data-state="running"`)
	contains(t, owner.page("/connections"), `data-state="active"`)
	if a := stranger.page("/imports?campaign=" + id); strings.Contains(a.text, "i_") {
		t.Error("a stranger sees an import")
	}
}

func TestCrossSite(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	form := url.Values{"notify": {"evil@example.com"}, "allowance": {"5000"}}
	for name, headers := range map[string][]string{
		"said by the browser":     {"Sec-Fetch-Site", "cross-site"},
		"from a sister site":      {"Sec-Fetch-Site", "same-site"},
		"by the origin":           {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"from a sandboxed iframe": {"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		if a := v.do(http.MethodPost, "/account/preferences", form, headers...); a.StatusCode != http.StatusForbidden {
			t.Errorf("a form of another site, %s: answered %s, want 403", name, a.Status)
		}
	}
	if a := v.page("/account"); strings.Contains(a.text, "evil@example.com") {
		t.Error("another site changed the account")
	}
}

func TestSignInGoesWrong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := func(v *visitor, back string) string {
		t.Helper()
		begun := v.get("/sign-in/start?return=" + url.QueryEscape(back))
		consent := v.do(http.MethodPost, begun.Header.Get("Location"), url.Values{"name": {"Dana"}, "email": {"dana@example.com"}})
		return consent.Header.Get("Location")
	}
	v := r.visitor(t)
	for _, back := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/%2f/evil.example/..", "javascript:alert(1)"} {
		if to := v.get(start(v, back)).Header.Get("Location"); to != "/" {
			t.Errorf("signing in with return=%q leads to %q, want /", back, to)
		}
	}
	callback := start(v, "/")
	if a := r.visitor(t).get(callback); a.StatusCode != http.StatusForbidden {
		t.Errorf("the callback in another browser answered %s, want 403", a.Status)
	}
	if a := v.get(callback); a.StatusCode != http.StatusForbidden {
		t.Errorf("the callback after it was used answered %s, want 403", a.Status)
	}
	for _, query := range []string{"", "?state=x&code=y", "?error=access_denied&error_description=%3Cscript%3E"} {
		a := v.get("/sign-in/callback" + query)
		if a.StatusCode != http.StatusForbidden || strings.Contains(a.text, "&lt;script") || a.Header.Get("Set-Cookie") != "" && strings.Contains(a.Header.Get("Set-Cookie"), "session=") {
			t.Errorf("the callback with %q answered %s: %s", query, a.Status, a.text)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	c := &console{BaseURL: "https://bridge.example.com"}
	w := newRecorder(t, c, "/sign-in")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}

	address := regexp.MustCompile(`/static/[^"]+/console.css`).FindString(w.Body.String())
	file := newRecorder(t, c, address)
	if got := file.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control of a file = %q", got)
	}
	if got := file.Header().Get("Content-Type"); got != "text/css; charset=utf-8" {
		t.Errorf("Content-Type of a file = %q", got)
	}
	old := newRecorder(t, c, "/static/older/console.css")
	if got := old.Header().Get("Cache-Control"); got != "no-cache" || old.Body.String() != file.Body.String() {
		t.Errorf("a file of another version: Cache-Control = %q, want the same file, not to be kept", got)
	}
	if again := newRecorder(t, c, address, "If-None-Match", file.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("a file that the browser has: %d, want 304", again.Code)
	}
	if none := newRecorder(t, c, "/static/x/../handler.go"); none.Code == http.StatusOK {
		t.Error("a file outside was answered")
	}
	if health := newRecorder(t, c, "/healthz"); health.Body.String() != "ok\n" {
		t.Errorf("/healthz = %q", health.Body)
	}
}

// TestTemplatesNameFiles checks that what pages load is there.
func TestTemplatesNameFiles(t *testing.T) {
	t.Parallel()
	layout, err := os.ReadFile(filepath.Join("templates", "layout.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{\{\.Assets}}/([a-z.-]+)`).FindAllStringSubmatch(string(layout), -1) {
		if _, ok := assets().files[m[1]]; !ok {
			t.Errorf("the layout loads %s, which is not there", m[1])
		}
	}
}

// TestWordsForEverything checks that no state or code of other packages lacks words.
func TestWordsForEverything(t *testing.T) {
	t.Parallel()
	for _, s := range []bridge.ImportState{bridge.Running, bridge.Paused, bridge.Finalizing, bridge.Done, bridge.Canceled, bridge.Broken} {
		if importState(bridge.Import{State: s}).Label == "" {
			t.Errorf("no word for an import that is %s", s)
		}
	}
	for _, s := range []bridge.ConnectionStatus{bridge.Active, bridge.NeedsReconnect, bridge.NeedsAdmin, bridge.Disconnected} {
		if connectionState(bridge.Connection{Status: s}).Label == "" {
			t.Errorf("no word for a connection that is %s", s)
		}
	}
	all := bridge.Counts{Created: 1, Existed: 1, Invalid: 1, Failed: 1, Skipped: 1}
	sum := 0
	for _, w := range outcomeWords {
		sum += w.Count(all)
	}
	if sum != all.Sum() {
		t.Errorf("the outcomes shown sum up to %d of %d", sum, all.Sum())
	}
	for _, kind := range []bridge.Kind{bridge.Invalid, bridge.Denied, bridge.NotFound, bridge.Conflict, bridge.Revoked, bridge.Throttled,
		bridge.Unavailable, bridge.Internal, bridge.UnknownOutcome} {
		if problemPages[kind].Text == "" {
			t.Errorf("no words for %s", kind)
		}
	}
}
