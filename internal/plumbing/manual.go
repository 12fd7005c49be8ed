package plumbing

import "github.com/referralbridge/referralbridge/internal/bridge"

// Screen is a page of Salesforce's Setup and what to do there.
type Screen struct {
	Title string // the place in Setup, as its menu has it
	Link  string // to that place; empty if the connection's host is not known
	Steps []Step
}

// Step is one thing to do on a screen.
type Step struct {
	Do    string
	Paste string // text to copy into it; may be empty
}

// Manual tells an administrator how to make message and flow by hand, with every text to copy. The address holds a
// secret: whoever has it can send us what looks like a message, which makes us read a record of this org and no more.
func (s Service) Manual(i Installation, c bridge.Connection) []Screen {
	if i.Name == "" {
		i.Name = baseName
	}
	link := func(p place) string {
		if c.Instance == "" {
			return ""
		}
		return c.Instance + "/lightning/setup/" + p.path
	}
	message := []Step{
		{Do: "Click New Outbound Message, choose the object Opportunity, and click Next."},
		{Do: "Name", Paste: label(i.Name)},
		{Do: "Unique Name", Paste: i.Name},
		{Do: "Endpoint URL", Paste: s.endpoint(i.Hook).Reveal()},
		{Do: "User to send as", Paste: c.Username},
		{Do: "Leave Protected Component and Send Session ID unchecked."},
	}
	for _, name := range fields(i.Currency) {
		message = append(message, Step{Do: "Add to Selected Fields", Paste: name})
	}
	message = append(message, Step{Do: "Click Save."})
	return []Screen{
		{Title: outboundMessages.name, Link: link(outboundMessages), Steps: message},
		{Title: flows.name, Link: link(flows), Steps: []Step{
			{Do: "Click New Flow, and choose Record-Triggered Flow."},
			{Do: "Object: choose Opportunity. Trigger the flow when a record is created or updated."},
			{Do: "Condition requirements: choose Formula Evaluates to True, and paste the formula.", Paste: Condition},
			{Do: "Optimize the flow for: choose Actions and Related Records."},
			{Do: "Add an element: choose Action, the category Outbound Message, and this message.", Paste: label(i.Name)},
			{Do: "Click Save. Flow label", Paste: label(i.Name)},
			{Do: "Flow API name", Paste: i.Name},
			{Do: "Click Activate. Then come back here, and check again."},
		}},
	}
}
