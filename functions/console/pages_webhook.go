package main

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

type webhooks interface {
	Webhook(ctx context.Context, account bridge.AccountID) (inbox.Webhook, error)
	URL(w inbox.Webhook) string
	webhookChanges
}

type webhookChanges interface {
	NewAddress(ctx context.Context, account bridge.AccountID) error
	SetSecret(ctx context.Context, account bridge.AccountID, secret bridge.Secret) error
}

// webhookPart is the part of the account's page about ReferralHero's webhooks.
type webhookPart struct {
	inbox.Webhook
	URL                   string // empty if none was made yet
	Masked                string // the secret
	OldAddress, OldSecret bool   // the one before still works
	Refused               int    // lately
}

func (v *visit) webhookPart() (webhookPart, error) {
	w, err := v.Webhooks.Webhook(v.ctx(), v.acc())
	if err != nil {
		return webhookPart{}, err
	}
	now := v.Now()
	part := webhookPart{
		Webhook: w, URL: v.Webhooks.URL(w), OldAddress: now.Before(w.OldAddressUntil), OldSecret: now.Before(w.OldSecretUntil),
		Refused: w.RefusedLately(now),
	}
	if !w.Secret.Empty() {
		part.Masked = w.Secret.Masked()
	}
	return part, nil
}

func (v *visit) newWebhookAddress() error {
	if err := v.Webhooks.NewAddress(v.ctx(), v.acc()); err != nil {
		return err
	}
	v.redirect("/account?done=webhook-address")
	return nil
}

func (v *visit) saveWebhookSecret() error {
	err := v.Webhooks.SetSecret(v.ctx(), v.acc(), bridge.NewSecret(v.r.PostForm.Get("secret")))
	if err != nil {
		found, err2 := problems(err, "secret")
		if err2 != nil {
			return err2
		}
		return v.showAccount(apigw.Status(err), found, nil)
	}
	v.redirect("/account?done=webhook-secret")
	return nil
}
