package salesforce

import (
	"context"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Edition returns the org's edition as Salesforce calls it, such as "Enterprise Edition".
func (c *Client) Edition(ctx context.Context) (string, error) {
	const op = "salesforce.Edition"
	var found answer[struct{ OrganizationType string }]
	if err := c.ask(ctx, op, "SELECT OrganizationType FROM Organization", &found); err != nil {
		return "", err
	}
	if len(found.Records) != 1 {
		return "", bridge.E(op, bridge.Unavailable, errUnreadable)
	}
	return found.Records[0].OrganizationType, nil
}

// Fields returns the names of those fields of an object that the connected user may see; NotFound if the user may not
// read the object.
func (c *Client) Fields(ctx context.Context, object string) ([]string, error) {
	const op = "salesforce.Fields"
	var described struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	if err := c.get(ctx, op, data+"/sobjects/"+url.PathEscape(object)+"/describe", &described); err != nil {
		return nil, err
	}
	names := make([]string, len(described.Fields))
	for i, f := range described.Fields {
		names[i] = f.Name
	}
	return names, nil
}

// Permissions says which permissions the connected user has, by their names in the API, such as "ViewSetup".
// All columns are asked for, since one that an edition does not have would fail the query.
func (c *Client) Permissions(ctx context.Context) (map[string]bool, error) {
	const op = "salesforce.Permissions"
	var found answer[map[string]any]
	if err := c.ask(ctx, op, "SELECT FIELDS(ALL) FROM UserPermissionAccess LIMIT 1", &found); err != nil {
		return nil, err
	}
	if len(found.Records) != 1 {
		return nil, bridge.E(op, bridge.Unavailable, errUnreadable)
	}
	has := map[string]bool{}
	for column, value := range found.Records[0] {
		if name, is := strings.CutPrefix(column, "Permissions"); is {
			has[name] = value == true
		}
	}
	return has, nil
}

// DuplicateRules returns the labels of the duplicate rules that are active for an object.
func (c *Client) DuplicateRules(ctx context.Context, object string) ([]string, error) {
	const op = "salesforce.DuplicateRules"
	var found answer[struct{ MasterLabel string }]
	statement := "SELECT MasterLabel FROM DuplicateRule WHERE IsActive = true AND SobjectType = " + quote(object) + " ORDER BY MasterLabel LIMIT 20"
	if err := c.ask(ctx, op, statement, &found); err != nil {
		return nil, err
	}
	labels := make([]string, len(found.Records))
	for i, r := range found.Records {
		labels[i] = r.MasterLabel
	}
	return labels, nil
}

// Sees reports whether the connected user sees a record of an object.
func (c *Client) Sees(ctx context.Context, object string, id bridge.SalesforceID) (bool, error) {
	var counted answer[struct{}]
	err := c.ask(ctx, "salesforce.Sees", "SELECT COUNT() FROM "+object+" WHERE Id = "+quote(string(id)), &counted)
	return counted.TotalSize > 0, err
}

// ask runs a statement whose answer fits on one page.
func (c *Client) ask(ctx context.Context, op, statement string, out any) error {
	return c.get(ctx, op, data+"/query?q="+url.QueryEscape(statement), out)
}
