package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/importer"
)

type examiner interface {
	Review(ctx context.Context, c bridge.Connection) (doctor.Review, error)
	Examine(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (doctor.Review, error)
}

// waker sets going what waited for a connection that works again.
type waker interface {
	Wake(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (importer.Waiting, error)
}

// waiting is how long a person waits for the first examination of an org that was just connected.
const waiting = 10 * time.Second

// firstLook examines an org when it is connected. The page shows without it, if need be.
func (v *visit) firstLook(c bridge.Connection) {
	ctx, cancel := context.WithTimeout(v.ctx(), waiting)
	defer cancel()
	if review, err := v.Doctor.Review(ctx, c); err != nil || review.Checked() {
		return // the page was loaded again
	}
	if _, err := v.Doctor.Examine(ctx, v.acc(), c.ID); err != nil {
		slog.WarnContext(ctx, "connection not examined", "connection", c.ID, "kind", bridge.KindOf(err), "err", err)
	}
}

// reviews fills in what is known about connections.
func (v *visit) reviews(of []doctor.Review) error {
	group, ctx := errgroup.WithContext(v.ctx())
	for i := range of {
		group.Go(func() (err error) {
			of[i], err = v.Doctor.Review(ctx, of[i].Connection)
			return err
		})
	}
	return group.Wait()
}

// worst returns the first advice that is about today, or nil.
func worst(all []doctor.Advice) *doctor.Advice {
	if len(all) == 0 || all[0].Level == doctor.Later {
		return nil
	}
	return &all[0]
}

type doctorPage struct {
	doctor.Review
	Found []doctor.Advice
}

// doctor shows what is known about a connection, and finds it out if nothing is.
func (v *visit) doctor() error {
	if strings.Contains(v.r.Header.Get("Accept"), "application/json") {
		return v.doctorJSON()
	}
	review, err := v.diagnosis()
	if err != nil {
		return err
	}
	v.letFormsLeave()
	v.render(http.StatusOK, "doctor.html", view{
		Title: "Examination of " + review.Connection.OrgName, Section: "connections", Notice: v.notice(),
		Data: doctorPage{review, review.Advice()},
	})
	return nil
}

func (v *visit) diagnosis() (doctor.Review, error) {
	c, err := v.Connections.Get(v.ctx(), v.acc(), bridge.ConnectionID(v.r.PathValue("connection")))
	if err != nil {
		return doctor.Review{}, err
	}
	review, err := v.Doctor.Review(v.ctx(), c)
	if err != nil || review.Checked() || c.Status != bridge.Active {
		return review, err
	}
	return v.Doctor.Examine(v.ctx(), v.acc(), c.ID)
}

// examine examines a connection once more. If that finds that the org lets us in again, what waited goes on.
func (v *visit) examine() error {
	id := bridge.ConnectionID(v.r.PathValue("connection"))
	review, err := v.Doctor.Examine(v.ctx(), v.acc(), id)
	if err != nil {
		return err
	}
	if review.Connection.Status == bridge.Active {
		if _, err := v.Waiting.Wake(v.ctx(), v.acc(), id); err != nil { // it goes on by itself too, later
			slog.WarnContext(v.ctx(), "imports not resumed yet", "connection", id, "kind", bridge.KindOf(err), "err", err)
		}
		if _, err := v.Sync.Wake(v.ctx(), v.acc(), id); err != nil {
			slog.WarnContext(v.ctx(), "syncing not resumed yet", "connection", id, "kind", bridge.KindOf(err), "err", err)
		}
	}
	v.redirect("/connections/" + string(id) + "/doctor?done=examined")
	return nil
}

// diagnosisJSON is a review for programs.
type diagnosisJSON struct {
	Connection bridge.ConnectionID     `json:"connection"`
	Status     bridge.ConnectionStatus `json:"status"`
	Checked    bool                    `json:"checked"` // the findings are about the connection as it is
	CheckedAt  *time.Time              `json:"checkedAt,omitempty"`
	Edition    string                  `json:"edition,omitempty"`
	Calls      callsJSON               `json:"calls"` // of the last 24 hours
	Findings   []doctor.Advice         `json:"findings"`
}

type callsJSON struct {
	Used int `json:"used"`
	Most int `json:"most"`
}

func (v *visit) doctorJSON() error {
	review, err := v.diagnosis()
	if err != nil {
		apigw.Problem(v.w, v.r, err)
		return nil
	}
	answer := diagnosisJSON{
		Connection: review.Connection.ID, Status: review.Connection.Status, Checked: review.Checked(),
		Edition: review.Report.Edition, Calls: callsJSON{review.Report.Used, review.Report.Most}, Findings: review.Advice(),
	}
	if !review.Report.At.IsZero() {
		answer.CheckedAt = &review.Report.At
	}
	if answer.Findings == nil {
		answer.Findings = []doctor.Advice{}
	}
	v.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(v.w).Encode(answer)
}
