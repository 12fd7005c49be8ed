package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/proof"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// syncOn has ReferralHero tell us of changes, and the campaign synced to the org.
func syncOn(ctx context.Context, w *world.World, someone *person.Person, campaign bridge.CampaignID, connection bridge.ConnectionID) error {
	address, err := someone.Webhook(ctx, w.Hero.WebhookSecrets().Current)
	if err != nil {
		return err
	}
	if _, err := w.Hero.SetWebhook(string(campaign), referralhero.Webhook{URL: address}); err != nil {
		return err
	}
	if err := someone.SyncOn(ctx, campaign, connection); err != nil {
		return err
	}
	_, err = someone.Synced(ctx, campaign)
	return err
}

// friend is somebody whom a subscriber refers in the demonstration.
type friend struct {
	id, email string
	referrer  referralhero.Subscriber
}

// refer has the first subscriber refer a friend, who signs up at ReferralHero.
func refer(ctx context.Context, w *world.World, campaign bridge.CampaignID) (friend, error) {
	people := w.Hero.Subscribers(string(campaign))
	if len(people) == 0 {
		return friend{}, errors.New("the campaign has no subscriber who could refer somebody")
	}
	f := friend{email: "robin.friend@example.com", referrer: people[0]}
	var answer struct{ Data struct{ ID string } }
	err := proof.Exchange(ctx, http.MethodPost, w.HeroURL+"/api/v2/lists/"+string(campaign)+"/subscribers", w.Hero.Token(), map[string]any{
		"email": f.email, "name": "Robin Friend", "double_optin": false, "referrer": f.referrer.Code, "status": "custom_event_pending",
	}, &answer)
	f.id = answer.Data.ID
	return f, err
}

// showContacts waits until the org shows the friend and who referred them, and prints what their contacts show.
func showContacts(ctx context.Context, w *world.World, campaign bridge.CampaignID, f friend, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		shown, err := proof.Shown(ctx, w)
		if err != nil {
			return err
		}
		want := proof.Expected(w.Hero.Subscribers(string(campaign)))
		if same(shown, want, f.id) && same(shown, want, f.referrer.ID) {
			printContact(stdout, f.referrer.Email, shown[f.referrer.ID])
			printContact(stdout, f.email, shown[f.id])
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return errors.New("the contacts do not show what ReferralHero says after two minutes")
		}
	}
}

// same compares a subscriber's contact, but for POSITION, which moves for many with each referral.
func same(shown, want map[string]bridge.Values, id string) bool {
	return bridge.Differ(shown[id], want[id], bridge.EveryField.Without(bridge.Position)) == 0
}

func printContact(stdout io.Writer, email string, values bridge.Values) {
	var parts []string
	for i, f := range bridge.Fields {
		if values[i] != "" {
			parts = append(parts, f.Name+"="+values[i])
		}
	}
	fmt.Fprintf(stdout, "Contact %s: %s\n", email, strings.Join(parts, " "))
}
