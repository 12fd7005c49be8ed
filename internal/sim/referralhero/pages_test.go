package referralhero_test

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// browse fetches a page, or posts a form and follows where it leads.
func (b *bench) browse(t *testing.T, path string, form url.Values) string {
	t.Helper()
	var answer *http.Response
	var err error
	if form == nil {
		answer, err = http.Get(b.url + path)
	} else {
		answer, err = http.PostForm(b.url+path, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(string(page)), "</html>") {
		t.Fatalf("%s: status %d, %v, %s", path, answer.StatusCode, err, page)
	}
	return string(page)
}

func contains(t *testing.T, page string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Verification: true, Automations: referralhero.Automations{Welcome: true}})
	list := "/lists/" + uuid
	contains(t, b.browse(t, "/", nil), b.Token(), uuid, "5000 of 5000 calls left", "https://www.example.com/join")
	contains(t, b.browse(t, list, nil), "Nobody has signed up yet.")

	contains(t, b.browse(t, list+"/subscribers", url.Values{"name": {"<b>Ada"}, "identifier": {"ada@example.com"}}), "waits to be answered", "&lt;b&gt;Ada", "unverified")
	contains(t, b.browse(t, list+"/subscribers", url.Values{"identifier": {"ada"}}), "Not added: invalid_email_address")
	contains(t, b.browse(t, list+"/subscribers", url.Values{"identifier": {"Ada@example.com"}}), "Nothing was changed")
	id := b.Subscribers(uuid)[0].ID
	contains(t, b.browse(t, list+"/subscribers/"+id+"/verify", url.Values{}), "Verified.")
	contains(t, b.browse(t, "/mails", nil), "1 Welcome", "1 Confirmation", "ada@example.com")
	contains(t, b.browse(t, list+"?search=nobody", nil), "Nobody matches.")
	contains(t, b.browse(t, list+"/settings", url.Values{"name": {"Renamed"}, "events": {"3"}, "url": {"https://e.example/"}, "active": {"on"}}), "Saved.", "Renamed")
	contains(t, b.browse(t, list+"/settings", url.Values{"name": {"Renamed"}, "events": {"4"}}), "Not saved")
	want := []referralhero.List{{UUID: uuid, Name: "Renamed", Identifier: referralhero.ByEmail, Events: 3, URL: "https://e.example/", CreatedAt: noon.Unix()}}
	if diff := cmp.Diff(want, b.Lists()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	contains(t, b.browse(t, list+"/subscribers/"+id+"/delete", url.Values{}), "Deleted.", "Nobody has signed up yet.")

	old := b.Token()
	contains(t, b.browse(t, "/token", url.Values{}), "new one", b.Token())
	if b.Token() == old {
		t.Error("the token is the old one")
	}
}

func TestManyPages(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{Subscribers: 101}, referralhero.List{Verification: true})
	contains(t, b.browse(t, "/lists/"+uuid, nil), "Page 1 of 3, 101 people", "Subscriber 101", "?page=2")
	last := b.browse(t, "/lists/"+uuid+"?page=3", nil)
	contains(t, last, "Page 3 of 3", "Subscriber 1<", "?page=2")
	if strings.Contains(last, "page=4") || strings.Contains(last, "Older") {
		t.Error("the last page leads on")
	}
}

func TestSwitchesPage(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	contains(t, b.browse(t, "/faults", nil), `name="limit" value="5000"`, `<option selected>fixed</option>`, `name="errors-as-200"`)
	form := url.Values{}
	for name, value := range map[string]string{
		"limit": "7", "window": "1m", "window-kind": "sliding", "latency": "0s", "jitter": "0", "calls-left": "null", "empty": "quotes",
		"auth-status": "401", "errors-as-200": "on", "faults": "cut every 9",
	} {
		form.Set(name, value)
	}
	contains(t, b.browse(t, "/faults", form), "Changed.", `name="limit" value="7"`, `<option selected>sliding</option>`, `name="errors-as-200" checked`, "cut every 9")
	form.Set("limit", "0")
	contains(t, b.browse(t, "/faults", form), "Not changed: limit: must be from 1 to", `name="limit" value="7"`)
	form.Set("faults", "explode")
	contains(t, b.browse(t, "/faults", form), "Not changed: faults", "cut every 9")
}

func TestControls(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Verification: true})
	ada := b.add(t, object{"email": "ada@example.com"})
	for _, tc := range []struct{ request, body, want string }{
		{"GET /__control/counts", "", `"POST /lists/{uuid}/subscribers":1`},
		{"GET /__control/calls", "", `"counted":true`},
		{"POST /__control/lists/" + uuid + "/verify/" + ada["id"].(string), "", `"verified":true`},
		{"GET /__control/mails", "", `"Confirmation":1`},
		{"POST /__control/counts/reset", "", `"calls":0`},
		{"GET /__control/switches", "", `"window-kind":"fixed"`},
		{"POST /__control/switches", `{"limit":"9","calls-left":"string"}`, `"limit":"9"`},
		{"POST /__control/switches", `{"limit":"8","calls-left":"loud"}`, `calls-left: must be one of`},
		{"POST /__control/switches", `{"seed":"8"}`, `no such flag`},
		{"GET /__control/switches", "", `"limit":"9"`},
		{"PUT /__control/lists/MF1111111111", `{"name":"New","events":2}`, `"events":2`},
		{"PUT /__control/lists/MF1111111111", `{"name":"New","events":7}`, `7 events`},
		{"GET /__control/lists", "", "MF1111111111"},
		{"GET /__control/token", "", b.Token()},
	} {
		method, path, _ := strings.Cut(tc.request, " ")
		r, err := http.NewRequest(method, b.url+path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(text), tc.want) {
			t.Errorf("%s: %v, %s; want %s", tc.request, err, text, tc.want)
		}
	}
}

// TestForeignPagesCannotAct posts as a page of another site in the same browser would.
func TestForeignPagesCannotAct(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	old := b.Token()
	r := httptest.NewRequest("POST", "/__control/token", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || b.Token() != old {
		t.Errorf("status %d", w.Code)
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	s := referralhero.New(referralhero.Options{})
	var got []string
	for _, list := range s.Lists() {
		got = append(got, list.Name)
		if len(list.UUID) != 12 || !strings.HasPrefix(list.UUID, "MF") || len(s.Subscribers(list.UUID)) == 0 {
			t.Errorf("campaign %+v", list)
		}
	}
	if diff := cmp.Diff([]string{"Spring Referral", "Partner Programme", "VIP Waitlist"}, got); diff != "" {
		t.Errorf("campaigns (-want +got):\n%s", diff)
	}
	if len(s.Mails()) != 0 || s.Counts().Calls != 0 || len(s.Token()) != 40 {
		t.Errorf("mails %v, counts %+v, token %q", s.Mails(), s.Counts(), s.Token())
	}
	again, other := referralhero.New(referralhero.Options{}), referralhero.New(referralhero.Options{Seed: 1})
	if again.Token() != s.Token() || again.Lists()[0].UUID != s.Lists()[0].UUID || other.Token() == s.Token() {
		t.Error("the token and the ids do not follow from the seed")
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	fs := flag.NewFlagSet("referralhero", flag.ContinueOnError)
	help := new(strings.Builder)
	fs.SetOutput(help)
	o := referralhero.Flags(fs)
	if err := fs.Parse(strings.Fields("-limit 50 -window 1m -window-kind bucket -speed 60 -subscribers 3 -errors-as-200 -faults=429;cut")); err != nil {
		t.Fatal(err)
	}
	if o.Limit != 50 || o.WindowKind != referralhero.Bucket || o.Speed != 60 || !o.ErrorsAs200 || len(o.FaultRules) != 2 {
		t.Errorf("options %+v", o)
	}
	referralhero.New(*o)
	fs.PrintDefaults()
	contains(t, help.String(), "-window-kind fixed|sliding|bucket|none", "-faults rules", "(default 5000)", "(default 1h0m0s)")
	for _, wrong := range []string{"-empty maybe", "-limit 0", "-limit many", "-window -1h", "-jitter NaN", "-speed 0", "-auth-status 200", "-faults explode"} {
		if fs.Parse(strings.Fields(wrong)) == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

// FuzzAdd sends any body as JSON and as a form: the answer is JSON, and either a subscriber or a refusal.
func FuzzAdd(f *testing.F) {
	s := referralhero.New(referralhero.Options{WindowKind: referralhero.None})
	target := "/api/v2/lists/" + s.Lists()[0].UUID + "/subscribers?"
	f.Add("page=1", "application/json", `{"email":"a@b.example","tags":["x"],"points":1e400,"double_optin":null}`)
	f.Add("email=a%40b.example&tags[]=x", "application/x-www-form-urlencoded", "name=%zz")
	f.Add("", "application/json", `{"email":{"email":"a@b.example"}} {}`)
	f.Fuzz(func(t *testing.T, query, kind, body string) {
		r := httptest.NewRequest("POST", target, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-API-Key", s.Token())
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var envelope struct {
			Status, Code string
			Data         struct{ ID string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &envelope); err != nil {
			t.Fatalf("status %d, %s", w.Code, w.Body)
		}
		if ok := w.Code == http.StatusOK; ok != (envelope.Status == "ok" && envelope.Data.ID != "") || ok == (envelope.Code != "") || w.Code >= 500 {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
	})
}
