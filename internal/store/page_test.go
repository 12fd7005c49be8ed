package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func contactIDs(t *testing.T, n int) []bridge.SalesforceID {
	t.Helper()
	ids := make([]bridge.SalesforceID, n)
	for i := range ids {
		id, err := bridge.ParseSalesforceID(fmt.Sprintf("003Ab00000%05d", i))
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	return ids
}

// withPages begins an import of two pages and returns them as they were written.
func withPages(t *testing.T, s *Store) (bridge.Import, []bridge.Page) {
	t.Helper()
	i := newImport("i_1")
	if err := s.BeginImport(t.Context(), i, began); err != nil {
		t.Fatal(err)
	}
	i.Version++
	ids := contactIDs(t, 4)
	pages := []bridge.Page{
		{Account: "a_1", Import: "i_1", Number: 1, Bounds: ids[:2], Sizes: []int{50, 50}},
		{Account: "a_1", Import: "i_1", Number: 2, After: ids[1], Bounds: ids[2:], Sizes: []int{50, 7}},
	}
	if err := s.AddPages(t.Context(), i, pages, began); err != nil {
		t.Fatal(err)
	}
	if err := s.AddPages(t.Context(), i, pages, began); bridge.KindOf(err) != bridge.Conflict {
		t.Fatalf("the same pages again: %v, want a conflict", err)
	}
	i.Version++
	return i, pages
}

func TestAClaimKeepsOthersAway(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	_, pages := withPages(t, s)
	p := pages[0]
	p.Fence, p.Pass, p.TakenAt, p.Until, p.Tries, p.Seen = 1, 1, began, began.Add(time.Minute), 1, 3
	if err := s.ClaimPage(ctx, p); err != nil {
		t.Fatal(err)
	}
	if err := s.ClaimPage(ctx, p); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a claim by somebody who read the page before: %v, want a conflict", err)
	}
	sheet, err := s.Page(ctx, "a_1", "i_1", 1)
	if err != nil || cmp.Diff(sheet.Page, p) != "" {
		t.Errorf("Page: %v\n%s", err, cmp.Diff(sheet.Page, p))
	}
	lost := p
	lost.Fence = 0
	if err := s.ReleasePage(ctx, lost); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a release of a lost claim: %v, want a conflict", err)
	}
	p.Tries = 0
	if err := s.ReleasePage(ctx, p); err != nil {
		t.Fatal(err)
	}
	if sheet, err = s.Page(ctx, "a_1", "i_1", 1); err != nil || !sheet.Page.Until.IsZero() || sheet.Page.Tries != 0 {
		t.Errorf("after the release: %+v, %v", sheet.Page, err)
	}
	if _, err := s.Page(ctx, "a_1", "i_1", 3); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a page that is not there: %v, want not found", err)
	}
}

func TestReceiptsAreReplacedOnlyByBetterOnes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first, second bridge.Receipt
		want          bridge.Kind
	}{
		"a partial one by a complete one":           {bridge.Receipt{Pass: 1, Codes: "c."}, bridge.Receipt{Pass: 1, Codes: "cc"}, ""},
		"a partial one by another":                  {bridge.Receipt{Pass: 1, Codes: "c."}, bridge.Receipt{Pass: 1, Codes: ".c"}, ""},
		"a complete one of an earlier pass":         {bridge.Receipt{Pass: 1, Codes: "cf"}, bridge.Receipt{Pass: 2, Codes: "c,"}, ""},
		"a complete one by a late one":              {bridge.Receipt{Pass: 1, Codes: "cf"}, bridge.Receipt{Pass: 1, Codes: "cc"}, bridge.Conflict},
		"a complete one by a late partial one":      {bridge.Receipt{Pass: 1, Codes: "cf"}, bridge.Receipt{Pass: 1, Codes: "c."}, bridge.Conflict},
		"one of this pass by one of an earlier one": {bridge.Receipt{Pass: 2, Codes: "c."}, bridge.Receipt{Pass: 1, Codes: "cc"}, bridge.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := newStore(t), t.Context()
			for n, r := range []bridge.Receipt{tc.first, tc.second} {
				r.Account, r.Import, r.Page, r.Contacts = "a_1", "i_1", 1, contactIDs(t, 2)
				err := s.SaveReceipt(ctx, r, !strings.ContainsAny(r.Codes, ".,"))
				if want := []bridge.Kind{"", tc.want}[n]; bridge.KindOf(err) != want {
					t.Errorf("receipt %d: %v, want %q", n+1, err, want)
				}
			}
		})
	}
}

func TestPagesComeWithTheirReceipts(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	_, pages := withPages(t, s)
	for _, at := range [][2]int{{2, 0}, {1, 1}, {1, 0}} {
		r := bridge.Receipt{Account: "a_1", Import: "i_1", Page: at[0], Chunk: at[1], Pass: 1, Contacts: contactIDs(t, 50), Codes: strings.Repeat("c", 50)}
		if err := s.SaveReceipt(ctx, r, true); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for sheet, err := range s.Pages(ctx, "a_1", "i_1") {
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sheet.Page, pages[len(got)]); d != "" {
			t.Errorf("page:\n%s", d)
		}
		line := fmt.Sprint(sheet.Page.Number, ":")
		for _, r := range sheet.Receipts {
			line += fmt.Sprint(" ", r.Chunk)
			if d := cmp.Diff(r.Contacts, contactIDs(t, 50)); d != "" || len(r.Codes) != 50 {
				t.Errorf("receipt:\n%s", d)
			}
		}
		got = append(got, line)
	}
	if d := cmp.Diff(got, []string{"1: 0 1", "2: 0"}); d != "" {
		t.Errorf("pages (-got +want):\n%s", d)
	}
	for range s.Pages(ctx, "a_1", "i_1") {
		break // stopping early is fine
	}
	for sheet := range s.Pages(ctx, "a_2", "i_1") {
		t.Errorf("another account sees %+v", sheet)
	}
}
