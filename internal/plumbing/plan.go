package plumbing

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// What flow and message are called if the org has nothing else of that name.
const (
	baseName  = "RH_Opportunity_Stage"
	baseLabel = "RH Opportunity Stage"
)

// Condition says when the flow sends its message. A bare ISCHANGED is refused in a flow that also starts when a record
// is made. The amount counts too, since a deal that was won may change it later.
const Condition = "OR(ISNEW(), ISCHANGED({!$Record.StageName}), ISCHANGED({!$Record.Amount}))"

const object = "Opportunity"

const (
	stage    = "StageName"
	currency = "CurrencyIsoCode" // is there only in orgs with several currencies, and fails a deployment elsewhere
)

// fields are what a message says of an opportunity. It is a hint, and what counts is read from Salesforce, so names and
// accounts stay in the org.
func fields(currencies bool) []string {
	names := []string{"Amount", "Id", "LastModifiedDate", stage}
	if currencies {
		names = slices.Insert(names, 1, currency)
	}
	return names
}

// suffix tells the installation of a connection from others in the same org.
func suffix(c bridge.ConnectionID) string {
	sum := sha256.Sum256([]byte(c))
	return hex.EncodeToString(sum[:3])
}

// ownName is the name that no other installation has.
func ownName(c bridge.ConnectionID) string { return baseName + "_" + suffix(c) }

// label is what people call the flow or message of a name.
func label(name string) string { return strings.ReplaceAll(name, "_", " ") }

// endpoint is the address that a hook is reached by.
func (s Service) endpoint(hook bridge.Secret) bridge.Secret {
	return bridge.NewSecret(s.Inbox + hook.Reveal())
}

// hookOf is the hook that an address leads to; ok is false if the address is not one of ours.
func (s Service) hookOf(endpoint bridge.Secret) (hook bridge.Secret, ok bool) {
	token, ok := strings.CutPrefix(endpoint.Reveal(), s.Inbox)
	return bridge.NewSecret(token), ok
}

// message is the message that should be there.
func (s Service) message(i Installation, username string) *Message {
	return &Message{
		Name: i.Name, Label: label(i.Name), Endpoint: s.endpoint(i.Hook), Username: username, Fields: fields(i.Currency),
	}
}

func flowPlan(i Installation) *FlowPlan {
	return &FlowPlan{Name: i.Name, Label: label(i.Name), Condition: Condition, Message: i.Name, Active: !i.Draft}
}
