package salesforce

import (
	"context"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// CustomFields returns the org's own custom fields of an object that have one of the names or ids, whoever may see
// them. Names are compared without case. A field that was deleted is kept by Salesforce for some days, with "_del" at
// the end of its name, and not returned.
func (c *Client) CustomFields(ctx context.Context, object string, names []string, ids []bridge.SalesforceID) ([]provision.CustomField, error) {
	const op = "salesforce.CustomFields"
	developer := make([]string, len(names))
	for i, name := range names {
		developer[i] = strings.TrimSuffix(name, "__c")
	}
	which := "DeveloperName IN (" + quoted(developer) + ")"
	if len(ids) > 0 {
		which = "(" + which + " OR Id IN (" + quoted(ids) + "))"
	}
	statement := "SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId = " + quote(object) + " AND NamespacePrefix = null AND " + which
	var found []provision.CustomField
	err := follow(ctx, c, op, data+"/tooling/query?q="+url.QueryEscape(statement), func(r struct {
		ID            bridge.SalesforceID `json:"Id"`
		DeveloperName string
	}) bool {
		if !strings.HasSuffix(strings.ToLower(r.DeveloperName), "_del") {
			found = append(found, provision.CustomField{ID: r.ID, Name: r.DeveloperName + "__c"})
		}
		return true
	})
	return found, err
}

// Existing returns those of the API names that custom fields of an object have, whoever may see them.
func (c *Client) Existing(ctx context.Context, object string, names []string) ([]string, error) {
	fields, err := c.CustomFields(ctx, object, names, nil)
	found := make([]string, len(fields))
	for i, f := range fields {
		found[i] = f.Name
	}
	return found, err
}
