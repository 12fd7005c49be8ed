package referralhero

import (
	"cmp"
	"slices"
	"strings"
)

// addSubscriber gets or creates the subscriber with the given identifier. Nothing of one who exists is
// overwritten, nor is the referrer changed.
func addSubscriber(s *Service, c *call) (any, error) {
	m, created, err := s.signUp(c)
	if err != nil {
		return nil, err
	}
	if created {
		return c.show(m, "subscriber_created"), nil
	}
	return c.show(m, "subscriber_retrieved"), nil
}

// signUp is the part of addSubscriber that tracking an event shares.
func (s *Service) signUp(c *call) (m *member, created bool, err error) {
	subscriber := Subscriber{
		Name: c.text("name"), Email: c.text("email"), PhoneNumber: c.text("phone_number"),
		CryptoWalletAddress: c.text("crypto_wallet_address"), OtherIdentifierValue: c.text("other_identifier_value"),
		ExtraField: c.text("extra_field"), ExtraField2: c.text("extra_field_2"),
		ExtraField3: c.text("extra_field_3"), ExtraField4: c.text("extra_field_4"),
		Address: c.text("address"), City: c.text("city"), Country: c.text("country"),
		Host: either(c.text("domain"), c.URL), Source: c.text("source"), Device: c.text("device"),
		StripeCustomerID: c.text("stripe_customer_id"), Tags: c.texts("tags"), Points: c.integer("points"),
		ConversionValue: c.number("conversion_value"), ConversionCategory: c.text("conversion_category"),
		TransactionID: c.text("transaction_id"),
		CreatedAt:     c.now, LastUpdatedAt: c.now,
	}
	referrer, wanted := c.text("referrer"), c.text("status")
	verified := !c.boolean("double_optin", true) || !c.Verification
	if err := c.err(); err != nil {
		return nil, false, err
	}
	key := subscriber.identifier(c.Identifier)
	if key == "" {
		return nil, false, c.Identifier.missing()
	}
	if m := c.byIdentifier[key]; m != nil {
		return m, false, nil
	}
	if subscriber.Email != "" {
		if err := validEmail(subscriber.Email); err != nil {
			return nil, false, err
		}
	}
	if c.Identifier == ByPhone && !strings.HasPrefix(subscriber.PhoneNumber, "+") {
		return nil, false, refuse("invalid_parameter", "The phone_number needs its country code, such as +1")
	}
	if advocate := c.advocate(referrer); referrer != "" && advocate != nil { // an unknown one refers nobody
		subscriber.Referred, subscriber.ReferredBy = true, advocate.ID
		subscriber.Status, subscriber.StatusAt = c.firstStatus(wanted == "custom_event_pending" || s.options.PendingByDefault), c.now
	}
	subscriber.ID, subscriber.Code = s.fresh("sub_", 12, c.byID), s.fresh("", 8, c.byCode)
	m = c.insert(subscriber)
	if verified {
		s.verify(c.campaign, m, c.now)
	} else {
		s.mails.send(c.now, c.campaign, m.Subscriber, "Confirmation")
	}
	return m, true, nil
}

// firstStatus returns the status of a new referral. The vendor's documents leave open whether a goal with
// several events makes it pending without being asked to; here it does not, so that a client that forgets to
// ask finds its referral confirmed.
func (c *campaign) firstStatus(pending bool) Status {
	if c.Events > 1 && pending {
		return Pending
	}
	return Confirmed
}

// verify lets a new subscriber take part, and does what the sign-up means to the one who referred it.
func (s *Service) verify(c *campaign, m *member, now int64) {
	m.VerifiedAt, m.LastUpdatedAt = now, now
	c.enter(m)
	c.count(m, 1)
	s.tell(NewRegistration, c, m, nil)
	switch {
	case m.referrer == nil:
		s.automate(c.Automations.Welcome, now, c, m, "Welcome")
		return
	case m.Status == Pending:
		s.automate(c.Automations.PendingWelcome, now, c, m, "Pending Welcome")
	default:
		s.automate(c.Automations.ReferralWelcome, now, c, m, "Referral Welcome")
		s.reward(c, m, now)
	}
	m.referrer.LastUpdatedAt = now
	s.tellUpdated(c, m.referrer)
}

// reward does what a referral that was just confirmed means to the referrer: a mail, and any bonus.
func (s *Service) reward(c *campaign, m *member, now int64) {
	advocate := m.referrer
	if advocate == nil {
		return
	}
	s.automate(c.Automations.Referral, now, c, advocate, "Referral")
	for _, bonus := range c.Bonuses {
		if bonus.Referrals == advocate.PeopleReferred {
			s.entries++
			earned := Reward{
				ID: s.entries, Name: bonus.Title, Status: "pending", Referrals: bonus.Referrals,
				CreatedAt: now, UnlockedDate: now, Referral: m.Email,
				SubscriberEmail: advocate.Email, SubscriberID: advocate.ID,
			}
			c.rewards = append(c.rewards, earned)
			s.tell(RewardUnlocked, c, advocate, &earned)
		}
	}
}

// Verify does what a click on the link in a confirmation mail does. It reports whether there was somebody to
// verify.
func (s *Service) Verify(uuid, subscriber string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(uuid)
	if c == nil {
		return false
	}
	m := c.byID[subscriber]
	if m == nil || m.VerifiedAt != 0 {
		return false
	}
	s.verify(c, m, s.now().Unix())
	return true
}

// update overwrites what was given. The identifier of the campaign is fixed once somebody has signed up: it
// is taken without an error and not changed.
func update(s *Service, c *call) (any, error) {
	m, next := c.member, c.member.Subscriber
	for name, field := range map[string]*string{
		"name": &next.Name, "email": &next.Email, "phone_number": &next.PhoneNumber,
		"crypto_wallet_address": &next.CryptoWalletAddress, "other_identifier_value": &next.OtherIdentifierValue,
		"extra_field": &next.ExtraField, "extra_field_2": &next.ExtraField2,
		"extra_field_3": &next.ExtraField3, "extra_field_4": &next.ExtraField4,
		"stripe_customer_id": &next.StripeCustomerID,
		"address":            &next.Address, "city": &next.City, "country": &next.Country,
	} {
		if c.has(name) && name != string(c.Identifier) {
			*field = c.text(name)
		}
	}
	if c.has("points") {
		next.Points = c.integer("points")
	}
	if c.has("tags") {
		next.Tags = c.texts("tags")
	}
	change, err := qualification(c)
	if err := cmp.Or(c.err(), err); err != nil {
		return nil, err
	}
	if next.Email != m.Email && next.Email != "" {
		if err := validEmail(next.Email); err != nil {
			return nil, err
		}
	}
	m.Subscriber = next
	c.touch(m)
	if change != nil {
		if _, err := change(s, c); err != nil {
			return nil, err
		}
	}
	if s.options.WebhookUpdates == ByFields { // else each change is told
		s.tell(SubscriberUpdated, c.campaign, m, nil)
	}
	return c.show(m, "subscriber_updated"), nil
}

// qualification returns what the parameter referral_status asks for, or nil.
func qualification(c *call) (endpoint, error) {
	switch status := c.text("referral_status"); {
	case status == "":
		return nil, nil
	case !c.member.Referred:
		return nil, errNoReferrer
	case status == "qualified":
		return qualify, nil
	case status == "unqualified":
		return unqualify, nil
	default:
		return nil, refuse("invalid_parameter", "The referral_status may be set to qualified or unqualified")
	}
}

// touch notes that something about m has changed.
func (c *call) touch(m *member) {
	m.LastUpdatedAt = c.now
	c.sorted = nil
	if !slices.Contains(c.changed, m) {
		c.changed = append(c.changed, m)
	}
}

func deleteSubscriber(s *Service, c *call) (any, error) {
	shown := c.show(c.member, "subscriber_deleted")
	s.delete(c.campaign, c.member, c.now)
	return shown, nil
}

// delete takes somebody out of a campaign. Those who were never verified were never told of either.
func (s *Service) delete(c *campaign, m *member, now int64) {
	if m.VerifiedAt == 0 {
		c.remove(m)
		return
	}
	s.tell(SubscriberDeleted, c, m, nil)
	above := m.referrer
	c.remove(m)
	if above != nil {
		above.LastUpdatedAt = now
		s.tellUpdated(c, above)
	}
}
