package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const mostFlowVersions = 50 // of one flow

// The states of versions of flows.
const (
	flowActive   = "Active"
	flowDraft    = "Draft"
	flowObsolete = "Obsolete" // it was active
)

// flow is a version of a flow, as its metadata say: one that sends outbound messages when a record is saved.
type flow struct {
	ActionCalls []struct {
		Name       string `json:"name"`
		ActionName string `json:"actionName"`
	} `json:"actionCalls"`
	APIVersion  float64 `json:"apiVersion"`
	Description string  `json:"description"`
	Label       string  `json:"label"`
	ProcessType string  `json:"processType"`
	Start       struct {
		Connector struct {
			Target string `json:"targetReference"`
		} `json:"connector"`
		OnlyWhenChanged bool         `json:"doesRequireRecordChangedToMeetCriteria"`
		Formula         string       `json:"filterFormula"`
		Logic           string       `json:"filterLogic"`
		Filters         []flowFilter `json:"filters"`
		Object          string       `json:"object"`
		RecordTrigger   string       `json:"recordTriggerType"`
		Trigger         string       `json:"triggerType"`
	} `json:"start"`
	Status string `json:"status"`
}

// flowFilter is one of a flow's entry conditions.
type flowFilter struct {
	Field    string         `json:"field"`
	Operator string         `json:"operator"`
	Value    map[string]any `json:"value"`
}

var (
	flowValueShape = &shape{name: "FlowElementReferenceOrValue", parts: []part{
		may("booleanValue", booleanShape), may("numberValue", numberShape), may("stringValue", stringShape)}}
	flowMetadataShape = &shape{name: "FlowMetadataValue", parts: []part{must("name", stringShape), may("value", flowValueShape)}}

	flowShape = &shape{name: "Flow", parts: []part{
		anyOfIt("actionCalls", &shape{name: "FlowActionCall", parts: []part{
			may("description", stringShape), must("name", stringShape), may("label", stringShape), must("locationX", integerShape), must("locationY", integerShape),
			must("actionName", stringShape), must("actionType", enum("InvocableActionType", "outboundMessage")),
			may("flowTransactionModel", enum("FlowTransactionModel", "Automatic", "CurrentTransaction", "NewTransaction")),
			may("nameSegment", stringShape)}}),
		must("apiVersion", numberShape), may("description", stringShape), may("environments", enum("FlowEnvironment", "Default", "Slack")),
		may("interviewLabel", stringShape), must("label", stringShape), anyOfIt("processMetadataValues", flowMetadataShape),
		must("processType", enum("FlowProcessType", "AutoLaunchedFlow")),
		must("start", &shape{name: "FlowStart", parts: []part{
			must("locationX", integerShape), must("locationY", integerShape),
			must("connector", &shape{name: "FlowConnector", parts: []part{must("targetReference", stringShape)}}),
			may("doesRequireRecordChangedToMeetCriteria", booleanShape), may("filterFormula", stringShape), may("filterLogic", stringShape),
			anyOfIt("filters", &shape{name: "FlowRecordFilter", parts: []part{must("field", stringShape),
				must("operator", enum("FlowRecordFilterOperator", "EqualTo", "NotEqualTo")), may("value", flowValueShape)}}),
			must("object", stringShape), must("recordTriggerType", enum("RecordTriggerType", "Create", "Update", "CreateAndUpdate")),
			must("triggerType", enum("FlowTriggerType", "RecordAfterSave"))}}),
		must("status", enum("FlowVersionStatus", flowActive, flowDraft, flowObsolete, "InvalidDraft")),
	}}
)

// message names the outbound message that the flow sends.
func (f flow) message() (string, error) {
	for _, call := range f.ActionCalls {
		if call.Name == f.Start.Connector.Target {
			return call.ActionName, nil
		}
	}
	return "", fmt.Errorf("the start element leads to %q, which is not there", f.Start.Connector.Target)
}

// rule returns when the flow runs, for records of its object. The caller holds the lock.
func (o *Org) rule(f flow) (rule, error) {
	t := o.table(f.Start.Object)
	if t == nil || t.setup || t.readOnly || t.tooling {
		return nil, fmt.Errorf("object %s cannot start a flow", f.Start.Object)
	}
	creates, updates := f.Start.RecordTrigger != "Update", f.Start.RecordTrigger != "Create"
	meets := func(saved) bool { return true }
	switch {
	case f.Start.Formula != "" && (len(f.Start.Filters) > 0 || f.Start.Logic != ""):
		return nil, fmt.Errorf("filterFormula and filters cannot be used together")
	case f.Start.Formula != "":
		read, err := readFormula(t, creates, f.Start.Formula)
		if err != nil {
			return nil, fmt.Errorf("the formula expression of the entry conditions is invalid: %w", err)
		}
		meets = read
	case len(f.Start.Filters) > 0:
		read, err := filterRule(t, f)
		if err != nil {
			return nil, err
		}
		meets = read
	case f.Start.Logic != "" || f.Start.OnlyWhenChanged:
		return nil, fmt.Errorf("entry conditions are required for filterLogic and doesRequireRecordChangedToMeetCriteria")
	}
	return func(s saved) bool {
		if s.table != t || s.created && !creates || !s.created && !updates || !meets(s) {
			return false
		}
		if s.created || !f.Start.OnlyWhenChanged || f.Start.Formula != "" {
			return true
		}
		return !meets(saved{table: s.table, before: s.before, after: s.before})
	}, nil
}

// filterRule reads entry conditions that are a list.
func filterRule(t *table, f flow) (rule, error) {
	all := true
	switch strings.ToLower(f.Start.Logic) {
	case "", "and":
	case "or":
		all = false
	default:
		return nil, fmt.Errorf("filterLogic is neither and nor or: %s", f.Start.Logic)
	}
	type test struct {
		field *field
		equal bool
		value string
	}
	var tests []test
	for _, filter := range f.Start.Filters {
		of := t.field(filter.Field)
		if of == nil {
			return nil, fmt.Errorf("field %s does not exist on %s", filter.Field, t.name)
		}
		one := test{field: of, equal: filter.Operator == "EqualTo"}
		for kind, v := range filter.Value {
			switch v := v.(type) {
			case bool:
				one.value = boolValue(v)
			case float64:
				one.value = numberValue(v)
			case string:
				one.value = v
			}
			fits := map[string]bool{"booleanValue": of.kind == kindBoolean, "numberValue": of.kind.number(),
				"stringValue": !of.kind.number() && of.kind != kindBoolean}
			if !fits[kind] {
				return nil, fmt.Errorf("the value for field %s is of another type", of.name)
			}
		}
		tests = append(tests, one)
	}
	return func(s saved) bool {
		for _, one := range tests {
			if (one.field.kind.comparable(s.value(one.field, s.after)) == one.field.kind.comparable(one.value)) == one.equal != all {
				return !all
			}
		}
		return all
	}, nil
}

// automationObjects are what the Tooling API shows of flows and outbound messages.
func automationObjects() []*object {
	text := func(name, label string, length int) *field {
		return &field{name: name, label: label, kind: kindString, length: length, basic: true}
	}
	objects := []*object{
		newObject("FlowDefinition", "Flow Definition", "Flow Definitions", "300", audited(
			text("DeveloperName", "Developer Name", 80), text("NamespacePrefix", "Namespace Prefix", 15), text("MasterLabel", "Master Label", 255),
			text("Description", "Description", 1_000), text("ManageableState", "Manageable State", 40), text("FullName", "Full Name", 255),
			&field{name: "ActiveVersionId", label: "Active Version ID", kind: kindReference, length: 18, to: "Flow", relation: "ActiveVersion", basic: true},
			&field{name: "LatestVersionId", label: "Latest Version ID", kind: kindReference, length: 18, to: "Flow", relation: "LatestVersion", basic: true},
			&field{name: "Metadata", label: "Metadata", kind: kindComplex, basic: true},
		)...),
		newObject("Flow", "Flow Version", "Flow Versions", "301", audited(
			&field{name: "DefinitionId", label: "Definition ID", kind: kindReference, length: 18, to: "FlowDefinition", relation: "Definition",
				basic: true, indexed: true},
			&field{name: "VersionNumber", label: "Version Number", kind: kindInt, basic: true},
			text("Status", "Status", 40), text("MasterLabel", "Master Label", 255), text("Description", "Description", 1_000),
			text("ProcessType", "Process Type", 40), text("ManageableState", "Manageable State", 40), text("FullName", "Full Name", 255),
			&field{name: "Metadata", label: "Metadata", kind: kindComplex, basic: true},
		)...),
		newObject("WorkflowOutboundMessage", "Workflow Outbound Message", "Workflow Outbound Messages", "04k", audited(
			text("Name", "Name", 80), text("NamespacePrefix", "Namespace Prefix", 15), text("EntityDefinitionId", "Entity Definition ID", 40),
			&field{name: "IntegrationUserId", label: "Integration User ID", kind: kindReference, length: 18, to: "User", relation: "IntegrationUser", basic: true},
			&field{name: "ApiVersion", label: "API Version", kind: kindDouble, scale: 1, basic: true},
			text("ManageableState", "Manageable State", 40), text("FullName", "Full Name", 255),
			&field{name: "Metadata", label: "Metadata", kind: kindComplex, basic: true},
		)...),
	}
	for _, b := range objects {
		b.tooling, b.setup, b.readOnly = true, true, true
	}
	return objects
}

// value reads a field of the record at a position.
func (t *table) value(at int, name string) string { return t.field(name).value(t.rows[at]) }

// keep writes named values to the record at a position, or (-1) to a new one, and returns its position.
func (o *Org) keep(by id, t *table, at int, named map[string]string) int {
	values := make([]string, t.width)
	if at < 0 {
		values[0] = string(t.nextID())
		values[t.field("CreatedDate").at], values[t.field("CreatedById").at] = datetimeValue(o.now()), string(by)
		values[t.field("ManageableState").at] = "unmanaged"
	} else {
		values = t.rows[at].values(t.width)
	}
	for name, v := range named {
		values[t.field(name).at] = v
	}
	o.store(by, t, at, values)
	if at < 0 {
		return len(t.rows) - 1
	}
	return at
}

// findFullName finds a record that is not deleted by its full name, or -1.
func (t *table) findFullName(name string) int {
	f := t.field("FullName")
	return slices.IndexFunc(t.rows, func(r row) bool { return strings.EqualFold(f.value(r), name) && !t.isDeleted(r) })
}

// flowVersions returns the positions of a flow's versions, oldest first.
func (o *Org) flowVersions(definition id) []int {
	t := o.table("Flow")
	found := o.children("Flow", "DefinitionId", string(definition))
	slices.SortFunc(found, func(a, b int) int { return t.version(a) - t.version(b) })
	return found
}

func (t *table) version(at int) int {
	n, _ := strconv.Atoi(t.value(at, "VersionNumber")) // it is always one
	return n
}

// deployFlow makes a version of a flow, and reports whether the flow is new and whether anything has changed. The caller
// holds the lock for writing.
func (o *Org) deployFlow(by id, name string, e *element) (of id, created, changed bool, err error) {
	fields, err := flowShape.read(e)
	if err != nil {
		return "", false, false, err
	}
	metadata, err := json.Marshal(fields)
	if err != nil {
		return "", false, false, err
	}
	var f flow
	if err := json.Unmarshal(metadata, &f); err != nil {
		return "", false, false, err
	}
	if err := o.checkFlow(name, f); err != nil {
		return "", false, false, e.problem("%s", err)
	}
	activates := f.Status == flowActive && (o.switches.Sandbox || o.switches.FlowsDeployActive)
	if activates && !o.switches.Sandbox && o.switches.FlowTestsMissing {
		return "", false, false, e.problem("Flow test coverage of the deployed processes and flows is 0%%, at least 75%% is required.")
	}
	definitions, flows := o.table("FlowDefinition"), o.table("Flow")
	at := definitions.findFullName(name)
	latest := -1
	if created = at < 0; !created {
		list := o.flowVersions(definitions.rows[at].id())
		latest = list[len(list)-1]
		if len(list) >= mostFlowVersions && flows.value(latest, "Status") == flowActive && !sameFlow(flows.value(latest, "Metadata"), string(metadata)) {
			return "", false, false, e.problem("The flow has reached the maximum number of versions: %d", mostFlowVersions)
		}
	} else {
		at = o.keep(by, definitions, -1, map[string]string{"DeveloperName": name, "FullName": name})
	}
	definition := definitions.rows[at].id()
	changed = created || !sameFlow(flows.value(latest, "Metadata"), string(metadata))
	values := map[string]string{"MasterLabel": f.Label, "Description": f.Description, "ProcessType": f.ProcessType, "Metadata": string(metadata)}
	switch {
	case !changed:
	case created || flows.value(latest, "Status") == flowActive: // an active version is never overwritten
		number := 1
		if !created {
			number = flows.version(latest) + 1
		}
		values["DefinitionId"], values["VersionNumber"], values["FullName"] = string(definition), strconv.Itoa(number), fmt.Sprintf("%s-%d", name, number)
		values["Status"] = flowDraft
		latest = o.keep(by, flows, -1, values)
	default:
		o.keep(by, flows, latest, values)
	}
	o.keep(by, definitions, at, map[string]string{"MasterLabel": f.Label, "Description": f.Description, "LatestVersionId": string(flows.rows[latest].id())})
	if activates {
		o.activate(by, at, flows.version(latest))
	} else {
		o.activate(by, at, o.activeVersion(at))
	}
	return definition, created, changed, nil
}

// sameFlow reports whether two versions differ in nothing but their status.
func sameFlow(a, b string) bool {
	var x, y map[string]any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	delete(x, "status")
	delete(y, "status")
	first, _ := json.Marshal(x) // what was read can be written
	second, _ := json.Marshal(y)
	return string(first) == string(second)
}

// checkFlow says what is wrong with a flow beyond its form.
func (o *Org) checkFlow(name string, f flow) error {
	if !developerName.MatchString(name) || len(name) > 80 {
		return fmt.Errorf("the flow name %q is not valid", name)
	}
	if _, err := o.rule(f); err != nil {
		return err
	}
	message, err := f.message()
	if err != nil {
		return err
	}
	if object, _, _ := strings.Cut(message, "."); !strings.EqualFold(object, f.Start.Object) || o.table("WorkflowOutboundMessage").findFullName(message) < 0 {
		return fmt.Errorf("%s (Action) - We can't find an action with the name and action type that you specified: %s", f.Start.Connector.Target, message)
	}
	return nil
}

// activeVersion is the number of a flow's active version; 0 if none is.
func (o *Org) activeVersion(definition int) int {
	flows := o.table("Flow")
	if at := flows.find(id(o.table("FlowDefinition").value(definition, "ActiveVersionId"))); at >= 0 && !flows.isDeleted(flows.rows[at]) {
		return flows.version(at)
	}
	return 0
}

// activate makes a version of the flow at a position its active one; 0 makes none.
func (o *Org) activate(by id, definition, number int) {
	definitions, flows := o.table("FlowDefinition"), o.table("Flow")
	active := ""
	for _, at := range o.flowVersions(definitions.rows[definition].id()) {
		status := flows.value(at, "Status")
		switch {
		case flows.version(at) == number:
			active = string(flows.rows[at].id())
			if status != flowActive {
				o.keep(by, flows, at, map[string]string{"Status": flowActive})
			}
		case status == flowActive:
			o.keep(by, flows, at, map[string]string{"Status": flowObsolete})
		}
	}
	o.keep(by, definitions, definition, map[string]string{"ActiveVersionId": active, "Metadata": fmt.Sprintf(`{"activeVersionNumber":%d}`, number)})
}

// Activate makes a version of a flow its active one, as a person does in Flow Builder; 0 makes none.
func (o *Org) Activate(name string, version int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.table("FlowDefinition").findFullName(name)
	if at < 0 {
		return refuse(404, "NOT_FOUND", "there is no flow "+name)
	}
	return o.attempt(func() error { return o.choose(o.admin, at, version) })
}

// choose is activate with a version that may not be there, or may not work any more.
func (o *Org) choose(by id, definition, number int) error {
	definitions, flows := o.table("FlowDefinition"), o.table("Flow")
	if number != 0 {
		list := o.flowVersions(definitions.rows[definition].id())
		at := slices.IndexFunc(list, func(at int) bool { return flows.version(at) == number })
		if at < 0 {
			return refuse(400, "INVALID_INPUT", fmt.Sprintf("Invalid version number: %d", number))
		}
		var f flow
		err := json.Unmarshal([]byte(flows.value(list[at], "Metadata")), &f)
		if err == nil {
			err = o.checkFlow(definitions.value(definition, "DeveloperName"), f)
		}
		if err != nil {
			return refuse(400, "FIELD_INTEGRITY_EXCEPTION", err.Error())
		}
	}
	o.activate(by, definition, number)
	return nil
}

// deleteVersion deletes the version of a flow at a position, and the flow with its last one.
func (o *Org) deleteVersion(by id, at int) error {
	definitions, flows := o.table("FlowDefinition"), o.table("Flow")
	if flows.value(at, "Status") == flowActive {
		return refuse(400, "DELETE_FAILED", "You can't delete this flow version because it's active: "+flows.value(at, "FullName"))
	}
	definition := definitions.find(id(flows.value(at, "DefinitionId")))
	o.keep(by, flows, at, map[string]string{"IsDeleted": "true"})
	left := o.flowVersions(definitions.rows[definition].id())
	if len(left) == 0 {
		o.keep(by, definitions, definition, map[string]string{"IsDeleted": "true", "LatestVersionId": ""})
		return nil
	}
	o.keep(by, definitions, definition, map[string]string{"LatestVersionId": string(flows.rows[left[len(left)-1]].id())})
	return nil
}

// updateFlowDefinition is PATCH /tooling/sobjects/FlowDefinition/{id}.
func (o *Org) updateFlowDefinition(w http.ResponseWriter, c call) error {
	fields, err := input(w, c.Request)
	if err != nil {
		return err
	}
	metadata, ok := fields["Metadata"].(map[string]any)
	if !ok {
		return refuse(400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]", "Metadata")
	}
	number := 0
	if v := metadata["activeVersionNumber"]; v != nil {
		n, _ := v.(json.Number)
		if number, err = strconv.Atoi(n.String()); err != nil || number < 0 {
			return refuse(400, "JSON_PARSER_ERROR", fmt.Sprintf("activeVersionNumber is no version: %v", v))
		}
	}
	defer o.hold(c)()
	at, err := o.toolingRecord(c, "FlowDefinition")
	if err == nil {
		err = o.mayAutomate()
	}
	if err == nil && number != 0 && o.switches.FlowActivationRefused {
		err = refuse(400, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	}
	if err == nil {
		err = o.attempt(func() error { return o.choose(c.user, at, number) })
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// mayAutomate refuses who may not change flows.
func (o *Org) mayAutomate() error {
	if err := o.mayCustomize(); err != nil {
		return err
	}
	if o.switches.MissingPermissions.have("ManageInteraction") {
		return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
	}
	return nil
}

// toolingRecord finds the record of the Tooling API that a path names.
func (o *Org) toolingRecord(c call, object string) (int, error) {
	t := o.table(object)
	of, err := parseID(c.PathValue("id"))
	at := t.find(of)
	if err != nil || at < 0 || t.isDeleted(t.rows[at]) {
		return 0, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	return at, nil
}

// readTooling answers with a record of an object of the Tooling API.
func readTooling(object string) func(*Org, http.ResponseWriter, call) error {
	return func(o *Org, w http.ResponseWriter, c call) error {
		body, err := o.toolingBody(c, object)
		if err != nil {
			return err
		}
		answerRaw(w, body)
		return nil
	}
}

func (o *Org) toolingBody(c call, object string) ([]byte, error) {
	defer o.share(c)()
	at, err := o.toolingRecord(c, object)
	if err != nil {
		return nil, err
	}
	t := o.table(object)
	var columns []*column
	for _, f := range t.fields {
		columns = append(columns, &column{name: f.name, field: f})
	}
	return appendRecord(nil, t, t.rows[at], columns, c.version), nil
}

// deleteFlow is DELETE /tooling/sobjects/Flow/{id}.
func (o *Org) deleteFlow(w http.ResponseWriter, c call) error {
	return o.deleteTooling(w, c, "Flow", func(at int) error { return o.deleteVersion(c.user, at) })
}

func (o *Org) deleteTooling(w http.ResponseWriter, c call, object string, do func(at int) error) error {
	defer o.hold(c)()
	at, err := o.toolingRecord(c, object)
	if err == nil {
		err = o.mayAutomate()
	}
	if err == nil {
		err = o.attempt(func() error { return do(at) })
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
