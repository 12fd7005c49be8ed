package syncer

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

const (
	// mostSlice is how many subscribers a slice has at most: what a worker keeps in memory at a time.
	mostSlice = 50_000
	// sliceShare is which part of its time a worker reads ReferralHero at most, before it compares and writes: one in three.
	sliceShare = 3
)

// slice reads the next part of the campaign, compares it with the org, and writes what differs.
func (b *bench) slice(ctx context.Context, run Run) (Run, error) {
	known, err := b.w.seen(ctx, run)
	if err != nil {
		return run, err
	}
	turn, err := b.w.Rows.Turn(ctx, b.place.account, b.place.connection)
	if err != nil {
		return run, err
	}
	before := b.org.Calls()
	next, items, halted := b.readOn(ctx, run, known)
	if halted != nil && len(items) == 0 {
		return run, halted
	}
	if err := b.compare(ctx, next, items); err != nil {
		return run, err
	}
	var met []digits
	for _, it := range items {
		met = append(met, pack(it.sub.ID))
	}
	if b.bulk(run, items) {
		return b.load(ctx, run, next, known, met, items, turn.Over, before)
	}
	done, err := b.write(ctx, items, turn.Over, true)
	if err == nil {
		err = b.lookAgain(ctx, done.again)
	}
	if errors.Is(err, errTime) { // read no more next time than can be written
		run.Most = mostWrites
		kept, failed := b.save(ctx, run)
		return kept, cmp.Or(failed, err)
	}
	if err != nil {
		return run, err
	}
	b.state(ctx, &next, items, done, before)
	kept, err := b.keep(ctx, next, known, met, halted)
	if err != nil {
		return run, err
	}
	return kept, halted
}

// state adds what a slice has come to to a run's statement, and to what the day has seen.
func (b *bench) state(ctx context.Context, next *Run, items []*item, done outcome, before int) {
	done.tally.HeroCalls, done.tally.OrgCalls = b.calls.spent(), b.org.Calls()-before
	next.Statement = next.Statement.plus(done)
	next.Statement.Misfits = b.misfits(next.Statement.Misfits, items)
	b.count(ctx, done.tally)
}

// misfits adds up where the records of items that are right by now have less than ReferralHero says.
func (b *bench) misfits(so map[string]Misfit, items []*item) map[string]Misfit {
	sum := maps.Clone(so)
	for _, it := range items {
		if it.skipped != "" || it.problem != nil || it.misfits == (misfits{}) {
			continue
		}
		layout := b.layout(cmp.Or(it.link.Target, b.sync.Target))
		for i, f := range bridge.Fields {
			left, cut := it.misfits.left.Has(i), it.misfits.cut.Has(i)
			if !layout.Visible.Has(i) || !left && !cut {
				continue
			}
			if sum == nil {
				sum = map[string]Misfit{}
			}
			m := sum[f.Name]
			if left {
				m.Left++
			} else {
				m.Cut++
			}
			if n := room(layout, i); m.Room == 0 || n < m.Room {
				m.Room = n
			}
			sum[f.Name] = m
		}
	}
	return sum
}

// keep ends a slice.
func (b *bench) keep(ctx context.Context, next Run, known *seen, met []digits, halted error) (Run, error) {
	if err := b.remember(ctx, &next, known, met); err != nil {
		return next, err
	}
	next.Slice++
	next.BeatAt = b.w.Now()
	if next.Page > next.Pages && halted == nil {
		next.Sweeping = true
	}
	return b.save(ctx, next)
}

// remember keeps whom a run has met. That counts when the run is saved: until then the slice may be taken again.
func (b *bench) remember(ctx context.Context, next *Run, known *seen, met []digits) error {
	for _, part := range known.parts(met) {
		if err := b.w.Rows.SaveSeen(ctx, *next, next.Parts, part); err != nil {
			return err
		}
		next.Parts++
	}
	return nil
}

// save keeps a run.
func (b *bench) save(ctx context.Context, run Run) (Run, error) {
	if err := b.w.Rows.SaveRun(ctx, run); err != nil {
		return run, err
	}
	run.Version++
	return run, nil
}

// plus adds what a slice has come to.
func (s Statement) plus(done outcome) Statement {
	t := done.tally
	s.Equal += t.Equal
	s.Repaired += t.Written + done.repaired
	s.Created += t.Created
	s.News += done.news
	s.Refused += t.Refused
	s.Skipped += t.Skipped + len(done.again.byID)
	s.Gone += t.Gone
	s.HeroCalls += t.HeroCalls
	s.OrgCalls += t.OrgCalls
	reasons := map[string]int{}
	for reason, n := range s.Reasons {
		reasons[reason] = n
	}
	for reason, n := range done.reason {
		reasons[reason] += n
	}
	if n := len(done.again.byID); n > 0 {
		reasons[changedSince] += n
	}
	s.Reasons = reasons
	return s
}

// lookAgain has subscribers read once more that somebody else wrote while they were read.
func (b *bench) lookAgain(ctx context.Context, again question) error {
	var hints []Hint
	for id := range again.byID {
		h := b.w.hint(b.sync.Account, b.sync.Campaign, id, "check")
		h.Deep, h.Force = true, true
		hints = append(hints, h)
	}
	return b.w.Changes(ctx, time.Second, hints...)
}

// readOn reads pages until the slice is full, the list ends or something stands in the way, which halted says; what
// was read before that counts.
func (b *bench) readOn(ctx context.Context, run Run, known *seen) (next Run, items []*item, halted error) {
	next = run
	end := b.end(ctx)
	most := cmp.Or(run.Most, mostSlice)
	b.calls.expect(min(most/perPage, max(1, (b.campaign.Subscribers+perPage-1)/perPage-run.Page+1)))
	for len(items) < most && (next.Pages == 0 || next.Page <= next.Pages) && (end.IsZero() || time.Now().Before(end)) {
		numbers := []int{next.Page}
		for n := next.Page + 1; n <= next.Pages && len(numbers) < hands; n++ {
			numbers = append(numbers, n)
		}
		pages, err := b.pages(ctx, numbers)
		if err != nil {
			halted = err
			break
		}
		total, moved := fewest(pages)
		if next.Total > 0 && total >= 0 && (moved || total < next.Total) && next.Backs < mostBacks {
			// The list has shrunk or moved while it was read, and somebody may have slipped to a page that was read before.
			// Go back by as much; whoever was taken is not taken twice.
			lost := max(0, next.Total-total)
			next.Page, next.Total, next.Least = max(1, next.Page-1-lost/perPage), total, min(next.Least, total)
			next.Backs++
			continue
		}
		next.Pages = max(1, pages[len(pages)-1].Pages)
		if total >= 0 {
			next.Total = total
			if next.Least == 0 || total < next.Least {
				next.Least = total
			}
		}
		for _, p := range pages {
			items = next.accept(p.Subscribers, known, items)
		}
		next.Page += len(numbers)
	}
	next.Statement.Subscribers += len(items)
	return next, items, halted
}

// mostBacks is how often a run goes back in a list that moves. After that whoever it misses is left to hints and to the next run.
const mostBacks = 50

// fewest returns the fewest subscribers that pages say the list has, -1 if none says so, and whether they differ.
func fewest(pages []bridge.SubscriberPage) (total int, moved bool) {
	total = -1
	for _, p := range pages {
		switch {
		case p.Total < 0:
			continue
		case total >= 0 && p.Total != total:
			moved = true
			total = min(total, p.Total)
		default:
			total = p.Total
		}
	}
	return total, moved
}

// end is when a worker stops to read, so that there is time to write.
func (b *bench) end(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(time.Until(deadline) / sliceShare)
}

func (b *bench) pages(ctx context.Context, numbers []int) ([]bridge.SubscriberPage, error) {
	pages := make([]bridge.SubscriberPage, len(numbers))
	index := make([]int, len(numbers))
	for i := range index {
		index[i] = i
	}
	err := together(ctx, hands, index, func(ctx context.Context, i int) (err error) {
		pages[i], err = b.page(ctx, numbers[i])
		return err
	})
	return pages, err
}

// accept takes those of a page that were not taken before: people who sign up push the others to later pages.
func (r *Run) accept(page []bridge.Subscriber, known *seen, items []*item) []*item {
	for _, s := range page {
		if known.met[pack(s.ID)] {
			continue
		}
		lastRef := known.meet(s)
		h := Hint{Account: r.Account, Campaign: r.Campaign, Subscriber: s.ID, Why: r.Why, At: r.StartedAt.UnixMilli()}
		items = append(items, &item{hint: h, sub: s, lastRef: lastRef})
	}
	return items
}

// compare finds the records of the items and what is to be changed in them.
func (b *bench) compare(ctx context.Context, run Run, items []*item) error {
	ids := make([]bridge.SubscriberID, len(items))
	b.here, b.all = make(map[bridge.SubscriberID]bool, len(items)), run.Slice == 0 && run.Page > run.Pages
	for i, it := range items {
		ids[i] = it.sub.ID
		b.here[it.sub.ID] = true
	}
	links, err := b.links(ctx, ids)
	if err != nil {
		return err
	}
	for _, it := range items {
		l, linked := links[it.sub.ID]
		if !linked {
			l = b.link(it.sub.ID)
		}
		it.link = l
	}
	if err := b.lastReferrals(ctx, run, items); err != nil {
		return err
	}
	for _, it := range items {
		b.value(it)
		it.news = b.untold(it)
	}
	f := finding{b: b, run: run, records: map[bridge.SalesforceID]bridge.Record{}, matches: newMatches()}
	strangers, err := f.find(ctx, items)
	if err != nil {
		return err
	}
	return b.match(ctx, strangers, f.matches)
}

// untold reports whether ReferralHero says something of a subscriber that it did not when the record was last written. Whoever
// overwrites a record makes no such difference.
func (b *bench) untold(it *item) bool {
	if it.link.Version == 0 {
		return !b.sync.LinkOnly // else it may be the record that is new
	}
	return it.link.Print != "" && it.link.Print != it.print
}

// lastReferrals sets right what the list does not tell of newest referrals. Of people who signed up since the run began only a hint
// can have told. Where a newer one was known than the list has, it is gone, or the list has left it out, and ReferralHero is
// asked; unless there are so many that a great change is likelier.
func (b *bench) lastReferrals(ctx context.Context, run Run, items []*item) error {
	var unsure []*item
	for _, it := range items {
		switch l := it.link; {
		case !l.LastRef.After(it.lastRef):
		case l.LastRef.After(run.StartedAt.Add(-clocks)):
			it.lastRef = l.LastRef
		case it.sub.Referrals() > 0:
			unsure = append(unsure, it)
		}
	}
	if len(unsure) > mostInline {
		return nil
	}
	b.calls.expect(len(unsure))
	return together(ctx, hands, unsure, func(ctx context.Context, it *item) (err error) {
		it.lastRef, err = b.lastReferral(ctx, it.sub, it.link, true)
		return err
	})
}

// clocks is how much the clocks of workers and of ReferralHero may differ.
const clocks = 5 * time.Second

// finding looks for the records of a slice, by as few calls as will do.
type finding struct {
	b       *bench
	run     Run
	records map[bridge.SalesforceID]bridge.Record
	matches *matches
}

const (
	idsPerCall    = 2_500  // that one call finds by their ids, about
	keysPerCall   = 1_000  // by SUB_ID or address, about
	recordsInCall = 10_000 // that one call reads one after the other
)

// find decides about the items whose records are known, and returns the others.
func (f *finding) find(ctx context.Context, items []*item) (strangers []*item, err error) {
	linked := 0
	for _, it := range items {
		if it.link.Record != "" {
			linked++
		}
	}
	if calls := linked / idsPerCall; calls > f.run.Total/recordsInCall && f.b.layout(f.b.sync.Target).Visible.Has(bridge.SubscriberKey) {
		if err := f.ours(ctx, items); err != nil {
			return nil, err
		}
	}
	byTarget := map[bridge.Target][]bridge.SalesforceID{}
	for _, it := range items {
		if id := it.link.Record; id != "" && f.records[id].ID == "" && f.b.layout(it.link.Target).Visible != 0 {
			byTarget[it.link.Target] = append(byTarget[it.link.Target], id)
		}
	}
	for target, ids := range byTarget {
		if err := f.b.org.RecordsByID(ctx, f.b.layouts, target, ids, func(r bridge.Record) { f.records[r.ID] = r }); err != nil {
			return nil, f.b.heard(ctx, err)
		}
	}
	whose, err := f.claims(ctx, items)
	if err != nil {
		return nil, err
	}
	var lost []*item
	for _, it := range items {
		record, there := f.records[it.link.Record]
		switch {
		case it.link.Record == "":
			strangers = append(strangers, it)
		case f.b.layout(it.link.Target).Visible == 0:
			it.skipped = noFields
		case !there:
			lost = append(lost, it)
		case whose[record.ID]:
			it.merged()
		default:
			f.b.differ(it, record)
		}
	}
	more, err := f.follow(ctx, lost)
	if err != nil {
		return nil, err
	}
	kept := strangers[:0:0]
	for _, it := range append(strangers, more...) {
		if it.skipped = leftOut(it.sub, it.link, f.b.sync.Options); it.skipped == "" {
			kept = append(kept, it)
		}
	}
	return kept, f.strangers(ctx, kept)
}

// claims finds the records that belong to another subscriber than the one who is linked to them: those of two were made one, say.
// A SUB_ID that is just wrong is put right.
func (f *finding) claims(ctx context.Context, items []*item) (map[bridge.SalesforceID]bool, error) {
	foreign := map[bridge.SalesforceID]bridge.SubscriberID{}
	for _, it := range items {
		r := f.records[it.link.Record]
		if owner := bridge.SubscriberID(r.Values[bridge.SubscriberKey]); owner != "" && owner != it.sub.ID {
			foreign[r.ID] = owner
		}
	}
	links, err := f.b.links(ctx, slices.Collect(maps.Values(foreign)))
	whose := map[bridge.SalesforceID]bool{}
	for record, owner := range foreign {
		if l := links[owner]; l.Record == record && !l.Gone {
			whose[record] = true
		}
	}
	return whose, err
}

// differ decides what of a record is to be changed. The org's own values count, not what was written last.
func (b *bench) differ(it *item, r bridge.Record) {
	it.link.Parent = r.Parent
	if bridge.Differ(r.Values, it.values, b.layout(it.link.Target).Visible) == 0 {
		it.equal = true
		return
	}
	it.change = b.update(it, it.link.Target, it.link.Record, r.Parent)
	it.change.Fields = bridge.Differ(r.Values, it.values, b.layout(it.link.Target).Visible)
}

// ours reads all records with a SUB_ID.
func (f *finding) ours(ctx context.Context, items []*item) error {
	wanted := make(map[bridge.SalesforceID]bool, len(items))
	keys := make(map[bridge.SubscriberID]bool, len(items))
	for _, it := range items {
		keys[it.sub.ID] = true
		if it.link.Record != "" {
			wanted[it.link.Record] = true
		}
	}
	err := f.b.org.EveryRecord(ctx, f.b.layouts, f.b.sync.Target, bridge.Ours, func(r bridge.Record) error {
		if wanted[r.ID] {
			f.records[r.ID] = r
		} else if keys[bridge.SubscriberID(r.Values[bridge.SubscriberKey])] {
			f.matches.add(r)
		}
		return nil
	})
	return f.b.heard(ctx, err)
}

// follow finds what became of records that are not there any more.
func (f *finding) follow(ctx context.Context, lost []*item) (strangers []*item, err error) {
	byTarget := map[bridge.Target][]*item{}
	for _, it := range lost {
		byTarget[it.link.Target] = append(byTarget[it.link.Target], it)
	}
	for target, items := range byTarget {
		ids := make([]bridge.SalesforceID, len(items))
		for i, it := range items {
			ids[i] = it.link.Record
		}
		fates, err := f.b.fates(ctx, target, ids)
		if err != nil {
			return nil, f.b.heard(ctx, err)
		}
		for i, it := range items {
			end := fates.end(ids[i], it.sub.ID)
			record, there := fates.records[fates.of[ids[i]].Next]
			it.link.Record, it.link.Parent, it.link.Print, it.moved = "", "", "", true
			switch {
			case end.others: // but there may be another one with the address by now
				it.link.Merged = true
				strangers = append(strangers, it)
			case there:
				it.link.Record, it.link.Target = record.ID, record.Target
				f.b.value(it)
				f.b.differ(it, record)
			case end.record != "" && f.b.layout(end.target).Visible == 0:
				it.link.Record, it.link.Target, it.skipped = end.record, end.target, noFields
			default:
				strangers = append(strangers, it)
			}
		}
	}
	return strangers, nil
}

// strangers looks for the records of those without one: by their keys and addresses, or by reading every record that
// has either, whichever takes fewer calls.
func (f *finding) strangers(ctx context.Context, strangers []*item) error {
	if len(strangers) == 0 {
		return nil
	}
	var (
		keys  []bridge.SubscriberID
		mails []string
	)
	for _, it := range strangers {
		if len(f.matches.byKey[it.sub.ID]) == 0 {
			keys = append(keys, it.sub.ID)
		}
		if mail := bridge.NormalizeEmail(it.sub.Email); mail != "" {
			mails = append(mails, mail)
		}
	}
	if n := (len(keys) + len(mails)) / keysPerCall; n > 2 {
		there, err := f.b.org.CountRecords(ctx, f.b.layouts, f.b.sync.Target, bridge.Matchable)
		if err != nil {
			return f.b.heard(ctx, err)
		}
		if there/recordsInCall+1 < n {
			return f.everybody(ctx, keys, mails)
		}
	}
	return f.b.heard(ctx, f.b.org.RecordsByKey(ctx, f.b.layouts, f.b.sync.Target, keys, mails, f.matches.add))
}

func (f *finding) everybody(ctx context.Context, keys []bridge.SubscriberID, mails []string) error {
	wantedKeys, wantedMails := make(map[bridge.SubscriberID]bool, len(keys)), make(map[string]bool, len(mails))
	for _, k := range keys {
		wantedKeys[k] = true
	}
	for _, m := range mails {
		wantedMails[m] = true
	}
	err := f.b.org.EveryRecord(ctx, f.b.layouts, f.b.sync.Target, bridge.Matchable, func(r bridge.Record) error {
		key := bridge.SubscriberID(r.Values[bridge.SubscriberKey])
		if wantedKeys[key] || wantedMails[bridge.NormalizeEmail(r.Email)] {
			f.matches.add(r)
		}
		return nil
	})
	return f.b.heard(ctx, err)
}
