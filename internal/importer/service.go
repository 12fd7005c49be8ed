package importer

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
)

// Service is what a person does with imports. Its fields are set once.
type Service struct {
	Imports     history
	Accounts    accounts
	Campaigns   campaigns
	Connections connections
	// Org returns the org behind a connection.
	Org         func(bridge.Connection) Org
	CheckFilter func(filter string) error // refuses what is no SOQL condition
	Jobs        jobs
	Budget      budget.Budget
	Now         func() time.Time
}

// history keeps imports. Every write is a Conflict if what it stands on has changed.
type history interface {
	importRows
	beginner
	runningRows
	sheets
}

type beginner interface {
	// BeginImport writes an import that is to run and reserves its campaign; Conflict if it is taken.
	BeginImport(ctx context.Context, i bridge.Import, due time.Time) error
	Imports(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error)
}

type sheets interface {
	Page(ctx context.Context, account bridge.AccountID, id bridge.ImportID, number int) (Sheet, error)
	Pages(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[Sheet, error]
}

type campaigns interface {
	Campaign(ctx context.Context, account bridge.AccountID, id bridge.CampaignID) (bridge.Campaign, error)
}

// firstLook is when the sweep looks after an import that a person has just set going: its pump should be on the
// queue long before.
const firstLook = 2 * time.Minute

// Start begins an import. Options that cannot work are an Invalid error with the Field at fault; a campaign in which
// an import runs already is a Conflict.
func (s Service) Start(ctx context.Context, account bridge.AccountID, startedBy string, o bridge.ImportOptions) (bridge.Import, error) {
	const op = "importer.Start"
	org, _, err := s.check(ctx, account, &o)
	if err != nil {
		return bridge.Import{}, bridge.E(op, "", err)
	}
	now := s.Now().Truncate(time.Second)
	i := bridge.Import{
		ID: bridge.ImportID(bridge.NewID("i")), Account: account, Options: o, State: bridge.Running,
		Bound: now, Pass: 1, StartedBy: startedBy, StartedAt: now, BeatAt: now,
	}
	if i.Total, err = org.CountContacts(ctx, selection(i)); err != nil {
		return bridge.Import{}, bridge.E(op, "", refusedFilter(err))
	}
	return s.begin(ctx, op, i)
}

// begin reserves the campaign and sets the import going.
func (s Service) begin(ctx context.Context, op string, i bridge.Import) (bridge.Import, error) {
	err := s.Imports.BeginImport(ctx, i, s.Now().Add(firstLook))
	if bridge.KindOf(err) == bridge.Conflict {
		return bridge.Import{}, &bridge.Error{Op: op, Kind: bridge.Conflict, Err: err,
			Message: "An import is already running in this campaign. Wait until it is done, or cancel it."}
	}
	if err != nil {
		return bridge.Import{}, bridge.E(op, "", err)
	}
	i.Version++
	// The import stands. If the pump is not taken, the sweep sends another one.
	_ = s.Jobs.Send(ctx, 0, pump(i, true))
	return i, nil
}

// Pause stops a running import before its next chunk. One that is paused stays so.
func (s Service) Pause(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return s.change(ctx, "importer.Pause", account, id, func(i *bridge.Import) (bool, error) {
		switch i.State {
		case bridge.Paused:
			return false, nil
		case bridge.Running:
			i.State, i.Parked, i.Until = bridge.Paused, "", time.Time{}
			return true, nil
		default:
			return false, tooLate("importer.Pause")
		}
	})
}

// Cancel ends an import for good. What it has added stays.
func (s Service) Cancel(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	return s.change(ctx, "importer.Cancel", account, id, func(i *bridge.Import) (bool, error) {
		switch i.State {
		case bridge.Canceled:
			return false, nil
		case bridge.Running, bridge.Paused:
			i.State, i.Parked, i.Until, i.EndedAt = bridge.Canceled, "", time.Time{}, s.Now()
			return true, nil
		default:
			return false, tooLate("importer.Cancel")
		}
	})
}

// Resume goes on with an import that is paused, or that waits, or that ended early. It is a Conflict if another import
// has the campaign meanwhile.
func (s Service) Resume(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	const op = "importer.Resume"
	i, err := s.Imports.Import(ctx, account, id)
	if err != nil {
		return bridge.Import{}, bridge.E(op, "", err)
	}
	if i.State == bridge.Broken {
		i.State, i.Cause, i.EndedAt, i.BeatAt = bridge.Running, "", time.Time{}, s.Now()
		return s.begin(ctx, op, i)
	}
	i, err = s.change(ctx, op, account, id, func(i *bridge.Import) (bool, error) {
		switch {
		case i.State == bridge.Running && i.Parked == "":
			return false, nil
		case i.State == bridge.Running || i.State == bridge.Paused:
			i.State, i.Parked, i.Until, i.BeatAt = bridge.Running, "", time.Time{}, s.Now()
			return true, nil
		default:
			return false, tooLate(op)
		}
	})
	if err == nil {
		err = bridge.E(op, "", s.Jobs.Send(ctx, 0, pump(i, true)))
	}
	return i, err
}

// Retry tries the contacts that failed once more, when an import is done.
func (s Service) Retry(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (bridge.Import, error) {
	const op = "importer.Retry"
	i, err := s.Imports.Import(ctx, account, id)
	if err != nil {
		return bridge.Import{}, bridge.E(op, "", err)
	}
	if i.State != bridge.Done {
		return bridge.Import{}, bridge.Say(op, bridge.Conflict, "", "Only an import that is done can try its failed contacts again.")
	}
	i.Open = nil
	for sheet, err := range s.Imports.Pages(ctx, account, id) {
		if err != nil {
			return bridge.Import{}, bridge.E(op, "", err)
		}
		if sheet.counts().Failed > 0 {
			i = sheet.reopen(i)
		}
	}
	if len(i.Open) == 0 {
		return bridge.Import{}, bridge.Say(op, bridge.Conflict, "", "No contact of this import has failed.")
	}
	i.State, i.Mail, i.EndedAt, i.BeatAt = bridge.Running, bridge.MailNone, time.Time{}, s.Now()
	i.Pass++
	return s.begin(ctx, op, i)
}

// change edits an import, again if somebody else changed it at the same moment. edit reports whether there is
// anything to change.
func (s Service) change(ctx context.Context, op string, account bridge.AccountID, id bridge.ImportID, edit func(*bridge.Import) (bool, error)) (bridge.Import, error) {
	for range attempts {
		i, err := s.Imports.Import(ctx, account, id)
		if err != nil {
			return bridge.Import{}, bridge.E(op, "", err)
		}
		changed, err := edit(&i)
		if err != nil || !changed {
			return i, err
		}
		switch {
		case i.State.Ended():
			err = s.Imports.EndImport(ctx, i)
		case i.State == bridge.Paused:
			err = s.Imports.SaveImport(ctx, i, time.Time{})
		default:
			err = s.Imports.SaveImport(ctx, i, s.Now().Add(firstLook))
		}
		if err == nil {
			i.Version++
			return i, nil
		}
		if bridge.KindOf(err) != bridge.Conflict {
			return bridge.Import{}, bridge.E(op, "", err)
		}
	}
	return bridge.Import{}, bridge.Say(op, bridge.Conflict, "", "The import is changing too quickly. Try again.")
}

func tooLate(op string) error {
	return bridge.Say(op, bridge.Conflict, "", "The import has moved on: this cannot be done with it any more.")
}

// Progress says how far an import is.
type Progress struct {
	Import    bridge.Import
	Counts    bridge.Counts // of finished pages, and of what the open ones have done so far
	Remaining time.Duration // expected; 0 if nothing can be said
	FinishAt  time.Time     // now and Remaining; zero if nothing can be said
	Rate      float64       // contacts a minute, on average since it started; 0 while it does not run
}

// Get says how far an import is.
func (s Service) Get(ctx context.Context, account bridge.AccountID, id bridge.ImportID) (Progress, error) {
	const op = "importer.Get"
	i, err := s.Imports.Import(ctx, account, id)
	if err != nil {
		return Progress{}, bridge.E(op, "", err)
	}
	p := Progress{Import: i, Counts: i.Counts}
	for _, number := range i.Open[:min(window, len(i.Open))] {
		sheet, err := s.Imports.Page(ctx, account, id, number)
		if err != nil {
			return Progress{}, bridge.E(op, "", err)
		}
		p.Counts = p.Counts.Plus(sheet.counts())
	}
	if i.State != bridge.Running {
		return p, nil
	}
	now := s.Now()
	left := max(i.Total, i.Selected) - p.Counts.Sum()
	if i.Planned {
		left = i.Selected - p.Counts.Sum()
	}
	if i.Pass > 1 {
		left += p.Counts.Failed
	}
	a, err := s.Accounts.Account(ctx, account)
	if err != nil {
		return Progress{}, bridge.E(op, "", err)
	}
	state, err := s.Budget.State(ctx, account, budget.ReferralHero, a.Allowance)
	if err != nil {
		return Progress{}, bridge.E(op, "", err)
	}
	p.Remaining = max(estimate(left, a.Allowance, s.Budget.Length, state, now), i.Until.Sub(now))
	if p.Remaining > 0 {
		p.FinishAt = now.Add(p.Remaining)
	}
	if minutes := now.Sub(i.StartedAt).Minutes(); minutes > 0 && i.Parked == "" {
		p.Rate = float64(p.Counts.Sum()) / minutes
	}
	return p, nil
}

// List returns imports, newest first: those of the campaign, or of all if it is empty; those older than before, or
// the newest if it is empty.
func (s Service) List(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, before bridge.ImportID, limit int) ([]bridge.Import, error) {
	found, err := s.Imports.Imports(ctx, account, campaign, before, limit)
	return found, bridge.E("importer.List", "", err)
}

// Row is what became of one contact.
type Row struct {
	Contact bridge.SalesforceID // empty if it was gone before anybody read it
	Outcome bridge.Outcome
	Reason  string
}

// Outcomes yields every contact that has an outcome so far, in order of their ids. It ends with the first error.
func (s Service) Outcomes(ctx context.Context, account bridge.AccountID, id bridge.ImportID) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for sheet, err := range s.Imports.Pages(ctx, account, id) {
			if err != nil {
				yield(Row{}, bridge.E("importer.Outcomes", "", err))
				return
			}
			for _, r := range sheet.Receipts {
				for row := range rows(r) {
					if !yield(row, nil) {
						return
					}
				}
			}
		}
	}
}

// rows yields the contacts of a receipt that have an outcome.
func rows(r bridge.Receipt) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		ids := slices.Concat(r.Contacts, make([]bridge.SalesforceID, max(0, len(r.Codes)-len(r.Contacts))))
		for n := range len(r.Codes) {
			m := meanings[r.Codes[n]]
			if m.outcome != "" && !yield(Row{ids[n], m.outcome, m.reason}) {
				return
			}
		}
	}
}
