package salesforce_test

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// failures reads what a job could not write: codes and words by key.
func (s *stand) failures(job string) map[string]string {
	s.t.Helper()
	got := map[string]string{}
	err := s.LoadFailures(s.t.Context(), job, func(f bridge.LoadFailure) {
		message, field := bridge.MessageOf(f.Err)
		got[f.Key] = strings.Join([]string{string(bridge.KindOf(f.Err)), bridge.CodeOf(f.Err), message, field}, "|")
		if strings.Contains(f.Err.Error(), message) {
			s.t.Errorf("the error's text quotes Salesforce: %v", f.Err)
		}
	})
	if err != nil {
		s.t.Errorf("LoadFailures: %v", err)
	}
	return got
}

func TestLoadOfUpdates(t *testing.T) {
	t.Parallel()
	s := newStand(t, simulated.Options{Contacts: numbered(5000)})
	rows := func(yield func(bridge.Change) bool) {
		for i := range 5000 {
			c := bridge.Change{Target: bridge.ToContact, ID: id(t, fmt.Sprintf("0035g00000%05d", i)), Fields: bridge.EveryField, Values: filled(i)}
			switch i {
			case 1: // takes a value away, and leaves another one as it is
				c.Values[bridge.Source] = ""
				c.Fields = c.Fields.Without(bridge.Points)
			case 2:
				c.Values[bridge.Referrer] = "two\nlines, \"quoted\"\r\n"
			case 3:
				c.ID = id(t, "0035g00000ZZZZZ")
			case 4:
				c.Values[bridge.Code] = strings.Repeat("x", 65)
			}
			if !yield(c) {
				t.Error("no more rows are asked for")
				return
			}
		}
	}
	var job string
	var err error
	if calls := s.calls(func() {
		job, err = s.BeginLoad(t.Context(), s.layouts, bridge.ToContact, bridge.EveryField, false, rows)
	}); err != nil || calls != 3 {
		t.Fatalf("BeginLoad: %v, %d calls, want 3", err, calls)
	}
	load, err := s.LoadState(t.Context(), job)
	if diff := cmp.Diff(bridge.Load{Ended: true, Processed: 5000, Failures: 2}, load); err != nil || diff != "" {
		t.Errorf("LoadState: %v\n%s", err, diff)
	}
	want := map[string]string{
		string(id(t, "0035g00000ZZZZZ")): "not_found|INVALID_CROSS_REFERENCE_KEY|invalid cross reference id|",
		string(id(t, "0035g0000000004")): "invalid|STRING_TOO_LONG|CODE: data value too large: " + strings.Repeat("x", 65) + " (max length=64)|RH_CODE__c",
	}
	if diff := cmp.Diff(want, s.failures(job)); diff != "" {
		t.Error(diff)
	}
	got := s.records(bridge.ToContact, "sub_000000000000", "sub_000000000001", "sub_000000000002")
	one, two := filled(1), filled(2)
	one[bridge.Source], one[bridge.Points], two[bridge.Referrer] = "", "", "two\nlines, \"quoted\""
	for key, want := range map[string]bridge.Values{"sub_000000000000": filled(0), "sub_000000000001": one, "sub_000000000002": two} {
		if diff := cmp.Diff(want, got[key].Values); diff != "" {
			t.Errorf("%s:\n%s", key, diff)
		}
	}
}

func TestLoadOfNewRecords(t *testing.T) {
	t.Parallel()
	for _, target := range []bridge.Target{bridge.ToContact, bridge.ToLead} {
		s := newStand(t, simulated.Options{Contacts: numbered(3)})
		changes := newContacts(30)
		for i := range changes {
			changes[i].Target = target
			if changes[i].Person.Company = "Acme, Inc."; target == bridge.ToLead {
				continue
			}
			changes[i].Person.Company = ""
		}
		changes[5].Person.LastName = ""
		job, err := s.BeginLoad(t.Context(), s.layouts, target, bridge.EveryField, true, slices.Values(changes))
		if err != nil {
			t.Fatal(err)
		}
		if load, err := s.LoadState(t.Context(), job); err != nil || load != (bridge.Load{Ended: true, Processed: 30, Failures: 1}) {
			t.Errorf("%s: %v, %v", target, load, err)
		}
		if got := s.failures(job); !strings.HasPrefix(got["sub_000000000005"], "invalid|REQUIRED_FIELD_MISSING|") || len(got) != 1 {
			t.Errorf("%s: failures %v", target, got)
		}
		if diff := cmp.Diff(filled(7), s.records(target, "sub_000000000007")["sub_000000000007"].Values); diff != "" {
			t.Errorf("%s:\n%s", target, diff)
		}
		names := s.rows("SELECT LastName FROM " + string(target) + " WHERE FirstName = 'Ann'")
		// Once more: they are the same records.
		if _, err := s.BeginLoad(t.Context(), s.layouts, target, bridge.EveryField, true, slices.Values(changes)); err != nil {
			t.Fatal(err)
		}
		if again := s.rows("SELECT LastName FROM " + string(target) + " WHERE FirstName = 'Ann'"); len(names) != 29 || len(again) != 29 {
			t.Errorf("%s: %d records, then %d, want 29", target, len(names), len(again))
		}
	}
}

func TestLoadTakesItsTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	s := newStand(t, simulated.Options{Generated: -1, Now: func() time.Time { return now }})
	s.control("switches", `{"bulkDelay":"1m"}`)
	begin := func() string {
		job, err := s.BeginLoad(t.Context(), s.layouts, bridge.ToContact, bridge.EveryField, true, slices.Values(newContacts(3)))
		if err != nil {
			t.Fatal(err)
		}
		return job
	}
	job, other := begin(), begin()
	underWay := func(since time.Time) int {
		n, err := s.LoadsUnderWay(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if before, later := underWay(now.Add(-time.Minute)), underWay(now.Add(time.Minute)); before != 2 || later != 0 {
		t.Errorf("%d and %d loads are under way, want 2 and none", before, later)
	}
	for _, after := range []time.Duration{0, 45 * time.Second} {
		now = now.Add(after)
		if load, err := s.LoadState(t.Context(), job); err != nil || load != (bridge.Load{}) {
			t.Errorf("after %v: %v, %v", after, load, err)
		}
	}
	if err := s.AbortLoad(t.Context(), other); err != nil {
		t.Error(err)
	}
	if load, err := s.LoadState(t.Context(), other); err != nil || load != (bridge.Load{Ended: true, Failed: true}) {
		t.Errorf("aborted: %v, %v", load, err)
	}
	now = now.Add(time.Minute)
	if load, err := s.LoadState(t.Context(), job); err != nil || load != (bridge.Load{Ended: true, Processed: 3}) {
		t.Errorf("in the end: %v, %v", load, err)
	}
	if got := s.failures(job); len(got) != 0 {
		t.Errorf("failures: %v", got)
	}
	if n := underWay(time.Time{}); n != 0 {
		t.Errorf("%d loads are under way, want none", n)
	}
	if err := s.AbortLoad(t.Context(), job); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("aborting what is over: %v, want a conflict", err)
	}
	now = now.Add(8 * 24 * time.Hour)
	if _, err := s.LoadState(t.Context(), job); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a week later: %v, want not_found", err)
	}
}

func TestLoadThatCannotBegin(t *testing.T) {
	t.Parallel()
	bad := newContacts(3)
	bad[2].Values[bridge.SubscriberKey] = ""
	for name, tc := range map[string]struct {
		rule    simulated.Rule
		rows    iter.Seq[bridge.Change]
		kind    bridge.Kind
		aborted bool // the job that was made; otherwise there is none
	}{
		"no job":                        {simulated.Rule{Path: "/jobs/ingest", Fault: simulated.Fault{Status: 503}}, slices.Values(newContacts(3)), bridge.Unavailable, false},
		"the upload is refused":         {simulated.Rule{Path: "/batches", Fault: simulated.Fault{Status: 503}}, slices.Values(newContacts(3)), bridge.Unavailable, true},
		"a long upload is refused":      {simulated.Rule{Path: "/batches", Fault: simulated.Fault{Status: 503}}, repeated(100_000), bridge.Unavailable, true},
		"the upload has no answer":      {simulated.Rule{Path: "/batches", Fault: simulated.Fault{Drop: true}}, slices.Values(newContacts(3)), bridge.Unavailable, true},
		"the token dies in between":     {simulated.Rule{Path: "/batches", Fault: simulated.Fault{Status: 401, Code: "INVALID_SESSION_ID"}}, slices.Values(newContacts(3)), bridge.Unavailable, true},
		"it is not said to be complete": {simulated.Rule{Skip: 2, Times: 1, Fault: simulated.Fault{Status: 500, Code: "UNKNOWN_EXCEPTION"}}, slices.Values(newContacts(3)), bridge.Unavailable, true},
		"nobody knows whether it is":    {simulated.Rule{Skip: 2, Times: 2, Fault: simulated.Fault{Drop: true}}, slices.Values(newContacts(3)), bridge.UnknownOutcome, false},
		"a row that is none":            {simulated.Rule{Path: "never"}, slices.Values(bad), bridge.Internal, true},
		"the first row is none":         {simulated.Rule{Path: "never"}, slices.Values(bad[2:]), bridge.Internal, false},
		"no rows":                       {simulated.Rule{Path: "never"}, slices.Values(bad[:0]), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, simulated.Options{Generated: -1})
			tc.rule.Kind = simulated.KindOther
			s.org.SetRules(tc.rule)
			job, err := s.BeginLoad(t.Context(), s.layouts, bridge.ToContact, bridge.EveryField, true, tc.rows)
			if bridge.KindOf(err) != tc.kind || job != "" {
				t.Errorf("%q, %v, want %s", job, err, tc.kind)
			}
			s.org.SetRules()
			list := s.do(http.MethodGet, "/jobs/ingest", "")
			if got := strings.Count(list, `"state":"Aborted"`); got != boolInt(tc.aborted) || strings.Contains(list, `"state":"Open"`) {
				t.Errorf("%d aborted jobs, want %t: %s", got, tc.aborted, list)
			}
			if n := len(s.rows("SELECT Id FROM Contact")); n != 0 && tc.kind != bridge.UnknownOutcome {
				t.Errorf("%d contacts were made", n)
			}
		})
	}
	s := newStand(t, simulated.Options{Generated: -1})
	if _, err := s.BeginLoad(t.Context(), s.layouts, bridge.ToPersonAccount, bridge.EveryField, true, slices.Values(bad)); bridge.KindOf(err) != bridge.Internal {
		t.Errorf("new person accounts: %v, want internal", err)
	}
}

// repeated gives the same row n times.
func repeated(n int) iter.Seq[bridge.Change] {
	change := newContacts(1)[0]
	return func(yield func(bridge.Change) bool) {
		for range n {
			if !yield(change) {
				return
			}
		}
	}
}
