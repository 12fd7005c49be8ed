// Package referralhero speaks to ReferralHero's REST API, version 2.
package referralhero

import (
	"context"
	"net/http"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Client calls ReferralHero. Every call takes the account's own API token. It is safe for concurrent use.
type Client struct {
	BaseURL string // such as "https://app.referralhero.com/api/v2"
	HTTP    *http.Client
}

// Quota is what an answer tells about the account's allowance.
type Quota struct {
	Left int       // calls left in the hour; -1 if the answer did not say
	At   time.Time // ReferralHero's clock, to the second; zero if the answer did not say
}

// Person is somebody to add to a campaign.
type Person struct {
	Identifier bridge.Identifier // which of a campaign's identifiers Value is
	Value      string
	Name       string
	URL        string // base of the referral link; empty for the campaign's own
	Source     string
}

// Subscriber is what ReferralHero says of a person whom it has.
type Subscriber struct {
	ID        string
	Created   bool      // made by this very call; false if the person was there before
	CreatedAt time.Time // to the second
	Source    string
}

// Lists returns the account's active campaigns, following all pages of ten.
func (c *Client) Lists(ctx context.Context, token bridge.Secret) ([]bridge.Campaign, Quota, error) {
	return nil, Quota{}, bridge.E("referralhero.Lists", bridge.Internal, http.ErrNotSupported)
}

// Add makes p a subscriber of the list, or finds the subscriber that p is already.
func (c *Client) Add(ctx context.Context, token bridge.Secret, list bridge.CampaignID, p Person) (Subscriber, Quota, error) {
	return Subscriber{}, Quota{}, bridge.E("referralhero.Add", bridge.Internal, http.ErrNotSupported)
}
