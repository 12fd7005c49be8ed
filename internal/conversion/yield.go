package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Yield is what a rule has come to.
type Yield struct {
	Acts   int       // deals for which the rule acts now
	Waits  int       // deals that fit, and wait for their person
	LastAt time.Time // when it last did something in ReferralHero; zero if not lately
}

// What a yield is counted from, at most.
const (
	mostCounted = 1000 // entries
	mostRecent  = 100  // lines of the activity
)

// Yields returns what each rule of a campaign has come to, and whether there is more than was counted. A rule that has
// come to nothing is missing.
func (s Service) Yields(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (map[bridge.RuleID]Yield, bool, error) {
	const op = "conversion.Yields"
	entries, next, err := s.Ledger.Entries(ctx, account, campaign, "", mostCounted)
	if err != nil {
		return nil, false, bridge.E(op, "", err)
	}
	all := map[bridge.RuleID]Yield{}
	for _, e := range entries {
		t := all[e.Rule]
		t.Acts += boolInt(e.Reason == "")
		t.Waits += boolInt(waits(e.Reason))
		all[e.Rule] = t
	}
	recent, err := s.Ledger.Actions(ctx, account, campaign, "", mostRecent)
	for _, a := range recent {
		if t := all[a.Rule]; a.Sent != "" && a.State == bridge.EffectDone && a.At.After(t.LastAt) {
			t.LastAt = a.At
			all[a.Rule] = t
		}
	}
	return all, next != "", bridge.E(op, "", err)
}

// Sets returns the rules of all campaigns that have, or had, some.
func (s Service) Sets(ctx context.Context, account bridge.AccountID) ([]bridge.RuleSet, error) {
	sets, err := s.Ledger.RuleSets(ctx, account)
	return sets, bridge.E("conversion.Sets", "", err)
}
