//go:build browser

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// TestSyncInBrowser walks through the pages about Salesforce of a campaign as TestInBrowser does through the others: from an
// org in which an administrator has to make the fields, over one that takes them, to refused records and the end.
func TestSyncInBrowser(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "axe", "axe.min.js"))
	if err != nil {
		t.Fatalf("%v: run .ci/axe first", err)
	}
	w, err := world.Start(t.Context(), world.Options{
		Root: filepath.Join("..", ".."), Salesforce: salesforce.Options{Generated: 300},
		ReferralHero: referralhero.Options{Latency: 400 * time.Millisecond, Subscribers: 4000}, // slow enough to be watched
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
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
	var campaigns []string
	for _, list := range w.Hero.Lists() {
		campaigns = append(campaigns, "/campaigns/"+list.UUID+"/salesforce")
	}
	at := campaigns[0]
	b.open(at)
	b.look("salesforce-not-connected")
	b.click("main a.btn-primary")
	b.wait("#connect-form")
	b.click("#connect-form button")
	b.wait("button[value=allow]")
	b.click("button[value=allow]")
	b.wait("[data-connection][data-state=active]")

	b.open(at)
	b.wait("#people [name=profile]")
	b.look("salesforce-options")
	b.click("#sync-form details summary")
	b.look("salesforce-options-all")
	b.fill("#search", "marco")
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "\r"))
	b.eventually("Enter after a name leads to people", `document.querySelector("[data-found='1']") && document.querySelector("[name=searched]").value === "marco"`)
	b.fill("#search", "aiko")
	b.click("#find")
	b.eventually("people are found without loading the page", `document.querySelector("[data-found='1']") && document.querySelector("[name=searched]").value === "aiko"`)
	b.click("[data-found] input")
	b.fill("#search", "nobody of this name")
	b.click("#find")
	b.eventually("whoever was picked stays picked", `document.querySelector("[data-picked='1']") && document.querySelector("[data-found='0']")`)
	b.fill("#parent", "Acme")
	b.click("#sync-form > button.btn-primary")
	b.wait("[data-problem=parent]")
	b.look("salesforce-options-wrong")
	if kept := b.evaluate(`document.querySelector("#parent").value + document.querySelector("[name=user]").checked`); kept != `"Acmetrue"` {
		t.Errorf("a wrong account leaves %s in the form, want what was typed", kept)
	}
	b.evaluate(`document.querySelector("#parent").value = ""`)

	well := w.Org.Switches()
	ill := well
	ill.Edition = "Professional Edition"
	w.Org.SetSwitches(ill)
	b.click("#sync-form > button.btn-primary")
	b.wait("#save-form")
	b.look("salesforce-preview-by-hand")
	b.click("#save-form button")
	b.eventually("the fields are looked for", `document.querySelector("[data-field-state=planned]") && !document.querySelector("[data-progress]")`)
	b.look("salesforce-by-hand")
	w.Org.SetSwitches(well)
	b.open(at + "/options")
	b.click("#sync-form > button.btn-primary")
	b.wait("#save-form")
	b.look("salesforce-preview")
	slow := well
	slow.AccessDelay = salesforce.Duration(8 * time.Second)
	w.Org.SetSwitches(slow)
	w.Org.SetRules(salesforce.Rule{Kind: salesforce.KindRecord, Object: "Contact", Field: "LastName", Contains: "77", Fault: salesforce.Fault{Message: "Please enter a real name"}},
		salesforce.Rule{Kind: salesforce.KindRecord, Object: "Contact", Field: "Email", Contains: "grace", Fault: salesforce.Fault{Code: "REQUIRED_FIELD_MISSING", Message: "Required fields are missing: [Region__c]"}})
	b.click("#save-form button")
	b.wait("[data-progress] .setup")
	b.look("salesforce-setting-up")
	b.eventually("the progress of the comparison shows by itself", `document.querySelector("[data-progress][data-running=true]")`)
	b.look("salesforce-filling-in")
	b.eventually("the result shows by itself", `document.querySelector("[data-statement]")`)
	b.eventually("a sample shows by itself", `document.querySelector("[data-sample]")`)
	b.look("salesforce-on")

	someone := person.New(w.Stack.URL)
	if err := someone.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	campaign := bridge.CampaignID(w.Hero.Lists()[0].UUID)
	if seen, err := someone.Fields(t.Context(), campaign); err != nil || seen.Kept != 14 || seen.Step != "done" || seen.States["SUB_ID"] != "Kept up to date" || seen.Refused < 2 {
		t.Errorf("a program reads %+v, %v", seen, err)
	}
	if seen, err := someone.Explain(t.Context(), campaign, "ada@example.com"); err != nil || seen.Different != 0 || seen.Record == "" || seen.Gone {
		t.Errorf("a program reads %+v, %v", seen, err)
	}

	b.open(at + "/attention")
	b.wait("[data-cause]")
	b.look("salesforce-attention")
	b.click("[data-cause] a[href*='attention?cause=']")
	b.wait("[data-cause]")
	b.look("salesforce-attention-cause")
	b.click("form[id^=retry] button")
	b.wait("[data-notice]")
	b.look("salesforce-attention-retried")
	b.open("/")
	b.look("salesforce-home")

	b.open(at + "/explain")
	b.look("salesforce-explain-empty")
	b.fill("#who", "ada@example.com")
	b.click("#explain-form button")
	b.wait("[data-explained]")
	b.look("salesforce-explain")
	b.fill("#who", "nobody")
	b.click("#explain-form button")
	b.wait("[data-problem=who]")
	b.look("salesforce-explain-nobody")

	b.open(campaigns[1])
	b.wait("#people [name=profile]")
	b.click("#sync-form > button.btn-primary")
	b.wait("[data-owner]")
	b.look("salesforce-preview-owned")

	w.Org.SetSwitches(well)
	if err := w.Org.SetAssigned("admin@acme.example", "RH_Integration", false); err != nil {
		t.Fatal(err)
	}
	b.open(at)
	b.click("form[action$='/check'] button")
	b.wait("[data-notice]")
	b.look("salesforce-hidden")
	b.open(at + "/remove")
	b.look("salesforce-remove-on")
	b.open(at)
	b.click("main details.action summary")
	b.look("salesforce-switch-off")
	b.click("form[action$='/off'] button")
	b.wait("[data-enabled=false]")
	b.look("salesforce-off")
	b.open(at + "/remove")
	b.fill("#confirm", "remove")
	b.click("#remove-form button")
	b.wait("[data-problem=confirm]")
	b.look("salesforce-remove")
	b.fill("#confirm", "REMOVE")
	b.click("#remove-form button")
	b.wait("[data-notice]")
	b.eventually("it is removed", `!document.querySelector("[data-progress]")`)
	b.look("salesforce-removed")
	b.complaints()
}
