package referralhero

import "strings"

// Subscriber is what a campaign knows about a person. Times are Unix seconds; 0 means never.
type Subscriber struct {
	ID                   string   `json:"id"`
	Code                 string   `json:"code"`
	Name                 string   `json:"name,omitempty"`
	Email                string   `json:"email,omitempty"`
	PhoneNumber          string   `json:"phone_number,omitempty"`
	CryptoWalletAddress  string   `json:"crypto_wallet_address,omitempty"`
	OtherIdentifierValue string   `json:"other_identifier_value,omitempty"`
	ExtraField           string   `json:"extra_field,omitempty"`
	ExtraField2          string   `json:"extra_field_2,omitempty"`
	ExtraField3          string   `json:"extra_field_3,omitempty"`
	ExtraField4          string   `json:"extra_field_4,omitempty"`
	OptionField          string   `json:"option_field,omitempty"`
	Address              string   `json:"address,omitempty"`
	City                 string   `json:"city,omitempty"`
	Country              string   `json:"country,omitempty"`
	Host                 string   `json:"host,omitempty"` // base of the referral link
	Source               string   `json:"source,omitempty"`
	Device               string   `json:"device,omitempty"`
	StripeCustomerID     string   `json:"stripe_customer_id,omitempty"`
	Tags                 []string `json:"tags,omitempty"`
	Points               int      `json:"points,omitempty"`

	ConversionValue    float64 `json:"conversion_value,omitempty"`
	ConversionCategory string  `json:"conversion_category,omitempty"`
	TransactionID      string  `json:"transaction_id,omitempty"`
	LifetimeSpend      float64 `json:"lifetime_spend,omitempty"` // as last told; the API never shows it

	Referred   bool   `json:"referred,omitempty"`
	ReferredBy string `json:"referred_by,omitempty"` // id of the referrer; empty once that one was deleted
	Status     Status `json:"referral_status,omitempty"`
	StatusAt   int64  `json:"referral_status_at,omitempty"`
	Before     Status `json:"before,omitempty"` // status to return to when qualified again

	PeopleReferred       int `json:"people_referred,omitempty"` // confirmed ones
	PendingReferrals     int `json:"pending_referrals,omitempty"`
	UnconfirmedReferrals int `json:"unconfirmed_referrals,omitempty"`
	Level2               int `json:"level_2_confirmed_referrals,omitempty"`
	Level3               int `json:"level_3_confirmed_referrals,omitempty"`

	PromotedAt    int64 `json:"promoted_at,omitempty"`
	VerifiedAt    int64 `json:"verified_at,omitempty"`
	CreatedAt     int64 `json:"created_at"`
	LastUpdatedAt int64 `json:"last_updated_at"`
}

// Status is how far a referral has come. A person whom nobody referred has none.
type Status string

// The statuses, in the order in which a referral passes through them. Unqualified is beside that order.
const (
	Organic     Status = ""
	Pending     Status = "pending"
	Unconfirmed Status = "unconfirmed"
	Confirmed   Status = "confirmed"
	Unqualified Status = "unqualified"
)

// ReferralLink returns the address that the person shares.
func (s *Subscriber) ReferralLink() string {
	join := "?"
	if strings.Contains(s.Host, "?") {
		join = "&"
	}
	return s.Host + join + "mwr=" + s.Code
}

// identifier returns what the campaign tells the person apart by, in the form in which it is compared.
func (s *Subscriber) identifier(kind Identifier) string {
	switch kind {
	case ByPhone:
		return kind.normal(s.PhoneNumber)
	case ByWallet:
		return kind.normal(s.CryptoWalletAddress)
	case ByOther:
		return kind.normal(s.OtherIdentifierValue)
	default:
		return kind.normal(s.Email)
	}
}

// member is a subscriber in a campaign, with the people around.
type member struct {
	Subscriber
	number    int // by order of sign-up
	referrer  *member
	referrals []*member // of every status, in order of sign-up
}

// answer is a subscriber as the API shows it.
type answer struct {
	Response string `json:"response,omitempty"`

	ID                   string    `json:"id"`
	Name                 string    `json:"name"`
	Email                string    `json:"email"`
	PhoneNumber          string    `json:"phone_number"`
	CryptoWalletAddress  string    `json:"crypto_wallet_address"`
	CryptoWalletProvider string    `json:"crypto_wallet_provider"`
	OtherIdentifierValue string    `json:"other_identifier_value"`
	ExtraField           string    `json:"extra_field"`
	ExtraField2          string    `json:"extra_field_2"`
	ExtraField3          string    `json:"extra_field_3"`
	ExtraField4          string    `json:"extra_field_4"`
	OptionField          string    `json:"option_field"`
	ConversionAmount     float64   `json:"conversion_amount"`
	ReferralValue        float64   `json:"referral_value"`
	ReferralCategory     string    `json:"referral_category"`
	TransactionID        string    `json:"transaction_id"`
	Code                 string    `json:"code"`
	Position             *int      `json:"position"`
	Referred             bool      `json:"referred"`
	ReferredBy           *referrer `json:"referred_by"`
	ReferralStatus       *Status   `json:"referral_status"`
	ReferralStatusAt     *int64    `json:"referral_status_at"`
	Visitors             int       `json:"visitors"`
	PendingReferrals     int       `json:"pending_referrals"`
	UnconfirmedReferrals int       `json:"unconfirmed_referrals"`
	PeopleReferred       int       `json:"people_referred"`
	Level2               int       `json:"level_2_confirmed_referrals"`
	Level3               int       `json:"level_3_confirmed_referrals"`
	Promoted             bool      `json:"promoted"`
	PromotedAt           *int64    `json:"promoted_at"`
	Verified             bool      `json:"verified"`
	VerifiedAt           *int64    `json:"verified_at"`
	Points               int       `json:"points"`
	RiskLevel            int       `json:"risk_level"`
	Host                 string    `json:"host"`
	Source               *string   `json:"source"`
	Device               *string   `json:"device"`
	StripeCustomerID     *string   `json:"stripe_customer_id"`
	Tags                 []string  `json:"tags"`
	ReferralLink         string    `json:"referral_link"`
	UniversalLink        string    `json:"universal_link"`
	CreatedAt            int64     `json:"created_at"`
	LastUpdatedAt        int64     `json:"last_updated_at"`
}

// referrer is how the API shows the person who referred another; without an id it is {}.
type referrer struct {
	ID             string  `json:"id,omitempty"`
	Name           *string `json:"name,omitempty"`
	Email          *string `json:"email,omitempty"`
	PhoneNumber    *string `json:"phone_number,omitempty"`
	PeopleReferred *int    `json:"people_referred,omitempty"`
	Points         *int    `json:"points,omitempty"`
}

// show returns m as the API shows it, with the given result word. The result holds copies only, so that it
// can be written after the lock is gone.
func (c *campaign) show(m *member, response string) answer {
	a := answer{
		Response: response,
		ID:       m.ID, Name: m.Name, Email: m.Email, PhoneNumber: m.PhoneNumber,
		CryptoWalletAddress: m.CryptoWalletAddress, OtherIdentifierValue: m.OtherIdentifierValue,
		ExtraField: m.ExtraField, ExtraField2: m.ExtraField2, ExtraField3: m.ExtraField3, ExtraField4: m.ExtraField4,
		OptionField: m.OptionField, ConversionAmount: m.ConversionValue, ReferralValue: m.ConversionValue,
		ReferralCategory: m.ConversionCategory, TransactionID: m.TransactionID, Code: m.Code,
		Referred: m.Referred, ReferredBy: &referrer{},
		ReferralStatus: given(m.Status), ReferralStatusAt: given(m.StatusAt),
		PendingReferrals: m.PendingReferrals, UnconfirmedReferrals: m.UnconfirmedReferrals, PeopleReferred: m.PeopleReferred,
		Level2: m.Level2, Level3: m.Level3,
		Promoted: m.PromotedAt != 0, PromotedAt: given(m.PromotedAt),
		Verified: m.VerifiedAt != 0, VerifiedAt: given(m.VerifiedAt),
		Points: m.Points, Host: m.Host,
		Source: given(m.Source), Device: given(m.Device), StripeCustomerID: given(m.StripeCustomerID),
		Tags:         append([]string{}, m.Tags...),
		ReferralLink: m.ReferralLink(), UniversalLink: "https://app.referralhero.com/" + c.UUID + "/universal_link?mwr=" + m.Code,
		CreatedAt: m.CreatedAt, LastUpdatedAt: m.LastUpdatedAt,
	}
	if c.Ranking && m.VerifiedAt != 0 {
		a.Position = new(c.ranks.position(m))
	}
	if r := m.referrer; r != nil {
		a.ReferredBy = &referrer{r.ID, new(r.Name), new(r.Email), new(r.PhoneNumber), new(r.PeopleReferred), new(r.Points)}
	}
	return a
}

// given returns a pointer to value, or nil if it is the zero value.
func given[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
