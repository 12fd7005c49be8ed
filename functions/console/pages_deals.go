package main

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
)

// eventDecisions are what only a person can do.
type eventDecisions interface {
	eventQuestions
	eventAnswers
	Resolve(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string, d conversion.Decision) error
}

type eventQuestions interface {
	Why(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, deal string) ([]conversion.Answer, error)
	Reviews(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]bridge.Review, bool, error)
	Manual(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]conversion.Evidence, error)
}

type eventAnswers interface {
	Retry(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error
	Unqualify(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error
	Dismiss(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, review, who string) error
}

// whyPage says why an opportunity did, or did not, qualify.
type whyPage struct {
	tabs
	Typed    string
	Answers  []conversion.Answer
	Instance string
	Asked    bool
}

// why takes the opportunity in the address, so that the page can be linked to. An opportunity's id is nobody's name.
func (v *visit) why() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	page := whyPage{Typed: strings.TrimSpace(v.r.URL.Query().Get("deal"))}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	page.Page = "why"
	status, found := http.StatusOK, []problem(nil)
	if page.Typed != "" {
		if page.Instance, err = v.instance(c); err != nil {
			return err
		}
		page.Asked = true
		if page.Answers, err = v.Events.Why(v.ctx(), v.acc(), c.ID, page.Typed); err != nil {
			if found = said(err, "deal"); found == nil {
				return err
			}
			page.Asked, status = false, apigw.Status(err)
			apigw.Log(v.r, err, status)
		}
	}
	v.render(status, "event_why.html", view{Title: "Why did this (not) qualify? " + c.Name, Section: "campaigns", Problems: found, Data: page})
	return nil
}

// activityPage is what was done in ReferralHero because of deals.
type activityPage struct {
	tabs
	Rules    []bridge.Rule
	Rule     bridge.RuleID // only what this one did; empty for all
	Rows     []actionRow
	Next     string // where the next page begins; empty if there is none
	First    bool
	Instance string
}

type actionRow struct {
	bridge.Action
	Name string // of the event
}

// mostLines bounds what one page of the activity reads.
const mostLines = 500

func (v *visit) eventActivity() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	page := activityPage{Rule: bridge.RuleID(query.Get("rule")), First: query.Get("before") == ""}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	page.Page = "activity"
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	page.Rules = set.Rules
	if page.Instance, err = v.instance(c); err != nil {
		return err
	}
	if err := v.lines(&page, c.ID, query.Get("before")); err != nil {
		return err
	}
	for i, a := range page.Rows {
		rule, is := set.Rule(a.Rule)
		if page.Rows[i].Name = rule.Name; !is && a.Rule != "" {
			page.Rows[i].Name = "An event that was deleted"
		}
	}
	v.render(http.StatusOK, "event_activity.html", view{Title: "Activity: " + c.Name, Section: "campaigns", Data: page})
	return nil
}

// lines fills a page of the activity. One event's lines may be far apart: what a page reads is bounded, and the next one
// goes on from there.
func (v *visit) lines(page *activityPage, campaign bridge.CampaignID, before string) error {
	for read := 0; read < mostLines; {
		some, err := v.Events.Activity(v.ctx(), v.acc(), campaign, before, manyLines+1)
		if err != nil {
			return err
		}
		more := len(some) > manyLines
		for _, a := range some[:min(len(some), manyLines)] {
			if page.Rule == "" || a.Rule == page.Rule {
				if len(page.Rows) == manyLines {
					page.Next = before
					return nil
				}
				page.Rows = append(page.Rows, actionRow{Action: a})
			}
			before = a.ID
			read++
		}
		if !more {
			page.Next = ""
			return nil
		}
		page.Next = before
		if page.Rule == "" {
			return nil
		}
	}
	return nil
}

// reviewsPage is what needs somebody because of deals.
type reviewsPage struct {
	tabs
	Rows     []reviewRow
	More     bool
	Instance string
	Hero     string
}

type reviewRow struct {
	bridge.Review
	Name     string         // of the event
	Evidence *bridge.Effect // of a call whose outcome is not known
}

// Text says what it is about, and what to do.
func (r reviewRow) Text() string { return conversion.Describe(r.Review) }

// Tries reports whether it can be tried again.
func (r reviewRow) Tries() bool {
	return r.Kind == bridge.ReviewRefused || r.Kind == bridge.ReviewWaiting
}

// Again says what doing it again would mean.
func (r reviewRow) Again() string { return againWords(*r.Evidence) }

// urgency is less for what cannot wait.
func urgency(r reviewRow) int {
	if reviewTitle(r.Kind).Colour == "danger" {
		return 0
	}
	return 1
}

func (v *visit) eventReviews() error { return v.showReviews(http.StatusOK, nil) }

func (v *visit) showReviews(status int, found []problem) error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	page := reviewsPage{Hero: v.Hero}
	if page.tabs, err = v.tabs(c, "events"); err != nil {
		return err
	}
	page.Page = "reviews"
	set, err := v.Events.Rules(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	reviews, more, err := v.Events.Reviews(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	page.More = more
	evidence, err := v.Events.Manual(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	if page.Instance, err = v.instance(c); err != nil {
		return err
	}
	for _, r := range reviews {
		rule, _ := set.Rule(r.Rule)
		row := reviewRow{Review: r, Name: rule.Name}
		for _, e := range evidence {
			if e.Review.ID == r.ID {
				row.Evidence = &e.Effect
			}
		}
		page.Rows = append(page.Rows, row)
	}
	slices.SortStableFunc(page.Rows, func(a, b reviewRow) int { return cmp.Compare(urgency(a), urgency(b)) })
	v.render(status, "event_reviews.html", view{Title: "Needs attention: " + c.Name, Section: "campaigns", Notice: v.notice(), Problems: found, Data: page})
	return nil
}

// decideReview does what a person has decided. A second press finds it settled.
func (v *visit) decideReview() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	review, who, action := v.r.PostForm.Get("review"), v.session.Person.Name, v.r.PathValue("action")
	switch action {
	case "happened":
		err = v.Events.Resolve(v.ctx(), v.acc(), c.ID, review, who, conversion.Happened)
	case "again":
		err = v.Events.Resolve(v.ctx(), v.acc(), c.ID, review, who, conversion.Again)
	case "retry":
		err = v.Events.Retry(v.ctx(), v.acc(), c.ID, review, who)
	case "unqualify":
		err = v.Events.Unqualify(v.ctx(), v.acc(), c.ID, review, who)
	case "dismiss":
		err = v.Events.Dismiss(v.ctx(), v.acc(), c.ID, review, who)
	default:
		return v.nowhere()
	}
	if err != nil {
		found := said(err)
		if found == nil {
			return err
		}
		apigw.Log(v.r, err, apigw.Status(err))
		return v.showReviews(apigw.Status(err), found)
	}
	v.redirect(eventsPath(c.ID) + "/reviews?done=" + url.QueryEscape("review-"+action))
	return nil
}
