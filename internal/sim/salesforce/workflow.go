package salesforce

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Automation are the switches about flows and their deployment. The zero value is a production org as Salesforce sets it up.
type Automation struct {
	Sandbox               bool     `json:"sandbox"`               // the org is a sandbox, in which flows are deployed as active if they say so
	FlowsDeployActive     bool     `json:"flowsDeployActive"`     // and so they are in production: "Deploy processes and flows as active"
	FlowTestsMissing      bool     `json:"flowTestsMissing"`      // which asks for tests of flows; there are none, and the deployment fails
	FlowActivationRefused bool     `json:"flowActivationRefused"` // no app can activate a flow, only a person
	DeployDelay           Duration `json:"deployDelay"`           // how long a deployment takes, by the org's clock
}

// check refuses what no org can be switched to.
func (s Switches) check() error {
	if err := s.Setup.check(); err != nil {
		return err
	}
	return s.Outbound.check()
}

// outboundMessage is the definition of an outbound message, as metadata say it.
type outboundMessage struct {
	FullName        string   `json:"fullName"`
	APIVersion      float64  `json:"apiVersion"`
	Description     string   `json:"description"`
	EndpointURL     string   `json:"endpointUrl"`
	Fields          []string `json:"fields"`
	IntegrationUser string   `json:"integrationUser"`
	Name            string   `json:"name"`
}

var (
	outboundMessageShape = &shape{name: "WorkflowOutboundMessage", parts: []part{
		must("fullName", stringShape), must("apiVersion", numberShape), may("description", stringShape), must("endpointUrl", stringShape),
		anyOfIt("fields", stringShape), must("includeSessionId", booleanShape), must("integrationUser", stringShape), must("name", stringShape),
		must("protected", booleanShape), may("useDeadLetterQueue", booleanShape)}}

	workflowShape = &shape{name: "Workflow", parts: []part{may("fullName", stringShape), anyOfIt("outboundMessages", outboundMessageShape)}}
)

// checkEndpoint refuses an address to which Salesforce sends nothing: other ports than those, or with a name and a password.
func checkEndpoint(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return faulty("Endpoint URL is not a valid URL: %s", address)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.Atoi(port)
	if err != nil || n > 65_535 || n < 1_024 && !(n == 443 && u.Scheme == "https") && n != 80 {
		return faulty("Endpoint URL has a port that is not allowed, use 80, 443 for HTTPS, or 1024 to 65535: %s", address)
	}
	return nil
}

// checkMessage says what is wrong with the definition of an outbound message of an object. The caller holds the lock.
func (o *Org) checkMessage(object string, m outboundMessage) error {
	t := o.table(object)
	if t == nil || t.setup || t.readOnly || t.tooling {
		return faulty("Entity of type %s cannot have outbound messages", object)
	}
	if !developerName.MatchString(m.FullName) || len(m.FullName) > 80 {
		return faulty("The developer name is not valid: %s", m.FullName)
	}
	if m.APIVersion < 8 || m.APIVersion > newestVersion {
		return faulty("Invalid API version: %.1f", m.APIVersion)
	}
	if err := checkEndpoint(m.EndpointURL); err != nil {
		return err
	}
	for i, name := range m.Fields {
		switch {
		case t.field(name) == nil:
			return faulty("In field: fields - no CustomField named %s.%s found", t.name, name)
		case slices.ContainsFunc(m.Fields[:i], func(other string) bool { return strings.EqualFold(other, name) }):
			return faulty("Duplicate name '%s' specified in field: fields", name)
		}
	}
	if _, ok := o.user(m.IntegrationUser); !ok {
		return faulty("In field: integrationUser - no User named %s found", m.IntegrationUser)
	}
	return nil
}

// deployMessage makes or changes an outbound message, and reports whether it is new and whether anything has changed.
// The caller holds the lock for writing.
func (o *Org) deployMessage(by id, object string, e *element) (of id, created, changed bool, err error) {
	fields, err := outboundMessageShape.read(e)
	if err != nil {
		return "", false, false, err
	}
	metadata, err := json.Marshal(fields)
	if err != nil {
		return "", false, false, err
	}
	var m outboundMessage
	if err := json.Unmarshal(metadata, &m); err != nil {
		return "", false, false, err
	}
	if err := o.checkMessage(object, m); err != nil {
		return "", false, false, e.problem("%s", err)
	}
	t := o.table("WorkflowOutboundMessage")
	user, _ := o.user(m.IntegrationUser)
	name := o.table(object).name + "." + m.FullName
	at := t.findFullName(name)
	created = at < 0
	changed = created || t.value(at, "Metadata") != string(metadata)
	if changed {
		at = o.keep(by, t, at, map[string]string{"Name": m.Name, "EntityDefinitionId": o.table(object).name, "FullName": name,
			"IntegrationUserId": string(user.id()), "ApiVersion": numberValue(m.APIVersion), "Metadata": string(metadata)})
	}
	return t.rows[at].id(), created, changed, nil
}

// message reads the definition of the outbound message at a position.
func (t *table) message(at int) (m outboundMessage, err error) {
	err = json.Unmarshal([]byte(t.value(at, "Metadata")), &m)
	return m, err
}

// deleteMessage deletes the outbound message at a position, unless a flow sends it.
func (o *Org) deleteMessage(by id, at int) error {
	t, flows := o.table("WorkflowOutboundMessage"), o.table("Flow")
	name := t.value(at, "FullName")
	for version, r := range flows.rows {
		var f flow
		if flows.isDeleted(r) || json.Unmarshal([]byte(flows.value(version, "Metadata")), &f) != nil {
			continue
		}
		for _, call := range f.ActionCalls {
			if strings.EqualFold(call.ActionName, name) {
				return refuse(400, "DEPENDENCY_EXISTS", "This outbound message is referenced elsewhere in Salesforce: Flow "+flows.value(version, "FullName"))
			}
		}
	}
	o.keep(by, t, at, map[string]string{"IsDeleted": "true"})
	return nil
}

// deleteOutboundMessage is DELETE /tooling/sobjects/WorkflowOutboundMessage/{id}.
func (o *Org) deleteOutboundMessage(w http.ResponseWriter, c call) error {
	return o.deleteTooling(w, c, "WorkflowOutboundMessage", func(at int) error { return o.deleteMessage(c.user, at) })
}

// triggers are the flows of an org, read once each.
type triggers struct {
	read  map[string]trigger // by metadata
	fired []fired            // what was sent since the transaction began
}

// trigger is a flow that was read: when it runs, and the outbound message that it sends then.
type trigger struct {
	runs    rule // nil: never
	message string
}

// fired is an outbound message that a flow sends.
type fired struct{ message, record id }

// fire runs the flows of an object for a record that was saved. Nothing that is deleted runs any. The caller holds the
// lock for writing.
func (o *Org) fire(t *table, created bool, before, after []string) {
	if t.tooling || t.setup || t.deleted == nil || before[t.deleted.at] != "" || after[t.deleted.at] != "" {
		return
	}
	definitions, flows, messages := o.table("FlowDefinition"), o.table("Flow"), o.table("WorkflowOutboundMessage")
	for at, r := range definitions.rows {
		version := flows.find(id(definitions.value(at, "ActiveVersionId")))
		if version < 0 || definitions.isDeleted(r) {
			continue
		}
		one := o.trigger(flows.value(version, "Metadata"))
		if one.runs == nil || !one.runs(saved{t, created, before, after}) {
			continue
		}
		if message := messages.findFullName(one.message); message >= 0 {
			mark := len(o.triggers.fired)
			o.triggers.fired = append(o.triggers.fired, fired{messages.rows[message].id(), id(after[0])})
			o.journal.note(func() { o.triggers.fired = o.triggers.fired[:mark] })
		}
	}
	if o.journal.depth == 0 {
		o.commit()
	}
}

// trigger reads a flow, or remembers it.
func (o *Org) trigger(metadata string) trigger {
	if known, ok := o.triggers.read[metadata]; ok {
		return known
	}
	var one trigger
	var f flow
	if err := json.Unmarshal([]byte(metadata), &f); err == nil {
		if runs, err := o.rule(f); err == nil {
			one.runs = runs
		}
		one.message, _ = f.message() // which was there when the flow was saved
	}
	if o.triggers.read == nil {
		o.triggers.read = map[string]trigger{}
	}
	o.triggers.read[metadata] = one
	return one
}

// commit queues what was sent since the transaction began. The caller holds the lock for writing.
func (o *Org) commit() {
	if len(o.triggers.fired) == 0 {
		return
	}
	o.outbox.queue(o.options.Now(), o.triggers.fired)
	o.triggers.fired = nil
}
