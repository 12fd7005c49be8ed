package syncer

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// outcome is what came of a batch.
type outcome struct {
	tally  Tally
	again  question
	reason map[string]int // of those that were skipped
}

// written is a batch on its way to the org.
type batch struct {
	b     *bench
	turn  Turn
	items []*item
	run   bool

	mu     sync.Mutex
	done   outcome
	locked []Hint
	doubt  []Hint
	hints  []Hint         // about others that this made necessary
	cured  map[string]int // causes of problems that are gone, and how often
	relook map[bridge.Target]bool
	stop   error
}

// write writes what the items are to be, in turns of as many as one call takes, and keeps what came of it. over is how
// many turns had ended when the items were read: those that were written since come back to be read again.
func (b *bench) write(ctx context.Context, items []*item, over int, run bool) (outcome, error) {
	total := outcome{again: question{byID: map[bridge.SubscriberID]Hint{}, byCode: map[string]Hint{}}, reason: map[string]int{}}
	var todo []*item
	for _, it := range items {
		switch {
		case it.skipped != "":
			total.tally.Skipped++
			total.reason[it.skipped]++
		case it.equal && it.link.Version > 0 && it.link.Problem.Cause == "" && it.link.Print == it.print:
			total.tally.Equal++ // and its link says so already
		default:
			todo = append(todo, it)
		}
	}
	for part := range slices.Chunk(byParent(todo), mostWrites) {
		if err := b.part(ctx, part, over, run, &total); err != nil {
			return total, err
		}
	}
	return total, nil
}

// byParent puts records of one account next to each other, so that batches do not wait for each other's locks.
func byParent(items []*item) []*item {
	slices.SortStableFunc(items, func(x, y *item) int {
		if c := strings.Compare(string(x.link.Parent), string(y.link.Parent)); c != 0 {
			return c
		}
		return strings.Compare(string(x.link.Record), string(y.link.Record))
	})
	return items
}

// patience is how long work waits for its turn.
const patience = 45 * time.Second

// part writes up to mostWrites items in one turn.
func (b *bench) part(ctx context.Context, items []*item, over int, run bool, total *outcome) error {
	ids := make([]bridge.SubscriberID, len(items))
	for i, it := range items {
		ids[i] = it.sub.ID
	}
	wait := patience
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	turn, err := b.w.take(ctx, b.place, b.sync.Campaign, ids, b.live, wait)
	if err != nil {
		if bridge.KindOf(err) == bridge.Throttled {
			return &stop{after: bridge.AfterOf(err, time.Second), err: err}
		}
		return err
	}
	defer b.w.end(ctx, b.place, turn)
	_, lasts := b.w.lease()
	calls, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	p := &batch{b: b, turn: turn, run: run, cured: map[string]int{}, relook: map[bridge.Target]bool{}}
	p.done = outcome{again: question{byID: map[bridge.SubscriberID]Hint{}, byCode: map[string]Hint{}}}
	if p.items, err = p.fresh(ctx, items, ids, over); err != nil {
		return err
	}
	if err := p.carryOut(calls); err != nil {
		return err
	}
	return p.conclude(ctx, total)
}

// fresh leaves out the items that somebody has written since they were read.
func (p *batch) fresh(ctx context.Context, items []*item, ids []bridge.SubscriberID, over int) ([]*item, error) {
	links, err := p.b.w.Rows.Links(ctx, p.b.sync.Account, p.b.sync.Campaign, ids)
	if err != nil {
		return nil, err
	}
	var kept []*item
	for _, it := range items {
		if l := links[it.sub.ID]; l.Turn > over || l.Version != it.link.Version {
			p.again(it)
			continue
		}
		kept = append(kept, it)
	}
	return kept, nil
}

func (p *batch) again(it *item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := it.hint
	h.Account, h.Campaign, h.Subscriber, h.Code = p.b.sync.Account, p.b.sync.Campaign, it.sub.ID, ""
	p.done.again.byID[it.sub.ID] = h
}

// carryOut makes the calls and judges their results.
func (p *batch) carryOut(ctx context.Context) error {
	var (
		changes []bridge.Change
		writing []*item
	)
	if err := p.spare(ctx); err != nil {
		return err
	}
	for _, it := range p.items {
		if it.change != nil {
			changes, writing = append(changes, *it.change), append(writing, it)
		}
	}
	results := p.b.org.Write(ctx, p.b.layouts, changes)
	lost := map[bridge.Target][]*item{}
	for i, it := range writing {
		p.judge(it, results[i], lost)
	}
	return p.follow(ctx, lost)
}

// spare leaves alone records of subscribers that are gone which have become somebody else's: people who sign up again
// have a new id and the same contact.
func (p *batch) spare(ctx context.Context) error {
	byTarget := map[bridge.Target][]bridge.SalesforceID{}
	for _, it := range p.items {
		if it.gone && it.change != nil && p.b.layout(it.change.Target).Visible.Has(bridge.SubscriberKey) {
			byTarget[it.change.Target] = append(byTarget[it.change.Target], it.change.ID)
		}
	}
	owners := map[bridge.SalesforceID]string{}
	for target, ids := range byTarget {
		err := p.b.org.RecordsByID(ctx, p.b.layouts, target, ids, func(r bridge.Record) { owners[r.ID] = r.Values[bridge.SubscriberKey] })
		if err != nil {
			return ofOrg(err)
		}
	}
	for _, it := range p.items {
		if it.gone && it.change != nil && owners[it.change.ID] != "" && owners[it.change.ID] != string(it.sub.ID) {
			it.change = nil
		}
	}
	return nil
}

// judge says what a result means for its item. Items whose record is not there any more go to lost.
func (p *batch) judge(it *item, r bridge.Written, lost map[bridge.Target][]*item) {
	if r.Err == nil {
		if r.ID != "" {
			it.link.Record, it.link.Target = r.ID, it.change.Target
		}
		if it.change.ID == "" {
			it.link.Parent = it.change.Parent
			p.done.tally.Created++
		}
		return
	}
	code := bridge.CodeOf(r.Err)
	switch kind := bridge.KindOf(r.Err); {
	case kind == bridge.Throttled && code == rowLocked:
		it.problem = &Problem{Cause: rowLocked, Code: code}
	case kind == bridge.NotFound && it.change.ID != "" && code != "":
		lost[it.change.Target] = append(lost[it.change.Target], it)
	case schemaCodes[code] && it.hint.Tries == 0 || kind == bridge.NotFound:
		p.relook[it.change.Target] = true
		it.problem = problemOf(r.Err)
	case code == "DUPLICATE_VALUE" && it.link.Record != "" && it.hint.Tries == 0:
		// Another record has the SUB_ID: that one is the subscriber's.
		it.hint.Tries++
		it.link.Record, it.link.Print = "", ""
		it.problem = &Problem{Cause: rematch}
	case kind == bridge.UnknownOutcome:
		it.problem = &Problem{Cause: unclear}
		p.halt(r.Err)
	case kind == bridge.Unavailable && code != "ENTITY_IS_LOCKED", kind == bridge.Revoked, kind == bridge.Throttled,
		kind == bridge.Denied && wholeCall[code]:
		it.problem = &Problem{Cause: untried}
		p.halt(r.Err)
	default:
		it.problem = problemOf(r.Err)
	}
}

// Causes that are settled here and never shown.
const (
	rowLocked = "UNABLE_TO_LOCK_ROW"
	rematch   = "rematch"
	unclear   = "unclear"
	untried   = "untried"
)

// schemaCodes are what Salesforce says about fields that are not there, or are hidden from the connected user.
var schemaCodes = map[string]bool{"INVALID_FIELD": true, "INVALID_FIELD_FOR_INSERT_UPDATE": true}

// wholeCall are refusals that are about the user and not about a record.
var wholeCall = map[string]bool{"API_DISABLED_FOR_ORG": true, "API_CURRENTLY_DISABLED": true, "": true}

// halt remembers the first error that is not about one record.
func (p *batch) halt(err error) {
	if p.stop == nil {
		p.stop = err
	}
}

// follow finds what became of records that are not there any more. Their subscribers are matched anew, with the record
// that theirs was merged into or converted to if there is one.
func (p *batch) follow(ctx context.Context, lost map[bridge.Target][]*item) error {
	for target, items := range lost {
		ids := make([]bridge.SalesforceID, len(items))
		for i, it := range items {
			ids[i] = it.change.ID
		}
		fates, err := p.b.org.Fates(ctx, target, ids)
		if err != nil {
			p.halt(err)
		}
		next, owners, lookup := p.successors(ctx, fates)
		if lookup != nil {
			p.halt(lookup)
		}
		for _, it := range items {
			fate := fates[it.change.ID]
			owner := next[fate.Next]
			switch {
			case err != nil, lookup != nil:
				it.problem = &Problem{Cause: untried}
			case fate.Next == "" && it.gone:
				it.link.Record, it.problem = "", nil // nothing is left to be cleared
			case owner != "" && owner != it.sub.ID && !owners[owner].Gone:
				// Two contacts were made one, and each belonged to a subscriber. The survivor keeps its own.
				it.link.Record, it.link.Print = "", ""
				it.problem = &Problem{Cause: "other_subscriber", Code: "other_subscriber"}
			default:
				it.link.Record, it.link.Parent, it.link.Print = fate.Next, "", ""
				if fate.Next != "" {
					it.link.Target = fate.Target
				}
				it.problem = &Problem{Cause: rematch}
			}
		}
	}
	return nil
}

// successors returns whose the records are that others became, and what is known of these subscribers.
func (p *batch) successors(ctx context.Context, fates map[bridge.SalesforceID]bridge.Fate) (map[bridge.SalesforceID]bridge.SubscriberID, map[bridge.SubscriberID]Link, error) {
	byTarget := map[bridge.Target][]bridge.SalesforceID{}
	for _, fate := range fates {
		if fate.Next != "" {
			byTarget[fate.Target] = append(byTarget[fate.Target], fate.Next)
		}
	}
	whose := map[bridge.SalesforceID]bridge.SubscriberID{}
	var owners []bridge.SubscriberID
	for target, ids := range byTarget {
		err := p.b.org.RecordsByID(ctx, p.b.layouts, target, ids, func(r bridge.Record) {
			if owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey]); owner != "" {
				whose[r.ID] = owner
				owners = append(owners, owner)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	links, err := p.b.w.Rows.Links(ctx, p.b.sync.Account, p.b.sync.Campaign, owners)
	return whose, links, err
}

// conclude writes down what came of the items, and passes on what is left to do.
func (p *batch) conclude(ctx context.Context, total *outcome) error {
	for target := range p.relook {
		changed, err := p.b.relook(ctx, target)
		if err != nil {
			return ofOrg(err)
		}
		for _, it := range p.items {
			if it.change != nil && it.change.Target == target && it.problem != nil && (schemaCodes[it.problem.Code] || it.problem.Code == "NOT_FOUND") && changed {
				it.problem = &Problem{Cause: untried}
				p.again(it)
			}
		}
	}
	err := parallel(ctx, p.items, p.save)
	if err != nil {
		return err
	}
	if err := p.passOn(ctx); err != nil {
		return err
	}
	t := &total.tally
	t.Written += p.done.tally.Written
	t.Created += p.done.tally.Created
	t.Equal += p.done.tally.Equal
	t.Refused += p.done.tally.Refused
	t.Gone += p.done.tally.Gone
	for id, h := range p.done.again.byID {
		total.again.byID[id] = h
	}
	if p.stop != nil {
		return ofOrg(p.stop)
	}
	return nil
}

// save keeps what came of an item.
func (p *batch) save(ctx context.Context, it *item) error {
	l, before, now := it.link, it.link.Problem.Cause, p.b.w.Now()
	l.Turn = p.turn.number()
	switch {
	case it.problem == nil:
		l.Problem = Problem{}
		l.Print, l.Load = it.print, ""
		l.LastRef, l.Referrals, l.Points, l.People = it.lastRef, it.sub.Referrals(), it.sub.Points, it.sub.PeopleReferred
		l.Referrer = it.sub.Referrer.ID
		if it.change != nil {
			l.WrittenAt, l.Why = now, it.hint.Why
		}
		if it.gone {
			l.Gone, l.Referrer = true, ""
		} else {
			l.Gone = false
		}
	case it.problem.Cause == untried:
		return nil // nothing is known that was not before
	case it.problem.Cause == rowLocked:
		if it.hint.Tries < mostTries {
			p.later(it)
			return nil
		}
		l.Problem = renewed(l.Problem, *it.problem, now)
	case it.problem.Cause == unclear:
		l.Print = ""
	case it.problem.Cause == rematch:
		p.again(it)
	default:
		l.Problem = renewed(l.Problem, *it.problem, now)
	}
	err := p.b.w.Rows.SaveLink(ctx, l, before)
	if bridge.KindOf(err) == bridge.Conflict { // our turn was taken away: whoever has it looks at this one again
		p.again(it)
		return nil
	}
	if err != nil {
		return err
	}
	p.note(it, l, before)
	return nil
}

// note counts an item that was settled.
func (p *batch) note(it *item, l Link, before string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.done.tally
	switch {
	case it.problem == nil && it.gone:
		t.Gone++
		if it.link.Referrer != "" {
			h := p.b.w.hint(l.Account, l.Campaign, it.link.Referrer, "deletion")
			h.Deep = true
			p.hints = append(p.hints, h)
		}
	case it.problem == nil && it.change != nil:
		t.Written++
	case it.problem == nil:
		t.Equal++
	case it.problem.Cause == unclear:
		h := it.hint
		h.Subscriber, h.Code, h.Force = l.Subscriber, "", true
		p.doubt = append(p.doubt, h)
	case l.Problem.Cause != "":
		t.Refused++
	}
	if it.problem == nil && before != "" {
		p.cured[before]++
	}
}

// later puts an item off whose record somebody else has locked.
func (p *batch) later(it *item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := it.hint
	h.Subscriber, h.Code = it.sub.ID, ""
	h.Tries++
	p.locked = append(p.locked, h)
}

// passOn queues what is left to do.
func (p *batch) passOn(ctx context.Context) error {
	if len(p.locked) > 0 {
		pause := 3 * time.Second << p.locked[0].Tries
		if err := p.b.w.Changes(ctx, min(pause+rand.N(pause), 2*time.Minute), p.locked...); err != nil {
			return err
		}
	}
	if len(p.doubt) > 0 { // now, and once more when Salesforce cannot be at it any more
		if err := p.b.w.Changes(ctx, afterlife, p.doubt...); err != nil {
			return err
		}
	}
	for cause, n := range p.cured {
		// The cause may be gone for all: twice as many are tried, and so on as long as that works.
		if _, err := p.b.w.retry(ctx, p.b.sync.Account, p.b.sync.Campaign, cause, "", 2*n); err != nil {
			return err
		}
	}
	return p.b.w.Changes(ctx, 0, p.hints...)
}
