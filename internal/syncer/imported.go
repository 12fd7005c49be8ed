package syncer

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Imported is a contact that an import made a subscriber, or found to be one.
type Imported struct {
	Contact    bridge.SalesforceID
	Subscriber bridge.Subscriber // as the answer to the import's own call showed it
}

// Imported writes the fields of contacts that were just imported, without reading anybody again. It never holds the import
// up: whatever cannot be written now becomes a hint.
func (w Worker) Imported(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, connection bridge.ConnectionID, people []Imported) error {
	const op = "syncer.Imported"
	s, err := w.Rows.Sync(ctx, account, campaign)
	switch {
	case bridge.KindOf(err) == bridge.NotFound, err == nil && (!s.On || s.Connection != connection || len(people) == 0):
		return nil
	case err != nil:
		return bridge.E(op, "", err)
	case s.Target == bridge.ToLead:
		return nil // a contact is not what the campaign is kept in
	}
	// An import works until shortly before its worker's end. What is left of the time is for the queue then.
	writing := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		writing, cancel = context.WithDeadline(ctx, deadline.Add(-5*time.Second))
		defer cancel()
	}
	left, err := w.imported(writing, s, people)
	if len(left) > 0 {
		err = w.Changes(ctx, 2*time.Second, left...)
	}
	return bridge.E(op, "", err)
}

// imported returns hints about those that were not written.
func (w Worker) imported(ctx context.Context, s Sync, people []Imported) ([]Hint, error) {
	all := make([]Hint, len(people))
	for i, p := range people {
		all[i] = w.hint(s.Account, s.Campaign, p.Subscriber.ID, "import")
	}
	b, err := w.bench(ctx, s, budget.Sync)
	if _, is := stopped(err); is {
		return nil, w.want(ctx, s, "import") // when the wait is over
	}
	if err != nil {
		return nil, err
	}
	turn, err := w.Rows.Turn(ctx, b.place.account, b.place.connection)
	if err != nil {
		return nil, err
	}
	before := b.org.Calls()
	items, left, err := b.people(ctx, people)
	if err != nil {
		return all, nil //nolint:nilerr // the hints take care of them
	}
	done, err := b.write(ctx, items, turn.Over, false)
	if err != nil {
		w.Log.WarnContext(ctx, "imported contacts not written yet", "campaign", s.Campaign, "kind", bridge.KindOf(err), "err", err)
		return all, nil // those that were written are found to be equal
	}
	for id := range done.again.byID {
		left = append(left, w.hint(s.Account, s.Campaign, id, "import"))
	}
	done.tally.OrgCalls = b.org.Calls() - before
	b.count(ctx, done.tally)
	return left, nil
}

// people makes items of imported contacts. Those who have referred somebody are left to a hint: when their newest referral
// signed up is not in the answer. So are contacts that have another subscriber's SUB_ID, and who was handed over twice:
// two contacts may share an address.
func (b *bench) people(ctx context.Context, people []Imported) (items []*item, left []Hint, err error) {
	ids := make([]bridge.SubscriberID, len(people))
	times := map[bridge.SubscriberID]int{}
	for i, p := range people {
		ids[i] = p.Subscriber.ID
		times[p.Subscriber.ID]++
	}
	links, err := b.links(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	contacts, err := b.contacts(ctx, people, links)
	if err != nil {
		return nil, nil, err
	}
	later := map[bridge.SubscriberID]bool{}
	for _, p := range people {
		id := p.Subscriber.ID
		l, linked := links[id]
		record, there := contacts[p.Contact]
		owner := bridge.SubscriberID(record.Values[bridge.SubscriberKey])
		switch {
		case linked && l.Load != "", p.Subscriber.Referrals() > 0, times[id] > 1, there && owner != "" && owner != id:
			if !later[id] {
				left = append(left, b.w.hint(b.sync.Account, b.sync.Campaign, id, "import"))
			}
			later[id] = true
			continue
		case !linked:
			l = b.link(id)
		}
		if leftOut(p.Subscriber, l, b.sync.Options) != "" {
			continue
		}
		if l.Record == "" && there {
			l.Target, l.Record, l.Parent = record.Target, record.ID, record.Parent
		}
		h := b.w.hint(b.sync.Account, b.sync.Campaign, id, "import")
		items = append(items, &item{hint: h, sub: p.Subscriber, link: l})
	}
	return items, left, b.prepare(ctx, items)
}

// contacts reads the contacts of those who have no record yet. Where there are person accounts a contact may be one's, and
// is matched like others.
func (b *bench) contacts(ctx context.Context, people []Imported, links map[bridge.SubscriberID]Link) (map[bridge.SalesforceID]bridge.Record, error) {
	found := map[bridge.SalesforceID]bridge.Record{}
	var ids []bridge.SalesforceID
	for _, p := range people {
		if links[p.Subscriber.ID].Record == "" {
			ids = append(ids, p.Contact)
		}
	}
	if len(ids) == 0 || b.layout(bridge.ToContact).Persons {
		return found, nil
	}
	err := b.org.RecordsByID(ctx, b.layouts, bridge.ToContact, ids, func(r bridge.Record) { found[r.ID] = r })
	return found, err
}
