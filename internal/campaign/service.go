// Package campaign sets up a ReferralHero account and its campaigns: the API token, which is tried before it
// is kept; the campaigns that ReferralHero lists; and the settings of each that its API does not tell.
package campaign

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

type accounts interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
	// SaveAccount is a Conflict unless the version is the one that was read.
	SaveAccount(ctx context.Context, a bridge.Account) error
	// RefuseToken notes ReferralHero's code, and is a Conflict if the token is another one by now.
	RefuseToken(ctx context.Context, a bridge.Account, code string) error
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
	Campaigns(ctx context.Context, account bridge.AccountID) ([]bridge.Campaign, error)
	// SaveCampaign is a Conflict unless the version is the one that was read; 0 adds the campaign.
	SaveCampaign(ctx context.Context, c bridge.Campaign) error
}

type connections interface {
	Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
}

// Service is what people do with their account and its campaigns. Its fields are set once.
type Service struct {
	Accounts    accounts
	Campaigns   campaigns
	Connections connections
	// Lists asks ReferralHero for the active campaigns, with one call for every ten. left is how many calls
	// ReferralHero says are left in the hour, or -1 if it does not say.
	Lists  func(ctx context.Context, token bridge.Secret) (lists []bridge.Campaign, left int, err error)
	Budget budget.Budget
	Now    func() time.Time
}

// tries is how often a change is made again because somebody else changed the same thing at that moment.
const tries = 4

// again runs change until it is no Conflict.
func again(change func() error) error {
	var err error
	for range tries {
		if err = change(); bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return err
}

// List returns every campaign that ReferralHero ever listed for the account, those that it lists now first.
func (s Service) List(ctx context.Context, account bridge.AccountID) ([]bridge.Campaign, error) {
	all, err := s.Campaigns.Campaigns(ctx, account)
	if err != nil {
		return nil, bridge.E("campaign.List", "", err)
	}
	sortForPeople(all)
	return all, nil
}

// Get returns a campaign of the account, or NotFound.
func (s Service) Get(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error) {
	c, err := s.Campaigns.Campaign(ctx, account, id)
	return c, bridge.E("campaign.Get", "", err)
}

// Refresh asks ReferralHero for the account's campaigns and keeps what it says, without touching their
// settings. A campaign that is not listed any more stays, marked so.
func (s Service) Refresh(ctx context.Context, account bridge.AccountID) error {
	const op = "campaign.Refresh"
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if a.Token.Empty() {
		return bridge.Say(op, bridge.Denied, "token", "Give your ReferralHero API token first.")
	}
	known, err := s.Campaigns.Campaigns(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	lists, err := s.ask(ctx, a, a.Token, len(known))
	if err != nil {
		if code, refused := refusal(err); refused {
			if err := s.Accounts.RefuseToken(ctx, a, code); err != nil && bridge.KindOf(err) != bridge.Conflict {
				return bridge.E(op, "", err)
			}
		}
		return bridge.E(op, "", err)
	}
	return bridge.E(op, "", s.keep(ctx, account, lists))
}

// ask calls ReferralHero within the account's budget. The number of calls shows afterwards only: known
// campaigns say what to expect, and what was more is counted then.
func (s Service) ask(ctx context.Context, a bridge.Account, token bridge.Secret, known int) ([]bridge.Campaign, error) {
	const op = "campaign.ask"
	lease, err := s.Budget.Lease(ctx, a.ID, budget.ReferralHero, a.Allowance, budget.Live, calls(known))
	if err != nil {
		return nil, words(op, err)
	}
	lists, left, err := s.Lists(ctx, token)
	if err != nil {
		if bridge.KindOf(err) == bridge.Throttled {
			until := s.Now().Add(bridge.AfterOf(err, s.Budget.Length))
			if err := s.Budget.Close(ctx, a.ID, budget.ReferralHero, until); err != nil {
				return nil, bridge.E(op, "", err)
			}
		}
		return nil, words(op, err)
	}
	if more := calls(len(lists)) - lease.Calls; more > 0 {
		_, err = s.Budget.Lease(ctx, a.ID, budget.ReferralHero, a.Allowance, budget.Live, more)
	}
	if left >= 0 && err == nil {
		err = s.Budget.Correct(ctx, a.ID, budget.ReferralHero, a.Allowance, left)
	}
	if kind := bridge.KindOf(err); err != nil && kind != bridge.Throttled && kind != bridge.Conflict {
		return nil, bridge.E(op, "", err)
	}
	return lists, nil
}

// calls is how many calls list n campaigns.
func calls(n int) int { return max(1, (n+9)/10) }

// keep writes what ReferralHero said of the campaigns.
func (s Service) keep(ctx context.Context, account bridge.AccountID, lists []bridge.Campaign) error {
	now := s.Now()
	return again(func() error {
		known, err := s.Campaigns.Campaigns(ctx, account)
		if err != nil {
			return err
		}
		listed := make(map[bridge.CampaignID]bridge.Campaign, len(lists))
		for _, c := range lists {
			listed[c.ID] = c
		}
		for _, c := range known {
			said, ok := listed[c.ID]
			delete(listed, c.ID)
			switch {
			case ok:
				c.Name, c.Subscribers, c.SeenAt, c.Listed = said.Name, said.Subscribers, now, true
			case c.Listed:
				c.Listed = false
			default:
				continue
			}
			if err := s.Campaigns.SaveCampaign(ctx, c); err != nil {
				return err
			}
		}
		for _, c := range listed {
			err := s.Campaigns.SaveCampaign(ctx, bridge.Campaign{
				ID: c.ID, Account: account, Name: c.Name, Subscribers: c.Subscribers, SeenAt: now, Listed: true, Identifier: bridge.ByEmail,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
