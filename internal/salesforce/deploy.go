package salesforce

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

const (
	metadataNamespace = "http://soap.sforce.com/2006/04/metadata"
	managedByUs       = "Managed by Referral Bridge"
	apiVersion        = "66.0" // as metadata write it
)

// manifest is package.xml: what a package brings.
type manifest struct {
	XMLName xml.Name `xml:"http://soap.sforce.com/2006/04/metadata Package"`
	Types   []members
	Version string `xml:"version"`
}

type members struct {
	XMLName xml.Name `xml:"types"`
	Members []string `xml:"members"`
	Name    string   `xml:"name"`
}

// workflow is the part of an object's workflows that a package touches: other messages of the object stay as they are.
type workflow struct {
	XMLName xml.Name        `xml:"http://soap.sforce.com/2006/04/metadata Workflow"`
	Message outboundMessage `xml:"outboundMessages"`
}

// outboundMessage is a WorkflowOutboundMessage. Salesforce wants the elements in this order, as everywhere in metadata.
type outboundMessage struct {
	FullName           string   `xml:"fullName"`
	APIVersion         string   `xml:"apiVersion"`
	Description        string   `xml:"description"`
	EndpointURL        string   `xml:"endpointUrl"`
	Fields             []string `xml:"fields"`
	IncludeSessionID   bool     `xml:"includeSessionId"`
	IntegrationUser    string   `xml:"integrationUser"`
	Name               string   `xml:"name"`
	Protected          bool     `xml:"protected"`
	UseDeadLetterQueue bool     `xml:"useDeadLetterQueue"`
}

// flow is a record-triggered flow of one action.
type flow struct {
	XMLName     xml.Name   `xml:"http://soap.sforce.com/2006/04/metadata Flow"`
	Action      actionCall `xml:"actionCalls"`
	APIVersion  string     `xml:"apiVersion"`
	Description string     `xml:"description"`
	Environment string     `xml:"environments"`
	Interview   string     `xml:"interviewLabel"`
	Label       string     `xml:"label"`
	ProcessType string     `xml:"processType"`
	Start       flowStart  `xml:"start"`
	Status      string     `xml:"status"`
}

type actionCall struct {
	Name        string `xml:"name"`
	Label       string `xml:"label"`
	X           int    `xml:"locationX"`
	Y           int    `xml:"locationY"`
	ActionName  string `xml:"actionName"`
	ActionType  string `xml:"actionType"`
	Transaction string `xml:"flowTransactionModel"`
	Segment     string `xml:"nameSegment"`
}

type flowStart struct {
	X           int    `xml:"locationX"`
	Y           int    `xml:"locationY"`
	Target      string `xml:"connector>targetReference"`
	Formula     string `xml:"filterFormula"`
	Object      string `xml:"object"`
	RecordEvent string `xml:"recordTriggerType"`
	Trigger     string `xml:"triggerType"`
}

func newFlow(p plumbing.FlowPlan) flow {
	const action = "Send_Outbound_Message"
	f := flow{
		Action: actionCall{
			Name: action, Label: "Send Outbound Message", X: 176, Y: 287, ActionName: ofOpportunity(p.Message),
			ActionType: "outboundMessage", Transaction: "CurrentTransaction", Segment: ofOpportunity(p.Message),
		},
		APIVersion: apiVersion, Description: managedByUs, Environment: "Default",
		Interview: p.Name + " {!$Flow.CurrentDateTime}", Label: p.Label, ProcessType: "AutoLaunchedFlow",
		Start: flowStart{
			X: 50, Target: action, Formula: p.Condition, Object: "Opportunity",
			RecordEvent: "CreateAndUpdate", Trigger: "RecordAfterSave",
		},
		Status: "Draft",
	}
	if p.Active {
		f.Status = "Active"
	}
	return f
}

func newOutboundMessage(m plumbing.Message) outboundMessage {
	return outboundMessage{
		FullName: m.Name, APIVersion: apiVersion, Description: managedByUs, EndpointURL: m.Endpoint.Reveal(),
		Fields: m.Fields, IntegrationUser: m.Username, Name: m.Label,
	}
}

// ofOpportunity is the full name of an outbound message of opportunities.
func ofOpportunity(name string) string { return "Opportunity." + name }

// archive writes a package. The same package gives the same bytes.
func archive(p plumbing.Package) ([]byte, error) {
	type file struct {
		name    string
		content any
	}
	list := manifest{Version: apiVersion}
	files := []file{{"package.xml", &list}}
	if m := p.Message; m != nil {
		list.Types = append(list.Types, members{Members: []string{ofOpportunity(m.Name)}, Name: "WorkflowOutboundMessage"})
		files = append(files, file{"workflows/Opportunity.workflow", workflow{Message: newOutboundMessage(*m)}})
	}
	if f := p.Flow; f != nil {
		list.Types = append(list.Types, members{Members: []string{f.Name}, Name: "Flow"})
		files = append(files, file{"flows/" + f.Name + ".flow", newFlow(*f)})
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for _, f := range files {
		w, err := z.Create(f.name) // without a time
		if err != nil {
			return nil, err
		}
		text, err := xml.MarshalIndent(f.content, "", "  ")
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(append([]byte(xml.Header), text...)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return packed.Bytes(), err
}

// deployOptions leave testLevel out: a package without Apex is not tested then, and NoTestRun is refused in production.
const deployOptions = `{"deployOptions":{"allowMissingFiles":false,"autoUpdatePackage":false,"checkOnly":false,"ignoreWarnings":true,` +
	`"performRetrieve":false,"purgeOnDelete":false,"rollbackOnError":true,"runTests":null,"singlePackage":true}}`

// Deploy sends a package to the org and returns the id of its deployment. The org installs it when the deployments
// before it are over.
func (c *Client) Deploy(ctx context.Context, p plumbing.Package) (id string, err error) {
	const op = "salesforce.Deploy"
	packed, err := archive(p)
	if err != nil {
		return "", bridge.E(op, bridge.Internal, err)
	}
	body, contentType, err := deployForm(packed)
	if err != nil {
		return "", bridge.E(op, bridge.Internal, err)
	}
	var out struct {
		ID string `json:"id"`
	}
	err = c.send(ctx, op, request{
		method: http.MethodPost, path: deployments, body: body, writes: true, header: [][2]string{{"Content-Type", contentType}},
	}, into(&out))
	if err != nil {
		return "", err
	}
	if _, err := bridge.ParseSalesforceID(out.ID); err != nil {
		return "", bridge.E(op, bridge.UnknownOutcome, errUnreadable)
	}
	return out.ID, nil
}

const deployments = data + "/metadata/deployRequest"

func deployForm(packed []byte) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part := func(disposition, kind string, content []byte) {
		if err != nil {
			return
		}
		var w io.Writer
		w, err = form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {kind}})
		if err == nil {
			_, err = w.Write(content)
		}
	}
	part(`form-data; name="json"`, "application/json", []byte(deployOptions))
	part(`form-data; name="file"; filename="deploy.zip"`, "application/zip", packed)
	if err == nil {
		err = form.Close()
	}
	return b.Bytes(), form.FormDataContentType(), err
}

type deployResult struct {
	Status       string `json:"status"`
	Done         bool   `json:"done"`
	Success      bool   `json:"success"`
	ErrorMessage string `json:"errorMessage"`
	Details      struct {
		ComponentFailures []struct {
			FullName string `json:"fullName"`
			Problem  string `json:"problem"`
		} `json:"componentFailures"`
		RunTestResult struct {
			CodeCoverageWarnings []coverageWarning `json:"codeCoverageWarnings"`
			FlowCoverageWarnings []coverageWarning `json:"flowCoverageWarnings"`
		} `json:"runTestResult"`
	} `json:"details"`
}

type coverageWarning struct {
	Message string `json:"message"`
}

// longestProblem bounds what is kept of Salesforce's words, mostProblems how many problems.
const (
	longestProblem = 500
	mostProblems   = 10
)

// Deployment tells how far a deployment is. It is NotFound once Salesforce has forgotten it.
func (c *Client) Deployment(ctx context.Context, id string) (plumbing.Deployment, error) {
	const op = "salesforce.Deployment"
	var out struct {
		Result deployResult `json:"deployResult"`
	}
	path := deployments + "/" + url.PathEscape(id) + "?includeDetails=true"
	if err := c.get(ctx, op, path, &out); err != nil {
		return plumbing.Deployment{}, err
	}
	r := out.Result
	d := plumbing.Deployment{
		Done: r.Done, Succeeded: r.Done && r.Success && r.Status == "Succeeded", Canceled: r.Status == "Canceled",
		Begun: r.Status != "Pending" && r.Status != "Queued",
	}
	if !r.Done || d.Succeeded {
		return d, nil
	}
	add := func(component, words string) {
		d.Uncovered = d.Uncovered || strings.Contains(strings.ToLower(words), "coverage")
		if words != "" && len(d.Problems) < mostProblems {
			d.Problems = append(d.Problems, plumbing.Problem{Component: component, Words: shorten(words)})
		}
	}
	add("", r.ErrorMessage)
	for _, f := range r.Details.ComponentFailures {
		add(f.FullName, f.Problem)
	}
	tests := r.Details.RunTestResult
	for _, w := range append(tests.CodeCoverageWarnings, tests.FlowCoverageWarnings...) {
		d.Uncovered = true
		add("", w.Message)
	}
	return d, nil
}

func shorten(words string) string {
	if runes := []rune(words); len(runes) > longestProblem {
		return string(runes[:longestProblem]) + "…"
	}
	return words
}

// CancelDeployment asks the org to give a deployment up. It is Invalid for one that is over.
func (c *Client) CancelDeployment(ctx context.Context, id string) error {
	const op = "salesforce.CancelDeployment"
	body, err := json.Marshal(map[string]any{"deployResult": map[string]string{"status": "Canceling"}})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	path := deployments + "/" + url.PathEscape(id)
	return c.send(ctx, op, request{method: http.MethodPatch, path: path, body: body, writes: true}, ignore)
}

// ignore reads an answer of which nothing is needed.
func ignore(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}
