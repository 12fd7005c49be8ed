package conversion

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	core "github.com/referralbridge/referralbridge/internal/conversion"
	simorg "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Stages of the simulated org that the rules are about, and some others.
const (
	qualification = "Qualification"
	proposal      = "Proposal/Price Quote"
	negotiation   = "Negotiation/Review"
	closedWon     = "Closed Won"
	closedLost    = "Closed Lost"
)

var someStages = []string{"Prospecting", qualification, "Needs Analysis", proposal, negotiation, negotiation, closedWon, closedWon, closedWon, closedLost}

// people are the contacts of the org. The eleventh shares an address with the first, the twelfth has none.
func people() []simorg.Contact {
	contacts := make([]simorg.Contact, 12)
	for i := range contacts {
		contacts[i] = simorg.Contact{
			ID: fmt.Sprintf("0035g00000%05d", i+1), FirstName: "Ann", LastName: fmt.Sprint("O'Neill ", i), Email: fmt.Sprintf("ann.%d@example.com", i),
			Created: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		}
	}
	contacts[10].Email, contacts[11].Email = "Ann.0@Example.com", ""
	return contacts
}

// day is a history in the making.
type day struct {
	w        *world
	messages bool // nothing but messages tells of changes: none is lost, and whatever sends none is followed by one that does
	quiet    bool // nobody changes the rules: what that has judged anew would make up for messages
	agenda   []event
	deals    []string
	removed  []string
	most     map[string]decimal.Decimal // the highest amount that each deal ever had
	result   *Result
}

// event is something that happens at a time.
type event struct {
	at time.Time
	do func(context.Context) error
}

func (d *day) plan(at time.Time, do func(context.Context) error) {
	d.agenda = append(d.agenda, event{at, do})
}

// setUp makes subscribers, rules, and what watches the connection.
func (d *day) setUp(ctx context.Context) error {
	w := d.w
	for _, campaign := range []bridge.CampaignID{three, two} {
		if err := w.signUp(campaign, map[string]any{"email": "star@example.com", "name": "Star", "double_optin": false}); err != nil {
			return err
		}
		for i := range 7 {
			in := map[string]any{"email": fmt.Sprintf("ann.%d@example.com", i), "name": "Ann", "double_optin": false}
			if i < 5 {
				in["referrer"], in["status"] = "star@example.com", "custom_event_pending"
			}
			if err := w.signUp(campaign, in); err != nil {
				return err
			}
		}
	}
	from := began.Add(-time.Hour)
	sets := []bridge.RuleSet{
		{Account: account, Campaign: three, Connection: connection, Rules: []bridge.Rule{
			{ID: "r_add", Name: "Add", Stage: qualification, Trigger: bridge.AddContact, On: true, From: from},
			{ID: "r_unconfirmed", Name: "Negotiated", Stage: negotiation, Trigger: bridge.ToUnconfirmed, On: true, From: from},
			{ID: "r_confirmed", Name: "Won", Stage: closedWon, Trigger: bridge.ToConfirmed, On: true, From: from, WonOnly: true},
			{ID: "r_spend", Name: "Spend", Stage: closedWon, Trigger: bridge.TotalSpend, On: true, From: from},
		}},
		{Account: account, Campaign: two, Connection: connection, Rules: []bridge.Rule{
			{ID: "r_large", Name: "Large", Stage: closedWon, Trigger: bridge.ToConfirmed, On: true, From: from, Minimum: bridge.Money{Amount: decimal.NewFromInt(5000)}},
			{ID: "r_everybody", Name: "All", Stage: proposal, Trigger: bridge.ToConfirmed, On: true, From: from, Who: bridge.Everybody, Hold: 1},
			{ID: "r_first", Name: "First", Stage: closedWon, Trigger: bridge.TotalSpend, On: true, From: from, Minimum: bridge.Money{Amount: decimal.NewFromInt(3000)}},
			{ID: "r_second", Name: "Second", Stage: proposal, Trigger: bridge.TotalSpend, On: true, From: from},
		}},
	}
	if d.messages { // a subscriber who is added because of one deal is found for others by the daily check
		sets[0].Rules = sets[0].Rules[1:]
	}
	for _, set := range sets {
		if err := w.store.SaveRuleSet(ctx, set); err != nil {
			return err
		}
	}
	if d.messages {
		return nil
	}
	return w.store.SaveWatch(ctx, bridge.Watch{Account: account, Connection: connection, Closed: began, PollAt: began.Add(15 * time.Minute), CheckAt: began.Add(8 * time.Hour)})
}

// happen plans what people do in the org within a day.
func (d *day) happen(changes int, length time.Duration) {
	for range changes {
		d.plan(began.Add(time.Duration(d.w.roll(int(length/time.Second)))*time.Second), d.change)
	}
}

// change is one thing that somebody does.
func (d *day) change(ctx context.Context) error {
	w := d.w
	if len(d.deals) < 3 || w.roll(100) < 12 {
		return d.open(ctx)
	}
	if w.roll(100) < 4 && !d.quiet {
		return d.meddle(ctx)
	}
	deal := d.deals[w.roll(len(d.deals))]
	switch n := w.roll(100); {
	case n < 45:
		return d.edit(ctx, deal, map[string]any{"StageName": someStages[w.roll(len(someStages))]})
	case n < 70:
		return d.edit(ctx, deal, map[string]any{"Amount": d.amount()})
	case n < 75:
		return d.edit(ctx, deal, map[string]any{"StageName": closedWon, "Amount": d.amount()})
	case n < 80:
		return d.edit(ctx, deal, map[string]any{"Name": "Renamed"})
	case n < 88:
		return d.addRole(ctx, deal)
	case n < 92:
		return d.dropRole(ctx, deal)
	case n < 95:
		return d.makePrimary(ctx, deal)
	case n < 96:
		return d.remove(ctx, deal)
	case n < 98:
		return d.undelete()
	default:
		return d.merge(ctx)
	}
}

func (d *day) amount() any {
	switch d.w.roll(12) {
	case 0:
		return nil
	case 1:
		return 0
	default:
		return float64(d.w.roll(1_000_000)) / 100
	}
}

func (d *day) contact() string { return fmt.Sprintf("0035g00000%05d", 1+d.w.roll(12)) }

// open makes a deal: most have a contact at once.
func (d *day) open(ctx context.Context) error {
	in := map[string]any{"Name": "Deal", "StageName": someStages[d.w.roll(len(someStages))], "CloseDate": "2026-06-30", "Amount": d.amount()}
	if d.w.roll(10) < 7 {
		in["ContactId"] = d.alive(ctx)
	}
	var made struct{ ID string }
	if err := d.w.api(ctx, http.MethodPost, "/sobjects/Opportunity", in, &made); err != nil {
		return err
	}
	d.deals = append(d.deals, made.ID)
	d.result.Changes++
	d.priced(made.ID, in)
	d.notify(made.ID)
	return nil
}

// priced remembers the highest amount of a deal.
func (d *day) priced(deal string, in map[string]any) {
	amount, _ := in["Amount"].(float64)
	if n := decimal.NewFromFloat(amount).Round(2); n.GreaterThan(d.most[deal]) {
		d.most[deal] = n
	}
}

// edit changes a deal. Salesforce sends a message if the stage or the amount has changed.
func (d *day) edit(ctx context.Context, deal string, in map[string]any) error {
	if err := d.w.api(ctx, http.MethodPatch, "/sobjects/Opportunity/"+deal, in, nil); err != nil {
		return err
	}
	d.result.Changes++
	d.priced(deal, in)
	_, stage := in["StageName"]
	if _, amount := in["Amount"]; stage || amount {
		d.notify(deal)
	}
	return nil
}

// told is for a change that Salesforce sends no message about. Where nothing but messages tells, one follows.
func (d *day) told(deal string) {
	d.result.Changes++
	if d.messages {
		d.notify(deal)
	}
}

// alive is a contact that was not merged into another one.
func (d *day) alive(ctx context.Context) string {
	for range 20 {
		id := d.contact()
		if d.w.api(ctx, http.MethodGet, "/sobjects/Contact/"+id, nil, &struct{}{}) == nil {
			return id
		}
	}
	return "0035g0000000001"
}

func (d *day) addRole(ctx context.Context, deal string) error {
	in := map[string]any{"OpportunityId": deal, "ContactId": d.alive(ctx), "Role": "Influencer", "IsPrimary": d.w.roll(3) == 0}
	if err := d.w.api(ctx, http.MethodPost, "/sobjects/OpportunityContactRole", in, nil); err != nil {
		return err
	}
	d.told(deal)
	return nil
}

// roles are the ids of a deal's contact roles.
func (d *day) roles(ctx context.Context, deal string) ([]string, error) {
	var found struct{ Records []struct{ ID string } }
	err := d.w.api(ctx, http.MethodGet, query("SELECT Id FROM OpportunityContactRole WHERE OpportunityId = '"+deal+"'"), nil, &found)
	var ids []string
	for _, r := range found.Records {
		ids = append(ids, r.ID)
	}
	return ids, err
}

func (d *day) dropRole(ctx context.Context, deal string) error {
	roles, err := d.roles(ctx, deal)
	if err != nil || len(roles) == 0 {
		return err
	}
	if err := d.w.api(ctx, http.MethodDelete, "/sobjects/OpportunityContactRole/"+roles[d.w.roll(len(roles))], nil, nil); err != nil {
		return err
	}
	d.told(deal)
	return nil
}

func (d *day) makePrimary(ctx context.Context, deal string) error {
	roles, err := d.roles(ctx, deal)
	if err != nil || len(roles) == 0 {
		return err
	}
	if err := d.w.api(ctx, http.MethodPatch, "/sobjects/OpportunityContactRole/"+roles[d.w.roll(len(roles))], map[string]any{"IsPrimary": true}, nil); err != nil {
		return err
	}
	d.told(deal)
	return nil
}

func (d *day) remove(ctx context.Context, deal string) error {
	if err := d.w.api(ctx, http.MethodDelete, "/sobjects/Opportunity/"+deal, nil, nil); err != nil {
		return err
	}
	d.deals = slices.DeleteFunc(d.deals, func(id string) bool { return id == deal })
	d.removed = append(d.removed, deal)
	d.told(deal)
	return nil
}

// undelete takes a deal out of the recycle bin again.
func (d *day) undelete() error {
	if len(d.removed) == 0 {
		return nil
	}
	deal := d.removed[0]
	if err := d.w.org.Undelete(deal); err != nil {
		return err
	}
	d.removed = d.removed[1:]
	d.deals = append(d.deals, deal)
	d.told(deal)
	return nil
}

// merge makes one contact of two.
func (d *day) merge(ctx context.Context) error {
	winner, loser := d.alive(ctx), d.alive(ctx)
	if winner == loser {
		return nil
	}
	if err := d.w.org.Merge(winner, loser); err != nil {
		return err
	}
	d.result.Changes++
	if d.messages {
		for _, deal := range d.deals {
			d.notify(deal)
		}
	}
	return nil
}

// meddle changes a rule, as somebody at the console does, and changes it back some hours later. No fault keeps people from
// it: what goes wrong with the console is seen there.
func (d *day) meddle(ctx context.Context) error {
	w := d.w
	campaign := []bridge.CampaignID{three, two}[w.roll(2)]
	set, err := w.service.Rules(ctx, account, campaign)
	if err != nil {
		return err
	}
	rule := set.Rules[w.roll(len(set.Rules))]
	later := w.Now().Add(time.Duration(1+w.roll(300)) * time.Minute)
	w.faults.pause(true)
	defer w.faults.pause(false)
	d.result.Meddled++
	switch w.roll(4) {
	case 0:
		d.plan(later, func(ctx context.Context) error {
			w.faults.pause(true)
			defer w.faults.pause(false)
			return d.ifThere(w.service.Switch(ctx, account, campaign, rule.ID, "Dana", true))
		})
		return d.ifThere(w.service.Switch(ctx, account, campaign, rule.ID, "Dana", false))
	case 1:
		draft := draftOf(rule)
		draft.Minimum = fmt.Sprint(w.roll(9000))
		return d.ifThere(w.service.Edit(ctx, account, campaign, rule.ID, "Dana", draft))
	case 2:
		return d.ifThere(w.service.Move(ctx, account, campaign, rule.ID, "Dana", 1-2*w.roll(2)))
	default:
		d.plan(later, func(ctx context.Context) error {
			w.faults.pause(true)
			defer w.faults.pause(false)
			draft := draftOf(rule)
			draft.On = true
			_, err := w.service.Add(ctx, account, campaign, "Dana", draft)
			return err
		})
		return d.ifThere(w.service.Delete(ctx, account, campaign, rule.ID, "Dana"))
	}
}

func draftOf(r bridge.Rule) core.Draft {
	d := core.Draft{Name: r.Name, Stage: r.Stage, Trigger: r.Trigger, On: r.On, From: r.From, WonOnly: r.WonOnly, Who: r.Who, Hold: r.Hold}
	if r.Minimum.Amount.IsPositive() {
		d.Minimum = r.Minimum.Amount.String()
	}
	return d
}

// ifThere lets it pass that a rule was deleted meanwhile.
func (d *day) ifThere(err error) error {
	if bridge.KindOf(err) == bridge.NotFound {
		return nil
	}
	return err
}

// notify has Salesforce send a message about a deal: late, twice, or, where something else tells, not at all.
func (d *day) notify(deal string) {
	w := d.w
	d.result.Messages++
	if !d.messages && w.roll(100) < d.result.lossy {
		d.result.Lost++
		return
	}
	copies := 1
	for w.roll(100) < d.result.doubles && copies < 5 {
		copies++
		d.result.Duplicates++
	}
	for range copies {
		delay := time.Duration(w.roll(90)) * time.Second
		if w.roll(10) == 0 {
			delay = time.Duration(w.roll(12*3600)) * time.Second
		}
		d.plan(w.Now().Add(delay), func(context.Context) error {
			w.put(0, core.Job{Account: account, Connection: connection, Opportunities: []string{deal[:15]}, At: w.Now()})
			return nil
		})
	}
}

// pass lets the agenda happen, with whatever the system does meanwhile, until a time.
func (d *day) pass(ctx context.Context, until time.Time) error {
	w := d.w
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, do := until.Add(1), func(context.Context) error { return nil }
		if due, is := w.store.next(); is && due.Before(at) {
			at, do = due, func(ctx context.Context) error {
				w.store.turn(w.Now())
				return w.sweeper.Run(ctx)
			}
		}
		slices.SortStableFunc(d.agenda, func(a, b event) int { return a.at.Compare(b.at) })
		planned := len(d.agenda) > 0 && d.agenda[0].at.Before(at)
		if planned {
			at, do = d.agenda[0].at, d.agenda[0].do
		}
		if visible, waits := w.next(); waits && visible.Before(at) {
			at, do, planned = visible, nil, false
		}
		if at.After(until) {
			w.to(until)
			return nil
		}
		w.to(at)
		if planned {
			d.agenda = d.agenda[1:]
		}
		if do != nil {
			if err := do(ctx); err != nil {
				return fmt.Errorf("at %s: %w", w.Now().Format(time.DateTime), err)
			}
		}
		if err := w.work(ctx, d.result.team); err != nil {
			return err
		}
	}
}

// next is when the next message on the queue can be seen.
func (w *world) next() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(w.queue, func(a, b message) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) }).at, true
}

func (w *world) roll(n int) int {
	w.dice.Lock()
	defer w.dice.Unlock()
	return w.random.IntN(n)
}
