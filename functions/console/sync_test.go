package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	org "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// ready signs a person in who has given the token and connected the org, and returns the page about Salesforce of the first
// campaign, and the connection.
func (r *rig) ready(t *testing.T) (v *visitor, at, connection string) {
	t.Helper()
	v = r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	v.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account")
	return v, "/campaigns/" + r.hero.Lists()[0].UUID + "/salesforce", string(v.connect())
}

// catchUp does what is on the queues, and what the clock would start until in an hour.
func (r *rig) catchUp(t *testing.T) {
	t.Helper()
	r.work(t)
	people := r.console.Sync.(syncer.Service)
	later := func() time.Time { return time.Now().Add(time.Hour) }
	sweep := syncer.Sweep{Rows: r.rows, Changes: people.Changes, Jobs: people.Jobs, Now: later, Log: slog.New(slog.DiscardHandler)}
	if err := sweep.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.work(t)
}

// usual is the form as most people send it.
func usual(connection string) url.Values {
	return url.Values{"connection": {connection}, "people_of": {connection}, "target": {"Contact"}, "only": {"everybody"}, "every": {"24"}, "prefix": {"prefixed"}}
}

// with is a form with other values.
func with(form url.Values, pairs ...string) url.Values {
	other := url.Values{}
	for name, values := range form {
		other[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		other.Set(pairs[i], pairs[i+1])
	}
	return other
}

// lacks fails if the page has one of the texts.
func lacks(t *testing.T, a answer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.text, text) {
			t.Errorf("%s %s has %q\n%s", a.Request.Method, a.Request.URL.Path, text, a.text)
		}
	}
}

// TestKeepInSalesforce walks the whole way: from a campaign that nobody has said anything about to the end.
func TestKeepInSalesforce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.visitor(t)
	v.signIn("Dana Reeve", "dana@example.com")
	v.post("/account/token", url.Values{"token": {r.hero.Token()}}, "/account")
	at := "/campaigns/" + r.hero.Lists()[0].UUID + "/salesforce"
	contains(t, v.page(at), "First, connect your Salesforce account", "Connect your Salesforce account")
	contains(t, v.page("/"), "Kept in Salesforce", "No campaign yet")
	connection := string(v.connect())
	v.page("/connections?connected=" + connection) // examines the org
	form := usual(connection)

	first := v.page(at)
	contains(t, first, `value="`+connection+`" selected`, "Subscribers become", "Link only, never create", "Sales User", "About 1 call to ReferralHero a day", `value="24"`)
	lacks(t, first, `aria-label="Salesforce"`, " open>")
	preview := v.do(http.MethodPost, at+"/preview", form)
	contains(t, preview, `data-subscribers="4"`, "14 fields are made", `data-planned="CODE" data-api-name="RH_CODE__c" data-exists="false"`,
		`data-set="RH_Integration"`, "admin@acme.example, who may edit", "it goes to nobody", `data-hero-calls="1"`, `data-bulk="false"`, "less than a minute", ">Save<")
	r.work(t)
	contains(t, v.do(http.MethodPost, at+"/preview", form), "14 fields are made") // nothing came of it
	contains(t, v.page(at), "Keep subscribers in Salesforce")

	for range 2 { // the second time nothing is left to do
		v.post(at, form, at+"?done=sync-saved")
	}
	page := v.page(at + "?done=sync-saved")
	contains(t, page, "Saved.", "Setting up", `data-fields-step="queued"`, `hx-get="`+at+`/progress?seen=`, `http-equiv="refresh"`, `data-kept="0"`)
	seen := regexp.MustCompile(`progress\?seen=([^"]+)"`).FindStringSubmatch(page.text)[1]
	if same := v.page(at + "/progress?seen=" + seen); same.Header.Get("HX-Refresh") != "" || strings.Contains(same.text, "<html") {
		t.Errorf("progress of what is shown: HX-Refresh = %q\n%s", same.Header.Get("HX-Refresh"), same.text)
	}
	r.work(t)
	if over := v.page(at + "/progress?seen=" + seen); over.Header.Get("HX-Refresh") != "true" {
		t.Error("the progress does not tell the page that it is over")
	}

	page = v.page(at)
	contains(t, page, `data-kept="14"`, `data-enabled="true"`, `data-subscribers="4"`, "4 subscribers: 0 equal, 4 repaired.",
		"Permission sets: <code>RH_Integration</code>", "<code>RH_Reader</code>", "/lightning/setup/ObjectManager/Contact/PageLayouts/view",
		`hx-get="`+at+`/sample" hx-trigger="load"`, "Comparisons", `data-org-calls="`, "of its 115,000 calls in 24 hours")
	sample := v.page(at + "/sample")
	contains(t, sample, "https://www.example.com/join?mwr=", r.orgURL+"/lightning/r/Contact/003", `data-api-name="RH_TOT_REF__c" data-field-state="visible"`)
	lacks(t, sample, "<html")
	contains(t, v.page(at+"?sample=yes"), "https://www.example.com/join?mwr=")
	contains(t, v.page(at+"/options"), "It is on.", `value="`+connection+`" selected`)
	contains(t, v.page("/"), "Spring Referral</a>", `data-needs="0"`)

	r.catchUp(t)
	for range 2 {
		v.post(at+"/compare", nil, at+"?done=sync-compare")
	}
	r.work(t)
	contains(t, v.page(at), "4 subscribers: 4 equal.", "Compare now")
	v.post(at+"/check", nil, at+"?done=sync-check")
	contains(t, v.page(at+"?done=sync-check"), "Looked at just now.")

	contains(t, v.page(at+"/remove"), "Switch it off first", ">Spring Referral</a>")
	if a := v.do(http.MethodPost, at+"/remove", url.Values{"confirm": {"REMOVE"}, "wipe": {"yes"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("removing what is in use answered %s, want 409", a.Status)
	}
	for range 2 {
		v.post(at+"/off", nil, at+"?done=sync-off")
	}
	contains(t, v.page(at+"?done=sync-off"), "Switched off.", `data-enabled="false"`, "Switch on…")
	contains(t, v.page("/"), "No campaign yet")
	refused := v.do(http.MethodPost, at+"/remove", url.Values{"confirm": {"remove"}, "wipe": {"yes"}})
	if refused.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("removing without the word answered %s, want 422", refused.Status)
	}
	contains(t, refused, `data-problem="confirm"`, `id="wipe-yes" value="yes" checked`)
	v.post(at+"/remove", url.Values{"confirm": {" REMOVE "}, "wipe": {"yes"}}, at+"?done=sync-remove")
	contains(t, v.page(at), "What we installed is being removed")
	r.work(t)
	contains(t, v.page(at), `data-enabled="false"`)
	lacks(t, v.page(at), `data-field="CODE"`, "Remove from Salesforce")
	if a := v.get(at + "/remove"); a.StatusCode != http.StatusNotFound {
		t.Errorf("removing what is removed answered %s, want 404", a.Status)
	}

	v.post(at, form, at+"?done=sync-saved") // and on again
	r.work(t)
	contains(t, v.page(at), `data-kept="14"`, `data-enabled="true"`)
	if a := v.do(http.MethodPost, at+"/explode", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("an action that there is not answered %s", a.Status)
	}
}

// TestOptionsThatCannotBe sends the form with something that cannot be: it must say so at the field and keep the rest.
func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	for name, tc := range map[string]struct {
		change []string
		field  string
		kept   []string
	}{
		"no connection":                {[]string{"connection", ""}, "connection", []string{`id="only-advocates" value="advocates"`}},
		"a foreign connection":         {[]string{"connection", "c_foreign"}, "connection", nil},
		"no target":                    {[]string{"target", "Company"}, "target", nil},
		"nobody":                       {[]string{"only", "nobody", "link_only", "on"}, "only", []string{`name="link_only" checked`}},
		"every minute":                 {[]string{"every", "0.02"}, "every", nil},
		"an account that is none":      {[]string{"parent", "0035g00000AbCdE", "only", "advocates"}, "parent", []string{"0035g00000AbCdE", `value="advocates" aria-describedby="only-advocates-text" checked`}},
		"an account that is not there": {[]string{"parent", "0015g00000AbCdE"}, "parent", []string{"sees no account with this id"}},
		"an account in words":          {[]string{"parent", `"><b>Acme`}, "parent", []string{"&#34;&gt;&lt;b&gt;Acme"}},
		"a person without type":        {[]string{"target", "PersonAccount"}, "record_type", nil},
		"a record type that is none":   {[]string{"target", "PersonAccount", "record_type", "x"}, "record_type", []string{`value="x"`}},
		"names that there are not":     {[]string{"prefix", "ACME_"}, "prefix", nil},
		"somebody who is no person":    {[]string{"user", "0035g00000AbCdEAAX"}, "users", nil},
		"a profile that is no profil":  {[]string{"profile", "x"}, "profiles", nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := &visitor{T: t, rig: r, client: v.client}
			a := v.do(http.MethodPost, at, with(usual(connection), tc.change...))
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("answered %s, want a refusal", a.Status)
			}
			contains(t, a, `data-problem="`+tc.field+`"`, `role="alert"`, `href="#`+tc.field+`"`)
			contains(t, a, tc.kept...)
			lacks(t, a, "<b>Acme")
		})
	}
	contains(t, v.page(at), "Keep subscribers in Salesforce") // nothing was saved
	hero := referralhero.Client{BaseURL: r.heroURL + "/api/v2", HTTP: http.DefaultClient}
	list := bridge.CampaignID(r.hero.Lists()[0].UUID)
	if _, _, err := hero.Add(t.Context(), bridge.NewSecret(r.hero.Token()), list, referralhero.Person{Identifier: bridge.ByEmail, Value: "new@example.com", Name: "Somebody New"}); err != nil {
		t.Fatal(err)
	}
	contains(t, v.do(http.MethodPost, at+"/preview", usual(connection)), `data-subscribers="5"`) // since the list was last asked for
	company := r.crm(t, http.MethodPost, "Account", map[string]any{"Name": "Acme"})
	pasted := v.do(http.MethodPost, at+"/preview", with(usual(connection), "parent", r.orgURL+"/lightning/r/Account/"+company[:15]+"/view?ws=x"))
	contains(t, pasted, "under the account <code>"+company+"</code>", `name="parent" value="`+company+`"`)

	r.org.RevokeGrants()
	v.post("/connections/"+connection+"/doctor", nil, "/connections/")
	dead := v.do(http.MethodPost, at+"/preview", with(usual(connection), "only", "advocates"))
	contains(t, dead, "Salesforce does not let us into this org now", `value="advocates" aria-describedby="only-advocates-text" checked`)
	contains(t, v.page(at), "Salesforce does not let us into this org now")
}

func TestOneCampaignOwnsTheFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	second := "/campaigns/" + r.hero.Lists()[1].UUID + "/salesforce"
	lists := r.hero.Lists()
	for _, step := range []string{"/preview", ""} {
		a := v.do(http.MethodPost, second+step, usual(connection))
		contains(t, a, `data-owner="`+lists[0].UUID+`"`, "Spring Referral keeps its values in these fields already.", `href="`+at+`"`, "Partner Programme can import")
		lacks(t, a, ">Save<")
	}
	contains(t, v.page(second), "Keep subscribers in Salesforce")
	v.post(at+"/off", nil, at)
	contains(t, v.do(http.MethodPost, second+"/preview", usual(connection)), ">Save<")
	v.post(second, usual(connection), second)
	r.work(t)
	contains(t, v.page(second), `data-kept="14"`, "4 subscribers: 0 equal, 4 repaired.")
}

// TestFieldsByHand walks through an org whose edition lets no app make fields.
func TestFieldsByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	switches := r.org.Switches()
	switches.Edition = "Professional Edition"
	r.org.SetSwitches(switches)
	preview := v.do(http.MethodPost, at+"/preview", usual(connection))
	contains(t, preview, "Apps cannot add fields in this edition", "An administrator makes 14 fields by hand", "Text, length 64, unique (case sensitive), external id",
		"Number, length 18, decimal places 0", "Managed by Referral Bridge", r.orgURL+"/lightning/setup/ObjectManager/Contact/FieldsAndRelationships/view", ">Save<")
	v.post(at, usual(connection), at)
	r.work(t)
	page := v.page(at)
	contains(t, page, "The connected user sees none of the fields yet", `data-kept="0"`, `data-field="SUB_ID" data-object="Contact" data-api-name="RH_SUB_ID__c" data-field-state="planned"`,
		"Data type <strong>Text, length 64, unique (case sensitive), external id</strong>; label <code>RH SUB_ID</code>; name <code>RH_SUB_ID</code>", "Check again", "Apps cannot add fields")
	lacks(t, page, "It is not there yet.")

	made := func(i provision.Instruction) {
		t.Helper()
		kind := map[string]string{"Text": "Text", "URL": "Url", "Number": "Number", "Date/Time": "DateTime"}[i.Type]
		form := url.Values{"object": {"Contact"}, "name": {i.Name}, "label": {i.Label}, "type": {kind}, "length": {fmt.Sprint(max(i.Length, i.Places))}, "visible": {"on"}}
		if i.External {
			form.Set("external", "on")
			form.Set("unique", "on")
		}
		if a := v.do(http.MethodPost, r.orgURL+"/setup/fields", form); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("field %s: %s\n%s", i.Name, a.Status, a.text)
		}
	}
	for i, f := range bridge.Fields {
		if i != bridge.TwitterLink {
			made(provision.Instruct(f, "RH_"+f.Name+"__c"))
		}
	}
	v.post(at+"/check", nil, at+"?done=sync-check")
	r.work(t)
	contains(t, v.page(at), `data-kept="13"`, `data-api-name="RH_TW_LINK__c" data-field-state="planned"`, "13 of 14 kept up to date", "4 repaired")
	switches.Edition = ""
	r.org.SetSwitches(switches)
	v.post(at+"/check", nil, at)
	contains(t, v.page(at), "We could set up the rest now")
	v.post(at+"/repair", nil, at+"?done=sync-repair")
	r.work(t)
	contains(t, v.page(at), `data-kept="14"`, "Permission sets")
}

// TestNamesThatAreTaken has an org with a field of the customer's own that has a name we would take.
func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	own := url.Values{"object": {"Contact"}, "name": {"Source"}, "label": {"Theirs"}, "type": {"Text"}, "length": {"20"}, "visible": {"on"}}
	if a := v.do(http.MethodPost, r.orgURL+"/setup/fields", own); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	preview := v.do(http.MethodPost, at+"/preview", with(usual(connection), "prefix", "bare"))
	contains(t, preview, "1 name is taken by fields of your own", `data-planned="SOURCE" data-api-name="RH_SOURCE__c" data-exists="false" data-taken="SOURCE__c"`,
		`data-planned="CODE" data-api-name="CODE__c"`)
	v.post(at, with(usual(connection), "prefix", "bare"), at)
	r.work(t)
	contains(t, v.page(at), `data-api-name="RH_SOURCE__c"`, `data-api-name="CODE__c"`, `data-kept="14"`)
	contains(t, v.page(at+"/options"), `id="prefix-bare" value="bare" aria-describedby="prefix-bare-text" checked`)
}

// TestLeads keeps subscribers as leads: the fields are on contacts, too.
func TestLeads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	leads := with(usual(connection), "target", "Lead", "only", "advocates", "link_only", "on", "every", "6")
	contains(t, v.do(http.MethodPost, at+"/preview", leads), "28 fields are made", "Fields of Lead", "Fields of Contact", "Subscribers without a lead are left out", "Only advocates", "every six hours")
	v.post(at, leads, at)
	r.work(t)
	contains(t, v.page(at), "leads, where there are some – Only advocates", `data-field="CODE" data-object="Lead"`, `data-field="CODE" data-object="Contact"`, "4 subscribers: 0 equal, 4 left out on purpose.")
	contains(t, v.page(at+"/attention"), "Nothing needs you", "has no record in Salesforce, and none is to be made", "only advocates are synced", "just now")
	contains(t, v.page(at+"/options"), `id="target-Lead" value="Lead" aria-describedby="target-Lead-text" checked`, `name="link_only" checked`, "<details class=\"mb-4\" open>")
}

// TestPersonAccounts reads what the connected user gets to do with accounts, before it is saved, and as it was.
func TestPersonAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	preview := func(change ...string) answer {
		return v.do(http.MethodPost, at+"/preview", with(usual(connection), change...))
	}
	contains(t, preview(), "who may edit the fields.")
	switches := r.org.Switches()
	switches.PersonAccounts = true
	r.org.SetSwitches(switches)
	contains(t, preview(), "who may edit the fields, and may edit accounts: person accounts are written by these.")
	persons := []string{"target", "PersonAccount", "record_type", "0125g00000AbCdE"}
	contains(t, preview(persons...), "and may make and edit accounts")
	v.post(at, with(usual(connection), persons...), at)
	setup, err := r.rows.Setup(t.Context(), v.account(), bridge.ConnectionID(connection))
	if err != nil || !setup.Persons {
		t.Errorf("what was chosen is %+v, %v; want person accounts", setup, err)
	}
}

// TestPickingPeople picks readers: by a part of the page, by the whole page, and of another org.
func TestPickingPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	people := func(form url.Values) string {
		t.Helper()
		a := v.do(http.MethodPost, at+"/options", form, "HX-Request", "true")
		lacks(t, a, "<html")
		return a.text
	}
	found := regexp.MustCompile(`id="user-(005\w{15})" value="005\w{15}">`).FindStringSubmatch(people(with(usual(connection), "search", "aiko")))
	if found == nil {
		t.Fatal("Aiko is not found")
	}
	aiko := found[1]
	profile := regexp.MustCompile(`id="profile-(00e\w{15})" value="00e\w{15}"><label[^>]*>Sales User`).FindStringSubmatch(people(usual(connection)))[1]
	picked := with(usual(connection), "user", aiko, "profile", profile, "search", "sales", "parent", "typed")
	whole := v.do(http.MethodPost, at+"/options", picked)
	contains(t, whole, "<html", `data-picked="1"`, `id="user-`+aiko+`" value="`+aiko+`" checked`, `id="profile-`+profile+`" value="`+profile+`" checked`, `data-found="1"`, "Marco", `value="typed"`)
	picked.Set("parent", "")
	contains(t, v.do(http.MethodPost, at+"/preview", picked), `data-found="1"`, `name="searched" value="sales"`) // Enter after a name
	picked.Set("searched", "sales")
	contains(t, v.do(http.MethodPost, at+"/preview", picked), "<strong>Aiko Mori, everybody with the profile Sales User (2 people)</strong>")
	v.post(at, picked, at)
	r.work(t)
	contains(t, v.page(at+"/options"), `value="`+aiko+`" checked`, `value="`+profile+`" checked`)

	second := "/campaigns/" + r.hero.Lists()[1].UUID + "/salesforce"
	changed := with(usual(connection), "people_of", "c_other", "user", "0055g00000AbCdEAAU")
	if text := v.do(http.MethodPost, second+"/options", changed, "HX-Request", "true").text; !strings.Contains(text, `value="`+aiko+`" checked`) {
		t.Errorf("after another org was chosen, those who see the fields there are not picked:\n%s", text)
	}
	contains(t, v.do(http.MethodPost, second+"/options", with(usual(""), "people_of", ""), "HX-Request", "true"), "Choose the Salesforce account first")
	r.org.SetRules(org.Rule{Kind: org.KindQuery, Fault: org.Fault{Status: 503, Code: "SERVER_UNAVAILABLE", Message: "busy"}})
	down := people(picked)
	if !strings.Contains(down, "Salesforce does not list its people now") || !strings.Contains(down, `<input type="hidden" name="user" value="`+aiko+`">`) {
		t.Errorf("an org that does not answer loses the picks:\n%s", down)
	}
}

// TestHiddenFields has the fields hidden from the connected user, and repairs them.
func TestHiddenFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	r.work(t)
	hide := func() {
		t.Helper()
		if err := r.org.SetAssigned("admin@acme.example", "RH_Integration", false); err != nil {
			t.Fatal(err)
		}
	}
	hide()
	v.post(at+"/check", nil, at)
	r.work(t)
	page := v.page(at)
	contains(t, page, `data-kept="0"`, `data-field-state="hidden"`, "field-level security hides it", "Repair puts it right.", "The connected user does not have our permission set any more", "Waiting")
	v.post(at+"/repair", nil, at)
	r.work(t)
	contains(t, v.page(at), `data-kept="14"`)
	lacks(t, v.page(at), "does not have our permission set any more")

	hide() // and by the page of the examination
	doctor := "/connections/" + connection + "/doctor"
	v.post(doctor, nil, doctor)
	contains(t, v.page(doctor), `data-finding="our_set_missing"`, `action="/connections/`+connection+`/repair"`, "Repair the fields")
	v.post("/connections/"+connection+"/repair", nil, doctor+"?done=sync-repair")
	r.work(t)
	v.post(doctor, nil, doctor)
	lacks(t, v.page(doctor), `data-finding="our_`)
}

// TestForeignSyncIsNotThere lets a stranger try every page and every form.
func TestForeignSyncIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	r.work(t)
	subscriber := r.hero.Subscribers(r.hero.Lists()[0].UUID)[0].ID
	stranger := r.visitor(t)
	stranger.signIn("Sam Other", "sam@example.com")
	for _, route := range r.console.table() {
		method, path, _ := strings.Cut(route.pattern, " ")
		if !strings.Contains(path, "/salesforce") && path != "/connections/{connection}/repair" {
			continue
		}
		for _, action := range []string{"off", "compare", "repair", "check"} {
			address := strings.NewReplacer("/campaigns/{campaign}/salesforce", at, "{connection}", connection, "{action}", action).Replace(path)
			a := stranger.do(method, address, with(usual(connection), "who", subscriber, "subscriber", subscriber, "confirm", "REMOVE"))
			if a.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s by a stranger answered %s, want 404", method, address, a.Status)
			}
			lacks(t, a, "Acme", "Spring", subscriber)
		}
	}
	contains(t, v.page(at), `data-enabled="true"`, `data-kept="14"`)
}

// seenDays says what the last days have seen.
type seenDays struct {
	syncing
	change func(*syncer.Health)
}

func (s seenDays) Health(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, days int) (syncer.Health, error) {
	h, err := s.syncing.Health(ctx, account, campaign, days)
	s.change(&h)
	return h, err
}

// TestHealth shows a campaign in the states that the rig's own history does not have.
func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	r.work(t)
	r.console.Now = func() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }
	now := r.console.Now()
	real := r.console.Sync
	for name, tc := range map[string]struct {
		change func(*syncer.Health)
		want   []string
		not    []string
	}{
		"days": {
			func(h *syncer.Health) {
				today := now.Truncate(24 * time.Hour)
				h.Days = []syncer.Day{
					{Day: today.AddDate(0, 0, -3), Tally: syncer.Tally{Written: 1200, Equal: 40, OrgCalls: 9}},
					{Day: today, Tally: syncer.Tally{Written: 3, Refused: 1, OrgCalls: 2}},
				}
				h.LastAt = now.Add(-4 * time.Minute)
				h.Sync.Wanted, h.Sync.NextRun = "", now.Add(3*time.Hour)
			},
			[]string{"4 minutes ago", `data-chart="written" data-sum="1203"`, "1,203, most in a day 1,200", `<title>24 Nov: 1,200</title>`, `height="60"`, `data-org-calls="2"`,
				"<strong>2 calls</strong>", `<th scope="row">27 Nov 2026</th><td class="text-end">3</td><td class="text-end">0</td><td class="text-end">1</td><td class="text-end">2</td>`,
				"15:00 UTC", `data-sync-state="On"`},
			[]string{"hx-trigger=\"every", "Nothing has been compared"},
		},
		"nothing yet": {func(h *syncer.Health) { h.Days = nil }, []string{"Nothing has been compared or written yet."}, []string{"<figure"}},
		"waiting in the middle": {
			func(h *syncer.Health) {
				h.Sync.Wanted, h.Sync.Waits, h.Sync.Until = "", "This hour's calls to ReferralHero are used up", now.Add(25*time.Minute)
				h.Run = &syncer.Run{ID: "r_1", Why: "regular", Page: 101, Pages: 249, Statement: syncer.Statement{Subscribers: 5000, Equal: 4990, Repaired: 7, Refused: 2, Skipped: 1}}
			},
			[]string{"This hour&#39;s calls to ReferralHero are used up. Nothing is lost", "We look again at", "12:25 UTC", "Page <strong>100</strong> of 249", "40&nbsp;%", `data-count="compared">5,000<`, `data-count="equal">4,990<`},
			[]string{"hx-trigger=\"every"},
		},
		"comparing": {
			func(h *syncer.Health) {
				h.Sync.Wanted = ""
				h.Run = &syncer.Run{ID: "r_1", Why: "regular", Page: 250, Pages: 249, Load: &syncer.Loading{Rows: 31_000}}
			},
			[]string{`data-sync-state="Comparing"`, "Salesforce is writing 31,000 records in the background", "100&nbsp;%", `hx-trigger="every 2s"`},
			[]string{"Compare now"},
		},
		"nothing waits": {
			func(h *syncer.Health) { h.Sync.Wanted, h.Causes = "", 0 }, []string{`data-backlog="empty"`, "Nothing older than a few minutes"}, nil,
		},
		"changes wait": {
			func(h *syncer.Health) {
				h.Sync.Wanted, h.Sync.Waits, h.Sync.Since, h.LastAt = "", "Salesforce does not answer as it should", now.Add(-2*time.Hour), now.Add(-3*time.Hour)
				h.Causes = 12
			},
			[]string{`data-backlog="waits"`, "All changes since ", "10:00 UTC", "12 refused records, tried again"}, []string{"Nothing older"},
		},
		"a part of the changes waits, and a comparison": {
			func(h *syncer.Health) {
				h.Sync.Wanted, h.Sync.Waits, h.Sync.Since, h.LastAt = "", "This hour's calls to ReferralHero are used up", now.Add(-2*time.Hour), now
				h.Run = &syncer.Run{ID: "r_1", Page: 101, Pages: 249, Total: 12_431, Statement: syncer.Statement{Subscribers: 5000}}
			},
			[]string{"Some changes since ", "7,431 subscribers to compare"}, []string{"All changes since"},
		},
		"it waits, and the release before said so": {
			func(h *syncer.Health) { h.Sync.Wanted, h.Sync.Waits, h.Sync.Since = "missed", "x", time.Time{} },
			[]string{"Changes, until it can go on", "A comparison of everybody"}, nil,
		},
		"a bulk load": {
			func(h *syncer.Health) {
				h.Sync.Wanted = ""
				h.Run = &syncer.Run{ID: "r_1", Page: 250, Pages: 249, Total: 12_431, Statement: syncer.Statement{Subscribers: 12_431}, Load: &syncer.Loading{Rows: 31_000}}
			},
			[]string{"31,000 records that Salesforce is writing", `data-backlog="loads"`}, []string{"to compare<"},
		},
		"late": {
			func(h *syncer.Health) { h.Sync.Wanted, h.Sync.NextRun = "", now.Add(-3*time.Hour) },
			[]string{`data-sync-state="Behind"`, "Compare now"}, nil,
		},
		"ended early": {
			func(h *syncer.Health) {
				h.Past = []syncer.Run{{ID: "r_1", Why: "asked for", EndedAt: now.Add(-time.Hour), Cause: "<b>no</b> luck",
					Statement: syncer.Statement{Subscribers: 12_431, Equal: 12_410, Repaired: 9, Refused: 12, Created: 1, Skipped: 3, HeroCalls: 249, OrgCalls: 14}}}
			},
			[]string{"12,431 subscribers: 12,410 equal, 9 repaired, 12 need you, 3 left out on purpose.", "with 249 calls to ReferralHero and 14 of the org’s", "1 of the repaired is a new record",
				"It ended early: &lt;b&gt;no", "Ended early: &lt;b&gt;no", "Who was left out, and why"},
			[]string{"<b>no"},
		},
	} {
		r.console.Sync = seenDays{real, tc.change}
		page := v.page(at)
		for _, want := range tc.want {
			if !strings.Contains(page.text, want) {
				t.Errorf("%s: the page lacks %q\n%s", name, want, page.text)
			}
		}
		for _, not := range tc.not {
			if strings.Contains(page.text, not) {
				t.Errorf("%s: the page has %q", name, not)
			}
		}
	}
}

// noSetup knows of no fields.
type noSetup struct{ fields }

func (noSetup) Status(context.Context, bridge.AccountID, bridge.ConnectionID) (provision.Status, error) {
	return provision.Status{}, &bridge.Error{Op: "test", Kind: bridge.NotFound}
}

// TestNeverSetUp has a campaign that is on, in an org without fields: whoever saved it was cut off in the middle.
func TestNeverSetUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v, at, connection := r.ready(t)
	v.post(at, usual(connection), at)
	r.console.Fields = noSetup{r.console.Fields}
	contains(t, v.page(at), "The fields were never set up in this org", "save them once more")
	lacks(t, v.page(at), "data-kept")
}
