package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/queue"
)

// letters are pieces of work that have stopped: messages that their queue has given up.
type letters interface {
	List(ctx context.Context, account bridge.AccountID) (found []letter.Letter, more bool, err error)
	Again(ctx context.Context, account bridge.AccountID, id string) error
	Dismiss(ctx context.Context, account bridge.AccountID, id string) error
}

type stoppedPage struct {
	Rows []stoppedRow
	More bool // than are shown
}

// stoppedRow is a piece of work, and what it was about as far as it says so.
type stoppedRow struct {
	letter.Letter
	letter.About
	Words      choice
	Campaign   bridge.Campaign
	Connection bridge.Connection
}

// stoppedWords say what stopped, and what becomes of it if nobody does anything.
var stoppedWords = map[letter.Queue]choice{
	letter.Imports: {Label: "A step of an import",
		Text: "The import goes on by itself: within minutes another step does what this one has not done. Every contact still ends with one outcome."},
	letter.SubscriberHints: {Label: "News of a subscriber",
		Text: "What has changed may not be in Salesforce yet. The campaign’s next comparison finds it, at the latest after a day. Try again does it now."},
	letter.SubscriberChanges: {Label: "A change of a subscriber",
		Text: "What has changed may not be in Salesforce yet. The campaign’s next comparison finds it, at the latest after a day. Try again does it now."},
	letter.SyncRuns: {Label: "A step of comparing the campaign with Salesforce",
		Text: "The comparison is taken up again by itself within minutes, where it has stopped."},
	letter.Provisions: {Label: "Setting up the fields in Salesforce",
		Text: "It is taken up again by itself within an hour; fields that were complete are looked at once a day. Try again does it now."},
	letter.Conversions: {Label: "Work on opportunities",
		Text: "It is done by itself: by asking the org within a quarter of an hour what has changed, at the latest by the daily check. No referral is moved twice for it, and nothing is paid twice."},
	letter.Plumbing: {Label: "Setting up what tells us of opportunities in Salesforce",
		Text: "It is taken up again by itself. The page “Events to track” of a campaign shows how it stands. Try again does it now."},
}

func (v *visit) stopped() error {
	found, more, err := v.Letters.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b letter.Letter) int { return b.DiedAt.Compare(a.DiedAt) })
	page := stoppedPage{More: more}
	for _, l := range found {
		page.Rows = append(page.Rows, stoppedRow{Letter: l, About: queue.About(l.Body), Words: stoppedWords[l.Queue]})
	}
	if err := v.nameStopped(page.Rows); err != nil {
		return err
	}
	v.render(http.StatusOK, "stopped.html", view{Title: "Work that stopped", Section: "stopped", Notice: v.notice(), Data: page})
	return nil
}

// nameStopped gives the rows their campaigns and connections. What is not there any more keeps its id.
func (v *visit) nameStopped(rows []stoppedRow) error {
	if len(rows) == 0 {
		return nil
	}
	campaigns, err := v.Campaigns.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	connections, err := v.Connections.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	imports := map[bridge.ImportID]bridge.ImportOptions{}
	for i := range rows {
		about := &rows[i].About
		if id := about.Import; id != "" {
			options, seen := imports[id]
			if !seen {
				progress, err := v.Imports.Get(v.ctx(), v.acc(), id)
				if err != nil && bridge.KindOf(err) != bridge.NotFound {
					return err
				}
				options = progress.Import.Options
				imports[id] = options
			}
			about.Campaign, about.Connection = options.Campaign, options.Connection
		}
		rows[i].Campaign = bridge.Campaign{ID: about.Campaign, Name: string(about.Campaign)}
		for _, c := range campaigns {
			if c.ID == about.Campaign {
				rows[i].Campaign = c
			}
		}
		rows[i].Connection = bridge.Connection{ID: about.Connection, OrgName: string(about.Connection)}
		for _, c := range connections {
			if c.ID == about.Connection {
				rows[i].Connection = c
			}
		}
	}
	return nil
}

// changeStopped tries pieces of work again, or takes them off the list.
func (v *visit) changeStopped() error {
	action := v.r.PathValue("action")
	change := map[string]func(context.Context, bridge.AccountID, string) error{"again": v.Letters.Again, "dismiss": v.Letters.Dismiss}[action]
	if change == nil {
		return v.nowhere()
	}
	done := "gone"
	chosen := v.r.PostForm["letter"]
	for _, id := range chosen[:min(len(chosen), letter.Most)] {
		err := change(v.ctx(), v.acc(), id)
		if bridge.KindOf(err) == bridge.NotFound {
			continue // somebody was faster
		}
		if err != nil {
			return err
		}
		slog.InfoContext(v.ctx(), "dead letter off the list", "action", action, "account", v.acc(), "message_id", id)
		done = action
	}
	v.redirect("/stopped?done=stopped-" + done)
	return nil
}

// stoppedNotice says on every page that there is work that stopped; it is empty if there is none. A page is worth more
// than this notice, so it is left out where we cannot know.
func (v *visit) stoppedNotice() string {
	if v.acc() == "" {
		return ""
	}
	found, more, err := v.Letters.List(v.ctx(), v.acc())
	switch {
	case err != nil:
		slog.WarnContext(v.ctx(), "stopped work not looked for", "account", v.acc(), "kind", bridge.KindOf(err), "err", err)
		return ""
	case more:
		return "More than " + plural(len(found), "piece", "pieces") + " of work have stopped."
	case len(found) > 0:
		return plural(len(found), "piece of work has", "pieces of work have") + " stopped."
	}
	return ""
}
