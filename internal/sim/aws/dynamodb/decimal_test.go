package dynamodb

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawNumber(t *rapid.T, name string) string {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,11})?([eE][+-]?[1-9])?`).Draw(t, name)
}

func rational(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("no number: %s", s)
	}
	return r
}

// TestDecimals compares decimals with rational numbers.
func TestDecimals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawNumber(t, "a"), drawNumber(t, "b")
		x, err := parseDecimal(a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseDecimal(b)
		if err != nil {
			t.Fatal(err)
		}
		p, q := rational(t, a), rational(t, b)
		if rational(t, x.String()).Cmp(p) != 0 {
			t.Errorf("%s = %s", a, x)
		}
		if got, want := strings.Compare(x.order(), y.order()), p.Cmp(q); got != want {
			t.Errorf("order of %s and %s = %d, want %d", x, y, got, want)
		}
		if got, want := x == y, p.Cmp(q) == 0; got != want {
			t.Errorf("%s == %s is %t, want %t", x, y, got, want)
		}
		sum, err := x.plus(y)
		if want := new(big.Rat).Add(p, q); err == nil && rational(t, sum.String()).Cmp(want) != 0 {
			t.Errorf("%s + %s = %s, want %s", a, b, sum, want)
		}
		difference, err := x.minus(y)
		if want := new(big.Rat).Sub(p, q); err == nil && rational(t, difference.String()).Cmp(want) != 0 {
			t.Errorf("%s - %s = %s, want %s", a, b, difference, want)
		}
	})
}

func TestDecimalString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "+1": "1", "007": "7", "1.50": "1.5", ".5": "0.5", "5.": "5", "1E3": "1000", "1e-3": "0.001", "-12.5e1": "-125",
		"1e125": "1" + strings.Repeat("0", 125), "1E-130": "0." + strings.Repeat("0", 129) + "1", "0e999": "0",
	} {
		d, err := parseDecimal(in)
		if got := d.String(); err != nil || got != want {
			t.Errorf("%s = %s (%v), want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-", ".", "e1", "1e", "1e1.5", "0x1", "1_000", " 1", "1 ", "NaN", "Infinity", "١", "1e99999999999", "1e126", "9e-131", strings.Repeat("1", 39)} {
		if d, err := parseDecimal(in); err == nil {
			t.Errorf("%q = %s, want an error", in, d)
		}
	}
}

// TestShelf compares a shelf with a sorted slice.
func TestShelf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s shelf
		kept := map[string]bool{}
		order := rapid.StringMatching(`[a-e]{1,5}`)
		for range rapid.IntRange(0, 4*longestBoard).Draw(t, "size") {
			o := order.Draw(t, "order")
			s.put(o, document{"o": text(o)})
			kept[o] = true
		}
		for _, o := range rapid.SliceOfN(order, 0, 200).Draw(t, "removed") {
			s.remove(o)
			delete(kept, o)
		}
		low, high := rapid.StringMatching(`[a-e]{0,3}`).Draw(t, "low"), rapid.StringMatching(`[a-e]{0,3}`).Draw(t, "high")
		var want []string
		for o := range kept {
			if o >= low && (high == "" || o < high) {
				want = append(want, o)
			}
		}
		slices.Sort(want)
		collect := func(forward bool) (got []string) {
			for e := range s.between(low, high, forward) {
				if e.item["o"] != text(e.order) {
					t.Fatalf("at %s is %v", e.order, e.item)
				}
				got = append(got, e.order)
			}
			return got
		}
		if got := collect(true); !slices.Equal(got, want) {
			t.Errorf("forward from %q to %q = %v, want %v", low, high, got, want)
		}
		slices.Reverse(want)
		if got := collect(false); !slices.Equal(got, want) {
			t.Errorf("backward from %q to %q = %v, want %v", low, high, got, want)
		}
	})
}

// TestComponent checks that orders of keys sort as the values that they are made of do, one after the other.
func TestComponent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xff}), 0, 4).Draw(t, "bytes"))
		})
		a, b := rapid.SliceOfN(part, 2, 2).Draw(t, "a"), rapid.SliceOfN(part, 2, 2).Draw(t, "b")
		order := func(parts []string) string { return component(binary(parts[0])) + component(binary(parts[1])) }
		if got, want := strings.Compare(order(a), order(b)), slices.Compare(a, b); got != want {
			t.Errorf("order of %q and %q = %d, want %d", a, b, got, want)
		}
		start := prefix(binary(a[0]))
		end := following(start)
		inside := order(b) >= start && (end == "" || order(b) < end)
		if want := strings.HasPrefix(b[0], a[0]); inside != want {
			t.Errorf("%q between %q and %q is %t, want %t", b, start, end, inside, want)
		}
	})
}
