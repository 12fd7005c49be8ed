package conversion

import (
	"context"
	"iter"

	"github.com/referralbridge/referralbridge/internal/bridge"
	core "github.com/referralbridge/referralbridge/internal/conversion"
)

// Plant is a bug that is planted, to see whether it is found.
type Plant string

// The plants. Each is what a hurried programmer might have written.
const (
	Nothing    Plant = ""
	Increments Plant = "totals are added up, whatever a deal has counted before"
	Repeats    Plant = "a call without an answer is made again, without a look"
	Forgets    Plant = "a message is deleted before its work is done"
)

// Plants are all bugs that there are to plant.
var Plants = []Plant{Increments, Repeats, Forgets}

// Histories are those in which a bug can show, the first ones first: what a lost message was about must not be told of by
// anything else, and nothing else happens to a deal in a quiet history in which only messages tell.
func (p Plant) Histories() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		step := uint64(1)
		if p == Forgets {
			step = 4
		}
		for seed := uint64(0); seed < 60 && yield(seed); seed += step {
		}
	}
}

// mortality is how many workers of a hundred die. A bug that shows when they die needs many deaths.
func (p Plant) mortality(usual int) int {
	if p == Forgets {
		return 60
	}
	return usual
}

// forgetful is a ledger that does not know what a deal has counted before.
type forgetful struct{ *diary }

func (f forgetful) DealEntries(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal bridge.SalesforceID) ([]bridge.Entry, error) {
	entries, err := f.diary.DealEntries(ctx, account, campaign, deal)
	for i := range entries {
		entries[i].Count = bridge.Money{}
	}
	return entries, err
}

// hasty is a ReferralHero that is asked again at once.
type hasty struct{ core.Hero }

func (h hasty) Track(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, by bridge.Identifier, value string) (s bridge.Subscriber, q bridge.Quota, err error) {
	for range 3 {
		if s, q, err = h.Hero.Track(ctx, token, campaign, by, value); bridge.KindOf(err) != bridge.UnknownOutcome {
			break
		}
	}
	return s, q, err
}

func (h hasty) Confirm(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, id bridge.SubscriberID) (s bridge.Subscriber, q bridge.Quota, err error) {
	for range 3 {
		if s, q, err = h.Hero.Confirm(ctx, token, campaign, id); bridge.KindOf(err) != bridge.UnknownOutcome {
			break
		}
	}
	return s, q, err
}
