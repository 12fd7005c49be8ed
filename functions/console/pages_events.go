package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

// tracking is what a person does with events to track, and sees of what comes of them.
type tracking interface {
	eventRules
	eventChanges
	eventTrials
	eventReports
	eventDecisions
}

type eventRules interface {
	Sets(ctx context.Context, account bridge.AccountID) ([]bridge.RuleSet, error)
	Rules(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (bridge.RuleSet, error)
	Edits(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.RuleEdit, error)
}

type eventChanges interface {
	eventWriting
	Switch(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, on bool) error
	Move(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, by int) error
	Delete(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string) error
}

type eventReports interface {
	Yields(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (map[bridge.RuleID]conversion.Yield, bool, error)
	Statement(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) (conversion.Statement, error)
	Activity(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.Action, error)
}

// flows are what we install in an org so that it tells of its deals.
type flows interface {
	flowOrders
	Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (plumbing.Status, error)
	Check(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (plumbing.Status, error)
}

type flowOrders interface {
	Begin(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error
	Rotate(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error
	Remove(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error
}

// openReviews counts what needs somebody because of events to track.
func (v *visit) openReviews(ctx context.Context, id bridge.CampaignID) (int, error) {
	all, _, err := v.Events.Reviews(ctx, v.acc(), id)
	return len(all), err
}

// eventRow is an event in the list.
type eventRow struct {
	bridge.Rule
	conversion.Yield
	Position int
	Last     bool
	Text     string
}

// Above is the place before the event's own.
func (r eventRow) Above() int { return r.Position - 1 }

// Below is the place behind the event's own.
func (r eventRow) Below() int { return r.Position + 1 }

type eventsPage struct {
	tabs
	Rows  []eventRow
	More  bool // there are more deals than were counted
	Undo  undo
	Flows flowPart
	Watch conversion.Statement
}

// undo takes the last switch back.
type undo struct {
	Rule bridge.RuleID
	Name string
	Back string // on or off
}

func (v *visit) events() error { return v.showEvents(http.StatusOK, nil) }

func (v *visit) showEvents(status int, found []problem) error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	page := eventsPage{}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	page.Page = "events"
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	var yields map[bridge.RuleID]conversion.Yield
	connection := orgOf(set, c)
	group, ctx := errgroup.WithContext(v.ctx())
	group.Go(func() (err error) { yields, page.More, err = v.Events.Yields(ctx, v.acc(), c.ID); return err })
	if connection != "" {
		group.Go(func() (err error) { page.Flows, err = v.flowPart(ctx, c.ID, connection); return err })
		group.Go(func() (err error) {
			page.Watch, err = v.Events.Statement(ctx, v.acc(), connection, 5)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, r := range set.Rules {
		page.Rows = append(page.Rows, eventRow{Rule: r, Yield: yields[r.ID], Position: i, Last: i == len(set.Rules)-1, Text: sentence(r, nil, nil)})
	}
	page.Undo = v.undone(set)
	data := view{Title: "Events to track: " + c.Name, Section: "campaigns", Notice: v.notice(), Problems: found, Data: page}
	if page.Flows.Busy() {
		data.Reload = 5
	}
	v.render(status, "events.html", data)
	return nil
}

// orgOf is the connection whose deals a campaign's events are about.
func orgOf(set bridge.RuleSet, c bridge.Campaign) bridge.ConnectionID {
	if set.Connection != "" && len(set.Rules) > 0 {
		return set.Connection
	}
	return c.Connection
}

// undone offers to take back what the notice tells of.
func (v *visit) undone(set bridge.RuleSet) undo {
	query := v.r.URL.Query()
	r, is := set.Rule(bridge.RuleID(query.Get("undo")))
	switch {
	case is && query.Get("done") == "event-on" && r.On:
		return undo{r.ID, r.Name, "off"}
	case is && query.Get("done") == "event-off" && !r.On:
		return undo{r.ID, r.Name, "on"}
	default:
		return undo{}
	}
}

// changeEvent does what a button of the list says. Pressed twice it does it once.
func (v *visit) changeEvent() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	rule, action, who := bridge.RuleID(v.r.PathValue("rule")), v.r.PathValue("action"), v.session.Person.Name
	to := eventsPath(c.ID) + "?done=event-" + action
	switch action {
	case "on", "off":
		to += "&undo=" + url.QueryEscape(string(rule))
		err = v.Events.Switch(v.ctx(), v.acc(), c.ID, rule, who, action == "on")
	case "move":
		err = v.moveEvent(c.ID, rule)
	case "delete":
		if err = v.Events.Delete(v.ctx(), v.acc(), c.ID, rule, who); bridge.KindOf(err) == bridge.NotFound {
			err = nil // pressed twice
		}
	default:
		return v.nowhere()
	}
	if err != nil {
		return v.eventsAgain(err)
	}
	v.redirect(to)
	return nil
}

// moveEvent moves an event to a place, counted from 0: that it is there already is fine.
func (v *visit) moveEvent(campaign bridge.CampaignID, rule bridge.RuleID) error {
	to, err := strconv.Atoi(v.r.PostForm.Get("to"))
	if err != nil {
		return v.nowhere()
	}
	set, err := v.Events.Rules(v.ctx(), v.acc(), campaign)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(set.Rules, func(r bridge.Rule) bool { return r.ID == rule })
	return v.Events.Move(v.ctx(), v.acc(), campaign, rule, v.session.Person.Name, to-max(at, 0))
}

// eventsAgain shows the list with what went wrong.
func (v *visit) eventsAgain(err error) error {
	found := said(err)
	if found == nil {
		return err
	}
	apigw.Log(v.r, err, apigw.Status(err))
	return v.showEvents(apigw.Status(err), found)
}

func eventsPath(id bridge.CampaignID) string { return "/campaigns/" + string(id) + "/events" }

// flowPart is the card of what is installed in the org.
type flowPart struct {
	Campaign   bridge.CampaignID
	Connection bridge.Connection
	Status     plumbing.Status
}

func (v *visit) flowPart(ctx context.Context, campaign bridge.CampaignID, id bridge.ConnectionID) (flowPart, error) {
	p := flowPart{Campaign: campaign}
	var err error
	if p.Connection, err = v.Connections.Get(ctx, v.acc(), id); err != nil {
		return p, err
	}
	p.Status, err = v.Flows.Status(ctx, v.acc(), id)
	return p, err
}

// State says how the installation stands.
func (p flowPart) State() badge { return flowStates[p.Status.State] }

// Busy reports whether the page is soon another one.
func (p flowPart) Busy() bool {
	return p.is(plumbing.Installing, plumbing.InLine, plumbing.Leaving)
}

// Absent reports whether nothing is installed, and could be.
func (p flowPart) Absent() bool { return p.is(plumbing.NotBegun, plumbing.Left) }

// Installed reports whether there is something to check, to rotate and to remove.
func (p flowPart) Installed() bool {
	return p.is(plumbing.Working, plumbing.Broken, plumbing.NeedsClick, plumbing.NeedsHands, plumbing.Paused)
}

func (p flowPart) is(states ...plumbing.State) bool { return slices.Contains(states, p.Status.State) }

// Polls reports whether the edition has no messages.
func (p flowPart) Polls() bool { return p.is(plumbing.Polling) }

// Mends reports whether installing again puts right what is wrong.
func (p flowPart) Mends() bool { return p.Status.Trouble != nil && p.Status.Trouble.Mend }

// Steps are those of an installation, each done, being done, or to come.
func (p flowPart) Steps() []struct{ Text, State string } {
	at, texts := 0, []string{"Find out what the org allows", "Salesforce installs flow and message", "Look whether they are as they should be"}
	switch {
	case p.is(plumbing.Leaving):
		texts = []string{"Take flow and message out of the org"}
	case !p.Status.Sent.IsZero():
		at = 1
	}
	all := make([]struct{ Text, State string }, len(texts))
	for i, text := range texts {
		all[i].Text, all[i].State = text, "later"
		if i < at {
			all[i].State = "done"
		} else if i == at {
			all[i].State = "now"
		}
	}
	return all
}

// Rotates reports whether the org can get another address.
func (p flowPart) Rotates() bool {
	return p.Status.State == plumbing.Working && !p.Status.Changing && p.Status.FormerEnds.IsZero()
}

// Fingerprint changes when the page around the card has to be another one.
func (p flowPart) Fingerprint() string {
	return string(p.Status.State) + strconv.FormatBool(p.Status.Sent.IsZero())
}

// flowProgress answers with how far the installation is, for a page that shows the same state.
func (v *visit) flowProgress() error {
	c, connection, err := v.followedHere()
	if err != nil {
		return err
	}
	part, err := v.flowPart(v.ctx(), c.ID, connection)
	if err != nil {
		return err
	}
	if part.Fingerprint() != v.r.URL.Query().Get("seen") {
		v.w.Header().Set("HX-Refresh", "true")
	}
	v.execute(http.StatusOK, "events.html", "flow-progress", view{Data: part})
	return nil
}

// followedHere is the campaign of the address, and the connection that its events follow.
func (v *visit) followedHere() (bridge.Campaign, bridge.ConnectionID, error) {
	c, err := v.campaignOf()
	if err != nil {
		return c, "", err
	}
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return c, "", err
	}
	connection := orgOf(set, c)
	if connection == "" {
		return c, "", v.nowhere()
	}
	return c, connection, nil
}

// changeFlow does what a button of the card says.
func (v *visit) changeFlow() error {
	c, connection, err := v.followedHere()
	if err != nil {
		return err
	}
	action := v.r.PathValue("action")
	switch action {
	case "install":
		err = v.Flows.Begin(v.ctx(), v.acc(), connection)
	case "check":
		_, err = v.Flows.Check(v.ctx(), v.acc(), connection)
	case "rotate":
		err = v.Flows.Rotate(v.ctx(), v.acc(), connection)
	case "remove":
		err = v.Flows.Remove(v.ctx(), v.acc(), connection)
	default:
		return v.nowhere()
	}
	if err != nil {
		return v.eventsAgain(err)
	}
	v.redirect(eventsPath(c.ID) + "?done=flow-" + action + "#installation")
	return nil
}

type manualPage struct {
	tabs
	Part flowPart
}

// flowManual shows how an administrator makes flow and message by hand. The page has the address for messages, which is
// secret: like every page of ours it is stored nowhere.
func (v *visit) flowManual() error {
	c, connection, err := v.followedHere()
	if err != nil {
		return err
	}
	page := manualPage{}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	if page.Part, err = v.flowPart(v.ctx(), c.ID, connection); err != nil {
		return err
	}
	v.render(http.StatusOK, "event_manual.html", view{Title: "Make flow and message by hand", Section: "campaigns", Data: page})
	return nil
}

// eventHistory is what was done to a campaign's events.
type eventHistory struct {
	tabs
	Edits []editRow
	Next  string // where the next page begins; empty if there is none
	First bool
}

type editRow struct {
	bridge.RuleEdit
	Name         string
	Before, Text string
}

const manyLines = 50 // on a page

func (v *visit) eventHistory() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	before := v.r.URL.Query().Get("before")
	page := eventHistory{First: before == ""}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	page.Page = "history"
	edits, err := v.Events.Edits(v.ctx(), v.acc(), c.ID, before, manyLines+1)
	if err != nil {
		return err
	}
	if len(edits) > manyLines {
		edits = edits[:manyLines]
		page.Next = edits[manyLines-1].ID
	}
	for _, e := range edits {
		row := editRow{RuleEdit: e}
		if e.Before != nil {
			row.Name, row.Before = e.Before.Name, sentence(*e.Before, nil, nil)
		}
		if e.After != nil {
			row.Name, row.Text = e.After.Name, sentence(*e.After, nil, nil)
		}
		if row.Text == row.Before {
			row.Before = ""
		}
		page.Edits = append(page.Edits, row)
	}
	v.render(http.StatusOK, "event_history.html", view{Title: "History of events: " + c.Name, Section: "campaigns", Data: page})
	return nil
}
