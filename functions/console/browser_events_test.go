//go:build browser

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestEventsInBrowser walks through the pages about events to track as TestInBrowser does through the others: from a campaign
// without one, over an org that refuses the flow, to referrals that are moved and taken back.
func TestEventsInBrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "axe", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run .ci/axe first", err)
	}
	w, err := world.Start(t.Context(), world.Options{
		Root: filepath.Join("..", ".."), Salesforce: salesforce.Options{Generated: 400},
		ReferralHero: referralhero.Options{Latency: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{org: w.Org, orgURL: w.OrgURL}
	contact := r.crm(t, http.MethodPost, "Contact", map[string]any{"FirstName": "Tony", "LastName": "Hoare", "Email": "tony@example.com"})
	deal := r.crm(t, http.MethodPost, "Opportunity", map[string]any{"Name": "Quicksort licence", "StageName": "Prospecting", "CloseDate": "2027-10-01", "Amount": 1250.5, "ContactId": contact})

	b := newBrowser(t, w.Stack.URL, string(axe))
	b.open("/")
	b.click("#sign-in")
	b.wait("form")
	b.click("form button")
	b.wait("[data-person]")
	b.open("/account")
	b.fill("#token", w.Hero.Token())
	b.click("#token-form button")
	b.wait("[data-notice]")
	campaign := "/campaigns/" + w.Hero.Lists()[2].UUID
	at := campaign + "/events"
	b.open(at)
	b.look("events-not-connected")
	b.open("/connections")
	b.click("#connect-form button")
	b.wait("button[value=allow]")
	b.click("button[value=allow]")
	b.wait("[data-connection][data-state=active]")
	b.open(campaign + "/settings")
	b.evaluate(`document.querySelector("#connection").selectedIndex = 1`)
	b.click("#settings-form > button")
	b.wait("[data-notice]")
	b.open(at)
	b.look("events-goal-unknown")
	b.open(campaign + "/settings")
	b.click("#identifier-email")
	b.click("#events-2")
	b.click("#settings-form > button")
	b.wait("[data-notice]")
	b.open(at)
	b.look("events-empty")

	b.click("main a.btn-primary")
	b.wait("#event-form")
	b.look("event-new")
	b.click("#event-form details summary")
	b.look("event-new-all")
	b.fill("#name", "Deal won")
	b.fill("#minimum", "much")
	b.click("#save")
	b.wait("[data-problem]")
	b.look("event-wrong")
	b.evaluate(`(() => { const s = document.querySelector("#stage"); s.value = "Closed Won"; s.dispatchEvent(new Event("change", {bubbles: true})) })()`)
	b.click("#trigger-confirmed")
	b.eventually("the sentence follows the form by itself", `document.querySelector("#sentence").textContent.includes("reaches Closed Won, confirm the referral")`)
	b.fill("#minimum", "500")
	b.click("#won_only")
	b.fill("#deal", deal)
	b.click("#test")
	b.wait("[data-tested]")
	b.look("event-tested-no")
	b.click("#look-back")
	b.wait("[data-back-test]")
	b.look("event-looked-back")

	well := w.Org.Switches()
	ill := well
	ill.MissingPermissions = salesforce.Names{"CustomizeApplication", "ModifyMetadata", "ManageFlow", "ModifyAllData"}
	w.Org.SetSwitches(ill)
	b.click("#save")
	b.wait("[data-event]")
	b.eventually("what is missing shows by itself", `document.querySelector("[data-flow-state=needs_hands]")`)
	b.look("events-by-hand")
	b.open(at + "/installation/by-hand")
	b.look("event-manual")
	w.Org.SetSwitches(well)
	b.click("form[action$='/check'] button")
	b.wait("[data-notice]")
	b.eventually("it is installed, and shows by itself", `document.querySelector("[data-flow-state=working]") || (document.querySelector("[data-flow-state=needs_hands]") && document.querySelector("#check-form button").click())`)
	b.look("events-installed")
	b.open(at + "/rules/" + b.attribute("[data-event]", "event"))
	b.wait("#event-form")
	b.look("event-edit")

	r.crm(t, http.MethodPatch, "Opportunity/"+deal, map[string]any{"StageName": "Closed Won"})
	b.open(at + "/activity")
	b.eventually("the referral is confirmed", `document.querySelector("[data-action=confirmed][data-action-state=done]") || (location.reload(), false)`)
	b.look("event-activity")
	b.open(at)
	b.look("events-fired")
	b.open(at + "/why?deal=" + deal)
	b.wait("[data-answer]")
	b.look("event-why")
	r.crm(t, http.MethodPatch, "Opportunity/"+deal, map[string]any{"StageName": "Closed Lost"})
	b.open(at + "/reviews")
	b.eventually("the lost deal is for review", `document.querySelector("[data-review-kind=reversed]") || (location.reload(), false)`)
	b.look("event-reviews")
	b.open("/")
	b.look("events-home")
	b.open(at + "/reviews")
	b.click("[data-review] summary")
	b.look("event-unqualify")
	b.click("form[action$='/unqualify'] button")
	b.wait("[data-notice]")
	b.look("event-reviews-none")
	b.open(at + "/why?deal=" + deal)
	b.wait("[data-answer]")
	b.look("event-why-lost")
	b.open(at + "/why?deal=nonsense")
	b.wait("[data-problem=deal]")
	b.look("event-why-nonsense")

	b.open(at)
	b.click("form[action$='/off'] button")
	b.wait("#undo-form")
	b.look("events-off")
	b.click("#undo-form button")
	b.wait("[data-event-state=on]")
	b.click("[data-event] summary")
	b.click("[data-flow-actions] details:last-of-type summary")
	b.look("events-delete")
	b.click("#remove-flow-form button")
	b.wait("[data-notice]")
	b.eventually("it is removed, and shows by itself", `document.querySelector("[data-flow-state=left]")`)
	b.look("events-removed")
	b.open(at + "/history")
	b.look("event-history")
	b.complaints()
}

// TestDecisionsInBrowser looks at what only a person can decide.
func TestDecisionsInBrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "axe", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run .ci/axe first", err)
	}
	r := newRig(t)
	v, at, deal := r.seller(t)
	r.undecided(t, v, at, deal)
	b := newBrowser(t, r.url, string(axe))
	b.open("/sign-in/start?return=/account")
	b.fill("[name=name]", "Dana Reeve")
	b.fill("[name=email]", "dana@example.com")
	b.click("form button")
	b.wait("[data-person]")
	b.open(at + "/reviews")
	b.wait("[data-evidence]")
	b.look("event-reviews-all")
	b.click("form[action$='/happened'] button")
	b.wait("[data-notice]")
	b.look("event-decided")
	b.open(at + "/activity")
	b.look("event-activity-decided")
	b.complaints()
}

// attribute is a data attribute of an element.
func (b *screen) attribute(css, name string) string {
	b.Helper()
	value := b.evaluate(`document.querySelector("` + css + `").dataset["` + name + `"]`)
	return value[1 : len(value)-1]
}
