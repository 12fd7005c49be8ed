package importer

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Preview says what an import would do, before anything is written.
type Preview struct {
	Total      int // contacts that would be imported
	Examined   int // of those: looked at, from the first; the next five are counts of these
	Sent       int // that would be sent to ReferralHero
	Without    int // without the campaign's identifier
	Malformed  int // with one that cannot be sent
	Duplicates int // that share one with a contact before
	OptedOut   int // that asked for no e-mail; with a welcome e-mail, those who are left out for no other reason
	Exact      bool
	Calls      int           // to ReferralHero, expected
	Duration   time.Duration // expected
	Allowance  int           // calls in an hour
	LeftNow    int           // calls that could be made at once
}

// The bounds of a preview: how many contacts it looks at, and how much of its caller's time it leaves.
const (
	mostExamined = 20_000
	spareTime    = 8 * time.Second
)

// Preview examines up to 20,000 of the contacts that an import with these options would bring, fewer if time runs
// out. Options that cannot work are an Invalid error whose Field names the one at fault.
func (s Service) Preview(ctx context.Context, account bridge.AccountID, o bridge.ImportOptions) (Preview, error) {
	const op = "importer.Preview"
	org, a, err := s.check(ctx, account, &o)
	if err != nil {
		return Preview{}, bridge.E(op, "", err)
	}
	now := s.Now()
	selected := bridge.Selection{Filter: o.Filter, Bound: now.Truncate(time.Second)}
	p := Preview{Allowance: a.Allowance}
	if p.Total, err = org.CountContacts(ctx, selected); err != nil {
		return Preview{}, bridge.E(op, "", refusedFilter(err))
	}
	if err := s.examine(ctx, org, selected, o, &p); err != nil {
		return Preview{}, bridge.E(op, "", err)
	}
	state, err := s.Budget.State(ctx, account, budget.ReferralHero, a.Allowance)
	if err != nil {
		return Preview{}, bridge.E(op, "", err)
	}
	p.LeftNow = state.Left
	p.Duration = estimate(p.Calls, a.Allowance, s.Budget.Length, state, now)
	return p, nil
}

// examine looks at contacts and fills in what it finds.
func (s Service) examine(ctx context.Context, org Org, selected bridge.Selection, o bridge.ImportOptions, p *Preview) error {
	var (
		after bridge.SalesforceID
		seen  = map[string]bridge.SalesforceID{}
	)
	for !p.Exact && p.Examined < mostExamined && enough(ctx) {
		ids, err := org.ContactIDs(ctx, selected, after, stepSize)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			last := ids[len(ids)-1]
			contacts, err := org.Contacts(ctx, selected, o.Identifier, after, last)
			if err != nil {
				return err
			}
			for n, v := range judge(contacts, o, seen) {
				p.Examined++
				if v.code == optedOut || contacts[n].OptedOut && !o.Welcome {
					p.OptedOut++
				}
				switch v.code {
				case without:
					p.Without++
				case malformed:
					p.Malformed++
				case shared:
					p.Duplicates++
				case pending:
					seen[v.value] = contacts[n].ID
					p.Sent++
				}
			}
			after = last
		}
		p.Exact = len(ids) < stepSize
	}
	p.Calls = p.Sent
	if !p.Exact && p.Examined > 0 {
		p.Calls = int(int64(p.Sent) * int64(p.Total) / int64(p.Examined))
	}
	return nil
}

// enough reports whether there is time for another look.
func enough(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > spareTime
}

// check refuses options that cannot work, fills in what is left open, and returns the org and the account.
func (s Service) check(ctx context.Context, account bridge.AccountID, o *bridge.ImportOptions) (Org, bridge.Account, error) {
	const op = "importer.check"
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return nil, a, err
	}
	if a.Token.Empty() || a.Refused != "" {
		return nil, a, bridge.Say(op, bridge.Invalid, "account", "ReferralHero needs a valid API token. Enter it under Account.")
	}
	if err := s.checkCampaign(ctx, account, o); err != nil {
		return nil, a, err
	}
	o.URL = strings.TrimSpace(o.URL)
	if problem := bridge.LinkProblem(o.URL); problem != "" {
		return nil, a, bridge.Say(op, bridge.Invalid, "url", "%s", problem)
	}
	o.Filter = strings.TrimSpace(o.Filter)
	if o.Filter != "" {
		if err := s.CheckFilter(o.Filter); err != nil {
			return nil, a, err
		}
	}
	c, err := s.Connections.Connection(ctx, account, o.Connection)
	switch {
	case bridge.KindOf(err) == bridge.NotFound:
		return nil, a, bridge.Say(op, bridge.Invalid, "connection", "Choose a Salesforce account.")
	case err != nil:
		return nil, a, err
	case c.Status != bridge.Active:
		return nil, a, bridge.Say(op, bridge.Invalid, "connection", "This Salesforce connection does not work at present. Reconnect it under Connections.")
	}
	org := s.Org(c)
	if o.Welcome { // a mail to somebody who asked for none cannot be taken back
		fields, err := org.Fields(ctx, "Contact")
		if err == nil && !slices.Contains(fields, "HasOptedOutOfEmail") {
			return nil, a, bridge.Say(op, bridge.Invalid, "welcome", "The connected user does not see who has opted out of e-mail, so nobody could be left out. Have an administrator of the org show the field Email Opt Out of contacts to the user, or send no welcome e-mail.")
		}
	}
	return org, a, nil
}

func (s Service) checkCampaign(ctx context.Context, account bridge.AccountID, o *bridge.ImportOptions) error {
	const op = "importer.checkCampaign"
	c, err := s.Campaigns.Campaign(ctx, account, o.Campaign)
	switch {
	case bridge.KindOf(err) == bridge.NotFound:
		return bridge.Say(op, bridge.Invalid, "campaign", "Choose a campaign.")
	case err != nil:
		return err
	case !c.Listed:
		return bridge.Say(op, bridge.Invalid, "campaign", "ReferralHero does not list this campaign any more: it may be paused or deleted. Activate it there, then update the list.")
	}
	if o.Identifier == "" {
		o.Identifier = c.Identifier
	}
	switch {
	case o.Identifier != bridge.ByEmail && o.Identifier != bridge.ByPhone:
		return bridge.Say(op, bridge.Invalid, "identifier", "Contacts can be imported into campaigns that tell people apart by e-mail address or phone number.")
	case c.Identifier != "" && c.Identifier != o.Identifier:
		return bridge.Say(op, bridge.Invalid, "identifier", "This campaign tells people apart by something else. Choose the identifier that ReferralHero shows in the campaign's settings.")
	}
	return nil
}

// refusedFilter gives a query that Salesforce refuses a message at the filter's field, if it has none.
func refusedFilter(err error) error {
	if text, _ := bridge.MessageOf(err); text != "" || bridge.KindOf(err) != bridge.Invalid {
		return err
	}
	return &bridge.Error{Op: "importer.refusedFilter", Kind: bridge.Invalid, Field: "filter", Err: err,
		Message: "Salesforce does not accept this filter (" + code(err) + "). Check the field names and the quotes around texts."}
}
