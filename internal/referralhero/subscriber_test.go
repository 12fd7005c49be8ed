package referralhero_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	simulated "github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// add makes somebody a subscriber of the simulated ReferralHero, referred by the one with a code.
func add(t *testing.T, s *simulated.Service, email, name, referrer string) simulated.Subscriber {
	t.Helper()
	body := fmt.Sprintf(`{"email":%q,"name":%q,"referrer":%q,"status":"custom_event_pending","extra_field":"ACME"}`, email, name, referrer)
	call(t, s, http.MethodPost, "/subscribers", body)
	all := s.Subscribers(string(list))
	return all[len(all)-1]
}

func call(t *testing.T, s *simulated.Service, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "/api/v2/lists/"+string(list)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.Token())
	request.Header.Set("Content-Type", "application/json")
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	if s.ServeHTTP(w, request); w.status != http.StatusOK {
		t.Fatalf("%s %s: %d", method, path, w.status)
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }

// TestSubscriber finds the same person by id, code and address, however ReferralHero writes what is empty.
func TestSubscriber(t *testing.T) {
	t.Parallel()
	for _, empty := range []simulated.Empty{simulated.Quotes, simulated.AsNull, simulated.Absent} {
		t.Run(string(empty), func(t *testing.T) {
			t.Parallel()
			c, s := newSimulated(t, simulated.Options{Empty: empty})
			s.SetList(simulated.List{UUID: string(list), Events: 2, Ranking: true})
			token := bridge.NewSecret(s.Token())
			grace := add(t, s, "grace@example.org", "Grace H", "")
			ada := add(t, s, "ada@example.org", "Ada Byron", grace.Code)

			byID, quota, err := c.Subscriber(t.Context(), token, list, bridge.SubscriberID(ada.ID))
			want := bridge.Subscriber{
				ID: bridge.SubscriberID(ada.ID), Name: "Ada Byron", Email: "ada@example.org", Code: ada.Code, ExtraField: "ACME", Position: 2,
				Link: ada.ReferralLink(), Referred: true, Referrer: bridge.Referral{ID: bridge.SubscriberID(grace.ID), Name: "Grace H", Email: "grace@example.org"},
				Status: "pending", Verified: true, CreatedAt: time.Unix(ada.CreatedAt, 0).UTC(), UpdatedAt: time.Unix(ada.LastUpdatedAt, 0).UTC(), ReadAt: quota.At,
			}
			if err != nil || byID != want || quota.Left < 0 || time.Since(byID.ReadAt) > time.Minute {
				t.Errorf("got %+v, %v\nwant %+v", byID, err, want)
			}
			byCode, _, err := c.SubscriberByCode(t.Context(), token, list, ada.Code)
			if byCode.ReadAt = byID.ReadAt; err != nil || byCode != want {
				t.Errorf("by code: %+v, %v", byCode, err)
			}
			byEmail, _, err := c.SubscriberByEmail(t.Context(), token, list, "ada@example.org")
			if byEmail.ReadAt = byID.ReadAt; err != nil || byEmail != want {
				t.Errorf("by address: %+v, %v", byEmail, err)
			}
			organic, _, err := c.Subscriber(t.Context(), token, list, bridge.SubscriberID(grace.ID))
			if err != nil || organic.Referred || organic.Referrer != (bridge.Referral{}) || organic.Status != "" || organic.Referrals() != 1 {
				t.Errorf("whom nobody referred: %+v, %v", organic, err)
			}
		})
	}
}

func TestWhoIsNotThere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   bridge.Kind
		code   string
	}{
		"no such subscriber":                    {403, `{"status":"error","code":"subscriber_not_found"}`, bridge.NotFound, "subscriber_not_found"},
		"no such subscriber, with 200":          {200, `{"status":"error","code":"subscriber_not_found"}`, bridge.NotFound, "subscriber_not_found"},
		"not found, by its status":              {404, `{"status":"error","code":"no_such_thing"}`, bridge.NotFound, "subscriber_not_found"},
		"not found, by its status alone":        {404, `{"status":"error"}`, bridge.NotFound, "subscriber_not_found"},
		"not found, with 200":                   {200, `{"status":"error","code":"not_found"}`, bridge.NotFound, "subscriber_not_found"},
		"not found, with a page":                {404, `<html>The page you were looking for</html>`, bridge.NotFound, "subscriber_not_found"},
		"no such list":                          {401, `{"status":"error","code":"invalid_list"}`, bridge.NotFound, "invalid_list"},
		"no such list, as not found":            {404, `{"status":"error","code":"invalid_list"}`, bridge.NotFound, "invalid_list"},
		"a wrong token is nobody's absence":     {404, `{"status":"error","code":"invalid_token"}`, bridge.Revoked, "invalid_token"},
		"neither is a gateway that is down":     {502, `<html></html>`, bridge.Unavailable, "502"},
		"neither is a firewall":                 {403, `<html></html>`, bridge.Unavailable, "403"},
		"neither is an answer with nobody":      {200, `{"status":"ok","data":{"response":"subscriber_retrieved"}}`, bridge.Unavailable, ""},
		"neither is an answer with an empty id": {200, `{"status":"ok","data":{"id":null,"name":"Ada"}}`, bridge.Unavailable, ""},
		"neither is somebody else":              {200, `{"status":"ok","data":{"id":"sub_2","subscribers":0}}`, bridge.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}))
			_, _, err := c.Subscriber(t.Context(), bridge.NewSecret("t"), list, "sub_1")
			if bridge.KindOf(err) != tc.kind || bridge.CodeOf(err) != tc.code {
				t.Errorf("read: %v, want %s %s", err, tc.kind, tc.code)
			}
			_, _, err = c.LastReferral(t.Context(), bridge.NewSecret("t"), list, "sub_1")
			if bridge.KindOf(err) != tc.kind || bridge.CodeOf(err) != tc.code {
				t.Errorf("last referral: %v, want %s %s", err, tc.kind, tc.code)
			}
		})
	}
}

func TestIdsOfStrangersAreNoPaths(t *testing.T) {
	t.Parallel()
	for _, id := range []bridge.SubscriberID{"", ".", "..", "../..", "sub_1/confirm", "sub_1?x=1", "sub_1#", "sub 1", "söb", bridge.SubscriberID(strings.Repeat("a", 65))} {
		c := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%q was asked for as %s", id, r.URL) }))
		if _, _, err := c.Subscriber(t.Context(), bridge.NewSecret("t"), list, id); bridge.CodeOf(err) != "subscriber_not_found" {
			t.Errorf("%q: %v", id, err)
		}
		if _, _, err := c.LastReferral(t.Context(), bridge.NewSecret("t"), list, id); bridge.CodeOf(err) != "subscriber_not_found" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestSubscribersPageByPage(t *testing.T) {
	t.Parallel()
	c, s := newSimulated(t, simulated.Options{})
	token := bridge.NewSecret(s.Token())
	page, _, err := c.Subscribers(t.Context(), token, list, 1)
	if err != nil || len(page.Subscribers) != 0 || page.Pages != 1 || page.Total != 0 {
		t.Errorf("an empty campaign: %+v, %v", page, err)
	}
	const people = 120
	for n := range people {
		add(t, s, fmt.Sprintf("p%d@example.org", n), "P", "")
	}
	seen := map[bridge.SubscriberID]bool{}
	for n, want := range []int{50, 50, 20, 0} {
		page, quota, err := c.Subscribers(t.Context(), token, list, n+1)
		if err != nil || len(page.Subscribers) != want || page.Pages != 3 || page.Total != people {
			t.Fatalf("page %d has %d of %d on %d, %v", n+1, len(page.Subscribers), page.Total, page.Pages, err)
		}
		for _, p := range page.Subscribers {
			seen[p.ID] = true
			if !p.ReadAt.Equal(quota.At) || !p.Verified {
				t.Errorf("%+v", p)
			}
		}
		if n == 0 && page.Subscribers[0].Email != "p119@example.org" {
			t.Errorf("the first is %s, want who signed up last", page.Subscribers[0].Email)
		}
	}
	if len(seen) != people {
		t.Errorf("%d people seen, want %d", len(seen), people)
	}
}

func TestPagesThatContradictThemselves(t *testing.T) {
	t.Parallel()
	people := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"id":"sub_1","verified":false},`, n), ",") + "]"
	}
	for name, tc := range map[string]struct {
		people, pagination string
		page               int
		pages, total       int // 0 pages: not to be trusted
	}{
		"one page":                                    {people(2), `{"total_pages":1,"current_page":1,"per_page":50,"total_objects":2}`, 1, 1, 2},
		"numbers as texts":                            {people(2), `{"total_pages":"1","current_page":"1","per_page":"50","total_objects":"2"}`, 1, 1, 2},
		"nobody":                                      {`[]`, `{"total_pages":0,"current_page":1,"per_page":50,"total_objects":0}`, 1, 1, 0},
		"nobody, as null":                             {`null`, `{"total_pages":0,"total_objects":0}`, 1, 1, 0},
		"no pagination, and few people":               {people(49), `null`, 1, 1, 49},
		"the last page is not full":                   {people(1), `{"total_pages":3,"current_page":3,"per_page":50,"total_objects":101}`, 3, 3, 101},
		"beyond the last page":                        {`[]`, `{"total_pages":3,"current_page":4,"per_page":50,"total_objects":101}`, 4, 3, 101},
		"it does not say how many there are":          {people(50), `{"total_pages":3,"current_page":1}`, 1, 3, -1},
		"people who are not verified may be left out": {people(48), `{"total_pages":3,"current_page":1,"per_page":50,"total_objects":101}`, 1, 3, 101},
		"no pagination, and a full page":              {people(50), `{}`, 1, 0, 0},
		"another page":                                {people(50), `{"total_pages":3,"current_page":2,"per_page":50,"total_objects":101}`, 1, 0, 0},
		"an empty page before the last":               {`[]`, `{"total_pages":3,"current_page":1,"per_page":50,"total_objects":101}`, 1, 0, 0},
		"an empty last page":                          {`[]`, `{"total_pages":1,"current_page":1,"per_page":50,"total_objects":2}`, 1, 0, 0},
		"an empty page of people":                     {`[]`, `{"total_pages":0,"total_objects":7}`, 1, 0, 0},
		"people beyond the last page":                 {people(1), `{"total_pages":3,"per_page":50,"total_objects":101}`, 4, 0, 0},
		"more people than there are":                  {people(3), `{"total_pages":1,"per_page":50,"total_objects":2}`, 1, 0, 0},
		"more people than fit on a page":              {people(11), `{"total_pages":2,"per_page":10,"total_objects":12}`, 1, 0, 0},
		"too few pages":                               {people(50), `{"total_pages":1,"per_page":50,"total_objects":101}`, 1, 0, 0},
		"too many pages":                              {people(50), `{"total_pages":4,"per_page":50,"total_objects":101}`, 1, 0, 0},
		"somebody without an id":                      {`[{"id":""}]`, `{"total_pages":1}`, 1, 0, 0},
		"nobody at all":                               {`null`, `{"total_pages":1}`, 1, 0, 0},
		"people of another shape":                     {`{"id":"sub_1"}`, `{"total_pages":1}`, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"status":"ok","data":{"response":"subscribers_retrieved","subscribers":%s,"pagination":%s}}`, tc.people, tc.pagination)
			}))
			page, _, err := c.Subscribers(t.Context(), bridge.NewSecret("t"), list, tc.page)
			want := bridge.Kind("")
			if tc.pages == 0 {
				want = bridge.Unavailable
			}
			if bridge.KindOf(err) != want || page.Pages != tc.pages || page.Total != tc.total {
				t.Errorf("%d on %d pages, %v; want %d on %d, %s", page.Total, page.Pages, err, tc.total, tc.pages, want)
			}
		})
	}
}

func TestLastReferral(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	c, s := newSimulated(t, simulated.Options{Now: func() time.Time { return now }})
	token := bridge.NewSecret(s.Token())
	grace := add(t, s, "grace@example.org", "Grace H", "")
	last := func(want time.Time) {
		t.Helper()
		got, quota, err := c.LastReferral(t.Context(), token, list, bridge.SubscriberID(grace.ID))
		if err != nil || !got.Equal(want) || !quota.At.Equal(now) {
			t.Errorf("last referral %s, %v; want %s", got, err, want)
		}
	}
	last(time.Time{})
	first := now
	add(t, s, "ada@example.org", "Ada", grace.Code)
	last(first)
	now = now.Add(time.Hour)
	second := add(t, s, "bob@example.org", "Bob", grace.Code)
	last(now)
	call(t, s, http.MethodDelete, "/subscribers/"+second.ID, "")
	last(first)
}

// TestShapes gives the attributes of a subscriber in the forms in which they may come.
func TestShapes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want bridge.Subscriber
	}{
		"numbers as texts": {`"position":"42","points":"7","people_referred":"3","created_at":"1767225600","extra_field":12.50`,
			bridge.Subscriber{Position: 42, Points: 7, PeopleReferred: 3, CreatedAt: time.Unix(1767225600, 0).UTC(), ExtraField: "12.50"}},
		"empty texts":              {`"position":"","points":"","referred":"","referred_by":"","source":"","created_at":""`, bridge.Subscriber{}},
		"nulls":                    {`"position":null,"points":null,"referred":null,"referred_by":null,"source":null,"email":null`, bridge.Subscriber{}},
		"lists and objects":        {`"position":[],"points":{},"referred":[],"referred_by":[],"source":{"a":"b"},"email":["a"],"verified":1`, bridge.Subscriber{}},
		"nobody referred":          {`"referred":false,"referred_by":{}`, bridge.Subscriber{}},
		"the referrer was deleted": {`"referred":true,"referred_by":"subscriber_deleted","referral_status":"confirmed"`, bridge.Subscriber{Referred: true, Status: "confirmed"}},
		"a referrer":               {`"referred":"true","referred_by":{"id":"sub_2","name":"Grace","email":null,"points":"4","new":{}}`, bridge.Subscriber{Referred: true, Referrer: bridge.Referral{ID: "sub_2", Name: "Grace", Points: 4}}},
		"points that were taken":   {`"points":-3,"position":-1,"people_referred":-2`, bridge.Subscriber{Points: -3}},
		"numbers beyond reason":    {`"points":1e300,"position":1e300,"created_at":1e300`, bridge.Subscriber{}},
		"not verified":             {`"verified":false,"verified_at":null`, bridge.Subscriber{}},
		"verified":                 {`"verified":true,"referral_value":"x","conversion_amount":[],"tags":7`, bridge.Subscriber{Verified: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", "Thu, 01 Jan 2026 00:00:10 GMT")
				fmt.Fprintf(w, `{"status":"ok","data":{"response":"subscriber_retrieved","id":"sub_1",%s}}`, tc.body)
			}))
			got, _, err := c.Subscriber(t.Context(), bridge.NewSecret("t"), list, "sub_1")
			tc.want.ID, tc.want.ReadAt = "sub_1", time.Unix(1767225610, 0).UTC()
			if err != nil || got != tc.want {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

func TestAddReturnsTheWholeSubscriber(t *testing.T) {
	t.Parallel()
	c, s := newSimulated(t, simulated.Options{})
	token := bridge.NewSecret(s.Token())
	added, _, err := c.Add(t.Context(), token, list, ada)
	read, _, err2 := c.Subscriber(t.Context(), token, list, added.ID)
	if read.ReadAt = added.ReadAt; err != nil || err2 != nil || added != (referralhero.Added{Subscriber: read, Created: true}) {
		t.Errorf("added %+v, %v; read %+v, %v", added, err, read, err2)
	}
}
