package plumbing

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// seen is what the org has under a name.
type seen struct {
	message *Message // nil: none
	flow    *Flow    // nil: none
}

func (t *turn) look(ctx context.Context, name string) (seen, error) {
	var found seen
	m, err := t.org.OutboundMessage(ctx, name)
	if err == nil {
		found.message = &m
	} else if bridge.KindOf(err) != bridge.NotFound {
		return seen{}, err
	}
	f, err := t.org.Flow(ctx, name)
	if err == nil {
		found.flow = &f
	} else if bridge.KindOf(err) != bridge.NotFound {
		return seen{}, err
	}
	return found, nil
}

// compare finds out what differs from what should be there. It is where an installation begins, where it ends, and what
// a daily check is. What a person may have changed on purpose is shown, unless somebody has asked to mend it.
func (t *turn) compare(ctx context.Context) (time.Duration, error) {
	i := t.i
	found, err := t.find(ctx)
	if kind := bridge.KindOf(err); i.Route == ByHand && (kind == bridge.Denied || kind == bridge.Invalid) {
		return t.listen(ctx) // who may not install may not look either
	}
	if err != nil {
		return again, err
	}
	if err := t.currencies(ctx); err != nil {
		return again, err
	}
	message, own, details, err := t.judgeMessage(ctx, found.message)
	if err != nil {
		return again, err
	}
	flow := t.judgeFlow(found)
	fault := message
	if fault == "" {
		fault = flow
	}
	switch {
	case fault == "":
		return t.agree(ctx)
	case i.Route == ByHand:
		return t.point(fault, details, found), nil
	case !i.Mend && !own:
		i.Fault, i.Details, i.Stage, i.CheckedAt = fault, append([]string{label(i.Name)}, details...), Resting, t.s.Now()
		return day, nil
	case message == "" && (flow == FlowInactive || flow == FlowReplaced):
		i.Stage = Activating
	default:
		i.Message = message != ""
		i.Flow = flow == FlowMissing
		i.Stage = Deploying
	}
	return again, nil
}

// find looks for what is ours, under our name. Before anything was installed, it chooses the name: one that nobody else
// has.
func (t *turn) find(ctx context.Context) (seen, error) {
	i := t.i
	name := i.Name
	if name == "" {
		name = baseName
	}
	found, err := t.look(ctx, name)
	if err != nil {
		return seen{}, err
	}
	ours, err := t.ours(ctx, found)
	if err != nil {
		return seen{}, err
	}
	if !ours && name == baseName {
		name = ownName(i.Connection)
		i.Definition, i.Version, i.Number, i.MessageID = "", "", 0, ""
		if found, err = t.look(ctx, name); err != nil {
			return seen{}, err
		}
	}
	i.Name = name
	if found.message != nil {
		i.MessageID = found.message.ID
	}
	return found, nil
}

// ours reports whether what has our name is ours to change: a message that sends to us for this connection, that we
// have made, or that nobody receives any more; and the flow beside it. What is not there is ours to make.
func (t *turn) ours(ctx context.Context, found seen) (bool, error) {
	i := t.i
	if found.message == nil {
		return found.flow == nil || found.flow.Definition == i.Definition, nil
	}
	hook, is := t.s.hookOf(found.message.Endpoint)
	if !is {
		return found.message.ID == i.MessageID, nil
	}
	if t.sends(found.message) {
		return true, nil
	}
	h, err := t.s.Hooks.InstalledHook(ctx, hook)
	if bridge.KindOf(err) == bridge.NotFound {
		return true, nil // left over from an account that is gone
	}
	if err != nil {
		return false, &ownTrouble{err}
	}
	return h.Account == i.Account && h.Connection == i.Connection, nil
}

// currencies finds out whether the org has several currencies by now: that cannot be taken back, so it is asked for as
// long as it has not.
func (t *turn) currencies(ctx context.Context) error {
	if t.i.Currency || t.i.Mend { // which prepare has looked after
		return nil
	}
	visible, err := t.org.Fields(ctx, object)
	if bridge.KindOf(err) == bridge.NotFound {
		return nil
	}
	t.i.Currency = slices.Contains(visible, currency)
	return err
}

// judgeMessage says what is wrong with the message; own, that it is our own doing, or Salesforce's.
func (t *turn) judgeMessage(ctx context.Context, m *Message) (fault Fault, own bool, details []string, err error) {
	i := t.i
	if m == nil {
		return MessageMissing, false, nil, nil
	}
	if hook, _ := t.s.hookOf(m.Endpoint); hook != i.Hook {
		return EndpointChanged, !i.Former.Empty() && hook == i.Former, nil, nil
	}
	if m.User != t.c.User {
		_, active, err := t.org.Username(ctx, m.User)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return "", false, nil, err
		}
		if !active {
			return UserInactive, false, []string{m.Username}, nil
		}
		if i.Route != ByHand { // by hand, any active user does
			return UserChanged, false, []string{m.Username}, nil
		}
	}
	var missing []string
	for _, name := range fields(i.Currency) {
		if !slices.Contains(m.Fields, name) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return FieldsMissing, len(missing) == 1 && missing[0] == currency, missing, nil
	}
	return "", false, nil, nil
}

// judgeFlow says what is wrong with the flow. If no version of it is known to be ours yet, it is the one that was
// brought by a deployment, or the one that sends our message.
func (t *turn) judgeFlow(found seen) Fault {
	i, f := t.i, found.flow
	if f == nil || f.Latest == "" {
		return FlowMissing
	}
	t.latest = f.Number
	i.Definition = f.Definition
	if i.Route == ByHand {
		i.Version, i.Number = "", 0
		if f.Active == "" {
			return FlowInactive
		}
		return ""
	}
	if i.Version == "" {
		if !t.sends(found.message) {
			return FlowMissing // it is somebody's who is gone
		}
		if i.Version, i.Number = f.Latest, f.Number; !i.Flow && f.Active != "" {
			i.Version, i.Number = f.Active, f.ActiveNumber
		}
	}
	switch f.Active {
	case i.Version:
		return ""
	case "":
		return FlowInactive
	default:
		return FlowReplaced
	}
}

// sends reports whether a message is sent to us.
func (t *turn) sends(m *Message) bool {
	if m == nil {
		return false
	}
	hook, ok := t.s.hookOf(m.Endpoint)
	return ok && (hook == t.i.Hook || hook == t.i.Former)
}

// agree ends a comparison in which all is as it should be. An address that was replaced is not needed much longer.
func (t *turn) agree(ctx context.Context) (time.Duration, error) {
	i := t.i
	if !i.Former.Empty() {
		ends := t.s.Now().Add(keep)
		if err := t.s.Hooks.RetireHook(ctx, i.Former, ends); err != nil {
			return again, &ownTrouble{err}
		}
		i.Former, i.FormerEnds = bridge.Secret{}, ends
	}
	return t.rest(), nil
}

// point says what an administrator who makes flow and message by hand has yet to do. As long as nothing is there, it
// is why that takes hands.
func (t *turn) point(fault Fault, details []string, found seen) time.Duration {
	i := t.i
	if found.message != nil || found.flow != nil || i.Fault == "" {
		i.Fault, i.Details = fault, append([]string{label(i.Name)}, details...)
	}
	i.Stage = Comparing
	return t.patience()
}

// listen takes a message that has come since as the proof that flow and message work.
func (t *turn) listen(ctx context.Context) (time.Duration, error) {
	h, err := t.s.Hooks.InstalledHook(ctx, t.i.Hook)
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return again, &ownTrouble{err}
	}
	if err == nil && h.SeenAt.After(t.i.BeganAt) {
		return t.agree(ctx)
	}
	t.i.Stage = Comparing
	return t.patience(), nil
}
