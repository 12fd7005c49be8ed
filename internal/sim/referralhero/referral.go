package referralhero

var errNoReferrer = refuse("no_referrer", "Referrer is not present")

// track completes the second event of a referral: it becomes confirmed where the goal has two events, and
// unconfirmed where it has three. Somebody who is not a referral yet, or no subscriber at all, becomes one
// first if a referrer is given.
func track(s *Service, c *call) (any, error) {
	m, err := c.identify()
	if err == errNoSubscriber && c.has("referrer") {
		if c.advocate(c.text("referrer")) == nil {
			return nil, errNoReferrer
		}
		c.values["status"] = "custom_event_pending"
		m, _, err = s.signUp(c)
		if err == nil && m.VerifiedAt == 0 {
			return c.show(m, "subscriber_created"), nil // goes on when its mail is answered
		}
	}
	if err != nil {
		return nil, err
	}
	value, transaction, customer, tags := c.number("conversion_value"), c.text("transaction_id"), c.text("stripe_customer_id"), c.texts("tags")
	advocate := c.advocate(c.text("referrer"))
	if err := c.err(); err != nil {
		return nil, err
	}
	if m.referrer == nil {
		if advocate == nil || advocate == m || advocate.below(m) {
			return nil, errNoReferrer
		}
		c.attach(m, advocate)
	}
	m.ConversionValue = either(value, m.ConversionValue)
	m.TransactionID = either(transaction, m.TransactionID)
	m.StripeCustomerID = either(customer, m.StripeCustomerID)
	m.Tags = append(m.Tags, tags...)
	if m.Status != Pending {
		return s.repeated(c, m)
	}
	if c.Events == 3 {
		c.setStatus(m, Unconfirmed)
	} else {
		s.confirmed(c, m)
	}
	return c.show(m, "custom_event_completed"), nil
}

// below reports whether other referred m, directly or through others.
func (m *member) below(other *member) bool {
	for above := m.referrer; above != nil; above = above.referrer {
		if above == other {
			return true
		}
	}
	return false
}

// attach makes m, whom nobody referred, a pending referral of advocate. What m's own referrals count for
// those above begins with it.
func (c *call) attach(m, advocate *member) {
	m.referrer, m.Referred, m.ReferredBy = advocate, true, advocate.ID
	m.Status, m.Before = Organic, Organic // it may have been the referral of somebody who was deleted
	advocate.referrals = append(advocate.referrals, m)
	advocate.Level2 += m.PeopleReferred
	advocate.Level3 += m.Level2
	if advocate.referrer != nil {
		advocate.referrer.Level3 += m.PeopleReferred
	}
	c.setStatus(m, Pending)
}

func confirm(s *Service, c *call) (any, error) { return s.thirdEvent(c, c.member) }

func confirmByIdentifier(s *Service, c *call) (any, error) {
	m, err := c.identify()
	if err != nil {
		return nil, err
	}
	return s.thirdEvent(c, m)
}

// thirdEvent completes the last of three events.
func (s *Service) thirdEvent(c *call, m *member) (any, error) {
	value := c.number("conversion_value")
	switch err := c.err(); {
	case err != nil:
		return nil, err
	case c.Events != 3:
		return nil, refuse("wrong_goal", "The goal of this campaign has no third event")
	case m.referrer == nil:
		return nil, errNoReferrer
	case m.Status == Pending:
		return nil, refuse("wrong_goal", "The second event is not completed")
	case m.Status != Unconfirmed:
		return s.repeated(c, m)
	}
	m.ConversionValue = either(value, m.ConversionValue)
	s.confirmed(c, m)
	return c.show(m, "subscriber_confirmed"), nil
}

// repeated answers an event that does not move the referral. The vendor's documents allow for both answers.
func (s *Service) repeated(c *call, m *member) (any, error) {
	if s.options.RefuseRepeats {
		return nil, refuse("already_completed", "The event was completed before")
	}
	c.touch(m)
	return c.show(m, "subscriber_retrieved"), nil
}

// confirmed confirms a referral whose events are all completed.
func (s *Service) confirmed(c *call, m *member) {
	c.setStatus(m, Confirmed)
	s.automate(c.Automations.ConfirmedWelcome, c.now, c.campaign, m, "Confirmed Welcome")
	s.reward(c.campaign, m, c.now)
}

// setStatus moves a referral, and with it the counts of those above.
func (c *call) setStatus(m *member, status Status) {
	c.count(m, -1)
	m.Status, m.StatusAt = status, c.now
	c.count(m, 1)
	c.touch(m)
	if m.referrer != nil {
		c.touch(m.referrer)
	}
}

func unqualify(_ *Service, c *call) (any, error) {
	m := c.member
	if !m.Referred {
		return nil, errNoReferrer
	}
	if m.Status != Unqualified {
		m.Before = m.Status
		c.setStatus(m, Unqualified)
	}
	return c.show(m, "subscriber_unqualified"), nil
}

func qualify(_ *Service, c *call) (any, error) {
	m := c.member
	if !m.Referred {
		return nil, errNoReferrer
	}
	if m.Status == Unqualified {
		c.setStatus(m, m.Before)
		m.Before = Organic
	}
	return c.show(m, "subscriber_qualified"), nil
}

func addPoints(_ *Service, c *call) (any, error) {
	m, err := c.identify()
	if err != nil {
		return nil, err
	}
	if !c.has("points") {
		return nil, refuse("no_points", "The points are missing")
	}
	points := c.integer("points")
	if err := c.err(); err != nil {
		return nil, err
	}
	m.Points += points
	c.touch(m)
	return c.show(m, "points_added"), nil
}

func promote(s *Service, c *call) (any, error) {
	if c.member.PromotedAt != 0 {
		return nil, refuse("subscriber_already_promoted", "The subscriber is promoted already")
	}
	c.member.PromotedAt = c.now
	c.touch(c.member)
	s.automate(c.Automations.PromotedReward, c.now, c.campaign, c.member, "Promoted Reward")
	s.tell(SubscriberPromoted, c.campaign, c.member, nil)
	return c.show(c.member, "subscriber_promoted"), nil
}
