package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/importer"
)

type connections interface {
	List(ctx context.Context, account bridge.AccountID) ([]bridge.Connection, error)
	Get(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
	Disconnect(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error
}

// consentCookie is there from the start of a consent until its end: functions/oauth writes it.
const consentCookie = "oauth"

type connectionsPage struct {
	Live        []doctor.Review
	Former      []bridge.Connection
	Campaign    bridge.CampaignID // where the person came from; may be empty
	Away        bool              // a consent was begun in this browser and has not come back
	Environment string            // as chosen
	Domain      string            // as typed
	Callback    string            // what the callback URLs of an app begin with
	OwnApp      bool              // the part about an app of one's own is open
	Waiting     map[bridge.ConnectionID]importer.Waiting
}

// liveConnections returns the connections that the customer has not ended.
func (v *visit) liveConnections(ctx context.Context) ([]bridge.Connection, error) {
	all, err := v.Connections.List(ctx, v.acc())
	return slices.DeleteFunc(all, func(c bridge.Connection) bool { return c.Status == bridge.Disconnected }), err
}

func (v *visit) connections() error { return v.showConnections(http.StatusOK, nil) }

func (v *visit) showConnections(status int, found []problem) error {
	all, err := v.Connections.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	page := connectionsPage{
		Campaign: bridge.CampaignID(query.Get("campaign")), Away: !v.jar.Read(v.r, consentCookie).Empty(),
		Environment: cmp.Or(query.Get("environment"), string(bridge.Production)), Domain: query.Get("domain"),
		Callback: v.BaseURL + "/oauth/callback/", OwnApp: query.Get("problem") == string(connect.BadApp),
	}
	if page.Waiting, err = v.Imports.Waiting(v.ctx(), v.acc()); err != nil {
		return err
	}
	notice := v.notice()
	for _, c := range all {
		if c.Status == bridge.Disconnected {
			page.Former = append(page.Former, c)
		} else {
			page.Live = append(page.Live, doctor.Review{Connection: c})
		}
		switch string(c.ID) {
		case query.Get("connected"):
			notice = c.OrgName + " is connected." + resumedWords(query.Get("resumed"))
			v.firstLook(c)
		case query.Get("disconnected"):
			waiting, err := v.waiting(c)
			if err != nil {
				return err
			}
			notice = c.OrgName + " is disconnected. " + disconnectedWords(c) + waiting
		}
	}
	if err := v.reviews(page.Live); err != nil {
		return err
	}
	if code := connect.Problem(query.Get("problem")); code != "" {
		found = append(found, consentProblem(code))
	}
	v.letFormsLeave()
	v.render(status, "connections.html", view{
		Title: "Salesforce accounts", Section: "connections", Notice: notice, Problems: found, Data: page,
	})
	return nil
}

// resumedWords says how many imports go on, if the text is a number.
func resumedWords(text string) string {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return ""
	}
	return " " + plural(n, "import that waited goes", "imports that waited go") + " on."
}

// waiting says which imports a connection leaves behind when it ends.
func (v *visit) waiting(c bridge.Connection) (string, error) {
	const latest = 200 // an import that runs is hardly older than that
	all, err := v.Imports.List(v.ctx(), v.acc(), "", "", latest)
	n := 0
	for _, i := range all {
		if i.Options.Connection == c.ID && !i.State.Ended() {
			n++
		}
	}
	if err != nil || n == 0 {
		return "", err
	}
	return " " + plural(n, "import waits", "imports wait") + " until it is connected again; what was added stays.", nil
}

// letFormsLeave is for pages with a form that ends at Salesforce, which may pass the browser on to the org's own
// sign-in service. Browsers hold all of those hosts against the policy for forms, and nobody can name them beforehand.
func (v *visit) letFormsLeave() {
	target := "form-action 'self' https:"
	if v.Simulator != "" {
		target += " " + v.Simulator
	}
	v.w.Header().Set("Content-Security-Policy", policy(target))
}

func (v *visit) disconnect() error {
	id := bridge.ConnectionID(v.r.PathValue("connection"))
	if _, err := v.Connections.Get(v.ctx(), v.acc(), id); err != nil {
		return err
	}
	if err := v.Connections.Disconnect(v.ctx(), v.acc(), id); err != nil {
		found, err2 := problems(err)
		if err2 != nil {
			return err2
		}
		apigw.Log(v.r, err, apigw.Status(err))
		return v.showConnections(apigw.Status(err), found)
	}
	v.redirect("/connections?disconnected=" + string(id))
	return nil
}
