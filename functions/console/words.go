package main

import (
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/doctor"
)

// outcomeWord says what an outcome is called.
type outcomeWord struct {
	Outcome     bridge.Outcome
	Label, Text string
	Count       func(bridge.Counts) int
}

// outcomeWords are in the order in which they are shown.
var outcomeWords = []outcomeWord{
	{bridge.Created, "Created", "became subscribers by this import", func(c bridge.Counts) int { return c.Created }},
	{bridge.Existed, "Existed", "were subscribers already, or share the identifier of another contact", func(c bridge.Counts) int { return c.Existed }},
	{bridge.Skipped, "Skipped", "left out on purpose; nothing was sent", func(c bridge.Counts) int { return c.Skipped }},
	{bridge.Refused, "Invalid", "have an identifier that ReferralHero cannot take", func(c bridge.Counts) int { return c.Invalid }},
	{bridge.Failed, "Failed", "were not taken in several attempts; they can be tried again", func(c bridge.Counts) int { return c.Failed }},
}

// badge is a short word on a colour that says how good the news is.
type badge struct{ Label, Colour, Text string }

var importStates = map[bridge.ImportState]badge{
	bridge.Running:    {"Running", "primary", "Contacts are being added. You can close this page: it goes on, and we send an e-mail when it is finished."},
	bridge.Paused:     {"Paused", "secondary", "Nothing happens until you resume it. What was added stays."},
	bridge.Finalizing: {"Finishing", "primary", "Every contact has its outcome; the e-mail is being sent."},
	bridge.Done:       {"Done", "success", "Every contact has its outcome."},
	bridge.Canceled:   {"Canceled", "secondary", "It was ended before all contacts had their turn. What was added stays."},
	bridge.Broken:     {"Ended early", "danger", "It could not go on."},
}

// importState says how an import stands.
func importState(i bridge.Import) badge {
	if i.State == bridge.Running && i.Parked != "" {
		return badge{"Waiting", "warning", strings.TrimSuffix(i.Parked, ".") + ". It goes on by itself as soon as it can."}
	}
	return importStates[i.State]
}

var connectionStates = map[bridge.ConnectionStatus]badge{
	bridge.Active:         {"Connected", "success", "Imports can use it."},
	bridge.NeedsReconnect: {"Reconnect required", "danger", "Salesforce has ended this connection. What needs it waits; connect again with the same user, and it goes on."},
	bridge.NeedsAdmin:     {"Needs an administrator", "warning", "The org refuses us. An administrator has to allow the app for this user; then it goes on."},
	bridge.Disconnected:   {"Disconnected", "secondary", "It was ended here."},
}

// connectionState says how a connection stands.
func connectionState(c bridge.Connection) badge {
	state := connectionStates[c.Status]
	if c.Status == bridge.NeedsAdmin && c.Code == connect.TokenRefused {
		state.Text = "The org refuses even a token that it has just given us: an administrator should look at its session settings and at the app's IP restrictions. We try again every ten minutes."
	}
	return state
}

// access says by which app a connection came about, if it is not ours.
func access(c bridge.Connection) string {
	switch c.Access {
	case bridge.OwnApp:
		return "Your own"
	case bridge.ClientCredentials:
		return "Your own, as its “Run As” user"
	default:
		return ""
	}
}

// findingLevels say how bad a finding of the doctor is.
var findingLevels = map[doctor.Level]badge{
	doctor.Blocking: {"Must be put right", "danger", "Nothing works until this is put right."},
	doctor.Limiting: {"Works with limits", "warning", "It works, with something left out."},
	doctor.Later:    {"For later", "secondary", "Good to know. Nothing that you use now breaks by it."},
}

func disconnectedWords(c bridge.Connection) string {
	if c.Code == connect.NotRevoked {
		return "Salesforce could not be told: an administrator should also revoke the app under Setup > Connected Apps OAuth Usage."
	}
	return "Salesforce was told to end our access."
}

// choice is an option of a form with what follows from it.
type choice struct{ Value, Label, Text string }

var identifiers = []choice{
	{string(bridge.ByEmail), "E-mail address", "Contacts are imported by their e-mail address. Those without one are skipped."},
	{string(bridge.ByPhone), "Phone number", "Contacts are imported by their phone number. Those without one are skipped."},
	{string(bridge.ByWallet), "Crypto wallet address", "Contacts have no wallet address, so none can be imported."},
	{string(bridge.ByOther), "Another identifier", "We do not know where contacts would keep it, so none can be imported."},
}

var events = []choice{
	{"0", "Not said yet", "Imports work. Conversions cannot be tracked until you say it."},
	{"1", "One", "A referral counts as soon as the person signs up: there is nothing to confirm."},
	{"2", "Two", "A referral is pending after sign-up, and confirmed by the second event."},
	{"3", "Three", "A referral is pending after sign-up, unconfirmed after the second event, and confirmed by the third."},
}

// consentProblems says what went wrong on the way to Salesforce and back, and what to do.
var consentProblems = map[connect.Problem]string{
	connect.BadDomain:     "This is no My Domain of Salesforce. It looks like yourcompany.my.salesforce.com; an administrator finds it under Setup > My Domain.",
	connect.Declined:      "You chose Deny at Salesforce, so nothing was connected. Connect again and choose Allow.",
	connect.BadState:      "This consent was used already, or was begun in another browser. Please connect again from here.",
	connect.Expired:       "It took longer than ten minutes, so we gave up waiting. Please connect again.",
	connect.OtherSession:  "You signed in here anew while you were at Salesforce. Please connect again.",
	connect.NoExchange:    "Salesforce did not accept its own answer. Please connect again; if it happens again, the app's settings are wrong and we have to act.",
	connect.OrgMismatch:   "Salesforce's answer is about another org than it should be, so nothing was changed. Sign out of Salesforce and reconnect with the same org; to add the other org, use the form below.",
	connect.UserMismatch:  "You signed in as another user of this org, so nothing was changed. Reconnect with the user that the card shows; to connect the other user, use the form below.",
	connect.BadApp:        "The consumer key or the consumer secret is missing or incomplete. Salesforce shows both in the app's OAuth settings; please enter them again.",
	connect.UntrustedHost: "The address of the org is not one of Salesforce's, so we did not connect.",
	connect.AppRefused:    "The org does not let our app in. An administrator has to install it, or allow it for your user; see below.",
	connect.NoAnswer:      "Salesforce could not be reached. Nothing was connected; please try again in a few minutes.",
}

// consentProblem says what a code means, at the field of the form that it is about.
func consentProblem(code connect.Problem) problem {
	text, ok := consentProblems[code]
	switch {
	case !ok:
		return problem{"", "The org was not connected. Please try again."}
	case code == connect.BadDomain:
		return problem{"domain", text}
	case code == connect.BadApp:
		return problem{"app_key", text}
	default:
		return problem{"", text}
	}
}
