package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/proof"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// dealResult is what a won deal has come to.
type dealResult struct {
	Confirmed  int    `json:"confirmed"` // referrals
	Spend      string `json:"spend"`     // of the friend, in ReferralHero
	Duplicates int    `json:"duplicates_sent"`
	Effects    int    `json:"effects"` // calls that did something at ReferralHero
}

// winDeal adds two events to track, has a deal of the friend won in the org, which sends every message twice, and waits until
// the referral is confirmed and the spend is there.
func winDeal(ctx context.Context, w *world.World, someone *person.Person, campaign bridge.CampaignID, connection bridge.ConnectionID, f friend, stdout io.Writer) (dealResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := someone.Follow(ctx, campaign, connection, 2); err != nil {
		return dealResult{}, err
	}
	for name, trigger := range map[string]bridge.Trigger{"Deal won: confirm": bridge.ToConfirmed, "Deal won: spend": bridge.TotalSpend} {
		if _, err := someone.AddEvent(ctx, campaign, name, "Closed Won", trigger); err != nil {
			return dealResult{}, err
		}
	}
	if err := someone.Installed(ctx, campaign); err != nil {
		return dealResult{}, err
	}
	fmt.Fprintln(stdout, "Added two events to track; the org's flow is active.")

	switches := w.Org.Switches()
	switches.OutboundDuplicate = 1
	w.Org.SetSwitches(switches)
	if err := sell(ctx, w, f); err != nil {
		return dealResult{}, err
	}
	fmt.Fprintln(stdout, "A deal of 1,250.00 with the friend was won in the org.")
	if err := told(ctx, w, campaign, f); err != nil {
		return dealResult{}, err
	}
	if err := w.Org.Delivered(ctx); err != nil {
		return dealResult{}, err
	}
	return countDeal(ctx, w, someone, campaign, f)
}

// sell makes an opportunity with the friend's contact in the org, and wins it, as any client of its API would.
func sell(ctx context.Context, w *world.World, f friend) error {
	token, err := w.Org.Token("admin@acme.example")
	if err != nil {
		return err
	}
	api := func(method, path string, in, out any) error {
		return proof.Exchange(ctx, method, w.OrgURL+"/services/data/v66.0"+path, token, in, out)
	}
	var contacts struct{ Records []struct{ ID string } }
	if err := api(http.MethodGet, "/query?q="+url.QueryEscape("SELECT Id FROM Contact WHERE Email = '"+f.email+"'"), nil, &contacts); err != nil {
		return err
	}
	if len(contacts.Records) != 1 {
		return fmt.Errorf("the org has %d contacts of the friend", len(contacts.Records))
	}
	var deal struct{ ID string }
	err = api(http.MethodPost, "/sobjects/Opportunity", map[string]any{
		"Name": "Tents for Robin", "StageName": "Prospecting", "CloseDate": time.Now().Format(time.DateOnly), "Amount": 1250,
	}, &deal)
	if err != nil {
		return err
	}
	role := map[string]any{"OpportunityId": deal.ID, "ContactId": contacts.Records[0].ID, "IsPrimary": true}
	if err := api(http.MethodPost, "/sobjects/OpportunityContactRole", role, nil); err != nil {
		return err
	}
	return api(http.MethodPatch, "/sobjects/Opportunity/"+deal.ID, map[string]any{"StageName": "Closed Won"}, nil)
}

// told waits until ReferralHero knows of the deal.
func told(ctx context.Context, w *world.World, campaign bridge.CampaignID, f friend) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		if s, there := subscriber(w, campaign, f.id); there && s.Status == referralhero.Confirmed && s.LifetimeSpend > 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return errors.New("ReferralHero was not told of the deal in time")
		}
	}
}

func subscriber(w *world.World, campaign bridge.CampaignID, id string) (referralhero.Subscriber, bool) {
	for _, s := range w.Hero.Subscribers(string(campaign)) {
		if s.ID == id {
			return s, true
		}
	}
	return referralhero.Subscriber{}, false
}

func countDeal(ctx context.Context, w *world.World, someone *person.Person, campaign bridge.CampaignID, f friend) (dealResult, error) {
	var r dealResult
	for _, s := range w.Hero.Subscribers(string(campaign)) {
		if s.Referred && s.Status == referralhero.Confirmed {
			r.Confirmed++
		}
	}
	s, _ := subscriber(w, campaign, f.id)
	r.Spend = strconv.FormatFloat(s.LifetimeSpend, 'f', 2, 64)
	sent := map[string]int{}
	for _, post := range w.Org.Posts() {
		for _, id := range post.Notifications {
			if sent[id]++; sent[id] > 1 {
				r.Duplicates++
			}
		}
	}
	lines, err := someone.EventActivity(ctx, campaign, "")
	for _, line := range lines {
		if line.State == bridge.EffectDone {
			r.Effects++
		}
	}
	return r, err
}
