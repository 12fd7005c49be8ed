package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const form = `<!doctype html><html lang="en"><head><title>Import &amp; preview</title><link rel="stylesheet" href="/s.css"></head>
<body data-state="running"><h1>Import</h1><dd data-count="created">1,234</dd><p role="alert">Type an <b>address</b>.</p>
<form id="import" method="post" action="/imports?from=here">
<input type="hidden" name="step" value="2"><label>URL <input name="url" value="https://a.example/?x=1&amp;y=2" required></label>
<select name="connection"><option value="c_1">One</option><option value="c_2" selected>Two</option></select>
<select name="identifier"><option>email</option><option>phone</option></select>
<input type="checkbox" name="welcome"><input type="checkbox" name="sure" value="yes" checked>
<input name="locked" value="x" disabled><textarea name="filter">Email != null</textarea>
<button name="go" value="start">Start</button></form><a href="/next">Next&nbsp;page</a><script src="/h.js" defer></script></body></html>`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := parse(strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		Title: "Import & preview", Text: got.Text, Data: map[string]string{"state": "running", "count": "created"},
		Marked: map[string]string{"state=running": got.Text, "count=created": "1,234"},
		Alerts: []string{"Type an address."}, Links: []Link{{"Next page", "/next"}},
		Lines: []map[string]string{{"state": "running"}, {"count": "created"}},
		Forms: []Form{{ID: "import", Method: "POST", Action: "/imports?from=here", Buttons: []Button{{"go", "start"}}, Values: url.Values{
			"step": {"2"}, "url": {"https://a.example/?x=1&y=2"}, "connection": {"c_2"}, "identifier": {"email"}, "sure": {"yes"}, "filter": {"Email != null"},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.Text, "Import 1,234 Type an address. URL One Two") {
		t.Errorf("text = %q", got.Text)
	}
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s-1"})
		_, _ = io.WriteString(w, form)
	})
	mux.HandleFunc("POST /imports", func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err != nil || cookie.Value != "s-1" || r.PostFormValue("url") != "https://b.example" || r.PostFormValue("filter") != "Email != null" ||
			r.URL.RawQuery != "from=here" || r.Header.Get("Sec-Fetch-Site") != "same-origin" {
			http.Error(w, "not as a browser sends it", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/done", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>Done</p>") })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	b := New()
	if err := b.Open(t.Context(), server.URL); err != nil {
		t.Fatal(err)
	}
	if err := b.Submit(t.Context(), "/imports", url.Values{"url": {"https://b.example"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.Page(); got.URL.Path != "/done" || got.Text != "Done" {
		t.Errorf("ended at %s: %q", got.URL, got.Text)
	}
	if err := b.Submit(t.Context(), "import", nil); err == nil {
		t.Error("a form that is not on the page was sent")
	}
	if err := b.Open(t.Context(), "/missing"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a page that is missing: %v", err)
	}
}
