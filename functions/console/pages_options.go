package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// syncForm is the form about how a campaign is kept in Salesforce, as typed.
type syncForm struct {
	Connection         bridge.ConnectionID
	Target, Only       string
	LinkOnly           bool
	Parent, RecordType string
	Every              string // hours
	Prefix             string // prefixed or bare
	Readers            provision.Readers
	Of                 bridge.ConnectionID // whose people Readers are
	Search             string              // for people
	Searched           string              // whom the form shows already
}

// syncFields are those of the form of which a bad value is shown at its place.
var syncFields = []string{"connection", "target", "only", "parent", "record_type", "every", "prefix", "users", "profiles"}

// syncFormOf reads the form.
func syncFormOf(form url.Values) syncForm {
	return syncForm{
		Connection: bridge.ConnectionID(form.Get("connection")), Target: form.Get("target"), Only: form.Get("only"), LinkOnly: form.Get("link_only") == "on",
		Parent: strings.TrimSpace(form.Get("parent")), RecordType: strings.TrimSpace(form.Get("record_type")), Every: form.Get("every"), Prefix: form.Get("prefix"),
		Readers: provision.Readers{Users: ids(form["user"]), Profiles: ids(form["profile"])}, Of: bridge.ConnectionID(form.Get("people_of")),
		Search: strings.TrimSpace(form.Get("search")), Searched: form.Get("searched"),
	}
}

// syncFormTyped is the form that was sent. If another org was chosen since its people were listed, those who see the fields
// there already are picked.
func (v *visit) syncFormTyped() (syncForm, error) {
	form := syncFormOf(v.r.PostForm)
	if form.Of == form.Connection {
		return form, nil
	}
	form.Of, form.Readers = form.Connection, provision.Readers{}
	setup, err := v.setup(v.ctx(), form.Connection)
	if setup != nil {
		form.Readers = setup.Readers
	}
	return form, err
}

// ids are those of people or profiles that were ticked, each once.
func ids(values []string) []bridge.SalesforceID {
	var found []bridge.SalesforceID
	for _, value := range values {
		if id := bridge.SalesforceID(value); !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found
}

func (f syncForm) options() syncer.Options {
	hours, err := strconv.Atoi(f.Every)
	if err != nil {
		hours = 0 // refused, in words
	}
	return syncer.Options{
		Connection: f.Connection, Target: bridge.Target(f.Target), Only: syncer.Only(f.Only), LinkOnly: f.LinkOnly,
		Parent: idIn(f.Parent), RecordType: idIn(f.RecordType), Every: time.Duration(hours) * time.Hour,
	}
}

// idIn returns the Salesforce id in a text: people paste the record's whole address.
func idIn(text string) bridge.SalesforceID {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/?&=# ", r) }) {
		if id, err := bridge.ParseSalesforceID(part); err == nil {
			return id
		}
	}
	return bridge.SalesforceID(text)
}

func (f syncForm) choices(account bridge.AccountID) provision.Choices {
	target := bridge.Target(f.Target)
	return provision.Choices{
		Account: account, Connection: f.Connection, Object: target.Object(), Persons: target == bridge.ToPersonAccount, Prefix: f.prefix(), Readers: f.Readers,
	}
}

func (f syncForm) prefix() string {
	switch f.Prefix {
	case "prefixed":
		return provision.Prefixed
	case "bare":
		return provision.Bare
	default:
		return "?" // refused, in words
	}
}

// Special reports whether something was chosen that few need.
func (f syncForm) Special() bool {
	return f.LinkOnly || f.Parent != "" || f.RecordType != "" || f.Every != "24" || f.Prefix != "prefixed" || f.Target == string(bridge.ToPersonAccount)
}

type syncOptionsPage struct {
	tabs
	Form        syncForm
	On          bool
	Connections []bridge.Connection
	People      peoplePart
	Every       []choice
}

// countAnew has ReferralHero say how many subscribers campaigns have by now, which is what keeping them costs. If it cannot, the number that
// was kept has to do.
func (v *visit) countAnew() {
	if err := v.Campaigns.Refresh(v.ctx(), v.acc()); err != nil {
		slog.WarnContext(v.ctx(), "subscribers not counted anew", "account", v.acc(), "kind", bridge.KindOf(err), "err", err)
	}
}

func (v *visit) syncOptions() error {
	v.countAnew()
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, err := v.syncFormNow(c)
	if err != nil {
		return err
	}
	return v.showSyncOptions(http.StatusOK, c, form, nil)
}

// syncFormNow is the form as it was saved, or as we suggest it.
func (v *visit) syncFormNow(c bridge.Campaign) (syncForm, error) {
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return syncForm{}, err
	}
	form := syncForm{
		Connection: sync.Connection, Target: string(sync.Target), Only: string(sync.Only), LinkOnly: sync.LinkOnly, Parent: string(sync.Parent),
		RecordType: string(sync.RecordType), Every: strconv.Itoa(int(sync.Every / time.Hour)), Prefix: "prefixed",
	}
	live, err := v.liveConnections(v.ctx())
	if err != nil {
		return syncForm{}, err
	}
	if form.Connection == "" {
		form.Connection = suggested(c.Connection, live)
	}
	form.Of = form.Connection
	setup, err := v.setup(v.ctx(), form.Connection)
	if setup != nil {
		form.Readers = setup.Readers
		if setup.Prefix == provision.Bare {
			form.Prefix = "bare"
		}
	}
	return form, err
}

// suggested is the connection that a campaign uses already, or the only one that there is.
func suggested(used bridge.ConnectionID, live []bridge.Connection) bridge.ConnectionID {
	if slices.ContainsFunc(live, func(c bridge.Connection) bool { return c.ID == used }) {
		return used
	}
	if len(live) == 1 {
		return live[0].ID
	}
	return ""
}

func (v *visit) showSyncOptions(status int, c bridge.Campaign, form syncForm, found []problem) error {
	page := syncOptionsPage{Form: form, Every: everyChoices(c.Subscribers)}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	if page.tabs, err = v.tabs(c, "salesforce"); err != nil {
		return err
	}
	if page.On = sync.On; sync.Version > 0 {
		page.Page = "options"
	}
	if page.Connections, err = v.liveConnections(v.ctx()); err != nil {
		return err
	}
	page.People = v.people(c.ID, form)
	v.render(status, "sync_options.html", view{Title: c.Name + " in Salesforce", Section: "campaigns", Notice: v.notice(), Problems: found, Data: page})
	return nil
}

// everyChoices say how often everybody can be compared, and what it costs a campaign of that size.
func everyChoices(subscribers int) []choice {
	const perPage = 50 // that a call to ReferralHero lists
	pages := max(1, (subscribers+perPage-1)/perPage)
	words := func(times int) string {
		return "About " + plural(pages*times, "call", "calls") + " to ReferralHero a day, with as many subscribers as now."
	}
	return []choice{
		{"24", "Once a day", words(1) + " What a webhook has missed is right within a day."},
		{"6", "Every six hours", words(4) + " For campaigns without a webhook."},
		{"1", "Every hour", words(24) + " They count against the hour that imports use, too."},
	}
}

// peoplePart is where readers of the fields are picked.
type peoplePart struct {
	Campaign   bridge.CampaignID
	Connection bridge.ConnectionID
	Readers    provision.Readers
	Search     string
	Why        string // the org's people cannot be listed; empty if they can
	Picked     []provision.User
	Found      []provision.User // others than those picked
	More       bool
	Profiles   []profileChoice
}

type profileChoice struct {
	provision.Profile
	Picked bool
}

// listing is how long a form waits for the org's list of people.
const listing = 10 * time.Second

// people lists whom the org has. The form is of use without.
func (v *visit) people(campaign bridge.CampaignID, form syncForm) peoplePart {
	part := peoplePart{Campaign: campaign, Connection: form.Connection, Readers: form.Readers, Search: form.Search}
	if form.Connection == "" {
		return part
	}
	ctx, cancel := context.WithTimeout(v.ctx(), listing)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	var profiles []provision.Profile
	group.Go(func() (err error) { profiles, err = v.Fields.Profiles(ctx, v.acc(), form.Connection); return err })
	group.Go(func() (err error) {
		part.Picked, err = v.Fields.Named(ctx, v.acc(), form.Connection, form.Readers.Users)
		return err
	})
	if form.Search != "" {
		group.Go(func() (err error) {
			part.Found, part.More, err = v.Fields.Users(ctx, v.acc(), form.Connection, form.Search)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		apigw.Log(v.r, err, http.StatusOK)
		part.Why = "Salesforce does not list its people now."
		if message, _ := bridge.MessageOf(err); message != "" {
			part.Why = message
		}
		return part
	}
	part.Found = slices.DeleteFunc(part.Found, func(u provision.User) bool {
		return slices.ContainsFunc(part.Picked, func(p provision.User) bool { return p.ID == u.ID })
	})
	for _, p := range profiles {
		part.Profiles = append(part.Profiles, profileChoice{p, slices.Contains(form.Readers.Profiles, p.ID)})
	}
	return part
}

// findPeople answers with the people of the chosen org, those found and those picked: as a part of the page, or in the
// whole page if the browser has no scripts. It takes a form, for a name is no part of an address.
func (v *visit) findPeople() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, err := v.syncFormTyped()
	if err != nil {
		return err
	}
	if v.r.Header.Get("HX-Request") == "" {
		return v.showSyncOptions(http.StatusOK, c, form, nil)
	}
	v.execute(http.StatusOK, "sync_options.html", "people", view{Data: v.people(c.ID, form)})
	return nil
}

// syncOptionsAgain shows the form with what was typed, and with what is wrong with it.
func (v *visit) syncOptionsAgain(err error, c bridge.Campaign, form syncForm) error {
	found := said(err, syncFields...)
	if found == nil {
		return err
	}
	apigw.Log(v.r, err, apigw.Status(err))
	return v.showSyncOptions(apigw.Status(err), c, form, found)
}

type syncPreviewPage struct {
	tabs
	Form       syncForm
	On         bool
	Connection bridge.Connection
	Cost       syncer.Cost
	Plan       provision.Plan
	Owner      *bridge.Campaign // that keeps its values in the fields already
	People     peoplePart
	Report     doctor.Report
}

// Target is what subscribers become: one, and many.
func (p syncPreviewPage) Target() [2]string { return targetWords[bridge.Target(p.Form.Target)] }

// Only says who is synced.
func (p syncPreviewPage) Only() choice { return onlyChoice(syncer.Only(p.Form.Only)) }

// Every says how often everybody is compared.
func (p syncPreviewPage) Every() string { return everyWords(p.Form.options().Every) }

// ByHand reports whether an administrator has to make fields.
func (p syncPreviewPage) ByHand() bool { return p.Plan.Route == provision.ByHand }

// Accounts says what the connected user has to do with accounts; empty if no account is written.
func (p syncPreviewPage) Accounts() string {
	switch {
	case p.Form.Target == string(bridge.ToPersonAccount):
		return "make and edit"
	case p.Plan.Persons:
		return "edit"
	default:
		return ""
	}
}

// New counts the fields that are to be made.
func (p syncPreviewPage) New() int {
	n := 0
	for _, f := range p.Plan.Fields {
		if !f.Exists {
			n++
		}
	}
	return n
}

// Taken counts the fields whose best name somebody else has.
func (p syncPreviewPage) Taken() int {
	n := 0
	for _, f := range p.Plan.Fields {
		if f.Taken != "" {
			n++
		}
	}
	return n
}

// Instruct says how to make a field by hand.
func (p syncPreviewPage) Instruct(f provision.PlannedField) provision.Instruction {
	return provision.Instruct(f.Of, f.Name)
}

// FieldsOf leads to the fields of an object in Setup.
func (p syncPreviewPage) FieldsOf(object string) string {
	return setupLink(p.Connection.Instance, "Object Manager > Fields & Relationships", object)
}

// Readers says who gets to see the fields.
func (p syncPreviewPage) Readers() string {
	var names []string
	for _, u := range p.People.Picked {
		names = append(names, u.Name)
	}
	for _, profile := range p.People.Profiles {
		if profile.Picked {
			names = append(names, fmt.Sprintf("everybody with the profile %s (%s)", profile.Name, plural(profile.Users, "person", "people")))
		}
	}
	if names == nil && len(p.Form.Readers.Users)+len(p.Form.Readers.Profiles) > 0 {
		return plural(len(p.Form.Readers.Users)+len(p.Form.Readers.Profiles), "pick", "picks")
	}
	return strings.Join(names, ", ")
}

// previewSync says what Save would do. It changes nothing. Whoever presses Enter after a name looks for people first.
func (v *visit) previewSync() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, err := v.syncFormTyped()
	if err != nil {
		return err
	}
	if form.Search != "" && form.Search != form.Searched {
		return v.showSyncOptions(http.StatusOK, c, form, nil)
	}
	return v.showSyncPreview(http.StatusOK, c, form)
}

func (v *visit) showSyncPreview(status int, c bridge.Campaign, form syncForm) error {
	v.countAnew()
	page := syncPreviewPage{Form: form}
	var err error
	if page.Cost, err = v.Sync.Preview(v.ctx(), v.acc(), c.ID, form.options()); err != nil {
		return v.syncOptionsAgain(err, c, form)
	}
	choices := form.choices(v.acc())
	if page.Plan, err = v.Fields.Plan(v.ctx(), v.acc(), form.Connection, choices.Object, choices.Prefix); err != nil {
		return v.syncOptionsAgain(err, c, form)
	}
	if page.tabs, err = v.tabs(c, "salesforce"); err != nil {
		return err
	}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	page.On = sync.On
	if page.Connection, err = v.Connections.Get(v.ctx(), v.acc(), form.Connection); err != nil {
		return err
	}
	review, err := v.Doctor.Review(v.ctx(), page.Connection)
	if err != nil {
		return err
	}
	page.Report = review.Report
	if page.Cost.Owner != "" {
		owner, err := v.Campaigns.Get(v.ctx(), v.acc(), page.Cost.Owner)
		if err != nil {
			return err
		}
		page.Owner = &owner
	}
	form.Search = ""
	page.People = v.people(c.ID, form)
	page.Form.Parent, page.Form.RecordType = string(form.options().Parent), string(form.options().RecordType)
	v.render(status, "sync_preview.html", view{Title: "What happens when you save", Section: "campaigns", Data: page})
	return nil
}

// saveSync has the fields set up, and switches syncing on. Sent twice it does it once.
func (v *visit) saveSync() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, err := v.syncFormTyped()
	if err != nil {
		return err
	}
	cost, err := v.Sync.Preview(v.ctx(), v.acc(), c.ID, form.options())
	if err != nil {
		return v.syncOptionsAgain(err, c, form)
	}
	if cost.Owner != "" { // before anything is done in the org
		return v.showSyncPreview(http.StatusConflict, c, form)
	}
	if err := v.Fields.Begin(v.ctx(), form.choices(v.acc())); err != nil {
		return v.syncOptionsAgain(err, c, form)
	}
	err = v.Sync.Save(v.ctx(), v.acc(), c.ID, v.session.Person.Name, form.options())
	if bridge.KindOf(err) == bridge.Conflict && bridge.CodeOf(err) == "owned" {
		return v.showSyncPreview(http.StatusConflict, c, form)
	}
	if err != nil {
		return v.syncOptionsAgain(err, c, form)
	}
	v.redirect("/campaigns/" + string(c.ID) + "/salesforce?done=sync-saved")
	return nil
}

// plannedObject are the fields of an object.
type plannedObject struct {
	Object string
	Fields []provision.PlannedField
}

// Objects are those that carry the fields.
func (p syncPreviewPage) Objects() []plannedObject {
	var all []plannedObject
	for _, f := range p.Plan.Fields {
		if n := len(all); n == 0 || all[n-1].Object != f.Object {
			all = append(all, plannedObject{Object: f.Object})
		}
		all[len(all)-1].Fields = append(all[len(all)-1].Fields, f)
	}
	return all
}
