package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
)

type eraser interface {
	Begin(ctx context.Context, account bridge.AccountID) error
}

// eraseWord is what a person may type instead of the account's name.
const eraseWord = "ERASE"

// mostCounted is how many imports are counted for the page.
const mostCounted = 1000

type erasePage struct {
	Account     bridge.Account
	Connections []bridge.Connection
	Campaigns   int
	Imports     int
	More        bool // there are more imports than were counted
	Running     int  // of the imports counted
}

func (v *visit) erasePage() error { return v.showErase(http.StatusOK, nil) }

// showErase says what an erasure would delete.
func (v *visit) showErase(status int, found []problem) error {
	var (
		page erasePage
		err  error
	)
	if page.Account, err = v.Accounts.Account(v.ctx(), v.acc()); err != nil {
		return err
	}
	if page.Connections, err = v.Connections.List(v.ctx(), v.acc()); err != nil {
		return err
	}
	campaigns, err := v.Campaigns.List(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	imports, err := v.Imports.List(v.ctx(), v.acc(), "", "", mostCounted)
	if err != nil {
		return err
	}
	page.Campaigns, page.Imports, page.More = len(campaigns), len(imports), len(imports) == mostCounted
	for _, i := range imports {
		if !i.State.Ended() {
			page.Running++
		}
	}
	v.render(status, "erase.html", view{Title: "Erase this account", Section: "account", Problems: found, Data: page})
	return nil
}

// erase erases the account if the person has typed that they mean it. Their session has ended then.
func (v *visit) erase() error {
	account, err := v.Accounts.Account(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	typed := strings.TrimSpace(v.r.PostForm.Get("confirm"))
	if typed != eraseWord && (typed == "" || typed != account.Name) {
		return v.showErase(http.StatusUnprocessableEntity, []problem{{"confirm", "Type " + eraseWord + " or the account’s name, exactly as it is written above."}})
	}
	if err := v.Erasure.Begin(v.ctx(), v.acc()); err != nil {
		return err
	}
	v.jar.Clear(v.w, signin.SessionCookie)
	v.session = bridge.Session{}
	v.render(http.StatusOK, "erased.html", view{Title: "Erased"})
	return nil
}
