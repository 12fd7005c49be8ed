package plumbing

import (
	"context"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Org is an org as its connected user sees it.
type Org interface {
	rules
	eyes
	hands
	broom
}

// rules tell what the org allows.
type rules interface {
	Edition(context.Context) (string, error)
	// Permissions says which permissions the user has, by their names in the API.
	Permissions(context.Context) (map[string]bool, error)
	// Fields returns the names of an object's visible fields; NotFound if the object may not be read.
	Fields(ctx context.Context, object string) ([]string, error)
}

// eyes see what is there.
type eyes interface {
	// Username returns the name by which a user signs in, and whether the user is active.
	Username(ctx context.Context, user bridge.SalesforceID) (name string, active bool, err error)
	// OutboundMessage returns an outbound message of opportunities by its API name; NotFound if there is none.
	OutboundMessage(ctx context.Context, name string) (Message, error)
	// Flow returns a flow by its API name; NotFound if there is none.
	Flow(ctx context.Context, name string) (Flow, error)
}

// hands put things there.
type hands interface {
	// Deploy sends a package to the org, which installs it later, and returns the deployment's id.
	Deploy(context.Context, Package) (id string, err error)
	// Deployment tells how far a deployment is.
	Deployment(ctx context.Context, id string) (Deployment, error)
	// ActivateFlow makes a version of a flow the active one; 0 is none.
	ActivateFlow(ctx context.Context, definition bridge.SalesforceID, number int) error
}

// broom takes them away. What is gone already is NotFound.
type broom interface {
	CancelDeployment(ctx context.Context, id string) error
	FlowVersions(ctx context.Context, definition bridge.SalesforceID) ([]FlowVersion, error)
	uninstaller
}

type uninstaller interface {
	DeleteFlowVersion(ctx context.Context, version bridge.SalesforceID) error
	DeleteOutboundMessage(ctx context.Context, message bridge.SalesforceID) error
}

// Message is an outbound message.
type Message struct {
	ID       bridge.SalesforceID // empty if it is to be made
	Name     string              // API name
	Label    string
	Endpoint bridge.Secret       // address that it is sent to; it holds the hook's token
	User     bridge.SalesforceID // whom it is sent as
	Username string
	Fields   []string
}

// Flow is a flow and its versions, as far as they matter.
type Flow struct {
	Definition   bridge.SalesforceID
	Active       bridge.SalesforceID // version; empty if none is active
	ActiveNumber int
	Latest       bridge.SalesforceID // version; empty if there is none
	Number       int                 // of the latest version
}

// FlowVersion is one version of a flow.
type FlowVersion struct {
	ID     bridge.SalesforceID
	Number int
	Active bool
}

// Package is what one deployment brings: a message, a flow that sends it, or both.
type Package struct {
	Message *Message
	Flow    *FlowPlan
}

// FlowPlan is a flow to be made: whenever an opportunity is saved for which Condition holds, it sends Message.
type FlowPlan struct {
	Name      string // API name
	Label     string
	Condition string // a formula
	Message   string // API name
	Active    bool
}

// Deployment is how far a deployment is.
type Deployment struct {
	Done      bool
	Succeeded bool
	Begun     bool // the org works on it; else it waits behind others
	Canceled  bool
	Uncovered bool // it failed because the org takes no active flow without tests of its own
	// Problems are Salesforce's words about what it refuses, for the customer's administrators.
	Problems []Problem
}

// Problem is what Salesforce refuses in a deployment.
type Problem struct {
	Component string // such as "RH_Opportunity_Stage"; empty if it is about none in particular
	Words     string
}
