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
	LastAt          time.Time // last genuine delivery, to the minute
	Refused         int       // deliveries without a genuine signature since RefusedSince; not counted beyond a thousand
	RefusedSince    time.Time // when counting began: at the first one in a day
	RefusedAt       time.Time // the last one that was counted
	Version         int       // as read; 0 if nothing was kept yet
}

// secrets are those with which signatures may be made at a time.
func (w Webhook) secrets(now time.Time) []bridge.Secret {
	secrets := []bridge.Secret{w.Secret}
	if now.Before(w.OldSecretUntil) {
		secrets = append(secrets, w.OldSecret)
	}
	return secrets
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
