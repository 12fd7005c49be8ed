package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// refusals are records that Salesforce refused.
type refusals interface {
	refusalCounts
	refusalRecords
	Retry(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, subscriber bridge.SubscriberID) (int, error)
}

type refusalCounts interface {
	Needs(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) (int, error)
	Causes(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID) ([]syncer.Cause, error)
}

type refusalRecords interface {
	Refused(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string) iter.Seq2[syncer.Refused, error]
	RefusedAfter(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, cause string, after bridge.SubscriberID, limit int) (found []syncer.Refused, next bridge.SubscriberID, err error)
}

// attentionPage is what needs somebody, by cause: all causes with examples, or one with its records.
type attentionPage struct {
	tabs
	On      bool
	Hero    string // where ReferralHero is
	Causes  []causePart
	One     bool
	Total   int
	Parts   []part // of the file
	Reasons []reason
	RunAt   time.Time // of the comparison that the reasons are from
}

// causePart is a cause with some of its records.
type causePart struct {
	syncer.Cause
	Link  string // into Setup; may be empty
	Rows  []refusedRow
	Next  bridge.SubscriberID // where the next page begins; empty if there is none
	First bool
}

type refusedRow struct {
	syncer.Refused
	Link string // to the record; empty if there is none
}

// reason is why subscribers were left out on purpose, and how many.
type reason struct {
	Text  string
	Count int
}

const (
	examples  = 3  // of each cause
	manyRows  = 50 // on a page of one cause
	fileWidth = 5_000
)

func (v *visit) attention() error { return v.showAttention(http.StatusOK, nil) }

func (v *visit) showAttention(status int, found []problem) error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	sync, err := v.Sync.Get(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	page := attentionPage{tabs: tabs{Campaign: c, Tab: "salesforce", Page: "attention"}, On: sync.On, Hero: v.Hero}
	all, err := v.Sync.Causes(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	if page.Reviews, err = v.openReviews(v.ctx(), c.ID); err != nil {
		return err
	}
	for _, cause := range all {
		page.Total += cause.Count
	}
	page.Needs, page.Parts = page.Total, fileParts(page.Total)
	instance := ""
	if sync.Connection != "" {
		connection, err := v.Connections.Get(v.ctx(), v.acc(), sync.Connection)
		if err != nil {
			return err
		}
		instance = connection.Instance
	}
	limit := examples
	if one := query.Get("cause"); one != "" {
		page.One, limit = true, manyRows
		all = slices.DeleteFunc(all, func(c syncer.Cause) bool { return c.ID != one })
	}
	for _, cause := range all {
		shown := causePart{Cause: cause, Link: setupLink(instance, cause.Setup, sync.Target.Object()), First: query.Get("after") == ""}
		records, next, err := v.Sync.RefusedAfter(v.ctx(), v.acc(), c.ID, cause.ID, bridge.SubscriberID(query.Get("after")), limit)
		if err != nil {
			return err
		}
		shown.Next = next
		for _, r := range records {
			shown.Rows = append(shown.Rows, refusedRow{r, recordLink(instance, r.Target, r.Record)})
		}
		page.Causes = append(page.Causes, shown)
	}
	if !page.One {
		if page.Reasons, page.RunAt, err = v.leftOut(c.ID); err != nil {
			return err
		}
	}
	v.render(status, "attention.html", view{Title: "Needs attention: " + c.Name, Section: "campaigns", Notice: v.retried(), Problems: found, Data: page})
	return nil
}

// leftOut returns why subscribers were left out on purpose by the last comparison that has ended.
func (v *visit) leftOut(id bridge.CampaignID) ([]reason, time.Time, error) {
	health, err := v.Sync.Health(v.ctx(), v.acc(), id, 1)
	if err != nil || len(health.Past) == 0 {
		return nil, time.Time{}, err
	}
	return reasonsOf(health.Past[0].Statement), health.Past[0].EndedAt, nil
}

// reasonsOf are those of a statement, the most frequent first.
func reasonsOf(s syncer.Statement) []reason {
	var all []reason
	for text, n := range s.Reasons {
		all = append(all, reason{text, n})
	}
	slices.SortFunc(all, func(a, b reason) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text)) })
	return all
}

// retried says how many records are tried again, if the page is shown after that.
func (v *visit) retried() string {
	n, err := strconv.Atoi(v.r.URL.Query().Get("retried"))
	switch {
	case err != nil || n < 0:
		return v.notice()
	case n == 0:
		return "There was nothing left to try: no record has this cause any more."
	default:
		return plural(n, "record is", "records are") + " tried again within a minute or two. What Salesforce refuses once more stays here."
	}
}

// retryRefused tries a record again, or all of a cause.
func (v *visit) retryRefused() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	form := v.r.PostForm
	n, err := v.Sync.Retry(v.ctx(), v.acc(), c.ID, form.Get("cause"), bridge.SubscriberID(form.Get("subscriber")))
	if err != nil {
		found := said(err)
		if found == nil {
			return err
		}
		apigw.Log(v.r, err, apigw.Status(err))
		return v.showAttention(apigw.Status(err), found)
	}
	to := "/campaigns/" + string(c.ID) + "/salesforce/attention?retried=" + strconv.Itoa(n)
	if form.Get("from") == "cause" {
		to += "&cause=" + url.QueryEscape(form.Get("cause"))
	}
	v.redirect(to)
	return nil
}

// fileParts are the CSV files that hold so many records.
func fileParts(records int) []part {
	var all []part
	for first := 1; first <= records; first += fileWidth {
		all = append(all, part{Number: len(all) + 1, First: first, Last: min(records, first+fileWidth-1)})
	}
	return all
}

// attentionFile answers with a CSV file of the records that need somebody: of one cause if the address names one, and of
// the given part.
func (v *visit) attentionFile() error {
	c, err := v.campaignOf()
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	number := 1
	if text := query.Get("part"); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 {
			return v.nowhere()
		}
	}
	causes, err := v.Sync.Causes(v.ctx(), v.acc(), c.ID)
	if err != nil {
		return err
	}
	titles := map[string]string{}
	for _, cause := range causes {
		titles[cause.ID] = cause.Title
	}
	var file bytes.Buffer
	if err := writeRefused(&file, v.Sync.Refused(v.ctx(), v.acc(), c.ID, query.Get("cause")), titles, number); err != nil {
		return err
	}
	name := "needs-attention-" + string(c.ID)
	if number > 1 {
		name += fmt.Sprintf("-part-%d", number)
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	_, _ = v.w.Write(file.Bytes()) // a browser that hung up needs no answer
	return nil
}

func writeRefused(file *bytes.Buffer, records iter.Seq2[syncer.Refused, error], titles map[string]string, part int) error {
	w := csv.NewWriter(file)
	_ = w.Write([]string{"Subscriber", "Object", "Record Id", "What is wrong", "Code", "Field", "Salesforce's words", "Attempts", "Since", "Last attempt"})
	seen := 0
	for r, err := range records {
		if err != nil {
			return err
		}
		if seen++; seen <= (part-1)*fileWidth {
			continue
		}
		if seen > part*fileWidth {
			break
		}
		p := r.Problem
		row := []string{
			string(r.Subscriber), recordObjects[r.Target], string(r.Record), titles[p.Cause], p.Code, p.Field, p.Said, strconv.Itoa(p.Tries),
			p.Since.UTC().Format(time.RFC3339), p.LastTry.UTC().Format(time.RFC3339),
		}
		for i := range row {
			row[i] = cell(row[i])
		}
		_ = w.Write(row)
	}
	w.Flush()
	return w.Error()
}
