package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/importer"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newImport(id bridge.ImportID) bridge.Import {
	return bridge.Import{
		ID: id, Account: "a_1",
		Options: bridge.ImportOptions{Campaign: "MF0a1b2c3d4e", Connection: "c_1", Identifier: bridge.ByEmail, URL: "https://example.com", Welcome: true, Filter: "Title = 'CEO'"},
		State:   bridge.Running, Parked: "waits", Until: began.Add(time.Hour), Total: 7, Bound: began, Cursor: "0035g0000000001AAA", Planned: true, Pages: 2,
		Open: []int{1, 2}, Selected: 7, Counts: bridge.Counts{Created: 1, Existed: 2, Invalid: 3, Failed: 4, Skipped: 5}, Pass: 1, Mail: bridge.MailSent,
		StartedBy: "Dana", StartedAt: began, HeroAt: began.Add(time.Second), BeatAt: began.Add(time.Minute), Cause: "cause",
	}
}

func TestImportComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	i := newImport("i_1")
	if err := s.BeginImport(ctx, i, began); err != nil {
		t.Fatal(err)
	}
	i.Version = 1
	got, err := s.Import(ctx, "a_1", "i_1")
	if err != nil || cmp.Diff(got, i) != "" {
		t.Errorf("Import: %v\n%s", err, cmp.Diff(got, i))
	}
	if _, err := s.Import(ctx, "a_2", "i_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("another account's look: %v, want not found", err)
	}
	i.State, i.Parked, i.Until = bridge.Paused, "", time.Time{}
	if err := s.SaveImport(ctx, i, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveImport(ctx, i, time.Time{}); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a write over an older version: %v, want a conflict", err)
	}
}

func TestOneImportRunsInACampaign(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	first, second := newImport("i_1"), newImport("i_2")
	if err := s.BeginImport(ctx, first, began); err != nil {
		t.Fatal(err)
	}
	if err := s.BeginImport(ctx, second, began); bridge.KindOf(err) != bridge.Conflict {
		t.Fatalf("a second import: %v, want a conflict", err)
	}
	if _, err := s.Import(ctx, "a_1", "i_2"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("the refused import is there: %v", err)
	}
	first.Version, first.State = 1, bridge.Done
	if err := s.EndImport(ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := s.BeginImport(ctx, second, began); err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	first.Version++
	if err := s.BeginImport(ctx, first, began); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the first again, beside the second: %v, want a conflict", err)
	}
	if err := s.EndImport(ctx, first); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the first gives the second's campaign free: %v, want a conflict", err)
	}
}

func TestDueImports(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	for n := range 9 {
		i := newImport(bridge.ImportID(fmt.Sprint("i_", n)))
		i.Account = bridge.AccountID(fmt.Sprint("a_", n)) // in several parts of the index
		if err := s.BeginImport(ctx, i, began.Add(time.Duration(n)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	due, err := s.DueImports(ctx, began.Add(4*time.Minute), 10)
	if err != nil || len(due) != 5 {
		t.Fatalf("DueImports = %v, %v, want five", due, err)
	}
	d := due[0]
	if err := s.PostponeImport(ctx, d, began.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.PostponeImport(ctx, d, began.Add(time.Hour)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second sweep: %v, want a conflict", err)
	}
	i, err := s.Import(ctx, due[1].Account, due[1].Import)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndImport(ctx, i); err != nil {
		t.Fatal(err)
	}
	if due, err = s.DueImports(ctx, began.Add(4*time.Minute), 10); err != nil || len(due) != 3 {
		t.Errorf("DueImports = %v, %v, want the other three", due, err)
	}
	if err := s.PostponeImport(ctx, importer.Due{Account: i.Account, Import: i.ID, At: began}, began); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("postpone of one that has ended: %v, want a conflict", err)
	}
}

func TestImportsNewestFirst(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	for n := range 5 {
		i := newImport(bridge.ImportID(fmt.Sprint("i_0", n)))
		i.Options.Campaign = bridge.CampaignID(fmt.Sprint("MF", n%2))
		i.State = bridge.Done
		if err := s.BeginImport(ctx, i, began); err != nil {
			t.Fatal(err)
		}
		i.Version = 1
		if err := s.EndImport(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		campaign bridge.CampaignID
		before   bridge.ImportID
		limit    int
		want     string
	}{
		"the newest of all":          {limit: 2, want: "i_04 i_03"},
		"those before one":           {before: "i_03", limit: 2, want: "i_02 i_01"},
		"of a campaign":              {campaign: "MF0", limit: 9, want: "i_04 i_02 i_00"},
		"of a campaign before one":   {campaign: "MF1", before: "i_03", limit: 9, want: "i_01"},
		"before the first":           {before: "i_00", limit: 9, want: ""},
		"before one that is unknown": {before: "i_02x", limit: 1, want: "i_02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := s.Imports(ctx, "a_1", tc.campaign, tc.before, tc.limit)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, i := range found {
				ids = append(ids, string(i.ID))
			}
			if got := strings.Join(ids, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
