package importer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// mostTries is how often a page may be claimed without anything coming of it. Then whatever is in it kills its
// workers, and the rest of it is given up so that the import can end.
const mostTries = 20

// page works on one page: claim, read, add, receipts, finish.
func (w Worker) page(ctx context.Context, i bridge.Import, job Job) error {
	if !slices.Contains(i.Open, job.Page) {
		return w.follow(ctx, i) // finished already; whoever did it may not have come to the next step
	}
	sheet, err := w.Imports.Page(ctx, i.Account, i.ID, job.Page)
	if err != nil {
		return err
	}
	if now := w.Now(); held(sheet.Page, i.Pass, now) {
		return putOff("importer.page", sheet.Page.Until.Sub(now)) // or its worker has died: look when the claim is over
	}
	if sheet, err = w.claim(ctx, i, sheet); err != nil {
		return err
	}
	err = w.work(ctx, i, sheet)
	if err == nil {
		err = w.finish(ctx, sheet.Page)
	}
	var s *stop
	if errors.As(err, &s) {
		if lost := w.release(ctx, sheet.Page); lost != nil {
			return lost
		}
	}
	return err // after any other error the claim runs out by itself, and counts as a try
}

// claim takes the page for as long as this worker can live. Its fence was read with the page: if it is still the
// same, nobody else has claimed the page since.
func (w Worker) claim(ctx context.Context, i bridge.Import, sheet Sheet) (Sheet, error) {
	p := &sheet.Page
	progress := sheet.progress(i.Pass)
	if progress != p.Seen {
		p.Tries = 0
	}
	p.Seen = progress
	p.Tries++
	p.Fence++
	p.Pass = i.Pass
	p.TakenAt = w.Now()
	p.Until = p.TakenAt.Add(w.life(ctx))
	if err := w.Imports.ClaimPage(ctx, *p); err != nil {
		return sheet, stale(err)
	}
	return sheet, nil
}

// release gives the page up on purpose, which is no failed try.
func (w Worker) release(ctx context.Context, p bridge.Page) error {
	p.Tries--
	err := w.Imports.ReleasePage(ctx, p)
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}

// work brings every chunk of the page to a receipt.
func (w Worker) work(ctx context.Context, i bridge.Import, sheet Sheet) error {
	todo := sheet.todo(i.Pass)
	if len(todo) == 0 {
		return nil
	}
	if sheet.Page.Tries > mostTries {
		return w.bury(ctx, i, sheet, todo)
	}
	a, err := w.Accounts.Account(ctx, i.Account)
	if err != nil {
		return err
	}
	org, err := w.org(ctx, i)
	if err != nil {
		return err
	}
	// A call to ReferralHero first: while there is none, reading the org would be in vain, and pages try again every few seconds.
	lease, err := w.Budget.Lease(ctx, a.ID, budget.ReferralHero, a.Allowance, budget.Bulk, 1)
	if err != nil {
		return ofBudget(err)
	}
	chunks, err := read(ctx, org, i, sheet, todo)
	if err != nil {
		return err
	}
	if spent(org) {
		return &stop{park: orgNearlySpent, wait: longWait}
	}
	s := newShift(ctx, w, i, a, lease, chunks)
	err = s.run(ctx)
	if w.Added != nil && len(s.added) > 0 {
		if told := w.Added(ctx, i, s.added); told != nil { // not our work: whoever hears of it makes up for it when the import ends
			w.Log.WarnContext(ctx, "not told of added contacts", "account", i.Account, "import", i.ID, "contacts", len(s.added), "err", told)
		}
	}
	return err
}

// chunk is what a worker knows of a chunk on its way to the receipt.
type chunk struct {
	bridge.Receipt // its contacts and codes are those below
	contacts       []bridge.Contact
	codes          []byte   // of each contact
	values         []string // of each contact
	size           int      // contacts when it was planned
	open           int      // contacts without an outcome
	answers        int      // outcomes that came since it was read
	taken          bool     // work on it has begun
	written        bool     // its receipt is on its way
}

// read reads the contacts of the chunks to do and judges them.
func read(ctx context.Context, org reader, i bridge.Import, sheet Sheet, todo []int) ([]*chunk, error) {
	first, last := todo[0], todo[len(todo)-1]
	contacts, err := org.Contacts(ctx, selection(i), i.Options.Identifier, sheet.lower(first), sheet.Page.Bounds[last])
	if err != nil {
		return nil, ofOrg(err)
	}
	verdicts := judge(contacts, i.Options, nil)
	if asked := values(verdicts); len(asked) > 0 && sheet.lower(first) != "" {
		earlier, err := earliest(ctx, org, i, asked, contacts[0].ID)
		if err != nil {
			return nil, ofOrg(err)
		}
		verdicts = judge(contacts, i.Options, earlier)
	}
	chunks := map[int]*chunk{}
	for _, number := range todo {
		chunks[number] = &chunk{Receipt: sheet.receipt(number), size: sheet.Page.Sizes[number]}
	}
	for n, c := range contacts {
		if k := chunks[sheet.chunkOf(c.ID)]; k != nil {
			k.add(c, verdicts[n])
		}
	}
	ordered := make([]*chunk, len(todo))
	for n, number := range todo {
		ordered[n] = chunks[number]
		ordered[n].merge(i.Pass)
	}
	return ordered, nil
}

// earliest finds the owners below the first contact. An org that hides the opt-out from us lets us leave out
// nobody, so everybody can own a value.
func earliest(ctx context.Context, org reader, i bridge.Import, values []string, before bridge.SalesforceID) (map[string]bridge.SalesforceID, error) {
	s := selection(i)
	earlier, err := org.EarliestContacts(ctx, owners(s, i.Options), i.Options.Identifier, values, before)
	if i.Options.Welcome && bridge.KindOf(err) == bridge.Invalid {
		return org.EarliestContacts(ctx, s, i.Options.Identifier, values, before)
	}
	return earlier, err
}

func (k *chunk) add(c bridge.Contact, v verdict) {
	k.contacts = append(k.contacts, c)
	k.codes = append(k.codes, v.code)
	k.values = append(k.values, v.value)
}

// merge lets what an earlier receipt says stand, but for contacts that were not asked yet or, in a later pass,
// have failed. A contact that has vanished since keeps its outcome.
func (k *chunk) merge(pass int) {
	before := k.Receipt
	k.Pass, k.Contacts, k.Codes = pass, nil, ""
	for n, id := range before.Contacts {
		code := before.Codes[n]
		at, found := slices.BinarySearchFunc(k.contacts, id, func(c bridge.Contact, id bridge.SalesforceID) int { return compare(c.ID, id) })
		retry := before.Pass < pass && meanings[code].outcome == bridge.Failed || code == again
		switch {
		case retry && found && k.codes[at] == pending:
			k.codes[at] = again
		case code == pending || retry && found:
		case found:
			k.codes[at] = code
		default:
			k.contacts = slices.Insert(k.contacts, at, bridge.Contact{ID: id})
			k.codes = slices.Insert(k.codes, at, gone(code, retry))
			k.values = slices.Insert(k.values, at, "")
		}
	}
	for _, c := range k.codes {
		if undecided(c) {
			k.open++
		}
	}
}

// gone is the code of a contact that has vanished since its receipt was written.
func gone(code byte, retry bool) byte {
	if retry {
		return vanished
	}
	return code
}

// receipt is what the chunk has come to. Contacts that were planned and are nowhere to be seen are at its end, with
// a code and without an id.
func (k *chunk) receipt() bridge.Receipt {
	r := k.Receipt
	for _, c := range k.contacts {
		r.Contacts = append(r.Contacts, c.ID)
	}
	codes := k.codes
	for n := len(codes); n < k.size; n++ {
		codes = append(codes[:len(codes):len(codes)], vanished)
	}
	r.Codes = string(codes)
	return r
}

// bury gives up what has no outcome yet.
func (w Worker) bury(ctx context.Context, i bridge.Import, sheet Sheet, todo []int) error {
	w.Log.ErrorContext(ctx, "page given up: it ends its workers", "account", i.Account, "import", i.ID, "page", sheet.Page.Number)
	for _, number := range todo {
		r := sheet.receipt(number)
		codes := []byte(r.Codes)
		for n, c := range codes {
			if undecided(c) {
				codes[n] = poisoned
			}
		}
		for len(codes) < sheet.Page.Sizes[number] {
			codes = append(codes, poisoned)
		}
		r.Codes, r.Pass = string(codes), i.Pass
		if err := w.Imports.SaveReceipt(ctx, r, true); err != nil && bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return nil
}

// finish adds the page to the counts of its import, and takes the next step. One write does it, and only if the page is
// open still. Receipts that are complete do not change within a pass, so it does not matter which worker it
// is that finishes the page.
func (w Worker) finish(ctx context.Context, p bridge.Page) error {
	for range attempts {
		i, err := w.Imports.Import(ctx, p.Account, p.Import) // other pages were finished meanwhile
		if err != nil {
			return err
		}
		if !slices.Contains(i.Open, p.Number) {
			return w.follow(ctx, i)
		}
		sheet, err := w.Imports.Page(ctx, p.Account, p.Import, p.Number)
		if err != nil {
			return err
		}
		if len(sheet.todo(i.Pass)) > 0 {
			break // a worker that outlived its claim has interfered
		}
		closed := sheet.close(i, w.Now())
		err = w.Imports.SaveImport(ctx, closed, w.dueOf(ctx, closed))
		if err == nil {
			closed.Version++
			return w.follow(ctx, closed)
		}
		if bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return &stop{after: time.Second}
}

// follow takes the step that comes after a page: finish the import, plan more, or let the next page in.
func (w Worker) follow(ctx context.Context, i bridge.Import) error {
	open := len(i.Open)
	switch {
	case i.State != bridge.Running:
		return nil
	case i.Planned && open == 0:
		return w.finalize(ctx, i)
	case !i.Planned && (open == low || open == 0):
		return w.Jobs.Send(ctx, 0, pump(i, false))
	case open >= window:
		return w.Jobs.Send(ctx, 0, pageJob(i, i.Open[window-1]))
	default:
		return nil
	}
}
