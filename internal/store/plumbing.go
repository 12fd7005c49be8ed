package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

type installationRecord struct {
	Wish       plumbing.Wish       `dynamodbav:"wish"`
	Route      plumbing.Route      `dynamodbav:"route"`
	Edition    string              `dynamodbav:"edition"`
	Stage      plumbing.Stage      `dynamodbav:"stage"`
	Mend       bool                `dynamodbav:"mend"`
	Name       string              `dynamodbav:"name"`
	Hook       []byte              `dynamodbav:"hook,omitempty"`   // sealed
	Former     []byte              `dynamodbav:"former,omitempty"` // sealed
	FormerEnds int64               `dynamodbav:"formerEnds"`
	Currency   bool                `dynamodbav:"currency"`
	Message    bool                `dynamodbav:"message"`
	Flow       bool                `dynamodbav:"flow"`
	Draft      bool                `dynamodbav:"draft"`
	Deployment string              `dynamodbav:"deployment"`
	DeployedAt int64               `dynamodbav:"deployedAt"`
	Queued     bool                `dynamodbav:"queued"`
	Rounds     int                 `dynamodbav:"rounds"`
	Definition bridge.SalesforceID `dynamodbav:"definition"`
	FlowID     bridge.SalesforceID `dynamodbav:"flowVersion"`
	Number     int                 `dynamodbav:"flowNumber"`
	MessageID  bridge.SalesforceID `dynamodbav:"messageId"`
	Fault      plumbing.Fault      `dynamodbav:"fault"`
	Details    []string            `dynamodbav:"details"`
	Tries      int                 `dynamodbav:"tries"`
	Since      int64               `dynamodbav:"since"`
	BeganAt    int64               `dynamodbav:"beganAt"`
	CheckedAt  int64               `dynamodbav:"checkedAt"`
	Revision   int                 `dynamodbav:"version"`
	Shard      string              `dynamodbav:"shard,omitempty"` // as long as there is something to do
	DueAt      int64               `dynamodbav:"dueAt,omitempty"`
}

// installationSeal ties a sealed hook to its installation, to its place there, and to the revision.
func installationSeal(i plumbing.Installation, attribute string) string {
	return string(i.Account) + "|" + installations + string(i.Connection) + "|" + attribute + "|" + strconv.Itoa(i.Revision)
}

// Installation returns what is known about flow and message in the org of a connection, or NotFound.
func (s *Store) Installation(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (plumbing.Installation, error) {
	const op = "store.Installation"
	var r installationRecord
	if err := s.get(ctx, op, installationKey(account, id), &r); err != nil {
		return plumbing.Installation{}, err
	}
	i := plumbing.Installation{
		Account: account, Connection: id, Wish: r.Wish, Route: r.Route, Edition: r.Edition, Stage: r.Stage, Mend: r.Mend,
		Name: r.Name, FormerEnds: fromMillis(r.FormerEnds), Currency: r.Currency, Message: r.Message, Flow: r.Flow, Draft: r.Draft,
		Deployment: r.Deployment, DeployedAt: fromMillis(r.DeployedAt), Queued: r.Queued, Rounds: r.Rounds,
		Definition: r.Definition, Version: r.FlowID, Number: r.Number, MessageID: r.MessageID,
		Fault: r.Fault, Details: r.Details, Tries: r.Tries, Since: fromMillis(r.Since), BeganAt: fromMillis(r.BeganAt),
		CheckedAt: fromMillis(r.CheckedAt), DueAt: fromMillis(r.DueAt), Revision: r.Revision,
	}
	var err error
	if i.Hook, err = s.unseal(ctx, r.Hook, installationSeal(i, "hook")); err != nil {
		return plumbing.Installation{}, bridge.E(op, "", err)
	}
	if i.Former, err = s.unseal(ctx, r.Former, installationSeal(i, "former")); err != nil {
		return plumbing.Installation{}, bridge.E(op, "", err)
	}
	return i, nil
}

// SaveInstallation adds an installation if its revision is 0, or replaces it, and raises the revision. It is a Conflict
// unless the revision is still the one that was read.
func (s *Store) SaveInstallation(ctx context.Context, i plumbing.Installation) error {
	const op = "store.SaveInstallation"
	was := i.Revision
	i.Revision++
	r := installationRecord{
		Wish: i.Wish, Route: i.Route, Edition: i.Edition, Stage: i.Stage, Mend: i.Mend,
		Name: i.Name, FormerEnds: millis(i.FormerEnds), Currency: i.Currency, Message: i.Message, Flow: i.Flow, Draft: i.Draft,
		Deployment: i.Deployment, DeployedAt: millis(i.DeployedAt), Queued: i.Queued, Rounds: i.Rounds,
		Definition: i.Definition, FlowID: i.Version, Number: i.Number, MessageID: i.MessageID,
		Fault: i.Fault, Details: i.Details, Tries: i.Tries, Since: millis(i.Since), BeganAt: millis(i.BeganAt),
		CheckedAt: millis(i.CheckedAt), Revision: i.Revision,
	}
	if !i.DueAt.IsZero() {
		r.Shard, r.DueAt = installationLine.shard(i.Account), millis(i.DueAt)
	}
	var err error
	if r.Hook, err = s.sealed(ctx, i.Hook, installationSeal(i, "hook")); err != nil {
		return bridge.E(op, "", err)
	}
	if r.Former, err = s.sealed(ctx, i.Former, installationSeal(i, "former")); err != nil {
		return bridge.E(op, "", err)
	}
	if was == 0 {
		return s.put(ctx, op, installationKey(i.Account, i.Connection), r, absent, nil)
	}
	return s.put(ctx, op, installationKey(i.Account, i.Connection), r, versioned, map[string]any{":was": was})
}

// sealed seals a secret; an empty one is nothing.
func (s *Store) sealed(ctx context.Context, secret bridge.Secret, associated string) ([]byte, error) {
	if secret.Empty() {
		return nil, nil
	}
	return s.data.Seal(ctx, secret, associated)
}

func (s *Store) unseal(ctx context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	if len(sealed) == 0 {
		return bridge.Secret{}, nil
	}
	return s.data.Open(ctx, sealed, associated)
}

// DueInstallations returns up to limit installations of each shard that are due at now, those that wait longest first.
func (s *Store) DueInstallations(ctx context.Context, now time.Time, limit int) ([]plumbing.Due, error) {
	var found []plumbing.Due
	err := s.due(ctx, "store.DueInstallations", installationLine, now, limit, func(account bridge.AccountID, sort string, at time.Time) bool {
		id, is := strings.CutPrefix(sort, installations)
		found = append(found, plumbing.Due{Account: account, Connection: bridge.ConnectionID(id), At: at})
		return is
	})
	return found, err
}

// InstallHook adds a hook under its token. That it is there already is fine.
func (s *Store) InstallHook(ctx context.Context, token bridge.Secret, h plumbing.Hook, now time.Time) error {
	err := s.CreateMessageHook(ctx, token, conversion.Hook{Account: h.Account, Connection: h.Connection, Off: h.Off, MadeAt: now})
	if bridge.KindOf(err) == bridge.Conflict {
		return nil
	}
	return bridge.E("store.InstallHook", "", err)
}

// InstalledHook returns what is known of a hook by its token, or NotFound if it lets nothing in.
func (s *Store) InstalledHook(ctx context.Context, token bridge.Secret) (plumbing.Hook, error) {
	h, err := s.MessageHook(ctx, token)
	if err != nil {
		return plumbing.Hook{}, bridge.E("store.InstalledHook", "", err)
	}
	return plumbing.Hook{Account: h.Account, Connection: h.Connection, Off: h.Off, SeenAt: h.LastAt, Copy: h.Stranger}, nil
}

// RetireHook lets a hook end at a time. That it has ended is fine.
func (s *Store) RetireHook(ctx context.Context, token bridge.Secret, at time.Time) error {
	const op = "store.RetireHook"
	h, err := s.MessageHook(ctx, token)
	if err == nil {
		h.EndsAt = at
		err = s.EndMessageHook(ctx, h)
	}
	if kind := bridge.KindOf(err); kind == bridge.NotFound || kind == bridge.Conflict {
		return nil
	}
	return bridge.E(op, "", err)
}
