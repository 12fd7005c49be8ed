package referralhero

import (
	"bytes"
	"embed"
	"flag"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"when": func(unix int64) string {
		if unix == 0 {
			return ""
		}
		return time.Unix(unix, 0).UTC().Format("2 Jan 2006, 15:04:05")
	},
}).ParseFS(pageFiles, "pages/*.html"))

// pages serves what a person looks at.
func (s *Service) pages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /lists/{uuid}", s.listPage)
	mux.HandleFunc("POST /lists/{uuid}/subscribers", s.addByHand)
	mux.HandleFunc("POST /lists/{uuid}/settings", s.changeList)
	mux.HandleFunc("POST /lists/{uuid}/subscribers/{id}/verify", func(w http.ResponseWriter, r *http.Request) {
		s.Verify(r.PathValue("uuid"), r.PathValue("id"))
		back(w, r, "/lists/"+r.PathValue("uuid"), "Verified.")
	})
	mux.HandleFunc("POST /lists/{uuid}/subscribers/{id}/delete", s.deleteByHand)
	mux.HandleFunc("GET /lists/{uuid}/webhooks", s.webhooksPage)
	mux.HandleFunc("POST /lists/{uuid}/webhooks", s.changeWebhook)
	mux.HandleFunc("POST /lists/{uuid}/webhooks/{id}", s.changeWebhook)
	mux.HandleFunc("POST /lists/{uuid}/webhooks/{id}/switch", s.switchWebhook)
	mux.HandleFunc("POST /lists/{uuid}/webhooks/{id}/test", s.testByHand)
	mux.HandleFunc("POST /lists/{uuid}/webhooks/{id}/delete", func(w http.ResponseWriter, r *http.Request) {
		s.DeleteWebhook(r.PathValue("uuid"), r.PathValue("id"))
		back(w, r, "/lists/"+r.PathValue("uuid")+"/webhooks", "Deleted.")
	})
	mux.HandleFunc("GET /deliveries", s.deliveriesPage)
	mux.HandleFunc("POST /webhook-secret", func(w http.ResponseWriter, r *http.Request) {
		s.RenewWebhookSecret()
		back(w, r, "/deliveries", "The webhook secret is a new one. What happened before is still signed with the old one.")
	})
	mux.HandleFunc("GET /mails", s.mailsPage)
	mux.HandleFunc("GET /faults", s.faultsPage)
	mux.HandleFunc("POST /faults", s.changeSwitches)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		s.RenewToken()
		back(w, r, "/", "The API token is a new one. The old one is refused from now on.")
	})
}

// show writes a page. It is made in whole before the first byte goes out.
func show(w http.ResponseWriter, r *http.Request, name string, page any) {
	var body bytes.Buffer
	err := pageTemplates.ExecuteTemplate(&body, name, struct {
		Said string
		Page any
	}{r.URL.Query().Get("said"), page})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	_, _ = body.WriteTo(w) // fails only if the browser went away
}

// back leads the browser to a page that says what was done.
func back(w http.ResponseWriter, r *http.Request, path, said string) {
	http.Redirect(w, r, path+"?said="+url.QueryEscape(said), http.StatusSeeOther)
}

func (s *Service) home(w http.ResponseWriter, r *http.Request) {
	counts := s.Counts()
	s.mu.Lock()
	now := s.now()
	page := struct {
		Token       string
		Now         int64
		Left, Limit int
		Unlimited   bool
		Window      time.Duration
		Counts      Counts
		Lists       []listRow
	}{s.token, now.Unix(), s.limiter.left(now), s.options.Limit, s.options.WindowKind == None, s.options.Window, counts, nil}
	for _, c := range s.campaigns {
		page.Lists = append(page.Lists, listRow{c.List, len(c.members), len(c.byID) - len(c.members)})
	}
	s.mu.Unlock()
	show(w, r, "home", page)
}

type listRow struct {
	List
	Subscribers, Unverified int
}

func (s *Service) listPage(w http.ResponseWriter, r *http.Request) {
	search := strings.TrimSpace(r.URL.Query().Get("search"))
	number, _ := strconv.Atoi(r.URL.Query().Get("page"))
	number = max(number, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(r.PathValue("uuid"))
	if c == nil {
		http.NotFound(w, r)
		return
	}
	everybody := c.everybody()
	if search != "" {
		low := strings.ToLower(search)
		everybody = only(everybody, func(m *member) bool {
			return strings.Contains(strings.ToLower(m.Name), low) || strings.Contains(m.identifier(c.Identifier), low) ||
				m.ID == search || m.Code == search
		})
	}
	pages := max((len(everybody)+subscribersPerPage-1)/subscribersPerPage, 1)
	number = min(number, pages)
	first := len(everybody) - (number-1)*subscribersPerPage // newest first
	newest := slices.Clone(everybody[max(first-subscribersPerPage, 0):first])
	slices.Reverse(newest)
	rows := make([]subscriberRow, len(newest))
	for i, m := range newest {
		rows[i] = subscriberRow{c.show(m, ""), m.identifier(c.Identifier)}
	}
	show(w, r, "list", struct {
		listRow
		Matches     int
		Rows        []subscriberRow
		Search      string
		Page, Pages int
		Previous    int
		Next        int
		Webhooks    int
	}{listRow{c.List, len(c.members), len(c.byID) - len(c.members)}, len(everybody), rows, search, number, pages, number - 1, (number + 1) % (pages + 1), len(c.webhooks)})
}

type subscriberRow struct {
	answer
	Identifier string
}

// addByHand signs somebody up as the campaign's own form does: by the code of the API, without its limit.
func (s *Service) addByHand(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(r.PathValue("uuid"))
	if c == nil {
		http.NotFound(w, r)
		return
	}
	values := map[string]any{
		"name": r.FormValue("name"), string(c.Identifier): r.FormValue("identifier"), "referrer": r.FormValue("referrer"),
		"source": r.FormValue("source"), "status": "custom_event_pending",
	}
	m, created, err := s.signUp(&call{parameters: &parameters{values: values}, campaign: c, now: s.now().Unix()})
	said := "Somebody with that identifier is a subscriber already. Nothing was changed."
	switch {
	case err != nil:
		said = "Not added: " + err.Error()
	case created && m.VerifiedAt == 0:
		said = "Added. The confirmation mail waits to be answered."
	case created:
		said = "Added."
	}
	back(w, r, "/lists/"+c.UUID, said)
}

func (s *Service) deleteByHand(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.campaign(r.PathValue("uuid"))
	if c == nil || c.byID[r.PathValue("id")] == nil {
		http.NotFound(w, r)
		return
	}
	s.delete(c, c.byID[r.PathValue("id")], s.now().Unix())
	back(w, r, "/lists/"+c.UUID, "Deleted.")
}

func (s *Service) changeList(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.campaign(r.PathValue("uuid"))
	if c == nil {
		s.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	list := c.List
	s.mu.Unlock()
	on := func(name string) bool { return r.FormValue(name) == "on" }
	list.Name, list.URL = strings.TrimSpace(r.FormValue("name")), strings.TrimSpace(r.FormValue("url"))
	list.Events, _ = strconv.Atoi(r.FormValue("events"))
	list.Paused, list.Verification, list.Ranking = !on("active"), on("verification"), on("ranking")
	list.Automations = Automations{
		Welcome: on("welcome"), ReferralWelcome: on("referral_welcome"), PendingWelcome: on("pending_welcome"),
		ConfirmedWelcome: on("confirmed_welcome"), Referral: on("referral"), PromotedReward: on("promoted_reward"),
	}
	said := "Saved."
	if err := list.check(); err != nil {
		said = "Not saved: " + err.Error()
	} else {
		s.SetList(list)
	}
	back(w, r, "/lists/"+list.UUID, said)
}

func (s *Service) mailsPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	mails := s.mails.copy()
	names := map[string]string{}
	for _, c := range s.campaigns {
		names[c.UUID] = c.Name
	}
	s.mu.Unlock()
	slices.Reverse(mails.Latest)
	mails.Latest = mails.Latest[:min(len(mails.Latest), 200)]
	show(w, r, "mails", struct {
		mailbox
		Names map[string]string
	}{mails, names})
}

// control is a switch as the form shows it.
type control struct {
	Name, Usage, Value string
	Choices            []string // of a switch that takes one of a few words
	IsOnOff            bool
}

func (s *Service) faultsPage(w http.ResponseWriter, r *http.Request) {
	var controls []control
	s.switches().VisitAll(func(f *flag.Flag) {
		placeholder, usage := flag.UnquoteUsage(f)
		c := control{Name: f.Name, Usage: usage, Value: f.Value.String()}
		if strings.Contains(placeholder, "|") {
			c.Choices = strings.Split(placeholder, "|")
			c.Usage = strings.TrimSuffix(usage, ": "+placeholder)
		}
		onOff, ok := f.Value.(interface{ IsBoolFlag() bool })
		c.IsOnOff = ok && onOff.IsBoolFlag()
		controls = append(controls, c)
	})
	show(w, r, "faults", controls)
}

func (s *Service) changeSwitches(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	values := s.settings()
	for name, value := range values {
		_, isOnOff := map[string]bool{"true": true, "false": true}[value]
		switch {
		case isOnOff:
			values[name] = strconv.FormatBool(r.FormValue(name) == "on")
		case r.Form.Has(name):
			values[name] = r.FormValue(name)
		}
	}
	said := "Changed."
	if err := s.setAll(values); err != nil {
		said = "Not changed: " + err.Error()
	}
	back(w, r, "/faults", said)
}
