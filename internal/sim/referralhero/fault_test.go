package referralhero_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule    string
		status  int    // 0 means no answer
		code    string // of a JSON answer
		html    bool
		done    bool // the work was done
		counted bool // against the limit
	}{
		"throttled":                {rule: "429", status: 429, code: "too_many_calls"},
		"an error page":            {rule: "500", status: 500, html: true},
		"an error page, but done":  {rule: "500-after", status: 500, html: true, done: true, counted: true},
		"a gateway's page":         {rule: "502", status: 502, html: true},
		"cut after the work":       {rule: "cut", done: true, counted: true},
		"cut before the work":      {rule: "cut-before"},
		"silent after the work":    {rule: "silent", done: true, counted: true},
		"an error with status 200": {rule: "200-error", status: 200, code: "internal_error", counted: true},
		"half an answer":           {rule: "truncated", status: 200, done: true, counted: true},
		"a chosen error":           {rule: "refuse code invalid_email_address", status: 400, code: "invalid_email_address", counted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := referralhero.ParseRules(tc.rule)
			if err != nil {
				t.Fatal(err)
			}
			b := setup(t, referralhero.Options{FaultRules: rules}, referralhero.List{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.rule == "silent" {
				go func() { // gives up once the call has been seen to
					defer cancel()
					for tick := time.Tick(time.Millisecond); b.Counts().Calls == 0 && ctx.Err() == nil; <-tick {
					}
				}()
			}
			r, err := http.NewRequestWithContext(ctx, "POST", b.url+"/api/v2"+subscribersPath, strings.NewReader(`{"email":"ada@example.com"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+b.Token())
			answer, err := http.DefaultClient.Do(r)
			if done := len(b.Subscribers(uuid)) == 1; done != tc.done {
				t.Errorf("done = %t, want %t", done, tc.done)
			}
			if tc.status == 0 {
				if err == nil {
					answer.Body.Close()
					t.Fatalf("status %d, want no answer", answer.StatusCode)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				text, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Fatal(err)
				}
				var envelope object
				readable := json.Unmarshal(text, &envelope) == nil
				if answer.StatusCode != tc.status || readable != (tc.code != "") || readable && envelope["code"] != tc.code {
					t.Errorf("status %d, %s; want %d, code %s", answer.StatusCode, text, tc.status, tc.code)
				}
				if html := bytes.Contains(text, []byte("<html>")); html != tc.html {
					t.Errorf("HTML: %t, want %t", html, tc.html)
				}
			}
			counts := b.Counts()
			if counts.Calls != 1 || (counts.Counted == 1) != tc.counted || (counts.Answers429 == 1) != (tc.status == 429) {
				t.Errorf("counts: %+v", counts)
			}
		})
	}
}

func TestFaultsByCode(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{Faults: func(r *http.Request) *referralhero.Fault {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("unlucky")) {
			return &referralhero.Fault{Kind: referralhero.Refuse, Code: "subscriber_not_found"}
		}
		return nil
	}}, referralhero.List{})
	b.add(t, object{"email": "lucky@example.com"})
	if status, envelope := b.send(t, "POST", subscribersPath, object{"email": "unlucky@example.com"}); status != http.StatusForbidden {
		t.Errorf("status %d, %v", status, envelope)
	}
}

func TestRulesCount(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	if err := b.Set("faults", "429 every 3 on /lists; 502 times 2 on /search"); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, path := range []string{"/lists", "/lists", "/lists", "/lists", "/subscribers/search_by_name?name=x", "/subscribers/search_by_name?name=x", "/subscribers/search_by_name?name=x", "/lists", "/lists"} {
		r, err := http.NewRequest("GET", b.url+"/api/v2"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", b.Token())
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		got = append(got, answer.StatusCode)
	}
	if diff := cmp.Diff([]int{200, 200, 429, 200, 502, 502, 200, 200, 429}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// TestLimitOnTheWire makes many calls at once: as many as the limit come through, and the refused do not count.
func TestLimitOnTheWire(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{Limit: 20}, referralhero.List{})
	var work sync.WaitGroup
	for i := range 50 {
		work.Go(func() {
			status, envelope := b.send(t, "POST", subscribersPath, object{"email": fmt.Sprintf("p%d@example.com", i)})
			if status != http.StatusOK && (status != http.StatusTooManyRequests || envelope["code"] != "too_many_calls") {
				t.Errorf("status %d, %v", status, envelope)
			}
		})
	}
	work.Wait()
	counts := b.Counts()
	if got := len(b.Subscribers(uuid)); got != 20 || counts.Counted != 20 || counts.Answers429 != 30 || counts.Calls != 50 {
		t.Errorf("%d subscribers, counts %+v", got, counts)
	}
	if counts.MaxInFlight < 1 || counts.MaxInFlight > 50 || counts.ByPath["POST /lists/{uuid}/subscribers"] != 50 {
		t.Errorf("counts: %+v", counts)
	}
	counted := 0
	for _, call := range b.Calls() {
		if call.Counted {
			counted++
		}
		if !call.At.Equal(noon) || call.Counted != (call.Status == http.StatusOK) {
			t.Errorf("call %+v", call)
		}
	}
	if counted != 20 {
		t.Errorf("%d calls in the log counted", counted)
	}
	b.wait(time.Hour)
	b.add(t, object{"email": "late@example.com"})
	b.ResetCounts()
	if counts := b.Counts(); counts.Calls != 0 || len(b.Calls()) != 0 {
		t.Errorf("after ResetCounts: %+v", counts)
	}
}

// TestClock runs in a bubble whose time passes only while all wait, so that latencies are exact.
func TestClock(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options referralhero.Options
		real    time.Duration // that a call takes
		passed  time.Duration // on the Service's clock
	}{
		"as fast as told":       {options: referralhero.Options{Latency: 250 * time.Millisecond}, real: 250 * time.Millisecond, passed: 250 * time.Millisecond},
		"on a compressed clock": {options: referralhero.Options{Latency: time.Minute, Speed: 60}, real: time.Second, passed: time.Minute},
		"slow by a rule": {options: referralhero.Options{FaultRules: referralhero.Rules{{Kind: referralhero.Slow}}},
			real: 5 * time.Second, passed: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := referralhero.New(tc.options)
				began := time.Now()
				w := httptest.NewRecorder()
				r := httptest.NewRequest("POST", "/api/v2/lists/"+s.Lists()[0].UUID+"/subscribers?email=late@example.org", nil)
				r.Header.Set("X-API-Key", s.Token())
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					t.Fatalf("status %d, %s", w.Code, w.Body)
				}
				if took := time.Since(began); took != tc.real {
					t.Errorf("took %s, want %s", took, tc.real)
				}
				all := s.Subscribers(s.Lists()[0].UUID)
				if passed := time.Duration(all[len(all)-1].CreatedAt-began.Unix()) * time.Second; passed != tc.passed.Truncate(time.Second) {
					t.Errorf("signed up after %s, want %s", passed, tc.passed)
				}
			})
		})
	}
}

func TestParseRules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]referralhero.Rules{
		"":    nil,
		" ; ": nil,
		"500 every 10 times 2 on /confirm; cut": {
			{Kind: referralhero.Broken, Every: 10, Times: 2, Path: "/confirm"}, {Kind: referralhero.Cut},
		},
		"refuse code invalid_list": {{Kind: referralhero.Refuse, Code: "invalid_list"}},
	} {
		got, err := referralhero.ParseRules(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"501", "500 every", "500 every 0", "500 every x", "500 sometimes 3"} {
		if rules, err := referralhero.ParseRules(text); err == nil {
			t.Errorf("%q was read as %v", text, rules)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add("500 every 10 times 2 on /confirm; cut")
	f.Add("refuse code invalid_list;;429")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := referralhero.ParseRules(text)
		if err != nil {
			return
		}
		again, err := referralhero.ParseRules(rules.String())
		if err != nil || !cmp.Equal(rules, again) {
			t.Errorf("%q became %q: %v", rules, again, err)
		}
	})
}
