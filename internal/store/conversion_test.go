package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

func newWatch() bridge.Watch {
	return bridge.Watch{
		Account: "a_1", Connection: "c_1", Closed: began, Page: "p", PollAt: began.Add(time.Minute), CheckAt: began.Add(time.Hour), CheckPage: "q",
		Window:  bridge.Window{Account: "a_1", Connection: "c_1", From: began, To: began.Add(time.Minute), Changes: 3, Deals: 2, Found: 1, Missed: 1, Blind: true},
		Check:   bridge.Window{Account: "a_1", Connection: "c_1", Check: true, From: began},
		Columns: bridge.DealColumns{Currency: true, RecordType: true, Persons: true, NoAmount: true, Key: "RH_SUB_ID__c"}, LookedAt: began,
		Missing: 1, SilentSince: began, Tries: 2, Problem: "Salesforce does not answer",
	}
}

func TestAWatchComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	w := newWatch()
	if err := s.SaveWatch(ctx, w); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveWatch(ctx, w); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a write over another: %v, want a conflict", err)
	}
	w.Version = 1
	if got, err := s.Watch(ctx, "a_1", "c_1"); err != nil || cmp.Diff(got, w) != "" {
		t.Errorf("Watch: %v\n%s", err, cmp.Diff(got, w))
	}
	closed := w.Window
	closed.ClosedAt = time.Now().UTC().Truncate(time.Millisecond)
	w.Window = bridge.Window{}
	if err := s.CloseWindow(ctx, w, closed); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWindow(ctx, w, closed); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("closed twice: %v, want a conflict", err)
	}
	if got, err := s.Windows(ctx, "a_1", "c_1", 9); err != nil || cmp.Diff(got, []bridge.Window{closed}) != "" {
		t.Errorf("Windows: %v\n%s", err, cmp.Diff(got, []bridge.Window{closed}))
	}
	if got, err := s.Watch(ctx, "a_1", "c_1"); err != nil || got.Window != (bridge.Window{}) {
		t.Errorf("the window is still open: %+v, %v", got.Window, err)
	}
}

func TestAMatchComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	m := bridge.Match{Account: "a_1", Campaign: "MF1", Contact: "0035g0000000001AAA", Subscriber: "sub_1", Print: "p", LookedAt: began}
	if err := s.SaveMatch(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveMatch(ctx, m); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a write over another: %v, want a conflict", err)
	}
	m.Version = 1
	if got, err := s.Match(ctx, "a_1", "MF1", m.Contact); err != nil || got != m {
		t.Errorf("Match = %+v, %v, want %+v", got, err, m)
	}
}

func TestParkedDeals(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	p := bridge.Parked{Account: "a_1", Connection: "c_1", ID: "x", Deals: []bridge.SalesforceID{dealID(1), dealID(2)}, Reason: "down", Tries: 3, At: began, Due: began.Add(time.Hour)}
	if err := s.SaveParked(ctx, p); err != nil {
		t.Fatal(err)
	}
	p.Version = 1
	if got, err := s.Parked(ctx, "a_1", "c_1", "x"); err != nil || cmp.Diff(got, p) != "" {
		t.Errorf("Parked: %v\n%s", err, cmp.Diff(got, p))
	}
	if all, more, err := s.AllParked(ctx, "a_1", "c_1", 1); err != nil || len(all) != 1 || more {
		t.Errorf("AllParked = %v, %t, %v", all, more, err)
	}
	later := p
	if err := s.SaveParked(ctx, later); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteParked(ctx, p); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("deals that were parked again are forgotten: %v, want a conflict", err)
	}
	p.Version = 2
	if err := s.DeleteParked(ctx, p); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Parked(ctx, "a_1", "c_1", "x"); err != nil || got.Version != 0 {
		t.Errorf("after that: %+v, %v", got, err)
	}
}

// TestDueConversions says that each kind of work is found by its own job, and that moving it on for the sweep leaves what
// was decided.
func TestDueConversions(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	due := began.Add(time.Hour)
	entry, effect, watch, set := newEntry(1, "r_1"), newEffect("sub_1"), newWatch(), newRuleSet()
	effect.Due, watch.PollAt, set.CatchUp.Due = due, due, due
	parked := bridge.Parked{Account: "a_1", Connection: "c_1", ID: "x", Deals: []bridge.SalesforceID{dealID(1)}, Due: due}
	for _, err := range []error{
		s.CommitConversions(ctx, conversion.Commit{Entries: []bridge.Entry{entry}, Effects: []bridge.Effect{effect}}), s.SaveWatch(ctx, watch),
		s.SaveRuleSet(ctx, set), s.SaveParked(ctx, parked),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if found, err := s.DueConversions(ctx, due.Add(-time.Millisecond), 9); err != nil || len(found) != 0 {
		t.Errorf("before: %+v, %v", found, err)
	}
	found, err := s.DueConversions(ctx, due, 9)
	if err != nil || len(found) != 5 {
		t.Fatalf("due: %+v, %v, want five", found, err)
	}
	var jobs []string
	for _, d := range found {
		jobs = append(jobs, fmt.Sprintf("%+v", d.Job))
		if err := s.PostponeConversion(ctx, d, due.Add(time.Minute)); err != nil {
			t.Errorf("%s: %v", d.Place, err)
		}
		if err := s.PostponeConversion(ctx, d, due.Add(time.Minute)); bridge.KindOf(err) != bridge.Conflict {
			t.Errorf("%s, by a second sweep: %v, want a conflict", d.Place, err)
		}
	}
	slices.Sort(jobs)
	var want []string
	for _, j := range []conversion.Job{
		{Account: "a_1", Step: conversion.StepLook, Campaign: entry.Campaign, Opportunities: []string{dealID(1).Key()}},
		{Account: "a_1", Step: conversion.StepEffect, Campaign: effect.Campaign, Kind: effect.Kind, Subject: "sub_1", Currency: "EUR"},
		{Account: "a_1", Step: conversion.StepWatch, Connection: "c_1"},
		{Account: "a_1", Step: conversion.StepRules, Campaign: set.Campaign},
		{Account: "a_1", Connection: "c_1", Parked: "x"},
	} {
		want = append(want, fmt.Sprintf("%+v", j))
	}
	slices.Sort(want)
	if d := cmp.Diff(jobs, want); d != "" {
		t.Errorf("jobs (-got +want):\n%s", d)
	}
	if got, err := s.ConversionEffect(ctx, effect.EffectID); err != nil || !got.Due.Equal(due) {
		t.Errorf("the sweep has changed when the effect is due: %s, %v, want %s", got.Due, err, due)
	}
}

func TestErasingAnAccountErasesItsConversions(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	for _, err := range []error{
		s.CommitConversions(ctx, conversion.Commit{Entries: []bridge.Entry{newEntry(1, "r_1")}, Effects: []bridge.Effect{newEffect("sub_1")}}),
		s.SaveWatch(ctx, newWatch()), s.SaveRuleSet(ctx, newRuleSet()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteAccount(ctx, "a_1"); err != nil {
		t.Fatal(err)
	}
	entries, _, err := s.Entries(ctx, "a_1", "MF0a1b2c3d4e", "", 9)
	effect, wrong := s.ConversionEffect(ctx, newEffect("sub_1").EffectID)
	if err != nil || wrong != nil || len(entries) != 0 || effect.Version != 0 {
		t.Errorf("left: %v, %+v; %v, %v", entries, effect, err, wrong)
	}
	if due, err := s.DueConversions(ctx, began.Add(99*time.Hour), 9); err != nil || len(due) != 0 {
		t.Errorf("due: %+v, %v", due, err)
	}
}
