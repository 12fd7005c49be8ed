package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// step is one of the set-up's.
type step struct {
	Done               bool
	Title, Text        string
	Link, Action, Name string // Name is for programs
}

type homePage struct {
	Steps       []step
	Ready       bool // every step is done
	Usage       budget.State
	Allowance   int
	Connections []bridge.Connection
	Campaigns   []bridge.Campaign
	Imports     []importRow
	Synced      []syncedRow
	Tracked     []trackedRow
}

// trackedRow is a campaign with events to track.
type trackedRow struct {
	Campaign bridge.Campaign
	On, All  int // events
	Needs    int
}

// tracked returns the campaigns with events to track, without their names.
func (v *visit) tracked(ctx context.Context) ([]trackedRow, error) {
	sets, err := v.Events.Sets(ctx, v.acc())
	if err != nil {
		return nil, err
	}
	found := make([]trackedRow, len(sets))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, s := range sets {
		found[i] = trackedRow{Campaign: bridge.Campaign{ID: s.Campaign, Name: string(s.Campaign)}, All: len(s.Rules)}
		for _, r := range s.Rules {
			if r.On {
				found[i].On++
			}
		}
		group.Go(func() (err error) { found[i].Needs, err = v.openReviews(ctx, s.Campaign); return err })
	}
	err = group.Wait()
	return slices.DeleteFunc(found, func(r trackedRow) bool { return r.All == 0 && r.Needs == 0 }), err
}

// syncedRow is a campaign that is kept in Salesforce.
type syncedRow struct {
	Campaign bridge.Campaign
	State    badge
	Needs    int // records that need somebody
}

// synced returns the campaigns that are kept in Salesforce, without their names.
func (v *visit) synced(ctx context.Context) ([]syncedRow, error) {
	all, err := v.Sync.List(ctx, v.acc())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s syncer.Sync) bool { return !s.On })
	found := make([]syncedRow, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, s := range all {
		found[i] = syncedRow{Campaign: bridge.Campaign{ID: s.Campaign, Name: string(s.Campaign)}, State: syncState(s, nil, "", silence{}, v.Now())}
		group.Go(func() (err error) { found[i].Needs, err = v.Sync.Needs(ctx, v.acc(), s.Campaign); return err })
	}
	return found, group.Wait()
}

// named gives the rows their campaigns.
func named(rows []syncedRow, campaigns []bridge.Campaign) {
	for i := range rows {
		for _, c := range campaigns {
			if c.ID == rows[i].Campaign.ID {
				rows[i].Campaign = c
			}
		}
	}
	slices.SortFunc(rows, func(a, b syncedRow) int { return cmp.Compare(a.Campaign.Name, b.Campaign.Name) })
}

func nameTracked(rows []trackedRow, campaigns []bridge.Campaign) {
	for i := range rows {
		for _, c := range campaigns {
			if c.ID == rows[i].Campaign.ID {
				rows[i].Campaign = c
			}
		}
	}
	slices.SortFunc(rows, func(a, b trackedRow) int { return cmp.Compare(a.Campaign.Name, b.Campaign.Name) })
}

// home shows what is still to be set up, and then what goes on.
func (v *visit) home() error {
	var (
		page    homePage
		account bridge.Account
		imports []bridge.Import
	)
	group, ctx := errgroup.WithContext(v.ctx())
	group.Go(func() (err error) {
		if account, err = v.Accounts.Account(ctx, v.acc()); err == nil {
			page.Usage, err = v.Accounts.Usage(ctx, account)
		}
		return err
	})
	group.Go(func() (err error) { page.Connections, err = v.liveConnections(ctx); return err })
	group.Go(func() (err error) { page.Campaigns, err = v.Campaigns.List(ctx, v.acc()); return err })
	group.Go(func() (err error) { page.Synced, err = v.synced(ctx); return err })
	group.Go(func() (err error) { page.Tracked, err = v.tracked(ctx); return err })
	group.Go(func() (err error) { imports, err = v.Imports.List(ctx, v.acc(), "", "", 5); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	page.Allowance = account.Allowance
	page.Imports = rows(imports, page.Campaigns)
	named(page.Synced, page.Campaigns)
	nameTracked(page.Tracked, page.Campaigns)
	page.Steps = steps(account, page.Connections, page.Campaigns, imports)
	page.Ready = true
	for _, s := range page.Steps {
		page.Ready = page.Ready && s.Done
	}
	v.render(http.StatusOK, "home.html", view{Title: "Home", Section: "home", Data: page})
	return nil
}

func steps(a bridge.Account, connections []bridge.Connection, campaigns []bridge.Campaign, imports []bridge.Import) []step {
	all := []step{
		{Name: "account", Title: "ReferralHero account", Link: "/account", Action: "Give the API token",
			Text: "Paste the API token of your ReferralHero account. We try it before we keep it."},
		{Name: "connection", Title: "Salesforce account", Link: "/connections", Action: "Setup Integration",
			Text: "Connect the Salesforce account that your contacts are in. Salesforce asks you to allow it."},
		{Name: "campaign", Title: "Campaign", Link: "/campaigns", Action: "Choose a campaign",
			Text: "Choose the campaign, and say what ReferralHero does not tell us about it."},
		{Name: "import", Title: "First import", Link: "/campaigns", Action: "Import from CRM",
			Text: "Bring the contacts of your Salesforce account into the campaign. You see what would happen before anything does."},
	}
	all[0].Done = !a.Token.Empty() && a.Refused == ""
	if a.Refused != "" {
		all[0].Text, all[0].Action = "ReferralHero does not accept the API token any more. Imports wait until there is a new one.", "Give a new API token"
	}
	for _, c := range connections {
		all[1].Done = all[1].Done || c.Status == bridge.Active
	}
	if len(connections) > 0 && !all[1].Done {
		all[1].Text, all[1].Action = "Salesforce does not let us in any more. Imports wait until you have connected again.", "Connect again"
	}
	for _, c := range campaigns {
		if c.Listed && c.Connection != "" {
			all[2].Done = true
			all[3].Link = "/campaigns/" + string(c.ID)
		}
	}
	if len(imports) > 0 { // nobody starts one without having chosen
		all[2].Done, all[3].Done = true, true
	}
	return all
}
