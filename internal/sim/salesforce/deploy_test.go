package salesforce

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
)

const deployPath = data + "/metadata/deployRequest"

// What a client deploys that wants to hear of opportunities. ENDPOINT is where.
const (
	packageXML = `<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
  <types><members>Opportunity.RH_Opportunity_Stage</members><name>WorkflowOutboundMessage</name></types>
  <types><members>RH_Opportunity_Stage</members><name>Flow</name></types>
  <version>66.0</version>
</Package>`

	workflowXML = `<?xml version="1.0" encoding="UTF-8"?>
<Workflow xmlns="http://soap.sforce.com/2006/04/metadata">
  <outboundMessages>
    <fullName>RH_Opportunity_Stage</fullName>
    <apiVersion>66.0</apiVersion>
    <description>Managed by ReferralHero</description>
    <endpointUrl>ENDPOINT</endpointUrl>
    <fields>AccountId</fields><fields>Amount</fields><fields>ContactId</fields><fields>CreatedDate</fields>
    <fields>Id</fields><fields>IsWon</fields><fields>LastModifiedDate</fields><fields>Name</fields><fields>StageName</fields>
    <includeSessionId>false</includeSessionId>
    <integrationUser>admin@acme.example</integrationUser>
    <name>RH Opportunity Stage</name>
    <protected>false</protected>
    <useDeadLetterQueue>false</useDeadLetterQueue>
  </outboundMessages>
</Workflow>`

	everyChange = "OR(ISNEW(), ISCHANGED({!$Record.StageName}), ISCHANGED({!$Record.Amount}))"
	oneStage    = `AND(OR(ISNEW(), ISCHANGED({!$Record.StageName})), ISPICKVAL({!$Record.StageName}, "Closed Won"))`

	flowXML = `<?xml version="1.0" encoding="UTF-8"?>
<Flow xmlns="http://soap.sforce.com/2006/04/metadata">
  <actionCalls>
    <name>Send_Outbound_Message</name>
    <label>Send Outbound Message</label>
    <locationX>176</locationX><locationY>287</locationY>
    <actionName>Opportunity.RH_Opportunity_Stage</actionName>
    <actionType>outboundMessage</actionType>
    <flowTransactionModel>CurrentTransaction</flowTransactionModel>
    <nameSegment>Opportunity.RH_Opportunity_Stage</nameSegment>
  </actionCalls>
  <apiVersion>66.0</apiVersion>
  <environments>Default</environments>
  <interviewLabel>RH_Opportunity_Stage {!$Flow.CurrentDateTime}</interviewLabel>
  <label>RH Opportunity Stage</label>
  <processType>AutoLaunchedFlow</processType>
  <start>
    <locationX>50</locationX><locationY>0</locationY>
    <connector><targetReference>Send_Outbound_Message</targetReference></connector>
    <filterFormula>` + everyChange + `</filterFormula>
    <object>Opportunity</object>
    <recordTriggerType>CreateAndUpdate</recordTriggerType>
    <triggerType>RecordAfterSave</triggerType>
  </start>
  <status>Active</status>
</Flow>`

	rollback = `{"deployOptions":{"allowMissingFiles":false,"autoUpdatePackage":false,"checkOnly":false,"ignoreWarnings":true,"performRetrieve":false,` +
		`"purgeOnDelete":false,"rollbackOnError":true,"runTests":null,"singlePackage":true}}`
	checkOnly = `{"deployOptions":{"checkOnly":true,"rollbackOnError":true,"singlePackage":true}}`
	partly    = `{"deployOptions":{"rollbackOnError":false,"singlePackage":true}}`

	workflowFile = "workflows/Opportunity.workflow"
	flowFile     = "flows/RH_Opportunity_Stage.flow"
	hook         = "https://hooks.example.com/v1/salesforce/om/TOKEN"
)

// files is the usual package, for an endpoint.
func files(endpoint string) map[string]string {
	return map[string]string{"package.xml": packageXML, workflowFile: strings.ReplaceAll(workflowXML, "ENDPOINT", endpoint), flowFile: flowXML}
}

// with returns the files with something replaced in one of them.
func with(files map[string]string, name string, oldNew ...string) map[string]string {
	changed := maps.Clone(files)
	changed[name] = strings.NewReplacer(oldNew...).Replace(files[name])
	return changed
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := archive.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// request posts a zip, with options in JSON.
func (s *site) deployment(token, options string, archive []byte) answer {
	s.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range []struct{ disposition, kind, content string }{
		{`form-data; name="json"`, "application/json", options},
		{`form-data; name="file"; filename="deploy.zip"`, "application/zip", string(archive)},
	} {
		w, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {part.disposition}, "Content-Type": {part.kind}})
		if err == nil {
			_, err = w.Write([]byte(part.content))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		s.t.Fatal(err)
	}
	r := s.request("POST", deployPath, &body)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return s.do(r)
}

// deployed is what a client learns of a deployment.
type deployed struct {
	ID     string
	Result struct {
		Status, CreatedByName                        string
		Done, Success                                bool
		StartDate, CompletedDate                     *string
		NumberComponentErrors, NumberComponentsTotal int
		Details                                      *struct{ ComponentFailures, ComponentSuccesses []componentResult }
	} `json:"deployResult"`
}

// deploy deploys files at once, and looks what became of it.
func (s *site) deploy(token, options string, files map[string]string) deployed {
	s.t.Helper()
	a := s.deployment(token, options, zipped(s.t, files))
	if a.status != http.StatusCreated {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
	d := decode[deployed](s.t, a.body)
	if d.Result.Status != "Pending" || d.Result.Done || !strings.HasPrefix(d.ID, "0Af") {
		s.t.Fatalf("the answer to a deployment is %s", a.body)
	}
	return s.deployed(token, d.ID)
}

func (s *site) deployed(token, of string) deployed {
	s.t.Helper()
	a := s.api(token, "GET", deployPath+"/"+of+"?includeDetails=true", "")
	if a.status != http.StatusOK {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
	return decode[deployed](s.t, a.body)
}

// sandbox is an org in which flows are deployed as active.
func sandbox(t *testing.T) (s *site, token string) {
	t.Helper()
	s = five(t)
	s.turn(func(w *Switches) { w.Sandbox = true })
	t.Cleanup(s.Org.Close)
	return s, s.token()
}

// flowRow is what the Tooling API tells of the flow.
type flowRow struct {
	ID                               string
	ActiveVersionID, LatestVersionID *string
	LatestVersion                    *struct{ VersionNumber int }
}

func (s *site) tooling(token, statement string) answer {
	s.t.Helper()
	return s.api(token, "GET", data+"/tooling/query?q="+strings.ReplaceAll(strings.ReplaceAll(statement, " ", "+"), "'", "%27"), "")
}

func rowsOf[T any](t *testing.T, a answer) []T {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return decode[struct{ Records []T }](t, a.body).Records
}

func (s *site) flow(token string) flowRow {
	s.t.Helper()
	rows := rowsOf[flowRow](s.t, s.tooling(token, "SELECT Id, DeveloperName, ActiveVersionId, LatestVersionId, "+
		"LatestVersion.VersionNumber FROM FlowDefinition WHERE DeveloperName = 'RH_Opportunity_Stage'"))
	if len(rows) != 1 {
		s.t.Fatalf("%d flows", len(rows))
	}
	return rows[0]
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	const beside = "<recordTriggerType>Update</recordTriggerType>"
	usual := files(hook)
	flow := func(oldNew ...string) map[string]string { return with(usual, flowFile, oldNew...) }
	message := func(oldNew ...string) map[string]string { return with(usual, workflowFile, oldNew...) }
	listed := func(oldNew ...string) map[string]string { return with(usual, "package.xml", oldNew...) }
	const invalid = "Error parsing file: Element {http://soap.sforce.com/2006/04/metadata}"
	for name, tc := range map[string]struct {
		files   map[string]string
		options string
		problem string // empty: it succeeds
		line    int
	}{
		"message and flow": {files: usual},
		"in a folder of its own": {files: map[string]string{
			"unpackaged/package.xml": packageXML, "unpackaged/" + workflowFile: usual[workflowFile], "unpackaged/" + flowFile: flowXML,
		}},
		"checked only": {files: usual, options: checkOnly},
		"by wildcards": {files: listed("Opportunity.RH_Opportunity_Stage", "*", "RH_Opportunity_Stage", "*")},
		"one stage":    {files: flow(everyChange, oneStage)},
		"a list of filters": {files: flow("<filterFormula>"+everyChange+"</filterFormula>",
			"<doesRequireRecordChangedToMeetCriteria>true</doesRequireRecordChangedToMeetCriteria><filterLogic>and</filterLogic>"+
				"<filters><field>StageName</field><operator>EqualTo</operator><value><stringValue>Closed Won</stringValue></value></filters>")},
		"changes alone, of updates alone": {files: flow(everyChange, "ISCHANGED({!$Record.StageName})", "<recordTriggerType>CreateAndUpdate</recordTriggerType>", beside)},
		"to a port that is high":          {files: files("http://127.0.0.1:8000/salesforce/outbound/t")},
		"to the port of HTTP":             {files: files("http://hooks.example.com/t")},
		"a bare ISCHANGED": {files: flow(everyChange, "ISCHANGED({!$Record.StageName})"),
			problem: "ISCHANGED cannot be used", line: 2},
		"a function that is not there": {files: flow("ISNEW()", "TODAY()"), problem: "unknown function TODAY"},
		"a formula that does not end": {files: flow("ISCHANGED({!$Record.Amount}))", "ISCHANGED({!$Record.Amount})"),
			problem: "the formula ends too early"},
		"a formula and filters":     {files: flow("<object>", "<filterLogic>and</filterLogic><object>"), problem: "cannot be used together"},
		"a field that is not there": {files: flow("$Record.Amount", "$Record.Worth"), problem: "field Worth does not exist"},
		"a trigger that cannot send": {files: flow("RecordAfterSave", "RecordBeforeSave"),
			problem: "'RecordBeforeSave' is not a valid value for the enum 'FlowTriggerType'", line: 23},
		"an element that nobody knows": {files: flow("<status>", "<surprise>1</surprise><status>"),
			problem: invalid + "surprise invalid at this location in type Flow", line: 25},
		"elements in another order": {files: flow("<object>Opportunity</object>", "", "<triggerType>RecordAfterSave</triggerType>", "<triggerType>RecordAfterSave</triggerType><object>Opportunity</object>"),
			problem: "object invalid at this location in type FlowStart"},
		"an element twice": {files: flow("<status>Active</status>", "<status>Active</status><status>Active</status>"),
			problem: "Element status is duplicated at this location in type Flow"},
		"a namespace that is another": {files: flow("2006/04/metadata", "2006/04/data"), problem: "is not of the namespace"},
		"no namespace":                {files: flow(` xmlns="http://soap.sforce.com/2006/04/metadata"`, ""), problem: "is not of the namespace"},
		"a document type":             {files: flow("<Flow", "<!DOCTYPE Flow><Flow"), problem: "DOCTYPE is disallowed"},
		"no XML":                      {files: flow("</Flow>", ""), problem: "Error parsing file: XML syntax error"},
		"a flow without a status":     {files: flow("<status>Active</status>", ""), problem: "Required field is missing: status"},
		"a number that is none":       {files: flow("176", "left"), problem: "'left' is not a valid value for the type xsd:int"},
		"a flow that leads nowhere": {files: flow("<targetReference>Send_Outbound_Message", "<targetReference>Send"),
			problem: `leads to "Send"`},
		"a message that is not there": {files: flow("<actionName>Opportunity.RH_Opportunity_Stage", "<actionName>Opportunity.RH"),
			problem: "We can't find an action"},
		"a user who is not there": {files: message("admin@acme.example", "nobody@acme.example"),
			problem: "In field: integrationUser - no User named nobody@acme.example found", line: 3},
		"a user who is not active": {files: message("admin@acme.example", "former@acme.example"),
			problem: "no User named former@acme.example found"},
		"a currency in an org that has but one": {files: message("<fields>ContactId</fields>", "<fields>CurrencyIsoCode</fields>"),
			problem: "Opportunity.CurrencyIsoCode found"},
		"a field twice": {files: message("<fields>ContactId</fields>", "<fields>amount</fields>"),
			problem: "Duplicate name 'amount'"},
		"to no web address":        {files: files("ftp://hooks.example.com/t"), problem: "Endpoint URL is not a valid URL"},
		"with a password":          {files: files("https://a:b@hooks.example.com/t"), problem: "Endpoint URL is not a valid URL"},
		"to a port that is low":    {files: files("https://hooks.example.com:81/t"), problem: "Endpoint URL has a port"},
		"HTTPS without TLS":        {files: files("http://hooks.example.com:443/t"), problem: "Endpoint URL has a port"},
		"a flow that is not named": {files: listed("<members>RH_Opportunity_Stage</members>", ""), problem: "Not in package.xml"},
		"a flow that is named and not there": {files: listed("<members>RH_Opportunity_Stage</members>", "<members>RH_Opportunity_Stage</members><members>Other</members>"),
			problem: "An object 'Other' of type Flow was named in package.xml, but was not found in zipped directory"},
		"a type that is not here": {files: listed("<name>Flow</name>", "<name>ApexClass</name>"), problem: "Unknown type name 'ApexClass'"},
		"a file that does not belong there": {files: map[string]string{"package.xml": packageXML, workflowFile: usual[workflowFile], flowFile: flowXML, "classes/A.cls": "x"},
			problem: "Unknown folder or file name in package: classes/A.cls"},
		"no package.xml":            {files: map[string]string{flowFile: flowXML}, problem: "No package.xml found"},
		"a version that is to come": {files: listed("66.0", "67.0"), problem: "Invalid API version: 67.0"},
		"a way out of the zip": {files: map[string]string{"package.xml": packageXML, "../" + flowFile: flowXML},
			problem: "Invalid file name in zip"},
		"a file that is too large": {files: map[string]string{"package.xml": packageXML + strings.Repeat(" ", largestMetadata)},
			problem: "Maximum size of request reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, token := sandbox(t)
			d := s.deploy(token, orElse(tc.options, rollback), tc.files)
			if d.Result.Success != (tc.problem == "") || !d.Result.Done || d.Result.CompletedDate == nil {
				t.Errorf("%+v, %+v; want success %t", d.Result, d.Result.Details, tc.problem == "")
			}
			if tc.problem != "" {
				if !slices.ContainsFunc(d.Result.Details.ComponentFailures, func(r componentResult) bool {
					return strings.Contains(r.Problem, tc.problem) && (tc.line == 0 || r.Line == tc.line) && r.ProblemType == "Error"
				}) {
					t.Errorf("%+v, want %q in line %d", d.Result.Details.ComponentFailures, tc.problem, tc.line)
				}
			}
			left := s.tooling(token, "SELECT COUNT() FROM FlowDefinition").body + s.tooling(token, "SELECT COUNT() FROM WorkflowOutboundMessage").body
			if there := strings.Contains(left, `"totalSize":1`); there != (tc.problem == "" && tc.options != checkOnly) {
				t.Errorf("something is there: %t", there)
			}
		})
	}
}

func TestDeploymentRequest(t *testing.T) {
	t.Parallel()
	good := zipped(t, files(hook))
	for name, tc := range map[string]struct {
		change  func(*Switches)
		options string
		archive []byte
		code    string
	}{
		"an edition without it":      {change: func(w *Switches) { w.Edition = "Professional Edition" }, code: "API_DISABLED_FOR_ORG"},
		"no right to customize":      {change: func(w *Switches) { w.MissingPermissions = Names{"CustomizeApplication"} }, code: "INSUFFICIENT_ACCESS"},
		"no right to deploy":         {change: func(w *Switches) { w.MissingPermissions = Names{"ModifyMetadata", "ModifyAllData"} }, code: "INSUFFICIENT_ACCESS"},
		"another right that will do": {change: func(w *Switches) { w.MissingPermissions = Names{"ModifyMetadata"} }},
		"in part, in production":     {options: partly, code: "INVALID_OPERATION"},
		"in part, in a sandbox":      {change: func(w *Switches) { w.Sandbox = true }, options: partly},
		"without tests":              {options: `{"deployOptions":{"rollbackOnError":true,"testLevel":"NoTestRun"}}`, code: "INVALID_OPERATION"},
		"an option nobody knows":     {options: `{"deployOptions":{"rollbackOnError":true,"hurry":true}}`, code: "JSON_PARSER_ERROR"},
		"no options":                 {options: `{}`, code: "JSON_PARSER_ERROR"},
		"no zip":                     {archive: []byte{}, code: "INVALID_MULTIPART_REQUEST"},
		"too large":                  {archive: make([]byte, largestPackage+1), code: "LIMIT_EXCEEDED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: 2})
			token := s.token()
			if tc.change != nil {
				s.turn(tc.change)
			}
			archive := tc.archive
			if archive == nil {
				archive = good
			}
			a := s.deployment(token, orElse(tc.options, rollback), archive)
			if codeOf(a) != tc.code || (a.status == http.StatusCreated) != (tc.code == "") {
				t.Errorf("%d %s, want %q", a.status, a.body, tc.code)
			}
		})
	}
	s := newSite(t, Options{Generated: 2})
	if a := s.api(s.token(), "POST", deployPath, rollback); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON alone: %d %s", a.status, a.body)
	}
	if a := s.api(s.token(), "GET", deployPath+"/0Af5g0000000001", ""); a.status != http.StatusNotFound {
		t.Errorf("a deployment that is not there: %d %s", a.status, a.body)
	}
}

func TestDeploymentInPart(t *testing.T) {
	t.Parallel()
	s, token := sandbox(t)
	d := s.deploy(token, partly, with(files(hook), flowFile, "ISNEW()", "OLD()"))
	if d.Result.Status != "SucceededPartial" || !d.Result.Success || d.Result.NumberComponentErrors != 1 || d.Result.NumberComponentsTotal != 2 {
		t.Errorf("%+v", d.Result)
	}
	if a := s.tooling(token, "SELECT COUNT() FROM WorkflowOutboundMessage"); !strings.Contains(a.body, `"totalSize":1`) {
		t.Errorf("the good part is not there: %s", a.body)
	}
	if d := s.deploy(token, partly, with(files(hook), flowFile, "ISNEW()", "OLD()", "<label>", "<x/><label>")); d.Result.Status != "SucceededPartial" {
		t.Errorf("what was there already, and a flow that fails: %+v", d.Result)
	}
	if d := s.deploy(token, partly, map[string]string{"package.xml": packageXML}); d.Result.Status != "Failed" || d.Result.NumberComponentErrors != 2 {
		t.Errorf("nothing at all: %+v", d.Result)
	}
}

func TestDeploymentsComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s, token := sandbox(t)
	s.turn(func(w *Switches) { w.DeployDelay = Duration(40 * time.Second) })
	post := func() string {
		t.Helper()
		a := s.deployment(token, rollback, zipped(t, files(hook)))
		if a.status != http.StatusCreated {
			t.Fatal(a.body)
		}
		return decode[deployed](t, a.body).ID
	}
	first, second, third := post(), post(), post()
	states := func() string {
		t.Helper()
		var list []string
		for _, of := range []string{first, second, third} {
			list = append(list, s.deployed(token, of).Result.Status)
		}
		return strings.Join(list, " ")
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "Pending Pending Pending"}, {10 * time.Second, "InProgress Pending Pending"}, {29 * time.Second, "InProgress Pending Pending"}, {time.Second, "Succeeded InProgress Pending"}} {
		s.forward(step.after)
		if got := states(); got != step.want {
			t.Errorf("after %s more: %s, want %s", step.after, got, step.want)
		}
	}

	saved, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	a := s.api(token, "PATCH", deployPath+"/"+third, `{"deployResult":{"status":"Canceling"}}`)
	if a.status != http.StatusAccepted || !strings.Contains(a.body, `"status":"Canceling"`) {
		t.Errorf("canceling: %d %s", a.status, a.body)
	}
	if a := s.api(token, "PATCH", deployPath+"/"+first, `{"deployResult":{"status":"Canceling"}}`); a.status != http.StatusBadRequest {
		t.Errorf("canceling what is over: %d %s", a.status, a.body)
	}
	s.forward(time.Hour)
	if got := states(); got != "Succeeded Succeeded Canceled" {
		t.Errorf("at the end: %s", got)
	}
	if err := s.Restore(saved); err != nil {
		t.Fatal(err)
	}
	token = s.token()
	if got := states(); got != "Succeeded Succeeded Succeeded" {
		t.Errorf("from a snapshot of before: %s", got)
	}
}

// TestDeploymentLandsThoughNobodyLooks is about a client whose poll timed out.
func TestDeploymentLandsThoughNobodyLooks(t *testing.T) {
	t.Parallel()
	s, token := sandbox(t)
	s.turn(func(w *Switches) { w.DeployDelay = Duration(time.Minute) })
	if a := s.deployment(token, rollback, zipped(t, files(hook))); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	if a := s.tooling(token, "SELECT COUNT() FROM FlowDefinition"); !strings.Contains(a.body, `"totalSize":0`) {
		t.Errorf("too early: %s", a.body)
	}
	s.forward(time.Minute)
	if s.flow(token).ActiveVersionID == nil {
		t.Error("it has not landed")
	}
}

func TestFlowActivation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Switches)
		failed bool
		active bool
	}{
		"production":                            {},
		"production that deploys as active":     {change: func(w *Switches) { w.FlowsDeployActive = true }, active: true},
		"and asks for tests":                    {change: func(w *Switches) { w.FlowsDeployActive, w.FlowTestsMissing = true, true }, failed: true},
		"a sandbox":                             {change: func(w *Switches) { w.Sandbox = true }, active: true},
		"a sandbox that was set up to ask, too": {change: func(w *Switches) { w.Sandbox, w.FlowTestsMissing = true, true }, active: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, Options{Generated: 2})
			token := s.token()
			if tc.change != nil {
				s.turn(tc.change)
			}
			d := s.deploy(token, rollback, files(hook))
			if d.Result.Success == tc.failed {
				t.Fatalf("%+v", d.Result.Details)
			}
			if tc.failed {
				if d := s.deploy(token, rollback, with(files(hook), flowFile, "<status>Active", "<status>Draft")); !d.Result.Success {
					t.Fatalf("as a draft: %+v", d.Result.Details)
				}
			}
			f := s.flow(token)
			if (f.ActiveVersionID != nil) != tc.active || f.LatestVersion == nil || f.LatestVersion.VersionNumber != 1 {
				t.Errorf("%+v, want active %t", f, tc.active)
			}
			if a := s.api(token, "PATCH", data+"/tooling/sobjects/FlowDefinition/"+f.ID, `{"Metadata":{"activeVersionNumber":1}}`); a.status != http.StatusNoContent {
				t.Errorf("activating: %d %s", a.status, a.body)
			}
			if f := s.flow(token); f.ActiveVersionID == nil || *f.ActiveVersionID != *f.LatestVersionID {
				t.Errorf("activated: %+v", f)
			}
		})
	}
}

func TestFlowActivationIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 2})
	token := s.token()
	s.deploy(token, rollback, files(hook))
	path := data + "/tooling/sobjects/FlowDefinition/" + s.flow(token).ID
	for name, tc := range map[string]struct{ body, code string }{
		"no such version":  {`{"Metadata":{"activeVersionNumber":2}}`, "INVALID_INPUT"},
		"no number":        {`{"Metadata":{"activeVersionNumber":"1"}}`, "JSON_PARSER_ERROR"},
		"nothing to do":    {`{}`, "REQUIRED_FIELD_MISSING"},
		"less than none":   {`{"Metadata":{"activeVersionNumber":-1}}`, "JSON_PARSER_ERROR"},
		"a half of a flow": {`{"Metadata":{"activeVersionNumber":0.5}}`, "JSON_PARSER_ERROR"},
	} {
		if a := s.api(token, "PATCH", path, tc.body); codeOf(a) != tc.code {
			t.Errorf("%s: %d %s, want %s", name, a.status, a.body, tc.code)
		}
	}
	activate := `{"Metadata":{"activeVersionNumber":1}}`
	for name, change := range map[string]func(*Switches){
		"no right to manage flows":  func(w *Switches) { w.MissingPermissions = Names{"ManageInteraction"} },
		"only a person may do that": func(w *Switches) { w.FlowActivationRefused = true },
		"another edition":           func(w *Switches) { w.Edition = "Professional Edition" },
	} {
		before := s.Switches()
		s.turn(change)
		if a := s.api(token, "PATCH", path, activate); a.status < 400 {
			t.Errorf("%s: %d", name, a.status)
		}
		s.SetSwitches(before)
	}
	s.turn(func(w *Switches) { w.FlowActivationRefused = true })
	if err := s.Activate("RH_Opportunity_Stage", 1); err != nil {
		t.Errorf("by hand: %v", err)
	}
	if s.flow(token).ActiveVersionID == nil {
		t.Error("not active")
	}
}

func TestFlowVersions(t *testing.T) {
	t.Parallel()
	s, token := sandbox(t)
	labelled := func(n int) map[string]string {
		return with(files(hook), flowFile, "<label>RH Opportunity Stage", fmt.Sprintf("<label>Number %d", n))
	}
	for n := 1; n <= mostFlowVersions; n++ {
		if d := s.deploy(token, rollback, labelled(n)); !d.Result.Success {
			t.Fatalf("version %d: %+v", n, d.Result.Details)
		}
	}
	if d := s.deploy(token, rollback, labelled(mostFlowVersions+1)); d.Result.Success || !strings.Contains(d.Result.Details.ComponentFailures[0].Problem, "maximum number of versions") {
		t.Errorf("one more: %+v", d.Result.Details)
	}
	if d := s.deploy(token, rollback, labelled(mostFlowVersions)); !d.Result.Success || d.Result.Details.ComponentSuccesses[2].Changed {
		t.Errorf("the same once more: %+v", d.Result.Details)
	}
	versions := rowsOf[struct {
		ID, Status    string
		VersionNumber int
	}](t, s.tooling(token, "SELECT Id, VersionNumber, Status FROM Flow WHERE DefinitionId = '"+s.flow(token).ID+"'"))
	if len(versions) != mostFlowVersions || versions[0].Status != "Obsolete" || versions[mostFlowVersions-1].Status != "Active" {
		t.Fatalf("%+v", versions)
	}

	remove := func(kind, of string) answer {
		return s.api(token, "DELETE", data+"/tooling/sobjects/"+kind+"/"+of, "")
	}
	if a := remove("Flow", versions[mostFlowVersions-1].ID); a.status != http.StatusBadRequest {
		t.Errorf("deleting the active one: %d %s", a.status, a.body)
	}
	message := rowsOf[struct{ ID, FullName string }](t, s.tooling(token, "SELECT Id, FullName FROM WorkflowOutboundMessage"))[0]
	if a := remove("WorkflowOutboundMessage", message.ID); codeOf(a) != "DEPENDENCY_EXISTS" || message.FullName != "Opportunity.RH_Opportunity_Stage" {
		t.Errorf("deleting a message that a flow sends: %d %s", a.status, a.body)
	}
	if a := s.api(token, "PATCH", data+"/tooling/sobjects/FlowDefinition/"+s.flow(token).ID, `{"Metadata":{"activeVersionNumber":0}}`); a.status != http.StatusNoContent {
		t.Fatalf("switching off: %d %s", a.status, a.body)
	}
	for _, v := range versions {
		if a := remove("Flow", v.ID); a.status != http.StatusNoContent {
			t.Fatalf("deleting version %d: %d %s", v.VersionNumber, a.status, a.body)
		}
	}
	if a := remove("WorkflowOutboundMessage", message.ID); a.status != http.StatusNoContent {
		t.Errorf("deleting the message: %d %s", a.status, a.body)
	}
	if a := s.tooling(token, "SELECT Id FROM FlowDefinition"); !strings.Contains(a.body, `"totalSize":0`) {
		t.Errorf("the flow without versions: %s", a.body)
	}
	if d := s.deploy(token, rollback, files(hook)); !d.Result.Success || s.flow(token).LatestVersion.VersionNumber != 1 {
		t.Errorf("installing again: %+v", d.Result)
	}
}

func TestInactiveVersionsAreOverwritten(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Generated: 2})
	token := s.token()
	for _, label := range []string{"One", "Two", "Three"} {
		if d := s.deploy(token, rollback, with(files(hook), flowFile, "<label>RH Opportunity Stage", "<label>"+label)); !d.Result.Success {
			t.Fatal(label)
		}
	}
	if a := s.tooling(token, "SELECT MasterLabel FROM Flow"); !strings.Contains(a.body, `"totalSize":1`) || !strings.Contains(a.body, "Three") {
		t.Errorf("%s", a.body)
	}
	if err := s.Activate("RH_Opportunity_Stage", 1); err != nil {
		t.Fatal(err)
	}
	if d := s.deploy(token, rollback, with(files(hook), flowFile, "<label>RH Opportunity Stage", "<label>Four")); !d.Result.Success {
		t.Fatal("Four")
	}
	if f := s.flow(token); f.LatestVersion.VersionNumber != 2 || *f.ActiveVersionID == *f.LatestVersionID {
		t.Errorf("after a deployment to production, the version before is no longer the active one: %+v", f)
	}
}

func TestDestructiveChanges(t *testing.T) {
	t.Parallel()
	empty := `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><version>66.0</version></Package>`
	destroys := func(kind, member string) string {
		return `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>` + member + `</members><name>` + kind + `</name></types></Package>`
	}
	s, token := sandbox(t)
	s.deploy(token, rollback, files(hook))
	try := func(kind, member, problem string) {
		t.Helper()
		d := s.deploy(token, rollback, map[string]string{"package.xml": empty, "destructiveChanges.xml": destroys(kind, member)})
		if d.Result.Success != (problem == "") || problem != "" && !strings.Contains(d.Result.Details.ComponentFailures[0].Problem, problem) {
			t.Errorf("%s %s: %+v, want %q", kind, member, d.Result.Details, problem)
		}
	}
	try("Flow", "RH_Opportunity_Stage", "insufficient access rights on cross-reference id")
	try("WorkflowOutboundMessage", "Opportunity.RH_Opportunity_Stage", "referenced elsewhere")
	try("Flow", "Other", "no Flow named: Other found")
	try("ApexClass", "Other", "Unknown type name")
	s.deploy(token, rollback, with(files(hook), flowFile, "<label>RH Opportunity Stage", "<label>Second"))
	if err := s.Activate("RH_Opportunity_Stage", 0); err != nil {
		t.Fatal(err)
	}
	try("Flow", "RH_Opportunity_Stage", "insufficient access rights on cross-reference id")
	try("Flow", "RH_Opportunity_Stage-1", "")
	try("Flow", "RH_Opportunity_Stage", "")
	try("WorkflowOutboundMessage", "Opportunity.RH_Opportunity_Stage", "")
}

func TestDeploymentBySOAP(t *testing.T) {
	t.Parallel()
	s, token := sandbox(t)
	s.turn(func(w *Switches) { w.DeployDelay = Duration(time.Minute) })
	send := func(files map[string]string) string {
		t.Helper()
		a := s.soap(token, "deploy", `<met:ZipFile>`+base64.StdEncoding.EncodeToString(zipped(t, files))+`</met:ZipFile>`+
			`<met:DeployOptions><met:checkOnly>false</met:checkOnly>`+
			`<met:rollbackOnError>true</met:rollbackOnError><met:singlePackage>true</met:singlePackage></met:DeployOptions>`)
		_, after, found := strings.Cut(a.body, "<deployResponse><result><done>false</done><id>")
		if of, _, whole := strings.Cut(after, "</id><state>Queued</state>"); found && whole {
			return of
		}
		t.Fatalf("%d %s", a.status, a.body)
		return ""
	}
	check := func(of string, want ...string) {
		t.Helper()
		a := s.soap(token, "checkDeployStatus", "<met:asyncProcessId>"+of+"</met:asyncProcessId><met:includeDetails>true</met:includeDetails>")
		for _, text := range want {
			if !strings.Contains(a.body, text) {
				t.Errorf("%d %s, want %s", a.status, a.body, text)
			}
		}
	}
	good, bad := send(files(hook)), send(with(files(hook), flowFile, "<status>", "<surprise>&lt;</surprise><status>"))
	check(good, "<done>false</done>", "<status>Pending</status>")
	if a := s.soap(token, "cancelDeploy", "<met:String>"+bad+"</met:String>"); !strings.Contains(a.body, "<cancelDeployResponse><result><done>true</done>") {
		t.Errorf("%s", a.body)
	}
	s.forward(5 * time.Minute)
	check(good, "<done>true</done>", "<status>Succeeded</status>", "<success>true</success>",
		"<numberComponentsDeployed>2</numberComponentsDeployed>", "<componentSuccesses><changed>true")
	check(bad, "<status>Canceled</status>", "<success>false</success>")
	bad = send(with(files(hook), flowFile, "<status>", "<surprise/><status>"))
	s.forward(5 * time.Minute)
	check(bad, "<status>Failed</status>", "<numberComponentErrors>1</numberComponentErrors>", "<problemType>Error</problemType>", "surprise invalid at this location in type Flow")
	check("0Af5g0000000zzz", "sf:INVALID_CROSS_REFERENCE_KEY")
	if a := s.soap(token, "deploy", "<met:ZipFile>!</met:ZipFile>"); !strings.Contains(a.body, "sf:INVALID_FIELD") {
		t.Errorf("%s", a.body)
	}
}
