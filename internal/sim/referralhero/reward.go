package referralhero

import "slices"

// Reward is a reward that a subscriber has earned. Times are Unix seconds.
type Reward struct {
	ID              int    `json:"id"`
	Name            string `json:"name"`
	Status          string `json:"status"` // pending, sent, resent or canceled
	Referrals       int    `json:"referrals"`
	CreatedAt       int64  `json:"created_at"`
	UnlockedDate    int64  `json:"unlocked_date"`
	SentDate        int64  `json:"sent_date,omitempty"`
	Referral        string `json:"referral"` // address of the referral that earned it
	SubscriberEmail string `json:"subscriber_email"`
	SubscriberID    string `json:"subscriber_id"`
}

// rewards answers with the rewards of a campaign, or of one subscriber.
func rewards(_ *Service, c *call) (any, error) {
	status, size := c.text("status"), rewardsPerPage
	if c.has("per_page") {
		size = min(max(c.integer("per_page"), 1), 100)
	}
	all := []Reward{}
	for _, r := range c.rewards {
		if (c.member == nil || r.SubscriberID == c.member.ID) && (status == "" || r.Status == status) {
			all = append(all, r)
		}
	}
	page, pages, err := paged(c, all, size)
	return struct {
		Response   string     `json:"response"`
		Rewards    []Reward   `json:"rewards"`
		Pagination pagination `json:"pagination"`
	}{"rewards_retrieved", page, pages}, err
}

func updateReward(s *Service, c *call) (any, error) {
	r, err := c.reward(nil)
	if err != nil {
		return nil, err
	}
	status := c.text("status")
	if !slices.Contains([]string{"sent", "resent", "canceled"}, status) {
		return nil, refuse("invalid_parameter", "The status must be sent, resent or canceled")
	}
	r.Status = status
	if status != "canceled" {
		r.SentDate = c.now
		if m := c.byID[r.SubscriberID]; m != nil {
			s.tell(RewardSent, c.campaign, m, r)
		}
	}
	return shownReward{"reward_updated", *r}, nil
}

func unlockReward(s *Service, c *call) (any, error) {
	if c.member.PromotedAt == 0 {
		return nil, refuse("subscriber_not_promoted", "The subscriber is not promoted")
	}
	r, err := c.reward(c.member)
	if err != nil {
		return nil, err
	}
	r.UnlockedDate = c.now
	s.tell(RewardUnlocked, c.campaign, c.member, r)
	return shownReward{"reward_unlocked", *r}, nil
}

type shownReward struct {
	Response string `json:"response"`
	Reward
}

// reward returns the reward that the parameter reward_id names; owner restricts it to one subscriber.
func (c *call) reward(owner *member) (*Reward, error) {
	if !c.has("reward_id") {
		return nil, refuse("no_reward_id", "The reward_id is missing")
	}
	id := c.integer("reward_id")
	if err := c.err(); err != nil {
		return nil, err
	}
	for i := range c.rewards {
		if r := &c.rewards[i]; r.ID == id && (owner == nil || owner.ID == r.SubscriberID) {
			return r, nil
		}
	}
	return nil, refuse("reward_not_found", "There is no such reward")
}
