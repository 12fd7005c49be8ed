package main

import (
	"net/http"
	"net/url"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
)

// pendingCookie holds the token of a sign-in that was begun in this browser.
const pendingCookie = "signin"

type signInPage struct {
	Start string // address that begins the sign-in
	Ended bool   // there was a session, or somebody wanted to see a page without one
}

func (v *visit) signIn() error {
	query := v.r.URL.Query()
	back := signin.LocalPath(query.Get("return"))
	v.render(http.StatusOK, "sign-in.html", view{Title: "Sign in", Data: signInPage{
		Start: "/sign-in/start?return=" + url.QueryEscape(back), Ended: query.Get("ended") != "" && back != "/",
	}})
	return nil
}

func (v *visit) startSignIn() error {
	redirect, browser, err := v.SignIns.Start(v.ctx(), v.r.URL.Query().Get("return"))
	if err != nil {
		return err
	}
	v.jar.Write(v.w, pendingCookie, browser, signin.PendingFor)
	v.w.Header().Set("Location", redirect) // without a body: the address has a state in it that no page should show
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// finishSignIn takes what the issuer sends back. Nothing of it is shown or written to a log.
func (v *visit) finishSignIn() error {
	query := v.r.URL.Query()
	browser := v.jar.Read(v.r, pendingCookie)
	v.jar.Clear(v.w, pendingCookie)
	if query.Get("error") != "" {
		return bridge.Say("console.finishSignIn", bridge.Denied, "", "You were not signed in: the sign-in service ended the attempt. Please start again.")
	}
	token, back, err := v.SignIns.Finish(v.ctx(), browser, bridge.NewSecret(query.Get("state")), bridge.NewSecret(query.Get("code")))
	if err != nil {
		return err
	}
	v.jar.Write(v.w, signin.SessionCookie, token, 0)
	v.redirect(back)
	return nil
}

// signOut ends the session here and leads on to the issuer. It answers with a page and not with a redirect: a
// browser would hold a redirect against the policy for forms, which allows this site only.
func (v *visit) signOut() error {
	token := v.jar.Read(v.r, signin.SessionCookie)
	v.jar.Clear(v.w, signin.SessionCookie)
	issuer, err := v.SignIns.SignOut(v.ctx(), token)
	if err != nil {
		return err
	}
	if issuer != "" {
		v.w.Header().Set("Refresh", "0; url="+issuer)
	}
	v.render(http.StatusOK, "signed-out.html", view{Title: "Signed out", Data: issuer})
	return nil
}
