package connect

import (
	"context"
	"encoding/json"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Task is what the token broker is asked to do.
type Task string

// The tasks of the broker.
const (
	ExchangeCode Task = "exchange" // turn the code of a consent into a connection
	RenewToken   Task = "renew"    // give an access token that is newer than Have
	RevokeGrant  Task = "revoke"   // end the grant and forget its tokens
	KeepGrant    Task = "keep"     // refresh the grant if it has been idle for long, so that it does not die
	HoldApp      Task = "hold"     // seal a customer's app for the time of the consent
	RunApp       Task = "run"      // connect by a customer's app, without a consent
)

// Request asks the token broker for something. It is what its invocations carry.
type Request struct {
	Task       Task                `json:"task"`
	Account    bridge.AccountID    `json:"account"`
	Connection bridge.ConnectionID `json:"connection,omitempty"` // empty for ExchangeCode, and where a new one is made
	Insist     bool                `json:"insist,omitempty"`     // with RenewToken: ask an org that refuses us before its rest is over
	Have       int                 `json:"have,omitempty"`       // version of the access token that was refused
	Consent    *Code               `json:"consent,omitempty"`    // of ExchangeCode
	App        *CarriedApp         `json:"app,omitempty"`        // of HoldApp and RunApp; without one it is the connection's
	LoginHost  string              `json:"loginHost,omitempty"`  // of HoldApp and RunApp
}

// CarriedApp is a customer's app on its way to the broker.
type CarriedApp struct {
	Key    Carried `json:"key"`
	Secret Carried `json:"secret"`
}

// Code is an authorization code with all that is needed to redeem it.
type Code struct {
	Code        Carried            `json:"code"`
	Verifier    Carried            `json:"verifier"` // of PKCE
	LoginHost   string             `json:"loginHost"`
	RedirectURI string             `json:"redirectUri"`
	Environment bridge.Environment `json:"environment"`

	App        []byte              `json:"app,omitempty"`        // the customer's, as HoldApp has sealed it
	Connection bridge.ConnectionID `json:"connection,omitempty"` // that is to be connected again
}

// Reply is the broker's answer: a token for RenewToken, an app for HoldApp, and the connection for the others.
type Reply struct {
	Connection bridge.ConnectionID `json:"connection"`
	Token      Carried             `json:"token"`
	Version    int                 `json:"version"`
	Instance   string              `json:"instance"`
	App        []byte              `json:"app,omitempty"` // sealed
	AppKey     Carried             `json:"appKey"`
}

// Caller does what a Request asks for: the Broker itself, or a function that runs one.
type Caller interface {
	Call(context.Context, Request) (Reply, error)
}

// Carried is a secret on its way to or from the broker, the one place where JSON shows it.
type Carried struct{ bridge.Secret }

// MarshalJSON shows the text.
func (c Carried) MarshalJSON() ([]byte, error) { return json.Marshal(c.Reveal()) }

// UnmarshalJSON reads the text.
func (c *Carried) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	c.Secret = bridge.NewSecret(text)
	return nil
}
