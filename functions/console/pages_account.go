package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/campaign"
)

type accounts interface {
	Account(ctx context.Context, id bridge.AccountID) (bridge.Account, error)
	Usage(ctx context.Context, a bridge.Account) (budget.State, error)
	SetToken(ctx context.Context, id bridge.AccountID, token bridge.Secret) error
	SaveAccount(ctx context.Context, id bridge.AccountID, p campaign.Preferences) error
}

type accountPage struct {
	Account           bridge.Account
	Masked            string
	Usage             budget.State
	Notify, Allowance string // as typed
	Least, Most       int
	Webhook           webhookPart
}

func (v *visit) account() error {
	return v.showAccount(http.StatusOK, nil, nil)
}

// showAccount shows the page; typed gives what a form held that was not kept.
func (v *visit) showAccount(status int, found []problem, typed func(*accountPage)) error {
	a, err := v.Accounts.Account(v.ctx(), v.acc())
	if err != nil {
		return err
	}
	usage, err := v.Accounts.Usage(v.ctx(), a)
	if err != nil {
		return err
	}
	webhook, err := v.webhookPart()
	if err != nil {
		return err
	}
	page := accountPage{
		Account: a, Usage: usage, Webhook: webhook, Notify: a.Notify, Allowance: strconv.Itoa(a.Allowance),
		Least: campaign.LeastAllowance, Most: campaign.MostAllowance,
	}
	if !a.Token.Empty() {
		page.Masked = a.Token.Masked()
	}
	if typed != nil {
		typed(&page)
	}
	v.render(status, "account.html", view{Title: "Account", Section: "account", Notice: v.notice(), Problems: found, Data: page})
	return nil
}

func (v *visit) saveToken() error {
	err := v.Accounts.SetToken(v.ctx(), v.acc(), bridge.NewSecret(v.r.PostForm.Get("token")))
	if err != nil {
		found, err2 := problems(err, "token")
		if err2 != nil {
			return err2
		}
		apigw.Log(v.r, err, apigw.Status(err))
		return v.showAccount(apigw.Status(err), found, nil)
	}
	v.redirect("/account?done=token")
	return nil
}

func (v *visit) savePreferences() error {
	form := v.r.PostForm
	allowance, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(form.Get("allowance")), ",", ""))
	if err != nil {
		allowance = 0 // refused below, in words
	}
	err = v.Accounts.SaveAccount(v.ctx(), v.acc(), campaign.Preferences{Notify: form.Get("notify"), Allowance: allowance})
	if err != nil {
		found, err2 := problems(err, "notify", "allowance")
		if err2 != nil {
			return err2
		}
		return v.showAccount(apigw.Status(err), found, func(p *accountPage) {
			p.Notify, p.Allowance = form.Get("notify"), form.Get("allowance")
		})
	}
	v.redirect("/account?done=preferences")
	return nil
}

// notices is what a page says after a form was done and the browser was sent on. The address holds a word of
// this list only, so that nobody can make the console say something else.
var notices = map[string]string{
	"token":            "ReferralHero accepted the token. It is kept encrypted, and your campaigns were read.",
	"preferences":      "Saved.",
	"webhook-address":  "The address is made. Give it to ReferralHero as described below.",
	"webhook-secret":   "The secret key is kept encrypted. Press Test in ReferralHero to see that it is the right one.",
	"refreshed":        "The list is what ReferralHero says now.",
	"settings":         "Saved.",
	"examined":         "Examined just now.",
	"running":          "An import into this campaign was running already. Here it is.",
	"sync-saved":       "Saved. The fields are being set up, and then everybody is filled in. You can close this page.",
	"sync-off":         "Switched off. Nothing is written any more; what is in Salesforce stays.",
	"sync-compare":     "Everybody is compared with Salesforce, beginning within a minute.",
	"sync-repair":      "The fields are being repaired: what is missing is made, and shown to the people whom you picked.",
	"sync-check":       "Looked at just now.",
	"sync-remove":      "What we installed is being removed.",
	"event-added":      "Added. From now on opportunities that reach the stage are followed.",
	"event-changed":    "Saved. Opportunities that were counted are judged anew within a few minutes.",
	"event-on":         "Switched on. What happened meanwhile is caught up with.",
	"event-off":        "Switched off. What was counted stands, and nothing follows the opportunities until it is on again.",
	"event-move":       "Moved. Of events with the same trigger, the first that an opportunity fits decides.",
	"event-delete":     "Deleted. Total spend that came of it is taken off within a few minutes; referrals that it has moved are listed under “Needs attention”.",
	"flow-install":     "Installation has begun.",
	"flow-check":       "Looked at just now.",
	"flow-rotate":      "The org gets a new address. The one before works until messages that wait have come.",
	"flow-remove":      "Flow and message are being removed from the org.",
	"review-happened":  "Noted: it happened. It is not done again.",
	"review-again":     "It is done again within a minute or two. The activity shows the answer.",
	"review-retry":     "It is tried again within a minute or two. The activity shows the answer.",
	"review-unqualify": "The referral is unqualified within a minute or two. The activity shows the answer.",
	"review-dismiss":   "Left as it is, and noted in the activity.",
	"stopped-again":    "It is being tried again. If it stops once more, it comes back to this list.",
	"stopped-dismiss":  "Dismissed.",
	"stopped-gone":     "It had left this list already.",
	"written":          "The record is written again within a minute or two. Then load this page again.",
}

func (v *visit) notice() string { return notices[v.r.URL.Query().Get("done")] }
