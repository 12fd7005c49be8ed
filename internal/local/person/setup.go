package person

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Account is what a person needs to set up the console.
type Account struct {
	Token     string // ReferralHero's API token
	Notify    string // where mails go
	Allowance int    // calls that ReferralHero takes in an hour
	Campaign  string // name of the campaign
}

// SetUp signs in, gives the token, connects the org and finds the campaign: all that an import needs.
func (p *Person) SetUp(ctx context.Context, a Account) (bridge.CampaignID, bridge.ConnectionID, error) {
	if err := p.SignIn(ctx); err != nil {
		return "", "", err
	}
	if err := p.Prefer(ctx, a.Notify, a.Allowance); err != nil {
		return "", "", err
	}
	if err := p.GiveToken(ctx, a.Token); err != nil {
		return "", "", err
	}
	connection, err := p.Connect(ctx)
	if err != nil {
		return "", "", err
	}
	campaign, err := p.Campaign(ctx, a.Campaign)
	return campaign, connection, err
}
