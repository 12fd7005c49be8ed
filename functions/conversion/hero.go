package main

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/referralhero"
)

// hero is ReferralHero in the words of conversions.
type hero struct{ *referralhero.Client }

func (h hero) Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p conversion.Person) (bridge.Subscriber, bool, bridge.Quota, error) {
	person := referralhero.Person{Identifier: p.Identifier, Value: p.Value, Name: p.Name, URL: p.URL, Source: p.Source}
	added, quota, err := h.AddReferral(ctx, token, campaign, person, referralhero.Referral{Referrer: p.Referrer, Pending: p.Pending})
	return added.Subscriber, added.Created, quota, err
}

func (h hero) Pay(
	ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string, p conversion.Transaction,
) (bridge.Quota, error) {
	return h.Client.Pay(ctx, token, campaign, by, value, referralhero.Transaction(p))
}
