package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/queue"
	heroclient "github.com/referralbridge/referralbridge/internal/referralhero"
	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// actor is ReferralHero for the worker of functions/conversion.
type actor struct{ *heroclient.Client }

func (a actor) Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p conversion.Person) (bridge.Subscriber, bool, bridge.Quota, error) {
	person := heroclient.Person{Identifier: p.Identifier, Value: p.Value, Name: p.Name, URL: p.URL, Source: p.Source}
	added, quota, err := a.AddReferral(ctx, token, campaign, person, heroclient.Referral{Referrer: p.Referrer, Pending: p.Pending})
	return added.Subscriber, added.Created, quota, err
}

func (a actor) Pay(
	ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string, p conversion.Transaction,
) (bridge.Quota, error) {
	return a.Client.Pay(ctx, token, campaign, by, value, heroclient.Transaction(p))
}

// dealers makes the workers of functions/conversion out of what the console has, and returns the queue of deals.
func (r *rig) dealers(t *testing.T) queue.Topic[conversion.Job] {
	t.Helper()
	s, f := r.console.Events.(conversion.Service), r.console.Flows.(plumbing.Service)
	quiet := slog.New(slog.DiscardHandler)
	deals := queue.Topic[conversion.Job]{Client: r.queues, URL: r.queue(t, "conversions")}
	pipes := queue.Topic[plumbing.Job]{Client: r.queues, URL: r.queue(t, "plumbing")}
	worker := conversion.Worker{
		Ledger: r.rows, Accounts: r.rows, Campaigns: r.rows, Connections: r.rows, Layouts: r.rows, Budget: s.Budget, Jobs: deals, Now: time.Now, Log: quiet,
		Org:  func(c bridge.Connection) conversion.Org { return s.Org(c) },
		Hero: actor{&heroclient.Client{BaseURL: r.heroURL + "/api/v2", HTTP: heroclient.HTTPClient()}},
	}
	r.workers[deals.URL] = queue.Worker[conversion.Job]{Work: worker.Handle, Topic: deals, Log: quiet}.Handle
	r.workers[pipes.URL] = queue.Worker[plumbing.Job]{Work: f.Work, Topic: pipes, Log: quiet}.Handle
	return deals
}

// crm makes a call to the org as a person at work there, and returns the id of a record that was made.
func (r *rig) crm(t *testing.T, method, path string, in map[string]any) string {
	t.Helper()
	token, err := r.org.Token("admin@acme.example")
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, r.orgURL+"/services/data/v66.0/sobjects/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var out struct{ ID string }
	if response.StatusCode >= 300 {
		t.Fatalf("%s %s answered %s", method, path, response.Status)
	}
	_ = json.NewDecoder(response.Body).Decode(&out) // a change answers with nothing
	return out.ID
}

// seller is a person whose third campaign, of a goal with two events, follows the org; with an opportunity of Tony, whom Edsger
// referred.
func (r *rig) seller(t *testing.T) (v *visitor, at, deal string) {
	t.Helper()
	v = r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	v.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account")
	campaign := "/campaigns/" + r.hero.Lists()[2].UUID
	contains(t, v.page(campaign+"/events"), "First, choose a Salesforce account for this campaign")
	contains(t, v.page(campaign+"/events/new"), `role="alert"`, "Choose a Salesforce account for this campaign first")
	connection := v.connect()
	v.post(campaign+"/settings", url.Values{"connection": {string(connection)}, "identifier": {"email"}, "events": {"2"}}, campaign)
	contact := r.crm(t, http.MethodPost, "Contact", map[string]any{"FirstName": "Tony", "LastName": "Hoare", "Email": "tony@example.com"})
	deal = r.crm(t, http.MethodPost, "Opportunity", map[string]any{"Name": "Quicksort licence", "StageName": "Closed Won", "CloseDate": "2026-10-01", "Amount": 1250.5, "ContactId": contact})
	return v, campaign + "/events", deal
}

// won is an event as most people write it.
func won(pairs ...string) url.Values {
	form := url.Values{"name": {"Deal won"}, "stage": {"Closed Won"}, "trigger": {"confirmed"}, "won_only": {"on"}, "who": {"one"}, "hold": {"0"}, "state": {"on"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// TestEventsToTrack walks the whole way: from a campaign without an event to a referral that is taken back.
func TestEventsToTrack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	deals := r.dealers(t)
	v, at, deal := r.seller(t)
	yesterday := time.Now().AddDate(0, 0, -1).Format(time.DateOnly)

	contains(t, v.page(at), "No event is tracked yet", "Add Event To Track", `data-flow-state="not_begun"`, "What is installed", "outbound message", `data-events="0"`)
	contains(t, v.page(at+"/new"), `<option value="Closed Won">Closed Won – won</option>`, "Select the Salesforce opportunity stage to track", "Trigger Event Type",
		`data-impossible="unconfirmed"`, "never unconfirmed", "A pending referral becomes confirmed", "Contact added", "Total spend", "a flow and an outbound message are installed")
	if page := v.page(at + "/new"); strings.Contains(page.text, "Verbal Yes (old)") {
		t.Error("a stage that the org has retired can be chosen")
	}
	contains(t, v.do(http.MethodPost, at+"/sentence", won()), "When an opportunity reaches Closed Won and was won, confirm the referral of its primary contact.")

	tested := v.do(http.MethodPost, at+"/try", won("name", "", "try", "record", "deal", r.orgURL+"/lightning/r/Opportunity/"+deal+"/view", "from", yesterday))
	contains(t, tested, `data-tested="`+deal+`"`, `data-acts="true"`, "Quicksort licence", "1,250.50", "Tony Hoare", "The referral moves from pending to confirmed.", `data-met="true"`)
	late := v.do(http.MethodPost, at+"/try", won("try", "record", "deal", deal, "from", yesterday, "minimum", "2,000"))
	contains(t, late, `data-acts="false"`, "The deal&#39;s amount is too small", `data-condition="amount_too_small" data-met="false"`, `value="2,000"`)
	back := v.do(http.MethodPost, at+"/try", won("try", "back"))
	contains(t, back, "The last 90 days", "Nothing was written", "Quicksort licence", "data-back-test=")
	contains(t, v.do(http.MethodPost, at, won("enter", "yes", "deal", deal)), `data-tested="`+deal+`"`)
	if edits := v.page(at + "/history"); !strings.Contains(edits.text, "Nothing yet.") {
		t.Errorf("trying an event has left something behind: %s", edits.text)
	}
	if spent := r.hero.Subscribers(r.hero.Lists()[2].UUID); spent[1].Status == "confirmed" {
		t.Error("trying an event has moved a referral")
	}

	for range 2 { // sent twice it is there once
		v.post(at, won("from", yesterday), at+"?done=event-added")
	}
	other := v.do(http.MethodPost, at, won("from", yesterday, "hold", "3"))
	contains(t, other, `data-problem="name"`, "Another event of this campaign has this name")
	r.work(t)
	listed := v.page(at + "?done=event-added")
	contains(t, listed, `data-events="1"`, `data-event-name="Deal won" data-event-state="on" data-acts="1"`, "Added. From now on", "confirm the referral of its primary contact", "just now")
	rule := regexp.MustCompile(`data-event="(r_[^"]+)"`).FindStringSubmatch(listed.text)[1]
	contains(t, v.page(at+"/activity"), `data-action="confirmed" data-action-state="done"`, "a change of the events", "The referral is confirmed.", `data-deal="`+deal+`"`, "Sent: <code>")
	contains(t, v.page(at+"/activity?rule="+rule), `data-actions="1"`)
	contains(t, v.page(at+"/activity?rule=r_other"), "Nothing was done by this event")
	contains(t, v.page(at+"/why?deal="+deal), `data-answer="`+rule+`" data-acts="true"`, "Qualifies", "It is so already.", ">Done<", "Our books have this opportunity since")
	contains(t, v.page("/"), `data-tracked="`, "1 on")

	v.post(at+"/rules/"+rule+"/off", nil, at+"?done=event-off&undo="+rule)
	v.post(at+"/rules/"+rule+"/off", nil, at)
	contains(t, v.page(at+"?done=event-off&undo="+rule), "Switched off.", `id="undo-form"`, "/rules/"+rule+"/on", `data-event-state="off"`)
	v.post(at+"/rules/"+rule+"/on", nil, at+"?done=event-on")
	v.post(at, won("name", "Money", "trigger", "spend", "state", "off"), at)
	second := regexp.MustCompile(`data-event="(r_[^"]+)" data-event-name="Money"`).FindStringSubmatch(v.page(at).text)[1]
	for range 2 {
		v.post(at+"/rules/"+second+"/move", url.Values{"to": {"0"}}, at+"?done=event-move")
	}
	if text := v.page(at).text; strings.Index(text, second) > strings.Index(text, rule) {
		t.Error("the second event was not moved up")
	}
	edit := v.page(at + "/rules/" + rule)
	contains(t, edit, `value="Deal won"`, `<option value="Closed Won" selected>`, `id="trigger-confirmed" value="confirmed" aria-describedby="trigger-confirmed-text" checked`, `name="won_only" value="on" checked`, yesterday)
	v.post(at, won("rule", rule, "name", "Won for 14 days", "hold", "14", "from", yesterday), at+"?done=event-changed")
	contains(t, v.page(at), "and stands for 14 days, confirm the referral")
	contains(t, v.page(at+"/history"), "Dana Reeve", "changed", "moved", "switched off", "switched on", "added", "<del>When an opportunity reaches Closed Won and was won, confirm")
	v.post(at, won("rule", rule, "from", yesterday), at+"?done=event-changed")
	for range 2 {
		v.post(at+"/rules/"+second+"/delete", nil, at+"?done=event-delete")
	}
	contains(t, v.page(at), `data-events="1"`)

	r.crm(t, http.MethodPatch, "Opportunity/"+deal, map[string]any{"StageName": "Closed Lost"})
	if err := deals.Send(t.Context(), 0, conversion.Job{
		Account: v.account(), Connection: bridge.ConnectionID(regexp.MustCompile(`data-flow-connection="([^"]+)"`).FindStringSubmatch(v.page(at).text)[1]),
		Opportunities: []string{deal}, At: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	r.work(t)
	contains(t, v.page(at), `data-reviews="1"`)
	contains(t, v.page("/"), "1 needs you")
	reviews := v.page(at + "/reviews")
	contains(t, reviews, `data-review-kind="reversed"`, "Unqualify…", "A reward that was given already is not taken back", "Dismiss", "Confirm the referral")
	review := regexp.MustCompile(`data-review="([^"]+)"`).FindStringSubmatch(reviews.text)[1]
	v.post(at+"/reviews/unqualify", url.Values{"review": {review}}, at+"/reviews?done=review-unqualify")
	again := v.do(http.MethodPost, at+"/reviews/unqualify", url.Values{"review": {review}})
	if again.StatusCode != http.StatusConflict {
		t.Errorf("unqualifying twice answered %s, want 409", again.Status)
	}
	contains(t, again, "This was settled meanwhile", "Nothing needs you")
	r.work(t)
	contains(t, v.page(at+"/activity"), `data-action="unqualify" data-action-state="done"`, "Dana Reeve", "a person’s decision")
	contains(t, v.page(at+"/why?deal="+deal), `data-acts="false"`, "The deal is lost.", `data-condition="lost" data-met="false"`)
}

// TestBadEvents sends forms that cannot be taken: they must say so at the field, and keep the rest.
func TestBadEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, _ := r.seller(t)
	for name, tc := range map[string]struct {
		to, field string
		form      url.Values
		kept      []string
	}{
		"no name":                         {at, "name", won("name", " "), []string{`<option value="Closed Won" selected>`, "checked"}},
		"no stage":                        {at, "stage", won("stage", ""), []string{`value="Deal won"`}},
		"a stage of another org":          {at, "stage", won("stage", "Signed"), []string{"Signed (not in the org’s list)"}},
		"no trigger":                      {at, "trigger", won("trigger", ""), []string{`value="Deal won"`}},
		"what this campaign cannot do":    {at, "trigger", won("trigger", "unconfirmed"), []string{`value="Deal won"`}},
		"an amount in words":              {at, "minimum", won("minimum", "much"), []string{`value="much"`}},
		"days in words":                   {at, "hold", won("hold", "long"), []string{`value="long"`}},
		"more days than a year":           {at, "hold", won("hold", "400"), []string{`value="400"`}},
		"no such day":                     {at, "from", won("from", "2026-13-40"), []string{"2026-13-40"}},
		"a day long gone":                 {at, "from", won("from", "1950-01-01"), []string{"1950-01-01"}},
		"spend of everybody":              {at, "who", won("trigger", "spend", "who", "everybody"), []string{`id="who-everybody" value="everybody" aria-describedby="who-everybody-text" checked`}},
		"a field that contacts have not":  {at, "referrer", won("trigger", "add", "referrer", "Nope__c"), []string{`value="Nope__c"`}},
		"a test on no opportunity":        {at + "/try", "deal", won("deal", "hello", "try", "record"), []string{`value="hello"`, `value="Deal won"`}},
		"a test on another object":        {at + "/try", "deal", won("deal", "0035g00000000AbAAI", "try", "record"), nil},
		"a test on one that is not there": {at + "/try", "deal", won("deal", "0065g0000000zzzAAA", "try", "record"), nil},
		"looking back without a stage":    {at + "/try", "stage", won("stage", "", "try", "back"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := v.do(http.MethodPost, tc.to, tc.form)
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("answered %s, want a refusal", a.Status)
			}
			contains(t, a, `data-problem="`+tc.field+`"`, `role="alert"`, `aria-invalid="true"`, `href="#`+tc.field+`"`)
			contains(t, a, tc.kept...)
		})
	}
	if a := v.get(at + "/why?deal=nonsense"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("asking about nonsense answered %s, want 400", a.Status)
	}
	for _, path := range []string{"/rules/r_foreign", "/installation/by-hand/x"} {
		if a := v.get(at + path); a.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s answered %s, want 404", path, a.Status)
		}
	}
	for _, path := range []string{"/rules/r_foreign/on", "/rules/r_foreign/explode", "/installation/explode", "/reviews/explode"} {
		if a := v.do(http.MethodPost, at+path, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s answered %s, want 404", path, a.Status)
		}
	}
	stranger := r.visitor(t)
	stranger.signIn("Sam Other", "sam@example.com")
	for _, path := range []string{"", "/new", "/activity", "/why", "/reviews", "/history", "/installation", "/installation/by-hand"} {
		if a := stranger.get(at + path); a.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s by a stranger answered %s, want 404", path, a.Status)
		}
	}
	for _, path := range []string{"", "/try", "/rules/r_x/on", "/installation/install", "/reviews/dismiss"} {
		if a := stranger.do(http.MethodPost, at+path, won("review", "x")); a.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s by a stranger answered %s, want 404", path, a.Status)
		}
	}
	r.org.RevokeGrants()
	silent := v.do(http.MethodPost, at, won())
	contains(t, v.page(at), "Reconnect required", `data-events="0"`)
	contains(t, silent, `role="alert"`, `value="Deal won"`, "The stages of the org could not be read", `value="confirmed"`)
}

// TestCurrencies writes events in an org with several currencies.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *others) { o.org.MultiCurrency = true })
	v, at, _ := r.seller(t)
	contains(t, v.page(at+"/new"), `id="currency"`, `id="minimum_currency"`, `<option value="EUR">EUR</option>`, "never added up")
	for field, form := range map[string]url.Values{
		"currency": won("trigger", "spend"), "minimum_currency": won("minimum", "500"),
	} {
		a := v.do(http.MethodPost, at, form)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("without %s answered %s, want 400", field, a.Status)
		}
		contains(t, a, `data-problem="`+field+`"`)
	}
	v.post(at, won("trigger", "spend", "currency", "EUR", "minimum", "1,500.50", "minimum_currency", "EUR", "state", "off"), at+"?done=event-added")
	contains(t, v.page(at), "worth at least EUR 1,500.50 reaches Closed Won")
	contains(t, v.page(at+"/new"), `<option value="EUR" selected>EUR</option>`)
	second := v.do(http.MethodPost, at, won("name", "Other", "trigger", "spend", "currency", "USD"))
	contains(t, second, `data-problem="currency"`, "is counted in EUR")
}

// TestDayOfAnEvent checks that a day means midnight where the person is, and that a day that stays leaves the moment.
func TestDayOfAnEvent(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	before := time.Date(2026, 11, 26, 18, 30, 0, 0, time.UTC) // the 27th in Tokyo
	form := formOf(bridge.Rule{From: before}, "", zone)
	if form.From != "2026-11-27" {
		t.Fatalf("the form shows %s, want the day in Tokyo", form.From)
	}
	for day, want := range map[string]time.Time{"2026-11-27": {}, "": {}, "2026-11-26": time.Date(2026, 11, 25, 15, 0, 0, 0, time.UTC)} {
		form.From = day
		d, found := form.draft(zone, before)
		if !d.From.Equal(want) || found != nil {
			t.Errorf("the day %q means %v, %v; want %v", day, d.From, found, want)
		}
	}
}

// TestFlowCard follows what is installed in an org: by us, by hand, with faults, and away again.
func TestFlowCard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.dealers(t)
	v, at, _ := r.seller(t)
	well := r.org.Switches()

	v.post(at+"/installation/install", nil, at+"?done=flow-install#installation")
	working := v.page(at)
	contains(t, working, `data-flow-state="installing"`, `hx-get="`+at+`/installation?seen=`, `http-equiv="refresh"`, "Find out what the org allows")
	seen := regexp.MustCompile(`installation\?seen=([^"]+)"`).FindStringSubmatch(working.text)[1]
	if fresh := v.page(at + "/installation?seen=" + seen).Header.Get("HX-Refresh"); fresh != "" {
		t.Errorf("progress of the state that is shown: HX-Refresh = %q, want none", fresh)
	}
	r.installed(t, v, at)
	if fresh := v.page(at + "/installation?seen=" + seen).Header.Get("HX-Refresh"); fresh != "true" {
		t.Errorf("progress of another state: HX-Refresh = %q, want true", fresh)
	}
	contains(t, v.page(at), `data-flow-mode="messages_and_poll"`, "RH Opportunity Stage", "None yet", "New address…", "Remove…", "Check again")
	v.post(at+"/installation/check", nil, at+"?done=flow-check")
	v.post(at+"/installation/rotate", nil, at+"?done=flow-rotate")
	twice := v.do(http.MethodPost, at+"/installation/rotate", nil)
	if twice.StatusCode != http.StatusConflict {
		t.Errorf("replacing the address twice answered %s, want 409", twice.Status)
	}
	contains(t, twice, "being replaced already")
	r.installed(t, v, at)
	v.post(at+"/installation/remove", nil, at+"?done=flow-remove")
	r.work(t)
	contains(t, v.page(at), `data-flow-state="left"`, "Install now")

	ill := well
	ill.MissingPermissions = org.Names{"CustomizeApplication", "ModifyMetadata", "ManageFlow", "ModifyAllData"}
	r.org.SetSwitches(ill)
	v.post(at+"/installation/install", nil, at)
	r.work(t)
	byHand := v.page(at)
	contains(t, byHand, `data-flow-state="needs_hands"`, `data-trouble="rights_missing"`, "may not install a flow", "Open Setup: Permission Sets", "Instructions, with every text to copy")
	manual := v.page(at + "/installation/by-hand")
	contains(t, manual, "OR(ISNEW(), ISCHANGED({!$Record.StageName})", "/salesforce/outbound/", "RH_Opportunity_Stage", "admin@acme.example", "Click Activate.")
	if cached := manual.Header.Get("Cache-Control"); cached != "no-store" {
		t.Errorf("the page with the secret address is cached: %q", cached)
	}
	r.org.SetSwitches(well)
	v.post(at+"/installation/check", nil, at)
	r.installed(t, v, at)

	ill = well
	ill.Edition = "Professional Edition"
	r.org.SetSwitches(ill)
	v.post(at+"/installation/remove", nil, at)
	r.work(t)
	v.post(at+"/installation/install", nil, at)
	r.work(t)
	polled := v.page(at)
	contains(t, polled, `data-flow-state="polling"`, "has no outbound messages", "Professional Edition")
}

// installed works until flow and message are installed.
func (r *rig) installed(t *testing.T, v *visitor, at string) {
	t.Helper()
	for range 20 {
		r.work(t)
		if strings.Contains(v.page(at).text, `data-flow-state="working"`) {
			return
		}
		v.do(http.MethodPost, at+"/installation/check", nil)
	}
	t.Fatalf("never installed: %s", v.page(at).text)
}

// undecided leaves one thing of almost every kind that only a person can decide.
func (r *rig) undecided(t *testing.T, v *visitor, at, deal string) {
	t.Helper()
	campaign, account := bridge.CampaignID(r.hero.Lists()[2].UUID), v.account()
	v.post(at, won("state", "off"), at)
	spend := bridge.EffectID{Account: account, Campaign: campaign, Kind: bridge.EffectSpend, Subject: "sub_0123456789"}
	add := bridge.EffectID{Account: account, Campaign: campaign, Kind: bridge.EffectAdd, Subject: "0035g00000000AbAAI"}
	opened := time.Now().Add(-time.Hour)
	review := func(kind bridge.ReviewKind, of bridge.EffectID) bridge.Review {
		return bridge.Review{Account: account, Campaign: campaign, ID: string(kind) + ".x", Kind: kind, Effect: of, Deal: bridge.SalesforceID(deal), OpenedAt: opened}
	}
	moved := review(bridge.ReviewMoved, spend)
	moved.Amount = bridge.Money{Amount: decimal.NewFromInt(12345), Currency: "EUR"}
	err := r.rows.CommitConversions(t.Context(), conversion.Commit{
		Effects: []bridge.Effect{
			{EffectID: spend, State: bridge.EffectManual, CalledAt: opened, Asked: 1,
				Request: &bridge.Payment{ID: "rb-7-1", Deal: bridge.SalesforceID(deal), Amount: decimal.NewFromInt(10), Lifetime: decimal.NewFromInt(30)}},
			{EffectID: add, State: bridge.EffectFailed, Reason: "invalid_email", Asked: 1},
		},
		Reviews: []bridge.Review{
			review(bridge.ReviewUnknown, spend), review(bridge.ReviewRefused, add), moved, review(bridge.ReviewHidden, bridge.EffectID{}),
			review(bridge.ReviewCurrency, bridge.EffectID{}), review(bridge.ReviewWaiting, add),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDecisions shows what only a person can decide, of every kind.
func TestDecisions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, deal := r.seller(t)
	r.undecided(t, v, at, deal)
	page := v.page(at + "/reviews")
	contains(t, page, `data-open-reviews="6"`, `data-review-kind="unknown"`, "What is known", "rb-7-1", "It happened", "It did not: do it again", "sent once more, with the same number",
		"EUR 12,345.00", "Try again", "Another currency", "An opportunity that cannot be seen", "6 things need somebody")
	contains(t, v.page("/"), "6 need you")
	if a := v.do(http.MethodPost, at+"/reviews/dismiss", url.Values{"review": {"unknown.x"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("dismissing what nobody knows answered %s, want 400", a.Status)
	}
	for _, step := range [][2]string{{"happened", "unknown.x"}, {"retry", "refused.x"}, {"dismiss", "moved.x"}, {"dismiss", "hidden.x"}, {"dismiss", "currency.x"}} {
		v.post(at+"/reviews/"+step[0], url.Values{"review": {step[1]}}, at+"/reviews?done=review-"+step[0])
	}
	contains(t, v.page(at+"/reviews"), `data-open-reviews="1"`)
	contains(t, v.page(at+"/activity"), "Decided: it happened.", "tried again", "left as it is", "Dana Reeve")
}

// TestManyLines turns the pages of an activity, of all events and of one.
func TestManyLines(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, deal := r.seller(t)
	account, campaign := v.account(), bridge.CampaignID(r.hero.Lists()[2].UUID)
	var c conversion.Commit
	for n := range 120 {
		rule := bridge.RuleID("r_often")
		if n == 3 {
			rule = "r_once"
		}
		c.Actions = append(c.Actions, bridge.Action{
			Account: account, Campaign: campaign, ID: bridge.NewID("x"), At: time.Now(), Rule: rule, Deal: bridge.SalesforceID(deal), Prompt: bridge.ByMessage,
			Effect: bridge.EffectID{Kind: bridge.EffectAdd, Subject: "0035g00000000AbAAI"}, Sent: "add", Answer: "subscriber_created", State: bridge.EffectDone,
		})
		if len(c.Actions) == 60 {
			if err := r.rows.CommitConversions(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			c.Actions = nil
		}
	}
	lines, next := 0, at+"/activity"
	older := regexp.MustCompile(`href="([^"]+)">Older`)
	for pages := 0; next != ""; pages++ {
		page := v.page(next)
		lines += strings.Count(page.text, "data-action=")
		next = ""
		if m := older.FindStringSubmatch(page.text); m != nil {
			next = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
	}
	if lines != 120 {
		t.Errorf("the pages show %d lines, want 120", lines)
	}
	once := v.page(at + "/activity?rule=r_once")
	contains(t, once, `data-actions="1"`, "An event that was deleted")
	if strings.Contains(once.text, ">Older") {
		t.Error("the last page leads to an older one")
	}
}

// TestWordsForEvents checks that nothing of the other packages lacks words.
func TestWordsForEvents(t *testing.T) {
	t.Parallel()
	for _, s := range []plumbing.State{plumbing.NotBegun, plumbing.Installing, plumbing.InLine, plumbing.NeedsClick, plumbing.NeedsHands, plumbing.Working,
		plumbing.Paused, plumbing.Broken, plumbing.Polling, plumbing.Leaving, plumbing.Left} {
		if flowStates[s].Text == "" {
			t.Errorf("no words for an installation that is %s", s)
		}
	}
	for _, trigger := range []bridge.Trigger{bridge.AddContact, bridge.ToUnconfirmed, bridge.ToConfirmed, bridge.TotalSpend} {
		if triggerWords[trigger].Label == "" || effectKinds[bridge.EffectKind(trigger)] == "" {
			t.Errorf("no words for the trigger %s", trigger)
		}
	}
	for _, k := range []bridge.ReviewKind{bridge.ReviewReversed, bridge.ReviewUnknown, bridge.ReviewWaiting, bridge.ReviewRefused, bridge.ReviewCurrency, bridge.ReviewMoved, bridge.ReviewHidden} {
		if reviewTitle(k).Label == "" {
			t.Errorf("no words for a review that is %s", k)
		}
	}
	for _, p := range []bridge.Prompt{bridge.ByMessage, bridge.ByPoll, bridge.ByCheck, bridge.ByLook, bridge.ByRules, bridge.ByPerson} {
		if promptWords(p) == "" {
			t.Errorf("no words for the prompt %s", p)
		}
	}
	for _, s := range []bridge.EffectState{bridge.EffectIdle, bridge.EffectPlanned, bridge.EffectClaimed, bridge.EffectCalling, bridge.EffectDone, bridge.EffectSkipped,
		bridge.EffectFailed, bridge.EffectUnknown, bridge.EffectManual} {
		if effectState(s).Label == "" {
			t.Errorf("no words for an effect that is %s", s)
		}
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	hundred := bridge.Money{Amount: decimal.NewFromInt(1234567), Currency: "EUR"}
	for want, r := range map[string]bridge.Rule{
		"When an opportunity reaches Won and was won, confirm the referral of its primary contact.":                                                               {Stage: "won", Trigger: bridge.ToConfirmed, WonOnly: true},
		"When an opportunity of the record type Renewal worth at least EUR 1,234,567.00 reaches Won, count its amount in the total spend of its primary contact.": {Stage: "won", Trigger: bridge.TotalSpend, RecordType: "012", Minimum: hundred},
		"When an opportunity reaches Open, and stands for 1 day, move the referral of everybody with a contact role to unconfirmed.":                              {Stage: "Open", Trigger: bridge.ToUnconfirmed, Hold: 1, Who: bridge.Everybody},
		"When an opportunity reaches Open, add its primary contact to the campaign, referred by whom By__c names.":                                                {Stage: "Open", Trigger: bridge.AddContact, Referrer: "By__c"},
		"When an opportunity reaches a stage …": {},
	} {
		if got := sentence(r, []bridge.Stage{{Name: "won", Label: "Won"}}, map[bridge.SalesforceID]string{"012": "Renewal"}); got != want {
			t.Errorf("sentence is %q, want %q", got, want)
		}
	}
}
