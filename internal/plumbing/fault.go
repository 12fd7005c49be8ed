package plumbing

import (
	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Fault is what is wrong with an installation.
type Fault string

// The faults. The first three pass: the work goes on by itself when they do.
const (
	ConnectionDead     Fault = "connection_dead"
	OrgSilent          Fault = "org_silent"
	CallsUsedUp        Fault = "calls_used_up"
	RightsMissing      Fault = "rights_missing"
	StagesHidden       Fault = "stages_hidden"
	DeploymentRefused  Fault = "deployment_refused"
	DeploymentCanceled Fault = "deployment_canceled"
	DeploymentUnseen   Fault = "deployment_unseen"
	ActivationRefused  Fault = "activation_refused"
	FlowMissing        Fault = "flow_missing"
	FlowInactive       Fault = "flow_inactive"
	FlowReplaced       Fault = "flow_replaced"
	MessageMissing     Fault = "message_missing"
	EndpointChanged    Fault = "endpoint_changed"
	UserChanged        Fault = "user_changed"
	UserInactive       Fault = "user_inactive"
	FieldsMissing      Fault = "fields_missing"
	RemovalRefused     Fault = "removal_refused"
	Refused            Fault = "refused"
	OrgCopied          Fault = "org_copied"
)

// passing reports whether a fault is over by itself, or with the connection's own trouble.
func (f Fault) passing() bool {
	return f == ConnectionDead || f == OrgSilent || f == CallsUsedUp
}

// Trouble is a fault in words.
type Trouble struct {
	Fault   Fault
	Title   string // what is wrong
	Effect  string // what it breaks
	Who     string // can put it right
	Remedy  string // how
	Details []string
	Setup   string // the place in Setup, as its menu has it
	Link    string // to that place
	Mend    bool   // we put it right if somebody asks us to
	Check   bool   // looking again is what comes after the remedy
}

const (
	anAdministrator = "An administrator of the Salesforce org"
	ourSupport      = "Whoever runs Referral Bridge"
	nobody          = "Nobody has to: it passes by itself"
	you             = "You"
)

// place is a page of Setup. The paths are those that Setup itself shows in the browser.
type place struct{ name, path string }

var (
	flows            = place{"Flows", "Flows/home"}
	outboundMessages = place{"Outbound Messages", "WorkflowOutboundMessaging/home"}
	deploymentStatus = place{"Deployment Status", "DeployStatus/home"}
	permissionSets   = place{"Permission Sets", "PermSets/home"}
	users            = place{"Users", "ManageUsers/home"}
	nowhere          = place{}
)

// words are how a fault is put.
type words struct {
	title, effect, who, remedy string
	place                      place
	mend, check                bool
}

const (
	slower = "Nothing is lost: changes of opportunities are found by looking for them, every 15 minutes instead of within seconds."
	stays  = "No harm is done: what still arrives is answered, and ignored."
)

var told = map[Fault]words{
	ConnectionDead: {"The Salesforce connection does not work", slower + " As long as the connection does not work, nothing is found at all.", you,
		"See the connection under Connections. This goes on by itself when the connection works again.", nowhere, false, false},
	OrgSilent:   {"Salesforce did not answer", slower, nobody, "It is tried again, at longer and longer intervals.", nowhere, false, true},
	CallsUsedUp: {"The org's API calls are used up", slower, nobody, "Calls come back as the day moves on.", nowhere, false, false},
	RightsMissing: {"The connected user may not install a flow", slower, anAdministrator,
		"Give the user these permissions for as long as it takes, and check again here. Or make message and flow by hand, as described below.", permissionSets, false, true},
	StagesHidden: {"The connected user may not read opportunities", "Opportunities cannot be followed at all.", anAdministrator,
		"Give the user the right to read the object Opportunity with its fields Stage and Amount, then check again here.", permissionSets, false, true},
	DeploymentRefused: {"Salesforce refused to install the flow or its message", slower, anAdministrator,
		"Salesforce says why, below; Deployment Status has more. Put that right and install again here.", deploymentStatus, true, false},
	DeploymentCanceled: {"Somebody has cancelled the installation in Salesforce", slower, you, "Install again here, unless it was cancelled on purpose.", deploymentStatus, true, false},
	DeploymentUnseen: {"Salesforce says that it has installed flow and message, but they are not as they should be", slower, anAdministrator,
		"An app or an administrator may be changing them back. Find out, and install again here.", flows, true, false},
	ActivationRefused: {"The flow is installed, and not active", slower, anAdministrator,
		"Open Setup > Flows, choose the flow named below, and click Activate. Then check again here. Production orgs keep flows from other systems inactive until somebody does so.", flows, false, true},
	FlowMissing:  {"The flow was deleted", slower, you, "Install again here, unless it was deleted on purpose.", flows, true, false},
	FlowInactive: {"The flow was deactivated", slower, you, "Install again here, or let an administrator activate it under Setup > Flows, unless it was deactivated on purpose.", flows, true, true},
	FlowReplaced: {"Another version of the flow is active than the one that was installed", "Messages may be missing, or be too many. Changes are still found every 15 minutes.", you,
		"Install again here to activate ours, or let an administrator look at what was changed under Setup > Flows.", flows, true, true},
	MessageMissing:  {"The outbound message was deleted", slower, you, "Install again here, unless it was deleted on purpose.", outboundMessages, true, false},
	EndpointChanged: {"The outbound message is sent to another address", slower, you, "Install again here, unless the address was changed on purpose.", outboundMessages, true, true},
	UserChanged: {"The outbound message is sent as another user", "It stops without notice if that user is deactivated, and leaves out what that user may not see.", you,
		"Install again here, to have it sent as the connected user.", outboundMessages, true, true},
	UserInactive: {"The outbound message is sent as a user who is not active", slower, you,
		"Install again here, to have it sent as the connected user; or let an administrator activate the user.", users, true, true},
	FieldsMissing: {"Fields were taken out of the outbound message", "Messages say less than they should. What counts is read from Salesforce in any case.", you,
		"Install again here.", outboundMessages, true, true},
	RemovalRefused: {"The org did not let us remove everything", stays, anAdministrator,
		"Under Setup > Flows, deactivate and delete the flow; then delete the message under Setup > Outbound Messages.", flows, false, false},
	OrgCopied: {"Another org sends messages to the address of this connection", stays, "An administrator of that org",
		"It is most likely a sandbox that was copied from this org, with the flow. Deactivate the flow there, under Setup > Flows. To use the sandbox too, connect it as an org of its own.",
		nowhere, false, false},
	Refused: {"Salesforce refused for a reason that we do not know", slower, ourSupport, "Salesforce's code says why. Try again, and tell us if it stays.", nowhere, true, true},
}

// trouble puts what is wrong with an installation into words; nil if nothing is.
func trouble(i Installation, c bridge.Connection) *Trouble {
	w, known := told[i.Fault]
	if !known {
		return nil
	}
	t := &Trouble{
		Fault: i.Fault, Title: w.title, Effect: w.effect, Who: w.who, Remedy: w.remedy, Details: i.Details,
		Setup: w.place.name, Mend: w.mend && i.Route != ByHand, Check: w.check || i.Route == ByHand,
	}
	if w.place.path != "" && c.Instance != "" {
		t.Link = c.Instance + "/lightning/setup/" + w.place.path
	}
	return t
}
