package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// fields is what a person does with the fields in an org.
type fields interface {
	fieldPlans
	fieldPeople
	fieldChanges
	fieldReports
}

type fieldPlans interface {
	Plan(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, object, prefix string) (provision.Plan, error)
	Begin(ctx context.Context, c provision.Choices) error
}

type fieldPeople interface {
	Users(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, search string) (found []provision.User, more bool, err error)
	Named(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, users []bridge.SalesforceID) ([]provision.User, error)
	Profiles(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) ([]provision.Profile, error)
}

type fieldChanges interface {
	Repair(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) error
	Remove(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, wipe bool) error
}

type fieldReports interface {
	Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (provision.Status, error)
	Check(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (provision.Status, error)
}

// fieldsPart is the table of the fields, with a sample if there is one.
type fieldsPart struct {
	Campaign   bridge.CampaignID
	Sync       syncer.Sync
	Setup      *provision.Status // nil if the fields were never set up
	Connection bridge.Connection
	Sample     *bridge.Record // as Salesforce shows it to the connected user
	Of         syncer.Link    // whose that is
}

// fieldRow is a field of the table.
type fieldRow struct {
	provision.FieldStatus
	Instruction *provision.Instruction // how to make it by hand; nil if it is there
	Sample      string
}

// Objects are those that carry the fields, the campaign's own first.
func (p fieldsPart) Objects() []string {
	own := p.Sync.Target.Object()
	found := []string{}
	for _, object := range []string{own, provision.Contact, provision.Lead} {
		if len(found) > 0 && object == own {
			continue
		}
		if len(p.Rows(object)) > 0 {
			found = append(found, object)
		}
	}
	return found
}

// Rows are the fields of an object.
func (p fieldsPart) Rows(object string) []fieldRow {
	if p.Setup == nil || p.Setup.Step == provision.Removed {
		return nil
	}
	var rows []fieldRow
	for i, f := range p.Setup.Fields {
		if f.Object != object {
			continue
		}
		row := fieldRow{FieldStatus: f}
		if p.Setup.Route == provision.ByHand && !f.State.Written() && f.Name != "" {
			instruction := provision.Instruct(f.Of, f.Name)
			row.Instruction = &instruction
		}
		if f.State == provision.Planned && (row.Instruction != nil || !p.Setup.Step.Over()) {
			row.Why = "" // its badge says it
		}
		if p.Sample != nil && p.Of.Target.Object() == object {
			row.Sample = p.Sample.Values[i%bridge.FieldCount]
		}
		rows = append(rows, row)
	}
	return rows
}

// Advice says why the field is not written, and who puts it right; empty if it is.
func (r fieldRow) Advice() string {
	switch {
	case r.Why == "":
		return ""
	case r.Repair:
		return r.Why + " Repair puts it right."
	default:
		return r.Why + " Who: " + r.Who + "."
	}
}

// Alike is what keeps all fields of an object from being written, if it is the same for all.
func (p fieldsPart) Alike(object string) string {
	rows := p.Rows(object)
	for _, r := range rows {
		if r.Advice() != rows[0].Advice() {
			return ""
		}
	}
	return rows[0].Advice()
}

// ByHand reports whether an administrator has fields to make.
func (p fieldsPart) ByHand() bool {
	if p.Setup == nil || p.Setup.Route != provision.ByHand {
		return false
	}
	for _, f := range p.Setup.Fields {
		if !f.State.Written() {
			return true
		}
	}
	return false
}

// Kept is how many of the fields are kept up to date.
func (p fieldsPart) Kept() int {
	kept := 0
	for _, row := range p.Rows(p.Sync.Target.Object()) {
		if row.State.Written() {
			kept++
		}
	}
	return kept
}

// Layouts leads to the page layouts of an object in Setup.
func (p fieldsPart) Layouts(object string) string {
	return setupLink(p.Connection.Instance, "Object Manager > Page Layouts", object)
}

// FieldsOf leads to the fields of an object in Setup.
func (p fieldsPart) FieldsOf(object string) string {
	return setupLink(p.Connection.Instance, "Object Manager > Fields & Relationships", object)
}

// Record leads to the sample in Salesforce.
func (p fieldsPart) Record() string {
	return recordLink(p.Connection.Instance, p.Of.Target, p.Of.Record)
}

// sample looks what Salesforce shows of a subscriber. The table is of use without.
func (p *fieldsPart) sample(v *visit) {
	link, record, err := v.Sync.Sample(v.ctx(), v.acc(), p.Campaign)
	if err == nil {
		p.Of, p.Sample = link, &record
	} else if bridge.KindOf(err) != bridge.NotFound {
		slog.WarnContext(v.ctx(), "no sample", "campaign", p.Campaign, "kind", bridge.KindOf(err), "err", err)
	}
}

// fieldSample answers with the table of the fields with a sample, once a page that shows it is there: it takes a call to the
// org.
func (v *visit) fieldSample() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	part := fieldsPart{Campaign: c.ID, Sync: sync}
	if part.sample(v); part.Sample == nil {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if part.Setup, err = v.setup(v.ctx(), sync.Connection); err != nil {
		return err
	}
	if part.Connection, err = v.Connections.Get(v.ctx(), v.acc(), sync.Connection); err != nil {
		return err
	}
	v.execute(http.StatusOK, "sync.html", "fields", view{Data: part})
	return nil
}

// repairConnection repairs the fields of a connection, for the page of its examination.
func (v *visit) repairConnection() error {
	id := bridge.ConnectionID(v.r.PathValue("connection"))
	if err := v.Fields.Repair(v.ctx(), v.acc(), id); err != nil {
		return err
	}
	v.redirect("/connections/" + string(id) + "/doctor?done=sync-repair")
	return nil
}

// removeWord is what a person types to have what we installed removed.
const removeWord = "REMOVE"

type removePage struct {
	tabs
	Connection bridge.Connection
	Setup      *provision.Status
	Made       int               // fields that we made, or that were made for us
	On         []bridge.Campaign // that are kept in this org
	Wipe       bool
}

func (v *visit) removePage() error { return v.showRemove(http.StatusOK, nil) }

// showRemove says what there is to be removed.
func (v *visit) showRemove(status int, found []problem) error {
	page, err := v.removal()
	if err != nil {
		return err
	}
	page.Wipe = v.r.PostForm.Get("wipe") == "yes"
	v.render(status, "sync_remove.html", view{Title: "Remove from Salesforce", Section: "campaigns", Problems: found, Data: page})
	return nil
}

func (v *visit) removal() (removePage, error) {
	c, err := v.campaignOf()
	if err != nil {
		return removePage{}, err
	}
	page := removePage{}
	if page.tabs, err = v.tabs(c, "salesforce"); err != nil {
		return page, err
	}
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return page, err
	}
	if page.Connection, err = v.Connections.Get(v.ctx(), v.acc(), sync.Connection); err != nil {
		return page, err
	}
	if page.Setup, err = v.setup(v.ctx(), sync.Connection); err != nil {
		return page, err
	}
	if page.Setup == nil || page.Setup.Step == provision.Removed {
		return page, bridge.Say("console.removal", bridge.NotFound, "", "There is nothing of ours in this org to remove.")
	}
	for _, f := range page.Setup.Fields {
		if f.State != provision.Planned {
			page.Made++
		}
	}
	page.On, err = v.keptIn(sync.Connection)
	return page, err
}

// keptIn returns the campaigns that are kept in the org of a connection.
func (v *visit) keptIn(id bridge.ConnectionID) ([]bridge.Campaign, error) {
	all, err := v.Sync.List(v.ctx(), v.acc())
	if err != nil {
		return nil, err
	}
	var on []bridge.Campaign
	for _, s := range all {
		if s.On && s.Connection == id {
			c, err := v.Campaigns.Get(v.ctx(), v.acc(), s.Campaign)
			if err != nil {
				return nil, err
			}
			on = append(on, c)
		}
	}
	return on, nil
}

// remove takes what we installed out of the org, if nothing uses it and the person has typed that they mean it.
func (v *visit) remove() error {
	page, err := v.removal()
	if err != nil {
		return err
	}
	if len(page.On) > 0 {
		return v.showRemove(http.StatusConflict, nil) // the page says why
	}
	if strings.TrimSpace(v.r.PostForm.Get("confirm")) != removeWord {
		return v.showRemove(http.StatusUnprocessableEntity, []problem{{"confirm", "Type " + removeWord + ", exactly like this."}})
	}
	err = v.Fields.Remove(v.ctx(), v.acc(), page.Connection.ID, v.r.PostForm.Get("wipe") == "yes")
	if found := said(err); err != nil && found != nil {
		return v.showRemove(http.StatusConflict, found)
	}
	if err != nil {
		return err
	}
	v.redirect("/campaigns/" + string(page.Campaign.ID) + "/salesforce?done=sync-remove")
	return nil
}
