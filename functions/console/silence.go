package main

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// silence is whether ReferralHero tells us what happens in a campaign. The zero value is that it does, or that nobody knows.
type silence struct {
	Never   bool      // no webhook of the campaign ever came: nothing need have happened in it
	Silent  bool      // none came, and a comparison has found what they would have told
	Since   time.Time // the last one, or from when on we know that none came; zero if none ever did
	Found   time.Time // when that comparison ended
	Ready   bool      // there is an address, and a secret key
	Refused int       // deliveries of the whole account that were refused lately
	Every   string    // how often everybody is compared
}

// silenceOf says whether ReferralHero tells us what happens in a campaign. past are its comparisons that have ended, newest
// first. That something changed although no delivery came since the comparison before is the only sign that a webhook gives
// which is off: of a campaign in which nothing happens none comes either.
func silenceOf(s syncer.Sync, w inbox.Webhook, past []syncer.Run, now time.Time) silence {
	told := w.Delivered(s.Campaign)
	if !s.On || !told.Known {
		return silence{}
	}
	found := silence{
		Ready: !w.Address.Empty() && !w.Secret.Empty(), Refused: w.RefusedLately(now), Every: everyWords(s.Every),
		Never: told.At.IsZero() && !told.Since.After(s.SetAt), Since: told.At,
	}
	if found.Since.IsZero() {
		found.Since = told.Since
	}
	for i := range len(past) - 1 {
		run, before := past[i], past[i+1]
		usual := run.Why == "regular" || run.Why == "asked for"
		missed := !told.At.Add(inbox.Precision).After(before.StartedAt) && !told.Since.After(before.StartedAt)
		if usual && missed && before.Cause == "" && run.Statement.News > 0 {
			found.Never, found.Silent, found.Found = false, true, run.EndedAt
			break
		}
	}
	if !found.Never && !found.Silent {
		return silence{}
	}
	return found
}
