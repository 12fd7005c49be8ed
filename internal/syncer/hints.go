package syncer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

const (
	// mostInline is how many pages of a campaign hints may have read on the spot: ten seconds' worth. More are a run's work.
	mostInline = 200
	// rounds is how often subscribers are read again because somebody else wrote them meanwhile.
	rounds = 4
	// mostTries is how often a locked record is tried until somebody is told.
	mostTries = 5
)

// Hints works on hints about any campaigns, and returns what became of each: nil if it is done, Throttled if it should
// come again after a time. Hints that came twice, late or in any order leave what one leaves. live ones go before others.
func (w Worker) Hints(ctx context.Context, hints []Hint, live bool) []error {
	type campaign struct {
		account bridge.AccountID
		id      bridge.CampaignID
	}
	groups := map[campaign][]int{}
	var order []campaign
	for i, h := range hints {
		c := campaign{h.Account, h.Campaign}
		if groups[c] == nil {
			order = append(order, c)
		}
		groups[c] = append(groups[c], i)
	}
	errs := make([]error, len(hints))
	var pace pace
	for _, c := range order {
		if !pace.another(ctx) { // or an org that hangs would take the hints of others down with it
			for _, i := range groups[c] {
				errs[i] = &bridge.Error{Op: "syncer.Hints", Kind: bridge.Throttled, After: time.Second, Err: errTime}
			}
			continue
		}
		group := make([]Hint, 0, len(groups[c]))
		for _, i := range groups[c] {
			group = append(group, hints[i])
		}
		if err := w.group(ctx, c.account, c.id, group, live); err != nil {
			for _, i := range groups[c] {
				errs[i] = bridge.E("syncer.Hints", "", err)
			}
		}
	}
	return errs
}

// group works on the hints about one campaign.
func (w Worker) group(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, hints []Hint, live bool) error {
	s, err := w.Rows.Sync(ctx, account, campaign)
	switch {
	case bridge.KindOf(err) == bridge.NotFound, err == nil && !s.On:
		return nil // syncing is off: a run will fill in everything when it is switched on
	case err != nil:
		return err
	}
	err = w.settle(ctx, s, hints, live)
	stop, is := stopped(err)
	switch {
	case !is:
		return err
	case stop.after > 0:
		return &bridge.Error{Op: "syncer.group", Kind: bridge.Throttled, After: stop.after, Err: stop.err}
	}
	if live && stop.waits == hourUsedUp && w.Waits != nil {
		for _, h := range hints {
			w.Waits(h.age(w.Now()))
		}
	}
	return w.putOff(ctx, s, hints, stop)
}

const (
	// mostPutOff is how many hints are put off one by one when nothing goes on, and longPutOff for how long; of more, and
	// when the wait has become long, a run takes care.
	mostPutOff = 20
	longPutOff = time.Hour
)

// putOff keeps what hints ask for while nothing goes on: few of them come again, and of many the run takes care that begins
// when the wait is over.
func (w Worker) putOff(ctx context.Context, s Sync, hints []Hint, stop *stop) error {
	now := w.Now()
	if s.Wanted != "" && s.Until.After(now) {
		return nil // that run is to come
	}
	w.Log.WarnContext(ctx, "campaign waits", "account", s.Account, "campaign", s.Campaign, "reason", stop.waits, "kind", bridge.KindOf(stop.err), "err", stop.err)
	var oldest time.Duration
	for _, h := range hints {
		oldest = max(oldest, h.age(now))
	}
	if len(hints) <= mostPutOff && oldest <= longPutOff {
		if err := w.waits(ctx, s, stop.waits, stop.wait, now.Add(-oldest)); err != nil {
			return err
		}
		return &bridge.Error{Op: "syncer.putOff", Kind: bridge.Throttled, After: stop.wait, Err: stop.err}
	}
	if err := w.want(ctx, s, "missed"); err != nil {
		return err
	}
	return w.waits(ctx, s, stop.waits, stop.wait, now.Add(-oldest))
}

func (w Worker) settle(ctx context.Context, s Sync, hints []Hint, live bool) error {
	lane := budget.Sync
	if live {
		lane = budget.Live
	}
	b, err := w.bench(ctx, s, lane)
	if err == nil {
		err = b.leave(ctx, liveShare)
	}
	if err != nil {
		return err
	}
	asked := coalesce(hints)
	if asked.everybody {
		if err := w.want(ctx, s, "told"); err != nil {
			return err
		}
	}
	for round := 0; !asked.empty(); round++ {
		if round == rounds {
			return &stop{after: 2 * time.Second}
		}
		if asked, err = b.round(ctx, asked); err != nil {
			return err
		}
	}
	return nil
}

// question is what hints about a campaign ask, each subscriber once.
type question struct {
	byID      map[bridge.SubscriberID]Hint
	byCode    map[string]Hint
	everybody bool
	hints     int
}

func (q question) empty() bool { return len(q.byID) == 0 && len(q.byCode) == 0 }

func coalesce(hints []Hint) question {
	q := question{byID: map[bridge.SubscriberID]Hint{}, byCode: map[string]Hint{}, hints: len(hints)}
	for _, h := range hints {
		switch {
		case h.Subscriber != "":
			was, known := q.byID[h.Subscriber]
			q.byID[h.Subscriber] = merge(was, known, h)
		case h.Code != "":
			was, known := q.byCode[h.Code]
			q.byCode[h.Code] = merge(was, known, h)
		default:
			q.everybody = true
		}
	}
	return q
}

func merge(was Hint, known bool, h Hint) Hint {
	if !known {
		return h
	}
	later := h
	if was.At > h.At {
		later = was
	}
	later.Deep, later.Force, later.Once = was.deep() || h.deep(), was.Force || h.Force, was.Once && h.Once
	later.Tries = max(was.Tries, h.Tries)
	return later
}

// referral is why a hint came of a registration: its subject is the referrer.
const referral = "referral"

// deep reports whether the newest referral must be asked for: one may have come and another one gone.
func (h Hint) deep() bool { return h.Deep || h.Why == referral }

// item is a subscriber on the way to a record.
type item struct {
	hint    Hint
	sub     bridge.Subscriber
	gone    bool // ReferralHero has nobody of that id
	lastRef time.Time
	link    Link
	values  bridge.Values
	misfits misfits // where values is not what ReferralHero says
	print   string
	change  *bridge.Change
	equal   bool
	news    bool // a run has found out what no hint told
	skipped string
	problem *Problem
	passing bool // the problem passes by itself, so the record is tried again before anybody is told
	moved   bool // the link has to be kept, whatever becomes of the item
}

// round reads, matches and writes once. It returns what has to be done again, since somebody else wrote it meanwhile or the org
// was not as it was thought to be.
func (b *bench) round(ctx context.Context, asked question) (again question, err error) {
	done, err := b.roundOf(ctx, asked)
	if err != nil {
		return asked, err
	}
	return done.again, nil
}

func (b *bench) roundOf(ctx context.Context, asked question) (outcome, error) {
	turn, err := b.w.Rows.Turn(ctx, b.place.account, b.place.connection)
	if err != nil {
		return outcome{}, err
	}
	over := turn.Over
	calls := b.org.Calls()
	items, err := b.read(ctx, asked)
	if err != nil {
		return outcome{}, err
	}
	if err := b.prepare(ctx, items); err != nil {
		return outcome{}, err
	}
	done, err := b.write(ctx, items, over, false)
	if err != nil {
		return outcome{}, err
	}
	done.tally.Hints, done.tally.OrgCalls, done.tally.HeroCalls = asked.hints, b.org.Calls()-calls, b.calls.spent()
	b.count(ctx, done.tally)
	return done, nil
}

// spent returns how many calls were made since it was last asked.
func (c *calls) spent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.made
	c.made = 0
	return n
}

// count notes what was done. It is for people to look at: nothing depends on it.
func (b *bench) count(ctx context.Context, t Tally) {
	if t == (Tally{}) {
		return
	}
	if err := b.w.Rows.Count(ctx, b.sync.Account, b.sync.Campaign, b.w.Now(), t); err != nil {
		b.w.Log.WarnContext(ctx, "not counted", "campaign", b.sync.Campaign, "err", err)
	}
}

// read asks ReferralHero for the subscribers, by the cheaper way: one by one, or by the pages that all of them are on.
func (b *bench) read(ctx context.Context, asked question) ([]*item, error) {
	links, err := b.links(ctx, slices.Collect(maps.Keys(asked.byID)))
	if err != nil {
		return nil, err
	}
	if err := b.leaveOut(ctx, asked.byID, links); err != nil {
		return nil, err
	}
	n := len(asked.byID) + len(asked.byCode)
	if n == 0 {
		return nil, nil
	}
	pages := (b.campaign.Subscribers + perPage - 1) / perPage
	if pages < n && pages > mostInline {
		// A run reads everybody with fewer calls than these hints would take one by one.
		return nil, b.w.want(ctx, b.sync, "many changes")
	}
	b.calls.expect(n)
	r := reading{b: b, links: links, items: map[bridge.SubscriberID]*item{}}
	if pages < n {
		if err := r.pages(ctx, asked); err != nil {
			return nil, err
		}
	}
	if err := r.ones(ctx, asked); err != nil {
		return nil, err
	}
	if err := r.referrers(ctx); err != nil {
		return nil, err
	}
	return r.finish(ctx)
}

// perPage is how many subscribers ReferralHero puts on a page.
const perPage = 50

// leaveOut takes out the hints that there is nothing to do about now: those that were taken care of, and those about
// subscribers of a bulk load, which are put off until it is over.
func (b *bench) leaveOut(ctx context.Context, asked map[bridge.SubscriberID]Hint, links map[bridge.SubscriberID]Link) error {
	var later queued
	for id, h := range asked {
		l, known := links[id]
		if !known {
			continue
		}
		loading, err := b.loading(ctx, l)
		if err != nil {
			return err
		}
		if loading {
			later.add(h, l)
			delete(asked, id)
			continue
		}
		if h.Once && !h.Force && l.Print != "" && !l.Gone && l.Problem.Cause == "" {
			delete(asked, id)
		}
	}
	return b.awaitLoad(ctx, later)
}

// queued are hints about subscribers whom a bulk load is about to write.
type queued struct {
	hints []Hint
	since time.Time // the youngest of the loads
}

func (q *queued) add(h Hint, l Link) {
	q.hints = append(q.hints, h)
	if l.WrittenAt.After(q.since) {
		q.since = l.WrittenAt
	}
}

// awaitLoad has hints come again when their load may be over. The longer it has been under way, the longer they wait, up to the queue's
// longest delay: a load that lasts a day costs each of them a hundred messages and not a message a minute.
func (b *bench) awaitLoad(ctx context.Context, q queued) error {
	age := b.w.Now().Sub(q.since)
	return b.w.Changes(ctx, min(max(time.Minute, age/4), 15*time.Minute), q.hints...)
}

// loading reports whether a bulk load is about to write the record of a link.
func (b *bench) loading(ctx context.Context, l Link) (bool, error) {
	if l.Load == "" {
		return false, nil
	}
	over, known := b.over[l.Load]
	if !known {
		var err error
		if over, err = b.w.Rows.LoadOver(ctx, l.Account, l.Campaign, l.Load); err != nil {
			return false, err
		}
		b.over[l.Load] = over
	}
	return !over, nil
}

// reading collects what ReferralHero says.
type reading struct {
	b     *bench
	links map[bridge.SubscriberID]Link

	mu    sync.Mutex
	items map[bridge.SubscriberID]*item
}

func (r *reading) add(h Hint, s bridge.Subscriber) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if had := r.items[s.ID]; had != nil {
		had.hint = merge(had.hint, true, h)
		return
	}
	r.items[s.ID] = &item{hint: h, sub: s}
}

// pages reads the whole campaign and takes from it whoever is asked for. People who have moved to another page meanwhile
// may be missed: they are read one by one then.
func (r *reading) pages(ctx context.Context, asked question) error {
	n, numbers := len(asked.byID)+len(asked.byCode), []int{1}
	for len(numbers) > 0 {
		read, err := r.b.pages(ctx, numbers)
		if err != nil {
			return err
		}
		for _, page := range read {
			for _, s := range page.Subscribers {
				if h, wanted := asked.byID[s.ID]; wanted {
					r.add(h, s)
				}
				if h, wanted := asked.byCode[s.Code]; wanted {
					r.add(h, s)
				}
			}
		}
		pages := read[len(read)-1].Pages
		if pages > n || len(r.items) >= n {
			return nil // everybody is there, or the campaign has grown since it was counted: one by one is cheaper
		}
		next := numbers[len(numbers)-1] + 1
		numbers = numbers[:0]
		for ; next <= pages && len(numbers) < hands; next++ {
			numbers = append(numbers, next)
		}
	}
	return nil
}

// ones reads one by one whoever was not read yet.
func (r *reading) ones(ctx context.Context, asked question) error {
	found := map[string]bool{}
	for _, it := range r.items {
		found[it.sub.Code] = true
	}
	var missing []Hint
	for id, h := range asked.byID {
		if r.items[id] == nil {
			missing = append(missing, h)
		}
	}
	for code, h := range asked.byCode {
		if !found[code] {
			missing = append(missing, h)
		}
	}
	return together(ctx, hands, missing, r.one)
}

func (r *reading) one(ctx context.Context, h Hint) error {
	var (
		s   bridge.Subscriber
		err error
	)
	if h.Subscriber != "" {
		s, err = r.b.subscriber(ctx, h.Subscriber)
	} else {
		s, err = r.b.byCode(ctx, h.Code)
	}
	if _, is := stopped(err); err != nil && !is && bridge.KindOf(err) == bridge.NotFound {
		if h.Subscriber != "" {
			r.mu.Lock()
			r.items[h.Subscriber] = &item{hint: h, gone: true, sub: bridge.Subscriber{ID: h.Subscriber}}
			r.mu.Unlock()
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.add(h, s)
	return nil
}

// referrers also reads those who referred somebody here, if what is said of them is not what was last read: nobody
// tells of them when a referral's status changes.
func (r *reading) referrers(ctx context.Context) error {
	named := map[bridge.SubscriberID]bridge.Referral{}
	for _, it := range r.items {
		if who := it.sub.Referrer; who.ID != "" && r.items[who.ID] == nil {
			named[who.ID] = who
		}
	}
	links, err := r.b.links(ctx, slices.Collect(maps.Keys(named)))
	if err != nil {
		return err
	}
	var stale []Hint
	for id, who := range named {
		if l, known := links[id]; known && (l.People != who.PeopleReferred || l.Points != who.Points) {
			stale = append(stale, r.b.w.hint(r.b.sync.Account, r.b.sync.Campaign, id, referral))
		}
	}
	r.b.calls.expect(len(stale))
	return together(ctx, hands, stale, r.one)
}

// finish adds links and newest referrals to what was read. Whoever was not asked for by an id may be one whom a bulk load is
// about to write; that one is left for later too.
func (r *reading) finish(ctx context.Context) ([]*item, error) {
	var unknown []bridge.SubscriberID
	for id := range r.items {
		if _, known := r.links[id]; !known {
			unknown = append(unknown, id)
		}
	}
	more, err := r.b.links(ctx, unknown)
	if err != nil {
		return nil, err
	}
	items := make([]*item, 0, len(r.items))
	var later queued
	for id, it := range r.items {
		l, known := r.links[id]
		if !known {
			l, known = more[id]
		}
		if !known {
			l = r.b.link(id)
		}
		loading, err := r.b.loading(ctx, l)
		if err != nil {
			return nil, err
		}
		if loading {
			h := it.hint
			h.Subscriber, h.Code = id, ""
			later.add(h, l)
			continue
		}
		it.link = l
		items = append(items, it)
	}
	if err := r.b.awaitLoad(ctx, later); err != nil {
		return nil, err
	}
	err = together(ctx, hands, items, func(ctx context.Context, it *item) (err error) {
		if !it.gone {
			it.lastRef, err = r.b.lastReferral(ctx, it.sub, it.link, it.hint.deep())
		}
		return err
	})
	return items, err
}
