package referralhero_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	simulated "github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

const list bridge.CampaignID = "MF0a1b2c3d4e"

var ada = referralhero.Person{
	Identifier: bridge.ByEmail, Value: "ada@example.org", Name: "Ada Byron", URL: "https://www.example.org/join", Source: "imported_from_salesforce",
}

func newClient(t *testing.T, h http.Handler) *referralhero.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &referralhero.Client{BaseURL: server.URL + "/api/v2/", HTTP: referralhero.HTTPClient()}
}

func newSimulated(t *testing.T, o simulated.Options) (*referralhero.Client, *simulated.Service) {
	t.Helper()
	o.Lists = []simulated.List{{UUID: string(list), Name: "Spring Referral"}}
	s := simulated.New(o)
	return newClient(t, s), s
}

func TestAddIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	for _, left := range []simulated.CallsLeft{simulated.Number, simulated.Text, simulated.Null, simulated.Missing} {
		for _, empty := range []simulated.Empty{simulated.Quotes, simulated.AsNull, simulated.Absent} {
			t.Run(fmt.Sprint(left, " ", empty), func(t *testing.T) {
				t.Parallel()
				c, s := newSimulated(t, simulated.Options{CallsLeft: left, Empty: empty})
				var heard []int
				c.Left = func(calls int) { heard = append(heard, calls) }
				token := bridge.NewSecret(s.Token())
				first, quota, err := c.Add(t.Context(), token, list, ada)
				if err != nil || !first.Created || first.ID == "" || first.Source != ada.Source || time.Since(first.CreatedAt) > time.Minute {
					t.Fatalf("Add = %+v, %v", first, err)
				}
				second, _, err := c.Add(t.Context(), token, list, referralhero.Person{Identifier: bridge.ByEmail, Value: ada.Value, Name: "Somebody Else"})
				if err != nil || second.Created || second.ID != first.ID || !second.CreatedAt.Equal(first.CreatedAt) || second.Source != ada.Source {
					t.Errorf("Add again = %+v, %v, want the first subscriber", second, err)
				}
				known := left == simulated.Number || left == simulated.Text
				if known && quota.Left != 4999 || !known && quota.Left != -1 || time.Since(quota.At) > time.Minute {
					t.Errorf("quota = %+v", quota)
				}
				if known && !slices.Equal(heard, []int{4999, 4998}) || !known && len(heard) > 0 {
					t.Errorf("told of %v calls left", heard)
				}
				if got := s.Subscribers(string(list)); len(got) != 1 || got[0].Name != "Ada Byron" || got[0].Host != ada.URL {
					t.Errorf("subscribers = %+v", got)
				}
			})
		}
	}
}

func TestListsFollowsPages(t *testing.T) {
	t.Parallel()
	s := simulated.New(simulated.Options{})
	for n := range 33 {
		s.SetList(simulated.List{UUID: fmt.Sprintf("MF%010x", n), Name: fmt.Sprint("Campaign ", n), Paused: n == 5})
	}
	lists, quota, err := newClient(t, s).Lists(t.Context(), bridge.NewSecret(s.Token()))
	if err != nil || len(lists) != len(s.Lists())-1 || quota.Left < 0 {
		t.Fatalf("%d lists, %+v, %v, want all but the paused one of %d", len(lists), quota, err, len(s.Lists()))
	}
	for _, l := range lists {
		if l.ID == "" || l.Name == "" || !l.Listed || l.SeenAt.IsZero() {
			t.Errorf("list = %+v", l)
		}
	}
}

// TestMeaning gives answers as they were seen, or may come, and says what they mean for a write and for a read.
func TestMeaning(t *testing.T) {
	t.Parallel()
	const page = "<html><body>ada@example.org</body></html>"
	for name, tc := range map[string]struct {
		status      int
		body        string
		write, read bridge.Kind
		code        string
	}{
		"a wrong token":                            {400, `{"status":"error","message":"x","code":"invalid_token"}`, bridge.Revoked, bridge.Revoked, "invalid_token"},
		"a wrong token, by another status":         {401, `{"status":"error","code":"invalid_token"}`, bridge.Revoked, bridge.Revoked, "invalid_token"},
		"an inactive account":                      {400, `{"status":"error","code":"inactive_account"}`, bridge.Denied, bridge.Denied, "inactive_account"},
		"a foreign list is no bad token":           {401, `{"status":"error","code":"invalid_list"}`, bridge.NotFound, bridge.NotFound, "invalid_list"},
		"too many calls":                           {429, `{"status":"error","code":"too_many_calls"}`, bridge.Throttled, bridge.Throttled, "too_many_calls"},
		"too many calls, with status 200":          {200, `{"status":"error","code":"too_many_calls"}`, bridge.Throttled, bridge.Throttled, "too_many_calls"},
		"too many calls, says a gateway":           {429, page, bridge.Throttled, bridge.Throttled, "429"},
		"a malformed address":                      {422, `{"status":"error","message":"ada@example.org is invalid","code":"invalid_email_address"}`, bridge.Invalid, bridge.Invalid, "invalid_email_address"},
		"an unknown code with 4xx":                 {422, `{"status":"error","code":"something_new"}`, bridge.Invalid, bridge.Invalid, "something_new"},
		"an unknown code with 403":                 {403, `{"status":"error","code":"plan_too_small"}`, bridge.Denied, bridge.Denied, "plan_too_small"},
		"an unknown code with 200":                 {200, `{"status":"error","code":"internal_error"}`, bridge.UnknownOutcome, bridge.Unavailable, "internal_error"},
		"an unknown code with 500":                 {500, `{"status":"error","code":"oops"}`, bridge.UnknownOutcome, bridge.Unavailable, "oops"},
		"a code that is no code":                   {200, `{"status":"error","code":"ada@example.org"}`, bridge.UnknownOutcome, bridge.Unavailable, "unknown"},
		"a gateway's page with 502":                {502, page, bridge.UnknownOutcome, bridge.Unavailable, "502"},
		"a firewall's page":                        {403, page, bridge.Unavailable, bridge.Unavailable, "403"},
		"a redirect is not followed":               {302, "", bridge.Unavailable, bridge.Unavailable, "302"},
		"an answer cut off":                        {200, `{"status":"ok","data":{"id":"sub_1"`, bridge.UnknownOutcome, bridge.Unavailable, "200"},
		"an answer and a half":                     {200, `{"status":"ok","data":{}}{}`, bridge.UnknownOutcome, bridge.Unavailable, "200"},
		"an empty answer":                          {200, "", bridge.UnknownOutcome, bridge.Unavailable, "200"},
		"a status that is neither":                 {200, `{"status":"maybe","data":{"id":"sub_1"}}`, bridge.UnknownOutcome, bridge.Unavailable, "200"},
		"a success with an error's HTTP status":    {500, `{"status":"ok","data":{"id":"sub_1","lists":[]}}`, bridge.UnknownOutcome, bridge.Unavailable, ""},
		"a success without what was asked for":     {200, `{"status":"ok","data":{}}`, bridge.UnknownOutcome, bridge.Unavailable, ""},
		"a success with nothing":                   {200, `{"status":"ok","data":null}`, bridge.UnknownOutcome, bridge.Unavailable, ""},
		"a success of another shape":               {200, `{"status":"ok","data":[1]}`, bridge.UnknownOutcome, bridge.Unavailable, ""},
		"an answer without end":                    {200, `{"status":"ok","data":"` + strings.Repeat("x", 1<<20) + `"}`, bridge.UnknownOutcome, bridge.Unavailable, ""},
		"a success without the words that we know": {200, `{"status":"ok","data":{"id":"sub_1","lists":[]},"calls_left":"","timestamp":"soon"}`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			_, _, write := c.Add(t.Context(), bridge.NewSecret("s3cret-token"), list, ada)
			_, _, read := c.Lists(t.Context(), bridge.NewSecret("s3cret-token"))
			for _, got := range []struct {
				err  error
				want bridge.Kind
			}{{write, tc.write}, {read, tc.read}} {
				if bridge.KindOf(got.err) != got.want || bridge.CodeOf(got.err) != tc.code {
					t.Errorf("got %v, want %s %s", got.err, got.want, tc.code)
				}
				if text := fmt.Sprint(got.err); strings.Contains(text, "ada") || strings.Contains(text, "s3cret") {
					t.Errorf("the error gives something away: %s", text)
				}
				if got.want == bridge.Throttled && bridge.AfterOf(got.err, 0) != 90*time.Second {
					t.Errorf("after = %s, want what the header says", bridge.AfterOf(got.err, 0))
				}
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind simulated.FaultKind
		want bridge.Kind
		made int
	}{
		"cut off after the work":  {simulated.Cut, bridge.UnknownOutcome, 1},
		"cut off before the work": {simulated.CutBefore, bridge.UnknownOutcome, 0},
		"cut off in the answer":   {simulated.Truncated, bridge.UnknownOutcome, 1},
		"no answer in time":       {simulated.Silent, bridge.UnknownOutcome, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := newSimulated(t, simulated.Options{FaultRules: simulated.Rules{{Kind: tc.kind}}})
			c.HTTP.Timeout = 300 * time.Millisecond
			_, _, err := c.Add(t.Context(), bridge.NewSecret(s.Token()), list, ada)
			if bridge.KindOf(err) != tc.want || len(s.Subscribers(string(list))) != tc.made {
				t.Errorf("%v and %d subscribers, want %s and %d", err, len(s.Subscribers(string(list))), tc.want, tc.made)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		c := &referralhero.Client{BaseURL: "http://" + listener.Addr().String(), HTTP: referralhero.HTTPClient()}
		if _, _, err := c.Add(t.Context(), bridge.NewSecret("t"), list, ada); bridge.KindOf(err) != bridge.Unavailable {
			t.Errorf("%v, want unavailable: nothing was sent", err)
		}
	})
	t.Run("the caller has given up", func(t *testing.T) {
		t.Parallel()
		c, s := newSimulated(t, simulated.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Lists(ctx, bridge.NewSecret(s.Token())); bridge.KindOf(err) != bridge.Unavailable {
			t.Errorf("%v, want unavailable", err)
		}
	})
	t.Run("no token, no call", func(t *testing.T) {
		t.Parallel()
		c, s := newSimulated(t, simulated.Options{})
		if _, _, err := c.Lists(t.Context(), bridge.Secret{}); bridge.KindOf(err) != bridge.Revoked || s.Counts().Calls != 0 {
			t.Errorf("%v after %d calls, want revoked after none", err, s.Counts().Calls)
		}
	})
}
