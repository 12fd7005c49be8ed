package campaign

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Settings are what people say about a campaign.
type Settings struct {
	Connection bridge.ConnectionID // may be empty
	Identifier bridge.Identifier
	Events     int    // conversion events of its goal: 1, 2 or 3; 0 for not said yet
	URL        string // default address of the referral link; may be empty
}

// Save keeps the settings of a campaign. A bad one is Invalid, with its field: "connection", "identifier",
// "events" or "url".
func (s Service) Save(ctx context.Context, account bridge.AccountID, id bridge.CampaignID, v Settings) error {
	const op = "campaign.Save"
	if !slices.Contains([]bridge.Identifier{bridge.ByEmail, bridge.ByPhone, bridge.ByWallet, bridge.ByOther}, v.Identifier) {
		return bridge.Say(op, bridge.Invalid, "identifier", "Choose what tells subscribers of this campaign apart.")
	}
	if v.Events < 0 || v.Events > 3 {
		return bridge.Say(op, bridge.Invalid, "events", "Choose how many conversion events the campaign's goal has.")
	}
	if v.URL = strings.TrimSpace(v.URL); v.URL != "" {
		if problem := bridge.LinkProblem(v.URL); problem != "" {
			return bridge.Say(op, bridge.Invalid, "url", "%s", problem)
		}
	}
	if v.Connection != "" {
		connection, err := s.Connections.Connection(ctx, account, v.Connection)
		if bridge.KindOf(err) == bridge.NotFound || err == nil && connection.Status == bridge.Disconnected {
			return bridge.Say(op, bridge.Invalid, "connection", "This Salesforce account is not connected any more. Choose another one.")
		}
		if err != nil {
			return bridge.E(op, "", err)
		}
	}
	return bridge.E(op, "", again(func() error {
		c, err := s.Campaigns.Campaign(ctx, account, id)
		if err != nil {
			return err
		}
		c.Connection, c.Identifier, c.Events, c.URL = v.Connection, v.Identifier, v.Events, v.URL
		return s.Campaigns.SaveCampaign(ctx, c)
	}))
}

// sortForPeople puts listed campaigns first, then sorts by name.
func sortForPeople(all []bridge.Campaign) {
	slices.SortFunc(all, func(a, b bridge.Campaign) int {
		if a.Listed != b.Listed {
			if a.Listed {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
}
