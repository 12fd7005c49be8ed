package referralhero

import (
	"cmp"
	"slices"
)

// ranking knows everybody's position: most confirmed referrals first, then first come. Nearly everybody has
// no referral, so those who have are kept in order and the others are only counted.
type ranking struct {
	leaders []*member // with referrals
	others  sums      // 1 at the number of each member without
}

func (r *ranking) add(m *member) {
	if m.PeopleReferred > 0 {
		at, _ := slices.BinarySearchFunc(r.leaders, m, byRank)
		r.leaders = slices.Insert(r.leaders, at, m)
		return
	}
	r.others.add(m.number, 1)
}

// remove takes m out. It must be called before m's count of referrals changes.
func (r *ranking) remove(m *member) {
	if m.PeopleReferred > 0 {
		if at, found := slices.BinarySearchFunc(r.leaders, m, byRank); found {
			r.leaders = slices.Delete(r.leaders, at, at+1)
		}
		return
	}
	r.others.add(m.number, -1)
}

// position returns the place of a member, from 1.
func (r *ranking) position(m *member) int {
	if m.PeopleReferred > 0 {
		at, _ := slices.BinarySearchFunc(r.leaders, m, byRank)
		return at + 1
	}
	return len(r.leaders) + r.others.upTo(m.number)
}

func byRank(a, b *member) int {
	return cmp.Or(cmp.Compare(b.PeopleReferred, a.PeopleReferred), cmp.Compare(a.number, b.number))
}

// sums is a Fenwick tree: numbers at indexes from 0, with running totals in logarithmic time.
type sums []int

func (s *sums) add(index, n int) {
	for i := len(*s) + 1; i <= index+1; i++ { // a new node covers the i&-i indexes up to its own
		total := 0
		for j := i - 1; j > i-i&-i; j -= j & -j {
			total += (*s)[j-1]
		}
		*s = append(*s, total)
	}
	for i := index + 1; i <= len(*s); i += i & -i {
		(*s)[i-1] += n
	}
}

// upTo returns the total of the indexes 0 to index.
func (s sums) upTo(index int) int {
	total := 0
	for i := min(index+1, len(s)); i > 0; i -= i & -i {
		total += s[i-1]
	}
	return total
}
