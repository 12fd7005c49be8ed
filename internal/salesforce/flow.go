package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

const tooling = data + "/tooling"

// tool runs a statement of the Tooling API whose answer fits on one page.
func (c *Client) tool(ctx context.Context, op, statement string, out any) error {
	return c.get(ctx, op, tooling+"/query?q="+url.QueryEscape(statement), out)
}

// Username returns the name by which a user signs in, and whether the user is active.
func (c *Client) Username(ctx context.Context, user bridge.SalesforceID) (name string, active bool, err error) {
	const op = "salesforce.Username"
	var found answer[struct {
		Username string
		IsActive bool
	}]
	if err := c.ask(ctx, op, "SELECT Username, IsActive FROM User WHERE Id = "+quote(string(user)), &found); err != nil {
		return "", false, err
	}
	if len(found.Records) == 0 {
		return "", false, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	return found.Records[0].Username, found.Records[0].IsActive, nil
}

// OutboundMessage returns an outbound message of opportunities by its API name, or NotFound. A statement cannot ask for
// the API name, and gives metadata of one record only: so it finds those with the label that we give, or with the API
// name as their label, and each is looked at.
// https://developer.salesforce.com/docs/atlas.en-us.api_tooling.meta/api_tooling/tooling_api_objects_workflowoutboundmessage.htm
func (c *Client) OutboundMessage(ctx context.Context, name string) (plumbing.Message, error) {
	const op = "salesforce.OutboundMessage"
	var found answer[struct {
		ID                string `json:"Id"`
		IntegrationUserID string `json:"IntegrationUserId"`
	}]
	labels := quote(name) + ", " + quote(strings.ReplaceAll(name, "_", " "))
	if err := c.tool(ctx, op, "SELECT Id, IntegrationUserId FROM WorkflowOutboundMessage WHERE Name IN ("+labels+") LIMIT 10", &found); err != nil {
		return plumbing.Message{}, err
	}
	for _, r := range found.Records {
		var told struct {
			FullName string
			Metadata struct {
				EndpointURL     string   `json:"endpointUrl"`
				Fields          []string `json:"fields"`
				IntegrationUser string   `json:"integrationUser"`
				Name            string   `json:"name"`
			}
		}
		err := c.get(ctx, op, tooling+"/sobjects/WorkflowOutboundMessage/"+url.PathEscape(r.ID), &told)
		if bridge.KindOf(err) == bridge.NotFound {
			continue // deleted meanwhile
		}
		if err != nil {
			return plumbing.Message{}, err
		}
		if told.FullName != ofOpportunity(name) {
			continue
		}
		m := plumbing.Message{
			Name: name, Label: told.Metadata.Name, Endpoint: bridge.NewSecret(told.Metadata.EndpointURL),
			Username: told.Metadata.IntegrationUser, Fields: told.Metadata.Fields,
		}
		if m.ID, err = bridge.ParseSalesforceID(r.ID); err == nil {
			m.User, err = bridge.ParseSalesforceID(r.IntegrationUserID)
		}
		return m, bridge.E(op, bridge.Unavailable, err)
	}
	return plumbing.Message{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
}

// Flow returns a flow by its API name, or NotFound.
func (c *Client) Flow(ctx context.Context, name string) (plumbing.Flow, error) {
	const op = "salesforce.Flow"
	type version struct{ VersionNumber int }
	var found answer[struct {
		ID              string `json:"Id"`
		ActiveVersionID string `json:"ActiveVersionId"`
		LatestVersionID string `json:"LatestVersionId"`
		ActiveVersion   *version
		LatestVersion   *version
	}]
	statement := "SELECT Id, ActiveVersionId, ActiveVersion.VersionNumber, LatestVersionId, LatestVersion.VersionNumber " +
		"FROM FlowDefinition WHERE DeveloperName = " + quote(name)
	if err := c.tool(ctx, op, statement, &found); err != nil {
		return plumbing.Flow{}, err
	}
	if len(found.Records) == 0 {
		return plumbing.Flow{}, &bridge.Error{Op: op, Kind: bridge.NotFound}
	}
	r := found.Records[0]
	var f plumbing.Flow
	for _, id := range []struct {
		text string
		to   *bridge.SalesforceID
	}{{r.ID, &f.Definition}, {r.ActiveVersionID, &f.Active}, {r.LatestVersionID, &f.Latest}} {
		if id.text == "" {
			continue
		}
		var err error
		if *id.to, err = bridge.ParseSalesforceID(id.text); err != nil {
			return plumbing.Flow{}, bridge.E(op, bridge.Unavailable, errUnreadable)
		}
	}
	if r.ActiveVersion != nil {
		f.ActiveNumber = r.ActiveVersion.VersionNumber
	}
	if r.LatestVersion != nil {
		f.Number = r.LatestVersion.VersionNumber
	}
	return f, nil
}

// FlowVersions returns the versions of a flow. There are 50 at most.
func (c *Client) FlowVersions(ctx context.Context, definition bridge.SalesforceID) ([]plumbing.FlowVersion, error) {
	const op = "salesforce.FlowVersions"
	var found answer[struct {
		ID            string `json:"Id"`
		VersionNumber int
		Status        string
	}]
	statement := "SELECT Id, VersionNumber, Status FROM Flow WHERE DefinitionId = " + quote(string(definition))
	if err := c.tool(ctx, op, statement, &found); err != nil {
		return nil, err
	}
	versions := make([]plumbing.FlowVersion, len(found.Records))
	for i, r := range found.Records {
		id, err := bridge.ParseSalesforceID(r.ID)
		if err != nil {
			return nil, bridge.E(op, bridge.Unavailable, errUnreadable)
		}
		versions[i] = plumbing.FlowVersion{ID: id, Number: r.VersionNumber, Active: r.Status == "Active"}
	}
	return versions, nil
}

// ActivateFlow makes a version of a flow the active one; 0 is none. The message of a refusal is Salesforce's, for the
// org's administrators.
func (c *Client) ActivateFlow(ctx context.Context, definition bridge.SalesforceID, number int) error {
	const op = "salesforce.ActivateFlow"
	body, err := json.Marshal(map[string]any{"Metadata": map[string]int{"activeVersionNumber": number}})
	if err != nil {
		return bridge.E(op, bridge.Internal, err)
	}
	path := tooling + "/sobjects/FlowDefinition/" + url.PathEscape(string(definition))
	err = c.send(ctx, op, request{method: http.MethodPatch, path: path, body: body, writes: true}, ignore)
	var said words
	if errors.As(err, &said) {
		return &bridge.Error{Op: op, Kind: bridge.KindOf(err), Code: bridge.CodeOf(err), Message: said.text, After: bridge.AfterOf(err, 0), Err: err}
	}
	return err
}

// DeleteFlowVersion deletes a version of a flow. The active one cannot be deleted.
func (c *Client) DeleteFlowVersion(ctx context.Context, id bridge.SalesforceID) error {
	return c.discard(ctx, "salesforce.DeleteFlowVersion", "Flow", id)
}

// DeleteOutboundMessage deletes an outbound message. One that a flow sends cannot be deleted.
func (c *Client) DeleteOutboundMessage(ctx context.Context, id bridge.SalesforceID) error {
	return c.discard(ctx, "salesforce.DeleteOutboundMessage", "WorkflowOutboundMessage", id)
}

func (c *Client) discard(ctx context.Context, op, object string, id bridge.SalesforceID) error {
	path := tooling + "/sobjects/" + object + "/" + url.PathEscape(string(id))
	return c.send(ctx, op, request{method: http.MethodDelete, path: path, writes: true}, ignore)
}
