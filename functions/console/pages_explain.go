package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

type explainer interface {
	// Explain asks both sides about somebody: a few calls to each.
	Explain(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, who string) (syncer.Explanation, error)
	Sample(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (syncer.Link, bridge.Record, error)
}

// explainPage is "Explain this value".
type explainPage struct {
	tabs
	On         bool
	Who        string // as typed
	Connection bridge.Connection
	Hero       string // where ReferralHero is
	Found      *syncer.Explanation
}

// explainRow is a field with both sides' values.
type explainRow struct {
	Of           bridge.Field
	Name         string // API name
	Hero, Record string
	State        badge
}

var explained = map[string]badge{
	"equal":   {"Equal", "success", ""},
	"differs": {"Different", "danger", "It is put right when somebody changes there, by the next comparison, or by Write again."},
	"rests":   {"Different", "secondary", "Positions move for many people with each referral. They are written along with other changes, and by comparisons."},
	"hidden":  {"Not written", "warning", "The connected user may not edit the field, so its value is not known. See the table of fields."},
	"long":    {"Left out", "warning", "The value is too long for the field. Cut, it would be another one."},
	"cut":     {"Shortened", "warning", "The value is too long for the field. Salesforce shows its beginning."},
	"none":    {"No record", "secondary", ""},
	"gone":    {"Cleared", "secondary", ""},
}

// Rows are the fourteen fields.
func (p explainPage) Rows() []explainRow {
	e := p.Found
	rows := make([]explainRow, bridge.FieldCount)
	for i, f := range bridge.Fields {
		row := explainRow{Of: f, Name: e.Layout.Names[i], Hero: e.Wanted[i]}
		if e.TooLong.Has(i) || e.Cut.Has(i) {
			row.Hero = e.Said[i]
		}
		state := "differs"
		switch {
		case e.Record == nil:
			state = "none"
		case !e.Layout.Visible.Has(i):
			state = "hidden"
		case e.TooLong.Has(i) && e.Equal(i):
			state = "long"
		case e.Cut.Has(i) && e.Equal(i):
			state = "cut"
		case e.Gone && e.Equal(i):
			state = "gone"
		case e.Equal(i):
			state = "equal"
		case i == bridge.Position:
			state = "rests"
		}
		if e.Record != nil {
			row.Record = e.Record.Values[i]
		}
		row.State = explained[state]
		rows[i] = row
	}
	return rows
}

// Different counts the visible fields that do not show what they should.
func (p explainPage) Different() int {
	e := p.Found
	if e.Record == nil {
		return 0
	}
	n := 0
	for i := range bridge.Fields {
		if e.Layout.Visible.Has(i) && !e.Equal(i) {
			n++
		}
	}
	return n
}

// Misfits counts the visible fields that show what they should, and less than ReferralHero says: they have no room for it.
func (p explainPage) Misfits() int {
	n := 0
	for i := range bridge.Fields {
		if e := p.Found; e.Layout.Visible.Has(i) && (e.TooLong.Has(i) || e.Cut.Has(i)) && e.Equal(i) {
			n++
		}
	}
	return n
}

// Record leads to the record in Salesforce; empty if there is none.
func (p explainPage) Record() string {
	if p.Found.Record == nil {
		return ""
	}
	return recordLink(p.Connection.Instance, p.Found.Record.Target, p.Found.Record.ID)
}

// Why says what the last write came from.
func (p explainPage) Why() string { return writeWhy(p.Found.Link.Why) }

// Nobody reports whether neither side knows the person.
func (p explainPage) Nobody() bool { return p.Found.Gone && !p.Found.Linked && p.Found.Record == nil }

// explain shows the form, and the explanation of whoever the address names: by an id or a referral code, for an e-mail address
// is no part of an address.
func (v *visit) explain() error {
	who := v.r.URL.Query().Get("who")
	if strings.Contains(who, "@") {
		return v.showExplain(http.StatusBadRequest, "", []problem{{"who", "Type the e-mail address here: it does not belong into the address of a page."}})
	}
	return v.showExplain(http.StatusOK, who, nil)
}

// explainTyped explains whoever was typed. It takes a form although it changes nothing.
func (v *visit) explainTyped() error {
	who := strings.TrimSpace(v.r.PostForm.Get("who"))
	if who == "" {
		return v.showExplain(http.StatusBadRequest, "", []problem{{"who", "Type a subscriber's id, a referral code, an e-mail address or the id of a Salesforce record."}})
	}
	return v.showExplain(http.StatusOK, who, nil)
}

func (v *visit) showExplain(status int, who string, found []problem) error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	page := explainPage{Who: who, Hero: v.Hero}
	if page.tabs, err = v.tabs(c, "salesforce"); err != nil {
		return err
	}
	page.Page = "explain"
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	page.On = sync.On
	if sync.Connection != "" {
		if page.Connection, err = v.Connections.Get(v.ctx(), v.acc(), sync.Connection); err != nil {
			return err
		}
	}
	if who != "" && sync.Connection != "" {
		e, err := v.Sync.Explain(v.ctx(), v.acc(), c.ID, who)
		if err == nil {
			page.Found = &e
		} else {
			found = said(err, "who")
			if message, _ := bridge.MessageOf(err); message == "" && bridge.KindOf(err) == bridge.NotFound {
				found = []problem{{"who", "Nobody in the campaign has that id or code. Codes are told apart by capital letters."}}
			}
			if found == nil {
				return err
			}
			status = apigw.Status(err)
			apigw.Log(v.r, err, status)
		}
	}
	v.render(status, "explain.html", view{Title: "Explain a value: " + c.Name, Section: "campaigns", Notice: v.notice(), Problems: found, Data: page})
	return nil
}

// writeAgain has a subscriber's record written once more.
func (v *visit) writeAgain() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	subscriber := bridge.SubscriberID(v.r.PostForm.Get("subscriber"))
	if subscriber == "" {
		return v.nowhere()
	}
	if _, err := v.Sync.Retry(v.ctx(), v.acc(), c.ID, "", subscriber); err != nil {
		return err
	}
	v.redirect("/campaigns/" + string(c.ID) + "/salesforce/explain?done=written&who=" + url.QueryEscape(string(subscriber)))
	return nil
}
