package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
)

func TestReport(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	at := time.UnixMilli(1_793_613_600_123).UTC()
	if _, err := s.Report(ctx, "a_1", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("no report: %v", err)
	}
	want := doctor.Report{At: at, Edition: "Enterprise Edition", Used: 7, Most: 100, Findings: []doctor.Finding{
		{Check: doctor.FieldsHidden, Details: []string{"Phone"}}, {Check: doctor.DuplicateRule},
	}}
	if err := s.SaveReport(ctx, "a_1", "c_1", want, at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Report(ctx, "a_1", "c_1")
	if diff := cmp.Diff(got, want); err != nil || diff != "" {
		t.Errorf("%v, differs (-got +want):\n%s", err, diff)
	}
	if err := s.SaveReport(ctx, "a_1", "c_1", doctor.Report{At: at.Add(-time.Second)}, at); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("an older report: %v, want a conflict", err)
	}
	if _, err := s.Report(ctx, "a_2", "c_1"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("report of another account: %v", err)
	}
}

func TestDueReports(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	now := time.UnixMilli(1_793_613_600_000).UTC()
	for id, due := range map[bridge.ConnectionID]time.Time{"c_1": now.Add(-time.Second), "c_2": now, "c_3": now.Add(time.Minute)} {
		if err := s.SaveReport(ctx, "a_1", id, doctor.Report{At: now}, due); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.BeginImport(ctx, bridge.Import{ID: "i_1", Account: "a_1", State: bridge.Running}, now); err != nil {
		t.Fatal(err)
	}
	found, err := s.DueReports(ctx, now, 10)
	want := []doctor.Due{{Account: "a_1", Connection: "c_1", At: now.Add(-time.Second)}, {Account: "a_1", Connection: "c_2", At: now}}
	if diff := cmp.Diff(found, want); err != nil || diff != "" {
		t.Fatalf("%v, due differs (-got +want):\n%s", err, diff)
	}
	if imports, err := s.DueImports(ctx, now, 1); err != nil || len(imports) != 1 {
		t.Errorf("the imports due beside them are %v, %v", imports, err)
	}
	if err := s.PostponeReport(ctx, want[0], now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.PostponeReport(ctx, want[0], now.Add(time.Hour)); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("postponed twice: %v, want a conflict", err)
	}
	for range 2 {
		if err := s.DeleteReport(ctx, "a_1", "c_2"); err != nil {
			t.Error(err)
		}
	}
	if found, err := s.DueReports(ctx, now, 10); err != nil || len(found) != 0 {
		t.Errorf("still due: %v, %v", found, err)
	}
}
