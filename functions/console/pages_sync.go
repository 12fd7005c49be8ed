package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// syncing is what a person does with how a campaign is kept in Salesforce.
type syncing interface {
	syncChoices
	syncChanges
	syncReports
	refusals
	explainer
}

type syncChoices interface {
	Get(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (syncer.Sync, error)
	Preview(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, o syncer.Options) (syncer.Cost, error)
	Save(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, by string, o syncer.Options) error
}

type syncChanges interface {
	Off(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, by string) error
	Compare(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) error
	Wake(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (int, error)
}

type syncReports interface {
	List(ctx context.Context, account bridge.AccountID) ([]syncer.Sync, error)
	Progress(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (syncer.Sync, *syncer.Run, error)
	Health(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, days int) (syncer.Health, error)
}

// tabs is what the pages of a campaign have in common.
type tabs struct {
	Campaign bridge.Campaign
	Tab      string
	Page     string // of the tab
	Needs    int    // records that need somebody
	Reviews  int    // what needs somebody because of events to track
}

// tabs returns what is above a page of a campaign.
func (v *visit) tabs(c bridge.Campaign, tab string) (tabs, error) {
	t := tabs{Campaign: c, Tab: tab}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err == nil && sync.On {
		t.Needs, err = v.Sync.Needs(v.ctx(), v.acc(), c.ID)
	}
	if err == nil {
		t.Reviews, err = v.openReviews(v.ctx(), c.ID)
	}
	return t, err
}

// shownDays is how many days the charts show.
const shownDays = 14

// syncPage is the tab "Salesforce" of a campaign that is, or was, kept there.
type syncPage struct {
	tabs
	syncProgress
	Health     syncer.Health
	Connection bridge.Connection
	Report     doctor.Report // of the connection
	Fields     fieldsPart
	Hook       silence
	Charts     []chart
}

// Today is how many calls to the org syncing has made today, by UTC.
func (p syncPage) Today() int {
	if n := len(p.Charts); n > 0 {
		days := p.Charts[n-1].Days
		return days[len(days)-1].Count
	}
	return 0
}

// Progress is the part of the page that follows what goes on.
func (p syncPage) Progress() syncProgress { return p.syncProgress }

// dayCounts are all numbers of a day.
type dayCounts struct {
	Day    time.Time
	Counts []int
}

// Days are the charts as a table, newest day first.
func (p syncPage) Days() []dayCounts {
	var all []dayCounts
	for i := len(p.Charts[0].Days) - 1; i >= 0; i-- {
		row := dayCounts{Day: p.Charts[0].Days[i].Day}
		for _, c := range p.Charts {
			row.Counts = append(row.Counts, c.Days[i].Count)
		}
		all = append(all, row)
	}
	return all
}

// Quiet reports whether no day has seen anything.
func (p syncPage) Quiet() bool {
	for _, c := range p.Charts {
		if c.Sum > 0 {
			return false
		}
	}
	return true
}

func (v *visit) salesforce() error { return v.showSync(http.StatusOK, nil) }

// showSync shows how a campaign is kept in Salesforce, or asks how it is to be if nobody has ever said so.
func (v *visit) showSync(status int, found []problem) error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	health, err := v.Sync.Health(v.ctx(), v.acc(), c.ID, shownDays)
	if err != nil {
		return err
	}
	if health.Sync.Version == 0 {
		return v.syncOptions()
	}
	page := syncPage{
		tabs: tabs{Campaign: c, Tab: "salesforce", Page: "overview"}, Health: health, Charts: charts(health.Days, v.Now(), shownDays),
	}
	if health.Sync.On {
		page.Needs = health.Causes
	}
	if page.Reviews, err = v.openReviews(v.ctx(), c.ID); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(v.ctx())
	group.Go(func() error {
		w, err := v.Webhooks.Webhook(ctx, v.acc())
		page.Hook = silenceOf(health.Sync, w, health.Past, v.Now())
		return err
	})
	var setup *provision.Status
	group.Go(func() (err error) { setup, err = v.setup(ctx, health.Sync.Connection); return err })
	group.Go(func() (err error) {
		if page.Connection, err = v.Connections.Get(ctx, v.acc(), health.Sync.Connection); err != nil {
			return err
		}
		review, err := v.Doctor.Review(ctx, page.Connection)
		page.Report = review.Report
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	page.syncProgress = newSyncProgress(c.ID, health.Sync, health.Run, setup, page.Hook, v.Now())
	page.Fields = fieldsPart{Campaign: c.ID, Sync: health.Sync, Setup: setup, Connection: page.Connection}
	if v.r.URL.Query().Get("sample") != "" {
		page.Fields.sample(v)
	}
	data := view{Title: c.Name + " in Salesforce", Section: "campaigns", Notice: v.notice(), Problems: found, Data: page}
	if page.Busy() {
		data.Reload = 5
	}
	v.render(status, "sync.html", data)
	return nil
}

// setup returns how the fields of a connection stand, or nil if they were never set up.
func (v *visit) setup(ctx context.Context, id bridge.ConnectionID) (*provision.Status, error) {
	status, err := v.Fields.Status(ctx, v.acc(), id)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil, nil
	}
	return &status, err
}

// syncProgress is what goes on: the fields that are set up, and the comparison that runs.
type syncProgress struct {
	ID    bridge.CampaignID
	Sync  syncer.Sync
	Run   *syncer.Run       // the newest, if there was one
	Setup *provision.Status // nil if the fields were never set up
	State badge
}

func newSyncProgress(id bridge.CampaignID, s syncer.Sync, run *syncer.Run, setup *provision.Status, hook silence, now time.Time) syncProgress {
	p := syncProgress{ID: id, Sync: s, Run: run, Setup: setup}
	p.State = syncState(s, run, p.Step(), hook, now)
	return p
}

// Step is how far the fields are; empty if they were never set up.
func (p syncProgress) Step() provision.Step {
	if p.Setup == nil {
		return ""
	}
	return p.Setup.Step
}

// SettingUp reports whether the fields are being set up, or removed.
func (p syncProgress) SettingUp() bool { return p.Setup != nil && !p.Setup.Step.Over() }

// Removing reports whether what we installed is being taken away.
func (p syncProgress) Removing() bool { return p.Step() == provision.Removing }

// Running reports whether everybody is being compared, though that may wait in the middle.
func (p syncProgress) Running() bool {
	return p.Sync.On && p.Run != nil && p.Run.EndedAt.IsZero() && !p.SettingUp() && (!p.Waiting() || p.Run.Pages > 0)
}

// Waiting reports whether work waits for something.
func (p syncProgress) Waiting() bool { return p.Sync.On && p.Sync.Waits != "" && !p.SettingUp() }

// Busy reports whether the page is soon another one.
func (p syncProgress) Busy() bool {
	return p.SettingUp() || p.Sync.On && !p.Waiting() && (p.Running() || p.Sync.Wanted != "")
}

// Steps are those of setting up, each done, being done, or to come.
func (p syncProgress) Steps() []struct{ Text, State string } {
	all := make([]struct{ Text, State string }, len(setupSteps))
	state := "done"
	for i, s := range setupSteps {
		all[i].Text, all[i].State = s.Text, state
		if s.Step == p.Step() {
			all[i].State, state = "now", "later"
		}
	}
	return all
}

// Percent is how much of the campaign's list is read.
func (p syncProgress) Percent() int {
	switch {
	case p.Run == nil || p.Run.Pages == 0:
		return 0
	case p.Run.Sweeping:
		return 100
	default:
		return min(100, 100*(p.Run.Page-1)/p.Run.Pages)
	}
}

// Width is Percent on a line of a thousand units.
func (p syncProgress) Width() int { return 10 * p.Percent() }

// PagesRead is how many pages of the list are read.
func (p syncProgress) PagesRead() int { return max(0, min(p.Run.Page-1, p.Run.Pages)) }

// Announce is what a screen reader says of the progress: it changes with every tenth only.
func (p syncProgress) Announce() string {
	switch {
	case p.SettingUp():
		return "The fields are being set up."
	case p.Running():
		return strconv.Itoa(p.Percent()/10*10) + " percent of the subscribers are read."
	default:
		return ""
	}
}

// Fingerprint changes when the page around the progress has to be another one.
func (p syncProgress) Fingerprint() string {
	run := "none"
	if p.Run != nil {
		run = p.Run.ID
		if !p.Run.EndedAt.IsZero() {
			run += "-ended"
		}
	}
	return string(p.Step()) + "-" + run + "-" + strconv.FormatBool(p.Sync.Waits != "") + strconv.FormatBool(p.Sync.Wanted != "")
}

// syncProgress answers with the progress alone, for a page that shows the same state. When there is more to change it asks
// the page to load itself again.
func (v *visit) syncProgress() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	sync, run, err := v.Sync.Progress(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	setup, err := v.setup(v.ctx(), sync.Connection)
	if err != nil {
		return err
	}
	page := newSyncProgress(c.ID, sync, run, setup, silence{}, v.Now()) // the progress says nothing of webhooks
	if page.Fingerprint() != v.r.URL.Query().Get("seen") {
		v.w.Header().Set("HX-Refresh", "true")
	}
	v.execute(http.StatusOK, "sync.html", "sync-progress", view{Data: page})
	return nil
}

// changeSync does what a button of the overview says. Pressed twice it does it once.
func (v *visit) changeSync() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	action := v.r.PathValue("action")
	switch action {
	case "off":
		err = v.Sync.Off(v.ctx(), v.acc(), c.ID, v.session.Person.Name)
	case "compare":
		err = v.Sync.Compare(v.ctx(), v.acc(), c.ID)
	case "repair":
		err = v.Fields.Repair(v.ctx(), v.acc(), sync.Connection)
	case "check":
		_, err = v.Fields.Check(v.ctx(), v.acc(), sync.Connection)
	default:
		return v.nowhere()
	}
	if err != nil {
		return v.syncAgain(err)
	}
	v.redirect("/campaigns/" + string(c.ID) + "/salesforce?done=sync-" + action)
	return nil
}

// syncAgain shows the overview with what went wrong.
func (v *visit) syncAgain(err error) error {
	found := said(err)
	if found == nil {
		return err
	}
	apigw.Log(v.r, err, apigw.Status(err))
	return v.showSync(apigw.Status(err), found)
}

// said returns what to tell a person about an error that is not our fault, at the field that it is about; nil if it is ours.
func said(err error, fields ...string) []problem {
	if found, err := problems(err, fields...); err == nil {
		return found
	}
	switch kind := bridge.KindOf(err); kind {
	case bridge.Internal, bridge.NotFound, bridge.Invalid:
		return nil
	default:
		return []problem{{"", problemPages[kind].Text}}
	}
}
