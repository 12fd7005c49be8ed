package referralhero

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// mostPages bounds the walk through the pages of ten campaigns, should an answer claim that there is no end.
const mostPages = 200

type listsPage struct {
	Lists []struct {
		UUID        string `json:"uuid"`
		Name        string `json:"name"`
		Subscribers number `json:"subscribers"`
	} `json:"lists"`
	Pagination struct {
		TotalPages number `json:"total_pages"`
	} `json:"pagination"`
}

// Lists returns the account's campaigns, one call for each ten of them. ReferralHero lists active campaigns
// only: one that is missing may be paused.
func (c *Client) Lists(ctx context.Context, token bridge.Secret) ([]bridge.Campaign, bridge.Quota, error) {
	const op = "referralhero.Lists"
	var (
		campaigns []bridge.Campaign
		seen      = map[string]bool{} // pages shift when a campaign is added meanwhile
	)
	for page := 1; ; page++ {
		data, quota, err := c.call(ctx, op, token, http.MethodGet, "/lists?page="+strconv.Itoa(page), nil)
		if err != nil {
			return nil, quota, err
		}
		var answer listsPage
		if json.Unmarshal(data, &answer) != nil || answer.Lists == nil {
			return nil, quota, bridge.E(op, bridge.Unavailable, errors.New("the answer has no lists"))
		}
		for _, l := range answer.Lists {
			if l.UUID == "" || seen[l.UUID] {
				continue
			}
			seen[l.UUID] = true
			subscribers, _ := l.Subscribers.count()
			campaigns = append(campaigns, bridge.Campaign{
				ID: bridge.CampaignID(l.UUID), Name: l.Name, Subscribers: subscribers, SeenAt: quota.At, Listed: true,
			})
		}
		if total, _ := answer.Pagination.TotalPages.count(); page >= min(total, mostPages) {
			return campaigns, quota, nil
		}
	}
}
