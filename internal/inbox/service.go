package inbox

import (
	"context"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

type settings interface {
	Webhook(ctx context.Context, account bridge.AccountID) (Webhook, error)
	// SaveWebhook is a Conflict unless the version is the one that was read.
	SaveWebhook(ctx context.Context, w Webhook) error
	// MoveWebhook is SaveWebhook, and makes the address work; the one before it, if there is one, ends at OldAddressUntil.
	MoveWebhook(ctx context.Context, w Webhook, before bridge.Secret) error
}

// Service is what people do with their account's webhooks. Its fields are set once.
type Service struct {
	Webhooks settings
	BaseURL  string // where webhooks come in, without a slash at the end
	Now      func() time.Time
}

// Webhook returns what is kept of the account's webhooks.
func (s Service) Webhook(ctx context.Context, account bridge.AccountID) (Webhook, error) {
	w, err := s.Webhooks.Webhook(ctx, account)
	return w, bridge.E("inbox.Webhook", "", err)
}

// Path is where webhooks come in; the address is its last part.
const Path = "/referralhero/events/"

// URL returns the address that a person gives to ReferralHero; empty if there is none yet.
func (s Service) URL(w Webhook) string {
	if w.Address.Empty() {
		return ""
	}
	return s.BaseURL + Path + w.Address.Reveal()
}

// NewAddress makes a new address. The one before it works for two more days.
func (s Service) NewAddress(ctx context.Context, account bridge.AccountID) error {
	return bridge.E("inbox.NewAddress", "", again(func() error {
		w, err := s.Webhooks.Webhook(ctx, account)
		if err != nil {
			return err
		}
		now, before := s.Now(), w.Address
		w.Address, w.AddressAt = bridge.NewToken(), now
		if !before.Empty() {
			w.OldAddressUntil = now.Add(Overlap)
		}
		return s.Webhooks.MoveWebhook(ctx, w, before)
	}))
}

// The lengths of secrets. ReferralHero's are generated; how long they are is not documented.
const (
	shortestSecret = 16
	longestSecret  = 512
)

// SetSecret keeps what ReferralHero signs with. The secret before it is good for two more days. A bad one is Invalid,
// with a message for the field "secret".
func (s Service) SetSecret(ctx context.Context, account bridge.AccountID, secret bridge.Secret) error {
	const op = "inbox.SetSecret"
	secret = bridge.NewSecret(strings.TrimSpace(secret.Reveal()))
	switch text := secret.Reveal(); {
	case text == "":
		return bridge.Say(op, bridge.Invalid, "secret", "Paste the Webhook Secret Key. In ReferralHero it is in the profile menu, under Webhook Secret.")
	case len(text) < shortestSecret || len(text) > longestSecret || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bridge.Say(op, bridge.Invalid, "secret", "This is not a Webhook Secret Key: it is one long word of letters, digits and signs. Copy it again.")
	}
	return bridge.E(op, "", again(func() error {
		w, err := s.Webhooks.Webhook(ctx, account)
		if err != nil || w.Secret.Reveal() == secret.Reveal() {
			return err
		}
		now := s.Now()
		if !w.Secret.Empty() {
			w.OldSecret, w.OldSecretUntil = w.Secret, now.Add(Overlap)
		}
		w.Secret, w.SecretAt = secret, now
		w.Refused, w.RefusedSince, w.RefusedAt = 0, time.Time{}, time.Time{} // that was about other secrets
		return s.Webhooks.SaveWebhook(ctx, w)
	}))
}

// tries is how often a change is made again because somebody else changed the same thing at that moment.
const tries = 4

// again runs change until it is no Conflict.
func again(change func() error) error {
	var err error
	for range tries {
		if err = change(); bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return err
}
