package conversion

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Service is what a person does with events to track, and sees of what comes of them. Its fields are set once.
type Service struct {
	Ledger      books
	Accounts    tokens
	Campaigns   campaigns
	Connections connections
	Layouts     layouts // nil: contacts are found by what identifies them only
	Org         func(bridge.Connection) Console
	Hero        Hero
	Jobs        jobs
	Budget      budget.Budget
	// Listen says whether messages of a connection are wanted, and Install has what sends them installed in its org. Both may
	// be nil.
	Listen  func(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, wanted bool) error
	Install func(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) error
	Now     func() time.Time
}

// books are the ledger with what only people read.
type books interface {
	ledger
	ruleKeeper
	shelves
}

type ruleKeeper interface {
	// SaveRuleSet writes the rules of a campaign and what somebody did to them; Conflict if they have changed since.
	SaveRuleSet(ctx context.Context, s bridge.RuleSet, edits ...bridge.RuleEdit) error
	RuleEdits(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.RuleEdit, error)
}

type shelves interface {
	Actions(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.Action, error)
	OpenReviews(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, limit int) ([]bridge.Review, bool, error)
	Windows(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) ([]bridge.Window, error)
}

// Console is a Salesforce org as the console sees it.
type Console interface {
	Org
	listings
}

type listings interface {
	RecordTypes(ctx context.Context) (map[bridge.SalesforceID]string, error)
	Currencies(ctx context.Context) ([]string, error)
	Fields(ctx context.Context, object string) ([]string, error)
}

// Rules returns the rules of a campaign, in their order.
func (s Service) Rules(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (bridge.RuleSet, error) {
	set, err := s.Ledger.RuleSet(ctx, account, campaign)
	return set, bridge.E("conversion.Rules", "", err)
}

// Edits returns what was done to a campaign's rules, newest first: before the one with an id, or the newest.
func (s Service) Edits(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.RuleEdit, error) {
	edits, err := s.Ledger.RuleEdits(ctx, account, campaign, before, limit)
	return edits, bridge.E("conversion.Edits", "", err)
}

// mostRules bounds the rules of a campaign.
const mostRules = 20

// Add adds a rule behind the others. What is wrong with the draft is Invalid, with its field.
func (s Service) Add(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, who string, d Draft) (bridge.Rule, error) {
	const op = "conversion.Add"
	rule := bridge.Rule{ID: bridge.RuleID(bridge.NewID("r")), On: d.On}
	err := s.change(ctx, op, account, campaign, func(set *bridge.RuleSet) (bridge.RuleEdit, error) {
		if len(set.Rules) == mostRules {
			return bridge.RuleEdit{}, bridge.Say(op, bridge.Invalid, "name", "A campaign can have %d events to track. Delete one first.", mostRules)
		}
		checked, err := s.check(ctx, set, rule, d)
		if err != nil {
			return bridge.RuleEdit{}, err
		}
		rule = checked
		set.Rules = append(set.Rules, rule)
		return bridge.RuleEdit{Who: who, What: "added", After: &rule}, nil
	})
	return rule, err
}

// Edit changes a rule. Deals that it has counted are judged anew, and those that fit since are found.
func (s Service) Edit(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, d Draft) error {
	const op = "conversion.Edit"
	return s.change(ctx, op, account, campaign, func(set *bridge.RuleSet) (bridge.RuleEdit, error) {
		at, err := position(op, *set, id)
		if err != nil {
			return bridge.RuleEdit{}, err
		}
		before := set.Rules[at]
		d.On = before.On
		after, err := s.check(ctx, set, before, d)
		if err != nil {
			return bridge.RuleEdit{}, err
		}
		set.Rules[at] = after
		return bridge.RuleEdit{Who: who, What: "changed", Before: &before, After: &after}, nil
	})
}

// Switch switches a rule on or off. As long as it is off, what it has counted stands, and nothing follows the deals. When
// it is on again, what happened meanwhile is caught up with.
func (s Service) Switch(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, on bool) error {
	const op = "conversion.Switch"
	return s.change(ctx, op, account, campaign, func(set *bridge.RuleSet) (bridge.RuleEdit, error) {
		at, err := position(op, *set, id)
		if err != nil || set.Rules[at].On == on {
			return bridge.RuleEdit{}, err
		}
		before := set.Rules[at]
		set.Rules[at].On = on
		after := set.Rules[at]
		return bridge.RuleEdit{Who: who, What: "switched " + choose(on, "on", "off"), Before: &before, After: &after}, nil
	})
}

// Move moves a rule by so many places, up if negative. Of rules with the same trigger, the first that a deal fits
// decides.
func (s Service) Move(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string, by int) error {
	const op = "conversion.Move"
	return s.change(ctx, op, account, campaign, func(set *bridge.RuleSet) (bridge.RuleEdit, error) {
		at, err := position(op, *set, id)
		to := min(max(at+by, 0), len(set.Rules)-1)
		if err != nil || to == at {
			return bridge.RuleEdit{}, err
		}
		r := set.Rules[at]
		set.Rules = slices.Insert(slices.Delete(set.Rules, at, at+1), to, r)
		return bridge.RuleEdit{Who: who, What: "moved", Before: &r, After: &r}, nil
	})
}

// Delete deletes a rule. What its deals have added to total spend is taken off again; referrals that it has moved are
// listed for review, and those that are planned are dropped.
func (s Service) Delete(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id bridge.RuleID, who string) error {
	const op = "conversion.Delete"
	return s.change(ctx, op, account, campaign, func(set *bridge.RuleSet) (bridge.RuleEdit, error) {
		at, err := position(op, *set, id)
		if err != nil {
			return bridge.RuleEdit{}, err
		}
		before := set.Rules[at]
		set.Rules = slices.Delete(set.Rules, at, at+1)
		return bridge.RuleEdit{Who: who, What: "deleted", Before: &before}, nil
	})
}

func position(op string, set bridge.RuleSet, id bridge.RuleID) (int, error) {
	at := slices.IndexFunc(set.Rules, func(r bridge.Rule) bool { return r.ID == id })
	if at < 0 {
		return 0, bridge.Say(op, bridge.NotFound, "", "This event is not tracked any more.")
	}
	return at, nil
}

// change edits the rules of a campaign, and has deals judged by the new ones. An edit without What changes nothing.
func (s Service) change(ctx context.Context, op string, account bridge.AccountID, campaign bridge.CampaignID, edit func(*bridge.RuleSet) (bridge.RuleEdit, error)) error {
	for range attempts {
		set, err := s.Ledger.RuleSet(ctx, account, campaign)
		if err != nil {
			return bridge.E(op, "", err)
		}
		done, err := edit(&set)
		if err != nil || done.What == "" {
			return bridge.E(op, "", err)
		}
		done.Account, done.Campaign, done.ID, done.At = account, campaign, bridge.NewID("e"), s.Now()
		set.CatchUp = bridge.CatchUp{Due: s.Now(), Rounds: 2, Step: set.CatchUp.Step}
		if err := s.listen(ctx, set, true); err != nil {
			return bridge.E(op, "", err)
		}
		err = s.Ledger.SaveRuleSet(ctx, set, done)
		if bridge.KindOf(err) == bridge.Conflict {
			continue
		}
		if err != nil {
			return bridge.E(op, "", err)
		}
		// The rules stand. If the job is not taken, the sweep sends another one.
		_ = s.Jobs.Send(ctx, 0, Job{Account: account, Step: StepRules, Campaign: campaign})
		return bridge.E(op, "", s.listen(ctx, set, false))
	}
	return &bridge.Error{Op: op, Kind: bridge.Conflict, Message: "Somebody else is changing the events of this campaign. Load the page again."}
}

// listen prepares for messages before a rule is on, and gives them up after the last one is off, so that none is lost in
// between.
func (s Service) listen(ctx context.Context, set bridge.RuleSet, before bool) error {
	wanted := set.On()
	if !wanted {
		all, err := s.Ledger.RuleSets(ctx, set.Account)
		if err != nil {
			return err
		}
		wanted = slices.ContainsFunc(all, func(o bridge.RuleSet) bool {
			return o.Campaign != set.Campaign && o.Connection == set.Connection && o.On()
		})
	}
	if wanted != before || set.Connection == "" {
		return nil
	}
	if s.Listen != nil {
		if err := s.Listen(ctx, set.Account, set.Connection, wanted); err != nil {
			return err
		}
	}
	if !wanted {
		return nil // the watch stops by itself
	}
	if err := s.watch(ctx, set); err != nil {
		return err
	}
	if s.Install == nil {
		return nil
	}
	return s.Install(ctx, set.Account, set.Connection)
}

// watch has the org polled from now on. What was before, catching up with the rules finds.
func (s Service) watch(ctx context.Context, set bridge.RuleSet) error {
	for range attempts {
		w, err := s.Ledger.Watch(ctx, set.Account, set.Connection)
		if err != nil || !w.PollAt.IsZero() {
			return err
		}
		now := s.Now()
		w.Closed, w.PollAt, w.CheckAt, w.Window, w.Page = now, now.Add(pollEvery), now.Add(checkEvery), bridge.Window{}, ""
		if err = s.Ledger.SaveWatch(ctx, w); bridge.KindOf(err) != bridge.Conflict {
			return err
		}
	}
	return nil
}

// Statement is how the deals of a connection are watched, and what the latest windows came to.
type Statement struct {
	bridge.Watch
	Windows []bridge.Window
}

// Statement returns up to limit statements, newest first.
func (s Service) Statement(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) (Statement, error) {
	const op = "conversion.Statement"
	w, err := s.Ledger.Watch(ctx, account, connection)
	if err != nil {
		return Statement{}, bridge.E(op, "", err)
	}
	windows, err := s.Ledger.Windows(ctx, account, connection, limit)
	return Statement{w, windows}, bridge.E(op, "", err)
}

// Activity returns up to limit lines of what was done, newest first: before the one with an id, or the newest.
func (s Service) Activity(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before string, limit int) ([]bridge.Action, error) {
	actions, err := s.Ledger.Actions(ctx, account, campaign, before, limit)
	return actions, bridge.E("conversion.Activity", "", err)
}

// Waker sets work going that waits for a connection. Its fields are set once.
type Waker struct {
	Ledger interface {
		watchRows
		parkedRows
		AllParked(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, limit int) ([]bridge.Parked, bool, error)
	}
	Jobs jobs
	Now  func() time.Time
}

// mostWoken bounds what one wake sends; the sweep finds the rest.
const mostWoken = 200

// Wake gets on with what waits for a connection that works again: its open window, and the deals of messages that came
// meanwhile. It would go on by itself too, but hours later.
func (w Waker) Wake(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) error {
	const op = "conversion.Wake"
	v, err := w.Ledger.Watch(ctx, account, connection)
	if err != nil {
		return bridge.E(op, "", err)
	}
	if v.Version > 0 && !v.PollAt.IsZero() {
		v.PollAt, v.Tries, v.Problem, v.LookedAt = w.Now(), 0, "", time.Time{}
		if err := asFirst(w.Ledger.SaveWatch(ctx, v)); err != nil {
			return bridge.E(op, "", err)
		}
		if err := w.Jobs.Send(ctx, 0, Job{Account: account, Connection: connection, Step: StepWatch}); err != nil {
			return bridge.E(op, "", err)
		}
	}
	parked, _, err := w.Ledger.AllParked(ctx, account, connection, mostWoken)
	var failures error
	for _, p := range parked {
		p.Due, p.Tries = w.Now(), 0
		failures = errors.Join(failures, asFirst(w.Ledger.SaveParked(ctx, p)))
	}
	return bridge.E(op, "", errors.Join(err, failures))
}
