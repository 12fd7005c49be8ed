package salesforce

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestIndexFollowsChanges appends and changes records at random, with few values so that chains grow, and
// compares what the index finds with what is there.
func TestIndexFollowsChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(newObject("Thing", "Thing", "Things", "a00",
			&field{name: "Id", kind: kindID}, &field{name: "Email", kind: kindEmail, indexed: true}))
		email := table.field("Email")
		value := func() string {
			if n := rapid.IntRange(0, 4).Draw(t, "value"); n > 0 {
				return "e" + strconv.Itoa(n)
			}
			return ""
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if n := len(table.rows); n > 0 && rapid.Bool().Draw(t, "change") {
				at := rapid.IntRange(0, n-1).Draw(t, "at")
				table.replace(at, packRow([]string{string(table.rows[at].id()), value()}))
			} else {
				table.append(packRow([]string{string(table.nextID()), value()}))
			}
		}
		for n := 1; n <= 4; n++ {
			v := "e" + strconv.Itoa(n)
			found := map[int32]bool{}
			for _, at := range table.indexes[email].positions(v) {
				if found[at] {
					t.Fatalf("%s: position %d twice", v, at)
				}
				found[at] = true
			}
			for at, r := range table.rows {
				if (email.value(r) == v) != found[int32(at)] {
					t.Fatalf("%s at position %d: found = %t", v, at, found[int32(at)])
				}
			}
		}
	})
}

func TestRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringN(0, 300, -1), 1, 20).Draw(t, "values")
		r := packRow(want)
		for i, v := range want {
			if got := r.at(i); got != v {
				t.Fatalf("value %d = %q, want %q", i, got, v)
			}
		}
		if got := r.at(len(want)); got != "" {
			t.Fatalf("a value that is not there = %q", got)
		}
		if got := r.values(len(want) + 1); len(got) != len(want)+1 || packRow(got[:len(want)]) != r {
			t.Fatalf("values = %q, want %q and one more", got, want)
		}
	})
}
