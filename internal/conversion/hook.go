package conversion

import (
	"context"
	"slices"
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

// Address is what an Outbound Message has to have as its endpoint. Whoever knows it may send.
func Address(baseURL string, token bridge.Secret) bridge.Secret {
	return bridge.NewSecret(baseURL + Path + token.Reveal())
}

type hookByToken interface {
	// MessageHook returns the hook with that token; NotFound if there is none, or if it has ended.
	MessageHook(ctx context.Context, token bridge.Secret) (Hook, error)
}

type hookRows interface {
	hookByToken
	// CreateMessageHook adds a hook under its token.
	CreateMessageHook(ctx context.Context, token bridge.Secret, h Hook) error
	// MessageHooks returns the account's hooks that have not ended.
	MessageHooks(context.Context, bridge.AccountID) ([]Hook, error)
	hookWriter
}

// hookWriter writes a part of a hook. Conflict: it has ended.
type hookWriter interface {
	SwitchMessageHook(context.Context, Hook) error // whether it is off
	EndMessageHook(context.Context, Hook) error    // when it ends
}

// Hooks makes the addresses that messages go to, and ends them.
type Hooks struct {
	Rows hookRows
	Now  func() time.Time
}

// overlap is for how long an address works that the org was told to use no more. Salesforce repeats a message for a day, and
// a deployment that seemed lost may still come through.
const overlap = 48 * time.Hour

// Make makes a new hook for a connection. Those that it has go on working: Rotate ends them.
func (h Hooks) Make(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (bridge.Secret, error) {
	const op = "conversion.Make"
	others, err := h.Of(ctx, account, connection)
	if err != nil {
		return bridge.Secret{}, bridge.E(op, "", err)
	}
	token := bridge.NewToken()
	hook := Hook{Account: account, Connection: connection, MadeAt: h.Now(), Off: len(others) > 0 && others[0].Off}
	return token, bridge.E(op, "", h.Rows.CreateMessageHook(ctx, token, hook))
}

// Of returns the hooks of a connection that work, oldest first.
func (h Hooks) Of(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) ([]Hook, error) {
	all, err := h.Rows.MessageHooks(ctx, account)
	if err != nil {
		return nil, bridge.E("conversion.Of", "", err)
	}
	var found []Hook
	for _, hook := range all {
		if hook.Connection == connection {
			found = append(found, hook)
		}
	}
	slices.SortFunc(found, func(a, b Hook) int { return a.MadeAt.Compare(b.MadeAt) })
	return found, nil
}

// Rotate lets every hook of a connection but the given one end in two days. It comes after the org was told to send to the
// given one. NotFound: it is none of the connection's.
func (h Hooks) Rotate(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, token bridge.Secret) error {
	const op = "conversion.Rotate"
	hooks, err := h.Of(ctx, account, connection)
	if err != nil {
		return bridge.E(op, "", err)
	}
	stays, err := h.Rows.MessageHook(ctx, token)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if stays.Account != account || stays.Connection != connection {
		return &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	end := h.Now().Add(overlap)
	for _, hook := range hooks {
		if hook.ID == stays.ID || !hook.EndsAt.IsZero() && hook.EndsAt.Before(end) {
			continue
		}
		hook.EndsAt = end
		if err := unlessEnded(h.Rows.EndMessageHook(ctx, hook)); err != nil {
			return bridge.E(op, "", err)
		}
	}
	return nil
}

// End ends every hook of a connection at once. What is still on its way to them is refused from then on.
func (h Hooks) End(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) error {
	const op = "conversion.End"
	hooks, err := h.Of(ctx, account, connection)
	if err != nil {
		return bridge.E(op, "", err)
	}
	for _, hook := range hooks {
		hook.EndsAt = h.Now()
		if err := unlessEnded(h.Rows.EndMessageHook(ctx, hook)); err != nil {
			return bridge.E(op, "", err)
		}
	}
	return nil
}

// Listen says whether messages of a connection are wanted: whether a rule is on. A rule that is switched on is saved after
// this, and one that is switched off before it, so that no message is lost in between.
func (h Hooks) Listen(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, wanted bool) error {
	const op = "conversion.Listen"
	hooks, err := h.Of(ctx, account, connection)
	if err != nil {
		return bridge.E(op, "", err)
	}
	for _, hook := range hooks {
		if hook.Off == !wanted {
			continue
		}
		hook.Off = !wanted
		if err := unlessEnded(h.Rows.SwitchMessageHook(ctx, hook)); err != nil {
			return bridge.E(op, "", err)
		}
	}
	return nil
}

// unlessEnded lets it pass that a hook has ended in the meantime.
func unlessEnded(err error) error {
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return err
}
