package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/signin"
)

// console answers browsers. Its fields are set once.
type console struct {
	BaseURL     string // without a slash at the end
	Simulator   string // origin of a simulated org that stands in for Salesforce; may be empty
	Hero        string // origin of ReferralHero, for people
	SignIns     signIns
	Accounts    accounts
	Webhooks    webhooks
	Connections connections
	Waiting     waker
	Doctor      examiner
	Erasure     eraser
	Campaigns   campaigns
	Imports     imports
	Sync        syncing
	Fields      fields
	Events      tracking
	Flows       flows
	Letters     letters
	Now         func() time.Time
}

// signIns lets people in and out.
type signIns interface {
	Start(ctx context.Context, returnTo string) (redirect string, browser bridge.Secret, err error)
	Finish(ctx context.Context, browser, state, code bridge.Secret) (token bridge.Secret, returnTo string, err error)
	Session(ctx context.Context, token bridge.Secret) (bridge.Session, error)
	SignOut(ctx context.Context, token bridge.Secret) (redirect string, err error)
}

// route is one line of the table of everything that the console answers. Whoever has not signed in gets
// the public ones only.
type route struct {
	pattern string
	public  bool
	serve   func(*visit) error
}

func (c *console) table() []route {
	return []route{
		{"GET /healthz", true, (*visit).health},
		{"GET /static/{version}/{file...}", true, (*visit).static},
		{"GET /sign-in", true, (*visit).signIn},
		{"GET /sign-in/start", true, (*visit).startSignIn},
		{"GET /sign-in/callback", true, (*visit).finishSignIn},
		{"POST /sign-out", true, (*visit).signOut},

		{"GET /{$}", false, (*visit).home},
		{"GET /account", false, (*visit).account},
		{"POST /account/token", false, (*visit).saveToken},
		{"POST /account/preferences", false, (*visit).savePreferences},
		{"POST /account/webhook/address", false, (*visit).newWebhookAddress},
		{"POST /account/webhook/secret", false, (*visit).saveWebhookSecret},
		{"GET /account/erase", false, (*visit).erasePage},
		{"POST /account/erase", false, (*visit).erase},
		{"GET /stopped", false, (*visit).stopped},
		{"POST /stopped/{action}", false, (*visit).changeStopped},
		{"GET /connections", false, (*visit).connections},
		{"GET /connections/{connection}/doctor", false, (*visit).doctor},
		{"GET /connections/{connection}/doctor.json", false, (*visit).doctorJSON},
		{"POST /connections/{connection}/doctor", false, (*visit).examine},
		{"POST /connections/{connection}/disconnect", false, (*visit).disconnect},
		{"POST /connections/{connection}/repair", false, (*visit).repairConnection},
		{"GET /campaigns", false, (*visit).campaigns},
		{"POST /campaigns/refresh", false, (*visit).refreshCampaigns},
		{"GET /campaigns/{campaign}", false, (*visit).campaignImports},
		{"GET /campaigns/{campaign}/settings", false, (*visit).campaignSettings},
		{"POST /campaigns/{campaign}/settings", false, (*visit).saveSettings},
		{"POST /campaigns/{campaign}/preview", false, (*visit).previewImport},
		{"POST /campaigns/{campaign}/imports", false, (*visit).startImport},
		{"GET /campaigns/{campaign}/salesforce", false, (*visit).salesforce},
		{"POST /campaigns/{campaign}/salesforce", false, (*visit).saveSync},
		{"GET /campaigns/{campaign}/salesforce/progress", false, (*visit).syncProgress},
		{"GET /campaigns/{campaign}/salesforce/sample", false, (*visit).fieldSample},
		{"GET /campaigns/{campaign}/salesforce/options", false, (*visit).syncOptions},
		{"POST /campaigns/{campaign}/salesforce/options", false, (*visit).findPeople},
		{"POST /campaigns/{campaign}/salesforce/preview", false, (*visit).previewSync},
		{"GET /campaigns/{campaign}/salesforce/attention", false, (*visit).attention},
		{"GET /campaigns/{campaign}/salesforce/attention.csv", false, (*visit).attentionFile},
		{"POST /campaigns/{campaign}/salesforce/attention", false, (*visit).retryRefused},
		{"GET /campaigns/{campaign}/salesforce/explain", false, (*visit).explain},
		{"POST /campaigns/{campaign}/salesforce/explain", false, (*visit).explainTyped},
		{"POST /campaigns/{campaign}/salesforce/write", false, (*visit).writeAgain},
		{"GET /campaigns/{campaign}/salesforce/remove", false, (*visit).removePage},
		{"POST /campaigns/{campaign}/salesforce/remove", false, (*visit).remove},
		{"POST /campaigns/{campaign}/salesforce/{action}", false, (*visit).changeSync},
		{"GET /campaigns/{campaign}/events", false, (*visit).events},
		{"POST /campaigns/{campaign}/events", false, (*visit).saveEvent},
		{"GET /campaigns/{campaign}/events/new", false, (*visit).newEvent},
		{"POST /campaigns/{campaign}/events/sentence", false, (*visit).eventSentence},
		{"POST /campaigns/{campaign}/events/try", false, (*visit).tryEvent},
		{"GET /campaigns/{campaign}/events/activity", false, (*visit).eventActivity},
		{"GET /campaigns/{campaign}/events/why", false, (*visit).why},
		{"GET /campaigns/{campaign}/events/history", false, (*visit).eventHistory},
		{"GET /campaigns/{campaign}/events/reviews", false, (*visit).eventReviews},
		{"POST /campaigns/{campaign}/events/reviews/{action}", false, (*visit).decideReview},
		{"GET /campaigns/{campaign}/events/installation", false, (*visit).flowProgress},
		{"GET /campaigns/{campaign}/events/installation/by-hand", false, (*visit).flowManual},
		{"POST /campaigns/{campaign}/events/installation/{action}", false, (*visit).changeFlow},
		{"GET /campaigns/{campaign}/events/rules/{rule}", false, (*visit).editEvent},
		{"POST /campaigns/{campaign}/events/rules/{rule}/{action}", false, (*visit).changeEvent},
		{"GET /referral-link", false, (*visit).example},
		{"GET /imports", false, (*visit).imports},
		{"GET /imports/{import}", false, (*visit).showImport},
		{"GET /imports/{import}/progress", false, (*visit).importProgress},
		{"GET /imports/{import}/contacts.csv", false, (*visit).importContacts},
		{"POST /imports/{import}/{action}", false, (*visit).changeImport},
		{"/", false, (*visit).nowhere},
	}
}

// visit is one request and who makes it.
type visit struct {
	*console
	jar     signin.Jar
	w       http.ResponseWriter
	r       *http.Request
	session bridge.Session // empty on public routes
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// acc is the account that everything on this visit belongs to. It comes from the session, never from the
// request.
func (v *visit) acc() bridge.AccountID { return v.session.Account }

// handler answers every request of the console.
func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range c.table() {
		mux.Handle(route.pattern, c.serve(route))
	}
	sameOrigin := http.NewCrossOriginProtection()
	if err := sameOrigin.AddTrustedOrigin(c.BaseURL); err != nil {
		panic("BASE_URL is no origin: " + err.Error()) // at the start, once
	}
	sameOrigin.SetDenyHandler(c.serve(route{pattern: "cross-origin", public: true, serve: (*visit).foreignForm}))
	return sameOrigin.Handler(mux)
}

// largestForm is more than any form of ours needs.
const largestForm = 64 << 10

func (c *console) serve(route route) http.Handler {
	jar := signin.JarFor(c.BaseURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.secure(w.Header())
		v := &visit{console: c, jar: jar, w: w, r: r}
		r.Body = http.MaxBytesReader(w, r.Body, largestForm)
		if r.Method == http.MethodPost && r.ParseForm() != nil {
			v.problem(bridge.Say("console.form", bridge.Invalid, "", "The form could not be read. Please go back and try again."))
			return
		}
		if !route.public {
			session, err := c.SignIns.Session(r.Context(), jar.Read(r, signin.SessionCookie))
			if bridge.KindOf(err) == bridge.Denied {
				v.askToSignIn()
				return
			}
			if err != nil {
				v.problem(err)
				return
			}
			v.session = session
		}
		if err := route.serve(v); err != nil {
			v.problem(err)
		}
	})
}

// secure sets the headers that every answer has. The policy lets a page load and submit to this site only; no
// script or style may stand in the page itself.
func (c *console) secure(h http.Header) {
	h.Set("Content-Security-Policy", policy("form-action 'self'"))
	if strings.HasPrefix(c.BaseURL, "https://") {
		h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

func policy(formAction string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		formAction + "; base-uri 'none'; frame-ancestors 'none'"
}

// askToSignIn leads to the sign-in page and, later, back. A form that was sent leads back to the page it was on.
func (v *visit) askToSignIn() {
	back := v.r.URL.RequestURI()
	if v.r.Method != http.MethodGet {
		back = "/"
		if from, err := url.Parse(v.r.Referer()); err == nil && from.Scheme+"://"+from.Host == v.BaseURL {
			back = from.RequestURI()
		}
	}
	if v.r.Header.Get("HX-Request") != "" { // a part of a page would be no place for the sign-in page
		v.w.Header().Set("HX-Refresh", "true")
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	v.redirect("/sign-in?ended=yes&return=" + url.QueryEscape(signin.LocalPath(back)))
}

// redirect answers a form or a step in between: the browser goes on with GET.
func (v *visit) redirect(to string) { http.Redirect(v.w, v.r, to, http.StatusSeeOther) }

// problem answers with a page that says what err means.
func (v *visit) problem(err error) {
	status := apigw.Status(err)
	apigw.Log(v.r, err, status)
	if v.r.Header.Get("HX-Request") != "" {
		v.w.WriteHeader(status) // the page keeps what it shows and asks again
		return
	}
	message, _ := bridge.MessageOf(err)
	page := problemPages[bridge.KindOf(err)]
	if page.Title == "" {
		page = problemPages[bridge.Internal]
	}
	if message != "" {
		page.Text = message
	}
	v.render(status, "problem.html", view{Title: page.Title, Data: page})
}

type problemPage struct{ Title, Text string }

var problemPages = map[bridge.Kind]problemPage{
	bridge.Invalid:        {"This cannot be done", "Something in the request is not right. Please go back and try again."},
	bridge.Denied:         {"Not allowed", "You may not do this."},
	bridge.NotFound:       {"Not here", "There is no such page, or it is not yours."},
	bridge.Conflict:       {"Somebody was faster", "What you wanted to change has changed meanwhile. Look at it again, then decide."},
	bridge.Revoked:        {"Access has ended", "The other side does not accept us any more. See Connections and Account for what to do."},
	bridge.Throttled:      {"Too much at once", "The other side asks for patience. Nothing was lost; please try again in a few minutes."},
	bridge.Unavailable:    {"Not reachable", "We could not reach everything that this needs. Nothing was changed; please try again in a minute."},
	bridge.UnknownOutcome: {"No answer", "We did not get an answer. Look whether it happened before you try again."},
	bridge.Internal:       {"Our fault", "Something went wrong on our side. It was written down; please try again."},
}

func (v *visit) nowhere() error {
	return &bridge.Error{Op: "console", Kind: bridge.NotFound}
}

func (v *visit) foreignForm() error {
	return bridge.Say("console", bridge.Denied, "", "This form was not sent from the console. Open the console itself and try again.")
}

func (v *visit) health() error {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := v.w.Write([]byte("ok\n"))
	if err != nil {
		slog.DebugContext(v.ctx(), "nobody waited for the answer", "err", err)
	}
	return nil
}
