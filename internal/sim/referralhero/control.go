package referralhero

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
)

// controls serves the switches and counters as JSON; see the package's documentation.
func (s *Service) controls(mux *http.ServeMux) {
	mux.HandleFunc("GET /__control/counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Counts()) })
	mux.HandleFunc("POST /__control/counts/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetCounts()
		writeJSON(w, s.Counts())
	})
	mux.HandleFunc("GET /__control/calls", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Calls()) })
	mux.HandleFunc("GET /__control/switches", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.settings()) })
	mux.HandleFunc("POST /__control/switches", func(w http.ResponseWriter, r *http.Request) {
		var values map[string]string
		if !readJSON(w, r, &values) {
			return
		}
		if err := s.setAll(values); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, s.settings())
	})
	mux.HandleFunc("GET /__control/mails", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		mails := s.mails.copy()
		s.mu.Unlock()
		writeJSON(w, mails)
	})
	mux.HandleFunc("GET /__control/lists", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Lists()) })
	mux.HandleFunc("PUT /__control/lists/{uuid}", func(w http.ResponseWriter, r *http.Request) {
		var list List
		if !readJSON(w, r, &list) {
			return
		}
		list.UUID = r.PathValue("uuid")
		if err := list.check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.SetList(list)
		writeJSON(w, s.Lists())
	})
	mux.HandleFunc("POST /__control/lists/{uuid}/verify/{id}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]bool{"verified": s.Verify(r.PathValue("uuid"), r.PathValue("id"))})
	})
	s.webhookControls(mux)
	mux.HandleFunc("GET /__control/token", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]string{"token": s.Token()})
	})
	mux.HandleFunc("POST /__control/token", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]string{"token": s.RenewToken()})
	})
}

// webhookControls serves webhooks and their deliveries as JSON; see the package's documentation.
func (s *Service) webhookControls(mux *http.ServeMux) {
	const one = "/__control/lists/{uuid}/webhooks/{id}"
	set := func(w http.ResponseWriter, r *http.Request) {
		var hook Webhook
		if !readJSON(w, r, &hook) {
			return
		}
		hook.ID = r.PathValue("id")
		hook, err := s.SetWebhook(r.PathValue("uuid"), hook)
		if err != nil {
			status := http.StatusBadRequest
			if err == errNoList || err == errNoWebhook {
				status = http.StatusNotFound
			}
			http.Error(w, err.Error(), status)
			return
		}
		writeJSON(w, hook)
	}
	mux.HandleFunc("GET /__control/lists/{uuid}/webhooks", func(w http.ResponseWriter, r *http.Request) {
		hooks := s.Webhooks(r.PathValue("uuid"))
		if hooks == nil {
			http.Error(w, errNoList.Error(), http.StatusNotFound)
			return
		}
		writeJSON(w, hooks)
	})
	mux.HandleFunc("POST /__control/lists/{uuid}/webhooks", set)
	mux.HandleFunc("PUT "+one, set)
	mux.HandleFunc("DELETE "+one, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]bool{"deleted": s.DeleteWebhook(r.PathValue("uuid"), r.PathValue("id"))})
	})
	mux.HandleFunc("POST "+one+"/test", func(w http.ResponseWriter, r *http.Request) {
		attempt, err := s.TestWebhook(r.Context(), r.PathValue("uuid"), r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		writeJSON(w, attempt)
	})
	mux.HandleFunc("GET /__control/deliveries", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Deliveries()) })
	mux.HandleFunc("GET /__control/webhook-secret", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.WebhookSecrets()) })
	mux.HandleFunc("POST /__control/webhook-secret", func(w http.ResponseWriter, _ *http.Request) {
		s.RenewWebhookSecret()
		writeJSON(w, s.WebhookSecrets())
	})
}

// settings returns the switches by name.
func (s *Service) settings() map[string]string {
	values := map[string]string{}
	s.switches().VisitAll(func(f *flag.Flag) { values[f.Name] = f.Value.String() })
	return values
}

// switches returns a copy of the switches as they are.
func (s *Service) switches() *flag.FlagSet {
	s.mu.Lock()
	o := s.options
	s.mu.Unlock()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	switches(fs, &o)
	return fs
}

func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(io.LimitReader(r.Body, largestBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // fails only if the caller went away
}
