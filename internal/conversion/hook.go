package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Hook is an address that the Outbound Messages of a connection's org go to. Its token is all that proves a sender, and
// only its hash is kept.
type Hook struct {
	ID         string // names the hook, and opens nothing
	Account    bridge.AccountID
	Connection bridge.ConnectionID
	Off        bool // messages are acknowledged and forgotten: no rule is on
	MadeAt     time.Time
	EndsAt     time.Time           // zero if it does not end
	LastAt     time.Time           // when a message of the org came last, to the minute; zero if none did
	Stranger   bridge.SalesforceID // another org that sends here, most likely a copy of the connection's; empty if none did
	StrangerAt time.Time           // when it did last, to the minute
}

// Path is where hooks answer. The token follows.
const Path = "/salesforce/outbound/"

type messageHooks interface {
	// MessageHook returns the hook with that token; NotFound if there is none, or if it has ended.
	MessageHook(ctx context.Context, token bridge.Secret) (Hook, error)
	// TouchMessageHook writes what h says about messages that came. Conflict: somebody has since was was read, or the hook
	// is gone.
	TouchMessageHook(ctx context.Context, h, was Hook) error
}

type hookSwitches interface {
	// MessageHooks returns the account's hooks that have not ended.
	MessageHooks(context.Context, bridge.AccountID) ([]Hook, error)
	// SwitchMessageHook writes whether a hook is off. Conflict: it has ended.
	SwitchMessageHook(context.Context, Hook) error
}

// Listen says whether messages of a connection are wanted: whether a rule is on. A rule that is switched on is saved after
// this, and one that is switched off before it, so that no message is lost in between.
func Listen(ctx context.Context, hooks hookSwitches, account bridge.AccountID, connection bridge.ConnectionID, wanted bool) error {
	const op = "conversion.Listen"
	all, err := hooks.MessageHooks(ctx, account)
	if err != nil {
		return bridge.E(op, "", err)
	}
	for _, hook := range all {
		if hook.Connection != connection || hook.Off == !wanted {
			continue
		}
		hook.Off = !wanted
		if err := hooks.SwitchMessageHook(ctx, hook); err != nil && bridge.KindOf(err) != bridge.Conflict {
			return bridge.E(op, "", err)
		}
	}
	return nil
}
