package person

import (
	"context"
	"net/url"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Fields is what the page says of the fields in the org, and of syncing beside them.
type Fields struct {
	Kept    int               // up to date
	Step    string            // how far setting up is, such as "done"
	States  map[string]string // by the names of the fields: what the badge says
	Sync    string            // what the campaign's badge says
	Waits   string            // why work waits; empty while it goes on
	Refused int               // records that need somebody
	Problem string            // the first that keeps the fields from being complete; may be empty
}

// Fields looks at the page about Salesforce of a campaign.
func (p *Person) Fields(ctx context.Context, campaign bridge.CampaignID) (Fields, error) {
	if err := p.Browser.Open(ctx, p.Console+salesforcePath(campaign)); err != nil {
		return Fields{}, err
	}
	page := p.Browser.Page()
	found := Fields{
		Kept: number(page.Data["kept"]), Step: page.Data["fields-step"], Sync: page.Data["sync-state"], Waits: page.Data["waits"],
		Refused: number(page.Data["refused"]), Problem: page.Data["advice"], States: map[string]string{},
	}
	for _, f := range bridge.Fields {
		found.States[f.Name] = page.Marked["state-of="+f.Name]
	}
	return found, nil
}

// Explained is what both sides say about somebody.
type Explained struct {
	Subscriber bridge.SubscriberID
	Record     bridge.SalesforceID // empty if there is none
	Different  int                 // values
	Gone       bool                // is no subscriber any more
	LeftOut    string              // why, if on purpose
}

// Explain asks about somebody: by an e-mail address, an id or a referral code.
func (p *Person) Explain(ctx context.Context, campaign bridge.CampaignID, who string) (Explained, error) {
	if err := p.fill(ctx, salesforcePath(campaign)+"/explain", "explain-form", url.Values{"who": {who}}); err != nil {
		return Explained{}, err
	}
	data := p.Browser.Page().Data
	return Explained{
		Subscriber: bridge.SubscriberID(data["explained"]), Record: bridge.SalesforceID(data["record"]), Different: number(data["different"]),
		Gone: data["gone"] == "true", LeftOut: data["left-out"],
	}, nil
}
