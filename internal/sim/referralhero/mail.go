package referralhero

import "maps"

// Mail is one that ReferralHero would have sent.
type Mail struct {
	At       int64  `json:"at"` // Unix seconds
	Campaign string `json:"campaign"`
	UUID     string `json:"uuid"`
	Kind     string `json:"kind"` // by the vendor's name, such as "Welcome"
	Name     string `json:"name"`
	To       string `json:"to"` // address, or the identifier of somebody without one
}

// mostMails is how many mails are kept: the newest. All are counted.
const mostMails = 10_000

// mailbox holds the mails that would have been sent.
type mailbox struct {
	Counts map[string]map[string]int `json:"counts"` // by uuid of the campaign and kind
	Latest []Mail                    `json:"latest"` // oldest first
}

func (b *mailbox) send(now int64, c *campaign, to Subscriber, kind string) {
	if b.Counts == nil {
		b.Counts = map[string]map[string]int{}
	}
	if b.Counts[c.UUID] == nil {
		b.Counts[c.UUID] = map[string]int{}
	}
	b.Counts[c.UUID][kind]++
	if len(b.Latest) == mostMails {
		b.Latest = b.Latest[1:]
	}
	b.Latest = append(b.Latest, Mail{now, c.Name, c.UUID, kind, to.Name, either(to.Email, to.identifier(c.Identifier))})
}

// copy returns a mailbox that shares nothing with b.
func (b *mailbox) copy() mailbox {
	counts := map[string]map[string]int{}
	for uuid, kinds := range b.Counts {
		counts[uuid] = maps.Clone(kinds)
	}
	return mailbox{counts, append([]Mail{}, b.Latest...)}
}

// automate sends a mail if its automation is on.
func (s *Service) automate(on bool, now int64, c *campaign, to *member, kind string) {
	if on {
		s.mails.send(now, c, to.Subscriber, kind)
	}
}

// Mails returns the newest mails, oldest first.
func (s *Service) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails.copy().Latest
}

// MailCounts returns how many mails of each kind a campaign would have sent.
func (s *Service) MailCounts(uuid string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.mails.Counts[uuid])
}
