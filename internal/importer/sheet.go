package importer

import (
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// The sizes of the work. A chunk is what one lease of calls is good for, and what a crash can cost; a page is
// what one worker takes at a time; a step is what Salesforce answers a query with.
const (
	chunkSize = 50
	pageSize  = 500
	stepSize  = 2000
	// window is how many pages are open at a time: more would only wait.
	window = 8
	// low is how many open pages call for planning the next ones, so that planning goes on beside the work.
	low = window - stepSize/pageSize
)

// Sheet is a page with its receipts: all that is known of its contacts.
type Sheet struct {
	Page     bridge.Page
	Receipts []bridge.Receipt
}

// receipt returns the receipt of a chunk; one without contacts if there is none.
func (s Sheet) receipt(chunk int) bridge.Receipt {
	for _, r := range s.Receipts {
		if r.Chunk == chunk {
			return r
		}
	}
	return bridge.Receipt{Account: s.Page.Account, Import: s.Page.Import, Page: s.Page.Number, Chunk: chunk}
}

// todo returns the chunks that are not settled in the pass.
func (s Sheet) todo(pass int) []int {
	var chunks []int
	for chunk := range s.Page.Bounds {
		if r := s.receipt(chunk); r.Pass == 0 || !settled(r, pass) {
			chunks = append(chunks, chunk)
		}
	}
	return chunks
}

// counts adds up the receipts.
func (s Sheet) counts() bridge.Counts {
	var c bridge.Counts
	for _, r := range s.Receipts {
		c = c.Plus(count(r.Codes))
	}
	return c
}

// progress is a number that changes whenever a receipt does.
func (s Sheet) progress(pass int) int {
	n := 0
	for _, r := range s.Receipts {
		n += len(r.Codes) - strings.Count(r.Codes, string(pending)) - strings.Count(r.Codes, string(again))
		if r.Pass >= pass {
			n++
		}
	}
	return n
}

// lower is the contact after which a chunk begins.
func (s Sheet) lower(chunk int) bridge.SalesforceID {
	if chunk == 0 {
		return s.Page.After
	}
	return s.Page.Bounds[chunk-1]
}

// chunkOf returns the chunk that a contact of the page belongs to.
func (s Sheet) chunkOf(id bridge.SalesforceID) int {
	chunk, _ := slices.BinarySearchFunc(s.Page.Bounds, id, compare)
	return min(chunk, len(s.Page.Bounds)-1)
}

// compare orders ids as Salesforce does.
func compare(a, b bridge.SalesforceID) int { return strings.Compare(a.Key(), b.Key()) }

// layOut divides contacts that follow the import's cursor into pages and returns them with the import that has
// them open. Fewer than a step of ids are the last.
func layOut(i bridge.Import, ids []bridge.SalesforceID, now time.Time) (bridge.Import, []bridge.Page) {
	var pages []bridge.Page
	i.Open = slices.Clone(i.Open)
	i.Planned = len(ids) < stepSize
	for run := range slices.Chunk(ids, pageSize) {
		i.Pages++
		p := bridge.Page{Account: i.Account, Import: i.ID, Number: i.Pages, After: i.Cursor}
		for chunk := range slices.Chunk(run, chunkSize) {
			p.Bounds = append(p.Bounds, chunk[len(chunk)-1])
			p.Sizes = append(p.Sizes, len(chunk))
		}
		i.Cursor = run[len(run)-1]
		i.Selected += len(run)
		i.Open = append(i.Open, p.Number)
		pages = append(pages, p)
	}
	i.BeatAt = now
	return i, pages
}

// planned is how many contacts were in a page when it was planned.
func planned(p bridge.Page) int {
	n := 0
	for _, size := range p.Sizes {
		n += size
	}
	return n
}

// held reports whether a worker may be at the page. A claim of an earlier pass is void: that pass was finished.
func held(p bridge.Page, pass int, now time.Time) bool { return p.Pass == pass && p.Until.After(now) }

// close returns the import with the page finished: its receipts are added to the counts. Receipts may hold more contacts
// than were planned, if some came back from the recycle bin; these count as selected too.
func (s Sheet) close(i bridge.Import, now time.Time) bridge.Import {
	counts := s.counts()
	i.Counts = i.Counts.Plus(counts)
	i.Selected += counts.Sum() - planned(s.Page)
	i.Open = slices.DeleteFunc(slices.Clone(i.Open), func(n int) bool { return n == s.Page.Number })
	i.BeatAt = now
	return i
}

// reopen is the reverse of close.
func (s Sheet) reopen(i bridge.Import) bridge.Import {
	counts := s.counts()
	i.Counts = i.Counts.Minus(counts)
	i.Selected -= counts.Sum() - planned(s.Page)
	i.Open = append(i.Open, s.Page.Number)
	return i
}
