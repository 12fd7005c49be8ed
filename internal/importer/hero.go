package importer

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// source is what subscribers of an import carry in ReferralHero's field of that name. Together with the time
// of their creation it tells them from those who came by themselves.
const source = "imported_from_salesforce"

// Hero is ReferralHero.
type Hero interface {
	// Add makes p a subscriber of the campaign, or finds the one that p is already.
	Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p Person) (Subscriber, bridge.Quota, error)
}

// Person is somebody to add.
type Person struct {
	Identifier bridge.Identifier
	Value      string
	Name       string
	URL        string
	Source     string
}

// Subscriber is what ReferralHero answers about a person.
type Subscriber struct {
	bridge.Subscriber
	Created bool // made by this very call
}

// Added is a contact that an import made a subscriber, or found to be one.
type Added struct {
	Contact    bridge.SalesforceID
	Subscriber bridge.Subscriber
}
