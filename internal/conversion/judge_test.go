package conversion

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

var (
	from = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	stages = []bridge.Stage{
		{Name: "Prospecting", Order: 1, Active: true}, {Name: "Negotiation", Order: 2, Active: true},
		{Name: "Closed Won", Order: 3, Closed: true, Won: true, Active: true}, {Name: "Invoiced", Order: 4, Closed: true, Won: true, Active: true},
		{Name: "Closed Lost", Order: 5, Closed: true, Active: true},
	}
)

func money(amount int64, currency string) bridge.Money {
	return bridge.Money{Amount: decimal.NewFromInt(amount), Currency: currency}
}

// in is a deal that came through the given stages, an hour apart, and is at the last.
func in(names ...string) bridge.Deal {
	d := bridge.Deal{ID: "0065g0000000001AAA", Entered: map[string]time.Time{}, Amount: money(1000, ""), Modified: from.Add(24 * time.Hour), Contact: "0035g0000000001AAA"}
	for n, name := range names {
		s, _ := stageOf(stages, name)
		d.Stage, d.Closed, d.Won = name, s.Closed, s.Won
		d.Entered[name] = from.Add(time.Duration(n+1) * time.Hour)
	}
	return d
}

func TestJudge(t *testing.T) {
	t.Parallel()
	rule := func(edit ...func(*bridge.Rule)) bridge.Rule {
		r := bridge.Rule{ID: "r_1", Name: "Won", Stage: "Closed Won", Trigger: bridge.ToConfirmed, On: true, From: from}
		for _, e := range edit {
			e(&r)
		}
		return r
	}
	deal := func(d bridge.Deal, edit func(*bridge.Deal)) bridge.Deal {
		edit(&d)
		return d
	}
	negotiated := func(r *bridge.Rule) { r.Stage = "Negotiation" }
	spend := func(r *bridge.Rule) { r.Trigger = bridge.TotalSpend }
	least := func(m bridge.Money) func(*bridge.Rule) { return func(r *bridge.Rule) { r.Minimum = m } }

	for name, tc := range map[string]struct {
		rule   bridge.Rule
		deal   bridge.Deal
		reason string
		frozen bool
	}{
		"at the stage":                                  {rule: rule(), deal: in("Prospecting", "Closed Won")},
		"not there yet":                                 {rule: rule(), deal: in("Prospecting"), reason: reasonStage},
		"gone on to a later stage":                      {rule: rule(negotiated), deal: in("Negotiation", "Closed Won")},
		"the stage was skipped":                         {rule: rule(negotiated), deal: in("Prospecting", "Closed Won"), reason: reasonStage},
		"the stage was left within a second":            {rule: rule(negotiated), deal: in("Prospecting", "Negotiation", "Closed Won")},
		"gone back to an earlier stage":                 {rule: rule(negotiated), deal: in("Negotiation", "Prospecting"), reason: reasonLeft},
		"lost afterwards":                               {rule: rule(negotiated), deal: in("Negotiation", "Closed Lost"), reason: reasonLost},
		"won, then lost":                                {rule: rule(), deal: in("Closed Won", "Closed Lost"), reason: reasonLost},
		"won, then reopened":                            {rule: rule(), deal: in("Closed Won", "Negotiation"), reason: reasonLeft},
		"won, then in another stage that is won":        {rule: rule(), deal: in("Closed Won", "Invoiced")},
		"a rule about lost deals":                       {rule: rule(func(r *bridge.Rule) { r.Stage = "Closed Lost" }), deal: in("Closed Lost")},
		"deleted":                                       {rule: rule(), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Deleted = true }), reason: reasonDeleted},
		"reached the stage long ago":                    {rule: rule(func(r *bridge.Rule) { r.From = from.Add(2 * time.Hour) }), deal: in("Closed Won"), reason: reasonBefore},
		"left long ago and came again":                  {rule: rule(func(r *bridge.Rule) { r.From = from.Add(2 * time.Hour) }), deal: in("Closed Won", "Negotiation", "Closed Won")},
		"the history lags behind":                       {rule: rule(), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Entered = map[string]time.Time{} }), reason: reasonHistory},
		"only won deals, and it is":                     {rule: rule(func(r *bridge.Rule) { r.WonOnly = true }), deal: in("Closed Won")},
		"only won deals, and it is not":                 {rule: rule(negotiated, func(r *bridge.Rule) { r.WonOnly = true }), deal: in("Negotiation"), reason: reasonNotWon},
		"the record type":                               {rule: rule(func(r *bridge.Rule) { r.RecordType = "0125g0000000001AAA" }), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.RecordType, d.With.RecordType = "0125g0000000001", true })},
		"another record type":                           {rule: rule(func(r *bridge.Rule) { r.RecordType = "0125g0000000001AAA" }), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.With.RecordType = true }), reason: reasonType},
		"record types are hidden":                       {rule: rule(func(r *bridge.Rule) { r.RecordType = "0125g0000000001AAA" }), deal: in("Closed Won"), reason: reasonUnseen, frozen: true},
		"amounts are hidden":                            {rule: rule(spend), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.NoAmount, d.With.NoAmount = true, true }), reason: reasonUnseen, frozen: true},
		"exactly the least amount":                      {rule: rule(least(money(1000, ""))), deal: in("Closed Won")},
		"less than the least amount":                    {rule: rule(least(money(1001, ""))), deal: in("Closed Won"), reason: reasonSmall},
		"a least amount, and none":                      {rule: rule(least(money(1, ""))), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.NoAmount = true }), reason: reasonNoAmount},
		"a least amount in another currency":            {rule: rule(least(money(1, "EUR"))), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Amount.Currency = "USD" }), reason: reasonCurrency},
		"no amount does not matter where nobody counts": {rule: rule(), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.NoAmount = true })},
		"spend without an amount":                       {rule: rule(spend), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.NoAmount = true }), reason: reasonNoAmount},
		"spend below zero":                              {rule: rule(spend), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Amount = money(-5, "") }), reason: reasonNegative},
		"nobody to act for":                             {rule: rule(), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Contact = "" }), reason: reasonNobody},
		"off":                                           {rule: rule(func(r *bridge.Rule) { r.On = false }), deal: in("Closed Won"), reason: reasonOff, frozen: true},
		"the org has the stage no more":                 {rule: rule(func(r *bridge.Rule) { r.Stage = "Signed" }), deal: in("Closed Won"), reason: reasonUnlisted, frozen: true},
		"the deal is in a stage that is not listed":     {rule: rule(), deal: deal(in("Closed Won"), func(d *bridge.Deal) { d.Stage = "New name" }), reason: reasonUnlisted, frozen: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := judge(bridge.RuleSet{Rules: []bridge.Rule{tc.rule}}, stages, tc.deal, nil)[0]
			if v.reason != tc.reason || v.frozen != tc.frozen {
				t.Errorf("reason = %q (frozen: %t), want %q (%t); %+v", v.reason, v.frozen, tc.reason, tc.frozen, v.findings)
			}
			if v.reason != "" && Explain(v.reason) == v.reason {
				t.Errorf("no words for %q", v.reason)
			}
		})
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	role := func(contact string, primary bool, hour int) bridge.ContactRole {
		return bridge.ContactRole{ID: bridge.SalesforceID("00K" + contact), Contact: bridge.SalesforceID(contact), Primary: primary, CreatedAt: from.Add(time.Duration(hour) * time.Hour)}
	}
	for name, tc := range map[string]struct {
		who  bridge.Who
		deal bridge.Deal
		want []bridge.SalesforceID
	}{
		"the primary role":                      {deal: bridge.Deal{Contact: "c", Roles: []bridge.ContactRole{role("a", false, 1), role("b", true, 2)}}, want: []bridge.SalesforceID{"b"}},
		"of two primary roles the older one":    {deal: bridge.Deal{Roles: []bridge.ContactRole{role("a", true, 2), role("b", true, 1)}}, want: []bridge.SalesforceID{"b"}},
		"the only role":                         {deal: bridge.Deal{Contact: "c", Roles: []bridge.ContactRole{role("a", false, 1)}}, want: []bridge.SalesforceID{"a"}},
		"two roles of one person":               {deal: bridge.Deal{Roles: []bridge.ContactRole{role("a", false, 1), role("a", false, 2)}}, want: []bridge.SalesforceID{"a"}},
		"several roles, and the deal's contact": {deal: bridge.Deal{Contact: "c", Roles: []bridge.ContactRole{role("a", false, 1), role("b", false, 2)}}, want: []bridge.SalesforceID{"c"}},
		"several roles, and nobody else":        {deal: bridge.Deal{Roles: []bridge.ContactRole{role("a", false, 1), role("b", false, 2)}}},
		"the deal's contact":                    {deal: bridge.Deal{Contact: "c", Person: "p"}, want: []bridge.SalesforceID{"c"}},
		"the person account":                    {deal: bridge.Deal{Person: "p"}, want: []bridge.SalesforceID{"p"}},
		"nobody":                                {},
		"everybody, the oldest first":           {who: bridge.Everybody, deal: bridge.Deal{Roles: []bridge.ContactRole{role("a", true, 2), role("b", false, 1)}}, want: []bridge.SalesforceID{"b", "a"}},
		"everybody of a deal without roles":     {who: bridge.Everybody, deal: bridge.Deal{Contact: "c"}, want: []bridge.SalesforceID{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := people(tc.who, tc.deal); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestOrderDecides says that of rules with the same trigger the first that a deal fits acts, and no other, whatever is off
// or does not fit.
func TestOrderDecides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var set bridge.RuleSet
		stands := map[bridge.RuleID]bool{}
		for n := range rapid.IntRange(1, 5).Draw(t, "rules") {
			r := bridge.Rule{
				ID: bridge.RuleID([]byte{'r', '_', byte('a' + n)}), Name: "n", Stage: rapid.SampledFrom([]string{"Negotiation", "Closed Won"}).Draw(t, "stage"),
				Trigger: rapid.SampledFrom([]bridge.Trigger{bridge.ToConfirmed, bridge.TotalSpend}).Draw(t, "trigger"),
				On:      rapid.Bool().Draw(t, "on"), From: from, Minimum: money(rapid.Int64Range(0, 2000).Draw(t, "least"), ""),
			}
			set.Rules = append(set.Rules, r)
			stands[r.ID] = rapid.Bool().Draw(t, "stands")
		}
		d := in("Negotiation", "Closed Won")
		acts := map[bridge.Trigger]int{}
		for _, v := range judge(set, stages, d, stands) {
			if v.reason == "" || v.frozen && stands[v.rule.ID] {
				acts[v.rule.Trigger]++
			}
			if v.reason == reasonRule && acts[v.rule.Trigger] == 0 {
				// Only a rule that is off, and has counted the deal, may come behind.
				if !slices.ContainsFunc(set.Rules, func(r bridge.Rule) bool { return !r.On && r.Trigger == v.rule.Trigger && stands[r.ID] }) {
					t.Fatalf("%s gives way to nobody", v.rule.ID)
				}
			}
		}
		for _, r := range set.Rules {
			frozen := 0
			for _, o := range set.Rules {
				if !o.On && stands[o.ID] && o.Trigger == r.Trigger {
					frozen++
				}
			}
			if acts[r.Trigger] > max(1, frozen) {
				t.Fatalf("%d rules act for %s", acts[r.Trigger], r.Trigger)
			}
		}
	})
}

// TestTotals says that effects follow the ledger, whatever states deals come into: a total is the sum of what entries
// count, and an effect knows how many stand behind it.
func TestTotals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		entries := map[string]bridge.Entry{}
		effects := map[bridge.EffectID]*bridge.Effect{}
		for n := range 60 {
			deal, rule := bridge.SalesforceID([]byte{'d', byte('0' + random.IntN(6))}), bridge.RuleID([]byte{'r', byte('0' + random.IntN(2))})
			key := string(deal) + string(rule)
			old := entries[key]
			next := bridge.Entry{Deal: deal, Rule: rule, Trigger: bridge.TotalSpend, Version: old.Version + 1, Facts: "f"}
			if rule == "r1" {
				next.Trigger = bridge.ToConfirmed
			}
			if random.IntN(3) == 0 {
				next.Reason = reasonLost
			} else {
				next.Shares = []bridge.Share{{Subscriber: bridge.SubscriberID([]byte{'s', byte('0' + random.IntN(3))})}}
			}
			if next.Reason == "" && rule == "r0" {
				next.Count = money(int64(random.IntN(1000)), []string{"EUR", "USD"}[random.IntN(2)])
			}
			for id, c := range changes(old, next, from, "EUR") {
				if effects[id] == nil {
					effects[id] = &bridge.Effect{EffectID: id}
				}
				e := effects[id]
				if n%7 == 0 && e.State == bridge.EffectPlanned { // done meanwhile
					e.State = bridge.EffectDone
				}
				c.apply(e, from)
			}
			entries[key] = next
		}
		for id, e := range effects {
			total, behind := decimal.Zero, 0
			for _, entry := range entries {
				if slices.Contains(asks(entry), id) {
					total = total.Add(entry.Count.Amount)
					behind++
				}
			}
			if id.Kind == bridge.EffectSpend && !e.Total.Equal(total) {
				t.Fatalf("%s: total %s, want %s", id.Subject, e.Total, total)
			}
			if id.Kind == bridge.EffectConfirmed && len(e.Deals)+e.Others != behind {
				t.Fatalf("%s: %d deals stand behind it, want %d", id.Subject, len(e.Deals)+e.Others, behind)
			}
			if e.Currency == "USD" && e.State != bridge.EffectIdle {
				t.Fatalf("an amount in another currency is %s", e.State)
			}
		}
	})
}

func TestFollow(t *testing.T) {
	t.Parallel()
	now := from.Add(48 * time.Hour)
	old := bridge.Entry{Version: 3, Rules: 5, Modified: from, Facts: "a", Prompt: bridge.ByMessage}
	with := func(e bridge.Entry, edit func(*bridge.Entry)) bridge.Entry {
		e.Version, e.Prompt, e.Due = 0, bridge.ByPoll, time.Time{}
		edit(&e)
		return e
	}
	for name, tc := range map[string]struct {
		old, next bridge.Entry
		todo      step
		due       time.Duration // 0: never
		looks     int
	}{
		"new, and the rule acts: once more when nobody is alive that read it before": {next: bridge.Entry{Facts: "a"}, todo: write, due: settled},
		"new, and the rule is not about it":                                          {next: bridge.Entry{Facts: "a", Reason: reasonStage}, todo: leave},
		"new, and somebody is missing":                                               {next: bridge.Entry{Facts: "a", Reason: reasonNobody}, todo: write, due: looks[0]},
		"the same again":                                                             {old: old, next: with(old, func(*bridge.Entry) {}), todo: leave},
		"the same, with a newer stamp":                                               {old: old, next: with(old, func(e *bridge.Entry) { e.Modified = now }), todo: write},
		"an older state of the deal":                                                 {old: old, next: with(old, func(e *bridge.Entry) { e.Modified, e.Facts = from.Add(-1), "b" }), todo: leave},
		"by older rules":                                                             {old: old, next: with(old, func(e *bridge.Entry) { e.Rules, e.Facts = 4, "b" }), todo: leave},
		"a newer deal by older rules":                                                {old: old, next: with(old, func(e *bridge.Entry) { e.Rules, e.Modified = 4, now }), todo: again},
		"an older deal by newer rules":                                               {old: old, next: with(old, func(e *bridge.Entry) { e.Rules, e.Modified = 6, from.Add(-1) }), todo: again},
		"other facts under the same stamp: look again":                               {old: old, next: with(old, func(e *bridge.Entry) { e.Facts = "b" }), todo: write, due: settled},
		"looked in vain for the first time": {old: with2(old, reasonNobody, 0, now), next: with(with2(old, reasonNobody, 0, now), func(e *bridge.Entry) { e.Prompt = bridge.ByLook }),
			todo: write, due: looks[1], looks: 1},
		"looked in vain for the last time": {old: with2(old, reasonNobody, 2, now), next: with(with2(old, reasonNobody, 2, now), func(e *bridge.Entry) { e.Prompt = bridge.ByLook }),
			todo: write, looks: 3},
		"a message while a look is due later": {old: with2(old, reasonNobody, 1, now.Add(time.Hour)), next: with(with2(old, reasonNobody, 1, now), func(*bridge.Entry) {}), todo: leave, due: time.Hour, looks: 1},
		"somebody is missing, and the deal has changed": {old: with2(old, reasonNobody, 2, time.Time{}), next: with(with2(old, reasonNobody, 2, now), func(e *bridge.Entry) { e.Modified = now }),
			todo: write, due: looks[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, todo := follow(tc.old, tc.next, now)
			if todo != tc.todo {
				t.Fatalf("todo = %d, want %d", todo, tc.todo)
			}
			if todo != write {
				return
			}
			want := time.Time{}
			if tc.due > 0 {
				want = now.Add(tc.due)
			}
			if !next.Due.Equal(want) || next.Looks != tc.looks || next.Version != tc.old.Version {
				t.Errorf("due %s after %d looks (version %d), want %s after %d", next.Due, next.Looks, next.Version, want, tc.looks)
			}
		})
	}
}

func with2(e bridge.Entry, reason string, looks int, due time.Time) bridge.Entry {
	e.Reason, e.Looks, e.Due = reason, looks, due
	return e
}

func TestDecide(t *testing.T) {
	t.Parallel()
	referred := func(status string) bridge.Subscriber { return bridge.Subscriber{Referred: true, Status: status} }
	for name, tc := range map[string]struct {
		events int
		to     bridge.EffectKind
		s      bridge.Subscriber
		want   way
	}{
		"two events, pending":                        {2, bridge.EffectConfirmed, referred("pending"), wayTrack},
		"two events, confirmed":                      {2, bridge.EffectConfirmed, referred("confirmed"), wayDone},
		"two events know no unconfirmed":             {2, bridge.EffectUnconfirmed, referred("pending"), waySkip},
		"three events, pending to unconfirmed":       {3, bridge.EffectUnconfirmed, referred("pending"), wayTrack},
		"three events, unconfirmed to confirmed":     {3, bridge.EffectConfirmed, referred("unconfirmed"), wayConfirm},
		"three events, never two steps for one deal": {3, bridge.EffectConfirmed, referred("pending"), wayWait},
		"three events, past the target":              {3, bridge.EffectUnconfirmed, referred("confirmed"), wayDone},
		"one event leaves nothing to move":           {1, bridge.EffectConfirmed, referred("pending"), waySkip},
		"nobody knows how many events":               {0, bridge.EffectConfirmed, referred("pending"), waySkip},
		"nobody referred them":                       {2, bridge.EffectConfirmed, bridge.Subscriber{Status: "pending"}, waySkip},
		"unqualified":                                {3, bridge.EffectConfirmed, referred("unqualified"), waySkip},
		"a status that nobody knows":                 {3, bridge.EffectConfirmed, referred("archived"), waySkip},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, reason := decide(tc.events, tc.to, tc.s); got != tc.want || (got == wayTrack || got == wayConfirm) == (reason != "") {
				t.Errorf("got %s (%q), want %s", got, reason, tc.want)
			}
		})
	}
}

func TestImpossible(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trigger bridge.Trigger
		c       bridge.Campaign
		can     bool
	}{
		"added by e-mail":                     {bridge.AddContact, bridge.Campaign{Identifier: bridge.ByEmail, Events: 1}, true},
		"added by phone":                      {bridge.AddContact, bridge.Campaign{Identifier: bridge.ByPhone}, true},
		"added by wallet":                     {bridge.AddContact, bridge.Campaign{Identifier: bridge.ByWallet}, false},
		"unconfirmed in a goal of three":      {bridge.ToUnconfirmed, bridge.Campaign{Events: 3}, true},
		"unconfirmed in a goal of two":        {bridge.ToUnconfirmed, bridge.Campaign{Events: 2}, false},
		"unconfirmed in a goal of one":        {bridge.ToUnconfirmed, bridge.Campaign{Events: 1}, false},
		"confirmed in a goal of two":          {bridge.ToConfirmed, bridge.Campaign{Events: 2}, true},
		"confirmed in a goal of one":          {bridge.ToConfirmed, bridge.Campaign{Events: 1}, false},
		"confirmed in a goal of nobody knows": {bridge.ToConfirmed, bridge.Campaign{}, false},
		"spend in any":                        {bridge.TotalSpend, bridge.Campaign{Events: 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if why := impossible(tc.trigger, tc.c); (why == "") != tc.can {
				t.Errorf("why = %q, want it possible: %t", why, tc.can)
			}
		})
	}
}
