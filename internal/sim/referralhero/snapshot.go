package referralhero

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// snapshot is all that a Service must not forget. Switches are not part of it: they come from the command
// line at each start. Nor are deliveries: what was on its way is lost, as in an outage.
type snapshot struct {
	At         time.Time          `json:"at"`
	Token      string             `json:"token"`
	Secrets    WebhookSecrets     `json:"webhook_secrets"`
	Random     []byte             `json:"random"` // state of the generator, so that no id is made twice
	Entries    int                `json:"entries"`
	Limiter    limiter            `json:"limiter"`
	WindowKind WindowKind         `json:"window_kind"` // of Limiter
	Campaigns  []campaignSnapshot `json:"campaigns"`
	Mails      mailbox            `json:"mails"`
}

type campaignSnapshot struct {
	List         List          `json:"list"`
	Subscribers  []Subscriber  `json:"subscribers"` // in order of sign-up
	Transactions []Transaction `json:"transactions,omitempty"`
	Rewards      []Reward      `json:"rewards,omitempty"`
	Webhooks     []Webhook     `json:"webhooks,omitempty"`
}

// Snapshot returns everything that Restore needs to go on from here, as JSON. Calls are answered meanwhile.
func (s *Service) Snapshot() ([]byte, error) {
	saved, err := s.copy()
	if err != nil {
		return nil, err
	}
	return json.Marshal(saved)
}

// copy returns what is to be saved, sharing nothing that may change.
func (s *Service) copy() (snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	random, err := s.source.MarshalBinary()
	if err != nil {
		return snapshot{}, err
	}
	saved := snapshot{
		At: s.now(), Token: s.token, Secrets: s.secrets, Random: random, Entries: s.entries,
		Limiter: s.limiter, WindowKind: s.options.WindowKind, Mails: s.mails.copy(),
	}
	saved.Limiter.Times = slices.Clone(s.limiter.Times)
	for _, c := range s.campaigns {
		saved.Campaigns = append(saved.Campaigns, campaignSnapshot{c.List, c.subscribers(), c.allTransactions(), slices.Clone(c.rewards), c.allWebhooks()})
	}
	return saved, nil
}

// everybody returns all members in order of sign-up, also those who are not verified.
func (c *campaign) everybody() []*member {
	if len(c.members) == len(c.byID) {
		return c.members
	}
	all := make([]*member, 0, len(c.byID))
	for _, m := range c.byID {
		all = append(all, m)
	}
	slices.SortFunc(all, bySignUp)
	return all
}

func (c *campaign) subscribers() []Subscriber {
	subscribers := make([]Subscriber, 0, len(c.byID))
	for _, m := range c.everybody() {
		subscribers = append(subscribers, m.Subscriber)
	}
	return subscribers
}

// Restore replaces what the Service knows by what Snapshot returned. The clock goes on no earlier than it was
// then. A token or a key of signatures that was given to New stays. After an error nothing has changed.
func (s *Service) Restore(data []byte) error {
	var saved snapshot
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("restore ReferralHero: %w", err)
	}
	source := rand.NewChaCha8([32]byte{})
	if err := source.UnmarshalBinary(saved.Random); err != nil {
		return fmt.Errorf("restore ReferralHero: %w", err)
	}
	var campaigns []*campaign
	for _, from := range saved.Campaigns {
		c, err := from.restore()
		if err != nil {
			return fmt.Errorf("restore ReferralHero: campaign %s: %w", from.List.UUID, err)
		}
		campaigns = append(campaigns, c)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.source, s.random = source, rand.New(source)
	s.campaigns, s.entries, s.mails = campaigns, saved.Entries, saved.Mails
	s.token = cmp.Or(s.options.Token, saved.Token)
	if saved.Secrets.Current != "" { // older snapshots have none
		s.secrets = saved.Secrets
		s.secrets.Current = cmp.Or(s.options.WebhookSecret, s.secrets.Current)
	}
	if behind := saved.At.Sub(s.now()); behind > 0 {
		s.skew += behind
	}
	if saved.WindowKind == s.options.WindowKind {
		saved.Limiter.kind, saved.Limiter.limit, saved.Limiter.window = s.limiter.kind, s.limiter.limit, s.limiter.window
		s.limiter = saved.Limiter
	}
	return nil
}

func (from campaignSnapshot) restore() (*campaign, error) {
	c := newCampaign(from.List)
	for _, subscriber := range from.Subscribers {
		if subscriber.ID == "" || c.byID[subscriber.ID] != nil || c.byCode[subscriber.Code] != nil {
			return nil, errors.New("a subscriber without an id or code of its own")
		}
		c.insert(subscriber)
	}
	// A referrer may have come later than the referral, so links wait until everybody is in.
	for _, m := range c.everybody() {
		if m.referrer == nil && m.ReferredBy != "" {
			if m.referrer = c.byID[m.ReferredBy]; m.referrer == nil {
				return nil, errors.New("a referral by nobody")
			}
			m.referrer.referrals = append(m.referrer.referrals, m)
		}
	}
	for _, m := range c.everybody() {
		if m.VerifiedAt != 0 {
			c.enter(m)
		}
	}
	for _, t := range from.Transactions {
		c.transactions[t.TransactionID] = t
	}
	c.rewards = from.Rewards
	for _, h := range from.Webhooks {
		if err := h.check(); err != nil {
			return nil, err
		}
		c.webhooks = append(c.webhooks, &h)
	}
	return c, nil
}
