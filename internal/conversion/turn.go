package conversion

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// turn is what a worker knows while it does one job.
type turn struct {
	w  Worker
	id bridge.AccountID

	account    *bridge.Account
	connection bridge.Connection
	org        Org
	columns    bridge.DealColumns
	stages     []bridge.Stage // as they were when deals were last read
	campaigns  map[bridge.CampaignID]bridge.Campaign
	purse      purse
	known      map[bridge.SubscriberID]bridge.Subscriber // read in this turn
	heroOut    *stop                                     // why ReferralHero is asked no more in this turn
	touched    []bridge.EffectID                         // effects that are due because of it
	asked      time.Time                                 // when we learned of the deals; zero if what comes of them may take its time
	held       bool                                      // they had to wait since, for what is not ours to bring
	accounted  time.Time                                 // until then windows have told of every change of a deal; zero if that says nothing here
}

func (w Worker) newTurn(account bridge.AccountID) *turn {
	return &turn{w: w, id: account, campaigns: map[bridge.CampaignID]bridge.Campaign{}, known: map[bridge.SubscriberID]bridge.Subscriber{}}
}

// open makes the org of a connection ready to be read, if the connection works.
func (t *turn) open(ctx context.Context, connection bridge.ConnectionID) error {
	if t.org != nil {
		return nil
	}
	c, err := t.w.Connections.Connection(ctx, t.id, connection)
	if bridge.KindOf(err) == bridge.NotFound || err == nil && c.Status == bridge.Disconnected {
		return &stop{reason: connectionDead, wait: deadWait, err: err}
	}
	if err != nil {
		return err
	}
	if c.Status == bridge.NeedsReconnect {
		return &stop{reason: connectionDead, wait: deadWait}
	}
	org := t.w.Org(c) // one that needs an admin may have got one: a call will tell
	watch, err := t.w.Ledger.Watch(ctx, t.id, connection)
	if err != nil {
		return err
	}
	t.connection, t.columns = c, watch.Columns
	if watch.LookedAt.IsZero() {
		if t.columns, err = t.findColumns(ctx, org); err != nil {
			return err
		}
		watch.Columns, watch.LookedAt = t.columns, t.w.Now()
		if err := asFirst(t.w.Ledger.SaveWatch(ctx, watch)); err != nil {
			return err
		}
	}
	t.org = org
	return nil
}

// deadWait is how long work waits for a connection that only a person can bring back. Waker ends the wait.
const deadWait = 6 * time.Hour

// findColumns asks which columns the org has for the connected user.
func (t *turn) findColumns(ctx context.Context, org Org) (bridge.DealColumns, error) {
	columns, err := findColumns(ctx, t.w.Layouts, org, t.connection)
	if err != nil {
		return columns, ofOrg(err)
	}
	return columns, nil
}

func findColumns(ctx context.Context, rows layouts, org setup, c bridge.Connection) (bridge.DealColumns, error) {
	var key string
	if rows != nil {
		l, err := rows.Layout(ctx, c.Account, c.ID, bridge.ToContact.Object())
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return bridge.DealColumns{}, err
		}
		if l.Visible.Has(bridge.SubscriberKey) {
			key = l.Names[bridge.SubscriberKey]
		}
	}
	return org.DealColumns(ctx, key)
}

func (t *turn) campaign(ctx context.Context, id bridge.CampaignID) (bridge.Campaign, error) {
	if c, known := t.campaigns[id]; known {
		return c, nil
	}
	c, err := t.w.Campaigns.Campaign(ctx, t.id, id)
	if err != nil {
		return c, err
	}
	t.campaigns[id] = c
	return c, nil
}

// found is what a look at some deals came to.
type found struct {
	deals   int // that Salesforce has
	changed int // entries that were not what they should be
}

// mostDeals is how many deals are read at a time.
const mostDeals = 200

// item is a deal under the rules of a campaign.
type item struct {
	set      bridge.RuleSet
	campaign bridge.Campaign
	deal     bridge.Deal
	entries  []bridge.Entry
	verdicts []verdict
}

// look reads deals, judges them, and writes what they have come to. It returns a stop if Salesforce does not let it; what
// was done until then is done.
func (t *turn) look(ctx context.Context, sets []bridge.RuleSet, ids []bridge.SalesforceID, prompt bridge.Prompt) (found, error) {
	var sum found
	if len(ids) == 0 {
		return sum, nil
	}
	if err := t.open(ctx, sets[0].Connection); err != nil {
		return sum, err
	}
	for some := range slices.Chunk(ids, mostDeals) {
		deals, err := t.read(ctx, some)
		if err != nil {
			return sum, err
		}
		sum.deals += len(deals)
		for _, set := range sets {
			n, err := t.update(ctx, set, deals, some, prompt)
			sum.changed += n
			if err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

// read reads deals. Columns come and go: if one is missing now, it is found out which there are.
func (t *turn) read(ctx context.Context, ids []bridge.SalesforceID) ([]bridge.Deal, error) {
	for tried := false; ; tried = true {
		deals, stages, err := t.org.Deals(ctx, ids, t.columns)
		if err == nil {
			t.stages = stages
			return deals, nil
		}
		if tried || bridge.KindOf(err) != bridge.Invalid {
			return nil, ofOrg(err)
		}
		columns, wrong := t.findColumns(ctx, t.org)
		if wrong != nil {
			return nil, wrong
		}
		t.columns = columns
	}
}

// update brings the entries of deals under a campaign's rules up to date, and returns how many were not.
func (t *turn) update(ctx context.Context, set bridge.RuleSet, deals []bridge.Deal, asked []bridge.SalesforceID, prompt bridge.Prompt) (int, error) {
	campaign, err := t.campaign(ctx, set.Campaign)
	if err != nil {
		return 0, err
	}
	var items []item
	seen := map[bridge.SalesforceID]bool{}
	var contacts []bridge.SalesforceID
	for _, d := range deals {
		seen[d.ID] = true
		entries, err := t.w.Ledger.DealEntries(ctx, t.id, set.Campaign, d.ID)
		if err != nil {
			return 0, err
		}
		i := item{set: set, campaign: campaign, deal: d, entries: entries, verdicts: judge(set, t.stages, d, standing(entries))}
		for _, v := range i.verdicts {
			if v.reason == "" {
				contacts = append(contacts, v.people...)
			}
		}
		items = append(items, i)
	}
	parties, err := t.parties(ctx, contacts)
	if err != nil {
		return 0, err
	}
	t.purse.want = callsPerDeal * len(items)
	changed := 0
	for _, i := range items {
		if late(ctx) {
			return changed, putOff("conversion.update", time.Second, errTimeUp)
		}
		n, err := t.post(ctx, i, parties, prompt)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	for _, id := range asked {
		if !seen[id] {
			if err := t.hidden(ctx, set, id); err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}

// standing are the rules that act on a deal, by its entries.
func standing(entries []bridge.Entry) map[bridge.RuleID]bool {
	acts := map[bridge.RuleID]bool{}
	for _, e := range entries {
		if e.Reason == "" {
			acts[e.Rule] = true
		}
	}
	return acts
}

// parties reads contacts.
func (t *turn) parties(ctx context.Context, ids []bridge.SalesforceID) (map[bridge.SalesforceID]bridge.Party, error) {
	slices.Sort(ids)
	all := map[bridge.SalesforceID]bridge.Party{}
	for some := range slices.Chunk(slices.Compact(ids), mostDeals) {
		read, err := t.org.Parties(ctx, some, t.columns, "")
		if err != nil {
			return nil, ofOrg(err)
		}
		for id, p := range read {
			all[id] = p
		}
	}
	return all, nil
}
