package salesforce

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed automation.html
var automationSource string

const shownNewest = 50 // of a log, on a page

// automationPages are those about flows, outbound messages and opportunities.
func (o *Org) automationPages(handle func(pattern string, f http.HandlerFunc)) {
	handle("GET /outbound", func(w http.ResponseWriter, _ *http.Request) { o.showOutbound(w, "") })
	handle("POST /outbound", o.changeOutbound)
	handle("POST /setup/flows/{flow}", o.changeFlow)
	handle("POST /setup/automation", o.changeAutomation)
	handle("POST /setup/currencies", func(w http.ResponseWriter, r *http.Request) {
		o.UseCurrencies()
		o.setupChanged(w, r, nil)
	})
	handle("POST /setup/users", func(w http.ResponseWriter, r *http.Request) {
		o.setupChanged(w, r, o.SetActive(r.PostFormValue("user"), r.PostFormValue("active") != ""))
	})
	handle("POST /opportunities", o.addOpportunity)
	handle("POST /opportunities/{id}/bin", o.binOpportunity)
	handle("POST /opportunities/{id}/roles/{role}", o.changeRole)
}

// shownFlow is a flow on the page of Setup.
type shownFlow struct {
	Name, Label, Message string
	Active               int
	Versions             []shownVersion
}

type shownVersion struct {
	Number int
	Status string
}

// shownMessage is an outbound message there.
type shownMessage struct{ Name, Object, Endpoint, User, Fields string }

// shownDeployment is a deployment there.
type shownDeployment struct {
	ID      id
	At      time.Time
	State   string
	Problem string
}

// shownUser is a user there.
type shownUser struct {
	Name   string
	Active bool
}

// automation is what the page of Setup shows of all these. The caller holds the lock.
func (o *Org) automation() map[string]any {
	definitions, flows, messages, users := o.table("FlowDefinition"), o.table("Flow"), o.table("WorkflowOutboundMessage"), o.table("User")
	var shown []shownFlow
	for at, r := range definitions.rows {
		if definitions.isDeleted(r) {
			continue
		}
		f := shownFlow{Name: definitions.value(at, "DeveloperName"), Label: definitions.value(at, "MasterLabel"), Active: o.activeVersion(at)}
		for _, version := range o.flowVersions(r.id()) {
			var read flow
			if json.Unmarshal([]byte(flows.value(version, "Metadata")), &read) == nil {
				f.Message, _ = read.message() // which was there when the flow was saved
			}
			f.Versions = append(f.Versions, shownVersion{flows.version(version), flows.value(version, "Status")})
		}
		shown = append(shown, f)
	}
	var list []shownMessage
	for at, r := range messages.rows {
		if m, err := messages.message(at); err == nil && !messages.isDeleted(r) {
			list = append(list, shownMessage{m.Name, messages.value(at, "EntityDefinitionId"), m.EndpointURL, m.IntegrationUser, strings.Join(m.Fields, ", ")})
		}
	}
	var landed []shownDeployment
	for _, d := range slices.Backward(o.deployments) {
		one := shownDeployment{ID: d.ID, At: d.Created, State: d.state(o.options.Now())}
		for _, c := range d.Components {
			if !c.Success && one.Problem == "" {
				one.Problem = strings.TrimPrefix(c.File+": ", ": ") + c.Problem
			}
		}
		landed = append(landed, one)
	}
	var everybody []shownUser
	for at := range users.rows {
		everybody = append(everybody, shownUser{users.value(at, "Username"), users.value(at, "IsActive") == "true"})
	}
	return map[string]any{"Flows": shown, "Messages": list, "Deployments": landed[:min(len(landed), 10)], "Users": everybody,
		"Switches": o.switches.Automation, "Currencies": o.table("CurrencyType") != nil}
}

// changeFlow activates a version of a flow by hand; 0 is none.
func (o *Org) changeFlow(w http.ResponseWriter, r *http.Request) {
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		err = errors.New("which version? the number is missing")
	} else {
		err = o.Activate(r.PathValue("flow"), version)
	}
	o.setupChanged(w, r, err)
}

func (o *Org) changeAutomation(w http.ResponseWriter, r *http.Request) {
	on := func(name string) bool { return r.PostFormValue(name) != "" }
	s := o.Switches()
	s.Automation = Automation{Sandbox: on("sandbox"), FlowsDeployActive: on("flowsDeployActive"),
		FlowTestsMissing: on("flowTestsMissing"), FlowActivationRefused: on("flowActivationRefused")}
	err := s.DeployDelay.UnmarshalText([]byte(orElse(r.PostFormValue("deployDelay"), "0s")))
	if err == nil {
		o.SetSwitches(s)
	}
	o.setupChanged(w, r, err)
}

// showOutbound is the page of outbound messages: what waits, what was sent, and the sender's switches.
func (o *Org) showOutbound(w http.ResponseWriter, problem string) {
	waiting, done := o.Notifications()
	posts := o.Posts()
	slices.Reverse(done)
	slices.Reverse(posts)
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	o.show(w, status, "outbound", "Outbound messages", map[string]any{"Problem": problem,
		"Counts": o.OutboundCounts(), "Switches": o.Switches().Outbound,
		"Waiting": waiting[:min(len(waiting), shownNewest)], "Done": done[:min(len(done), shownNewest)], "Posts": posts[:min(len(posts), shownNewest)]})
}

// changeOutbound does what the pressed button says.
func (o *Org) changeOutbound(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.PostFormValue("do") {
	case "requeue":
		err = o.Requeue(r.PostFormValue("id"))
	case "delete":
		err = o.DeleteNotification(r.PostFormValue("id"))
	case "switches":
		err = o.switchOutbound(r)
	}
	if err != nil {
		o.showOutbound(w, err.Error())
		return
	}
	http.Redirect(w, r, "/outbound", http.StatusSeeOther)
}

func (o *Org) switchOutbound(r *http.Request) error {
	s := o.Switches()
	s.Outbound = Outbound{OutboundPaused: r.PostFormValue("outboundPaused") != "",
		OutboundClonedOrgID: strings.TrimSpace(r.PostFormValue("outboundClonedOrgId"))}
	durations := map[string]*Duration{"outboundDelay": &s.OutboundDelay, "outboundSpread": &s.OutboundSpread, "outboundTimeout": &s.OutboundTimeout}
	for name, d := range durations {
		if err := d.UnmarshalText([]byte(orElse(r.PostFormValue(name), "0s"))); err != nil {
			return err
		}
	}
	for name, n := range map[string]*int{"outboundDuplicate": &s.OutboundDuplicate, "outboundLoseAnswer": &s.OutboundLoseAnswer} {
		var err error
		if *n, err = strconv.Atoi(orElse(r.PostFormValue(name), "0")); err != nil {
			return err
		}
	}
	if err := s.check(); err != nil {
		return err
	}
	o.SetSwitches(s)
	return nil
}

// outboundState is what GET /__control/outbound tells.
type outboundState struct {
	Counts  OutboundCounts `json:"counts"`
	Waiting []Notification `json:"waiting"`
	Done    []Notification `json:"done"`
	Posts   []Post         `json:"posts"`
}

// automationControls are the controls of the same, for tools.
func (o *Org) automationControls(handle func(pattern string, does func(r *http.Request) (any, error))) {
	outbound := func(*http.Request) (any, error) {
		waiting, done := o.Notifications()
		return outboundState{o.OutboundCounts(), waiting, done, append([]Post{}, o.Posts()...)}, nil
	}
	// change reads what is to be changed, and answers with it.
	change := func(pattern string, into func() any, does func(v any) error) {
		handle(pattern, func(r *http.Request) (any, error) {
			v := into()
			err := decodeStrictly(r, v)
			if err == nil {
				err = does(v)
			}
			return v, err
		})
	}
	type one struct {
		ID string `json:"id"`
	}
	type version struct {
		Flow    string `json:"flow"`
		Version int    `json:"version"`
	}
	type user struct {
		User   string `json:"user"`
		Active bool   `json:"active"`
	}
	handle("GET /__control/outbound", outbound)
	change("POST /__control/outbound/requeue", func() any { return &one{} }, func(v any) error { return o.Requeue(v.(*one).ID) })
	change("POST /__control/outbound/delete", func() any { return &one{} }, func(v any) error { return o.DeleteNotification(v.(*one).ID) })
	change("POST /__control/flows", func() any { return &version{} }, func(v any) error { return o.Activate(v.(*version).Flow, v.(*version).Version) })
	change("POST /__control/users", func() any { return &user{} }, func(v any) error { return o.SetActive(v.(*user).User, v.(*user).Active) })
	change("POST /__control/undelete", func() any { return &one{} }, func(v any) error { return o.Undelete(v.(*one).ID) })
	handle("POST /__control/currencies", func(*http.Request) (any, error) { o.UseCurrencies(); return o.state(), nil })
}
