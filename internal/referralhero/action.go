package referralhero

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Referral is who is said to have referred a person that is added.
type Referral struct {
	Referrer string // code or identifier; empty for nobody
	Pending  bool   // the campaign's goal has events to come: without it ReferralHero may confirm the referral at once
}

// AddReferral is Add for a person who may have been referred. Somebody who is there already keeps the referrer that they
// have.
func (c *Client) AddReferral(ctx context.Context, token bridge.Secret, list bridge.CampaignID, p Person, by Referral) (Added, bridge.Quota, error) {
	const op = "referralhero.AddReferral"
	in := p.parameters()
	if by.Referrer != "" {
		in["referrer"] = by.Referrer
		if by.Pending {
			in["status"] = "custom_event_pending"
		}
	}
	return c.added(ctx, op, token, list, in)
}

// Track completes the second event of the referral of a verified subscriber: pending becomes confirmed where the goal has
// two events, unconfirmed where it has three. Its effect when repeated is not documented for goals of three: look before.
func (c *Client) Track(ctx context.Context, token bridge.Secret, list bridge.CampaignID, by bridge.Identifier, value string) (bridge.Subscriber, bridge.Quota, error) {
	return c.act(ctx, "referralhero.Track", token, subscribersOf(list)+"/track_referral_conversion_event", map[string]any{string(by): value})
}

// Confirm completes the third event of a subscriber's referral: unconfirmed becomes confirmed.
func (c *Client) Confirm(ctx context.Context, token bridge.Secret, list bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error) {
	return c.about(ctx, "referralhero.Confirm", token, list, id, "confirm")
}

// Unqualify takes a subscriber's referral out of those that count.
func (c *Client) Unqualify(ctx context.Context, token bridge.Secret, list bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error) {
	return c.about(ctx, "referralhero.Unqualify", token, list, id, "unqualify")
}

// about is a call about the subscriber with an id.
func (c *Client) about(ctx context.Context, op string, token bridge.Secret, list bridge.CampaignID, id bridge.SubscriberID, action string) (bridge.Subscriber, bridge.Quota, error) {
	if !plain(string(id)) {
		return bridge.Subscriber{}, silent, failure(op, noSubscriber, bridge.NotFound)
	}
	return c.act(ctx, op, token, subscribersOf(list)+"/"+url.PathEscape(string(id))+"/"+action, map[string]any{})
}

// act is a call that changes a subscriber and answers with them.
func (c *Client) act(ctx context.Context, op string, token bridge.Secret, path string, in map[string]any) (bridge.Subscriber, bridge.Quota, error) {
	data, quota, err := c.call(ctx, op, token, http.MethodPost, path, in)
	if err != nil {
		return bridge.Subscriber{}, quota, missing(op, err)
	}
	var answer subscriber
	if json.Unmarshal(data, &answer) != nil || answer.ID == "" {
		return bridge.Subscriber{}, quota, bridge.E(op, bridge.UnknownOutcome, errors.New("the answer has no subscriber"))
	}
	return answer.noun(quota.At), quota, nil
}

// Transaction is a purchase of a subscriber.
type Transaction struct {
	ID       string          // the same ID is stored once; it must never come with another amount
	Amount   decimal.Decimal // of this purchase; not negative
	Lifetime decimal.Decimal // what the subscriber has spent in all
}

// Pay adds a transaction of a verified subscriber, and says what they have spent in all. It may release a reward. There
// is no way to read transactions.
func (c *Client) Pay(ctx context.Context, token bridge.Secret, list bridge.CampaignID, by bridge.Identifier, value string, t Transaction) (bridge.Quota, error) {
	const op = "referralhero.Pay"
	in := map[string]any{
		string(by): value, "transaction_id": t.ID,
		"amount": json.Number(t.Amount.String()), "lifetime_spend": json.Number(t.Lifetime.String()),
	}
	data, quota, err := c.call(ctx, op, token, http.MethodPost, subscribersOf(list)+"/add_transactions", in)
	if err != nil {
		return quota, missing(op, err)
	}
	var answer struct {
		Response text `json:"response"`
		ID       text `json:"transaction_id"`
	}
	if json.Unmarshal(data, &answer) != nil || answer.Response == "" && answer.ID == "" {
		return quota, bridge.E(op, bridge.UnknownOutcome, errors.New("the answer has no transaction"))
	}
	return quota, nil
}
