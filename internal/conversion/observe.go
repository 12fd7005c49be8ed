package conversion

import (
	"context"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// observe tells operators what the entries of a deal show that were written.
func (t *turn) observe(ctx context.Context, i item, c Commit) {
	for _, e := range c.Entries {
		old := entryOf(i.entries, e.Rule)
		if e.Reason == reasonUnasked && e.Prompt != bridge.ByRules && t.heroOut != nil && noCalls(t.heroOut.reason) {
			t.waited(ctx, e.ChangedAt)
		}
		if !t.drifted(i.deal, old, e) {
			continue
		}
		hidden, err := t.w.Ledger.Review(ctx, e.Account, e.Campaign, aboutDeal(bridge.ReviewHidden, e).ID)
		if err == nil && hidden.OpenedAt.After(old.ChangedAt) {
			continue // the deal was out of sight meanwhile
		}
		t.w.Log.ErrorContext(ctx, "entry differs and nothing explains it", "account", e.Account, "campaign", e.Campaign, "rule", e.Rule, "deal", e.Deal)
	}
}

// drifted reports whether an entry has counted a deal wrongly, and nothing that is normal explains it. Windows account for a
// deal's stage, its amount and its deletion: if one of them is another, and the deal has not changed since the last window
// was closed, then a window or a worker has missed it. What windows cannot tell of is normal, and is what the daily check
// is for: who a contact is, which subscribers there are, what the connected user sees, the order of the org's stages. So
// are new rules, entries that were to be looked at again anyway, and changes that the next window will come to.
func (t *turn) drifted(d bridge.Deal, old, next bridge.Entry) bool {
	if old.Version == 0 || old.Rules != next.Rules || !old.Due.IsZero() || !next.Modified.Before(t.accounted) {
		return false
	}
	price := !d.With.NoAmount && (old.Amount.Currency != next.Amount.Currency || !old.Amount.Amount.Equal(next.Amount.Amount))
	deleted := next.Reason == reasonDeleted && old.Reason != reasonDeleted
	judged := ofDeal(old.Reason) != ofDeal(next.Reason) || price && next.Trigger == bridge.TotalSpend && ofDeal(next.Reason) == ""
	return judged && (old.Stage != next.Stage || price || deleted)
}

// ofDeal is a reason as far as it is the deal's, and not its people's.
func ofDeal(reason string) string {
	if waits(reason) {
		return ""
	}
	return reason
}

// noCalls reports whether work waits because ReferralHero may not be called for now.
func noCalls(reason string) bool { return reason == hourUsedUp || reason == heroSaysNo }

// waited tells of live work that waits for calls since a time; a zero one is of work that may take its time.
func (t *turn) waited(ctx context.Context, since time.Time) {
	if since.IsZero() {
		return
	}
	length := t.w.Now().Sub(since)
	t.w.Log.WarnContext(ctx, "live work waits for calls", "account", t.id, "seconds", int(length.Seconds()))
	if t.w.Waits != nil {
		t.w.Waits(length)
	}
}

// tell tells operators what an effect has come to that was before.
func (t *turn) tell(ctx context.Context, before, after bridge.Effect, o outcome) {
	switch after.State {
	case bridge.EffectDone:
		if t.w.Took != nil && !before.AskedAt.IsZero() && !before.Held {
			t.w.Took(t.w.Now().Sub(before.AskedAt))
		}
	case bridge.EffectManual:
		t.w.Log.WarnContext(ctx, "effect left to a person", "account", after.Account, "campaign", after.Campaign, "effect", after.Kind)
	case bridge.EffectUnknown:
		t.doubt(ctx, after, o.lost)
	}
	if noCalls(o.reason) {
		t.waited(ctx, before.AskedAt)
	}
}

// doubt tells of an effect of which nobody knows whether it happened; lost, that its call has just had no answer.
func (t *turn) doubt(ctx context.Context, e bridge.Effect, lost bool) {
	t.w.Log.WarnContext(ctx, "effect in doubt", "account", e.Account, "campaign", e.Campaign, "effect", e.Kind,
		"seconds", int(t.w.Now().Sub(e.CalledAt).Seconds()), "lost", lost)
}
