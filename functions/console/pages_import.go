package main

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

// imports is what a person does with imports.
type imports interface {
	planned
	followed
	changed
}

type planned interface {
	Preview(ctx context.Context, account bridge.AccountID, o bridge.ImportOptions) (importer.Preview, error)
	Start(ctx context.Context, account bridge.AccountID, startedBy string, o bridge.ImportOptions) (bridge.Import, error)
}

type followed interface {
	Get(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (importer.Progress, error)
	List(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error)
	Outcomes(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[importer.Row, error]
	Waiting(ctx context.Context, account bridge.AccountID) (map[bridge.ConnectionID]importer.Waiting, error)
}

type changed interface {
	Pause(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
	Resume(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
	Cancel(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
	Retry(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error)
}

// wizardPage is the tab "Import from CRM" of a campaign: a new import, and the former ones.
type wizardPage struct {
	tabs
	Connections []bridge.Connection
	Options     bridge.ImportOptions // as typed
	Example     string               // referral link made of the address
	Running     *importRow
	Imports     []importRow
	More        bool
}

func (v *visit) campaignImports() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	o := bridge.ImportOptions{Connection: c.Connection, URL: c.URL}
	return v.showWizard(http.StatusOK, c, nil, o)
}

// shortList is how many imports a page shows at a time.
const shortList = 20

func (v *visit) showWizard(status int, c bridge.Campaign, found []problem, o bridge.ImportOptions) error {
	live, err := v.liveConnections(v.ctx())
	if err != nil {
		return err
	}
	former, err := v.Imports.List(v.ctx(), v.acc(), c.ID, "", shortList+1)
	if err != nil {
		return err
	}
	tabs, err := v.tabs(c, "import")
	if err != nil {
		return err
	}
	page := wizardPage{
		tabs: tabs, Connections: live, Options: o, Example: referralLink(o.URL), Imports: rows(former, []bridge.Campaign{c}),
	}
	if page.More = len(former) > shortList; page.More {
		page.Imports = page.Imports[:shortList]
	}
	for i := range page.Imports {
		if !page.Imports[i].State.Ended() {
			page.Running = &page.Imports[i]
			break
		}
	}
	v.render(status, "wizard.html", view{Title: c.Name, Section: "campaigns", Notice: v.notice(), Problems: found, Data: page})
	return nil
}

// referralLink shows what a subscriber's link will look like, or nothing for an address that is none.
func referralLink(base string) string {
	base = strings.TrimSpace(base)
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || bridge.LinkProblem(base) != "" {
		return ""
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "mwr=123456"
	return u.String()
}

// example answers with the referral link that the address in the query would give, while it is being typed.
func (v *visit) example() error {
	v.execute(http.StatusOK, "wizard.html", "example", view{Data: referralLink(v.r.URL.Query().Get("url"))})
	return nil
}

// optionsOf reads the wizard's form.
func optionsOf(form url.Values, c bridge.Campaign) bridge.ImportOptions {
	return bridge.ImportOptions{
		Campaign: c.ID, Identifier: c.Identifier, Connection: bridge.ConnectionID(form.Get("connection")),
		URL: strings.TrimSpace(form.Get("url")), Welcome: form.Get("welcome") == "on", Filter: strings.TrimSpace(form.Get("filter")),
	}
}

// wizardFields are those of which a bad value is shown at its place.
var wizardFields = []string{"connection", "url", "filter", "welcome"}

type previewPage struct {
	tabs
	Connection bridge.Connection
	Options    bridge.ImportOptions
	Preview    importer.Preview
	Example    string
}

// Identifier is what tells subscribers apart, in a sentence.
func (p previewPage) Identifier() string {
	if p.Options.Identifier == bridge.ByPhone {
		return "phone number"
	}
	return "e-mail address"
}

// previewImport says what an import would do. It takes a form although it changes nothing: a filter may name
// people, and an address is no place for names.
func (v *visit) previewImport() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	return v.showPreview(http.StatusOK, c, optionsOf(v.r.PostForm, c), nil)
}

func (v *visit) showPreview(status int, c bridge.Campaign, o bridge.ImportOptions, found []problem) error {
	preview, err := v.Imports.Preview(v.ctx(), v.acc(), o)
	if err != nil {
		return v.wizardAgain(err, c, o)
	}
	connection, err := v.Connections.Get(v.ctx(), v.acc(), o.Connection)
	if err != nil {
		return err
	}
	tabs, err := v.tabs(c, "import")
	if err != nil {
		return err
	}
	v.render(status, "preview.html", view{
		Title: "Preview", Section: "campaigns", Problems: found,
		Data: previewPage{tabs: tabs, Connection: connection, Options: o, Preview: preview, Example: referralLink(o.URL)},
	})
	return nil
}

// wizardAgain shows the wizard with what was typed and what is wrong with it.
func (v *visit) wizardAgain(err error, c bridge.Campaign, o bridge.ImportOptions) error {
	found, err2 := problems(err, wizardFields...)
	if err2 != nil {
		return err2
	}
	apigw.Log(v.r, err, apigw.Status(err))
	return v.showWizard(apigw.Status(err), c, found, o)
}

// startImport begins. Sent twice it begins once: the second finds the first one running.
func (v *visit) startImport() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	o := optionsOf(v.r.PostForm, c)
	if v.r.PostForm.Get("confirmed") != "on" {
		return v.showPreview(http.StatusBadRequest, c, o, []problem{{"confirmed", "Please confirm this: ReferralHero's API has no switch for it, so only you can check."}})
	}
	begun, err := v.Imports.Start(v.ctx(), v.acc(), v.session.Person.Name, o)
	if bridge.KindOf(err) == bridge.Conflict {
		return v.goToRunning(err, c)
	}
	if err != nil {
		return v.wizardAgain(err, c, o)
	}
	v.redirect("/imports/" + string(begun.ID))
	return nil
}

func (v *visit) goToRunning(conflict error, c bridge.Campaign) error {
	latest, err := v.Imports.List(v.ctx(), v.acc(), c.ID, "", shortList)
	if err != nil {
		return err
	}
	for _, i := range latest {
		if !i.State.Ended() {
			v.redirect("/imports/" + string(i.ID) + "?done=running")
			return nil
		}
	}
	return conflict
}

// importRow is an import in a list.
type importRow struct {
	bridge.Import
	CampaignName string
}

// total is how many contacts the import is about, as far as is known.
func total(i bridge.Import) int {
	if i.Planned {
		return i.Selected
	}
	return max(i.Total, i.Selected)
}

func rows(all []bridge.Import, campaigns []bridge.Campaign) []importRow {
	names := map[bridge.CampaignID]string{}
	for _, c := range campaigns {
		names[c.ID] = c.Name
	}
	out := make([]importRow, len(all))
	for n, i := range all {
		out[n] = importRow{Import: i, CampaignName: names[i.Options.Campaign]}
	}
	return out
}

type importsPage struct {
	Imports  []importRow
	Campaign bridge.CampaignID // empty for all
	Next     bridge.ImportID   // where the next page begins; empty if there is none
	First    bool
}

func (v *visit) imports() error {
	query := v.r.URL.Query()
	page := importsPage{Campaign: bridge.CampaignID(query.Get("campaign")), First: query.Get("before") == ""}
	all, err := v.Imports.List(v.ctx(), v.acc(), page.Campaign, bridge.ImportID(query.Get("before")), shortList+1)
	if err != nil {
		return err
	}
	names, err := v.Campaigns.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	if len(all) > shortList {
		all = all[:shortList]
		page.Next = all[shortList-1].ID
	}
	page.Imports = rows(all, names)
	v.render(http.StatusOK, "imports.html", view{Title: "Imports", Section: "imports", Data: page})
	return nil
}

// importPage is one import: its progress, and its result.
type importPage struct {
	importer.Progress
	Campaign   bridge.Campaign
	Connection bridge.Connection
	Total      int
	Reasons    []reasonCount
	Parts      []part
}

// Processed is how many contacts have their outcome.
func (p importPage) Processed() int { return p.Counts.Sum() }

// Pace is how many contacts a minute had their outcome so far.
func (p importPage) Pace() int { return int(p.Rate) }

// Percent is how far the import is, rounded down, so that 100 means all.
func (p importPage) Percent() int {
	if p.Total == 0 {
		if p.Import.State == bridge.Done {
			return 100
		}
		return 0
	}
	return min(100, 100*p.Processed()/p.Total)
}

// Bar lays the outcomes out on a line of a thousand units.
func (p importPage) Bar() []segment {
	var bar []segment
	done, from := 0, 0
	for _, word := range outcomeWords {
		done += word.Count(p.Counts)
		to := 0
		if p.Total > 0 {
			to = min(1000, 1000*done/p.Total)
		}
		if to > from {
			bar = append(bar, segment{string(word.Outcome), from, to - from})
		}
		from = max(from, to)
	}
	return bar
}

type segment struct {
	Class    string
	X, Width int
}

// Announce is what a screen reader says of the progress: it changes with every tenth only.
func (p importPage) Announce() string {
	switch {
	case p.Import.State.Ended():
		return "The import has ended."
	case p.Import.State == bridge.Paused:
		return "The import is paused."
	case p.Import.Parked != "":
		return "The import waits."
	default:
		return strconv.Itoa(p.Percent()/10*10) + " percent done."
	}
}

// Fingerprint changes when the page around the progress has to be another one.
func (p importPage) Fingerprint() string {
	parked := ""
	if p.Import.Parked != "" {
		parked = "-parked"
	}
	return string(p.Import.State) + parked + "-" + string(p.Import.Mail) + "-" + strconv.Itoa(p.Import.Pass)
}

func (v *visit) importOf() (importPage, error) {
	progress, err := v.Imports.Get(v.ctx(), v.acc(), bridge.ImportID(v.r.PathValue("import")))
	return importPage{Progress: progress, Total: total(progress.Import)}, err
}

// fewContacts is up to how many contacts the reasons are counted while the person waits.
const fewContacts = 50_000

func (v *visit) showImport() error { return v.renderImport(http.StatusOK, nil) }

func (v *visit) renderImport(status int, found []problem) error {
	page, err := v.importOf()
	if err != nil {
		return err
	}
	o := page.Import.Options
	if page.Campaign, err = v.Campaigns.Get(v.ctx(), v.acc(), o.Campaign); err != nil {
		return err
	}
	if page.Connection, err = v.Connections.Get(v.ctx(), v.acc(), o.Connection); err != nil {
		return err
	}
	data := view{Title: "Import into " + page.Campaign.Name, Section: "imports", Notice: v.notice(), Problems: found}
	if page.Import.State.Ended() {
		page.Parts = parts(page.Processed())
		if page.Total <= fewContacts {
			if page.Reasons, err = reasons(v.Imports.Outcomes(v.ctx(), v.acc(), page.Import.ID)); err != nil {
				return err
			}
		}
	} else {
		data.Reload = 10
	}
	data.Data = page
	v.render(status, "import.html", data)
	return nil
}

// importProgress answers with the numbers alone, for a page that shows the same import. When there is more to
// change than numbers it asks the page to load itself again.
func (v *visit) importProgress() error {
	page, err := v.importOf()
	if err != nil {
		return err
	}
	if page.Fingerprint() != v.r.URL.Query().Get("seen") {
		v.w.Header().Set("HX-Refresh", "true")
	}
	v.execute(http.StatusOK, "import.html", "progress", view{Data: page})
	return nil
}

func (v *visit) changeImport() error {
	id := bridge.ImportID(v.r.PathValue("import"))
	change, ok := map[string]func(context.Context, bridge.AccountID, bridge.ImportID) (bridge.Import, error){
		"pause": v.Imports.Pause, "resume": v.Imports.Resume, "cancel": v.Imports.Cancel, "retry": v.Imports.Retry,
	}[v.r.PathValue("action")]
	if !ok {
		return v.nowhere()
	}
	_, err := change(v.ctx(), v.acc(), id)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Conflict, kind == bridge.Invalid: // it changed meanwhile: the page shows how it stands now
		message, _ := bridge.MessageOf(err)
		if message == "" {
			message = "The import had changed meanwhile. This is how it stands now."
		}
		return v.renderImport(apigw.Status(err), []problem{{"", message}})
	case err != nil:
		return err
	}
	v.redirect("/imports/" + string(id))
	return nil
}
