package main

import (
	"context"
	"net/http"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/campaign"
)

type campaigns interface {
	List(ctx context.Context, account bridge.AccountID) ([]bridge.Campaign, error)
	Get(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
	Refresh(ctx context.Context, account bridge.AccountID) error
	Save(ctx context.Context, account bridge.AccountID, id bridge.CampaignID, s campaign.Settings) error
}

type campaignsPage struct {
	Campaigns []bridge.Campaign
	HasToken  bool
}

func (v *visit) campaigns() error { return v.showCampaigns(http.StatusOK, nil) }

func (v *visit) showCampaigns(status int, found []problem) error {
	account, err := v.Accounts.Account(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	all, err := v.Campaigns.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	v.render(status, "campaigns.html", view{
		Title: "Campaigns", Section: "campaigns", Notice: v.notice(), Problems: found,
		Data: campaignsPage{Campaigns: all, HasToken: !account.Token.Empty()},
	})
	return nil
}

func (v *visit) refreshCampaigns() error {
	err := v.Campaigns.Refresh(v.ctx(), v.acc())
	if err != nil {
		found, err2 := problems(err)
		if err2 != nil {
			return err2
		}
		apigw.Log(v.r, err, apigw.Status(err))
		return v.showCampaigns(apigw.Status(err), found)
	}
	v.redirect("/campaigns?done=refreshed")
	return nil
}

// campaignOf returns the campaign in the address, of this account.
func (v *visit) campaignOf() (bridge.Campaign, error) {
	return v.Campaigns.Get(v.ctx(), v.acc(), bridge.CampaignID(v.r.PathValue("campaign")))
}

type settingsPage struct {
	tabs
	Connections []bridge.Connection
	Settings    campaign.Settings // as typed
}

func (v *visit) campaignSettings() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	return v.showSettings(http.StatusOK, c, nil, campaign.Settings{
		Connection: c.Connection, Identifier: c.Identifier, Events: c.Events, URL: c.URL,
	})
}

func (v *visit) showSettings(status int, c bridge.Campaign, found []problem, s campaign.Settings) error {
	live, err := v.liveConnections(v.ctx())
	if err != nil {
		return err
	}
	tabs, err := v.tabs(c, "settings")
	if err != nil {
		return err
	}
	v.render(status, "settings.html", view{
		Title: c.Name, Section: "campaigns", Notice: v.notice(), Problems: found,
		Data: settingsPage{tabs: tabs, Connections: live, Settings: s},
	})
	return nil
}

func (v *visit) saveSettings() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form := v.r.PostForm
	count, err := strconv.Atoi(form.Get("events"))
	if err != nil {
		count = -1 // refused below, in words
	}
	settings := campaign.Settings{
		Connection: bridge.ConnectionID(form.Get("connection")), Identifier: bridge.Identifier(form.Get("identifier")),
		Events: count, URL: form.Get("url"),
	}
	if err := v.Campaigns.Save(v.ctx(), v.acc(), c.ID, settings); err != nil {
		found, err2 := problems(err, "connection", "identifier", "events", "url")
		if err2 != nil {
			return err2
		}
		return v.showSettings(apigw.Status(err), c, found, settings)
	}
	v.redirect("/campaigns/" + string(c.ID) + "/settings?done=settings")
	return nil
}
