package syncer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Reasons for which a subscriber is left out on purpose, in words for a person.
const (
	unverified   = "has not confirmed the e-mail address yet"
	noReferral   = "was not referred by anybody, and only referrals are synced"
	noAdvocate   = "has referred nobody, and only advocates are synced"
	noRecord     = "has no record in Salesforce, and none is to be made"
	neverThere   = "is no subscriber any more, and was never in Salesforce"
	changedSince = "changed while it was read; it is looked at once more"
	wasLocked    = "the record is being changed by others just now; it is tried again"
	notLoaded    = "the bulk load did not take it; it is written one by one"
	noFields     = "the lead became a contact, and contacts do not have the fields"
)

// leftOut says why a subscriber without a record is not synced, or "". Whoever was written once stays in sync, also if the
// record's id is not known: a bulk load does not tell those of new ones.
func leftOut(s bridge.Subscriber, l Link, o Options) string {
	switch {
	case !l.WrittenAt.IsZero():
		return ""
	case !s.Verified:
		return unverified
	case o.Only == OnlyReferrals && !s.Referred:
		return noReferral
	case o.Only == OnlyAdvocates && s.Referrals() == 0:
		return noAdvocate
	default:
		return ""
	}
}

// prepare decides about every item what is to be written, by fingerprints, and matches those without a record.
func (b *bench) prepare(ctx context.Context, items []*item) error {
	var strangers []*item
	for _, it := range items {
		b.value(it)
		switch {
		case it.gone && (it.link.Version == 0 || b.cleared(it.link)):
			it.skipped = neverThere
		case it.link.Record != "" && b.layout(it.link.Target).Visible == 0:
			it.skipped = noFields
		case !it.hint.Force && it.link.Problem.Cause == "" && it.link.Print == it.print && it.link.Gone == it.gone:
			it.equal = true
		case it.gone && it.link.Record == "":
			strangers = append(strangers, it)
		case it.link.Record == "":
			if it.skipped = leftOut(it.sub, it.link, b.sync.Options); it.skipped == "" {
				strangers = append(strangers, it)
			}
		default:
			it.change = b.update(it, it.link.Target, it.link.Record, it.link.Parent)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	var (
		keys  []bridge.SubscriberID
		mails []string
	)
	for _, it := range strangers {
		keys = append(keys, it.sub.ID)
		if mail := bridge.NormalizeEmail(it.sub.Email); mail != "" {
			mails = append(mails, mail)
		}
	}
	found := newMatches()
	if err := b.org.RecordsByKey(ctx, b.layouts, b.sync.Target, keys, mails, found.add); err != nil {
		return b.heard(ctx, err)
	}
	return b.match(ctx, strangers, found)
}

// value works out what the fields are to hold.
func (b *bench) value(it *item) {
	target := cmp.Or(it.link.Target, b.sync.Target)
	if it.gone {
		it.print = print(it.values, b.layout(target).Visible) // POSITION too: no other write takes it along
		return
	}
	it.values, it.misfits = fit(Values(it.sub, it.lastRef), b.layout(target))
	it.print = print(it.values, lasting(b.layout(target).Visible))
}

// cleared reports whether a subscriber is known to be gone, and every field of the record that can be seen by now is empty.
func (b *bench) cleared(l Link) bool {
	return l.Gone && (l.Record == "" || l.Print == print(bridge.Values{}, b.layout(l.Target).Visible))
}

// update is a change of a record that is there. Of somebody who is a subscriber no more all fields are emptied; the record
// itself is the customer's.
func (b *bench) update(it *item, t bridge.Target, record, parent bridge.SalesforceID) *bridge.Change {
	return &bridge.Change{Target: t, ID: record, Parent: parent, Fields: b.layout(t).Visible, Values: it.values}
}

// matches are records by what subscribers can be matched with.
type matches struct {
	byKey   map[bridge.SubscriberID][]bridge.Record
	byMail  map[string][]bridge.Record
	foreign map[bridge.SubscriberID]bool // SUB_IDs of records that were found by their address
}

func newMatches() *matches {
	return &matches{byKey: map[bridge.SubscriberID][]bridge.Record{}, byMail: map[string][]bridge.Record{}, foreign: map[bridge.SubscriberID]bool{}}
}

func (m *matches) add(r bridge.Record) {
	key := bridge.SubscriberID(r.Values[bridge.SubscriberKey])
	if key != "" {
		m.byKey[key] = append(m.byKey[key], r)
		m.foreign[key] = true
	}
	if mail := bridge.NormalizeEmail(r.Email); mail != "" {
		m.byMail[mail] = append(m.byMail[mail], r)
	}
}

// match finds the record of each stranger: by SUB_ID, else by e-mail address, else a new one. A record that belongs to
// another subscriber is not taken, unless ReferralHero has that one no more.
func (b *bench) match(ctx context.Context, strangers []*item, found *matches) error {
	var owners []bridge.SubscriberID
	for key := range found.foreign {
		owners = append(owners, key)
	}
	links, err := b.links(ctx, owners)
	if err != nil {
		return err
	}
	if err := b.contest(ctx, strangers, found, links); err != nil {
		return err
	}
	slices.SortFunc(strangers, func(x, y *item) int { return cmp.Compare(x.sub.ID, y.sub.ID) })
	taken := map[bridge.SalesforceID]bool{}
	for _, it := range strangers {
		record, problem := choose(it.sub, found, taken, func(owner bridge.SubscriberID) bool { return links[owner].Gone })
		switch {
		case problem != nil:
			it.problem = problem
		case record != nil:
			taken[record.ID] = true
			b.adopt(it, *record)
		case it.gone:
			it.skipped = neverThere
		case it.link.Merged:
			it.merged()
		case b.sync.LinkOnly:
			it.skipped = noRecord
		case !b.layout(b.sync.Target).Visible.Has(bridge.SubscriberKey):
			it.problem = &Problem{Cause: keyHidden, Code: keyHidden}
		default:
			it.change = &bridge.Change{Target: b.sync.Target, Parent: b.sync.Parent, Person: person(it.sub, b.sync.Options),
				Fields: b.layout(b.sync.Target).Visible, Values: it.values}
		}
	}
	return nil
}

// contest asks ReferralHero for those whose records others could be matched with: people who were deleted and have signed
// up again have a new id, and nobody need have told us yet that the old one is gone.
func (b *bench) contest(ctx context.Context, strangers []*item, found *matches, links map[bridge.SubscriberID]Link) error {
	asked := map[bridge.SubscriberID]bool{}
	for _, it := range strangers {
		if len(found.byKey[it.sub.ID]) > 0 {
			continue
		}
		for _, r := range found.byMail[bridge.NormalizeEmail(it.sub.Email)] {
			if owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey]); owner != "" && !links[owner].Gone {
				asked[owner] = true
			}
		}
	}
	absent, err := b.absent(ctx, asked, links)
	for _, owner := range absent {
		l := links[owner]
		l.Gone = true // for this decision: its own hint does the rest
		links[owner] = l
	}
	return err
}

// absent returns which of some subscribers ReferralHero does not have, by as few calls as will do. When campaigns have
// taken turns in an org, every record may have the SUB_ID of the other one's subscriber.
func (b *bench) absent(ctx context.Context, asked map[bridge.SubscriberID]bool, links map[bridge.SubscriberID]Link) ([]bridge.SubscriberID, error) {
	var unsure, absent []bridge.SubscriberID
	for id := range asked {
		switch {
		case b.here[id]:
		case b.all && links[id].Version == 0: // the run has read everybody
			absent = append(absent, id)
		default:
			unsure = append(unsure, id)
		}
	}
	if pages := (b.campaign.Subscribers + perPage - 1) / perPage; len(unsure) > max(pages, perPage) {
		there, err := b.everybody(ctx)
		if err != nil {
			return nil, err
		}
		for _, id := range unsure {
			if !there[id] {
				absent = append(absent, id)
			}
		}
		return absent, nil
	}
	var mu sync.Mutex
	b.calls.expect(len(unsure))
	err := together(ctx, hands, unsure, func(ctx context.Context, id bridge.SubscriberID) error {
		_, err := b.subscriber(ctx, id)
		if _, is := stopped(err); is || bridge.KindOf(err) != bridge.NotFound {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		absent = append(absent, id)
		return nil
	})
	return absent, err
}

// everybody reads the ids of the whole campaign.
func (b *bench) everybody(ctx context.Context) (map[bridge.SubscriberID]bool, error) {
	there := map[bridge.SubscriberID]bool{}
	for numbers := []int{1}; len(numbers) > 0; {
		read, err := b.pages(ctx, numbers)
		if err != nil {
			return nil, err
		}
		for _, page := range read {
			for _, s := range page.Subscribers {
				there[s.ID] = true
			}
		}
		last := numbers[len(numbers)-1]
		numbers = numbers[:0]
		for next := last + 1; next <= read[len(read)-1].Pages && len(numbers) < hands; next++ {
			numbers = append(numbers, next)
		}
	}
	return there, nil
}

// adopt makes a record the item's own. It is written unless it shows everything already.
func (b *bench) adopt(it *item, r bridge.Record) {
	it.link.Target, it.link.Record, it.link.Parent, it.moved = r.Target, r.ID, r.Parent, true
	b.value(it)
	if bridge.Differ(r.Values, it.values, b.layout(r.Target).Visible) == 0 {
		it.equal = true
		return
	}
	it.change = b.update(it, r.Target, r.ID, r.Parent)
}

// choose returns the record of a subscriber, if there is one that may be taken.
func choose(s bridge.Subscriber, found *matches, taken map[bridge.SalesforceID]bool, gone func(bridge.SubscriberID) bool) (*bridge.Record, *Problem) {
	if own := found.byKey[s.ID]; len(own) > 0 {
		return best(own, taken), nil
	}
	mail := bridge.NormalizeEmail(s.Email)
	if mail == "" {
		return nil, nil
	}
	var free, orphaned []bridge.Record
	all := found.byMail[mail]
	for _, r := range all {
		switch owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey]); {
		case taken[r.ID]:
		case owner == "":
			free = append(free, r)
		case gone(owner):
			orphaned = append(orphaned, r)
		}
	}
	if r := best(free, taken); r != nil {
		return r, nil
	}
	if r := best(orphaned, taken); r != nil {
		return r, nil
	}
	if len(all) > 0 {
		return nil, &Problem{Cause: otherSubscriber, Code: otherSubscriber}
	}
	return nil, nil
}

// best returns the record that was changed last, or of those the one with the lowest id.
func best(records []bridge.Record, taken map[bridge.SalesforceID]bool) *bridge.Record {
	var found *bridge.Record
	for i, r := range records {
		if taken[r.ID] {
			continue
		}
		if found == nil || r.Modified.After(found.Modified) || r.Modified.Equal(found.Modified) && strings.Compare(string(r.ID), string(found.ID)) < 0 {
			found = &records[i]
		}
	}
	return found
}
