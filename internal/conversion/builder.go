package conversion

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Draft is a rule as a person writes it.
type Draft struct {
	Name    string
	Stage   string // API name
	Trigger bridge.Trigger
	On      bool // of a new rule
	// From is since when deals count; zero for a few minutes ago.
	From time.Time

	RecordType      bridge.SalesforceID
	Minimum         string // a decimal number; empty for any amount
	MinimumCurrency string
	WonOnly         bool

	Who      bridge.Who
	Hold     int    // days
	Referrer string // the contact's field with the referrer's code or e-mail address

	// Currency is the one that ReferralHero is told totals in. The first rule about spend decides for the campaign.
	Currency string
}

// Choice is a trigger that a person may choose, or not.
type Choice struct {
	Trigger bridge.Trigger
	Why     string // why this campaign cannot do it, and what to do; empty if it can
}

// Options are what there is to choose from.
type Options struct {
	Stages      []bridge.Stage
	RecordTypes map[bridge.SalesforceID]string
	Currencies  []string // none where the org has one only
	Triggers    []Choice
	Currency    string // of the campaign's spend, if that was chosen
}

// impossible says why a campaign cannot do what a trigger asks for, and what to do; or "" if it can.
func impossible(t bridge.Trigger, c bridge.Campaign) string {
	const settings = " Say how many in the campaign's settings."
	switch {
	case t == bridge.AddContact && c.Identifier != bridge.ByEmail && c.Identifier != bridge.ByPhone:
		return "This campaign tells subscribers apart by something that contacts in Salesforce do not have. It needs e-mail addresses or phone numbers."
	case (t == bridge.ToUnconfirmed || t == bridge.ToConfirmed) && c.Events == 0:
		return "It is not known how many conversion events this campaign's goal has." + settings
	case t == bridge.ToUnconfirmed && c.Events == 1:
		return "This campaign's goal has one conversion event: a referral is confirmed when the person signs up, and there is nothing left to move. Choose Total spend, or Contact added."
	case t == bridge.ToUnconfirmed && c.Events == 2:
		return "This campaign's goal has two conversion events: a referral goes from pending to confirmed, and is never unconfirmed. Choose Referral to confirmed."
	case t == bridge.ToConfirmed && c.Events == 1:
		return "This campaign's goal has one conversion event: a referral is confirmed when the person signs up. Choose Contact added, with the field that names the referrer."
	default:
		return ""
	}
}

// Options returns what there is to choose from when a rule is written.
func (s Service) Options(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (Options, error) {
	const op = "conversion.Options"
	c, err := s.Campaigns.Campaign(ctx, account, campaign)
	if err != nil {
		return Options{}, bridge.E(op, "", err)
	}
	set, err := s.Ledger.RuleSet(ctx, account, campaign)
	if err != nil {
		return Options{}, bridge.E(op, "", err)
	}
	o := Options{Currency: set.Currency}
	for _, t := range []bridge.Trigger{bridge.AddContact, bridge.ToUnconfirmed, bridge.ToConfirmed, bridge.TotalSpend} {
		o.Triggers = append(o.Triggers, Choice{t, impossible(t, c)})
	}
	org, columns, err := s.org(ctx, account, connectionOf(set, c))
	if err != nil {
		return o, bridge.E(op, "", err)
	}
	if o.Stages, err = org.Stages(ctx); err != nil {
		return o, bridge.E(op, "", err)
	}
	if columns.RecordType {
		if o.RecordTypes, err = org.RecordTypes(ctx); err != nil {
			return o, bridge.E(op, "", err)
		}
	}
	if columns.Currency {
		o.Currencies, err = org.Currencies(ctx)
	}
	return o, bridge.E(op, "", err)
}

// connectionOf is the connection whose deals a campaign's rules are about: that of the rules once there are any.
func connectionOf(set bridge.RuleSet, c bridge.Campaign) bridge.ConnectionID {
	if set.Connection != "" && len(set.Rules) > 0 {
		return set.Connection
	}
	return c.Connection
}

// org returns the org of a connection, and which columns it has.
func (s Service) org(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (Console, bridge.DealColumns, error) {
	const op = "conversion.org"
	if connection == "" {
		return nil, bridge.DealColumns{}, bridge.Say(op, bridge.Invalid, "connection", "Choose a Salesforce account for this campaign first, under Salesforce.")
	}
	c, err := s.Connections.Connection(ctx, account, connection)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && (c.Status == bridge.Disconnected || c.Status == bridge.NeedsReconnect) {
		return nil, bridge.DealColumns{}, bridge.Say(op, bridge.Invalid, "connection", "The Salesforce account of this campaign is not connected. Reconnect it under Connections.")
	}
	if err != nil {
		return nil, bridge.DealColumns{}, err
	}
	org := s.Org(c)
	columns, err := findColumns(ctx, s.Layouts, org, c)
	return org, columns, err
}

// check makes a rule of a draft, or says what is wrong with it.
func (s Service) check(ctx context.Context, set *bridge.RuleSet, r bridge.Rule, d Draft) (bridge.Rule, error) {
	const op = "conversion.check"
	say := func(field, format string, args ...any) (bridge.Rule, error) {
		return r, bridge.Say(op, bridge.Invalid, field, format, args...)
	}
	c, err := s.Campaigns.Campaign(ctx, set.Account, set.Campaign)
	if err != nil {
		return r, err
	}
	if set.Connection != "" && len(set.Rules) > 0 && set.Connection != c.Connection {
		return say("connection", "The events of this campaign follow another Salesforce account than the one that is chosen for it now. Delete them first, or choose that account again.")
	}
	set.Connection = c.Connection
	org, columns, err := s.org(ctx, set.Account, set.Connection)
	if err != nil {
		return r, err
	}
	name := strings.TrimSpace(d.Name)
	switch {
	case name == "" || utf8.RuneCountInString(name) > 80:
		return say("name", "Type a name of at most 80 characters, such as Deal won.")
	case slices.ContainsFunc(set.Rules, func(o bridge.Rule) bool { return o.ID != r.ID && strings.EqualFold(o.Name, name) }):
		return say("name", "Another event of this campaign has this name. Choose a different one.")
	case !slices.Contains([]bridge.Trigger{bridge.AddContact, bridge.ToUnconfirmed, bridge.ToConfirmed, bridge.TotalSpend}, d.Trigger):
		return say("trigger", "Choose what the event does in ReferralHero.")
	case impossible(d.Trigger, c) != "":
		return say("trigger", "%s", impossible(d.Trigger, c))
	}
	stages, err := org.Stages(ctx)
	if err != nil {
		return r, err
	}
	stage, listed := stageOf(stages, d.Stage)
	if !listed || !stage.Active && r.Stage != d.Stage {
		return say("stage", "Choose a stage from the list: opportunities of this org do not have this one.")
	}
	r.Name, r.Stage, r.Trigger, r.On, r.WonOnly = name, d.Stage, d.Trigger, d.On, d.WonOnly
	if r, err = s.conditions(ctx, org, columns, r, d); err != nil {
		return r, err
	}
	if r.Trigger != bridge.TotalSpend {
		return r, nil
	}
	return r, s.currency(ctx, org, columns, set, d)
}

// conditions checks what a rule asks for besides stage and trigger.
func (s Service) conditions(ctx context.Context, org Console, columns bridge.DealColumns, r bridge.Rule, d Draft) (bridge.Rule, error) {
	const op = "conversion.conditions"
	say := func(field, format string, args ...any) (bridge.Rule, error) {
		return r, bridge.Say(op, bridge.Invalid, field, format, args...)
	}
	now := s.Now()
	switch {
	case d.From.IsZero() && r.From.IsZero():
		r.From = now.Add(-5 * time.Minute).Truncate(time.Minute) // clocks differ a little
	case !d.From.IsZero():
		r.From = d.From.UTC()
	}
	if r.From.After(now.Add(365*24*time.Hour)) || r.From.Year() < 2000 {
		return say("from", "Choose a day that is not so far away.")
	}
	r.RecordType, r.Minimum = "", bridge.Money{}
	if d.RecordType != "" {
		types, err := org.RecordTypes(ctx)
		if err != nil {
			return r, err
		}
		if types[d.RecordType] == "" {
			return say("record_type", "Opportunities of this org do not have this record type. Choose one from the list.")
		}
		r.RecordType = d.RecordType
	}
	if text := strings.TrimSpace(d.Minimum); text != "" {
		amount, err := decimal.NewFromString(text)
		if err != nil || amount.IsNegative() || amount.Exponent() < -2 || amount.GreaterThan(decimal.New(1, 15)) {
			return say("minimum", "Type the least amount as a number, such as 500 or 99.50.")
		}
		r.Minimum.Amount = amount
	}
	if r.Minimum.Amount.IsPositive() || r.Trigger == bridge.TotalSpend {
		if columns.NoAmount {
			return say("minimum", "The connected Salesforce user may not see the amount of opportunities. An administrator can change that in Setup > Field Accessibility.")
		}
	}
	if r.Minimum.Amount.IsPositive() && columns.Currency {
		codes, err := org.Currencies(ctx)
		if err != nil {
			return r, err
		}
		if !slices.Contains(codes, d.MinimumCurrency) {
			return say("minimum_currency", "Choose the currency of the least amount. Deals in another currency do not count.")
		}
		r.Minimum.Currency = d.MinimumCurrency
	}
	moves := r.Trigger == bridge.ToUnconfirmed || r.Trigger == bridge.ToConfirmed
	switch {
	case d.Who != bridge.ThePerson && d.Who != bridge.Everybody:
		return say("who", "Choose which person of the deal the event is about.")
	case d.Who == bridge.Everybody && r.Trigger == bridge.TotalSpend:
		return say("who", "Total spend can be about one person of a deal only: its amount would count once for each of them. Choose the primary contact.")
	case d.Hold < 0 || d.Hold > 365 || d.Hold > 0 && !moves:
		return say("hold", "A hold is for moving referrals only, and lasts up to 365 days.")
	}
	r.Who, r.Hold, r.Referrer = d.Who, d.Hold, ""
	if field := strings.TrimSpace(d.Referrer); field != "" && r.Trigger == bridge.AddContact {
		fields, err := org.Fields(ctx, "Contact")
		if err != nil {
			return r, err
		}
		if !slices.Contains(fields, field) {
			return say("referrer", "Contacts have no field of this API name that the connected user may see. Field names of your own end in __c.")
		}
		r.Referrer = field
	}
	return r, nil
}

// currency checks in which currency ReferralHero is told totals. There is one for the campaign.
func (s Service) currency(ctx context.Context, org Console, columns bridge.DealColumns, set *bridge.RuleSet, d Draft) error {
	const op = "conversion.currency"
	if !columns.Currency {
		return nil
	}
	codes, err := org.Currencies(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(codes, d.Currency) {
		return bridge.Say(op, bridge.Invalid, "currency", "Choose the currency in which ReferralHero counts total spend. Deals in another currency are listed, and never added up with it.")
	}
	taken := slices.ContainsFunc(set.Rules, func(o bridge.Rule) bool { return o.Trigger == bridge.TotalSpend })
	if set.Currency != "" && set.Currency != d.Currency && taken {
		return bridge.Say(op, bridge.Invalid, "currency", "This campaign's total spend is counted in %s. To count it in another currency, delete its events about total spend first.", set.Currency)
	}
	set.Currency = d.Currency
	return nil
}
