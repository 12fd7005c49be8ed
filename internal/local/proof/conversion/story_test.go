package conversion

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"github.com/referralbridge/referralbridge/internal/bridge"
	core "github.com/referralbridge/referralbridge/internal/conversion"
	simhero "github.com/referralbridge/referralbridge/internal/sim/referralhero"
)

// story is a world in which nothing happens by chance.
type story struct {
	*world
	t *testing.T
	d *day
}

// newStory has the contacts ann.0 to ann.11; in both campaigns ann.0 to ann.2 are pending referrals of star, and ann.3 is
// nobody's. rules are those of the campaign whose goal has three events, or of the other one if they are for two.
func newStory(t *testing.T, campaign bridge.CampaignID, rules ...bridge.Rule) *story {
	t.Helper()
	w, err := newWorld(t.Context(), rand.New(rand.NewPCG(1, 1)), Nothing, 5000)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{world: w, t: t}
	s.d = &day{w: w, most: map[string]decimal.Decimal{}, result: &Result{team: 1}}
	s.ok(w.signUp(campaign, map[string]any{"email": "star@example.com", "double_optin": false}))
	for i := range 4 {
		in := map[string]any{"email": fmt.Sprintf("ann.%d@example.com", i), "double_optin": false}
		if i < 3 {
			in["referrer"], in["status"] = "star@example.com", "custom_event_pending"
		}
		s.ok(w.signUp(campaign, in))
	}
	for i := range rules {
		rules[i].On, rules[i].From, rules[i].Name = true, began.Add(-time.Hour), string(rules[i].ID)
	}
	s.ok(w.store.SaveRuleSet(t.Context(), bridge.RuleSet{Account: account, Campaign: campaign, Connection: connection, Rules: rules}))
	return s
}

var (
	unconfirmed = bridge.Rule{ID: "r_unconfirmed", Stage: negotiation, Trigger: bridge.ToUnconfirmed}
	confirmed   = bridge.Rule{ID: "r_confirmed", Stage: closedWon, Trigger: bridge.ToConfirmed}
	spend       = bridge.Rule{ID: "r_spend", Stage: closedWon, Trigger: bridge.TotalSpend}
)

func (s *story) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// watched has the connection polled.
func (s *story) watched() {
	s.t.Helper()
	s.ok(s.store.SaveWatch(s.t.Context(), bridge.Watch{Account: account, Connection: connection, Closed: began, PollAt: began.Add(15 * time.Minute), CheckAt: began.Add(24 * time.Hour)}))
}

// open makes a deal of a contact, "" for nobody.
func (s *story) open(stage string, amount float64, contact string) string {
	s.t.Helper()
	in := map[string]any{"Name": "Deal", "StageName": stage, "CloseDate": "2026-06-30", "Amount": amount}
	if contact != "" {
		in["ContactId"] = contact
	}
	var made struct{ ID string }
	s.ok(s.api(s.t.Context(), http.MethodPost, "/sobjects/Opportunity", in, &made))
	return made.ID
}

func (s *story) edit(deal string, in map[string]any) {
	s.t.Helper()
	s.ok(s.api(s.t.Context(), http.MethodPatch, "/sobjects/Opportunity/"+deal, in, nil))
}

// message brings a message about a deal, and lets a minute pass.
func (s *story) message(deal string) {
	s.t.Helper()
	s.put(0, core.Job{Account: account, Connection: connection, Opportunities: []string{deal[:15]}, At: s.Now()})
	s.pass(time.Minute)
}

func (s *story) pass(length time.Duration) {
	s.t.Helper()
	s.ok(s.d.pass(s.t.Context(), s.Now().Add(length)))
}

// person is a subscriber as ReferralHero has it.
func (s *story) person(campaign bridge.CampaignID, mail string) simhero.Subscriber {
	s.t.Helper()
	for _, p := range s.hero.Subscribers(string(campaign)) {
		if strings.EqualFold(p.Email, mail) {
			return p
		}
	}
	s.t.Fatalf("there is no %s", mail)
	return simhero.Subscriber{}
}

func (s *story) is(campaign bridge.CampaignID, mail, status string) {
	s.t.Helper()
	if p := s.person(campaign, mail); string(p.Status) != status {
		s.t.Errorf("%s is %s, want %s; log: %s", mail, p.Status, status, s.logs)
	}
}

func (s *story) has(campaign bridge.CampaignID, mail string, lifetime float64) {
	s.t.Helper()
	if p := s.person(campaign, mail); p.LifetimeSpend != lifetime {
		s.t.Errorf("%s has spent %v, want %v; log: %s", mail, p.LifetimeSpend, lifetime, s.logs)
	}
}

func (s *story) effect(campaign bridge.CampaignID, kind bridge.EffectKind, mail string) bridge.Effect {
	s.t.Helper()
	e, err := s.store.ConversionEffect(s.t.Context(), bridge.EffectID{Account: account, Campaign: campaign, Kind: kind, Subject: s.person(campaign, mail).ID})
	s.ok(err)
	return e
}

func (s *story) inState(campaign bridge.CampaignID, kind bridge.EffectKind, mail string, state bridge.EffectState, reason string) {
	s.t.Helper()
	if e := s.effect(campaign, kind, mail); e.State != state || e.Reason != reason {
		s.t.Errorf("the effect is %s (%s), want %s (%s)", e.State, e.Reason, state, reason)
	}
}

// reviews are the kinds of what needs somebody.
func (s *story) reviews(campaign bridge.CampaignID) []bridge.Review {
	s.t.Helper()
	all, _, err := s.service.Reviews(s.t.Context(), account, campaign)
	s.ok(err)
	return all
}

func (s *story) needs(campaign bridge.CampaignID, kinds ...bridge.ReviewKind) {
	s.t.Helper()
	var got []bridge.ReviewKind
	for _, r := range s.reviews(campaign) {
		got = append(got, r.Kind)
		if core.Describe(r) == "" {
			s.t.Errorf("no words for %+v", r)
		}
	}
	if !slices.Equal(got, kinds) {
		s.t.Errorf("needs %v, want %v", got, kinds)
	}
}

// payments are the transactions as text, in their order.
func (s *story) payments(campaign bridge.CampaignID) string {
	var all []string
	for _, p := range s.hero.Transactions(string(campaign)) {
		all = append(all, fmt.Sprintf("%v/%v", p.Amount, *p.LifetimeSpend))
	}
	return strings.Join(all, " ")
}

// calls counts the calls of an endpoint.
func (s *story) calls(path string) int {
	n := 0
	for _, c := range s.hero.Calls() {
		if strings.Contains(c.Endpoint, path) {
			n++
		}
	}
	return n
}

// orgCalls are those of the system, without those of the people at work in the org.
func (s *story) orgCalls() int { return int(s.asked.Load()) }

const (
	ann0, ann1, ann3, ann4 = "0035g0000000001", "0035g0000000002", "0035g0000000004", "0035g0000000005"

	mail0, mail1, mail3 = "ann.0@example.com", "ann.1@example.com", "ann.3@example.com"
)

func TestADealMovesAReferralAndItsSpend(t *testing.T) {
	t.Parallel()
	s := newStory(t, three, unconfirmed, confirmed, spend)
	deal := s.open("Prospecting", 1250, ann0)
	s.message(deal)
	s.is(three, mail0, "pending")
	s.edit(deal, map[string]any{"StageName": negotiation})
	s.message(deal)
	s.is(three, mail0, "unconfirmed")
	s.edit(deal, map[string]any{"StageName": closedWon})
	for range 4 { // Salesforce repeats itself
		s.message(deal)
	}
	s.is(three, mail0, "confirmed")
	s.has(three, mail0, 1250)
	if got := s.payments(three); got != "1250/1250" {
		t.Errorf("payments: %s", got)
	}
	if s.hints != 2 {
		t.Errorf("the sync was told %d times, want twice", s.hints)
	}
	actions, err := s.service.Activity(t.Context(), account, three, "", 10)
	s.ok(err)
	if len(actions) != 3 || actions[0].Prompt != bridge.ByMessage || actions[2].Sent != "track_referral_conversion_event" || actions[2].Answer != "unconfirmed" || string(actions[0].Deal) != deal {
		t.Errorf("activity: %+v", actions)
	}
	s.needs(three)
	s.logged()
}

// logged says that nothing personal is in the log.
func (s *story) logged() {
	s.t.Helper()
	if strings.Contains(s.logs.String(), "@") || strings.Contains(s.logs.String(), "O'Neill") {
		s.t.Errorf("the log names somebody: %s", s.logs)
	}
}

// TestBothStepsAtOnce says that a deal which went through both stages within seconds takes both steps, by its two rules,
// one after the other.
func TestBothStepsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t, three, confirmed, unconfirmed)
	deal := s.open("Prospecting", 1, ann0)
	s.edit(deal, map[string]any{"StageName": negotiation})
	s.edit(deal, map[string]any{"StageName": closedWon})
	s.message(deal)
	s.pass(10 * time.Minute)
	s.is(three, mail0, "confirmed")
	if len(s.faults.twice) > 0 {
		t.Errorf("twice: %v", s.faults.twice)
	}
}

// TestOneStepADeal says that a deal which skipped the first stage does not take two steps: a person is told.
func TestOneStepADeal(t *testing.T) {
	t.Parallel()
	s := newStory(t, three, unconfirmed, confirmed)
	deal := s.open(closedWon, 1, ann0)
	s.message(deal)
	s.pass(6 * time.Hour)
	s.is(three, mail0, "pending")
	s.needs(three)
	s.pass(2 * time.Hour)
	s.needs(three, bridge.ReviewWaiting)
	other := s.open(negotiation, 1, ann0)
	s.message(other)
	s.is(three, mail0, "unconfirmed")
	s.ok(s.service.Retry(t.Context(), account, three, s.reviews(three)[0].ID, "Dana"))
	s.pass(time.Minute)
	s.is(three, mail0, "confirmed")
	s.needs(three)
}

func TestACallWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault simhero.FaultKind
		calls int // that were made
		soon  bool
	}{
		"it was carried out, and a look shows it":                             {simhero.Cut, 1, true},
		"it was carried out, says half an answer":                             {simhero.Truncated, 1, true},
		"it was not, and is made again when it cannot be on its way any more": {simhero.CutBefore, 2, false},
		"it was refused for certain, and is made again":                       {simhero.Throttle, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, two, confirmed)
			times := 0
			s.faults.script = func(r *http.Request) *simhero.Fault {
				if moves(r) {
					if times++; times == 1 {
						return &simhero.Fault{Kind: tc.fault}
					}
				}
				return nil
			}
			deal := s.open(closedWon, 1, ann0)
			s.message(deal)
			if done := s.effect(two, bridge.EffectConfirmed, mail0).State == bridge.EffectDone; done != tc.soon {
				t.Errorf("done at once: %t, want %t", done, tc.soon)
			}
			s.pass(3 * time.Hour)
			s.is(two, mail0, "confirmed")
			if times != tc.calls || len(s.faults.twice) > 0 {
				t.Errorf("%d calls (%v), want %d", times, s.faults.twice, tc.calls)
			}
		})
	}
}

// TestOnlyAPersonCanTell lets a call have no answer, and the look afterwards find nobody.
func TestOnlyAPersonCanTell(t *testing.T) {
	t.Parallel()
	for decision, tc := range map[core.Decision]struct {
		state  bridge.EffectState
		status string
		calls  int
	}{
		core.Happened: {bridge.EffectDone, "pending", 1},
		core.Again:    {bridge.EffectDone, "confirmed", 2},
	} {
		t.Run(string(decision), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s := newStory(t, two, confirmed)
			calls, gone := 0, false
			s.faults.script = func(r *http.Request) *simhero.Fault {
				if moves(r) {
					if calls++; calls == 1 {
						gone = true
						return &simhero.Fault{Kind: simhero.CutBefore}
					}
				}
				if gone && r.Method == http.MethodGet {
					return &simhero.Fault{Kind: simhero.Refuse, Code: "subscriber_not_found"}
				}
				return nil
			}
			deal := s.open(closedWon, 1, ann0)
			s.message(deal)
			s.pass(time.Hour)
			s.inState(two, bridge.EffectConfirmed, mail0, bridge.EffectManual, "")
			s.needs(two, bridge.ReviewUnknown)
			found, err := s.service.Manual(ctx, account, two)
			s.ok(err)
			if len(found) != 1 || found[0].Effect.CalledAt.IsZero() {
				t.Fatalf("evidence: %+v", found)
			}
			id := found[0].Review.ID
			if err := s.service.Dismiss(ctx, account, two, id, "Dana"); bridge.KindOf(err) != bridge.Invalid {
				t.Errorf("left as it is: %v, want invalid", err)
			}
			gone = false
			s.ok(s.service.Resolve(ctx, account, two, id, "Dana", decision))
			if err := s.service.Resolve(ctx, account, two, id, "Dana", decision); bridge.KindOf(err) != bridge.Conflict {
				t.Errorf("decided twice: %v, want a conflict", err)
			}
			s.pass(time.Hour)
			if e := s.effect(two, bridge.EffectConfirmed, mail0); e.State != tc.state {
				t.Errorf("the effect is %s, want %s", e.State, tc.state)
			}
			s.is(two, mail0, tc.status)
			if calls != tc.calls {
				t.Errorf("%d calls, want %d", calls, tc.calls)
			}
			actions, err := s.service.Activity(ctx, account, two, "", 10)
			s.ok(err)
			if !slices.ContainsFunc(actions, func(a bridge.Action) bool { return a.Who == "Dana" && a.Answer == string(decision) }) {
				t.Errorf("nobody wrote down who decided: %+v", actions)
			}
		})
	}
}

func TestAHold(t *testing.T) {
	t.Parallel()
	held := confirmed
	held.Hold = 3
	for name, tc := range map[string]struct {
		lost   bool
		status string
		state  bridge.EffectState
	}{
		"the deal stands, and the referral is confirmed after it": {false, "confirmed", bridge.EffectDone},
		"the deal is lost meanwhile, and nothing happens":         {true, "pending", bridge.EffectIdle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, two, held)
			deal := s.open(closedWon, 1, ann0)
			s.message(deal)
			s.pass(48 * time.Hour)
			s.is(two, mail0, "pending")
			s.inState(two, bridge.EffectConfirmed, mail0, bridge.EffectPlanned, "")
			if tc.lost {
				s.edit(deal, map[string]any{"StageName": closedLost})
				s.message(deal)
			}
			s.pass(25 * time.Hour)
			s.is(two, mail0, tc.status)
			s.inState(two, bridge.EffectConfirmed, mail0, tc.state, "")
			s.needs(two)
		})
	}
}

func TestAReversal(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed, spend)
	deal := s.open(closedWon, 500, ann0)
	s.message(deal)
	s.edit(deal, map[string]any{"StageName": closedLost})
	s.message(deal)
	s.has(two, mail0, 0)
	s.is(two, mail0, "confirmed") // nothing is undone by itself
	s.needs(two, bridge.ReviewMoved, bridge.ReviewReversed)
	s.edit(deal, map[string]any{"StageName": closedWon})
	s.message(deal)
	s.has(two, mail0, 500)
	s.needs(two)
	if got := s.payments(two); got != "500/500 0/0 0/500" {
		t.Errorf("payments: %s; an amount is told once", got)
	}
	s.edit(deal, map[string]any{"StageName": "Prospecting"})
	s.message(deal)
	reviews := s.reviews(two)
	s.ok(s.service.Unqualify(ctx, account, two, reviews[1].ID, "Dana"))
	s.ok(s.service.Dismiss(ctx, account, two, reviews[0].ID, "Dana"))
	s.pass(time.Minute)
	s.is(two, mail0, "unqualified")
	s.needs(two)
	if err := s.service.Unqualify(ctx, account, two, reviews[1].ID, "Dana"); bridge.KindOf(err) != bridge.Conflict {
		t.Errorf("a second click: %v, want a conflict", err)
	}
}

func TestPrices(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	deal, other := s.open(closedWon, 1000, ann0), s.open(closedWon, 200, ann0)
	s.message(deal)
	s.message(other)
	for _, price := range []any{1500, 700, 1600, nil, 1600} {
		s.edit(deal, map[string]any{"Amount": price})
		s.message(deal)
	}
	if got, want := s.payments(two), "1000/1000 200/1200 500/1700 0/900 100/1800 0/200 0/1800"; got != want {
		t.Errorf("payments: %s\nwant      %s", got, want)
	}
	s.has(two, mail0, 1800)
	ids := map[string]bool{}
	for _, p := range s.hero.Transactions(string(two)) {
		if ids[p.TransactionID] || !strings.HasPrefix(p.TransactionID, "sf:006") {
			t.Errorf("transaction %s", p.TransactionID)
		}
		ids[p.TransactionID] = true
	}
}

// TestAnAmountIsTakenForOnePersonOnce moves a deal to somebody else, and the rule is deleted and made again.
func TestAnAmountIsTakenForOnePersonOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, spend)
	deal := s.open(closedWon, 1000, ann0)
	s.message(deal)
	s.ok(s.api(ctx, http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": deal, "ContactId": ann1, "IsPrimary": true}, nil))
	s.message(deal)
	s.has(two, mail0, 0)
	s.has(two, mail1, 1000)
	s.needs(two, bridge.ReviewMoved)
	s.ok(s.service.Delete(ctx, account, two, spend.ID, "Dana"))
	s.pass(10 * time.Minute)
	s.has(two, mail1, 0)
	draft := draftOf(spend)
	draft.Name, draft.On, draft.From = "Spend again", true, began.Add(-time.Hour)
	_, err := s.service.Add(ctx, account, two, "Dana", draft)
	s.ok(err)
	s.pass(10 * time.Minute)
	s.has(two, mail1, 1000)
	sum := 0.0
	for _, p := range s.hero.Transactions(string(two)) {
		sum += p.Amount
	}
	if sum != 1000 {
		t.Errorf("ReferralHero was told %v in all (%s), want 1000", sum, s.payments(two))
	}
	edits, err := s.service.Edits(ctx, account, two, "", 10)
	s.ok(err)
	if len(edits) != 2 || edits[0].What != "added" || edits[1].What != "deleted" || edits[1].Before.ID != spend.ID || edits[1].Who != "Dana" {
		t.Errorf("edits: %+v", edits)
	}
}

func TestARoleThatComesLate(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, confirmed)
	deal := s.open(closedWon, 1, "")
	s.message(deal)
	s.pass(time.Minute)
	s.ok(s.api(t.Context(), http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": deal, "ContactId": ann0}, nil))
	s.pass(5 * time.Minute)
	s.is(two, mail0, "confirmed")
}

func TestSomebodyWhoIsNotThereYet(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, confirmed)
	deal := s.open(closedWon, 1, ann4)
	s.message(deal)
	s.pass(30 * time.Minute)
	s.ok(s.signUp(two, map[string]any{"email": "ann.4@example.com", "double_optin": false, "referrer": "star@example.com", "status": "custom_event_pending"}))
	s.pass(time.Hour)
	s.is(two, "ann.4@example.com", "confirmed")
	s.needs(two)
}

func TestAContactIsAdded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		campaign bridge.CampaignID
		title    string
		status   string
	}{
		"nobody referred them":                       {three, "", ""},
		"a referrer: the referral stays pending":     {three, "star@example.com", "pending"},
		"a referrer whom ReferralHero does not know": {two, "nobody@example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			add := bridge.Rule{ID: "r_add", Stage: qualification, Trigger: bridge.AddContact, Referrer: "Title"}
			s := newStory(t, tc.campaign, add, spend)
			s.ok(s.api(t.Context(), http.MethodPatch, "/sobjects/Contact/"+ann4, map[string]any{"Title": tc.title}, nil))
			s.faults.script = onceCut("/subscribers")
			deal := s.open(qualification, 10, ann4)
			s.message(deal)
			s.pass(10 * time.Minute)
			p := s.person(tc.campaign, "ann.4@example.com")
			if string(p.Status) != tc.status || p.Source != "salesforce" || p.Name != "Ann O'Neill 4" {
				t.Errorf("subscriber = %+v, want status %q", p, tc.status)
			}
			s.edit(deal, map[string]any{"StageName": closedWon})
			s.message(deal)
			s.has(tc.campaign, "ann.4@example.com", 10)
		})
	}
}

// onceCut cuts the answer of the first call that changes something at a path.
func onceCut(path string) func(*http.Request) *simhero.Fault {
	done := false
	return func(r *http.Request) *simhero.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, path) && !done {
			done = true
			return &simhero.Fault{Kind: simhero.Cut}
		}
		return nil
	}
}

// TestAPaymentWithoutAnAnswer is made again with the same contents, whatever has changed since.
func TestAPaymentWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range []simhero.FaultKind{simhero.Cut, simhero.CutBefore} {
		s := newStory(t, two, spend)
		calls := 0
		s.faults.script = func(r *http.Request) *simhero.Fault {
			if strings.HasSuffix(r.URL.Path, "/add_transactions") {
				if calls++; calls <= 2 {
					return &simhero.Fault{Kind: kind}
				}
			}
			return nil
		}
		deal := s.open(closedWon, 100, ann0)
		s.put(0, core.Job{Account: account, Connection: connection, Opportunities: []string{deal}})
		s.ok(s.work(t.Context(), 1))
		s.edit(deal, map[string]any{"Amount": 40})
		s.message(deal)
		s.pass(30 * time.Minute)
		s.has(two, mail0, 40)
		if got := s.payments(two); got != "100/100 0/40" {
			t.Errorf("%s: payments: %s", kind, got)
		}
	}
}

func TestPeopleWithOneAddress(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	first, second := s.open(closedWon, 100, ann0), s.open(closedWon, 11, "0035g0000000011") // Ann.0@Example.com, too
	s.message(first)
	s.message(second)
	s.has(two, mail0, 111)
	s.ok(s.org.Merge(ann0, "0035g0000000011"))
	s.message(first)
	s.message(second)
	s.has(two, mail0, 111)
}

func TestCurrenciesAreNeverAdded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, spend)
	s.org.UseCurrencies()
	set, err := s.service.Rules(ctx, account, two)
	s.ok(err)
	set.Currency = "USD"
	s.ok(s.store.SaveRuleSet(ctx, set))
	dollars, euros := s.open(closedWon, 100, ann0), s.open(closedWon, 50, ann0)
	s.edit(euros, map[string]any{"CurrencyIsoCode": "EUR"})
	s.message(dollars)
	s.message(euros)
	s.has(two, mail0, 100)
	s.needs(two, bridge.ReviewCurrency)
	for currency, total := range map[string]string{"USD": "100", "EUR": "50"} {
		e, err := s.store.ConversionEffect(ctx, bridge.EffectID{Account: account, Campaign: two, Kind: bridge.EffectSpend, Subject: s.person(two, mail0).ID, Currency: currency})
		s.ok(err)
		if e.Total.String() != total {
			t.Errorf("%s: %s, want %s", currency, e.Total, total)
		}
	}
	s.edit(euros, map[string]any{"CurrencyIsoCode": "USD"})
	s.message(euros)
	s.has(two, mail0, 150)
	s.needs(two)
}

func TestSalesforceIsDown(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed)
	deal := s.open(closedWon, 1, ann0)
	s.faults.set(weather{})
	s.faults.orgDown = s.Now().Add(20 * time.Minute)
	s.message(deal)
	s.message(deal) // comes twice, is parked once
	if len(s.queue) != 0 {
		t.Errorf("%d messages are on the queue: what waits is in the table", len(s.queue))
	}
	parked, _, err := s.store.AllParked(ctx, account, connection, 9)
	s.ok(err)
	if len(parked) != 1 || !strings.Contains(parked[0].Reason, "Salesforce") {
		t.Errorf("parked: %+v, want one", parked)
	}
	s.pass(40 * time.Minute)
	s.is(two, mail0, "confirmed")
	if parked, _, err = s.store.AllParked(ctx, account, connection, 9); err != nil || len(parked) != 0 {
		t.Errorf("still parked: %+v, %v", parked, err)
	}
}

func TestADeadConnectionKeepsItsWork(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed)
	s.watched()
	alive := s.worker.Connections
	s.worker.Connections = status{alive, bridge.NeedsReconnect}
	before := s.orgCalls()
	deal, missed := s.open(closedWon, 1, ann0), s.open(closedWon, 1, ann1)
	s.message(deal)
	s.pass(48 * time.Hour)
	if n := s.orgCalls() - before; n != 0 {
		t.Errorf("%d calls of a dead connection", n)
	}
	s.worker.Connections = alive
	s.ok(core.Waker{Ledger: s.store, Jobs: jobs{s.world}, Now: s.Now}.Wake(ctx, account, connection))
	s.pass(2 * time.Minute)
	s.is(two, mail0, "confirmed")
	s.is(two, mail1, "confirmed") // of which no message told
	w, err := s.service.Statement(ctx, account, connection, 1)
	s.ok(err)
	if w.Problem != "" || len(w.Windows) != 1 || w.Windows[0].From.After(began) || w.Windows[0].Changes != 2 || missed == "" {
		t.Errorf("statement: %+v", w)
	}
}

// status gives connections another state than the one that is stored.
type status struct {
	of interface {
		Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
	}
	is bridge.ConnectionStatus
}

func (s status) Connection(ctx context.Context, a bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error) {
	c, err := s.of.Connection(ctx, a, id)
	c.Status = s.is
	return c, err
}

func TestATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed, spend)
	s.hero.RenewToken()
	deal := s.open(closedWon, 7, ann0)
	s.message(deal)
	s.pass(time.Hour)
	if n := s.calls("retrieve_by_email"); n != 1 {
		t.Errorf("%d calls with a token that is refused, want one", n)
	}
	a, err := s.store.Account(ctx, account)
	s.ok(err)
	if a.Refused != "invalid_token" {
		t.Errorf("refused = %q", a.Refused)
	}
	a.Token, a.TokenAt, a.Refused = bridge.NewSecret(s.hero.Token()), s.Now(), ""
	s.ok(s.store.SaveAccount(ctx, a))
	s.pass(16 * time.Minute)
	s.is(two, mail0, "confirmed")
	s.has(two, mail0, 7)
}

func TestMessagesThatAreMissed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed, spend)
	s.watched()
	last := began.Add(-time.Hour)
	s.worker.LastMessage = func(context.Context, bridge.AccountID, bridge.ConnectionID) (time.Time, time.Time, error) {
		return last, began.Add(-48 * time.Hour), nil
	}
	deal := s.open(closedWon, 5, ann0)
	s.pass(20 * time.Minute)
	s.is(two, mail0, "confirmed")
	silent := func() bool {
		w, err := s.service.Statement(ctx, account, connection, 9)
		s.ok(err)
		return !w.SilentSince.IsZero()
	}
	if silent() {
		t.Error("silent after one message that is missing: it may be on its way")
	}
	s.edit(deal, map[string]any{"Amount": 6})
	s.pass(20 * time.Minute)
	s.has(two, mail0, 6)
	if !silent() {
		t.Error("two changes without a message are not noticed")
	}
	last = s.Now()
	s.pass(20 * time.Minute)
	if silent() {
		t.Error("a message came, and it is still silent")
	}
}

// TestTheDailyCheck finds what neither messages nor the poll tell of.
func TestTheDailyCheck(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	s.watched()
	deal := s.open(closedWon, 5, ann0)
	s.message(deal)
	s.pass(time.Hour)
	s.ok(s.org.Merge(ann1, ann0)) // the deal's contact becomes another person, and nothing is stamped
	s.pass(24 * time.Hour)
	s.has(two, mail0, 0)
	s.has(two, mail1, 5)
}

func TestPreviewsWriteNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, three, unconfirmed)
	won, lost, nobody := s.open(closedWon, 900, ann0), s.open(closedLost, 1, ann0), s.open(closedWon, 100, "")
	second := s.open(closedWon, 60, ann0)
	s.open(closedWon, 40, ann4)
	rule, err := s.service.Draft(ctx, account, three, core.Draft{Name: "Try", Stage: closedWon, Trigger: bridge.TotalSpend})
	s.ok(err)
	a, err := s.service.Test(ctx, account, three, rule, "https://acme.lightning.force.com/lightning/r/Opportunity/"+won+"/view")
	s.ok(err)
	if !a.Acts || len(a.People) != 1 || a.People[0].Name != "Ann O'Neill 0" || a.People[0].Subscriber == "" || a.Counts.Amount.String() != "900" {
		t.Errorf("test: %+v", a)
	}
	if a, err = s.service.Test(ctx, account, three, rule, lost[:15]); err != nil || a.Acts || a.Reason == "" {
		t.Errorf("test of a lost deal: %+v, %v", a, err)
	}
	if _, err = s.service.Test(ctx, account, three, rule, "0035g0000000001"); bridge.KindOf(err) != bridge.Invalid {
		t.Errorf("a contact's id: %v, want invalid", err)
	}
	b, err := s.service.BackTest(ctx, account, three, rule)
	s.ok(err)
	if b.Deals != 4 || len(b.Fits) != 4 || b.NoPerson != 1 || b.Strangers != 1 || len(b.Doubles) != 0 || len(b.Sum) != 1 || b.Sum[0].Amount.String() != "1000" || b.Cut {
		t.Errorf("back-test: %d deals, %d fit, %d without a person, %d strangers, sum %v", b.Deals, len(b.Fits), b.NoPerson, b.Strangers, b.Sum)
	}
	rule.Trigger = bridge.ToConfirmed
	if b, err = s.service.BackTest(ctx, account, three, rule); err != nil || len(b.Doubles) != 1 || string(b.Doubles[0].Deal.ID) != second {
		t.Errorf("back-test of a step: %+v, %v, want the second deal of a person twice", b.Doubles, err)
	}
	why, err := s.service.Why(ctx, account, three, won)
	s.ok(err)
	if len(why) != 1 || why[0].Acts || why[0].Reason == "" || len(why[0].Findings) == 0 || why[0].Entry != nil {
		t.Errorf("why: %+v", why)
	}
	if _, err := s.service.Why(ctx, account, three, "0065g00000ZZZZZ"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a deal that is not there: %v", err)
	}
	entries, _, err := s.store.Entries(ctx, account, three, "", 9)
	s.ok(err)
	if len(entries) != 0 || len(s.hero.Transactions(string(three))) != 0 || s.calls("track") != 0 || nobody == "" {
		t.Errorf("a preview has written: %+v", entries)
	}
}

func TestDraftsAreRefusedAtTheirField(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed)
	good := core.Draft{Name: "Won", Stage: closedWon, Trigger: bridge.TotalSpend}
	for field, edit := range map[string]func(*core.Draft){
		"name":        func(d *core.Draft) { d.Name = "R_confirmed" },
		"stage":       func(d *core.Draft) { d.Stage = "Signed" },
		"trigger":     func(d *core.Draft) { d.Trigger = bridge.ToUnconfirmed },
		"minimum":     func(d *core.Draft) { d.Minimum = "a lot" },
		"who":         func(d *core.Draft) { d.Who = bridge.Everybody },
		"hold":        func(d *core.Draft) { d.Hold = 3 },
		"record_type": func(d *core.Draft) { d.RecordType = "0125g0000000001AAA" },
		"referrer":    func(d *core.Draft) { d.Trigger, d.Referrer = bridge.AddContact, "Nothing__c" },
		"from":        func(d *core.Draft) { d.From = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		d := good
		edit(&d)
		_, err := s.service.Add(ctx, account, two, "Dana", d)
		if message, at := bridge.MessageOf(err); bridge.KindOf(err) != bridge.Invalid || at != field || message == "" {
			t.Errorf("%s: %v %q at %q", field, err, message, at)
		}
	}
	rule, err := s.service.Add(ctx, account, two, "Dana", good)
	s.ok(err)
	if rule.ID == "" || rule.On || rule.From.After(s.Now()) {
		t.Errorf("rule = %+v", rule)
	}
	s.ok(s.service.Move(ctx, account, two, rule.ID, "Dana", -1))
	s.ok(s.service.Switch(ctx, account, two, rule.ID, "Dana", true))
	set, err := s.service.Rules(ctx, account, two)
	s.ok(err)
	if len(set.Rules) != 2 || set.Rules[0].ID != rule.ID || !set.Rules[0].On {
		t.Errorf("rules = %+v", set.Rules)
	}
	options, err := s.service.Options(ctx, account, two)
	s.ok(err)
	if len(options.Stages) < 10 || len(options.Triggers) != 4 || options.Triggers[1].Why == "" || options.Triggers[2].Why != "" {
		t.Errorf("options = %+v", options)
	}
	if err := s.service.Delete(ctx, account, two, "r_none", "Dana"); bridge.KindOf(err) != bridge.NotFound {
		t.Errorf("a rule that is not there: %v", err)
	}
}

// TestWhatAMessageCosts counts calls: a message of 100 deals takes two of Salesforce, and each person's first deal three
// of ReferralHero.
func TestWhatAMessageCosts(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	s.watched()
	s.pass(time.Minute)
	var deals []string
	for i := range 100 {
		deals = append(deals, s.open(closedWon, float64(i+1), []string{ann0, ann1, ann3}[i%3]))
	}
	s.put(0, core.Job{Account: account, Connection: connection, Opportunities: deals[:1]}) // finds the columns
	s.pass(time.Minute)
	before, asked := s.orgCalls(), s.hero.Counts().Calls
	s.put(0, core.Job{Account: account, Connection: connection, Opportunities: deals})
	s.ok(s.work(t.Context(), 1))
	if n := s.orgCalls() - before; n != 2 {
		t.Errorf("%d calls of Salesforce for 100 deals, want 2", n)
	}
	if n := s.hero.Counts().Calls - asked; n > 99+3 {
		t.Errorf("%d calls of ReferralHero for 99 transactions of three people, want 102 at most", n)
	}
	s.has(two, mail0, 1+4+7+10+13+16+19+22+25+28+31+34+37+40+43+46+49+52+55+58+61+64+67+70+73+76+79+82+85+88+91+94+97+100)
}

// TestWhoChangesAddress stays who they are, as long as nobody else has the new one.
func TestWhoChangesAddress(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, spend)
	deal := s.open(closedWon, 10, ann0)
	s.message(deal)
	s.ok(s.api(ctx, http.MethodPatch, "/sobjects/Contact/"+ann0, map[string]any{"Email": "new@example.com"}, nil))
	s.message(deal)
	s.has(two, mail0, 10)
	s.ok(s.api(ctx, http.MethodDelete, "/sobjects/Contact/"+ann3, nil, nil)) // no duplicate, then
	s.ok(s.api(ctx, http.MethodPatch, "/sobjects/Contact/"+ann0, map[string]any{"Email": "ann.3@example.com"}, nil))
	s.message(deal)
	s.has(two, mail0, 0)
	s.has(two, mail3, 10)
}

// TestAFieldThatIsHidden takes nothing back.
func TestAFieldThatIsHidden(t *testing.T) {
	t.Parallel()
	s := newStory(t, two, spend)
	s.watched()
	deal := s.open(closedWon, 10, ann0)
	s.message(deal)
	s.ok(s.org.SetVisible(admin, "Opportunity", "Amount", false))
	s.message(deal)
	s.pass(25 * time.Hour)
	s.has(two, mail0, 10)
	s.ok(s.org.SetVisible(admin, "Opportunity", "Amount", true))
	s.edit(deal, map[string]any{"Amount": 11})
	s.message(deal)
	s.pass(24 * time.Hour)
	s.has(two, mail0, 11)
}

// TestRulesThatAreOff leave nothing that comes again and again.
func TestRulesThatAreOff(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newStory(t, two, confirmed)
	s.watched()
	deal := s.open(closedWon, 1, "")
	s.message(deal)
	s.ok(s.service.Switch(ctx, account, two, confirmed.ID, "Dana", false))
	s.pass(time.Hour)
	if due, err := s.store.DueConversions(ctx, s.Now().Add(1000*time.Hour), 99); err != nil || len(due) != 0 {
		t.Errorf("still due: %+v, %v", due, err)
	}
	s.ok(s.api(ctx, http.MethodPost, "/sobjects/OpportunityContactRole", map[string]any{"OpportunityId": deal, "ContactId": ann0}, nil))
	s.pass(time.Hour)
	s.is(two, mail0, "pending")
	s.ok(s.service.Switch(ctx, account, two, confirmed.ID, "Dana", true))
	s.pass(time.Minute)
	s.is(two, mail0, "confirmed")
}
