package conversion

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// endOfSets is the page behind the last campaign's entries.
const endOfSets = "~"

// setOf reads a page of a check: whose entries are next, and behind which place. There is none after the last.
func setOf(sets []bridge.RuleSet, page string) (*bridge.RuleSet, string) {
	campaign, after, _ := strings.Cut(page, " ")
	slices.SortFunc(sets, func(a, b bridge.RuleSet) int { return cmp.Compare(a.Campaign, b.Campaign) })
	for i := range sets {
		if string(sets[i].Campaign) >= campaign {
			if string(sets[i].Campaign) != campaign {
				after = ""
			}
			return &sets[i], after
		}
	}
	return nil, ""
}

// nextSet is the page that begins after a campaign's entries.
func nextSet(sets []bridge.RuleSet, campaign bridge.CampaignID) string {
	for _, s := range sets {
		if s.Campaign > campaign {
			return string(s.Campaign)
		}
	}
	return endOfSets
}

// dealsOf are the deals of some entries, each once.
func dealsOf(entries []bridge.Entry) []bridge.SalesforceID {
	var deals []bridge.SalesforceID
	for _, e := range entries {
		if !slices.Contains(deals, e.Deal) {
			deals = append(deals, e.Deal)
		}
	}
	return deals
}

// catchUp judges deals anew after the rules of a campaign have changed, page by page: those that have entries, and those
// that may fit a rule since.
func (w Worker) catchUp(ctx context.Context, job Job) error {
	set, err := w.Ledger.RuleSet(ctx, job.Account, job.Campaign)
	if err != nil || !due(set.CatchUp.Due, w.Now()) {
		return err
	}
	t := w.newTurn(job.Account)
	for !late(ctx) && due(set.CatchUp.Due, w.Now()) {
		next, err := t.catchUp(ctx, set)
		if s, is := stopped(err); is {
			w.Log.WarnContext(ctx, "catching up with the rules waits", "account", job.Account, "campaign", job.Campaign, "reason", s.reason, "err", s.err)
			set.CatchUp.Due = w.Now().Add(s.waitOf(1))
			return asFirst(w.Ledger.SaveCatchUp(ctx, set))
		}
		if err != nil {
			return err
		}
		set.CatchUp = next
		if err := w.Ledger.SaveCatchUp(ctx, set); err != nil {
			return asFirst(err) // the rules have changed again, or another worker is at it
		}
		set.CatchUp.Step++
	}
	t.effects(ctx)
	return nil
}

// catchUp takes one page, and says what comes next.
func (t *turn) catchUp(ctx context.Context, set bridge.RuleSet) (bridge.CatchUp, error) {
	c := set.CatchUp
	if c.Phase == 0 {
		entries, next, err := t.w.Ledger.Entries(ctx, set.Account, set.Campaign, c.Cursor, mostChecked)
		if err != nil {
			return c, err
		}
		if err := t.withdraw(ctx, set, entries); err != nil {
			return c, err
		}
		if len(entries) > 0 && set.On() {
			if _, err := t.look(ctx, []bridge.RuleSet{set}, dealsOf(entries), bridge.ByRules); err != nil {
				return c, err
			}
		}
		return after(set, next, t.w.Now()), nil
	}
	r := set.Rules[c.Phase-1]
	if !r.On {
		return after(set, "", t.w.Now()), nil
	}
	if err := t.open(ctx, set.Connection); err != nil {
		return c, err
	}
	deals, next, err := t.org.DealsThrough(ctx, r.Stage, r.From, c.Cursor)
	if err != nil {
		return c, ofOrg(err)
	}
	if len(deals) > 0 {
		if _, err := t.look(ctx, []bridge.RuleSet{set}, deals, bridge.ByRules); err != nil {
			return c, err
		}
	}
	return after(set, next, t.w.Now()), nil
}

// withdraw takes entries back whose rule was deleted. That needs nothing of Salesforce: it may be gone as well.
func (t *turn) withdraw(ctx context.Context, set bridge.RuleSet, entries []bridge.Entry) error {
	orphans := slices.DeleteFunc(slices.Clone(entries), func(e bridge.Entry) bool {
		_, is := set.Rule(e.Rule)
		return is
	})
	for _, deal := range dealsOf(orphans) {
		of, err := t.w.Ledger.DealEntries(ctx, t.id, set.Campaign, deal)
		if err != nil {
			return err
		}
		if _, err := t.post(ctx, item{set: set, deal: bridge.Deal{ID: deal}, entries: of}, nil, bridge.ByRules); err != nil {
			return err
		}
	}
	return nil
}

// after is where catching up goes on behind a page. There are two rounds: a worker that has read the rules before they
// changed may write for as long as it lives.
func after(set bridge.RuleSet, cursor string, now time.Time) bridge.CatchUp {
	c := set.CatchUp
	c.Cursor = cursor
	if cursor != "" {
		return c
	}
	if c.Phase++; c.Phase <= len(set.Rules) {
		return c
	}
	if c.Rounds--; c.Rounds > 0 {
		return bridge.CatchUp{Due: now.Add(settled), Rounds: c.Rounds, Step: c.Step}
	}
	return bridge.CatchUp{Step: c.Step}
}
