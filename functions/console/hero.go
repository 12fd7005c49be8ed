package main

import (
	"context"
	"errors"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/referralhero"
)

// onlooker is ReferralHero for tests and looks back, which change nothing there: what adds somebody or pays is refused
// here, whoever asks.
type onlooker struct{ *referralhero.Client }

var errOnlooker = errors.New("the console changes nothing in ReferralHero")

func (onlooker) Add(context.Context, bridge.Secret, bridge.CampaignID, conversion.Person) (bridge.Subscriber, bool, bridge.Quota, error) {
	return bridge.Subscriber{}, false, bridge.Quota{}, bridge.E("console.Add", bridge.Internal, errOnlooker)
}

func (onlooker) Pay(context.Context, bridge.Secret, bridge.CampaignID, bridge.Identifier, string, conversion.Transaction) (bridge.Quota, error) {
	return bridge.Quota{}, bridge.E("console.Pay", bridge.Internal, errOnlooker)
}

func (onlooker) Track(context.Context, bridge.Secret, bridge.CampaignID, bridge.Identifier, string) (bridge.Subscriber, bridge.Quota, error) {
	return bridge.Subscriber{}, bridge.Quota{}, bridge.E("console.Track", bridge.Internal, errOnlooker)
}

func (onlooker) Confirm(context.Context, bridge.Secret, bridge.CampaignID, bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error) {
	return bridge.Subscriber{}, bridge.Quota{}, bridge.E("console.Confirm", bridge.Internal, errOnlooker)
}

func (onlooker) Unqualify(context.Context, bridge.Secret, bridge.CampaignID, bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error) {
	return bridge.Subscriber{}, bridge.Quota{}, bridge.E("console.Unqualify", bridge.Internal, errOnlooker)
}
