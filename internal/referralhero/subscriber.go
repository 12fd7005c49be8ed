package referralhero

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Person is somebody to add to a campaign.
type Person struct {
	Identifier bridge.Identifier // which of the identifiers Value is
	Value      string
	Name       string
	URL        string // base of the referral link; empty for the campaign's own
	Source     string
}

// Subscriber is what ReferralHero says of a person whom it has.
type Subscriber struct {
	ID        string
	Created   bool      // made by this very call; false if the person was there before
	CreatedAt time.Time // to the second; zero if the answer did not say
	Source    string
}

// Add makes p a subscriber of the list, verified at once, or finds the subscriber that p is already and
// changes nothing. It is therefore safe to repeat: after an UnknownOutcome the second answer has
// Created false, and CreatedAt tells whether it was the first call that made the subscriber.
func (c *Client) Add(ctx context.Context, token bridge.Secret, list bridge.CampaignID, p Person) (Subscriber, Quota, error) {
	const op = "referralhero.Add"
	in := map[string]any{string(p.Identifier): p.Value, "double_optin": false}
	for name, value := range map[string]string{"name": p.Name, "domain": p.URL, "source": p.Source} {
		if value != "" {
			in[name] = value
		}
	}
	data, quota, err := c.call(ctx, op, token, http.MethodPost, "/lists/"+url.PathEscape(string(list))+"/subscribers", in)
	if err != nil {
		return Subscriber{}, quota, err
	}
	var answer struct {
		Response  string `json:"response"`
		ID        string `json:"id"`
		CreatedAt number `json:"created_at"`
		Source    string `json:"source"`
	}
	if json.Unmarshal(data, &answer) != nil || answer.ID == "" {
		return Subscriber{}, quota, bridge.E(op, bridge.UnknownOutcome, errors.New("the answer has no subscriber"))
	}
	return Subscriber{
		ID: answer.ID, Created: answer.Response == "subscriber_created", CreatedAt: answer.CreatedAt.time(), Source: answer.Source,
	}, quota, nil
}
