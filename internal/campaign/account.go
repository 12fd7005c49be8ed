package campaign

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Account returns the account.
func (s Service) Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error) {
	a, err := s.Accounts.Account(ctx, id)
	return a, bridge.E("campaign.Account", "", err)
}

// Usage says how much of the account's hour at ReferralHero is used and left.
func (s Service) Usage(ctx context.Context, a bridge.Account) (budget.State, error) {
	state, err := s.Budget.State(ctx, a.ID, budget.ReferralHero, a.Allowance)
	return state, bridge.E("campaign.Usage", "", err)
}

// longestToken is more than any token of ReferralHero has.
const longestToken = 512

// SetToken tries the token by listing the campaigns and keeps both if ReferralHero accepts it. Otherwise
// nothing changes, and the error has a message for the field "token".
func (s Service) SetToken(ctx context.Context, account bridge.AccountID, token bridge.Secret) error {
	const op = "campaign.SetToken"
	token = bridge.NewSecret(strings.TrimSpace(token.Reveal()))
	switch text := token.Reveal(); {
	case text == "":
		return bridge.Say(op, bridge.Invalid, "token", "Paste the API token. In ReferralHero it is under Account > API.")
	case len(text) > longestToken || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bridge.Say(op, bridge.Invalid, "token", "This is not an API token: a token is one word of letters, digits and signs. Copy it again.")
	}
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	known, err := s.Campaigns.Campaigns(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	lists, err := s.ask(ctx, a, token, len(known))
	if err != nil {
		return bridge.E(op, "", err)
	}
	err = again(func() error {
		if a, err = s.Accounts.Account(ctx, account); err != nil {
			return err
		}
		a.Token, a.TokenAt, a.Refused = token, s.Now(), ""
		return s.Accounts.SaveAccount(ctx, a)
	})
	if err != nil {
		return bridge.E(op, "", err)
	}
	return bridge.E(op, "", s.keep(ctx, account, lists))
}

// Preferences are what people say about their account.
type Preferences struct {
	Notify    string // address for mails about imports and connections; may be empty
	Allowance int    // calls in an hour
}

// The limits of an allowance. The highest is what a budget can count within an hour.
const (
	LeastAllowance = 60
	MostAllowance  = 60_000
)

// SaveAccount keeps the preferences. A bad one is Invalid, with its field: "notify" or "allowance".
func (s Service) SaveAccount(ctx context.Context, account bridge.AccountID, p Preferences) error {
	const op = "campaign.SaveAccount"
	p.Notify = strings.TrimSpace(p.Notify)
	switch {
	case p.Notify != "" && !bridge.ValidEmail(bridge.NormalizeEmail(p.Notify)):
		return bridge.Say(op, bridge.Invalid, "notify", "This is not an e-mail address. Write one address, such as name@example.com, or leave it empty.")
	case p.Allowance < LeastAllowance || p.Allowance > MostAllowance:
		return bridge.Say(op, bridge.Invalid, "allowance",
			"Write a whole number from %d to %d. ReferralHero's usual limit is %d.", LeastAllowance, MostAllowance, bridge.DefaultAllowance)
	}
	return bridge.E(op, "", again(func() error {
		a, err := s.Accounts.Account(ctx, account)
		if err != nil {
			return err
		}
		a.Notify, a.Allowance = p.Notify, p.Allowance
		return s.Accounts.SaveAccount(ctx, a)
	}))
}

// refusal returns ReferralHero's code if err means that it does not accept the token, now or at all.
func refusal(err error) (code string, refused bool) {
	switch kind := bridge.KindOf(err); kind {
	case bridge.Denied, bridge.Revoked:
		if code = bridge.CodeOf(err); code == "" {
			code = string(kind)
		}
		return code, true
	default:
		return "", false
	}
}

// words adds to a failed call what a person should read, at the field "token".
func words(op string, err error) error {
	kind := bridge.KindOf(err)
	say := bridge.Error{Op: op, Kind: kind, Field: "token", After: bridge.AfterOf(err, 0), Err: err}
	code, refused := refusal(err)
	switch {
	case code == "inactive_account":
		say.Message = "ReferralHero says that this account is not active. Check its plan in ReferralHero, then try again."
	case refused:
		say.Message = "ReferralHero does not accept this token. Copy it again from ReferralHero, under Account > API."
	case kind == bridge.Throttled && say.After > 0:
		say.Message = "The calls that ReferralHero takes in an hour are used up. Nothing was changed; try again in " + minutes(say.After) + "."
	case kind == bridge.Throttled:
		say.Message = "The calls that ReferralHero takes in an hour are used up. Nothing was changed; try again later."
	case kind == bridge.Unavailable, kind == bridge.UnknownOutcome:
		say.Message = "ReferralHero did not answer. Nothing was changed; try again in a minute."
	}
	return &say
}

// minutes rounds up, in words.
func minutes(d time.Duration) string {
	n := int((d + time.Minute - 1) / time.Minute)
	if n == 1 {
		return "a minute"
	}
	return fmt.Sprintf("%d minutes", n)
}
