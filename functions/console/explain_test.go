package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestExplain asks about people in all states, by all that one can be asked by.
func TestExplain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	contains(t, v.page(at+"/explain"), "The campaign is not kept in Salesforce yet.")
	list := r.hero.Lists()[0].UUID
	people := map[string]struct{ id, code string }{}
	for _, s := range r.hero.Subscribers(list) {
		people[s.Name] = struct{ id, code string }{s.ID, s.Code}
	}
	grace, ada := people["Grace Hopper"], people["Ada Lovelace"]
	r.org.SetRules(org.Rule{Kind: org.KindRecord, Object: "Contact", Field: "Email", Contains: "alan", Fault: org.Fault{Message: "No Turings"}})
	v.post(at, usual(connection), at)
	r.work(t)

	contains(t, v.page(at+"/explain"), "You see the fourteen values on both sides")
	page := v.page(at + "/explain?who=" + grace.id)
	contains(t, page, `data-explained="`+grace.id+`" data-different="0"`, "Grace Hopper", "grace@example.com", `data-value="TOT_REF" data-value-state="Equal"`, "<code>RH_TOT_REF__c</code>",
		"The comparison after syncing was switched on", "Open in Salesforce", r.orgURL+"/lightning/r/Contact/003")
	record := regexp.MustCompile(`data-record="(003\w{15})"`).FindStringSubmatch(page.text)[1]
	for name, who := range map[string]string{"by id": grace.id, "by code": grace.code, "by address": " Grace@example.com ", "by record": record, "by a record's short id": record[:15]} {
		a := v.do(http.MethodPost, at+"/explain", url.Values{"who": {who}})
		if !strings.Contains(a.text, `data-explained="`+grace.id+`"`) {
			t.Errorf("%s (%s): not found\n%s", name, who, a.text)
		}
	}

	changed := v.do(http.MethodPost, r.orgURL+"/contacts/"+record, url.Values{"RH_CODE__c": {"by hand"}, "RH_POSITION__c": {"77"}})
	if changed.StatusCode != http.StatusSeeOther {
		t.Fatalf("the contact was not changed: %s", changed.Status)
	}
	contains(t, v.page(at+"/explain?who="+grace.id), `data-different="2"`, "2 values differ", `data-value="CODE" data-value-state="Different"`, "by hand", grace.code, "Positions move for many people", "Write again")
	v.post(at+"/write", url.Values{"subscriber": {grace.id}}, at+"/explain?done=written&who="+grace.id)
	r.work(t)
	contains(t, v.page(at+"/explain?done=written&who="+grace.id), `data-different="0"`, "Tried again", "The record is written again")
	if a := v.do(http.MethodPost, at+"/write", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("writing nobody again answered %s", a.Status)
	}

	for name, who := range map[string]string{"by id": people["Alan Turing"].id, "by address": "alan@example.com"} {
		t.Log("refused, and asked for", name)
		contains(t, v.do(http.MethodPost, at+"/explain", url.Values{"who": {who}}), `data-explained="`+people["Alan Turing"].id+`"`, "No record", "Salesforce refuses the record: <q>No Turings</q>", "/attention?cause=FIELD_CUSTOM", `data-value-state="No record"`)
	}

	if a := v.do(http.MethodPost, r.heroURL+"/lists/"+list+"/subscribers/"+ada.id+"/delete", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	contains(t, v.page(at+"/explain?who="+ada.id), `data-gone="true"`, "No subscriber any more", "ReferralHero has this subscriber no more")
	v.post(at+"/compare", nil, at)
	r.catchUp(t)
	contains(t, v.page(at+"/explain?who="+ada.id), `data-different="0"`, `data-value-state="Cleared"`)

	for name, tc := range map[string]struct{ who, says string }{
		"nobody":                 {"", "Type a subscriber&#39;s id"},
		"an unknown address":     {"nobody@example.com", "ReferralHero has no verified subscriber with this e-mail address"},
		"an unknown code":        {"deadbeef", "Nobody in the campaign has that id or code."},
		"an unknown record":      {"0035g00000AbCdE", "Salesforce has no such record"},
		"somebody who is no one": {`"><script>`, "Nobody in the campaign has that id or code."},
	} {
		a := v.do(http.MethodPost, at+"/explain", url.Values{"who": {tc.who}})
		if a.StatusCode < 400 || a.StatusCode >= 500 {
			t.Errorf("%s: answered %s", name, a.Status)
		}
		contains(t, a, `data-problem="who"`, tc.says)
		lacks(t, a, "<script>")
	}
	contains(t, v.page(at+"/explain?who=sub_000000000000"), "Nobody", "has no verified subscriber")
	mail := v.get(at + "/explain?who=grace@example.com")
	if mail.StatusCode != http.StatusBadRequest {
		t.Errorf("an e-mail address in the address of the page: %s, want 400", mail.Status)
	}
	lacks(t, mail, "data-explained", "grace@example.com")

	r.org.SetRules(org.Rule{Kind: org.KindAPI, Fault: org.Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "busy"}})
	down := v.get(at + "/explain?who=" + grace.id)
	if down.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("an org that does not answer: %s, want 503", down.Status)
	}
	contains(t, down, "We could not reach everything that this needs", `value="`+grace.id+`"`)
	lacks(t, down, "busy")
}

// TestExplainWhatDoesNotFit asks about somebody with a text that is longer than its field.
func TestExplainWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	list := r.hero.Lists()[0].UUID
	id := r.hero.Subscribers(list)[0].ID
	long := strings.Repeat("long ", 60)
	change, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.heroURL+"/api/v2/lists/"+list+"/subscribers/"+id, strings.NewReader(`{"extra_field":"`+long+`the end"}`))
	if err != nil {
		t.Fatal(err)
	}
	change.Header.Set("Authorization", "Bearer "+r.hero.Token())
	change.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(change)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Fatalf("the subscriber was not changed: %s", response.Status)
	}
	v.post(at, usual(connection), at)
	r.work(t)
	contains(t, v.page(at), "data-misfit>EX_FIELD of 1 person is longer than Salesforce’s")
	page := v.page(at + "/explain?who=" + id)
	contains(t, page, `data-different="0"`, `data-value="EX_FIELD" data-value-state="Shortened"`, long+"the end", "Equal, but for 1 value that is too long")
}
