package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Org is an org as its connected user sees it.
type Org interface {
	ours
	Edition(context.Context) (string, error)
	// Fields returns the names of an object's visible fields; NotFound if the object may not be read.
	Fields(ctx context.Context, object string) ([]string, error)
	// Permissions says which permissions the user has, by their names in the API.
	Permissions(context.Context) (map[string]bool, error)
	// DuplicateRules returns the labels of the rules that are active for an object.
	DuplicateRules(ctx context.Context, object string) ([]string, error)
	// Usage returns how many API calls were used in 24 hours, and how many there are; zeros if nobody said.
	Usage() (used, most int)
}

// ours is what an org says of what we have added to it.
type ours interface {
	// Look returns the layout with those of ReferralHero's fields that the user may write now.
	Look(context.Context, bridge.Layout) (bridge.Layout, error)
	// Existing returns those of the API names that custom fields of an object have, whoever may see them.
	Existing(ctx context.Context, object string, names []string) ([]string, error)
	// Holds reports whether a user has a permission set whose name begins so.
	Holds(ctx context.Context, user bridge.SalesforceID, set string) (bool, error)
}

type connections interface {
	Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
}

type reports interface {
	// Report returns the last report of a connection; NotFound if there is none.
	Report(context.Context, bridge.AccountID, bridge.ConnectionID) (Report, error)
	// SaveReport replaces it. due is when to examine again. Conflict: there is a later one.
	SaveReport(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, r Report, due time.Time) error
}

// Service examines connections. Its fields are set once.
type Service struct {
	Connections connections
	Reports     reports
	Org         func(bridge.Connection) Org // the org behind a connection
	// Layout returns where ReferralHero's fields are on an object; NotFound if there are none. It may be nil.
	Layout func(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID, object string) (bridge.Layout, error)
	// Installed tells what is wrong with what we have installed in an org, as far as that is known without asking it. It
	// may be nil.
	Installed func(context.Context, bridge.Connection) ([]Advice, error)
	Now       func() time.Time
}

const (
	interval = 24 * time.Hour   // between examinations that nobody asked for
	soon     = 30 * time.Minute // until the next one if Salesforce did not answer
)

// Review returns what is known about a connection without asking the org.
func (s Service) Review(ctx context.Context, c bridge.Connection) (Review, error) {
	const op = "doctor.Review"
	report, err := s.Reports.Report(ctx, c.Account, c.ID)
	if err != nil && bridge.KindOf(err) != bridge.NotFound {
		return Review{}, bridge.E(op, "", err)
	}
	return s.review(ctx, op, c, report)
}

func (s Service) review(ctx context.Context, op string, c bridge.Connection, report Report) (Review, error) {
	if s.Installed == nil {
		return Review{Connection: c, Report: report}, nil
	}
	installed, err := s.Installed(ctx, c)
	if err != nil {
		return Review{}, bridge.E(op, "", err)
	}
	return Review{c, report, installed}, nil
}

// Examine asks the org and keeps the report. That the org does not answer, or refuses, is a finding and no error.
// NotFound: the account has no such connection, or it was disconnected.
func (s Service) Examine(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (Review, error) {
	const op = "doctor.Examine"
	c, err := s.Connections.Connection(ctx, account, id)
	if err != nil {
		return Review{}, bridge.E(op, "", err)
	}
	if c.Status == bridge.Disconnected {
		return Review{}, bridge.Say(op, bridge.NotFound, "", "This Salesforce account was disconnected. Connect the org again.")
	}
	layouts, err := s.layouts(ctx, c)
	if err != nil {
		return Review{}, bridge.E(op, "", err)
	}
	report, err := examine(ctx, s.Org(c), c.User, layouts)
	if err != nil {
		return Review{}, bridge.E(op, "", err)
	}
	// Asking may have changed the connection: the first to notice that access has ended, or is back, says so.
	if c, err = s.Connections.Connection(ctx, account, id); err != nil {
		return Review{}, bridge.E(op, "", err)
	}
	report.At = s.Now()
	due := report.At.Add(interval)
	if slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Check == Unreachable }) {
		due = report.At.Add(soon)
	}
	err = s.Reports.SaveReport(ctx, account, id, report, due)
	if err != nil && bridge.KindOf(err) != bridge.Conflict {
		return Review{}, bridge.E(op, "", err)
	}
	return s.review(ctx, op, c, report)
}

// layouts are those of the objects that may carry ReferralHero's fields.
func (s Service) layouts(ctx context.Context, c bridge.Connection) ([]bridge.Layout, error) {
	if s.Layout == nil {
		return nil, nil
	}
	var found []bridge.Layout
	for _, object := range []string{bridge.ToContact.Object(), bridge.ToLead.Object()} {
		layout, err := s.Layout(ctx, c.Account, c.ID, object)
		if err != nil && bridge.KindOf(err) != bridge.NotFound {
			return nil, err
		}
		if err == nil {
			found = append(found, layout)
		}
	}
	return found, nil
}
