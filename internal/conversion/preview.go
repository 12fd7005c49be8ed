package conversion

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Answer is what a rule says of a deal, for a person to read. Nothing is written for it.
type Answer struct {
	Rule     bridge.Rule
	Deal     bridge.Deal
	Findings []Finding // every condition with the value that was seen
	Acts     bool
	Reason   string // why not, in words; empty if it acts
	People   []Somebody
	Counts   bridge.Money  // of spend: what the deal adds
	Ready    time.Time     // of a referral: when its hold is over
	Entry    *bridge.Entry // what the ledger has of it; nil if nothing
}

// Somebody is a person of a deal.
type Somebody struct {
	Contact    bridge.SalesforceID
	Name       string
	Subscriber bridge.SubscriberID // empty if the contact is none, or nobody looked
	Looked     bool
	Then       string         // what would happen, or what keeps it from happening
	Acts       bool           // something would happen
	Effect     *bridge.Effect // how far it has come; nil if nothing was ever asked for
}

// preview is a turn that only looks.
type preview struct {
	*turn
	set      bridge.RuleSet
	campaign bridge.Campaign
	looks    int // at ReferralHero, that are left
}

func (s Service) preview(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, looks int) (*preview, error) {
	c, err := s.Campaigns.Campaign(ctx, account, campaign)
	if err != nil {
		return nil, err
	}
	set, err := s.Ledger.RuleSet(ctx, account, campaign)
	if err != nil {
		return nil, err
	}
	org, columns, err := s.org(ctx, account, connectionOf(set, c))
	if err != nil {
		return nil, err
	}
	w := Worker{Ledger: s.Ledger, Accounts: s.Accounts, Hero: s.Hero, Budget: s.Budget, Now: s.Now}
	t := w.newTurn(account)
	t.org, t.columns = org, columns
	return &preview{turn: t, set: set, campaign: c, looks: looks}, nil
}

// seen reads one deal, by its id or by the address of its page.
func (p *preview) seen(ctx context.Context, op, deal string) (bridge.Deal, error) {
	id, err := bridge.ParseSalesforceID(idIn(deal))
	if err != nil || !strings.HasPrefix(string(id), opportunityPrefix) {
		return bridge.Deal{}, bridge.Say(op, bridge.Invalid, "deal", "Paste the address of an opportunity's page in Salesforce, or its id: 15 or 18 letters and digits that begin with %s.", opportunityPrefix)
	}
	deals, stages, err := p.org.Deals(ctx, []bridge.SalesforceID{id}, p.columns)
	if err != nil {
		return bridge.Deal{}, err
	}
	if len(deals) == 0 {
		return bridge.Deal{}, bridge.Say(op, bridge.NotFound, "deal", "The connected Salesforce user cannot see an opportunity with this id.")
	}
	p.stages = stages
	return deals[0], nil
}

var idForm = regexp.MustCompile(`\b006[A-Za-z0-9]{12}([A-Za-z0-9]{3})?\b`)

// idIn finds an opportunity's id in what somebody pasted.
func idIn(text string) string {
	if id := idForm.FindString(text); id != "" {
		return id
	}
	return strings.TrimSpace(text)
}

// Test says what a rule, as it is or as it is drafted, makes of a deal as it is now. It takes a few calls of both sides.
func (s Service) Test(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, rule bridge.Rule, deal string) (Answer, error) {
	const op = "conversion.Test"
	p, err := s.preview(ctx, account, campaign, 5)
	if err != nil {
		return Answer{}, bridge.E(op, "", err)
	}
	d, err := p.seen(ctx, op, deal)
	if err != nil {
		return Answer{}, bridge.E(op, "", err)
	}
	rule.On = true
	p.set.Rules = []bridge.Rule{rule}
	answers, err := p.answers(ctx, d)
	if err != nil {
		return Answer{}, bridge.E(op, "", err)
	}
	return answers[0], nil
}

// Draft makes a rule of a draft without keeping it, to test it or to look back with it. It needs no name, and may have that
// of the rule which it is to replace.
func (s Service) Draft(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, d Draft) (bridge.Rule, error) {
	const op = "conversion.Draft"
	set, err := s.Ledger.RuleSet(ctx, account, campaign)
	if err != nil {
		return bridge.Rule{}, bridge.E(op, "", err)
	}
	name := d.Name
	d.Name = bridge.NewID("draft")
	r, err := s.check(ctx, &set, bridge.Rule{ID: "r_draft"}, d)
	r.Name = name
	return r, bridge.E(op, "", err)
}

// Why says what every rule of a campaign makes of a deal, and what has come of it.
func (s Service) Why(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal string) ([]Answer, error) {
	const op = "conversion.Why"
	p, err := s.preview(ctx, account, campaign, 10)
	if err != nil {
		return nil, bridge.E(op, "", err)
	}
	d, err := p.seen(ctx, op, deal)
	if err != nil {
		return nil, bridge.E(op, "", err)
	}
	answers, err := p.answers(ctx, d)
	return answers, bridge.E(op, "", err)
}

// answers are what the rules of the preview make of a deal.
func (p *preview) answers(ctx context.Context, d bridge.Deal) ([]Answer, error) {
	entries, err := p.w.Ledger.DealEntries(ctx, p.id, p.set.Campaign, d.ID)
	if err != nil {
		return nil, err
	}
	verdicts := judge(p.set, p.stages, d, standing(entries))
	var contacts []bridge.SalesforceID
	for _, v := range verdicts {
		contacts = append(contacts, v.people...)
	}
	parties, err := p.parties(ctx, contacts)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(verdicts))
	for n, v := range verdicts {
		a := Answer{Rule: v.rule, Deal: d, Findings: v.findings, Acts: v.reason == "", Reason: Explain(v.reason), Counts: v.count, Ready: v.ready}
		if e := entryOf(entries, v.rule.ID); e.Version > 0 {
			a.Entry = &e
		}
		for _, contact := range v.people {
			one, err := p.somebody(ctx, v, parties[contact], contact)
			if err != nil {
				return nil, err
			}
			a.People = append(a.People, one)
		}
		answers[n] = a
	}
	return answers, nil
}

// somebody says what would happen to a person.
func (p *preview) somebody(ctx context.Context, v verdict, party bridge.Party, contact bridge.SalesforceID) (Somebody, error) {
	one := Somebody{Contact: contact, Name: strings.TrimSpace(party.FirstName + " " + party.LastName)}
	if party.ID == "" || party.Deleted {
		one.Then = "The contact was deleted, or cannot be seen by the connected user."
		return one, nil
	}
	one.Contact = party.ID
	if v.rule.Trigger == bridge.AddContact {
		one.Then, one.Acts = "The contact becomes a subscriber, unless it is one.", true
		if identify(p.campaign.Identifier, party) == "" {
			one.Then, one.Acts = Explain(reasonNoValue), false
		}
		return one, p.effect(ctx, &one, bridge.EffectAdd, string(party.ID), "")
	}
	if p.looks--; p.looks < 0 {
		one.Then = "Nobody looked whether this is a subscriber."
		return one, nil
	}
	id, err := p.find(ctx, p.campaign, party)
	if s, is := stopped(err); is {
		one.Then = "ReferralHero could not be asked: " + s.reason + "."
		return one, nil
	}
	if err != nil {
		return one, err
	}
	one.Looked, one.Subscriber = true, id
	if id == "" {
		one.Then = Explain(reasonStranger)
		return one, nil
	}
	if v.rule.Trigger == bridge.TotalSpend {
		one.Then, one.Acts = "Total spend follows the deal, with "+shown(v.count)+".", true
		return one, p.effect(ctx, &one, bridge.EffectSpend, string(id), v.count.Currency)
	}
	way, reason := decide(p.campaign.Events, bridge.EffectKind(v.rule.Trigger), p.known[id])
	switch way {
	case wayTrack, wayConfirm:
		one.Acts = true
		one.Then = fmt.Sprintf("The referral moves from %s to %s.", p.known[id].Status, v.rule.Trigger)
	default:
		one.Then = Explain(reason)
	}
	return one, p.effect(ctx, &one, bridge.EffectKind(v.rule.Trigger), string(id), "")
}

// effect finds how far somebody's effect has come.
func (p *preview) effect(ctx context.Context, one *Somebody, kind bridge.EffectKind, subject, currency string) error {
	e, err := p.w.Ledger.ConversionEffect(ctx, bridge.EffectID{Account: p.id, Campaign: p.set.Campaign, Kind: kind, Subject: subject, Currency: currency})
	if err == nil && e.Version > 0 {
		one.Effect = &e
	}
	return err
}

// BackTest is what a rule would have made of the deals of the last days.
type BackTest struct {
	Rule      bridge.Rule
	Since     time.Time
	Deals     int // that were seen in the stage
	Fits      []Answer
	Sum       []bridge.Money // of what fits, by currency
	NoPerson  int            // that fit and have nobody to act for
	Strangers int            // people who are no subscribers, of those who were looked up
	Doubles   []Answer       // that another rule with the same trigger, or another deal of the same person, has taken care of
	Cut       bool           // there were more deals, or people, than were looked at
}

const (
	lookBack  = 90 // days
	mostBack  = 3 * mostDeals
	mostAsked = 50 // people who are looked up in ReferralHero
)

// BackTest judges the deals that were seen in the rule's stage within the last 90 days, as they are now. It writes nothing,
// and takes at most 8 calls of Salesforce and 50 of ReferralHero.
func (s Service) BackTest(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, rule bridge.Rule) (BackTest, error) {
	const op = "conversion.BackTest"
	b := BackTest{Rule: rule, Since: s.Now().AddDate(0, 0, -lookBack)}
	p, err := s.preview(ctx, account, campaign, mostAsked)
	if err != nil {
		return b, bridge.E(op, "", err)
	}
	ids, next, err := p.org.DealsThrough(ctx, rule.Stage, b.Since, "")
	if err != nil {
		return b, bridge.E(op, "", err)
	}
	b.Deals, b.Cut = len(ids), next != "" || len(ids) > mostBack
	rule.On, rule.From = true, b.Since
	others := p.set
	p.set.Rules = []bridge.Rule{rule}
	people := map[string]bool{} // for whom a referral was moved, or who were added
	for some := range slices.Chunk(ids[:min(len(ids), mostBack)], mostDeals) {
		deals, stages, err := p.org.Deals(ctx, some, p.columns)
		if err != nil {
			return b, bridge.E(op, "", err)
		}
		p.stages = stages
		if err := p.back(ctx, &b, deals, others, people); err != nil {
			return b, bridge.E(op, "", err)
		}
	}
	b.Cut = b.Cut || p.looks < 0
	return b, nil
}

// back judges some deals for a back-test.
func (p *preview) back(ctx context.Context, b *BackTest, deals []bridge.Deal, others bridge.RuleSet, people map[string]bool) error {
	var contacts []bridge.SalesforceID
	verdicts := make([]verdict, len(deals))
	for n, d := range deals {
		verdicts[n] = judge(p.set, p.stages, d, nil)[0]
		contacts = append(contacts, verdicts[n].people...)
	}
	parties, err := p.parties(ctx, contacts)
	if err != nil {
		return err
	}
	for n, d := range deals {
		v := verdicts[n]
		if v.reason != "" && v.reason != reasonNobody {
			continue
		}
		a := Answer{Rule: v.rule, Deal: d, Findings: v.findings, Acts: v.reason == "", Reason: Explain(v.reason), Counts: v.count, Ready: v.ready}
		if b.NoPerson += boolInt(v.reason == reasonNobody); v.reason == reasonNobody {
			b.Fits = append(b.Fits, a)
			continue
		}
		double := ""
		for _, o := range judge(others, p.stages, d, nil) {
			if o.rule.ID != v.rule.ID && o.rule.Trigger == v.rule.Trigger && o.reason == "" && v.rule.Trigger == bridge.TotalSpend {
				double = "The event “" + o.rule.Name + "” counts this deal already: it is counted once."
			}
		}
		for _, contact := range v.people {
			one, err := p.somebody(ctx, v, parties[contact], contact)
			if err != nil {
				return err
			}
			a.People = append(a.People, one)
			b.Strangers += boolInt(one.Looked && one.Subscriber == "")
			key := string(one.Contact)
			if v.rule.Trigger != bridge.TotalSpend && people[key] && double == "" {
				double = "Another deal of the same person does this already: it is done once."
			}
			people[key] = true
		}
		b.Fits = append(b.Fits, a)
		if double != "" {
			a.Reason = double
			b.Doubles = append(b.Doubles, a)
			continue
		}
		b.add(d.Amount)
	}
	return nil
}

// add adds an amount to the sum of its currency.
func (b *BackTest) add(m bridge.Money) {
	for n := range b.Sum {
		if b.Sum[n].Currency == m.Currency {
			b.Sum[n].Amount = b.Sum[n].Amount.Add(m.Amount)
			return
		}
	}
	b.Sum = append(b.Sum, bridge.Money{Amount: decimal.Zero.Add(m.Amount), Currency: m.Currency})
}

func boolInt(is bool) int {
	if is {
		return 1
	}
	return 0
}
