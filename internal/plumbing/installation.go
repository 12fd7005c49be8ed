package plumbing

import (
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Wish is what should be.
type Wish string

// The wishes.
const (
	Installed Wish = "installed"
	Removed   Wish = "removed"
)

// Route is how what is wished for comes about.
type Route string

// The routes. The empty one is not chosen yet.
const (
	ByDeployment Route = "deployment"
	ByHand       Route = "hand"    // by an administrator of the org, after instructions
	PollOnly     Route = "polling" // not at all: the edition has no outbound messages
)

// Stage is what is to be done next.
type Stage string

// The stages.
const (
	Preparing  Stage = "preparing"  // let messages in, and find out what the org allows
	Comparing  Stage = "comparing"  // what is there with what should be
	Deploying  Stage = "deploying"  // what is missing
	Landing    Stage = "landing"    // wait for the deployment
	Activating Stage = "activating" // the flow, which landed inactive
	Resting    Stage = "resting"    // nothing is to be done; look again tomorrow
	Stopped    Stage = "stopped"    // it cannot go on until somebody asks again
	Removing   Stage = "removing"
	Gone       Stage = "gone"
)

// Installation is what is known about flow and message in the org of a connection.
type Installation struct {
	Account    bridge.AccountID
	Connection bridge.ConnectionID

	Wish    Wish
	Route   Route
	Edition string // of an org that is polled only
	Stage   Stage
	Mend    bool // differences are put right; else they are shown

	Name   string        // of flow and message; empty until it was chosen, and never changed then
	Hook   bridge.Secret // token of the address that messages go to
	Former bridge.Secret // that of the address before, as long as the org may use it; else empty
	// FormerEnds is when the address before lets no more messages in; zero if there was none, or it is still needed.
	FormerEnds time.Time

	Currency bool // the org has several currencies: the message names that of an amount
	Message  bool // the message is missing or wrong: it is part of the next deployment
	Flow     bool // the same of the flow
	Draft    bool // the org refused a deployment with an active flow: it goes out as a draft

	Deployment string    // Salesforce's id of the one that is under way
	DeployedAt time.Time // when it was sent
	Queued     bool      // it had not begun when it was last looked at: the org is busy with somebody else's
	Rounds     int       // deployments since somebody asked for one

	Definition bridge.SalesforceID // of our flow; empty until it was seen
	Version    bridge.SalesforceID // of the flow that is to be active
	Number     int                 // of that version
	MessageID  bridge.SalesforceID // of our message; empty until it was seen

	Fault   Fault    // what is wrong; empty if nothing is
	Details []string // names that belong to it, and Salesforce's own words
	Tries   int      // looks in a row that came to nothing

	Since     time.Time // its State is what it is
	BeganAt   time.Time // somebody last asked for it
	CheckedAt time.Time // the org was last compared to the end
	DueAt     time.Time // when to go on, also if a worker that is at it dies; zero if there is nothing to do
	Revision  int       // rises with each change
}

// State is how an installation is, for people.
type State string

// The states.
const (
	NotBegun   State = "not_begun"
	Installing State = "installing"
	InLine     State = "in_line"     // behind other deployments of the org
	NeedsClick State = "needs_click" // an administrator has to activate the flow
	NeedsHands State = "needs_hands" // an administrator has to make flow and message
	Working    State = "working"
	Paused     State = "paused" // the connection does not work, or Salesforce does not answer
	Broken     State = "broken"
	Polling    State = "polling" // the edition allows no more
	Leaving    State = "leaving"
	Left       State = "left"
)

// State says how the installation is.
func (i Installation) State() State {
	switch {
	case i.Wish == "":
		return NotBegun
	case i.Stage == Gone:
		return Left
	case i.Fault == ActivationRefused:
		return NeedsClick
	case i.Fault.passing():
		return Paused
	case i.Wish == Removed && i.Fault == "":
		return Leaving
	case i.Route == PollOnly:
		return Polling
	case i.Stage == Resting && i.Fault == "":
		return Working
	case i.Route == ByHand:
		return NeedsHands
	case i.Fault != "":
		return Broken
	case i.Stage == Landing && i.Queued:
		return InLine
	}
	return Installing
}

// Job asks to go on with an installation. What to do is read from the table.
type Job struct {
	Account    bridge.AccountID    `json:"account"`
	Connection bridge.ConnectionID `json:"connection"`
	Wake       bool                `json:"wake,omitempty"` // the connection works again: end the wait for it, if there is one
}

// Group names the account, so that one account's jobs cannot delay another's.
func (j Job) Group() string { return string(j.Account) }
