package main

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/signin"
)

// browserCookie holds the token that ties a consent to the browser that began it.
const browserCookie = "oauth"

// largest is far more than the form of /oauth/start needs.
const largest = 8 << 10

type consents interface {
	Start(context.Context, connect.Wish) (connect.Departure, error)
	Finish(context.Context, connect.Return) (connect.Arrival, error)
}

type sessions interface {
	Session(ctx context.Context, token bridge.Secret) (bridge.Session, error)
}

// routes answers the two ends of a consent.
func routes(c consents, s sessions, jar signin.Jar) http.Handler {
	h := handler{c, s, jar}
	mux := http.NewServeMux()
	mux.Handle("POST /oauth/start", http.NewCrossOriginProtection().Handler(http.HandlerFunc(h.start)))
	mux.HandleFunc("GET /oauth/callback/{environment}", h.callback)
	return mux
}

type handler struct {
	consents consents
	sessions sessions
	jar      signin.Jar
}

// start sends a person to Salesforce. The form has environment, domain and, to come back to it, campaign; with an app
// of the customer's own app_key, app_secret and, if it needs nobody's consent, unattended; and to connect again
// nothing but connection.
func (h handler) start(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, largest)
	token := h.jar.Read(r, signin.SessionCookie)
	session, err := h.sessions.Session(r.Context(), token)
	if err != nil {
		problem(w, r, sessionProblem(err), nil, err)
		return
	}
	wish := connect.Wish{
		Account: session.Account, Session: token, Campaign: bridge.CampaignID(r.PostFormValue("campaign")),
		Environment: bridge.Environment(r.PostFormValue("environment")), Domain: r.PostFormValue("domain"),
		Connection: bridge.ConnectionID(r.PostFormValue("connection")), Unattended: r.PostFormValue("unattended") != "",
		App: bridge.App{
			Key:    bridge.NewSecret(strings.TrimSpace(r.PostFormValue("app_key"))),
			Secret: bridge.NewSecret(strings.TrimSpace(r.PostFormValue("app_secret"))),
		},
	}
	departure, err := h.consents.Start(r.Context(), wish)
	if err != nil {
		kept := campaign(wish.Campaign)
		if p := connect.ProblemOf(err); wish.Connection == "" && (p == connect.BadDomain || p == connect.BadApp) {
			// The form comes back as it was filled in, but for the app: a secret does not belong into an address.
			kept.Set("environment", string(wish.Environment))
			kept.Set("domain", wish.Domain[:min(len(wish.Domain), longestDomain)])
		}
		problem(w, r, connect.ProblemOf(err), kept, err)
		return
	}
	if departure.URL == "" {
		arrived(w, departure.Arrival)
		return
	}
	h.jar.Write(w, browserCookie, departure.Browser, departure.Lifetime)
	leave(w, departure.URL)
}

// longestDomain is how much of a wrong domain is given back to the person.
const longestDomain = 253

// callback takes in a person who comes back from Salesforce, with a code or with an error.
func (h handler) callback(w http.ResponseWriter, r *http.Request) {
	token, browser := h.jar.Read(r, signin.SessionCookie), h.jar.Read(r, browserCookie)
	session, err := h.sessions.Session(r.Context(), token)
	if err != nil {
		problem(w, r, sessionProblem(err), nil, err)
		return
	}
	h.jar.Clear(w, browserCookie)
	query := r.URL.Query()
	arrival, err := h.consents.Finish(r.Context(), connect.Return{
		Account: session.Account, Session: token, Browser: browser,
		Environment: bridge.Environment(r.PathValue("environment")),
		State:       bridge.NewSecret(query.Get("state")), Code: bridge.NewSecret(query.Get("code")),
		Issuer: query.Get("iss"), Error: query.Get("error"),
	})
	if err != nil {
		problem(w, r, connect.ProblemOf(err), nil, err)
		return
	}
	arrived(w, arrival)
}

// arrived sends the person back to the console with what came of it.
func arrived(w http.ResponseWriter, a connect.Arrival) {
	query := campaign(a.Campaign)
	query.Set("connected", string(a.Connection))
	if a.Resumed > 0 {
		query.Set("resumed", strconv.Itoa(a.Resumed))
	}
	leave(w, "/connections?"+query.Encode())
}

// sessionProblem tells a session that has ended from one that could not be looked up.
func sessionProblem(err error) connect.Problem {
	if bridge.KindOf(err) == bridge.Denied {
		return connect.OtherSession
	}
	return connect.NoAnswer
}

// problem sends the person back to the console with the code of what went wrong, and with what the page is
// to keep.
func problem(w http.ResponseWriter, r *http.Request, p connect.Problem, kept url.Values, err error) {
	slog.WarnContext(r.Context(), "no connection", "route", r.Pattern, "problem", p, "kind", bridge.KindOf(err), "err", err)
	query := url.Values{"problem": {string(p)}}
	maps.Copy(query, kept)
	leave(w, "/connections?"+query.Encode())
}

// campaign is where the person came from, as a query.
func campaign(id bridge.CampaignID) url.Values {
	query := url.Values{}
	if id != "" {
		query.Set("campaign", string(id))
	}
	return query
}

// leave redirects. The page that is left had secrets in its address: nobody may keep it, or tell the next
// site about it.
func leave(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
