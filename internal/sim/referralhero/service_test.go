package referralhero_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// noon is when the clocks of these tests stand still.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const uuid = "MF0a1b2c3d4e"

// bench is a Service on the wire.
type bench struct {
	*referralhero.Service
	url    string
	client http.Client

	mu    sync.Mutex
	clock time.Time
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(d)
}

// setup serves a Service whose only campaign is list, under the uuid above.
func setup(t *testing.T, o referralhero.Options, list referralhero.List) *bench {
	t.Helper()
	b := &bench{clock: noon}
	list.UUID, list.Name = uuid, "Test"
	if list.URL == "" {
		list.URL = "https://www.example.com/join"
	}
	o.Now, o.Lists = b.now, []referralhero.List{list}
	b.Service = referralhero.New(o)
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// direct is a wire to a handler that is as long as a function call.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// object is a JSON object.
type object map[string]any

// send makes a call with the token and a JSON body, and returns the status and the answer.
func (b *bench) send(t testing.TB, method, path string, body any) (int, object) {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+"/api/v2"+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.Token())
	r.Header.Set("Content-Type", "application/json")
	return b.exchange(t, r)
}

func (b *bench) exchange(t testing.TB, r *http.Request) (int, object) {
	t.Helper()
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var envelope object
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatalf("%s %s: status %d, not JSON: %s", r.Method, r.URL.Path, answer.StatusCode, text)
	}
	return answer.StatusCode, envelope
}

// do makes a call that must succeed, and returns its data.
func (b *bench) do(t testing.TB, method, path string, body any) object {
	t.Helper()
	status, envelope := b.send(t, method, path, body)
	data, ok := envelope["data"].(map[string]any)
	if status != http.StatusOK || envelope["status"] != "ok" || !ok {
		t.Fatalf("%s %s: status %d, %v", method, path, status, envelope)
	}
	return data
}

const subscribersPath = "/lists/" + uuid + "/subscribers"

// add signs somebody up and returns what the API shows of them.
func (b *bench) add(t testing.TB, parameters object) object {
	t.Helper()
	return b.do(t, "POST", subscribersPath, parameters)
}

func (b *bench) get(t testing.TB, id any) object {
	t.Helper()
	return b.do(t, "GET", fmt.Sprintf("%s/%s", subscribersPath, id), nil)
}

func check(t testing.TB, got, want object) {
	t.Helper()
	for name := range want {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, path string
		header       [2]string // instead of the right token
		body         any
		options      referralhero.Options
		list         referralhero.List
		status       int
		code         string
	}{
		"no token":                        {method: "GET", path: "/lists", header: [2]string{"Authorization", ""}, status: 400, code: "no_token"},
		"a wrong token":                   {method: "GET", path: "/lists", header: [2]string{"Authorization", "Bearer 1234"}, status: 400, code: "invalid_token"},
		"a wrong key":                     {method: "GET", path: "/lists", header: [2]string{"X-API-Key", "1234"}, status: 400, code: "invalid_token"},
		"a wrong token by switch":         {method: "GET", path: "/lists", header: [2]string{"X-API-Key", "1234"}, options: referralhero.Options{AuthStatus: 401}, status: 401, code: "invalid_token"},
		"the token as a parameter":        {method: "GET", path: "/lists?api_token=1234", status: 400, code: "no_token"},
		"an inactive account":             {method: "GET", path: "/lists", options: referralhero.Options{Inactive: true}, status: 400, code: "inactive_account"},
		"a list of somebody else":         {method: "GET", path: "/lists/MFffffffffff/subscribers", status: 401, code: "invalid_list"},
		"an unknown subscriber":           {method: "GET", path: subscribersPath + "/sub_000000000000", status: 403, code: "subscriber_not_found"},
		"an unknown address":              {method: "GET", path: subscribersPath + "/retrieve_by_email?email=no@example.com", status: 403, code: "subscriber_not_found"},
		"an unknown code":                 {method: "GET", path: subscribersPath + "/retrieve_by_mwr?mwr=00000000", status: 403, code: "subscriber_not_found"},
		"no code":                         {method: "GET", path: subscribersPath + "/retrieve_by_mwr", status: 400, code: "no_mwr"},
		"an unknown endpoint":             {method: "GET", path: "/referrals", status: 404, code: "not_found"},
		"a known path, another method":    {method: "PATCH", path: subscribersPath + "/sub_000000000000", status: 404, code: "not_found"},
		"no address":                      {method: "POST", path: subscribersPath, body: object{"name": "Ada"}, status: 400, code: "no_email_address"},
		"a null address":                  {method: "POST", path: subscribersPath, body: object{"email": nil}, status: 400, code: "no_email_address"},
		"a malformed address":             {method: "POST", path: subscribersPath, body: object{"email": "ada@example"}, status: 400, code: "invalid_email_address"},
		"an address with a name":          {method: "POST", path: subscribersPath, body: object{"email": "Ada <ada@example.com>"}, status: 400, code: "invalid_email_address"},
		"a number for an address":         {method: "POST", path: subscribersPath, body: object{"email": 17}, status: 400, code: "invalid_parameter"},
		"a number for a name":             {method: "POST", path: subscribersPath, body: object{"email": "ada@example.com", "name": 17}, status: 400, code: "invalid_parameter"},
		"a word for a boolean":            {method: "POST", path: subscribersPath, body: object{"email": "ada@example.com", "double_optin": "perhaps"}, status: 400, code: "invalid_parameter"},
		"a fraction of points":            {method: "POST", path: subscribersPath, body: object{"email": "ada@example.com", "points": 1.5}, status: 400, code: "invalid_parameter"},
		"an array for a body":             {method: "POST", path: subscribersPath, body: []int{1}, status: 400, code: "invalid_parameter"},
		"no phone number":                 {method: "POST", path: subscribersPath, body: object{"email": "ada@example.com"}, list: referralhero.List{Identifier: referralhero.ByPhone}, status: 400, code: "no_phone_number"},
		"a phone number without country":  {method: "POST", path: subscribersPath, body: object{"phone_number": "0123"}, list: referralhero.List{Identifier: referralhero.ByPhone}, status: 400, code: "invalid_parameter"},
		"an event of an unknown person":   {method: "POST", path: subscribersPath + "/track_referral_conversion_event", body: object{"email": "no@example.com"}, status: 403, code: "subscriber_not_found"},
		"an event with no such referrer":  {method: "POST", path: subscribersPath + "/track_referral_conversion_event", body: object{"email": "no@example.com", "referrer": "nobody"}, status: 400, code: "no_referrer"},
		"a list without a name":           {method: "POST", path: "/lists", body: object{"website": "https://example.com"}, status: 400, code: "no_name"},
		"a list without a website":        {method: "POST", path: "/lists", body: object{"name": "New"}, status: 400, code: "error_list_creation"},
		"a refusal with status 200":       {method: "GET", path: "/lists/MFffffffffff/bonuses", options: referralhero.Options{ErrorsAs200: true}, status: 200, code: "invalid_list"},
		"a page that is no number":        {method: "GET", path: "/lists?page=two", status: 400, code: "invalid_parameter"},
		"transactions that are no array":  {method: "POST", path: subscribersPath + "/add_bulk_transactions", body: object{"transactions": "x"}, status: 400, code: "invalid_parameter"},
		"more than 500 transactions":      {method: "POST", path: subscribersPath + "/add_bulk_transactions", body: object{"transactions": make([]object, 501)}, status: 400, code: "too_many_transactions"},
		"a transaction of nobody's":       {method: "POST", path: subscribersPath + "/add_transactions", body: object{"email": "no@example.com", "amount": 1}, status: 403, code: "subscriber_not_found"},
		"a search for nothing":            {method: "GET", path: "/subscribers/search_by_name", status: 400, code: "no_name"},
		"somebody's reward without an id": {method: "POST", path: subscribersPath + "/update_reward_status", body: object{}, status: 400, code: "no_reward_id"},
		"a reward that does not exist":    {method: "POST", path: subscribersPath + "/update_reward_status", body: object{"reward_id": 7}, status: 400, code: "reward_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.options, tc.list)
			payload, _ := json.Marshal(tc.body)
			r, err := http.NewRequest(tc.method, b.url+"/api/v2"+tc.path, bytes.NewReader(payload))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if tc.header[0] != "" {
				r.Header.Set(tc.header[0], tc.header[1])
			} else {
				r.Header.Set("X-API-Key", b.Token())
			}
			if tc.body == nil {
				r.Body, r.ContentLength = http.NoBody, 0
			}
			status, envelope := b.exchange(t, r)
			if status != tc.status || envelope["code"] != tc.code || envelope["status"] != "error" || envelope["message"] == "" {
				t.Errorf("status %d, %v; want %d, code %s", status, envelope, tc.status, tc.code)
			}
			if envelope["data"] != nil {
				t.Errorf("a refusal with data: %v", envelope)
			}
		})
	}
}

func TestLegacyToken(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{LegacyToken: true}, referralhero.List{})
	r, err := http.NewRequest("GET", b.url+"/api/v2/lists?api_token="+b.Token(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, envelope := b.exchange(t, r); status != http.StatusOK {
		t.Errorf("status %d, %v", status, envelope)
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Ranking: true})
	first := b.add(t, object{
		"email": " Ada@Example.org ", "name": "Ada Byron", "domain": "https://shop.example.org/", "source": "salesforce",
		"extra_field": "ACME", "tags": []string{"vip"}, "points": 3, "no_such_parameter": object{},
	})
	check(t, first, object{
		"response": "subscriber_created", "email": "Ada@Example.org", "name": "Ada Byron", "extra_field": "ACME", "extra_field_2": "",
		"host": "https://shop.example.org/", "referral_link": fmt.Sprintf("https://shop.example.org/?mwr=%s", first["code"]),
		"source": "salesforce", "device": nil, "tags": []any{"vip"}, "points": 3.0, "position": 1.0, "verified": true,
		"referred": false, "referred_by": map[string]any{}, "referral_status": nil,
		"created_at": float64(noon.Unix()), "last_updated_at": float64(noon.Unix()),
	})
	b.wait(time.Minute)
	again := b.add(t, object{"email": "ADA@example.org", "name": "Somebody Else", "extra_field_2": "new"})
	want := first
	want["response"] = "subscriber_retrieved"
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("adding twice changed something (-first +second):\n%s", diff)
	}
	other := b.add(t, object{"email": "grace@example.org"})
	check(t, other, object{
		"response": "subscriber_created", "position": 2.0,
		"referral_link": fmt.Sprintf("https://www.example.com/join?mwr=%s", other["code"]),
	})
	if got := b.Subscribers(uuid); len(got) != 2 {
		t.Errorf("%d subscribers", len(got))
	}
}

func TestAddByForm(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Verification: true})
	r, err := http.NewRequest("POST", b.url+"/api/v2"+subscribersPath+"?email=ada@example.com&double_optin=false&tags[]=a&tags[]=b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", b.Token())
	_, envelope := b.exchange(t, r)
	check(t, envelope["data"].(map[string]any), object{"email": "ada@example.com", "verified": true, "tags": []any{"a", "b"}})
}

func TestAddAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	var work sync.WaitGroup
	answers := make([]object, 40)
	for i := range answers {
		work.Go(func() {
			answers[i] = b.add(t, object{"email": []string{"ada@example.com", "ADA@example.com"}[i%2]})
		})
	}
	work.Wait()
	created := 0
	for _, answer := range answers {
		if answer["response"] == "subscriber_created" {
			created++
		}
		if answer["id"] != answers[0]["id"] {
			t.Errorf("ids %s and %s for one person", answer["id"], answers[0]["id"])
		}
	}
	if created != 1 || len(b.Subscribers(uuid)) != 1 {
		t.Errorf("%d created, %d subscribers", created, len(b.Subscribers(uuid)))
	}
}

func TestVerification(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Verification: true, Automations: referralhero.Automations{Welcome: true}})
	ada := b.add(t, object{"email": "ada@example.com"})
	check(t, ada, object{"verified": false, "position": nil})
	if status, envelope := b.send(t, "GET", fmt.Sprintf("%s/%s", subscribersPath, ada["id"]), nil); envelope["code"] != "subscriber_not_found" {
		t.Errorf("an unverified person is shown: %d, %v", status, envelope)
	}
	if got := b.do(t, "GET", subscribersPath, nil)["subscribers"].([]any); len(got) != 0 {
		t.Errorf("an unverified person is listed: %v", got)
	}
	check(t, b.add(t, object{"email": "ada@example.com"}), object{"response": "subscriber_retrieved", "id": ada["id"]})
	check(t, b.add(t, object{"email": "grace@example.com", "double_optin": false}), object{"verified": true})
	if !b.Verify(uuid, ada["id"].(string)) {
		t.Error("nobody to verify")
	}
	if b.Verify(uuid, ada["id"].(string)) {
		t.Error("verified twice")
	}
	check(t, b.get(t, ada["id"]), object{"verified": true, "verified_at": float64(noon.Unix())})
	first := b.do(t, "GET", subscribersPath+"?sort_by=registration_asc", nil)["subscribers"].([]any)[0].(map[string]any)
	if first["id"] != ada["id"] {
		t.Errorf("the first to sign up is %v", first["email"])
	}
	if diff := cmp.Diff(map[string]int{"Confirmation": 1, "Welcome": 2}, b.MailCounts(uuid)); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	for i := range 11 {
		b.do(t, "POST", "/lists", object{"name": fmt.Sprint("List ", i), "website": "https://example.com"})
	}
	b.SetList(referralhero.List{UUID: uuid, Name: "Test", Paused: true})
	second := b.do(t, "GET", "/lists?page=2", nil)
	check(t, second, object{
		"response":   "lists_retrieved",
		"pagination": map[string]any{"total_pages": 2.0, "current_page": 2.0, "per_page": 10.0, "total_objects": 11.0},
	})
	lists := second["lists"].([]any)
	if len(lists) != 1 || lists[0].(map[string]any)["name"] != "List 10" {
		t.Errorf("second page: %v", lists)
	}
	check(t, b.add(t, object{"email": "ada@example.com"}), object{"response": "subscriber_created"}) // paused, but known
}

func TestSubscribersArePagedAndSorted(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{Ranking: true})
	for i := range 120 {
		b.add(t, object{"email": fmt.Sprintf("p%03d@example.com", (i*37)%120), "name": fmt.Sprint("N", i), "points": i % 7, "extra_field": fmt.Sprint(i % 2)})
	}
	for name, tc := range map[string]struct {
		query       string
		first, last string
		n, total    int
	}{
		"first come first":         {"sort_by=registration_asc", "p000@example.com", "p013@example.com", 50, 120},
		"newest first":             {"sort_by=registration_desc", "p083@example.com", "p070@example.com", 50, 120},
		"by address, third page":   {"sort_by=email_asc&page=3", "p100@example.com", "p119@example.com", 20, 120},
		"by address, backwards":    {"sort_by=email_desc", "p119@example.com", "p070@example.com", 50, 120},
		"by points, then sign-up":  {"sort_by=points_desc", "p102@example.com", "p073@example.com", 50, 120},
		"unknown order is default": {"sort_by=shoe_size_asc", "p083@example.com", "p070@example.com", 50, 120},
		"filtered":                 {"sort_by=registration_asc&extra_field=1&page=2", "p017@example.com", "p083@example.com", 10, 60},
		"behind the last page":     {"page=9", "", "", 0, 120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := b.do(t, "GET", subscribersPath+"?"+tc.query, nil)
			rows := data["subscribers"].([]any)
			if len(rows) != tc.n {
				t.Fatalf("%d rows, want %d", len(rows), tc.n)
			}
			if total := data["pagination"].(map[string]any)["total_objects"]; total != float64(tc.total) {
				t.Errorf("total %v, want %d", total, tc.total)
			}
			if tc.n == 0 {
				return
			}
			first, last := rows[0].(map[string]any)["email"], rows[len(rows)-1].(map[string]any)["email"]
			if first != tc.first || last != tc.last {
				t.Errorf("from %v to %v, want from %s to %s", first, last, tc.first, tc.last)
			}
		})
	}
}

func TestFindByOtherMeans(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	ada := b.add(t, object{"email": "ada@example.com", "name": "Ada Byron"})
	b.add(t, object{"email": "grace@example.com", "name": "Grace Hopper"})
	for path, want := range map[string]any{
		subscribersPath + "/retrieve_by_email?email=ADA@example.com":           ada["id"],
		fmt.Sprintf("%s/retrieve_by_mwr?mwr=%s", subscribersPath, ada["code"]): ada["id"],
		fmt.Sprintf("%s/%s", subscribersPath, ada["id"]):                       ada["id"],
	} {
		if got := b.do(t, "GET", path, nil)["id"]; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	found := b.do(t, "GET", "/subscribers/search_by_name?name=BYRON", nil)["subscribers"].([]any)
	if len(found) != 1 || found[0].(map[string]any)["id"] != ada["id"] {
		t.Errorf("found %v", found)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	ada := b.add(t, object{"email": "ada@example.com", "name": "Ada", "extra_field": "ACME", "source": "web"})
	b.wait(time.Minute)
	path := fmt.Sprintf("%s/%s", subscribersPath, ada["id"])
	updated := b.do(t, "POST", path, object{"name": "Ada Byron", "extra_field": "", "points": 7, "email": "other@example.com", "source": "x", "tags": []string{"t"}})
	check(t, updated, object{
		"response": "subscriber_updated", "name": "Ada Byron", "extra_field": "", "points": 7.0, "tags": []any{"t"},
		"email": "ada@example.com", "source": "web", // neither can be changed
		"last_updated_at": float64(noon.Add(time.Minute).Unix()), "created_at": float64(noon.Unix()),
	})
	if _, envelope := b.send(t, "POST", path, object{"name": "Eve", "referral_status": "unqualified"}); envelope["code"] != "no_referrer" {
		t.Errorf("unqualified without a referrer: %v", envelope)
	}
	check(t, b.get(t, ada["id"]), object{"name": "Ada Byron"})
	check(t, b.do(t, "DELETE", path, nil), object{"response": "subscriber_deleted"})
	if _, envelope := b.send(t, "DELETE", path, nil); envelope["code"] != "subscriber_not_found" {
		t.Errorf("deleted twice: %v", envelope)
	}
	check(t, b.add(t, object{"email": "ada@example.com"}), object{"response": "subscriber_created"})
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	ada := b.add(t, object{"email": "ada@example.com"})
	path := subscribersPath + "/add_transactions"
	first := b.do(t, "POST", path, object{"email": "ada@example.com", "amount": 1200.5, "transaction_id": "sf:1", "lifetime_spend": 4800.5})
	check(t, first, object{
		"response": "transaction_added", "transaction_id": "sf:1", "amount": 1200.5, "product_id": nil,
		"transaction_time": "2026-03-02T12:00:00.000Z",
	})
	b.wait(time.Hour)
	again := b.do(t, "POST", path, object{"email": "ada@example.com", "amount": "99", "transaction_id": "sf:1", "lifetime_spend": 1})
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same transaction is answered differently (-first +second):\n%s", diff)
	}
	if _, envelope := b.send(t, "POST", path, object{"email": "ada@example.com", "amount": -1}); envelope["code"] != "invalid_amount" {
		t.Errorf("a negative amount: %v", envelope)
	}
	if _, envelope := b.send(t, "POST", path, object{"email": "ada@example.com"}); envelope["code"] != "no_amount" {
		t.Errorf("no amount: %v", envelope)
	}
	b.do(t, "POST", subscribersPath+"/add_bulk_transactions", object{"transactions": []object{
		{"email": "ada@example.com", "amount": 1, "transaction_id": "sf:1"},
		{"email": "ada@example.com", "amount": 2, "transaction_id": "sf:2"},
		{"email": "nobody@example.com", "amount": 3, "transaction_id": "sf:3"},
	}})
	var amounts []float64
	for _, transaction := range b.Transactions(uuid) {
		amounts = append(amounts, transaction.Amount)
		if transaction.Subscriber != ada["id"] {
			t.Errorf("transaction of %s", transaction.Subscriber)
		}
	}
	if diff := cmp.Diff([]float64{1200.5, 2}, amounts); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if spend := b.Subscribers(uuid)[0].LifetimeSpend; spend != 4800.5 {
		t.Errorf("lifetime spend %v", spend)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options referralhero.Options
		want    object
		absent  []string
	}{
		"as a number":      {want: object{"calls_left": 4999.0, "timestamp": float64(noon.Unix())}},
		"as a text":        {options: referralhero.Options{CallsLeft: referralhero.Text}, want: object{"calls_left": "4999"}},
		"as null":          {options: referralhero.Options{CallsLeft: referralhero.Null}, want: object{"calls_left": nil}},
		"not at all":       {options: referralhero.Options{CallsLeft: referralhero.Missing}, absent: []string{"calls_left"}},
		"without a limit":  {options: referralhero.Options{WindowKind: referralhero.None}, want: object{"calls_left": nil}},
		"empty is null":    {options: referralhero.Options{Empty: referralhero.AsNull}, want: object{"extra_field": nil, "source": nil}},
		"empty is missing": {options: referralhero.Options{Empty: referralhero.Absent}, absent: []string{"extra_field", "source", "referral_status"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.options, referralhero.List{})
			_, envelope := b.send(t, "POST", subscribersPath, object{"email": "ada@example.com"})
			for name, value := range envelope["data"].(map[string]any) {
				envelope[name] = value
			}
			check(t, envelope, tc.want)
			for name := range tc.want {
				if _, ok := envelope[name]; !ok {
					t.Errorf("%s is missing", name)
				}
			}
			for _, name := range tc.absent {
				if value, ok := envelope[name]; ok {
					t.Errorf("%s = %v, want none", name, value)
				}
			}
		})
	}
}

func TestOtherIdentifiers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind  referralhero.Identifier
		value string
	}{
		"phone number": {referralhero.ByPhone, "+15550100"},
		"wallet":       {referralhero.ByWallet, "0xAbC"},
		"other":        {referralhero.ByOther, "customer 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, referralhero.Options{}, referralhero.List{Identifier: tc.kind})
			first := b.add(t, object{string(tc.kind): tc.value, "email": "shared@example.com"})
			check(t, b.add(t, object{string(tc.kind): " " + tc.value, "email": "other@example.com"}), object{"response": "subscriber_retrieved", "id": first["id"]})
			second := b.add(t, object{string(tc.kind): tc.value + "9", "email": "shared@example.com"})
			check(t, second, object{"response": "subscriber_created"}) // an address is not the identifier here
			check(t, b.do(t, "GET", subscribersPath+"/retrieve_by_email?email=SHARED@example.com", nil), object{"id": first["id"]})
			check(t, b.do(t, "POST", subscribersPath+"/add_points", object{string(tc.kind): tc.value + "9", "points": 2}), object{"id": second["id"], "points": 2.0})
		})
	}
}

func TestQualificationByUpdate(t *testing.T) {
	t.Parallel()
	b := setup(t, referralhero.Options{}, referralhero.List{})
	grace := b.add(t, object{"email": "grace@example.com"})
	ada := b.add(t, object{"email": "ada@example.com", "referrer": grace["code"]})
	path := fmt.Sprintf("%s/%s", subscribersPath, ada["id"])
	check(t, b.do(t, "POST", path, object{"referral_status": "unqualified"}), object{"referral_status": "unqualified", "response": "subscriber_updated"})
	check(t, b.get(t, grace["id"]), object{"people_referred": 0.0})
	check(t, b.do(t, "POST", path, object{"referral_status": "qualified"}), object{"referral_status": "confirmed"})
	check(t, b.get(t, grace["id"]), object{"people_referred": 1.0})
	if _, envelope := b.send(t, "POST", path, object{"referral_status": "pending", "name": "Eve"}); envelope["code"] != "invalid_parameter" {
		t.Errorf("a referral was made pending: %v", envelope)
	}
	check(t, b.get(t, ada["id"]), object{"name": ""})
}
