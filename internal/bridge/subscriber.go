package bridge

import "time"

// SubscriberID is ReferralHero's id of a person in a campaign: "sub_" and twelve hexadecimal digits. The same person
// has another one in each campaign.
type SubscriberID string

// Subscriber is a person in a campaign, as ReferralHero's API shows them. What ReferralHero leaves out, or gives as
// null or as an empty text, is the zero value.
type Subscriber struct {
	ID                      SubscriberID
	Name                    string
	Email, Phone            string
	Code                    string // referral code; its case counts
	ExtraField, ExtraField2 string
	Points                  int
	Position                int    // 0 if the campaign has no ranking
	Link                    string // referral link
	Source                  string
	Referred                bool
	Referrer                Referral
	Status                  string // of the referral: "", pending, unconfirmed, confirmed, unqualified
	PeopleReferred          int    // confirmed referrals
	Pending, Unconfirmed    int    // referrals
	Verified                bool
	CreatedAt, UpdatedAt    time.Time // to the second, by ReferralHero's clock
	ReadAt                  time.Time // ReferralHero's clock when it answered; zero if it did not say
}

// Referral is who referred a subscriber, as far as the referred one's record tells.
type Referral struct {
	ID                     SubscriberID // empty if nobody did, or if that one was deleted
	Name, Email            string
	PeopleReferred, Points int
}

// Referrals is how many people the subscriber has referred, in whatever state.
func (s Subscriber) Referrals() int { return s.PeopleReferred + s.Pending + s.Unconfirmed }
