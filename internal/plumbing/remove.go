package plumbing

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// remove takes away what is ours: an active flow cannot be deleted, and neither can a message that a flow sends.
func (t *turn) remove(ctx context.Context) (time.Duration, error) {
	i := t.i
	if i.Deployment != "" {
		if done, err := t.cancel(ctx); err != nil || !done {
			return pauses[0], err
		}
	}
	if i.Name == "" {
		return t.gone(ctx)
	}
	found, err := t.look(ctx, i.Name)
	if err != nil {
		return again, err
	}
	ours, err := t.ours(ctx, found)
	if err != nil {
		return again, err
	}
	if !ours {
		return t.gone(ctx)
	}
	if f := found.flow; f != nil {
		if err := t.removeFlow(ctx, *f); err != nil {
			return again, err
		}
	}
	if m := found.message; m != nil {
		if err := t.org.DeleteOutboundMessage(ctx, m.ID); err != nil && bridge.KindOf(err) != bridge.NotFound {
			return again, err
		}
	}
	return t.gone(ctx)
}

// cancel ends a deployment that is under way: it would bring back what is taken away.
func (t *turn) cancel(ctx context.Context) (done bool, err error) {
	d, err := t.org.Deployment(ctx, t.i.Deployment)
	if err == nil && !d.Done {
		err = t.org.CancelDeployment(ctx, t.i.Deployment)
		if bridge.KindOf(err) == bridge.Invalid {
			err = nil // it is too late for that, and it will be done
		}
		return false, err
	}
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return false, err
	}
	t.i.Deployment = ""
	return true, nil
}

func (t *turn) removeFlow(ctx context.Context, f Flow) error {
	if f.Active != "" {
		if err := t.org.ActivateFlow(ctx, f.Definition, 0); err != nil {
			return err
		}
	}
	versions, err := t.org.FlowVersions(ctx, f.Definition)
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return err
	}
	slices.SortFunc(versions, func(a, b FlowVersion) int { return b.Number - a.Number })
	for _, v := range versions {
		if err := t.org.DeleteFlowVersion(ctx, v.ID); err != nil && bridge.KindOf(err) != bridge.NotFound {
			return err
		}
	}
	return nil
}

// gone ends an installation of which nothing is left. The address goes later: messages may wait in the org for a day.
func (t *turn) gone(ctx context.Context) (time.Duration, error) {
	i := t.i
	for _, hook := range []bridge.Secret{i.Hook, i.Former} {
		if hook.Empty() {
			continue
		}
		if err := t.s.Hooks.RetireHook(ctx, hook, t.s.Now().Add(keep)); err != nil {
			return again, &ownTrouble{err}
		}
	}
	*i = Installation{
		Account: i.Account, Connection: i.Connection, Wish: Removed, Stage: Gone, Since: i.Since, BeganAt: i.BeganAt,
		DueAt: i.DueAt, Revision: i.Revision,
	}
	return never, nil
}

// leave ends a removal that the org does not allow, or to which it is not reached any more. What stays is named; what it
// still sends is answered and ignored.
func (t *turn) leave(err error) time.Duration {
	i := t.i
	i.Stage = Gone
	if i.Name == "" {
		return never
	}
	i.Fault, i.Details = RemovalRefused, left(*i)
	if code := bridge.CodeOf(err); code != "" {
		i.Details = append(i.Details, code)
	}
	return never
}

// left names what an installation may have left in the org.
func left(i Installation) []string {
	return []string{"Flow: " + label(i.Name), "Outbound message: " + label(i.Name)}
}

// Leave takes flow and message out of an org that is about to be disconnected: it does so at once, since there will be
// no access later, and it never fails for the org's sake. The Status says what stays.
func (s Service) Leave(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Status, error) {
	const op = "plumbing.Leave"
	_, err := s.Installations.Installation(ctx, account, id)
	if bridge.KindOf(err) == bridge.NotFound {
		return s.Status(ctx, account, id)
	}
	if err != nil {
		return Status{}, bridge.E(op, "", err)
	}
	// No job is sent: its worker could have the installation to itself when the access ends.
	if err := s.change(ctx, op, account, id, s.removal); err != nil {
		return Status{}, err
	}
	if err := s.Work(ctx, Job{Account: account, Connection: id}); err != nil && !bridge.KindOf(err).Permanent() {
		return Status{}, bridge.E(op, "", err)
	}
	return s.Status(ctx, account, id)
}
