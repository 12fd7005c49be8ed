package dynamodb

import (
	"cmp"
	"iter"
	"slices"
)

// shelf keeps items sorted by their order. Its zero value is empty. It is cut into boards of limited length, so that an
// item is put among a million others by moving a few hundred.
type shelf struct {
	boards [][]entry
}

type entry struct {
	order string
	item  document
}

const longestBoard = 512

// find returns where the entry of an order is, or should be.
func (s *shelf) find(order string) (board, at int, found bool) {
	board, _ = slices.BinarySearchFunc(s.boards, order, func(b []entry, order string) int {
		return cmp.Compare(b[len(b)-1].order, order)
	})
	if board == len(s.boards) {
		return board, 0, false
	}
	at, found = slices.BinarySearchFunc(s.boards[board], order, func(e entry, order string) int {
		return cmp.Compare(e.order, order)
	})
	return board, at, found
}

func (s *shelf) get(order string) document {
	if board, at, found := s.find(order); found {
		return s.boards[board][at].item
	}
	return nil
}

func (s *shelf) put(order string, item document) {
	board, at, found := s.find(order)
	switch {
	case found:
		s.boards[board][at].item = item
		return
	case len(s.boards) == 0:
		s.boards = [][]entry{{{order, item}}}
		return
	case board == len(s.boards): // behind all others
		board--
		at = len(s.boards[board])
	}
	full := slices.Insert(s.boards[board], at, entry{order, item})
	s.boards[board] = full
	if len(full) > longestBoard {
		half := len(full) / 2
		s.boards[board] = slices.Clone(full[:half])
		s.boards = slices.Insert(s.boards, board+1, slices.Clone(full[half:]))
	}
}

func (s *shelf) remove(order string) {
	board, at, found := s.find(order)
	if !found {
		return
	}
	s.boards[board] = slices.Delete(s.boards[board], at, at+1)
	if len(s.boards[board]) == 0 {
		s.boards = slices.Delete(s.boards, board, board+1)
	}
}

// between yields the entries from low up to, but without, high, in order or backward. An empty high is beyond all.
func (s *shelf) between(low, high string, forward bool) iter.Seq[entry] {
	if forward {
		return func(yield func(entry) bool) {
			board, at, _ := s.find(low)
			for ; board < len(s.boards); board, at = board+1, 0 {
				for _, e := range s.boards[board][at:] {
					if high != "" && e.order >= high || !yield(e) {
						return
					}
				}
			}
		}
	}
	return func(yield func(entry) bool) {
		board, at := len(s.boards), 0
		if high != "" {
			board, at, _ = s.find(high)
		}
		for {
			if at == 0 {
				if board--; board < 0 {
					return
				}
				at = len(s.boards[board])
			}
			at--
			if e := s.boards[board][at]; e.order < low || !yield(e) {
				return
			}
		}
	}
}
