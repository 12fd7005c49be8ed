package referralhero

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
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

// Added is what became of a person who was added.
type Added struct {
	bridge.Subscriber
	Created bool // made by this very call; false if the person was there before
}

// Add makes p a subscriber of the list, verified at once, or finds the subscriber that p is already and
// changes nothing. It is therefore safe to repeat: after an UnknownOutcome the second answer has
// Created false, and CreatedAt tells whether it was the first call that made the subscriber.
func (c *Client) Add(ctx context.Context, token bridge.Secret, list bridge.CampaignID, p Person) (Added, bridge.Quota, error) {
	return c.added(ctx, "referralhero.Add", token, list, p.parameters())
}

// parameters are those of a person who is added, verified at once.
func (p Person) parameters() map[string]any {
	in := map[string]any{string(p.Identifier): p.Value, "double_optin": false}
	for name, value := range map[string]string{"name": p.Name, "domain": p.URL, "source": p.Source} {
		if value != "" {
			in[name] = value
		}
	}
	return in
}

func (c *Client) added(ctx context.Context, op string, token bridge.Secret, list bridge.CampaignID, in map[string]any) (Added, bridge.Quota, error) {
	data, quota, err := c.call(ctx, op, token, http.MethodPost, subscribersOf(list), in)
	if err != nil {
		return Added{}, quota, err
	}
	var answer subscriber
	if json.Unmarshal(data, &answer) != nil || answer.ID == "" {
		return Added{}, quota, bridge.E(op, bridge.UnknownOutcome, errors.New("the answer has no subscriber"))
	}
	return Added{Subscriber: answer.noun(quota.At), Created: answer.Response == "subscriber_created"}, quota, nil
}

// Subscriber returns a verified subscriber of the list. One whom ReferralHero does not have, or does not show because
// the address is not verified, is NotFound with the code "subscriber_not_found"; a list that it does not have is
// NotFound with the code "invalid_list".
func (c *Client) Subscriber(ctx context.Context, token bridge.Secret, list bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error) {
	const op = "referralhero.Subscriber"
	if !plain(string(id)) {
		return bridge.Subscriber{}, silent, failure(op, noSubscriber, bridge.NotFound)
	}
	s, quota, err := c.one(ctx, op, token, subscribersOf(list)+"/"+string(id))
	if err == nil && s.ID != id {
		return bridge.Subscriber{}, quota, bridge.E(op, bridge.Unavailable, errors.New("the answer is about somebody else"))
	}
	return s, quota, err
}

// SubscriberByCode returns the verified subscriber with a referral code. Its errors are those of Subscriber.
func (c *Client) SubscriberByCode(ctx context.Context, token bridge.Secret, list bridge.CampaignID, code string) (bridge.Subscriber, bridge.Quota, error) {
	return c.one(ctx, "referralhero.SubscriberByCode", token, subscribersOf(list)+"/retrieve_by_mwr?"+url.Values{"mwr": {code}}.Encode())
}

// SubscriberByEmail returns the verified subscriber with an address. Its errors are those of Subscriber.
func (c *Client) SubscriberByEmail(ctx context.Context, token bridge.Secret, list bridge.CampaignID, email string) (bridge.Subscriber, bridge.Quota, error) {
	return c.one(ctx, "referralhero.SubscriberByEmail", token, subscribersOf(list)+"/retrieve_by_email?"+url.Values{"email": {email}}.Encode())
}

// noSubscriber is the code for somebody whom ReferralHero does not have.
const noSubscriber = "subscriber_not_found"

// missing gives one code to all the ways in which ReferralHero says that it does not have a subscriber: by the code,
// with the statuses 403 and 200 as well, and perhaps by the status 404 alone, with a page for people. A list that it
// does not have is another matter.
func missing(op string, err error) error {
	code := bridge.CodeOf(err)
	if bridge.KindOf(err) == bridge.NotFound && code != "invalid_list" || code == "not_found" || code == "404" {
		return failure(op, noSubscriber, bridge.NotFound)
	}
	return err
}

// one reads a subscriber.
func (c *Client) one(ctx context.Context, op string, token bridge.Secret, path string) (bridge.Subscriber, bridge.Quota, error) {
	data, quota, err := c.call(ctx, op, token, http.MethodGet, path, nil)
	if err != nil {
		return bridge.Subscriber{}, quota, missing(op, err)
	}
	var answer subscriber
	if json.Unmarshal(data, &answer) != nil || answer.ID == "" {
		return bridge.Subscriber{}, quota, bridge.E(op, bridge.Unavailable, errors.New("the answer has no subscriber"))
	}
	return answer.noun(quota.At), quota, nil
}

func subscribersOf(list bridge.CampaignID) string {
	return "/lists/" + url.PathEscape(string(list)) + "/subscribers"
}

// plain reports whether an id can be one of ReferralHero's. Ids come from webhooks too, and become part of a path.
func plain(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// subscriber is the object that the API gives for a person, as far as it is used.
type subscriber struct {
	Response    text     `json:"response"`
	ID          text     `json:"id"`
	Name        text     `json:"name"`
	Email       text     `json:"email"`
	Phone       text     `json:"phone_number"`
	Code        text     `json:"code"`
	ExtraField  text     `json:"extra_field"`
	ExtraField2 text     `json:"extra_field_2"`
	Points      number   `json:"points"`
	Position    number   `json:"position"`
	Link        text     `json:"referral_link"`
	Source      text     `json:"source"`
	Referred    truth    `json:"referred"`
	Referrer    referrer `json:"referred_by"`
	Status      text     `json:"referral_status"`
	People      number   `json:"people_referred"`
	Pending     number   `json:"pending_referrals"`
	Unconfirmed number   `json:"unconfirmed_referrals"`
	Verified    truth    `json:"verified"`
	CreatedAt   number   `json:"created_at"`
	UpdatedAt   number   `json:"last_updated_at"`
}

func (s subscriber) noun(readAt time.Time) bridge.Subscriber {
	return bridge.Subscriber{
		ID: bridge.SubscriberID(s.ID), Name: string(s.Name), Email: string(s.Email), Phone: string(s.Phone), Code: string(s.Code),
		ExtraField: string(s.ExtraField), ExtraField2: string(s.ExtraField2),
		Points: s.Points.whole(), Position: s.Position.things(), Link: string(s.Link), Source: string(s.Source),
		Referred: bool(s.Referred), Referrer: bridge.Referral(s.Referrer), Status: string(s.Status),
		PeopleReferred: s.People.things(), Pending: s.Pending.things(), Unconfirmed: s.Unconfirmed.things(), Verified: bool(s.Verified),
		CreatedAt: s.CreatedAt.time(), UpdatedAt: s.UpdatedAt.time(), ReadAt: readAt,
	}
}

// referrer is who referred a subscriber: an object, {} if nobody did, and never worth failing for.
type referrer bridge.Referral

// UnmarshalJSON never fails: what is no object is nobody.
func (r *referrer) UnmarshalJSON(data []byte) error {
	*r = referrer{}
	var by struct {
		ID     text   `json:"id"`
		Name   text   `json:"name"`
		Email  text   `json:"email"`
		People number `json:"people_referred"`
		Points number `json:"points"`
	}
	if json.Unmarshal(data, &by) == nil {
		*r = referrer{
			ID: bridge.SubscriberID(by.ID), Name: string(by.Name), Email: string(by.Email),
			PeopleReferred: by.People.things(), Points: by.Points.whole(),
		}
	}
	return nil
}
