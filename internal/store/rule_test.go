package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func newRuleSet() bridge.RuleSet {
	return bridge.RuleSet{
		Account: "a_1", Campaign: "MF0a1b2c3d4e", Connection: "c_1", Currency: "EUR",
		Rules: []bridge.Rule{{
			ID: "r_1", Name: "Deal won", Stage: "Closed Won", Trigger: bridge.ToConfirmed, On: true, From: began, RecordType: "0125g0000000001AAA",
			Minimum: bridge.Money{Amount: amount("99.50"), Currency: "EUR"}, WonOnly: true, Who: bridge.Everybody, Hold: 30, Referrer: "Referrer__c",
		}, {ID: "r_2", Name: "Spend", Stage: "Closed Won", Trigger: bridge.TotalSpend, From: began}},
		CatchUp: bridge.CatchUp{Due: began.Add(time.Hour), Rounds: 2, Phase: 1, Cursor: "x", Step: 3},
	}
}

func TestRulesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	set := newRuleSet()
	before, after := set.Rules[1], set.Rules[0]
	edit := bridge.RuleEdit{Account: "a_1", Campaign: set.Campaign, ID: "e_1", At: began, Who: "Dana", What: "changed", Before: &before, After: &after}
	added := bridge.RuleEdit{Account: "a_1", Campaign: set.Campaign, ID: "e_2", At: began, Who: "Dana", What: "added", After: &after}
	if err := s.SaveRuleSet(ctx, set, edit, added); err != nil {
		t.Fatal(err)
	}
	set.Version, set.CatchUp.Step = 1, 4
	if got, err := s.RuleSet(ctx, "a_1", set.Campaign); err != nil || cmp.Diff(got, set, worth) != "" {
		t.Errorf("RuleSet: %v\n%s", err, cmp.Diff(got, set, worth))
	}
	if got, err := s.RuleSets(ctx, "a_1"); err != nil || len(got) != 1 {
		t.Errorf("RuleSets = %v, %v, want one", got, err)
	}
	if got, err := s.RuleSets(ctx, "a_2"); err != nil || len(got) != 0 {
		t.Errorf("another account's look: %v, %v", got, err)
	}
	edits, err := s.RuleEdits(ctx, "a_1", set.Campaign, "", 9)
	if err != nil || cmp.Diff(edits, []bridge.RuleEdit{added, edit}, worth) != "" {
		t.Errorf("RuleEdits: %v\n%s", err, cmp.Diff(edits, []bridge.RuleEdit{added, edit}, worth))
	}
	if edits, err := s.RuleEdits(ctx, "a_1", set.Campaign, "e_2", 9); err != nil || len(edits) != 1 {
		t.Errorf("those before the newest: %v, %v", edits, err)
	}
	stale := set
	stale.Version = 0
	if err := s.SaveRuleSet(ctx, stale); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a write over an older version: %v, want a conflict", err)
	}
}

// TestCatchingUpIsNoChangeOfTheRules says that steps of catching up leave the rules' version, and give way to a change.
func TestCatchingUpIsNoChangeOfTheRules(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	if err := s.SaveRuleSet(ctx, newRuleSet()); err != nil {
		t.Fatal(err)
	}
	set, err := s.RuleSet(ctx, "a_1", "MF0a1b2c3d4e")
	if err != nil {
		t.Fatal(err)
	}
	if due, err := s.DueConversions(ctx, began.Add(2*time.Hour), 9); err != nil || len(due) != 1 || due[0].Job.Campaign != set.Campaign {
		t.Fatalf("due: %+v, %v, want the rules", due, err)
	}
	step := set
	step.CatchUp.Cursor, step.CatchUp.Due = "y", began.Add(3*time.Hour)
	if err := s.SaveCatchUp(ctx, step); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveCatchUp(ctx, step); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("the same step again: %v, want a conflict", err)
	}
	got, err := s.RuleSet(ctx, "a_1", "MF0a1b2c3d4e")
	if err != nil || got.Version != 1 || got.CatchUp.Cursor != "y" || !got.CatchUp.Due.Equal(step.CatchUp.Due) || len(got.Rules) != 2 {
		t.Errorf("after a step: %+v, %v", got, err)
	}
	changed := got
	if err := s.SaveRuleSet(ctx, changed); err != nil {
		t.Fatal(err)
	}
	got.CatchUp.Due = time.Time{}
	if err := s.SaveCatchUp(ctx, got); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a step by older rules: %v, want a conflict", err)
	}
	last, err := s.RuleSet(ctx, "a_1", "MF0a1b2c3d4e")
	if err != nil {
		t.Fatal(err)
	}
	last.CatchUp = bridge.CatchUp{Step: last.CatchUp.Step}
	if err := s.SaveCatchUp(ctx, last); err != nil {
		t.Fatal(err)
	}
	if due, err := s.DueConversions(ctx, began.Add(99*time.Hour), 9); err != nil || len(due) != 0 {
		t.Errorf("after all of it: %+v are due, %v", due, err)
	}
}
