package referralhero

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Webhook is an address that is told what happens in a campaign.
type Webhook struct {
	ID     string         `json:"id"` // empty means a new one
	URL    string         `json:"url"`
	Events []WebhookEvent `json:"events"` // that are told; none means all
	Off    bool           `json:"off"`    // nothing is told

	// These two are kept by the Service.
	Failures  int   `json:"failures"`   // answers in a row that were not 200, or did not come
	StoppedAt int64 `json:"stopped_at"` // Unix seconds at which too many of them switched it off; 0 if they did not
}

// WebhookEvent is something that webhooks are told of. It is the value of response in what they get.
type WebhookEvent string

// The events.
const (
	NewRegistration    WebhookEvent = "new_registration" // and, where it is asked for, verified
	SubscriberPromoted WebhookEvent = "subscriber_promoted"
	SubscriberUpdated  WebhookEvent = "subscriber_updated" // see Updates
	SubscriberDeleted  WebhookEvent = "subscriber_deleted"
	RewardUnlocked     WebhookEvent = "reward_unlocked" // told of the one who earned it
	RewardSent         WebhookEvent = "reward_sent"
)

// WebhookEvents are all events, as the dashboard lists them.
var WebhookEvents = [...]WebhookEvent{NewRegistration, SubscriberPromoted, SubscriberUpdated, SubscriberDeleted, RewardUnlocked, RewardSent}

// Updates says what counts as an update of a subscriber. ReferralHero says no more than "a field is updated".
type Updates string

// What counts as an update.
const (
	ByFields     Updates = "fields"     // a call that updates the subscriber
	ByEverything Updates = "everything" // also points, transactions, statuses, and a referrer's new counts
)

var (
	errNoList    = errors.New("there is no such campaign")
	errNoWebhook = errors.New("there is no such webhook")
)

// check says what of a webhook makes no sense.
func (h Webhook) check() error {
	address, err := url.Parse(h.URL)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return fmt.Errorf("%q is no address of a webhook: it begins with https:// or http://", h.URL)
	}
	for _, event := range h.Events {
		if !slices.Contains(WebhookEvents[:], event) {
			return fmt.Errorf("%q is no event", event)
		}
	}
	return nil
}

// webhook returns the webhook with an id, or nil.
func (c *campaign) webhook(id string) *Webhook {
	for _, h := range c.webhooks {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// webhook returns a webhook of a campaign, or nil. The lock is held.
func (s *Service) webhook(list, id string) *Webhook {
	if c := s.campaign(list); c != nil {
		return c.webhook(id)
	}
	return nil
}

// Webhooks returns the webhooks of a campaign as they were made; nil if there is no such campaign.
func (s *Service) Webhooks(list string) []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.campaign(list); c != nil {
		return c.allWebhooks()
	}
	return nil
}

func (c *campaign) allWebhooks() []Webhook {
	all := make([]Webhook, len(c.webhooks))
	for i, h := range c.webhooks {
		all[i] = *h
		all[i].Events = slices.Clone(h.Events)
	}
	return all
}

// SetWebhook changes the webhook of a campaign that has hook's id, or makes one if the id is empty, and returns
// it as it is now. One that is switched on begins with no failures.
func (s *Service) SetWebhook(list string, hook Webhook) (Webhook, error) {
	if err := hook.check(); err != nil {
		return Webhook{}, err
	}
	hook.Events = slices.Clone(hook.Events)
	if len(hook.Events) == 0 {
		hook.Events = WebhookEvents[:]
	}
	hook.Failures, hook.StoppedAt = 0, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(list)
	if c == nil {
		return Webhook{}, errNoList
	}
	if hook.ID == "" {
		hook.ID = "wh_" + s.hex(12)
		c.webhooks = append(c.webhooks, &hook)
		return hook, nil
	}
	was := c.webhook(hook.ID)
	if was == nil {
		return Webhook{}, errNoWebhook
	}
	if was.Off == hook.Off {
		hook.Failures, hook.StoppedAt = was.Failures, was.StoppedAt
	}
	*was = hook
	return hook, nil
}

// DeleteWebhook deletes a webhook of a campaign, and reports whether there was one. What is on its way to it may
// still arrive; what waits is abandoned.
func (s *Service) DeleteWebhook(list, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(list)
	if c == nil || c.webhook(id) == nil {
		return false
	}
	c.webhooks = slices.DeleteFunc(c.webhooks, func(h *Webhook) bool { return h.ID == id })
	return true
}

// WebhookSecrets are the keys of signatures. There is one for the account; that before it has signed what was
// told before it was renewed, and may still be on its way.
type WebhookSecrets struct {
	Current  string `json:"current"`
	Previous string `json:"previous,omitempty"`
}

// WebhookSecrets returns the keys of signatures.
func (s *Service) WebhookSecrets() WebhookSecrets {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets
}

// RenewWebhookSecret makes a new key of signatures, as the dashboard can, and returns it. What happens from now
// on is signed with it; what happened before keeps its signature, also when it is tried again.
func (s *Service) RenewWebhookSecret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = WebhookSecrets{Current: s.hex(40), Previous: s.secrets.Current}
	return s.secrets.Current
}

// message is what a webhook gets. Only that of a new registration is published; the others are taken to be the
// same, with three attributes more for rewards.
type message struct {
	List      string       `json:"list_uuid"`
	ID        string       `json:"subscriber_id"` // the API calls it id
	Response  WebhookEvent `json:"response"`
	Name      string       `json:"name"`
	FirstName string       `json:"first_name"`
	LastName  string       `json:"last_name"`
	Email     string       `json:"email"`

	ExtraField   string `json:"extra_field"`
	ExtraField2  string `json:"extra_field_2"`
	Code         string `json:"code"`
	Source       string `json:"source"`
	Referred     bool   `json:"referred"`
	Referral     any    `json:"referral"` // messageReferrer, or a text where there is none
	ReferralLink string `json:"referral_link"`
	PeopleAhead  *int   `json:"people_ahead,omitempty"` // of campaigns with positions
	CreatedAt    int64  `json:"created_at"`             // of the subscriber, not of the event

	RewardID     int    `json:"reward_id,omitzero"`
	RewardName   string `json:"reward_name,omitzero"`
	RewardStatus string `json:"reward_status,omitzero"`
}

// messageReferrer is the person who referred the one that a message is about.
type messageReferrer struct {
	Name           string `json:"name"`
	Email          string `json:"email"`
	Code           string `json:"code"`
	PeopleReferred int    `json:"people_referred"`
	Points         int    `json:"points"`
}

// message returns what a webhook gets when something happens to a verified member.
func (c *campaign) message(event WebhookEvent, m *member, reward *Reward) message {
	first, last, _ := strings.Cut(m.Name, " ")
	told := message{
		List: c.UUID, ID: m.ID, Response: event, Name: m.Name, FirstName: first, LastName: last, Email: m.Email,
		ExtraField: m.ExtraField, ExtraField2: m.ExtraField2, Code: m.Code, Source: either(m.Source, "direct_visit"),
		Referred: m.Referred, Referral: "", ReferralLink: m.ReferralLink(), CreatedAt: m.CreatedAt,
	}
	switch r := m.referrer; {
	case r != nil:
		told.Referral = messageReferrer{r.Name, r.Email, r.Code, r.PeopleReferred, r.Points}
	case m.Referred:
		told.Referral = "subscriber_deleted" // the referrer was
	}
	if c.Ranking {
		told.PeopleAhead = new(c.ranks.position(m) - 1)
	}
	if reward != nil {
		told.RewardID, told.RewardName, told.RewardStatus = reward.ID, reward.Name, reward.Status
	}
	return told
}

// ping is what the Test button sends: made-up data that names nobody.
var ping = message{
	List: "MFXXXX", ID: "sub_123ABC", Response: NewRegistration, Name: "John Doe", FirstName: "John", LastName: "Doe",
	Email: "john@example.com", Code: "abc123", Source: "direct_visit", Referral: "",
	ReferralLink: "https://www.example.com?mwr=abc123", CreatedAt: 1577836800,
}

// tell has the webhooks of a campaign told what happened to m. reward is that of an event about one, or nil.
// The lock is held.
func (s *Service) tell(event WebhookEvent, c *campaign, m *member, reward *Reward) {
	for _, h := range c.webhooks {
		if h.Off || !slices.Contains(h.Events, event) {
			continue
		}
		body, err := json.Marshal(c.message(event, m, reward))
		if err != nil {
			panic(err) // it is made of texts and numbers
		}
		s.dispatch(c, h, event, string(body))
	}
}

// tellUpdated has those told of whom a call has changed, where everything counts as an update. The lock is held.
func (s *Service) tellUpdated(c *campaign, changed ...*member) {
	if s.options.WebhookUpdates != ByEverything {
		return
	}
	for _, m := range changed {
		s.tell(SubscriberUpdated, c, m, nil)
	}
}
