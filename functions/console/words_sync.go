package main

import (
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

var targets = []choice{
	{string(bridge.ToContact), "Contacts", "A subscriber is matched with a contact by SUB_ID, then by e-mail address. Whoever has none becomes a new contact."},
	{string(bridge.ToLead), "Leads", "The same with leads. When a lead is converted, its contact is kept up to date from then on."},
	{string(bridge.ToPersonAccount), "Person accounts", "Only for orgs that have person accounts switched on. New ones need a record type, below."},
}

// targetWords are what records of a target are called: one, and many.
var targetWords = map[bridge.Target][2]string{
	bridge.ToContact: {"contact", "contacts"}, bridge.ToLead: {"lead", "leads"}, bridge.ToPersonAccount: {"person account", "person accounts"},
}

var onlyChoices = []choice{
	{string(syncer.Everybody), "Everybody", "Every verified subscriber has a record in Salesforce."},
	{string(syncer.OnlyReferrals), "Only referrals", "Only people whom somebody referred. Others get no new record; a record that was filled in once stays up to date."},
	{string(syncer.OnlyAdvocates), "Only advocates", "Only people who have referred somebody. A subscriber gets a record with the first referral."},
}

var prefixes = []choice{
	{"prefixed", "With RH_ in front", "RH_CODE, RH_POINTS and so on. They cannot be mistaken for fields of your own."},
	{"bare", "Bare names", "CODE, POINTS and so on. Where a field of your own has the name already, ours gets RH_ in front, and yours is not touched."},
}

// onlyChoice says who is synced.
func onlyChoice(o syncer.Only) choice {
	for _, c := range onlyChoices {
		if c.Value == string(o) {
			return c
		}
	}
	return choice{Label: string(o)}
}

func everyWords(d time.Duration) string {
	switch d {
	case syncer.Hourly:
		return "every hour"
	case syncer.SixHours:
		return "every six hours"
	default:
		return "once a day"
	}
}

// overdue is how late a regular comparison may be before anybody is told.
const overdue = time.Hour

// syncState says how a campaign's syncing stands. run is the newest one, step how far the fields are; both may be missing. hook is
// whether ReferralHero tells us of changes.
func syncState(s syncer.Sync, run *syncer.Run, step provision.Step, hook silence, now time.Time) badge {
	running := run != nil && run.EndedAt.IsZero()
	switch {
	case !s.On:
		return badge{"Off", "secondary", "Nothing is written. What is in Salesforce stays as it is."}
	case step != "" && !step.Over():
		return badge{"Setting up", "primary", "The fields are being set up in Salesforce. Then everybody is filled in, by itself."}
	case s.Waits != "":
		return badge{"Waiting", "warning", strings.TrimSuffix(s.Waits, ".") + ". Nothing is lost: it goes on by itself as soon as it can."}
	case running && run.Why == switchedOn:
		return badge{"Filling in", "primary", "Everybody is being compared with Salesforce, and what is missing is written. You can close this page."}
	case running:
		return badge{"Comparing", "primary", "Everybody is being compared with Salesforce, and what differs is written. Changes go on meanwhile."}
	case s.Wanted != "":
		return badge{"About to compare", "primary", "Everybody is compared with Salesforce within a minute or two. Changes go on meanwhile."}
	case !s.NextRun.IsZero() && now.After(s.NextRun.Add(overdue)):
		return badge{"Behind", "warning", "The regular comparison is late. It begins as soon as there is room for it; Compare now asks for it at once."}
	case hook.Silent:
		return badge{"On, but not told", "warning", "Everybody is compared " + everyWords(s.Every) + ", and what differs is written. ReferralHero does not tell us of changes in between."}
	case hook.Never:
		return badge{"On", "success", "Everybody is compared " + everyWords(s.Every) + ", and what differs is written. Changes go to Salesforce as they happen once ReferralHero tells us of them."}
	default:
		return badge{"On", "success", "Changes go to Salesforce as they happen, and everybody is compared " + everyWords(s.Every) + "."}
	}
}

// switchedOn is why the first run after Save is made.
const switchedOn = "switched on"

// runWhys say why a run was made.
var runWhys = map[string]string{
	switchedOn: "Switched on, or options changed", "regular": "Regular comparison", "asked for": "Compare now", "fields": "Fields became visible, or hidden",
	"reconnected": "The connection works again", "import": "After an import", "missed": "Changes that had waited", "told": "ReferralHero asked for it",
	"many changes": "Many changes at once", "retry": "Refused records were tried again",
	"bulk load failed": "Salesforce gave up a bulk load",
}

func runWhy(why string) string {
	if words := runWhys[why]; words != "" {
		return words
	}
	return "Comparison"
}

// writeWhys say what the last write of a record came from.
var writeWhys = map[string]string{
	string(inbox.Registration): "ReferralHero’s webhook: signed up", string(inbox.Referral): "ReferralHero’s webhook: referred somebody",
	string(inbox.Update): "ReferralHero’s webhook: changed", string(inbox.Promotion): "ReferralHero’s webhook: promoted",
	string(inbox.Reward): "ReferralHero’s webhook: got a reward", string(inbox.Deletion): "ReferralHero’s webhook: deleted, or a referral was",
	"import": "An import", "conversion": "An event to track: what we told ReferralHero about a deal", "retry": "Tried again after Salesforce had refused it", "check": "Looked at once more, since it changed while it was read",
	switchedOn: "The comparison after syncing was switched on", "regular": "A regular comparison", "asked for": "A comparison that somebody asked for",
	"fields": "The comparison after fields became visible, or hidden", "reconnected": "The comparison after the connection worked again",
	"missed": "The comparison after a wait", "told": "A comparison that ReferralHero asked for", "many changes": "A comparison, for many changes at once",
	"bulk load failed": "The comparison after Salesforce gave up a bulk load",
}

func writeWhy(why string) string {
	if words := writeWhys[why]; words != "" {
		return words
	}
	return why
}

// statement says what a run has found, in a sentence.
func statement(s syncer.Statement) string {
	var parts []string
	for _, part := range []struct {
		n     int
		words string
	}{
		{s.Equal, "equal"}, {s.Repaired, "repaired"}, {s.Refused, "need you"}, {s.Skipped, "left out on purpose"}, {s.Gone, "gone, and cleared"},
	} {
		if part.n > 0 || part.words == "equal" {
			parts = append(parts, number(part.n)+" "+part.words)
		}
	}
	text := plural(s.Subscribers, "subscriber", "subscribers") + ": " + strings.Join(parts, ", ") + "."
	return strings.Replace(text, " 1 need you", " 1 needs you", 1)
}

// misfit says of which people Salesforce has less than ReferralHero says, since it has no room; empty if it has everything.
func misfit(s syncer.Statement) string {
	kinds := []struct {
		fields []string
		room   int
		words  string
	}{
		{words: "longer than Salesforce’s %s characters and left empty. Shorten the web address that the campaign’s referral links begin with."},
		{words: "longer than Salesforce’s %s digits and left empty."},
		{words: "longer than Salesforce’s %s characters; the beginning is shown."},
	}
	for _, f := range bridge.Fields {
		m := s.Misfits[f.Name]
		add := func(kind, people int) {
			if people > 0 {
				k := &kinds[kind]
				k.fields, k.room = append(k.fields, f.Name+" of "+plural(people, "person", "people")), max(k.room, m.Room)
			}
		}
		if f.Type == bridge.NumberField {
			add(1, m.Left)
		} else {
			add(0, m.Left)
		}
		add(2, m.Cut)
	}
	var sentences []string
	for _, k := range kinds {
		if n := len(k.fields); n > 0 {
			verb := " are "
			if n == 1 {
				verb = " is "
			}
			sentences = append(sentences, strings.Join(k.fields, ", ")+verb+strings.Replace(k.words, "%s", number(k.room), 1))
		}
	}
	return strings.Join(sentences, " ")
}

// fieldStates say how a field stands.
var fieldStates = map[provision.State]badge{
	provision.Planned:  {"Not made yet", "secondary", ""},
	provision.Visible:  {"Kept up to date", "success", ""},
	provision.HandMade: {"Kept up to date", "success", ""},
	provision.Hidden:   {"Hidden", "warning", ""},
	provision.ReadOnly: {"Read-only", "warning", ""},
	provision.Missing:  {"Missing", "danger", ""},
	provision.Unseen:   {"Hidden or missing", "warning", ""},
	provision.Differs:  {"Different", "danger", ""},
}

func fieldState(s provision.State) badge { return fieldStates[s] }

// setupSteps are what setting up goes through, in order.
var setupSteps = []struct {
	Step provision.Step
	Text string
}{
	{provision.Queued, "Begin"},
	{provision.Making, "Make the fields"},
	{provision.Granting, "Make the permission sets, and give them to people"},
	{provision.Verifying, "Look at the fields as the connected user, until Salesforce shows them"},
}

// places are the paths of pages of Setup, as its own menu has them in the browser, by the words for them. %s stands for an
// object.
var places = map[string]string{
	"Object Manager > Validation Rules":       "ObjectManager/%s/ValidationRules/view",
	"Object Manager > Fields & Relationships": "ObjectManager/%s/FieldsAndRelationships/view",
	"Object Manager > Page Layouts":           "ObjectManager/%s/PageLayouts/view",
	"Duplicate Rules":                         "DuplicateRules/home",
	"Sharing Settings":                        "SecuritySharing/home",
	"Permission Sets":                         "PermSets/home",
	"Apex Jobs":                               "AsyncApexJobs/home",
	"Flows":                                   "Flows/home",
	"Storage Usage":                           "CompanyResourceDisk/home",
}

// setupLink leads to a place in Setup, or nowhere if we do not know the way.
func setupLink(instance, place, object string) string {
	path := places[place]
	if path == "" || instance == "" {
		return ""
	}
	return instance + "/lightning/setup/" + strings.Replace(path, "%s", object, 1)
}

// recordObjects are the objects that records of a target are of.
var recordObjects = map[bridge.Target]string{bridge.ToContact: "Contact", bridge.ToLead: "Lead", bridge.ToPersonAccount: "Account"}

// recordLink leads to a record in Salesforce.
func recordLink(instance string, t bridge.Target, id bridge.SalesforceID) string {
	if instance == "" || id == "" {
		return ""
	}
	return instance + "/lightning/r/" + recordObjects[t] + "/" + string(id) + "/view"
}
