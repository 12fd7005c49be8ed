package inbox

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Overlap is how long an address and a secret are still good after they were replaced.
const Overlap = 48 * time.Hour

// Webhook is where an account's webhooks come in and what they are signed with. ReferralHero has one secret for an
// account, and any number of webhooks, at least one for each campaign; they may all have the same address.
type Webhook struct {
	Account         bridge.AccountID
	Address         bridge.Secret // last part of the path; empty if none was made yet
	AddressAt       time.Time
	OldAddressUntil time.Time // when the address before it stops working
	Secret          bridge.Secret
	SecretAt        time.Time
	OldSecret       bridge.Secret
	OldSecretUntil  time.Time
	LastAt          time.Time                       // last genuine delivery, to the minute
	Told            map[bridge.CampaignID]time.Time // the same of each campaign, to the hour; nil if that is not known
	ToldSince       time.Time                       // from when on Told misses nothing; zero if it never missed any
	Refused         int                             // deliveries without a genuine signature since RefusedSince; not counted beyond a thousand
	RefusedSince    time.Time                       // when counting began: at the first one in a day
	RefusedAt       time.Time                       // the last one that was counted
	Version         int                             // as read; 0 if nothing was kept yet
}

// secrets are those with which signatures may be made at a time.
func (w Webhook) secrets(now time.Time) []bridge.Secret {
	secrets := []bridge.Secret{w.Secret}
	if now.Before(w.OldSecretUntil) {
		secrets = append(secrets, w.OldSecret)
	}
	return secrets
}

// Precision is by how much the last delivery of a campaign may have come later than Delivered says.
const Precision = time.Hour

// Delivered is what is known of the deliveries of one campaign.
type Delivered struct {
	Known bool
	At    time.Time // the last one; zero if none came since Since
	Since time.Time // from when on it is known; zero if it always was
}

// Delivered says when the last genuine delivery of a campaign came.
func (w Webhook) Delivered(campaign bridge.CampaignID) Delivered {
	if w.LastAt.IsZero() {
		return Delivered{Known: true}
	}
	if w.Told == nil {
		return Delivered{}
	}
	return Delivered{Known: true, At: w.Told[campaign], Since: w.ToldSince}
}

// news reports whether a delivery of a campaign, or of none that is known, is worth a note.
func (w Webhook) news(campaign bridge.CampaignID, now time.Time) bool {
	return now.Sub(w.LastAt) >= glance || campaign != "" && now.Sub(w.Told[campaign]) >= Precision
}

const (
	lately      = 24 * time.Hour // that refusals are counted for
	mostRefused = 1000           // counted in that time, so that nobody has us write without end
)

// RefusedLately is how many deliveries were refused in the last day, give or take.
func (w Webhook) RefusedLately(now time.Time) int {
	if now.Sub(w.RefusedAt) >= lately {
		return 0
	}
	return w.Refused
}
