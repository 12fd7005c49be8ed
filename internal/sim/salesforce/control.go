package salesforce

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// state is what GET /__control/ tells.
type state struct {
	Organization string         `json:"organization"`
	Name         string         `json:"name"`
	Time         time.Time      `json:"time"` // by the org's clock
	ClientID     string         `json:"clientID"`
	Users        []string       `json:"users"`   // usernames of the active ones
	Records      map[string]int `json:"records"` // by object, without deleted ones
	Grants       int            `json:"grants"`
	AccessTokens int            `json:"accessTokens"`
	UsedToday    int            `json:"usedToday"` // API calls of the last 24 hours
	Counts       Counts         `json:"counts"`
	Outbound     OutboundCounts `json:"outbound"`
	Switches     Switches       `json:"switches"`
	Rules        []Rule         `json:"faults"`
}

func (o *Org) state() state {
	s := state{Organization: string(o.orgID), Name: o.options.Name, Time: o.options.Now().UTC(), ClientID: o.options.ClientID, Records: map[string]int{},
		UsedToday: o.calls.used(), Counts: o.Counts(), Outbound: o.OutboundCounts(), Switches: o.Switches(), Rules: o.Rules()}
	s.Grants, s.AccessTokens = o.auth.count()
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, t := range o.tables {
		s.Records[t.name] = t.live
	}
	users := o.table("User")
	for _, r := range users.rows {
		if users.field("IsActive").value(r) == "true" {
			s.Users = append(s.Users, users.field("Username").value(r))
		}
	}
	return s
}

func (o *Org) controlRoutes(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection() // no other site's page may turn these from a person's browser
	handle := func(pattern string, does func(r *http.Request) (any, error)) {
		mux.Handle(pattern, guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			answer, err := does(r)
			if err != nil {
				answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			answerJSON(w, http.StatusOK, answer)
		})))
	}
	handle("GET /__control/{$}", func(*http.Request) (any, error) { return o.state(), nil })
	handle("POST /__control/switches", func(r *http.Request) (any, error) {
		s := o.Switches()
		err := decodeStrictly(r, &s)
		if err == nil {
			err = s.check()
		}
		if err == nil {
			o.SetSwitches(s)
		}
		return o.Switches(), err
	})
	handle("PUT /__control/faults", func(r *http.Request) (any, error) {
		var rules []Rule
		err := decodeStrictly(r, &rules)
		for _, rule := range rules {
			if err == nil {
				err = rule.check()
			}
		}
		if err == nil {
			o.SetRules(rules...)
		}
		return o.Rules(), err
	})
	handle("POST /__control/expire-tokens", func(*http.Request) (any, error) { o.ExpireTokens(); return o.state(), nil })
	handle("POST /__control/revoke-grants", func(*http.Request) (any, error) { o.RevokeGrants(); return o.state(), nil })
	handle("POST /__control/reset-counts", func(*http.Request) (any, error) { o.ResetCounts(); return o.state(), nil })
	handle("POST /__control/visibility", func(r *http.Request) (any, error) {
		var in struct {
			User    string `json:"user"`
			Object  string `json:"object"`
			Field   string `json:"field"`
			Visible bool   `json:"visible"`
		}
		err := decodeStrictly(r, &in)
		if err == nil {
			err = o.SetVisible(orElse(in.User, o.options.Username), in.Object, in.Field, in.Visible)
		}
		return in, err
	})
	handle("POST /__control/merge", func(r *http.Request) (any, error) {
		var in struct {
			Winner string `json:"winner"`
			Loser  string `json:"loser"`
		}
		err := decodeStrictly(r, &in)
		if err == nil {
			err = o.Merge(in.Winner, in.Loser)
		}
		return in, err
	})
	handle("POST /__control/convert", func(r *http.Request) (any, error) {
		var in struct {
			Lead string `json:"lead"`
		}
		if err := decodeStrictly(r, &in); err != nil {
			return nil, err
		}
		contact, err := o.Convert(in.Lead)
		return map[string]string{"contact": contact}, err
	})
	o.automationControls(handle)
	handle("POST /__control/tokens", func(r *http.Request) (any, error) {
		var in struct {
			User string `json:"user"`
		}
		if err := decodeStrictly(r, &in); err != nil {
			return nil, err
		}
		token, err := o.Token(orElse(in.User, o.options.Username))
		return map[string]string{"access_token": token, "instance_url": o.origin(r)}, err
	})
}

// Token opens a session for an active user, by username, without a grant: for tools and tests that are
// not about signing in.
func (o *Org) Token(user string) (string, error) {
	o.mu.RLock()
	who, ok := o.user(user)
	o.mu.RUnlock()
	if !ok {
		return "", refuse(404, "NOT_FOUND", "no active user "+user)
	}
	now := o.options.Now()
	return o.auth.open(session{User: who.id(), Scope: "api id", Issued: now, Expires: now.Add(o.options.SessionTimeout)}, o.orgID), nil
}

// check refuses a rule that could not do what it says.
func (r Rule) check() error {
	switch {
	case r.Kind != "" && r.Kind != KindToken && r.Kind != KindLogin && r.Kind != KindQuery && r.Kind != KindOther && r.Kind != KindAPI && r.Kind != KindMetadata && r.Kind != KindRecord:
		return refuse(400, "INVALID", "kind is none of token, login, query, other, api, metadata, record: "+string(r.Kind))
	case r.Kind == KindRecord:
		switch {
		case r.Status != 0 || r.HTML || r.Drop || r.Delay != 0 || r.Path != "":
			return refuse(400, "INVALID", "a rule for records has code and message, and nothing that is for requests")
		case r.Operation != "" && r.Operation != "create" && r.Operation != "update" && r.Operation != "delete":
			return refuse(400, "INVALID", "operation is none of create, update, delete: "+r.Operation)
		case r.Skip < 0 || r.Times < 0:
			return refuse(400, "INVALID", "skip and times cannot be negative")
		}
	case r.Object != "" || r.Operation != "" || r.Field != "" || r.Contains != "":
		return refuse(400, "INVALID", "object, operation, field and contains are for rules of the kind record")
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return refuse(400, "INVALID", "status is no error")
	case r.Status == 0 && (r.Code != "" || r.Message != "" || r.HTML):
		return refuse(400, "INVALID", "code, message and html need a status")
	case r.Skip < 0 || r.Times < 0:
		return refuse(400, "INVALID", "skip and times cannot be negative")
	}
	return nil
}

// decodeStrictly reads one JSON value; no body leaves v as it is.
func decodeStrictly(r *http.Request, v any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil && err != io.EOF {
		return err
	}
	return nil
}
