package main

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

type eventWriting interface {
	Options(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (conversion.Options, error)
	Add(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, who string, d conversion.Draft) (bridge.Rule, error)
	Edit(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, d conversion.Draft) error
}

type eventTrials interface {
	Draft(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, d conversion.Draft) (bridge.Rule, error)
	Test(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, rule bridge.Rule, deal string) (conversion.Answer, error)
	BackTest(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, rule bridge.Rule) (conversion.BackTest, error)
}

// eventForm is the form of an event, as typed.
type eventForm struct {
	Rule                               bridge.RuleID // empty of a new one
	Name, Stage, Trigger               string
	RecordType                         string
	Minimum, MinimumCurrency, Currency string
	WonOnly                            bool
	From                               string // a day; empty for a few minutes ago
	Who, Hold, Referrer                string
	On                                 bool
	Deal                               string // to test with
}

// eventFields are those of the form of which a bad value is shown at its place.
var eventFields = []string{"name", "stage", "trigger", "record_type", "minimum", "minimum_currency", "currency", "from", "who", "hold", "referrer", "deal"}

func eventFormOf(form url.Values) eventForm {
	return eventForm{
		Rule: bridge.RuleID(form.Get("rule")), Name: form.Get("name"), Stage: form.Get("stage"), Trigger: form.Get("trigger"), RecordType: form.Get("record_type"),
		Minimum: strings.TrimSpace(form.Get("minimum")), MinimumCurrency: form.Get("minimum_currency"), Currency: form.Get("currency"),
		WonOnly: form.Get("won_only") != "", From: form.Get("from"), Who: form.Get("who"), Hold: strings.TrimSpace(form.Get("hold")),
		Referrer: strings.TrimSpace(form.Get("referrer")), On: form.Get("state") != "off", Deal: strings.TrimSpace(form.Get("deal")),
	}
}

// formOf is a rule as the form shows it.
func formOf(r bridge.Rule, currency string, zone *time.Location) eventForm {
	f := eventForm{
		Rule: r.ID, Name: r.Name, Stage: r.Stage, Trigger: string(r.Trigger), RecordType: string(r.RecordType), MinimumCurrency: r.Minimum.Currency,
		Currency: currency, WonOnly: r.WonOnly, From: r.From.In(zone).Format(time.DateOnly), Who: cmp.Or(string(r.Who), onePerson), Hold: strconv.Itoa(r.Hold), Referrer: r.Referrer, On: r.On,
	}
	if r.Minimum.Amount.IsPositive() {
		f.Minimum = r.Minimum.Amount.String()
	}
	return f
}

// draft is what the form asks for. A day that stays as it was leaves the moment as it was: from says which that is.
func (f eventForm) draft(zone *time.Location, from time.Time) (conversion.Draft, []problem) {
	d := conversion.Draft{
		Name: f.Name, Stage: f.Stage, Trigger: bridge.Trigger(f.Trigger), On: f.On, RecordType: bridge.SalesforceID(f.RecordType),
		Minimum: strings.ReplaceAll(f.Minimum, ",", ""), MinimumCurrency: f.MinimumCurrency, WonOnly: f.WonOnly, Who: f.who(), Referrer: f.Referrer, Currency: f.Currency,
	}
	var err error
	if d.Hold, err = strconv.Atoi(cmp.Or(f.Hold, "0")); err != nil {
		return d, []problem{{"hold", "Type a number of days, such as 14, or 0 for at once."}}
	}
	if f.From != "" && (from.IsZero() || f.From != from.In(zone).Format(time.DateOnly)) {
		if d.From, err = time.ParseInLocation(time.DateOnly, f.From, zone); err != nil {
			return d, []problem{{"from", "Type a day, such as 2026-10-01, or leave the field empty."}}
		}
	}
	return d, nil
}

// onePerson is the form's value for the person of an opportunity, who has no other name.
const onePerson = "one"

func (f eventForm) who() bridge.Who {
	if f.Who == onePerson {
		return bridge.ThePerson
	}
	return bridge.Who(f.Who)
}

// rule is the form as a rule that may not be whole yet, for its sentence.
func (f eventForm) rule() bridge.Rule {
	r := bridge.Rule{
		Name: f.Name, Stage: f.Stage, Trigger: bridge.Trigger(f.Trigger), RecordType: bridge.SalesforceID(f.RecordType), WonOnly: f.WonOnly,
		Who: f.who(), Referrer: f.Referrer,
	}
	r.Hold, _ = strconv.Atoi(f.Hold)
	if amount, err := decimal.NewFromString(strings.ReplaceAll(f.Minimum, ",", "")); err == nil {
		r.Minimum = bridge.Money{Amount: amount, Currency: f.MinimumCurrency}
	}
	return r
}

type triggerChoice struct {
	bridge.Trigger
	Label, Text, Why string
}

type recordTypeChoice struct {
	ID   bridge.SalesforceID
	Name string
}

type eventEditPage struct {
	tabs
	Form     eventForm
	Options  conversion.Options
	Triggers []triggerChoice
	Types    []recordTypeChoice
	Instance string // of the org
	Answer   *conversion.Answer
	Back     *backPart
	Silent   bool // the org's choices could not be read
}

// Sentence says what the event does.
func (p eventEditPage) Sentence() string {
	return sentence(p.Form.rule(), p.Options.Stages, p.Options.RecordTypes)
}

// Stages are the ones to choose from, and the one that was chosen before if the org has retired it.
func (p eventEditPage) Stages() []bridge.Stage {
	var all []bridge.Stage
	known := p.Form.Stage == ""
	for _, s := range p.Options.Stages {
		if s.Active || s.Name == p.Form.Stage {
			all = append(all, s)
			known = known || s.Name == p.Form.Stage
		}
	}
	if !known {
		all = append(all, bridge.Stage{Name: p.Form.Stage, Label: p.Form.Stage + " (not in the org’s list)"})
	}
	return all
}

// Special reports whether something was chosen that few need.
func (p eventEditPage) Special() bool {
	f := p.Form
	return f.RecordType != "" || f.Minimum != "" || f.who() != bridge.ThePerson || f.Hold != "" && f.Hold != "0" || f.Referrer != "" || f.Rule == "" && f.From != ""
}

func (v *visit) newEvent() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	return v.showEvent(http.StatusOK, eventEditPage{tabs: tabs{Campaign: c}, Form: eventForm{On: true, Who: onePerson, Hold: "0"}}, nil)
}

func (v *visit) editEvent() error {
	c, rule, set, err := v.ruleHere(bridge.RuleID(v.r.PathValue("rule")))
	if err != nil {
		return err
	}
	return v.showEvent(http.StatusOK, eventEditPage{tabs: tabs{Campaign: c}, Form: formOf(rule, set.Currency, v.zone())}, nil)
}

// ruleHere is a rule of the campaign that the address names.
func (v *visit) ruleHere(id bridge.RuleID) (bridge.Campaign, bridge.Rule, bridge.RuleSet, error) {
	c, err := v.campaignOf()
	if err != nil {
		return c, bridge.Rule{}, bridge.RuleSet{}, err
	}
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return c, bridge.Rule{}, set, err
	}
	rule, is := set.Rule(id)
	if !is {
		return c, rule, set, bridge.Say("console.event", bridge.NotFound, "", "This event is not tracked any more.")
	}
	return c, rule, set, nil
}

// showEvent shows the form. Without the org's choices it says why, and keeps what was typed.
func (v *visit) showEvent(status int, page eventEditPage, found []problem) error {
	c := page.Campaign
	tabs, err := v.tabs(c, "events")
	if err != nil {
		return err
	}
	page.tabs, page.Page = tabs, "edit"
	ctx, cancel := context.WithTimeout(v.ctx(), listing)
	defer cancel()
	if page.Options, err = v.Events.Options(ctx, v.acc(), c.ID); err != nil {
		why := said(err)
		if why == nil {
			return err
		}
		apigw.Log(v.r, err, apigw.Status(err))
		page.Silent = true
		if len(found) == 0 {
			found = []problem{{"", why[0].Message}}
		}
	}
	for _, t := range page.Options.Triggers {
		word := triggerWords[t.Trigger]
		page.Triggers = append(page.Triggers, triggerChoice{t.Trigger, word.Label, word.Text(c.Events), t.Why})
	}
	for id, name := range page.Options.RecordTypes {
		page.Types = append(page.Types, recordTypeChoice{id, name})
	}
	slices.SortFunc(page.Types, func(a, b recordTypeChoice) int { return cmp.Compare(a.Name, b.Name) })
	page.Form.Currency = cmp.Or(page.Form.Currency, page.Options.Currency)
	title := "Add event to track"
	if page.Form.Rule != "" {
		title = "Edit event"
	}
	v.render(status, "event_edit.html", view{Title: title, Section: "campaigns", Problems: found, Data: page})
	return nil
}

// eventTyped is the event that was sent, with the moment since when the deals of its rule count so far.
func (v *visit) eventTyped(c bridge.Campaign) (eventForm, conversion.Draft, []problem, error) {
	form := eventFormOf(v.r.PostForm)
	var from time.Time
	if form.Rule != "" {
		_, rule, _, err := v.ruleHere(form.Rule)
		if err != nil {
			return form, conversion.Draft{}, nil, err
		}
		from = rule.From
	}
	d, found := form.draft(v.zone(), from)
	return form, d, found, nil
}

// saveEvent adds an event, or changes one. Sent twice it does it once. Whoever has typed an opportunity and pressed Enter
// means the test.
func (v *visit) saveEvent() error {
	if v.r.PostForm.Get("enter") != "" && strings.TrimSpace(v.r.PostForm.Get("deal")) != "" {
		return v.tryEvent()
	}
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, d, found, err := v.eventTyped(c)
	if err != nil {
		return err
	}
	page := eventEditPage{tabs: tabs{Campaign: c}, Form: form}
	if found != nil {
		return v.showEvent(http.StatusBadRequest, page, found)
	}
	done := "event-changed"
	if form.Rule == "" {
		var rule bridge.Rule
		if rule, err = v.Events.Add(v.ctx(), v.acc(), c.ID, v.session.Person.Name, d); err != nil {
			if before := v.added(c.ID, d); before != nil {
				rule, err = *before, nil
			}
		}
		done = "event-added&rule=" + url.QueryEscape(string(rule.ID))
	} else {
		err = v.Events.Edit(v.ctx(), v.acc(), c.ID, form.Rule, v.session.Person.Name, d)
	}
	if err != nil {
		return v.eventAgain(page, err)
	}
	v.redirect(eventsPath(c.ID) + "?done=" + done)
	return nil
}

// twice is how soon after it was added an event counts as sent twice, and not as another one of the same name.
const twice = 15 * time.Minute

// added returns this very event if it was added a moment ago: the form was sent twice. Otherwise it returns nil.
func (v *visit) added(campaign bridge.CampaignID, d conversion.Draft) *bridge.Rule {
	edits, err := v.Events.Edits(v.ctx(), v.acc(), campaign, "", 5)
	if err != nil {
		return nil // what was wrong before says more
	}
	for _, e := range edits {
		if e.What == "added" && e.Who == v.session.Person.Name && v.Now().Sub(e.At) < twice && e.After != nil && same(*e.After, d) {
			return e.After
		}
	}
	return nil
}

// same reports whether a rule is what a draft asks for.
func same(r bridge.Rule, d conversion.Draft) bool {
	minimum, err := decimal.NewFromString(cmp.Or(d.Minimum, "0"))
	return err == nil && r.Minimum.Amount.Equal(minimum) && r.Minimum.Currency == d.MinimumCurrency && (d.From.IsZero() || r.From.Equal(d.From)) &&
		r.Name == strings.TrimSpace(d.Name) && r.Stage == d.Stage && r.Trigger == d.Trigger && r.On == d.On && r.RecordType == d.RecordType &&
		r.WonOnly == d.WonOnly && r.Who == d.Who && r.Hold == d.Hold && r.Referrer == d.Referrer
}

// eventAgain shows the form with what was typed, and with what is wrong with it.
func (v *visit) eventAgain(page eventEditPage, err error) error {
	found := said(err, eventFields...)
	if found == nil {
		return err
	}
	apigw.Log(v.r, err, apigw.Status(err))
	return v.showEvent(apigw.Status(err), page, found)
}

// eventSentence answers with the sentence of what is typed so far. It asks nobody.
func (v *visit) eventSentence() error {
	page := eventEditPage{Form: eventFormOf(v.r.PostForm)}
	v.execute(http.StatusOK, "event_edit.html", "sentence", view{Data: page})
	return nil
}

// atOnce is how many deals of a back-test a page shows.
const atOnce = 100

// backPart is a back-test.
type backPart struct {
	conversion.BackTest
	Doubled map[bridge.SalesforceID]string // why a deal would not count, by deal
	Acts    int                            // deals for which something would have happened
	Amounts []bridge.Money                 // of these, by currency
	Idle    int                            // deals of people for whom there is nothing to do
	Unasked int                            // deals of people whom nobody looked up
}

func newBackPart(b conversion.BackTest) *backPart {
	p := &backPart{BackTest: b, Doubled: map[bridge.SalesforceID]string{}}
	for _, a := range b.Doubles {
		p.Doubled[a.Deal.ID] = a.Reason
	}
	for _, a := range b.Fits {
		acts := slices.ContainsFunc(a.People, func(s conversion.Somebody) bool { return s.Acts })
		looked := slices.ContainsFunc(a.People, func(s conversion.Somebody) bool { return s.Looked })
		switch {
		case p.Doubled[a.Deal.ID] != "" || !a.Acts:
		case acts:
			p.Acts++
			p.add(a.Deal.Amount)
		case looked || b.Rule.Trigger == bridge.AddContact:
			p.Idle++
		default:
			p.Unasked++
		}
	}
	return p
}

// add adds an amount to that of its currency.
func (p *backPart) add(m bridge.Money) {
	at := slices.IndexFunc(p.Amounts, func(o bridge.Money) bool { return o.Currency == m.Currency })
	if at < 0 {
		p.Amounts = append(p.Amounts, m)
		return
	}
	p.Amounts[at].Amount = p.Amounts[at].Amount.Add(m.Amount)
}

// Shown are the deals that the page has room for.
func (p backPart) Shown() []conversion.Answer { return p.Fits[:min(len(p.Fits), atOnce)] }

// Left counts the others.
func (p backPart) Left() int { return len(p.Fits) - len(p.Shown()) }

// patient is how long a person waits for a look back. With the form after it, that is less than API Gateway waits.
const patient = 17 * time.Second

// tryEvent tests the event that was sent on an opportunity, or looks back with it. It writes nothing.
func (v *visit) tryEvent() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form, d, found, err := v.eventTyped(c)
	if err != nil {
		return err
	}
	page := eventEditPage{tabs: tabs{Campaign: c}, Form: form}
	if found != nil {
		return v.showEvent(http.StatusBadRequest, page, found)
	}
	back := v.r.PostForm.Get("try") == "back"
	ctx, cancel := context.WithTimeout(v.ctx(), patient)
	defer cancel()
	rule, err := v.Events.Draft(ctx, v.acc(), c.ID, d)
	if err != nil {
		return v.eventAgain(page, err)
	}
	if form.Rule != "" {
		rule.ID = form.Rule
		if d.From.IsZero() {
			_, kept, _, err := v.ruleHere(form.Rule)
			if err != nil {
				return err
			}
			rule.From = kept.From
		}
	}
	if back {
		looked, err := v.Events.BackTest(ctx, v.acc(), c.ID, rule)
		if err != nil {
			return v.eventAgain(page, err)
		}
		page.Back = newBackPart(looked)
	} else {
		answer, err := v.Events.Test(ctx, v.acc(), c.ID, rule, form.Deal)
		if err != nil {
			return v.eventAgain(page, err)
		}
		page.Answer = &answer
	}
	if page.Instance, err = v.instance(c); err != nil {
		return err
	}
	return v.showEvent(http.StatusOK, page, nil)
}

// instance is where the org is that a campaign's events follow; empty if it has none.
func (v *visit) instance(c bridge.Campaign) (string, error) {
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return "", err
	}
	id := orgOf(set, c)
	if id == "" {
		return "", nil
	}
	connection, err := v.Connections.Get(v.ctx(), v.acc(), id)
	return connection.Instance, err
}
