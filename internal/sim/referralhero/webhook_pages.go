package referralhero

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// webhookRow is a webhook as its page shows it.
type webhookRow struct {
	Webhook
	Form webhookForm
}

// webhookForm is what a form for a webhook begins with.
type webhookForm struct {
	URL    string
	Events []eventBox
}

type eventBox struct {
	Event WebhookEvent
	On    bool
}

func (h Webhook) form() webhookForm {
	f := webhookForm{URL: h.URL}
	for _, event := range WebhookEvents {
		f.Events = append(f.Events, eventBox{event, slices.Contains(h.Events, event)})
	}
	return f
}

func (s *Service) webhooksPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := s.campaign(r.PathValue("uuid"))
	if c == nil {
		s.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	page := struct {
		UUID, Name, Title string
		Most              int
		Rows              []webhookRow
		New               webhookForm
	}{c.UUID, c.Name, "Webhooks of " + c.Name, mostFailures, nil, Webhook{Events: WebhookEvents[:]}.form()}
	for _, h := range c.allWebhooks() {
		page.Rows = append(page.Rows, webhookRow{h, h.form()})
	}
	s.mu.Unlock()
	show(w, r, "webhooks", page)
}

// changeWebhook makes a webhook, or changes the one of the path.
func (s *Service) changeWebhook(w http.ResponseWriter, r *http.Request) {
	hook := Webhook{ID: r.PathValue("id"), URL: strings.TrimSpace(r.FormValue("url"))}
	for _, event := range WebhookEvents {
		if r.FormValue(string(event)) == "on" {
			hook.Events = append(hook.Events, event)
		}
	}
	if len(hook.Events) == 0 {
		s.saidOfWebhooks(w, r, "Not saved: choose an event at least.")
		return
	}
	if was := s.pathWebhook(r); was != nil {
		hook.Off = was.Off
	}
	if _, err := s.SetWebhook(r.PathValue("uuid"), hook); err != nil {
		s.saidOfWebhooks(w, r, "Not saved: "+err.Error())
		return
	}
	s.saidOfWebhooks(w, r, "Saved.")
}

// switchWebhook switches a webhook off, or on again.
func (s *Service) switchWebhook(w http.ResponseWriter, r *http.Request) {
	hook := s.pathWebhook(r)
	if hook == nil {
		http.NotFound(w, r)
		return
	}
	hook.Off = r.FormValue("to") == "off"
	if _, err := s.SetWebhook(r.PathValue("uuid"), *hook); err != nil { // it was deleted meanwhile
		http.NotFound(w, r)
		return
	}
	said := "Switched on."
	if hook.Off {
		said = "Switched off."
	}
	s.saidOfWebhooks(w, r, said)
}

func (s *Service) testByHand(w http.ResponseWriter, r *http.Request) {
	attempt, err := s.TestWebhook(r.Context(), r.PathValue("uuid"), r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	s.saidOfWebhooks(w, r, "Tested: "+attempt.Outcome())
}

// pathWebhook returns a copy of the webhook that the path names, or nil.
func (s *Service) pathWebhook(r *http.Request) *Webhook {
	for _, h := range s.Webhooks(r.PathValue("uuid")) {
		if h.ID == r.PathValue("id") {
			return &h
		}
	}
	return nil
}

// saidOfWebhooks leads back to the webhooks of the path's campaign.
func (s *Service) saidOfWebhooks(w http.ResponseWriter, r *http.Request, said string) {
	back(w, r, "/lists/"+r.PathValue("uuid")+"/webhooks", said)
}

// mostShown is how many deliveries their page shows: the newest.
const mostShown = 100

func (s *Service) deliveriesPage(w http.ResponseWriter, r *http.Request) {
	deliveries := s.Deliveries()
	slices.Reverse(deliveries)
	page := struct {
		WebhookSecrets
		Header string
		Counts map[DeliveryState]int
		Total  int
		Latest []Delivery
	}{s.WebhookSecrets(), SignatureHeader, map[DeliveryState]int{}, len(deliveries), deliveries[:min(len(deliveries), mostShown)]}
	for _, d := range deliveries {
		page.Counts[d.State]++
	}
	show(w, r, "deliveries", page)
}

// Took returns how long after its event an attempt was made, for a person to read.
func (d Delivery) Took(a Attempt) time.Duration { return a.At.Sub(d.At).Round(time.Millisecond) }
