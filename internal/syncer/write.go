package syncer

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// outcome is what came of a batch.
type outcome struct {
	tally    Tally
	again    question
	reason   map[string]int // of those that were skipped
	repaired int            // by the same run, before its worker was lost
	news     int            // of those that were written: no hint had told
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
		case it.skipped != "" && !it.moved && it.link.Problem.Cause == "" && (!it.gone || it.link.Gone || it.link.Version == 0):
			total.tally.Skipped++
			total.reason[it.skipped]++
		case it.equal && it.kept() && !it.moved && run && it.mine():
			total.repaired++ // by the same slice, whose worker did not get to say so
		case it.equal && it.kept() && !it.moved:
			total.tally.Equal++ // and its link says so already
		default:
			todo = append(todo, it)
		}
	}
	var pace pace
	for part := range slices.Chunk(byParent(todo), mostWrites) {
		if !pace.another(ctx) { // what was written is not written again
			return total, &stop{after: time.Second, err: errTime}
		}
		if err := b.part(ctx, part, over, run, &total); err != nil {
			return total, err
		}
	}
	return total, nil
}

// kept reports whether the link of an item that is equal says all that is known.
func (it *item) kept() bool {
	l := it.link
	return l.Version > 0 && l.Problem.Cause == "" && l.Print == it.print && l.LastRef.Equal(it.lastRef) && l.Referrals == it.sub.Referrals() &&
		l.Points == it.sub.Points && l.People == it.sub.PeopleReferred && l.Referrer == it.sub.Referrer.ID && !l.Gone
}

// mine reports whether the run that the item is of has written the record.
func (it *item) mine() bool {
	return it.link.Why == it.hint.Why && it.link.WrittenAt.UnixMilli() >= it.hint.At
}

// byParent puts records of one account next to each other, so that batches do not wait for each other's locks. Subscribers who are gone
// come last: whoever has signed up again has the same record, which is not to be cleared then.
func byParent(items []*item) []*item {
	last := func(it *item) int {
		if it.gone {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(items, func(x, y *item) int {
		return cmp.Or(last(x)-last(y), cmp.Compare(x.link.Parent, y.link.Parent), cmp.Compare(x.link.Record, y.link.Record))
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
	turn, err := b.turn(ctx, ids, wait)
	if err != nil {
		return err
	}
	_, lasts := b.w.lease()
	calls, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	p := &batch{b: b, turn: turn, run: run, cured: map[string]int{}, relook: map[bridge.Target]bool{}}
	p.done = outcome{again: question{byID: map[bridge.SubscriberID]Hint{}, byCode: map[string]Hint{}}, reason: map[string]int{}}
	if p.items, err = p.fresh(ctx, items, ids, over); err == nil {
		err = p.spare(calls)
	}
	if err != nil {
		b.w.end(ctx, b.place, turn)
		return err
	}
	p.carryOut(calls)
	if err := p.conclude(ctx, total); err != nil {
		return err // the turn lapses, and whoever comes next does not believe the links
	}
	b.w.end(ctx, b.place, turn)
	return b.heard(ctx, p.stop)
}

// turn takes the turn to write subscribers, unless syncing has been switched off or changed since the work began: then
// another campaign may own the fields by now.
func (b *bench) turn(ctx context.Context, ids []bridge.SubscriberID, wait time.Duration) (Turn, error) {
	turn, err := b.w.take(ctx, b.place, b.sync.Campaign, ids, b.live, wait)
	if bridge.KindOf(err) == bridge.Throttled {
		err = &stop{after: bridge.AfterOf(err, time.Second), err: err}
	}
	if err != nil {
		return Turn{}, err
	}
	now, err := b.w.Rows.Sync(ctx, b.sync.Account, b.sync.Campaign)
	if err == nil && (!now.On || !now.SetAt.Equal(b.sync.SetAt)) {
		err = &stop{after: time.Second}
	}
	if err != nil {
		b.w.end(ctx, b.place, turn)
	}
	return turn, err
}

// fresh leaves out the items that somebody has written since they were read.
func (p *batch) fresh(ctx context.Context, items []*item, ids []bridge.SubscriberID, over int) ([]*item, error) {
	links, err := p.b.links(ctx, ids)
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
func (p *batch) carryOut(ctx context.Context) {
	var (
		changes []bridge.Change
		writing []*item
	)
	taken := map[bridge.SalesforceID]bool{}
	for _, it := range p.items {
		switch {
		case it.change == nil:
			continue
		case it.change.ID != "" && taken[it.change.ID]: // two records that belonged to two subscribers were made one
			p.lose(it)
			continue
		}
		taken[it.change.ID] = true
		changes, writing = append(changes, *it.change), append(writing, it)
	}
	results := p.b.org.Write(ctx, p.b.layouts, changes)
	times := map[error]int{}
	for _, r := range results {
		times[r.Err]++
	}
	lost := map[bridge.Target][]*item{}
	for i, it := range writing {
		p.judge(it, results[i], len(results) > 1 && times[results[i].Err] == 1, lost)
	}
	p.follow(ctx, lost)
}

// lose takes from an item a record that is another subscriber's. One who is gone has nothing to lose.
func (p *batch) lose(it *item) {
	it.change = nil
	if it.gone {
		return
	}
	it.merged()
}

// merged notes that an item's record was made one with another subscriber's. Whoever did that does not want a second record, so
// none is made.
func (it *item) merged() {
	it.link.Record, it.link.Parent, it.link.Print, it.link.Merged = "", "", "", true
	it.problem = &Problem{Cause: mergedAway, Code: mergedAway}
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
			return p.b.heard(ctx, err)
		}
	}
	for _, it := range p.items {
		if it.gone && it.change != nil && owners[it.change.ID] != "" && owners[it.change.ID] != string(it.sub.ID) {
			it.change = nil
		}
	}
	return nil
}

// judge says what a result means for its item; alone, that no other has the same, so that it is about the record and not
// about the call. Items whose record is not there any more go to lost.
func (p *batch) judge(it *item, r bridge.Written, alone bool, lost map[bridge.Target][]*item) {
	if r.Err == nil {
		if r.ID != "" {
			it.link.Record, it.link.Target = r.ID, it.change.Target
		}
		if it.change.ID == "" {
			it.link.Parent = it.change.Parent
		}
		if r.Created {
			p.done.tally.Created++
		}
		return
	}
	code := bridge.CodeOf(r.Err)
	switch kind := bridge.KindOf(r.Err); {
	case kind == bridge.Throttled && code != "" && (code != callsSpent || alone), kind == bridge.Unavailable && ofRecord(code, alone):
		it.problem, it.passing = problemOf(r.Err), true
	case kind == bridge.NotFound && it.change.ID != "" && code != "":
		it.problem = problemOf(r.Err)
		lost[it.change.Target] = append(lost[it.change.Target], it)
	case schemaCodes[code], kind == bridge.NotFound:
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
	case kind == bridge.Unavailable && code != approval, kind == bridge.Revoked, kind == bridge.Throttled,
		kind == bridge.Denied && wholeCall[code]:
		it.problem = &Problem{Cause: untried}
		p.halt(r.Err)
	default:
		it.problem = problemOf(r.Err)
	}
}

// Causes that are settled here and never shown.
const (
	rematch = "rematch"
	unclear = "unclear"
	untried = "untried"
)

// Causes that have an advice of their own.
const (
	rowLocked       = "UNABLE_TO_LOCK_ROW"
	approval        = "ENTITY_IS_LOCKED"
	otherSubscriber = "other_subscriber"
	mergedAway      = "merged_away"
	keyHidden       = "key_hidden"
)

// callsSpent is what Salesforce says of a call, never of a record.
const callsSpent = "REQUEST_LIMIT_EXCEEDED"

// schemaCodes are what Salesforce says about fields that are not there, or are hidden from the connected user.
var schemaCodes = map[string]bool{"INVALID_FIELD": true, "INVALID_FIELD_FOR_INSERT_UPDATE": true}

// wholeCall are refusals that are about the user and not about a record.
var wholeCall = map[string]bool{"API_DISABLED_FOR_ORG": true, "API_CURRENTLY_DISABLED": true, "": true}

// ofRecord reports whether a code of which nobody knows whether Salesforce gave it to a record or to a call is the record's. A
// record that makes its own call fail must not stop the others for ever.
func ofRecord(code string, alone bool) bool {
	switch code {
	case "", approval:
		return false
	case "SERVER_UNAVAILABLE":
		return alone
	default:
		return true
	}
}

// halt remembers the first error that is not about one record.
func (p *batch) halt(err error) {
	if p.stop == nil {
		p.stop = err
	}
}

// follow finds what became of records that are not there any more. Their subscribers are matched anew, with the record
// that theirs was merged into or converted to if there is one. A record that is where it was has been refused like any other: what
// is missing is something that it refers to, such as an owner.
func (p *batch) follow(ctx context.Context, lost map[bridge.Target][]*item) {
	for target, items := range lost {
		ids := make([]bridge.SalesforceID, len(items))
		for i, it := range items {
			ids[i] = it.change.ID
		}
		f, err := p.b.fates(ctx, target, ids)
		if err != nil {
			p.halt(err)
		}
		for _, it := range items {
			if err != nil {
				it.problem = &Problem{Cause: untried}
				continue
			}
			refused := it.problem
			it.problem = nil
			_, moved := f.of[it.change.ID]
			switch end := f.end(it.change.ID, it.sub.ID); {
			case !moved:
				it.problem = refused
			case end.others:
				// Two contacts were made one, and each belonged to a subscriber. The survivor keeps its own.
				p.lose(it)
			case end.record == "" && it.gone:
				it.link.Record = "" // nothing is left to be cleared
			default:
				it.link.Record, it.link.Target, it.link.Parent, it.link.Print = end.record, end.target, "", ""
				it.problem = &Problem{Cause: rematch}
			}
		}
	}
}

// conclude writes down what came of the items, and passes on what is left to do.
func (p *batch) conclude(ctx context.Context, total *outcome) error {
	for target := range p.relook {
		changed, err := p.b.relook(ctx, target.Object())
		if err != nil {
			p.halt(err)
		}
		for _, it := range p.items {
			if it.change != nil && it.change.Target == target && it.problem != nil && p.misplaced(it.problem.Code) && (changed || err != nil) {
				it.problem = &Problem{Cause: untried}
				p.again(it)
			}
		}
	}
	if err := p.announce(ctx); err != nil {
		return err
	}
	var failed error
	err := parallel(ctx, p.items, func(ctx context.Context, it *item) error {
		if err := p.save(ctx, it); err != nil { // the others are kept all the same
			p.mu.Lock()
			defer p.mu.Unlock()
			failed = errors.Join(failed, err)
		}
		return nil
	})
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	if err := p.passOn(ctx); err != nil {
		return err
	}
	t, d := &total.tally, p.done.tally
	t.Written += d.Written
	t.Created += d.Created
	t.Equal += d.Equal
	t.Refused += d.Refused
	t.Skipped += d.Skipped
	t.Gone += d.Gone
	total.news += p.done.news
	for reason, n := range p.done.reason {
		total.reason[reason] += n
	}
	for id, h := range p.done.again.byID {
		total.again.byID[id] = h
	}
	return nil
}

// misplaced reports whether a code may mean that a field is not where it was taken to be.
func (p *batch) misplaced(code string) bool { return schemaCodes[code] || code == "NOT_FOUND" }

// announce tells of those whom the subscribers referred who are gone: their newest referral may be another one now. It comes before
// these are known to be gone, since nobody would tell afterwards.
func (p *batch) announce(ctx context.Context) error {
	var hints []Hint
	for _, it := range p.items {
		if it.gone && it.problem == nil && it.link.Referrer != "" {
			h := p.b.w.hint(p.b.sync.Account, p.b.sync.Campaign, it.link.Referrer, "deletion")
			h.Deep = true
			hints = append(hints, h)
		}
	}
	return p.b.w.Changes(ctx, 0, hints...)
}

// save keeps what came of an item.
func (p *batch) save(ctx context.Context, it *item) error {
	l, before, now := it.link, it.link.Problem.Cause, p.b.w.Now()
	l.Turn, l.Load = p.turn.number(), "" // no load is writing it, or it would not be here
	switch {
	case it.skipped != "":
		l.Problem = Problem{}
		if it.gone {
			l.Gone, l.Referrer = true, ""
		}
	case it.problem == nil:
		l.Problem, l.Merged = Problem{}, false
		l.Print = it.print
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
	case it.passing:
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
	case it.skipped != "":
		t.Skipped++
		p.done.reason[it.skipped]++
	case it.problem == nil && it.gone:
		t.Gone++
	case it.problem == nil && it.change != nil:
		t.Written++
		if it.news {
			p.done.news++
		}
		if p.b.live && p.b.w.Took != nil && !it.hint.Force { // a second write for certainty's sake is not late
			p.b.w.Took(it.hint.age(p.b.w.Now()))
		}
	case it.problem == nil:
		t.Equal++
	case it.problem.Cause == unclear:
		h := it.hint
		h.Subscriber, h.Code, h.Force = l.Subscriber, "", true
		p.doubt = append(p.doubt, h)
	case it.problem.Cause != rematch:
		t.Refused++
	}
	if it.problem == nil && it.skipped == "" && before != "" && !p.run { // a run tries all of them anyway
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
	p.done.tally.Skipped++
	p.done.reason[wasLocked]++
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
	return nil
}
