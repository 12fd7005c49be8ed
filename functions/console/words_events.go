package main

import (
	"cmp"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

// triggerWord says what a trigger is called, and what it does in campaigns whose goal has so many conversion events.
type triggerWord struct {
	Label string
	Text  func(events int) string
}

var triggerWords = map[bridge.Trigger]triggerWord{
	bridge.AddContact: {"Contact added", func(events int) string {
		with := "begins as pending"
		if events == 1 {
			with = "is confirmed at once, and may release a reward"
		}
		return "The person becomes a subscriber of the campaign. Whoever is one already stays as they are. If you name a field with the referrer below, the referral " + with + "; without, nobody is credited."
	}},
	bridge.ToUnconfirmed: {"Referral to unconfirmed", func(int) string {
		return "A pending referral becomes unconfirmed: the second of the goal’s three events. The person must be a subscriber whom somebody referred."
	}},
	bridge.ToConfirmed: {"Referral to confirmed", func(events int) string {
		from := "A pending referral"
		if events == 3 {
			from = "An unconfirmed referral"
		}
		return from + " becomes confirmed, and ReferralHero gives the rewards of your campaign. The person must be a subscriber whom somebody referred. If the opportunity is lost later, you are asked whether to unqualify the referral: it is never undone by itself."
	}},
	bridge.TotalSpend: {"Total spend", func(int) string {
		return "The person’s total spend is kept equal to the sum of their opportunities that count, upwards and downwards. A reward that an amount has released is not taken back when one is lost."
	}},
}

func triggerWordOf(t bridge.Trigger) string { return triggerWords[t].Label }

var whoChoices = []choice{
	{onePerson, "The person of the opportunity", "The primary contact role; else the only role; else the opportunity’s own contact, or its person account. If there is nobody yet, the opportunity is looked at again for some hours, and whenever its roles change."},
	{string(bridge.Everybody), "Everybody with a contact role", "Each of them who is a subscriber, up to 25. Not for total spend, where the amount would count once for each."},
}

// sentence says what a rule does, as one sentence. stages and types have the org's own words; both may be missing.
func sentence(r bridge.Rule, stages []bridge.Stage, types map[bridge.SalesforceID]string) string {
	var s strings.Builder
	s.WriteString("When an opportunity ")
	if r.RecordType != "" {
		s.WriteString("of the record type " + cmp.Or(types[r.RecordType], "chosen") + " ")
	}
	if r.Minimum.Amount.IsPositive() {
		s.WriteString("worth at least " + money(r.Minimum) + " ")
	}
	s.WriteString("reaches " + cmp.Or(stageLabel(stages, r.Stage), "a stage"))
	if r.WonOnly {
		s.WriteString(" and was won")
	}
	if r.Hold > 0 {
		s.WriteString(", and stands for " + plural(r.Hold, "day", "days"))
	}
	of := "its primary contact"
	if r.Who == bridge.Everybody {
		of = "everybody with a contact role"
	}
	switch r.Trigger {
	case bridge.AddContact:
		s.WriteString(", add " + of + " to the campaign")
		if r.Referrer != "" {
			s.WriteString(", referred by whom " + r.Referrer + " names")
		}
	case bridge.ToUnconfirmed:
		s.WriteString(", move the referral of " + of + " to unconfirmed")
	case bridge.ToConfirmed:
		s.WriteString(", confirm the referral of " + of)
	case bridge.TotalSpend:
		s.WriteString(", count its amount in the total spend of " + of)
	default:
		return s.String() + " …"
	}
	return s.String() + "."
}

func stageLabel(stages []bridge.Stage, name string) string {
	for _, s := range stages {
		if s.Name == name {
			return s.Label
		}
	}
	return name
}

// money writes an amount with commas between thousands, and its currency if the org names one.
func money(m bridge.Money) string {
	text := m.Amount.StringFixed(2)
	whole, rest, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if strings.HasPrefix(text, "-") {
		whole = "−" + whole
	}
	return strings.TrimSpace(m.Currency + " " + whole + "." + rest)
}

// flowStates say how the installation in an org stands.
var flowStates = map[plumbing.State]badge{
	plumbing.NotBegun:   {"Not installed", "secondary", "Flow and message are installed when the first event is saved and on. Until then nothing is changed in the org."},
	plumbing.Installing: {"Installing", "primary", "Salesforce is installing them. It takes a minute or two; you can close this page."},
	plumbing.InLine:     {"In line", "primary", "The org is busy with another deployment. Ours is next by itself."},
	plumbing.NeedsClick: {"Needs one click", "warning", "Everything is installed; an administrator has to activate the flow."},
	plumbing.NeedsHands: {"To be made by hand", "warning", "An administrator makes flow and message with the instructions."},
	plumbing.Working:    {"Installed", "success", "Salesforce tells us of changes within seconds, and we look for what was missed every 15 minutes."},
	plumbing.Paused:     {"Waiting", "warning", "It goes on by itself as soon as it can."},
	plumbing.Broken:     {"Needs you", "danger", "Messages do not come as they should. Changes are found every 15 minutes meanwhile."},
	plumbing.Polling:    {"Looking every 15 minutes", "secondary", "This edition of Salesforce has no outbound messages: changes are found by looking for them, within about 15 minutes. Nothing is installed."},
	plumbing.Leaving:    {"Being removed", "primary", "Flow and message are being taken out of the org."},
	plumbing.Left:       {"Removed", "secondary", "Flow and message are not in the org any more. Changes are found every 15 minutes, as long as an event is on."},
}

// conditions say what a condition of an event is called, by the reason for which it is not met.
var conditions = map[string]string{
	"rule_off": "Switched on", "deleted": "Not deleted", "stage_not_reached": "Has come to the stage", "history_missing": "When it came there", "before_from": "Came there since",
	"lost": "Not lost", "stage_left": "Has not gone back", "not_won": "Won", "record_type": "Record type", "no_amount": "Amount", "negative_amount": "Amount not below zero",
	"amount_too_small": "Least amount", "other_currency": "Currency", "other_rule": "First to decide", "stage_unlisted": "The org has the stage", "no_person": "Person",
}

func condition(reason string) string { return cmp.Or(conditions[reason], "Condition") }

// prompts say what made us look at a deal.
var prompts = map[bridge.Prompt]string{
	bridge.ByMessage: "a message from Salesforce", bridge.ByPoll: "the look every 15 minutes", bridge.ByCheck: "the daily check",
	bridge.ByLook: "another look for the person", bridge.ByRules: "a change of the events", bridge.ByPerson: "somebody’s decision",
}

func promptWords(p bridge.Prompt) string { return prompts[p] }

// effectStates say how far something has come in ReferralHero.
var effectStates = map[bridge.EffectState]badge{
	bridge.EffectIdle:    {"Dropped", "secondary", "Nothing is asked for any more."},
	bridge.EffectPlanned: {"Planned", "primary", "It is done when it is due."},
	bridge.EffectClaimed: {"At work", "primary", "ReferralHero is being looked at."},
	bridge.EffectCalling: {"At work", "primary", "ReferralHero is being called."},
	bridge.EffectDone:    {"Done", "success", ""},
	bridge.EffectSkipped: {"Nothing to do", "secondary", ""},
	bridge.EffectFailed:  {"Refused", "danger", "ReferralHero refuses it."},
	bridge.EffectUnknown: {"No answer yet", "warning", "It may have happened. We look what became of it."},
	bridge.EffectManual:  {"Needs you", "danger", "It may have happened, and only a person can tell."},
}

func effectState(s bridge.EffectState) badge { return effectStates[s] }

// effectKinds say what an effect does.
var effectKinds = map[bridge.EffectKind]string{
	bridge.EffectAdd: "Add the contact", bridge.EffectUnconfirmed: "Move the referral to unconfirmed", bridge.EffectConfirmed: "Confirm the referral",
	bridge.EffectSpend: "Tell the total spend", bridge.EffectUnqualify: "Unqualify the referral",
}

func effectKind(k bridge.EffectKind) string {
	return cmp.Or(effectKinds[k], "Look at the opportunity")
}

// reviewTitles are the headings of what a person has to look at.
var reviewTitles = map[bridge.ReviewKind]badge{
	bridge.ReviewUnknown:  {"Did it happen?", "danger", ""},
	bridge.ReviewReversed: {"Moved, and the opportunity is lost", "danger", ""},
	bridge.ReviewRefused:  {"Refused by ReferralHero", "danger", ""},
	bridge.ReviewWaiting:  {"Waiting for long", "warning", ""},
	bridge.ReviewMoved:    {"An amount that belongs elsewhere now", "warning", ""},
	bridge.ReviewCurrency: {"Another currency", "warning", ""},
	bridge.ReviewHidden:   {"An opportunity that cannot be seen", "warning", ""},
}

func reviewTitle(k bridge.ReviewKind) badge { return reviewTitles[k] }

// answerWords are what ReferralHero's answers mean, where our own reasons have no words for them.
var answerWords = map[string]string{
	"subscriber_created": "Became a subscriber.", "subscriber_retrieved": "Was a subscriber already.", "transaction_added": "Taken.",
	"confirmed": "The referral is confirmed.", "unconfirmed": "The referral is unconfirmed.", "pending": "The referral is pending.",
	string(conversion.Happened): "Decided: it happened.", string(conversion.Again): "Decided: do it again.",
}

func answerOf(a bridge.Action) string {
	if words := answerWords[a.Answer]; words != "" {
		return words
	}
	return conversion.Explain(a.Answer)
}

// again says what doing a call of unknown outcome again would mean.
func againWords(e bridge.Effect) string {
	switch e.Kind {
	case bridge.EffectSpend:
		return "The same transaction is sent once more, with the same number and amounts. If it was there after all, ReferralHero may count it twice and release a reward twice."
	case bridge.EffectConfirmed, bridge.EffectUnconfirmed:
		return "ReferralHero is looked at first, and called only if the referral has not moved. If it moved without showing it, a step may be taken twice."
	default:
		return "ReferralHero is called once more. Somebody who is a subscriber already stays as they are."
	}
}

// dealLink leads to an opportunity in Salesforce.
func dealLink(instance string, id bridge.SalesforceID) string {
	if instance == "" || id == "" {
		return ""
	}
	return instance + "/lightning/r/Opportunity/" + string(id) + "/view"
}

// dealAnswer hands what a rule says of a deal to the part that shows it.
func dealAnswer(v view, a conversion.Answer, instance string) (d struct {
	View     view
	Answer   conversion.Answer
	Instance string
}) {
	d.View, d.Answer, d.Instance = v, a, instance
	return d
}
