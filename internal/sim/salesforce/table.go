package salesforce

import (
	"hash/maphash"
	"slices"
	"sort"
	"strings"
)

// table holds an object's records in the order of their ids. A record keeps its position for life:
// new ids come after all others, and a deleted record stays, marked.
type table struct {
	*object
	rows    []row
	live    int // rows that are not deleted
	deleted *field
	indexes map[*field]*index
	journal *journal // nil: nobody takes anything back
}

func newTable(b *object) *table {
	t := &table{object: b, deleted: b.field("IsDeleted"), indexes: map[*field]*index{}}
	for _, f := range b.fields {
		if f.indexed {
			t.index(f)
		}
	}
	return t
}

// load replaces all rows, which may come in any order. Of two rows with one id the later stays.
func (t *table) load(rows []row) {
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(string(a[1:16]), string(b[1:16])) })
	kept := rows[:0]
	for _, r := range rows {
		if n := len(kept); n > 0 && kept[n-1].id() == r.id() {
			kept[n-1] = r
			continue
		}
		kept = append(kept, r)
	}
	*t = table{object: t.object, deleted: t.deleted, indexes: newTable(t.object).indexes, journal: t.journal, rows: kept}
	for at, r := range kept {
		t.count(r, 1)
		t.enter(at, r)
	}
}

// append adds a record whose id is greater than all there are.
func (t *table) append(r row) {
	t.rows = append(t.rows, r)
	t.count(r, 1)
	t.enter(len(t.rows)-1, r)
	t.journal.note(t.pop)
}

// pop takes the newest record out again.
func (t *table) pop() {
	at := len(t.rows) - 1
	t.count(t.rows[at], -1)
	for f, x := range t.indexes {
		x.remove(fold(f.value(t.rows[at])), at)
	}
	t.rows = t.rows[:at]
}

// index begins to find records by a field.
func (t *table) index(f *field) {
	x := &index{seed: maphash.MakeSeed(), first: map[uint64]int32{}}
	for at, r := range t.rows {
		x.add(fold(f.value(r)), at)
	}
	t.indexes[f] = x
}

// replace puts a new version of the record at a position.
func (t *table) replace(at int, r row) {
	before := t.rows[at]
	t.journal.note(func() { t.replace(at, before) })
	t.count(before, -1)
	t.count(r, 1)
	for f, x := range t.indexes {
		if f.value(before) != f.value(r) {
			x.remove(fold(f.value(before)), at)
			x.add(fold(f.value(r)), at)
		}
	}
	t.rows[at] = r
}

func (t *table) isDeleted(r row) bool { return t.deleted != nil && t.deleted.value(r) == "true" }

func (t *table) count(r row, by int) {
	if !t.isDeleted(r) {
		t.live += by
	}
}

func (t *table) enter(at int, r row) {
	for f, x := range t.indexes {
		x.add(fold(f.value(r)), at)
	}
}

// from is the position of the first record whose 15 characters are not below short.
func (t *table) from(short string) int {
	return sort.Search(len(t.rows), func(at int) bool { return string(t.rows[at][1:16]) >= short })
}

// find returns the position of a record, or -1.
func (t *table) find(i id) int {
	if i == "" {
		return -1
	}
	at := t.from(i.short())
	if at == len(t.rows) || t.rows[at].id().short() != i.short() {
		return -1
	}
	return at
}

// nextID is the id of the record that is created next.
func (t *table) nextID() id {
	if len(t.rows) == 0 {
		return makeID(t.prefix, 1)
	}
	return t.rows[len(t.rows)-1].id().next()
}

// index finds the positions of rows by the folded value of a field: chains of positions under a hash.
// A chain may hold strangers with the same hash, so whoever reads it looks at the rows. Nulls are left out.
type index struct {
	seed  maphash.Seed
	first map[uint64]int32
	after []int32 // the next position of the chain plus one; 0 ends it
}

func (x *index) add(value string, at int) {
	if value == "" {
		return
	}
	for len(x.after) <= at {
		x.after = append(x.after, 0)
	}
	h := maphash.String(x.seed, value)
	if was, ok := x.first[h]; ok {
		x.after[at] = was + 1
	}
	x.first[h] = int32(at)
}

func (x *index) remove(value string, at int) {
	if value == "" {
		return
	}
	h := maphash.String(x.seed, value)
	rest := x.after[at]
	x.after[at] = 0
	if was, ok := x.first[h]; ok && int(was) == at {
		if rest == 0 {
			delete(x.first, h)
		} else {
			x.first[h] = rest - 1
		}
		return
	}
	for link, ok := x.first[h]; ok; link = x.after[link] - 1 {
		if x.after[link] == int32(at)+1 {
			x.after[link] = rest
			return
		}
		ok = x.after[link] != 0
	}
}

// positions returns candidates for a folded value, in no order.
func (x *index) positions(value string) []int32 {
	var found []int32
	link, ok := x.first[maphash.String(x.seed, value)]
	for ok {
		found = append(found, link)
		next := x.after[link]
		link, ok = next-1, next != 0
	}
	return found
}
