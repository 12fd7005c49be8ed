package referralhero

import (
	"fmt"
	"strconv"
)

// seed makes the three example campaigns. Their subscribers sign up through the API's own code.
func (s *Service) seed() {
	spring := s.addCampaign(List{
		Name: "Spring Referral", Events: 1, URL: "https://www.example.com/join", Ranking: true,
		Automations: Automations{Welcome: true, ReferralWelcome: true, Referral: true},
		Bonuses:     []Bonus{{Title: "Coffee mug", Description: "For your first friend", Referrals: 1}},
	})
	partners := s.addCampaign(List{
		Name: "Partner Programme", Events: 3, URL: "https://partners.example.com/start",
		Automations: Automations{PendingWelcome: true, ConfirmedWelcome: true},
	})
	vip := s.addCampaign(List{Name: "VIP Waitlist", Events: 2, URL: "https://www.example.com/vip", Ranking: true})

	grace := s.enrol(spring, "Grace Hopper", "grace@example.com", nil)
	s.enrol(spring, "Ada Lovelace", "ada@example.com", grace)
	s.enrol(spring, "Alan Turing", "alan@example.com", grace)
	s.enrol(spring, "Katherine Johnson", "katherine@example.com", nil)

	hedy := s.enrol(partners, "Hedy Lamarr", "hedy@example.com", nil)
	s.enrol(partners, "Radia Perlman", "radia@example.com", hedy)
	barbara := s.enrol(partners, "Barbara Liskov", "barbara@example.com", hedy)
	margaret := s.enrol(partners, "Margaret Hamilton", "margaret@example.com", hedy)
	s.complete(partners, barbara, track)
	s.complete(partners, margaret, track, confirm)

	edsger := s.enrol(vip, "Edsger Dijkstra", "edsger@example.com", nil)
	s.enrol(vip, "Tony Hoare", "tony@example.com", edsger)
	s.mails = mailbox{}
}

// enrol signs somebody up. A referral is pending where the goal has several events.
func (s *Service) enrol(c *campaign, name, email string, referrer *member) *member {
	values := map[string]any{"name": name, "email": email, "status": "custom_event_pending"}
	if referrer != nil {
		values["referrer"] = referrer.Code
	}
	m, _, err := s.signUp(&call{parameters: &parameters{values: values}, campaign: c, now: s.now().Unix()})
	if err != nil {
		panic(err)
	}
	return m
}

// complete completes events of a referral.
func (s *Service) complete(c *campaign, m *member, events ...endpoint) {
	values := map[string]any{string(c.Identifier): m.identifier(c.Identifier)}
	for _, event := range events {
		if _, err := event(s, &call{parameters: &parameters{values: values}, campaign: c, member: m, now: s.now().Unix()}); err != nil {
			panic(err)
		}
	}
}

// Populate adds n made-up subscribers to the first campaign, of whom webhooks are told and mails are not sent.
func (s *Service) Populate(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.populate(n)
}

// populate adds n made-up subscribers to the first campaign. One in ten was referred by one before.
func (s *Service) populate(n int) {
	if n == 0 || len(s.campaigns) == 0 {
		return
	}
	c := s.campaigns[0]
	key := string(c.Identifier)
	for i := range n {
		values := map[string]any{
			"name": "Subscriber " + strconv.Itoa(i+1), "source": "made-up", "double_optin": false,
			key: map[Identifier]string{
				ByEmail: fmt.Sprintf("subscriber%d@example.net", i+1), ByPhone: fmt.Sprintf("+1555%07d", i+1),
			}[c.Identifier],
		}
		if values[key] == "" {
			values[key] = "id-" + strconv.Itoa(i+1)
		}
		if i%10 == 9 {
			values["referrer"] = c.members[s.random.IntN(len(c.members))].Code
		}
		if _, _, err := s.signUp(&call{parameters: &parameters{values: values}, campaign: c, now: s.now().Unix()}); err != nil {
			panic(err)
		}
	}
	s.mails = mailbox{}
}
