package conversion

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Reasons for which a rule does not act on a deal. They are stored, and told to people by words.
const (
	reasonOff      = "rule_off"
	reasonDeleted  = "deleted"
	reasonStage    = "stage_not_reached"
	reasonHistory  = "history_missing"
	reasonBefore   = "before_from"
	reasonLost     = "lost"
	reasonLeft     = "stage_left"
	reasonNotWon   = "not_won"
	reasonType     = "record_type"
	reasonNoAmount = "no_amount"
	reasonNegative = "negative_amount"
	reasonSmall    = "amount_too_small"
	reasonCurrency = "other_currency"
	reasonRule     = "other_rule"
	reasonUnlisted = "stage_unlisted"
	reasonHidden   = "hidden"
	reasonUnseen   = "field_hidden"

	// Those that somebody may put right, so that it is worth looking again.
	reasonNobody   = "no_person"
	reasonNoValue  = "no_identifier"
	reasonStranger = "not_a_subscriber"
	reasonUnasked  = "not_asked" // ReferralHero could not be asked who that is
)

// waits reports whether a deal with this reason is looked at again by itself.
func waits(reason string) bool {
	switch reason {
	case reasonNobody, reasonNoValue, reasonStranger, reasonHistory, reasonUnasked:
		return true
	default:
		return false
	}
}

// Finding is a condition of a rule, with the value that was seen.
type Finding struct {
	Reason string // what it means if it is not met
	Wanted string
	Seen   string
	OK     bool
}

// verdict is what a rule says of a deal.
type verdict struct {
	rule     bridge.Rule
	findings []Finding
	reason   string // of the first finding that is not met; empty if the rule acts
	frozen   bool   // the rule says nothing just now: what it has said before stands
	people   []bridge.SalesforceID
	count    bridge.Money // of spend
	ready    time.Time    // when the hold of a referral is over
}

func (v *verdict) find(reason, wanted, seen string, ok bool) {
	v.findings = append(v.findings, Finding{reason, wanted, seen, ok})
	if !ok && v.reason == "" {
		v.reason = reason
	}
}

// judge says what the rules of a campaign say of a deal, in their order. It depends on nothing but the rules, the deal
// and the org's stages: whoever judges the same deal comes to the same verdicts. stands are the triggers for which a
// rule that says nothing just now has acted on this deal before: no other rule takes the deal over meanwhile.
func judge(set bridge.RuleSet, stages []bridge.Stage, d bridge.Deal, stands map[bridge.RuleID]bool) []verdict {
	verdicts := make([]verdict, len(set.Rules))
	taken := map[bridge.Trigger]string{} // name of the rule that a trigger is taken by
	for i, r := range set.Rules {
		v := one(r, stages, d)
		if v.frozen && stands[r.ID] {
			taken[r.Trigger] = cmp.Or(taken[r.Trigger], r.Name)
		}
		verdicts[i] = v
	}
	for i := range verdicts {
		v := &verdicts[i]
		if v.frozen || v.reason != "" {
			continue
		}
		by, is := taken[v.rule.Trigger]
		v.find(reasonRule, "no rule with the same trigger before", by, !is)
		if !is {
			taken[v.rule.Trigger] = v.rule.Name
			v.people = people(v.rule.Who, d)
			v.find(reasonNobody, wanted(v.rule.Who), seenPeople(d), len(v.people) > 0)
		}
	}
	return verdicts
}

// one judges a deal by one rule, as if there were no other.
func one(r bridge.Rule, stages []bridge.Stage, d bridge.Deal) verdict {
	v := verdict{rule: r}
	target, listed := stageOf(stages, r.Stage)
	if !r.On {
		v.find(reasonOff, "the rule is on", "off", false)
		v.frozen = true
	}
	if !listed {
		v.find(reasonUnlisted, "the org has the stage "+r.Stage, "it does not", false)
		v.frozen = true
	}
	v.find(reasonDeleted, "the deal is there", choose(d.Deleted, "it was deleted", "it is"), !d.Deleted)
	v.stage(target, stages, d)
	if r.WonOnly {
		v.find(reasonNotWon, "the deal is won", choose(d.Won, "won", "not won"), d.Won)
	}
	switch {
	case r.RecordType != "" && !d.With.RecordType:
		v.unseen("Record Type")
	case r.RecordType != "":
		v.find(reasonType, string(r.RecordType), string(d.RecordType), d.RecordType.Key() == r.RecordType.Key())
	}
	v.amount(d)
	if r.Trigger == bridge.ToConfirmed || r.Trigger == bridge.ToUnconfirmed {
		v.ready = d.Entered[r.Stage].AddDate(0, 0, r.Hold)
	}
	return v
}

// unseen lets the rule say nothing as long as it cannot see a field: it must not take back what it has counted because
// somebody hides that.
func (v *verdict) unseen(field string) {
	v.find(reasonUnseen, "the field "+field+" of opportunities can be seen", "it is hidden from the connected user", false)
	v.frozen = true
}

// stage finds whether the deal has reached the rule's stage, and stands. It stands where it is at that stage, or has gone
// on to a later one and is not lost. Messages may skip a stage that was left within seconds; the org's history
// does not.
func (v *verdict) stage(target bridge.Stage, stages []bridge.Stage, d bridge.Deal) {
	entered, been := d.Entered[v.rule.Stage]
	switch {
	case been:
		v.find(reasonStage, v.rule.Stage, d.Stage, true)
		v.find(reasonBefore, "reached since "+moment(v.rule.From), moment(entered), !entered.Before(v.rule.From))
	case d.Stage == v.rule.Stage:
		v.find(reasonHistory, "the org's history says when the deal came into its stage", "it does not yet", false)
	default:
		v.find(reasonStage, v.rule.Stage, d.Stage, false)
		return
	}
	if d.Stage == v.rule.Stage {
		return
	}
	now, listed := stageOf(stages, d.Stage)
	if !listed {
		v.find(reasonUnlisted, "the org has the stage "+d.Stage, "it does not", false)
		v.frozen = true
		return
	}
	v.find(reasonLost, "the deal is not lost", choose(now.Closed && !now.Won, "lost", "not lost"), !now.Closed || now.Won)
	stands := now.Order >= target.Order && (now.Won || !target.Won)
	v.find(reasonLeft, v.rule.Stage+", or later", d.Stage, stands)
}

// amount finds whether the amount is enough, and what it counts.
func (v *verdict) amount(d bridge.Deal) {
	least, spend := v.rule.Minimum, v.rule.Trigger == bridge.TotalSpend
	asked := least.Amount.IsPositive()
	if !asked && !spend {
		return
	}
	if d.With.NoAmount {
		v.unseen("Amount")
		return
	}
	v.find(reasonNoAmount, "an amount", choose(d.NoAmount, "none", shown(d.Amount)), !d.NoAmount)
	if asked && !d.NoAmount {
		v.find(reasonCurrency, "in "+cmp.Or(least.Currency, "the org's currency"), cmp.Or(d.Amount.Currency, "the org's currency"), d.Amount.Currency == least.Currency)
		v.find(reasonSmall, "at least "+shown(least), shown(d.Amount), d.Amount.Amount.GreaterThanOrEqual(least.Amount))
	}
	if spend && !d.NoAmount {
		v.find(reasonNegative, "an amount of at least 0", shown(d.Amount), !d.Amount.Amount.IsNegative())
		v.count = d.Amount
	}
}

// mostPeople bounds the contact roles of a deal that a rule acts for: the earliest.
const mostPeople = 25

// people are the contacts whom a rule is about.
func people(who bridge.Who, d bridge.Deal) []bridge.SalesforceID {
	roles := slices.SortedFunc(slices.Values(d.Roles), func(a, b bridge.ContactRole) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	var all []bridge.SalesforceID
	for _, r := range roles {
		if !slices.Contains(all, r.Contact) {
			all = append(all, r.Contact)
		}
	}
	if who == bridge.Everybody && len(all) > 0 {
		return all[:min(len(all), mostPeople)]
	}
	for _, r := range roles {
		if r.Primary {
			return []bridge.SalesforceID{r.Contact}
		}
	}
	switch {
	case len(all) == 1:
		return all
	case d.Contact != "":
		return []bridge.SalesforceID{d.Contact}
	case d.Person != "":
		return []bridge.SalesforceID{d.Person}
	default:
		return nil
	}
}

func wanted(who bridge.Who) string {
	if who == bridge.Everybody {
		return "a contact role"
	}
	return "a primary contact role, or one only, or a contact"
}

func seenPeople(d bridge.Deal) string {
	primary := slices.ContainsFunc(d.Roles, func(r bridge.ContactRole) bool { return r.Primary })
	switch {
	case len(d.Roles) == 0 && d.Contact == "" && d.Person == "":
		return "nobody"
	case len(d.Roles) == 0:
		return "a contact"
	case primary:
		return fmt.Sprintf("%d contact roles, one of them primary", len(d.Roles))
	case len(d.Roles) == 1:
		return "one contact role"
	default:
		return fmt.Sprintf("%d contact roles, none of them primary", len(d.Roles))
	}
}

func stageOf(stages []bridge.Stage, name string) (bridge.Stage, bool) {
	at := slices.IndexFunc(stages, func(s bridge.Stage) bool { return s.Name == name })
	if at < 0 {
		return bridge.Stage{}, false
	}
	return stages[at], true
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func moment(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04 UTC") }

// shown is an amount for people.
func shown(m bridge.Money) string {
	text := m.Amount.StringFixed(2)
	if m.Currency != "" {
		text = m.Currency + " " + text
	}
	return text
}
