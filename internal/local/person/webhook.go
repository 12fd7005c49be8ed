package person

import (
	"context"
	"errors"
	"net/url"
)

// Webhook makes an address for ReferralHero's webhooks, unless there is one, gives the console their secret, and returns the
// address.
func (p *Person) Webhook(ctx context.Context, secret string) (string, error) {
	if err := p.Browser.Open(ctx, p.Console+"/account"); err != nil {
		return "", err
	}
	if p.Browser.Page().Data["webhook"] == "" {
		if err := p.Browser.Submit(ctx, "/account/webhook/address", nil); err != nil {
			return "", err
		}
	}
	if err := p.fill(ctx, "/account", "webhook-secret-form", url.Values{"secret": {secret}}); err != nil {
		return "", err
	}
	address := p.Browser.Page().Data["webhook"]
	if address == "" {
		return "", errors.New("the account's page shows no address for webhooks")
	}
	return address, nil
}
