package salesforce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// desk is a client of an org, and a person at work there.
type desk struct {
	*salesforce.Client
	t   *testing.T
	org *simulated.Org
	s   *session
	now time.Time
}

func newDesk(t *testing.T, o simulated.Options) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	o.Now, o.SessionTimeout = func() time.Time { return d.now }, 1000*time.Hour
	if o.Contacts == nil {
		o.Contacts = people(6)
	}
	d.Client, d.org, d.s = newClient(t, o)
	return d
}

// do makes a call as the person, and returns the id of what was made.
func (d *desk) do(method, path string, in map[string]any) bridge.SalesforceID {
	d.t.Helper()
	token, err := d.s.Token(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.s.origin+"/services/data/v66.0/sobjects/"+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var made struct {
		ID bridge.SalesforceID `json:"id"`
	}
	var answer bytes.Buffer
	_, _ = answer.ReadFrom(response.Body)
	if response.StatusCode > 299 {
		d.t.Fatalf("%s %s: %s %s", method, path, response.Status, answer.String())
	}
	if answer.Len() > 0 {
		_ = json.Unmarshal(answer.Bytes(), &made)
	}
	return made.ID
}

func (d *desk) open(in map[string]any) bridge.SalesforceID {
	d.t.Helper()
	deal := map[string]any{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-06-30"}
	for name, value := range in {
		deal[name] = value
	}
	return d.do("POST", "Opportunity", deal)
}

func (d *desk) deal(id bridge.SalesforceID) bridge.Deal {
	d.t.Helper()
	columns, err := d.DealColumns(d.t.Context(), "")
	if err != nil {
		d.t.Fatal(err)
	}
	deals, _, err := d.Deals(d.t.Context(), []bridge.SalesforceID{id}, columns)
	if err != nil || len(deals) != 1 {
		d.t.Fatalf("Deals = %v, %v, want one", deals, err)
	}
	return deals[0]
}

func TestDealsAreReadByOneCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t, simulated.Options{})
	var ids []bridge.SalesforceID
	for range 200 {
		ids = append(ids, d.open(map[string]any{"Amount": 12345678.9, "ContactId": "0035g0000000001"}))
	}
	before := d.Calls()
	deals, stages, err := d.Deals(t.Context(), ids, bridge.DealColumns{})
	if err != nil || len(deals) != 200 || d.Calls()-before != 1 {
		t.Fatalf("%d deals by %d calls, %v; want 200 by one", len(deals), d.Calls()-before, err)
	}
	one := deals[0]
	if one.ID != ids[0] || one.Amount.Amount.String() != "12345678.9" || one.NoAmount || one.Amount.Currency != "" || one.Stage != "Prospecting" ||
		len(one.Roles) != 1 || !one.Roles[0].Primary || one.Roles[0].Contact.Key() != "0035g0000000001" || one.Contact != one.Roles[0].Contact || !one.Modified.Equal(d.now) {
		t.Errorf("deal = %+v", one)
	}
	won := slices.IndexFunc(stages, func(s bridge.Stage) bool { return s.Name == "Closed Won" })
	if won < 0 || !stages[won].Won || !stages[won].Closed || !stages[won].Active || stages[won].Order == 0 || stages[won].Label != "Closed Won" {
		t.Errorf("stages = %+v", stages)
	}
	if old := stages[len(stages)-1]; old.Active {
		t.Errorf("the last stage is %+v, want the one that is not active", old)
	}
}

func TestDealsTellWhenTheyCameIntoStages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, simulated.Options{})
	id := d.open(nil)
	times := map[string]time.Time{"Prospecting": d.now}
	for _, step := range []map[string]any{
		{"StageName": "Closed Won"}, {"Amount": 5}, {"StageName": "Negotiation/Review"}, {"StageName": "Closed Won"}, {"Amount": 7}, {"CloseDate": "2026-07-01"},
	} {
		d.now = d.now.Add(time.Hour)
		d.do("PATCH", "Opportunity/"+string(id), step)
		if stage, moved := step["StageName"].(string); moved {
			times[stage] = d.now
		}
	}
	got := d.deal(id)
	if len(got.Entered) != 3 {
		t.Errorf("entered %v, want three stages", got.Entered)
	}
	for stage, at := range times {
		if !got.Entered[stage].Equal(at) {
			t.Errorf("%s was entered at %s, want %s: changes of the amount are none of the stage", stage, got.Entered[stage], at)
		}
	}
	if !got.Won || !got.Closed || !got.Modified.Equal(d.now) {
		t.Errorf("deal = %+v", got)
	}
}

func TestDealsOfMoreHistoryThanAPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, simulated.Options{})
	id := d.open(nil)
	for n := range 2100 {
		d.now = d.now.Add(time.Second)
		d.do("PATCH", "Opportunity/"+string(id), map[string]any{"Amount": n})
	}
	d.now = d.now.Add(time.Second)
	d.do("PATCH", "Opportunity/"+string(id), map[string]any{"StageName": "Closed Won"})
	if got := d.deal(id); !got.Entered["Closed Won"].Equal(d.now) {
		t.Errorf("entered %v, want Closed Won at %s", got.Entered, d.now)
	}
}

func TestRolesThatWereDeletedTellThatPeopleChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, simulated.Options{})
	deal := d.open(nil)
	d.now = d.now.Add(time.Hour)
	role := d.do("POST", "OpportunityContactRole", map[string]any{"OpportunityId": deal, "ContactId": "0035g0000000002"})
	if got := d.deal(deal); len(got.Roles) != 1 || got.Roles[0].Primary || !got.Modified.Equal(d.now) || !got.Roles[0].CreatedAt.Equal(d.now) {
		t.Errorf("with a role: %+v", got)
	}
	d.now = d.now.Add(time.Hour)
	d.do("DELETE", "OpportunityContactRole/"+string(role), nil)
	if got := d.deal(deal); len(got.Roles) != 0 || !got.Modified.Equal(d.now) {
		t.Errorf("without it: %+v, want no roles and the time at which it went", got)
	}
	d.now = d.now.Add(time.Hour)
	d.do("DELETE", "Opportunity/"+string(deal), nil)
	if got := d.deal(deal); !got.Deleted || !got.Modified.Equal(d.now) {
		t.Errorf("deleted: %+v", got)
	}
	if deals, _, err := d.Deals(t.Context(), []bridge.SalesforceID{id(t, "0065g00000ZZZZZ")}, bridge.DealColumns{}); err != nil || len(deals) != 0 {
		t.Errorf("a deal that is not there: %v, %v, want nothing", deals, err)
	}
}

func TestDealColumns(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	plain := newDesk(t, simulated.Options{})
	if got, err := plain.DealColumns(ctx, "RH_SUB_ID__c"); err != nil || got != (bridge.DealColumns{}) {
		t.Errorf("of a plain org: %+v, %v, want none", got, err)
	}
	if got, err := plain.DealColumns(ctx, "Title"); err != nil || got.Key != "Title" {
		t.Errorf("a key that is there: %+v, %v", got, err)
	}
	rich := newDesk(t, simulated.Options{MultiCurrency: true, PersonAccounts: true})
	columns, err := rich.DealColumns(ctx, "")
	if err != nil || !columns.Currency || !columns.Persons {
		t.Fatalf("of an org with currencies and persons: %+v, %v", columns, err)
	}
	codes, err := rich.Currencies(ctx)
	if err != nil || len(codes) < 2 {
		t.Fatalf("Currencies = %v, %v", codes, err)
	}
	deal := rich.open(map[string]any{"Amount": 3, "CurrencyIsoCode": codes[1]})
	if got := rich.deal(deal); got.Amount.Currency != codes[1] {
		t.Errorf("amount = %+v, want it in %s", got.Amount, codes[1])
	}
	if err := plain.org.SetVisible("admin@acme.example", "Opportunity", "Amount", false); err != nil {
		t.Fatal(err)
	}
	columns, err = plain.DealColumns(ctx, "")
	if err != nil || !columns.NoAmount {
		t.Fatalf("with a hidden amount: %+v, %v", columns, err)
	}
	if got := plain.deal(plain.open(map[string]any{"StageName": "Closed Won"})); !got.NoAmount || !got.With.NoAmount {
		t.Errorf("deal = %+v, want an amount that cannot be seen", got)
	}
	hidden, _, err := plain.Deals(ctx, []bridge.SalesforceID{id(t, "0065g00000ZZZZZ")}, bridge.DealColumns{})
	if bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("asking for it anyway: %v, %v, want a refusal that leads to another look at the columns", hidden, err)
	}
}

func TestParties(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := newDesk(t, simulated.Options{})
	full := func(n int) bridge.SalesforceID { return id(t, fmt.Sprintf("0035g00000%05d", n)) }
	for _, pair := range [][2]int{{1, 0}, {2, 1}} { // 0 into 1 into 2
		if err := d.org.Merge(string(full(pair[0])), string(full(pair[1]))); err != nil {
			t.Fatal(err)
		}
	}
	d.do("DELETE", "Contact/"+string(full(4)), nil)
	before := d.Calls()
	found, err := d.Parties(ctx, []bridge.SalesforceID{full(0), full(2), full(3), full(4), id(t, "0035g00000ZZZZZ")}, bridge.DealColumns{Key: "Title"}, "Phone")
	if err != nil || len(found) != 4 || d.Calls()-before != 3 {
		t.Fatalf("%d parties by %d calls, %v; want 4 by 3: two merges are followed", len(found), d.Calls()-before, err)
	}
	if found[full(0)].ID != full(2) || found[full(2)].ID != full(2) || found[full(0)].Email != "Ann2@Example.com" {
		t.Errorf("the merged one is %+v, want the one that is left", found[full(0)])
	}
	if three := found[full(3)]; three.LastName != "O'Neill 3" || three.Referrer != three.Phone || three.Deleted || !found[full(4)].Deleted {
		t.Errorf("parties = %+v", found)
	}
	if _, err := d.Parties(ctx, []bridge.SalesforceID{full(3)}, bridge.DealColumns{}, "Nothing__c"); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("a field that is not there: %v, want invalid", err)
	}
}

func TestDealChangesArePagedWithoutAGap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := newDesk(t, simulated.Options{})
	start := d.now
	first := d.open(nil)
	quiet := d.open(nil)
	gone := d.open(nil)
	d.now = d.now.Add(time.Hour)
	from := d.now
	for n := range 2500 { // several within a second
		if n%7 == 0 {
			d.now = d.now.Add(time.Second)
		}
		d.do("PATCH", "Opportunity/"+string(first), map[string]any{"Amount": n})
	}
	d.do("POST", "OpportunityContactRole", map[string]any{"OpportunityId": quiet, "ContactId": "0035g0000000002"})
	d.do("DELETE", "Opportunity/"+string(gone), nil)
	d.now = d.now.Add(time.Second)
	var all []bridge.SalesforceID
	changes, pages, page := 0, 0, ""
	for {
		found, err := d.DealChanges(ctx, from, d.now, page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, found.Moved...), found.Others...)
		changes, pages, page = changes+found.Changes, pages+1, found.Next
		if pages == 1 && !slices.Equal(found.Moved, []bridge.SalesforceID{first}) {
			t.Errorf("moved: %v, want the first only", found.Moved)
		}
		if page == "" {
			break
		}
	}
	if changes != 2500 || pages != 2 {
		t.Errorf("%d changes on %d pages, want 2500 on two", changes, pages)
	}
	for _, want := range []bridge.SalesforceID{first, quiet, gone} {
		if !slices.Contains(all, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if found, err := d.DealChanges(ctx, start.Add(-time.Hour), start, ""); err != nil || found.Changes != 0 {
		t.Errorf("before everything: %+v, %v", found, err)
	}
	if _, err := d.DealChanges(ctx, start, from, "nonsense"); bridge.KindOf(err) != bridge.Internal {
		t.Errorf("a page that is none: %v", err)
	}
}

func TestDealsThroughAStage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := newDesk(t, simulated.Options{})
	old := d.open(map[string]any{"StageName": "Closed Won"})
	d.now = d.now.Add(24 * time.Hour)
	since := d.now
	fresh, passed := d.open(map[string]any{"StageName": "Closed Won"}), d.open(map[string]any{"StageName": "Closed Won"})
	d.do("PATCH", "Opportunity/"+string(passed), map[string]any{"StageName": "Closed Lost"})
	deals, next, err := d.DealsThrough(ctx, "Closed Won", since, "")
	if err != nil || next != "" || !slices.Equal(deals, []bridge.SalesforceID{fresh, passed}) {
		t.Errorf("DealsThrough = %v, %q, %v, want %v and no more, without %s", deals, next, err, []bridge.SalesforceID{fresh, passed}, old)
	}
	for n := range 2000 {
		d.do("PATCH", "Opportunity/"+string(fresh), map[string]any{"Amount": n})
	}
	last := d.open(map[string]any{"StageName": "Closed Won"})
	deals, next, err = d.DealsThrough(ctx, "Closed Won", since, "")
	if err != nil || next == "" || len(deals) != 2 {
		t.Fatalf("the first page: %v, %q, %v, want two deals and more", deals, next, err)
	}
	if deals, next, err = d.DealsThrough(ctx, "Closed Won", since, next); err != nil || next != "" || !slices.Contains(deals, last) {
		t.Errorf("the second page: %v, %q, %v, want %s and no more", deals, next, err, last)
	}
	if deals, _, err := d.DealsThrough(ctx, "O'Neill \\ stage", since, ""); err != nil || len(deals) != 0 {
		t.Errorf("a stage with a quote: %v, %v", deals, err)
	}
}

func TestDealsAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, simulated.Options{})
	id := d.open(nil)
	for name, tc := range map[string]struct {
		rule simulated.Rule
		want bridge.Kind
	}{
		"an outage":             {simulated.Rule{Kind: simulated.KindAPI, Fault: simulated.Fault{Status: 503, HTML: true}}, bridge.Unavailable},
		"the day's calls":       {simulated.Rule{Kind: simulated.KindAPI, Fault: simulated.Fault{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"}}, bridge.Throttled},
		"no access":             {simulated.Rule{Kind: simulated.KindAPI, Fault: simulated.Fault{Status: 403, Code: "INSUFFICIENT_ACCESS"}}, bridge.Denied},
		"the answer never came": {simulated.Rule{Kind: simulated.KindAPI, Fault: simulated.Fault{Drop: true}}, bridge.Unavailable},
	} {
		d.org.SetRules(tc.rule)
		_, _, err := d.Deals(t.Context(), []bridge.SalesforceID{id}, bridge.DealColumns{})
		if bridge.KindOf(err) != tc.want || strings.Contains(fmt.Sprint(err), "Deal ") {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		d.org.SetRules()
	}
	d.org.SetVisible("admin@acme.example", "Opportunity", "Amount", false)
	if _, _, err := d.Deals(t.Context(), []bridge.SalesforceID{id}, bridge.DealColumns{}); bridge.CodeOf(err) != "INVALID_FIELD" {
		t.Errorf("a hidden field: %v, want INVALID_FIELD of that part", err)
	}
}
