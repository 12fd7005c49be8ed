package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Job asks for a step of the work on conversions. It carries keys only: what to do is read from the table and from
// Salesforce.
type Job struct {
	Account    bridge.AccountID    `json:"account"`
	Connection bridge.ConnectionID `json:"connection,omitempty"`
	// Opportunities are the deals to look at, by ids of 15 or 18 characters.
	Opportunities []string `json:"opportunities,omitempty"`
	// At is when the message about them came.
	At time.Time `json:"at,omitzero"`
	// Step is the work to do. The empty one is to look at Opportunities.
	Step Step `json:"step,omitempty"`
	// Campaign is where a step about rules, entries or an effect belongs.
	Campaign bridge.CampaignID `json:"campaign,omitempty"`
	// Kind, Subject and Currency name an effect.
	Kind     bridge.EffectKind `json:"kind,omitempty"`
	Subject  string            `json:"subject,omitempty"`
	Currency string            `json:"currency,omitempty"`
	// Parked is the row that remembers Opportunities until they were looked at.
	Parked string `json:"parked,omitempty"`
}

// Step is a kind of work.
type Step string

// The steps.
const (
	StepDeals  Step = ""       // look at deals whose message came
	StepLook   Step = "look"   // look again at a deal whose person was missing
	StepEffect Step = "effect" // get on with an effect
	StepWatch  Step = "watch"  // poll a connection, or check its entries
	StepRules  Step = "rules"  // judge deals anew after rules have changed
)

// Group names the account, so that one account's jobs cannot delay another's.
func (j Job) Group() string { return string(j.Account) }

type jobs interface {
	Send(ctx context.Context, delay time.Duration, jobs ...Job) error
}
