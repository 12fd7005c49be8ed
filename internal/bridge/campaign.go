package bridge

import "time"

// Identifier is what tells subscribers of a campaign apart.
type Identifier string

// The identifiers that ReferralHero knows. An import needs Email or Phone.
const (
	ByEmail  Identifier = "email"
	ByPhone  Identifier = "phone_number"
	ByWallet Identifier = "crypto_wallet_address"
	ByOther  Identifier = "other_identifier_value"
)

// Campaign is a ReferralHero list and the settings that we keep for it, because ReferralHero's API does
// not tell them.
type Campaign struct {
	ID          CampaignID
	Account     AccountID
	Name        string
	Subscribers int       // as ReferralHero said at SeenAt
	SeenAt      time.Time // when ReferralHero last listed it
	Listed      bool      // false once ReferralHero no longer lists it: it lists active campaigns only
	Connection  ConnectionID
	Identifier  Identifier
	Events      int    // conversion events of its goal: 1, 2 or 3; 0 until somebody said so
	URL         string // default address of the referral link
	Version     int
}
