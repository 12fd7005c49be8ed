package inbox

import "github.com/referralbridge/referralbridge/internal/bridge"

// Hint says that a subscriber may have changed.
type Hint struct {
	Account    bridge.AccountID    `json:"account"`
	Campaign   bridge.CampaignID   `json:"campaign"`
	Subscriber bridge.SubscriberID `json:"subscriber,omitempty"` // if it and Code are empty, anybody may have changed
	Code       string              `json:"code,omitempty"`       // referral code, where the id is not known
	At         int64               `json:"at"`                   // what was read before that, in Unix milliseconds by our clock, does not count
	Why        Why                 `json:"why"`
	Deep       bool                `json:"deep,omitempty"` // the newest referral is to be asked for anew: one is gone
	Once       bool                `json:"once,omitempty"` // nothing to do if the subscriber is known at all
}

// Group names the account, so that one account's hints cannot delay another's.
func (h Hint) Group() string { return string(h.Account) }

// Why is what a hint came of.
type Why string

// What hints come of. A Referral is about the one who referred somebody.
const (
	Registration Why = "registration"
	Referral     Why = "referral"
	Update       Why = "update"
	Promotion    Why = "promotion"
	Reward       Why = "reward"
	Deletion     Why = "deletion"
)
