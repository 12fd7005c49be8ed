package conversion

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// attempts is how often a write is tried again when somebody else wrote at the same moment.
const attempts = 6

// post writes what a deal has come to under a campaign's rules: its entries, and what follows from them, in one
// transaction. It returns how many entries were not what they should be.
func (t *turn) post(ctx context.Context, i item, parties map[bridge.SalesforceID]bridge.Party, prompt bridge.Prompt) (int, error) {
	const op = "conversion.post"
	drafts := make([]draft, len(i.verdicts))
	for n, v := range i.verdicts {
		d, err := t.draft(ctx, i, v, parties, prompt)
		if err != nil {
			return 0, err
		}
		drafts[n] = d
	}
	for range attempts {
		c, changed, err := t.reckon(ctx, i, drafts)
		if err != nil {
			return 0, err
		}
		if c.empty() {
			return 0, nil
		}
		err = t.w.Ledger.CommitConversions(ctx, c)
		if err == nil {
			t.touch(c.Effects)
			t.observe(ctx, i, c)
			return changed, nil
		}
		if bridge.KindOf(err) != bridge.Conflict {
			return 0, err
		}
		if i.entries, err = t.w.Ledger.DealEntries(ctx, t.id, i.set.Campaign, i.deal.ID); err != nil {
			return 0, err
		}
	}
	return 0, putOff(op, time.Second, nil)
}

func (c Commit) empty() bool {
	return len(c.Entries)+len(c.Gone)+len(c.Effects)+len(c.Reviews)+len(c.Actions) == 0
}

// touch remembers effects that are due, so that this worker gets on with them.
func (t *turn) touch(effects []bridge.Effect) {
	for _, e := range effects {
		if !e.Due.IsZero() && !e.Due.After(t.w.Now()) && !slices.Contains(t.touched, e.EffectID) {
			t.touched = append(t.touched, e.EffectID)
		}
	}
}

// draft is what an entry should be.
type draft struct {
	bridge.Entry
	frozen bool
	ready  time.Time
}

// draft makes an entry of a verdict: it finds the subscribers.
func (t *turn) draft(ctx context.Context, i item, v verdict, parties map[bridge.SalesforceID]bridge.Party, prompt bridge.Prompt) (draft, error) {
	d := draft{frozen: v.frozen, ready: v.ready, Entry: bridge.Entry{
		Account: t.id, Campaign: i.set.Campaign, Rule: v.rule.ID, Deal: i.deal.ID, Trigger: v.rule.Trigger, Rules: i.set.Version, Modified: i.deal.Modified,
		Reason: v.reason, Stage: i.deal.Stage, Amount: i.deal.Amount, Prompt: prompt,
	}}
	if v.frozen || v.reason != "" {
		d.Facts = facts(d.Entry, v.ready)
		return d, nil
	}
	old := entryOf(i.entries, v.rule.ID)
	reason := reasonNobody
	for _, contact := range v.people {
		share, missing, err := t.share(ctx, i, v.rule, contact, parties[contact], old, &d)
		if err != nil {
			return d, err
		}
		d.Shares = append(d.Shares, share)
		if missing == "" || reason != "" {
			reason = missing
		}
	}
	if d.Reason = reason; reason == "" {
		d.Count = v.count
	}
	d.Facts = facts(d.Entry, v.ready)
	return d, nil
}

func entryOf(entries []bridge.Entry, rule bridge.RuleID) bridge.Entry {
	at := slices.IndexFunc(entries, func(e bridge.Entry) bool { return e.Rule == rule })
	if at < 0 {
		return bridge.Entry{}
	}
	return entries[at]
}

// reckon compares the entries of a deal with what they should be, and collects what has to be written.
func (t *turn) reckon(ctx context.Context, i item, drafts []draft) (Commit, int, error) {
	const op = "conversion.reckon"
	now := t.w.Now()
	var c Commit
	effects := effects{of: t.w.Ledger, was: map[bridge.EffectID]bridge.Effect{}, now: now, asked: t.asked, held: t.held}
	changed := 0
	for _, d := range drafts {
		old := entryOf(i.entries, d.Rule)
		if d.frozen {
			if !old.Due.IsZero() && !now.Before(old.Due) { // nothing to look for as long as the rule says nothing
				old.Due = time.Time{}
				c.Entries = append(c.Entries, old)
			}
			continue
		}
		next, todo := follow(old, d.Entry, now)
		switch todo {
		case again:
			return Commit{}, 0, putOff(op, time.Second, nil)
		case leave:
			continue
		}
		c.Entries = append(c.Entries, next)
		if old.Facts == next.Facts {
			continue
		}
		changed++
		if err := effects.change(ctx, changes(old, next, d.ready, i.set.Currency)); err != nil {
			return Commit{}, 0, err
		}
	}
	was := maps.Clone(effects.was)
	for _, old := range i.entries {
		if _, is := i.set.Rule(old.Rule); is {
			continue
		}
		if old.Rules > i.set.Version {
			return Commit{}, 0, putOff(op, time.Second, nil) // the rule was added after our look at the rules
		}
		c.Gone = append(c.Gone, old)
		changed++
		gone := old
		gone.Reason = reasonOff
		if err := effects.change(ctx, changes(old, gone, time.Time{}, i.set.Currency)); err != nil {
			return Commit{}, 0, err
		}
	}
	c.Effects = effects.changed()
	if err := t.review(ctx, i, &c, was); err != nil {
		return Commit{}, 0, err
	}
	return c, changed, nil
}

// effects are those that a change of the ledger bears on.
type effects struct {
	of  effectRows
	was map[bridge.EffectID]bridge.Effect
	is  []bridge.Effect
	now time.Time

	asked time.Time // as in turn
	held  bool
}

func (es *effects) change(ctx context.Context, changes map[bridge.EffectID]change) error {
	for id, c := range changes {
		at := slices.IndexFunc(es.is, func(e bridge.Effect) bool { return e.EffectID == id })
		if at < 0 {
			e, err := es.of.ConversionEffect(ctx, id)
			if err != nil {
				return err
			}
			e.EffectID = id
			es.was[id] = e
			e.Deals = slices.Clone(e.Deals)
			es.is = append(es.is, e)
			at = len(es.is) - 1
		}
		e := &es.is[at]
		idle := e.State != bridge.EffectPlanned
		c.apply(e, es.now)
		if idle && e.State == bridge.EffectPlanned {
			e.AskedAt, e.Held = es.asked, es.held
			if e.Due.After(es.now) { // its rule wants it later
				e.AskedAt = time.Time{}
			}
		}
	}
	return nil
}

// changed returns the effects in a fixed order.
func (es *effects) changed() []bridge.Effect {
	slices.SortFunc(es.is, func(a, b bridge.Effect) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Currency, b.Currency))
	})
	return es.is
}
