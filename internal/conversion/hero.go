package conversion

import (
	"context"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Hero is ReferralHero. None of its calls is repeated by itself. Errors of calls that change something are an
// UnknownOutcome where the call may have been carried out, and Unavailable where it was certainly not.
type Hero interface {
	heroReader
	heroReferrals
	heroWriter
}

// heroReader finds verified subscribers. Somebody who is not one is NotFound with the code "subscriber_not_found".
type heroReader interface {
	Subscriber(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error)
	SubscriberByEmail(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, email string) (bridge.Subscriber, bridge.Quota, error)
}

type heroReferrals interface {
	// Track completes the second event of a referral: pending becomes confirmed, or unconfirmed where the goal has three.
	Track(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string) (bridge.Subscriber, bridge.Quota, error)
	// Confirm completes the third event: unconfirmed becomes confirmed.
	Confirm(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error)
	// Unqualify takes a referral out of those that count.
	Unqualify(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (bridge.Subscriber, bridge.Quota, error)
}

type heroWriter interface {
	// Add makes p a subscriber, or finds the one that p is already and changes nothing.
	Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p Person) (s bridge.Subscriber, created bool, q bridge.Quota, err error)
	// Pay adds a transaction and sets the total spend.
	Pay(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string, p Transaction) (bridge.Quota, error)
}

// Person is somebody to add.
type Person struct {
	Identifier bridge.Identifier
	Value      string
	Name       string
	URL        string // base of the referral link; empty for the campaign's own
	Source     string
	Referrer   string // code or identifier of who referred them; empty for nobody
	Pending    bool   // the referral has events to come
}

// Transaction is what ReferralHero is told of a deal.
type Transaction struct {
	ID       string
	Amount   decimal.Decimal // what was not told before
	Lifetime decimal.Decimal // the person's total spend now
}

// source is what subscribers that a rule added carry in ReferralHero's field of that name.
const source = "salesforce"

// noSubscriber is the code for somebody whom ReferralHero does not have, or does not show.
const noSubscriber = "subscriber_not_found"

// unknownPerson reports whether err says that there is no such subscriber, and not that the campaign is missing.
func unknownPerson(err error) bool {
	return bridge.KindOf(err) == bridge.NotFound && bridge.CodeOf(err) == noSubscriber
}
