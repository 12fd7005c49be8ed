package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

// decimals are compared by what they are worth.
var worth = cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func dealID(n int) bridge.SalesforceID {
	id, err := bridge.ParseSalesforceID(fmt.Sprintf("0065g00000%05d", n))
	if err != nil {
		panic(err)
	}
	return id
}

func newEntry(deal int, rule bridge.RuleID) bridge.Entry {
	return bridge.Entry{
		Account: "a_1", Campaign: "MF0a1b2c3d4e", Rule: rule, Deal: dealID(deal), Trigger: bridge.TotalSpend, Rules: 4, Modified: began, Facts: "f",
		Reason: "lost", Stage: "Closed Won", Amount: bridge.Money{Amount: amount("1234567890123456.78"), Currency: "EUR"},
		Shares: []bridge.Share{{Contact: "0035g0000000001AAA", Subscriber: "sub_1"}}, Count: bridge.Money{Amount: amount("0.10"), Currency: "EUR"},
		Looks: 2, Due: began.Add(time.Hour), Prompt: bridge.ByPoll, CreatedAt: began, ChangedAt: began.Add(time.Minute),
	}
}

func newEffect(subject string) bridge.Effect {
	return bridge.Effect{
		EffectID: bridge.EffectID{Account: "a_1", Campaign: "MF0a1b2c3d4e", Kind: bridge.EffectSpend, Subject: subject, Currency: "EUR"},
		Deals:    []bridge.Claim{{Rule: "r_1", Deal: dealID(1), Due: began, Amount: amount("12.5"), Prompt: bridge.ByMessage}}, Others: 3,
		Total: amount("99999999999999.99"), Asked: 7, State: bridge.EffectCalling, Reason: "x", Fence: 2, Until: began, Tries: 1, Due: began.Add(time.Minute),
		Request: &bridge.Payment{ID: "sf:1:r_1", Rule: "r_1", Deal: dealID(1), Amount: amount("12.5"), Lifetime: amount("100"), Counted: amount("12.5"), Asked: 6},
		Told:    amount("87.5"), ToldAt: began, Answered: 5, Ours: true, CalledAt: began, AskedAt: began.Add(-time.Second), Held: true,
	}
}

func TestTheLedgerComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	entry, effect := newEntry(1, "r_1"), newEffect("sub_1")
	paid := bridge.Paid{Account: "a_1", Campaign: "MF0a1b2c3d4e", Deal: dealID(1), Amount: amount("12.5"), Payments: 1, Subject: "sub_1"}
	review := bridge.Review{
		Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: "reversed.x", Kind: bridge.ReviewReversed, Effect: effect.EffectID, Rule: "r_1", Deal: dealID(1),
		Reason: "lost", Amount: bridge.Money{Amount: amount("3")}, OpenedAt: began,
	}
	action := bridge.Action{
		Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: "x_1", At: time.Now().UTC().Truncate(time.Millisecond), Effect: effect.EffectID, Rule: "r_1", Deal: dealID(1),
		Prompt: bridge.ByMessage, Sent: "confirm", Answer: "confirmed", State: bridge.EffectDone, Who: "Dana",
	}
	all := conversion.Commit{
		Entries: []bridge.Entry{entry}, Effects: []bridge.Effect{effect}, Paid: []bridge.Paid{paid}, Reviews: []bridge.Review{review}, Actions: []bridge.Action{action},
	}
	if err := s.CommitConversions(ctx, all); err != nil {
		t.Fatal(err)
	}
	entry.Version, effect.Version, paid.Version, review.Version = 1, 1, 1, 1
	entries, err := s.DealEntries(ctx, "a_1", "MF0a1b2c3d4e", dealID(1))
	if err != nil || cmp.Diff(entries, []bridge.Entry{entry}, worth) != "" {
		t.Errorf("DealEntries: %v\n%s", err, cmp.Diff(entries, []bridge.Entry{entry}, worth))
	}
	if got, err := s.ConversionEffect(ctx, effect.EffectID); err != nil || cmp.Diff(got, effect, worth) != "" {
		t.Errorf("ConversionEffect: %v\n%s", err, cmp.Diff(got, effect, worth))
	}
	if got, err := s.Paid(ctx, "a_1", "MF0a1b2c3d4e", dealID(1)); err != nil || cmp.Diff(got, paid, worth) != "" {
		t.Errorf("Paid: %v\n%s", err, cmp.Diff(got, paid, worth))
	}
	if got, err := s.Review(ctx, "a_1", "MF0a1b2c3d4e", "reversed.x"); err != nil || cmp.Diff(got, review, worth) != "" {
		t.Errorf("Review: %v\n%s", err, cmp.Diff(got, review, worth))
	}
	if got, err := s.Actions(ctx, "a_1", "MF0a1b2c3d4e", "", 5); err != nil || cmp.Diff(got, []bridge.Action{action}) != "" {
		t.Errorf("Actions: %v\n%s", err, cmp.Diff(got, []bridge.Action{action}))
	}
	if open, more, err := s.OpenReviews(ctx, "a_1", "MF0a1b2c3d4e", 5); err != nil || more || len(open) != 1 {
		t.Errorf("OpenReviews = %v, %t, %v, want one", open, more, err)
	}
	review.ClosedAt, review.ClosedBy, review.Decision = began, "Dana", "unqualified"
	entry.Version = 1
	if err := s.CommitConversions(ctx, conversion.Commit{Reviews: []bridge.Review{review}, Gone: []bridge.Entry{entry}}); err != nil {
		t.Fatal(err)
	}
	if open, _, err := s.OpenReviews(ctx, "a_1", "MF0a1b2c3d4e", 5); err != nil || len(open) != 0 {
		t.Errorf("after it was closed: %v, %v", open, err)
	}
	if entries, err := s.DealEntries(ctx, "a_1", "MF0a1b2c3d4e", dealID(1)); err != nil || len(entries) != 0 {
		t.Errorf("after the entry is gone: %v, %v", entries, err)
	}
}

func TestNothingIsThereBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	id := newEffect("sub_1").EffectID
	if got, err := s.ConversionEffect(ctx, id); err != nil || got.Version != 0 || got.EffectID != id {
		t.Errorf("an effect: %+v, %v", got, err)
	}
	if got, err := s.Paid(ctx, "a_1", "MF1", dealID(1)); err != nil || got.Version != 0 || !got.Amount.IsZero() {
		t.Errorf("what was told: %+v, %v", got, err)
	}
	if got, err := s.Review(ctx, "a_1", "MF1", "x"); err != nil || got.Version != 0 {
		t.Errorf("a review: %+v, %v", got, err)
	}
	if got, err := s.Match(ctx, "a_1", "MF1", "0035g0000000001AAA"); err != nil || got.Version != 0 {
		t.Errorf("a match: %+v, %v", got, err)
	}
	if got, err := s.Watch(ctx, "a_1", "c_1"); err != nil || got.Version != 0 {
		t.Errorf("a watch: %+v, %v", got, err)
	}
	if got, err := s.Parked(ctx, "a_1", "c_1", "x"); err != nil || got.Version != 0 {
		t.Errorf("parked deals: %+v, %v", got, err)
	}
	if got, err := s.RuleSet(ctx, "a_1", "MF1"); err != nil || got.Version != 0 || got.Campaign != "MF1" {
		t.Errorf("rules: %+v, %v", got, err)
	}
}

// TestACommitIsAllOrNothing says that nothing is written if any part has changed since it was read.
func TestACommitIsAllOrNothing(t *testing.T) {
	t.Parallel()
	entry, effect := newEntry(1, "r_1"), newEffect("sub_1")
	paid := bridge.Paid{Account: "a_1", Campaign: "MF0a1b2c3d4e", Deal: dealID(1)}
	review := bridge.Review{Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: "x"}
	action := bridge.Action{Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: "x_1", At: began}
	for name, stale := range map[string]conversion.Commit{
		"an entry":               {Entries: []bridge.Entry{entry}},
		"an entry that is gone":  {Gone: []bridge.Entry{entry}},
		"an effect":              {Effects: []bridge.Effect{effect}},
		"what was told":          {Paid: []bridge.Paid{paid}},
		"a review":               {Reviews: []bridge.Review{review}},
		"a line of the activity": {Actions: []bridge.Action{action}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := newStore(t), t.Context()
			first := stale
			if first.Gone != nil {
				first = conversion.Commit{Entries: first.Gone}
			}
			if err := s.CommitConversions(ctx, first); err != nil {
				t.Fatal(err)
			}
			stale.Effects = append([]bridge.Effect{newEffect("sub_9")}, stale.Effects...)
			if err := s.CommitConversions(ctx, stale); bridge.KindOf(err) != bridge.Conflict {
				t.Errorf("a write over an older version: %v, want a conflict", err)
			}
			if got, err := s.ConversionEffect(ctx, newEffect("sub_9").EffectID); err != nil || got.Version != 0 {
				t.Errorf("the other part was written: %+v, %v", got, err)
			}
		})
	}
}

func TestEntriesAreListedDealByDeal(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	for n := range 7 {
		for _, rule := range []bridge.RuleID{"r_1", "r_2"} {
			if err := s.CommitConversions(ctx, conversion.Commit{Entries: []bridge.Entry{newEntry(n, rule)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := newEntry(1, "r_1")
	other.Campaign = "MF0a1b2c3d4f"
	if err := s.CommitConversions(ctx, conversion.Commit{Entries: []bridge.Entry{other}}); err != nil {
		t.Fatal(err)
	}
	var found []string
	for after, pages := "", 0; ; pages++ {
		entries, next, err := s.Entries(ctx, "a_1", "MF0a1b2c3d4e", after, 4)
		if err != nil || pages > 4 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, e := range entries {
			found = append(found, string(e.Deal.Key()[13:])+string(e.Rule))
		}
		if after = next; after == "" {
			break
		}
	}
	if got, want := strings.Join(found, " "), "00r_1 00r_2 01r_1 01r_2 02r_1 02r_2 03r_1 03r_2 04r_1 04r_2 05r_1 05r_2 06r_1 06r_2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestActionsNewestFirst(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	now := time.Now()
	for n := range 5 {
		a := bridge.Action{Account: "a_1", Campaign: "MF0a1b2c3d4e", ID: fmt.Sprint("x_", n), At: now}
		if n == 4 {
			a.At = now.Add(-2 * yearAndABit) // long gone
		}
		if err := s.CommitConversions(ctx, conversion.Commit{Actions: []bridge.Action{a}}); err != nil {
			t.Fatal(err)
		}
	}
	for before, want := range map[string]string{"": "x_3 x_2", "x_2": "x_1 x_0", "x_0": ""} {
		found, err := s.Actions(ctx, "a_1", "MF0a1b2c3d4e", before, 2)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, a := range found {
			ids = append(ids, a.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("before %q: got %q, want %q", before, got, want)
		}
	}
}
