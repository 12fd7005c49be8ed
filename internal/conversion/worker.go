package conversion

import (
	"context"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Worker does the work of conversions. Its fields are set once.
type Worker struct {
	Ledger      ledger
	Accounts    tokens
	Campaigns   campaigns
	Connections connections
	Layouts     layouts // nil: contacts are found by what identifies them only
	Org         func(bridge.Connection) Org
	Hero        Hero
	Jobs        jobs
	Budget      budget.Budget
	// Changed is told of a subscriber that an effect has changed, for the sync. It may be nil.
	Changed func(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, subscriber bridge.SubscriberID) error
	// LastMessage says when a message of a connection came last, and since when messages may come: zero times if none came,
	// or if none can come. It may be nil.
	LastMessage func(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (last, since time.Time, err error)
	// Took is told how long it was from a message, or from a poll that saw a change, until ReferralHero had what follows; not of
	// what had to wait for something that is not ours to bring. Waits is told how long live work has waited for calls to
	// ReferralHero so far. Both may be nil.
	Took, Waits func(time.Duration)
	Now         func() time.Time
	Log         *slog.Logger
}

// ledger keeps everything about conversions. Every write is a Conflict if what it stands on has changed. What is not
// there is its zero value with Version 0, and no error.
type ledger interface {
	ruleRows
	entryRows
	effectRows
	matchRows
	parkedRows
	watchRows
}

type ruleRows interface {
	RuleSets(ctx context.Context, account bridge.AccountID) ([]bridge.RuleSet, error)
	RuleSet(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (bridge.RuleSet, error)
	// SaveCatchUp writes how far the campaign has caught up with its rules. The version of the rules stays.
	SaveCatchUp(ctx context.Context, s bridge.RuleSet) error
}

type entryRows interface {
	// DealEntries returns the entries of a deal in a campaign.
	DealEntries(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal bridge.SalesforceID) ([]bridge.Entry, error)
	// Entries returns up to limit entries of a campaign behind a place, those of a deal beside each other, and the place of
	// the last; "" if there are no more.
	Entries(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, after string, limit int) ([]bridge.Entry, string, error)
	CommitConversions(ctx context.Context, c Commit) error
}

type effectRows interface {
	ConversionEffect(ctx context.Context, id bridge.EffectID) (bridge.Effect, error)
	Paid(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal bridge.SalesforceID) (bridge.Paid, error)
	Review(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, id string) (bridge.Review, error)
}

type matchRows interface {
	Match(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, contact bridge.SalesforceID) (bridge.Match, error)
	SaveMatch(ctx context.Context, m bridge.Match) error
}

type parkedRows interface {
	Parked(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, id string) (bridge.Parked, error)
	SaveParked(ctx context.Context, p bridge.Parked) error
	DeleteParked(ctx context.Context, p bridge.Parked) error
}

type watchRows interface {
	Watch(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (bridge.Watch, error)
	SaveWatch(ctx context.Context, w bridge.Watch) error
	// CloseWindow writes a watch with the statement of the window that it has closed.
	CloseWindow(ctx context.Context, w bridge.Watch, closed bridge.Window) error
}

type tokens interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
	// RefuseToken notes ReferralHero's code for refusing the account's token; Conflict if that was replaced.
	RefuseToken(ctx context.Context, a bridge.Account, code string) error
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
}

type connections interface {
	Connection(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (bridge.Connection, error)
}

type layouts interface {
	Layout(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID, object string) (bridge.Layout, error)
}

// Handle does one job. It bears jobs that come twice, late, out of order, or at the same time. After nil, the work is
// done, or the table remembers it and when it is due. Throttled means that the job should come again after a while.
func (w Worker) Handle(ctx context.Context, job Job) error {
	const op = "conversion.Handle"
	var err error
	switch job.Step {
	case StepDeals, StepLook:
		err = w.deals(ctx, job)
	case StepEffect:
		id := bridge.EffectID{Account: job.Account, Campaign: job.Campaign, Kind: job.Kind, Subject: job.Subject, Currency: job.Currency}
		err = w.newTurn(job.Account).effect(ctx, id)
	case StepWatch:
		err = w.watch(ctx, job)
	case StepRules:
		err = w.catchUp(ctx, job)
	default:
		err = bridge.Say(op, bridge.Invalid, "step", "there is no step of that name")
	}
	return bridge.E(op, "", err)
}

// deals looks at the deals of a message, or at one whose person was missing.
func (w Worker) deals(ctx context.Context, job Job) error {
	ids := dealIDs(job.Opportunities)
	var parked bridge.Parked
	if job.Parked != "" {
		var err error
		if parked, err = w.Ledger.Parked(ctx, job.Account, job.Connection, job.Parked); err != nil || parked.Version == 0 {
			return err // done by another job
		}
		ids = parked.Deals
	}
	prompt := bridge.ByMessage
	if job.Step == StepLook {
		prompt = bridge.ByLook
	}
	sets, err := w.sets(ctx, job)
	if err != nil {
		return err
	}
	t := w.newTurn(job.Account)
	t.asked = job.At
	if parked.Version > 0 {
		t.asked, t.held = parked.At, parked.Reason != orgDown
	}
	switch {
	case len(sets) > 0 && len(ids) > 0:
		_, err = t.look(ctx, sets, ids, prompt)
	case job.Step == StepLook: // the rules were switched off: when one is on again, everything is judged anew
		err = w.due(ctx, job, ids, time.Time{})
	}
	if s, is := stopped(err); is {
		return w.park(ctx, job, ids, s)
	}
	if err != nil {
		return err
	}
	if err := w.unpark(ctx, parked); err != nil {
		return err
	}
	t.effects(ctx)
	return nil
}

// sets are the rules that a job is about, as far as any is on.
func (w Worker) sets(ctx context.Context, job Job) ([]bridge.RuleSet, error) {
	if job.Campaign != "" {
		set, err := w.Ledger.RuleSet(ctx, job.Account, job.Campaign)
		if err != nil || !set.On() {
			return nil, err
		}
		return []bridge.RuleSet{set}, nil
	}
	all, err := w.Ledger.RuleSets(ctx, job.Account)
	if err != nil {
		return nil, err
	}
	var found []bridge.RuleSet
	for _, set := range all {
		if set.Connection == job.Connection && set.On() {
			found = append(found, set)
		}
	}
	return found, nil
}

// dealIDs reads ids of opportunities. What is none is nobody's.
func dealIDs(texts []string) []bridge.SalesforceID {
	ids := make([]bridge.SalesforceID, 0, len(texts))
	seen := map[bridge.SalesforceID]bool{}
	for _, text := range texts {
		if id, err := bridge.ParseSalesforceID(text); err == nil && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// life is how long this worker can live at most, with a little more for clocks that differ: until then, a claim
// keeps others away. Whoever kills a worker at its deadline makes that certain.
func (w Worker) life(ctx context.Context) time.Duration {
	const (
		skew    = 5 * time.Second
		longest = 15 * time.Minute
	)
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), longest) + skew
	}
	return longest
}

// late reports whether too little time is left to begin something new.
func late(ctx context.Context) bool { return within(ctx, 10*time.Second) }

// tooLate reports whether too little time is left for a call to ReferralHero, which may take 20 seconds: one that is cut
// off has an outcome that nobody knows.
func tooLate(ctx context.Context) bool { return within(ctx, 25*time.Second) }

func within(ctx context.Context, length time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < length
}
