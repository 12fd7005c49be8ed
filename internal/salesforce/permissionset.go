package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/provision"
)

// permissionSet is a permission set as the Metadata API reads it; sent is how it writes it. The order of the elements is
// that of the API.
type permissionSet struct {
	FullName    string `xml:"fullName"`
	Description string `xml:"description"`
	Fields      []struct {
		Editable bool   `xml:"editable"`
		Field    string `xml:"field"`
		Readable bool   `xml:"readable"`
	} `xml:"fieldPermissions"`
	Label   string `xml:"label"`
	Objects []struct {
		Create    bool   `xml:"allowCreate"`
		Delete    bool   `xml:"allowDelete"`
		Edit      bool   `xml:"allowEdit"`
		ModifyAll bool   `xml:"modifyAllRecords"`
		Object    string `xml:"object"`
		ViewAll   bool   `xml:"viewAllRecords"`
	} `xml:"objectPermissions"`
}

type sentPermissionSet struct {
	Component   string                 `xml:"xsi:type,attr"`
	FullName    string                 `xml:"met:fullName"`
	Description string                 `xml:"met:description,omitempty"`
	Fields      []sentFieldPermission  `xml:"met:fieldPermissions"`
	Label       string                 `xml:"met:label"`
	Objects     []sentObjectPermission `xml:"met:objectPermissions"`
}

type sentFieldPermission struct {
	Editable bool   `xml:"met:editable"`
	Field    string `xml:"met:field"`
	Readable bool   `xml:"met:readable"`
}

type sentObjectPermission struct {
	Create    bool   `xml:"met:allowCreate"`
	Delete    bool   `xml:"met:allowDelete"`
	Edit      bool   `xml:"met:allowEdit"`
	Read      bool   `xml:"met:allowRead"`
	ModifyAll bool   `xml:"met:modifyAllRecords"`
	Object    string `xml:"met:object"`
	ViewAll   bool   `xml:"met:viewAllRecords"`
}

// PermissionSets returns those of the org's own permission sets that have one of the names.
func (c *Client) PermissionSets(ctx context.Context, names []string) ([]provision.Set, error) {
	const op = "salesforce.PermissionSets"
	statement := "SELECT Id, Name, Description FROM PermissionSet WHERE NamespacePrefix = null AND Name IN (" + quoted(names) + ")"
	var sets []provision.Set
	err := query(ctx, c, op, statement, func(r struct {
		ID                bridge.SalesforceID `json:"Id"`
		Name, Description string
	}) bool {
		sets = append(sets, provision.Set(r))
		return true
	})
	return sets, err
}

// ReadPermissionSets returns what is in permission sets: fields and objects only.
func (c *Client) ReadPermissionSets(ctx context.Context, names []string) ([]provision.PermissionSet, error) {
	const op = "salesforce.ReadPermissionSets"
	var sets []provision.PermissionSet
	_, err := batches(names, func(some []string) ([]error, error) {
		records, err := readMetadata[permissionSet](ctx, c, op, "PermissionSet", some)
		for _, r := range records {
			if r.FullName == "" {
				continue // there is none of that name
			}
			set := provision.PermissionSet{Name: r.FullName, Label: r.Label, Description: r.Description}
			for _, f := range r.Fields {
				set.Fields = append(set.Fields, provision.FieldAccess{Field: f.Field, Edit: f.Editable})
			}
			for _, o := range r.Objects {
				set.Objects = append(set.Objects, provision.ObjectAccess{
					Object: o.Object, Create: o.Create, Edit: o.Edit, Delete: o.Delete, ViewAllRecords: o.ViewAll, ModifyAllRecords: o.ModifyAll,
				})
			}
			sets = append(sets, set)
		}
		return nil, err
	})
	return sets, err
}

// SavePermissionSets makes permission sets, or replaces all that is in them.
func (c *Client) SavePermissionSets(ctx context.Context, sets []provision.PermissionSet) ([]error, error) {
	const op = "salesforce.SavePermissionSets"
	return batches(sets, func(some []provision.PermissionSet) ([]error, error) {
		components := make([]any, len(some))
		for i, set := range some {
			components[i] = newPermissionSet(set)
		}
		return c.write(ctx, op, "upsertMetadata", "", components, nil)
	})
}

func newPermissionSet(set provision.PermissionSet) sentPermissionSet {
	sent := sentPermissionSet{Component: "met:PermissionSet", FullName: set.Name, Description: set.Description, Label: set.Label}
	for _, f := range set.Fields {
		sent.Fields = append(sent.Fields, sentFieldPermission{Editable: f.Edit, Field: f.Field, Readable: true})
	}
	for _, o := range set.Objects {
		sent.Objects = append(sent.Objects, sentObjectPermission{
			Create: o.Create, Delete: o.Delete, Edit: o.Edit, Read: true, ModifyAll: o.ModifyAllRecords, Object: o.Object, ViewAll: o.ViewAllRecords,
		})
	}
	return sent
}

// DeletePermissionSets deletes permission sets, which nobody may have any more.
func (c *Client) DeletePermissionSets(ctx context.Context, names []string) ([]error, error) {
	const op = "salesforce.DeletePermissionSets"
	return batches(names, func(some []string) ([]error, error) {
		return c.write(ctx, op, "deleteMetadata", "PermissionSet", nil, some)
	})
}

// Assignments returns who has a permission set: all who have it, or one user if they do.
func (c *Client) Assignments(ctx context.Context, set, user bridge.SalesforceID) ([]provision.Assignment, error) {
	const op = "salesforce.Assignments"
	statement := "SELECT Id, AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId = " + quote(string(set))
	if user != "" {
		statement += " AND AssigneeId = " + quote(string(user))
	}
	var found []provision.Assignment
	err := query(ctx, c, op, statement, func(r struct {
		ID         bridge.SalesforceID `json:"Id"`
		AssigneeID bridge.SalesforceID `json:"AssigneeId"`
	}) bool {
		found = append(found, provision.Assignment{ID: r.ID, Set: set, User: r.AssigneeID})
		return true
	})
	return found, err
}

// setupResult is what became of one record of a collection.
type setupResult struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code string `json:"statusCode"`
		Text string `json:"message"`
	} `json:"errors"`
}

// Assign gives permission sets to users, up to 200 in a call. That a user has one already is fine.
func (c *Client) Assign(ctx context.Context, list []provision.Assignment) ([]error, error) {
	const op = "salesforce.Assign"
	type attributes struct {
		Type string `json:"type"`
	}
	type record struct {
		Attributes attributes          `json:"attributes"`
		User       bridge.SalesforceID `json:"AssigneeId"`
		Set        bridge.SalesforceID `json:"PermissionSetId"`
	}
	return c.collections(ctx, op, list, "DUPLICATE_VALUE", func(some []provision.Assignment) (request, error) {
		records := make([]record, len(some))
		for i, a := range some {
			records[i] = record{attributes{"PermissionSetAssignment"}, a.User, a.Set}
		}
		body, err := json.Marshal(map[string]any{"allOrNone": false, "records": records})
		return request{method: http.MethodPost, path: data + "/composite/sobjects", body: body, writes: true}, err
	})
}

// Unassign ends assignments. That one has ended already is fine.
func (c *Client) Unassign(ctx context.Context, list []provision.Assignment) ([]error, error) {
	const op = "salesforce.Unassign"
	return c.collections(ctx, op, list, "ENTITY_IS_DELETED", func(some []provision.Assignment) (request, error) {
		ids := make([]string, len(some))
		for i, a := range some {
			ids[i] = string(a.ID)
		}
		path := data + "/composite/sobjects?allOrNone=false&ids=" + url.QueryEscape(strings.Join(ids, ","))
		return request{method: http.MethodDelete, path: path, writes: true}, nil
	})
}

// collections sends assignments, up to 200 in a call. A refusal with the code done means that it was so already.
func (c *Client) collections(
	ctx context.Context, op string, list []provision.Assignment, done string, build func([]provision.Assignment) (request, error),
) ([]error, error) {
	var all []error
	for len(list) > 0 {
		n := min(mostRecords, len(list))
		r, err := build(list[:n])
		if err != nil {
			return nil, bridge.E(op, bridge.Internal, errRequest)
		}
		var answer []setupResult
		if err := c.send(ctx, op, r, into(&answer)); err != nil {
			return nil, spoken(err)
		}
		if len(answer) != n {
			return nil, bridge.E(op, bridge.UnknownOutcome, errUnreadable)
		}
		for _, r := range answer {
			switch {
			case r.Success:
				all = append(all, nil)
			case len(r.Errors) == 0:
				all = append(all, bridge.E(op, bridge.UnknownOutcome, errUnreadable))
			case r.Errors[0].Code == done:
				all = append(all, nil)
			default:
				all = append(all, setupRefusal(op, r.Errors[0].Code, r.Errors[0].Text))
			}
		}
		list = list[n:]
	}
	return all, nil
}

// quoted is a list for IN.
func quoted[T ~string](values []T) string {
	var b bytes.Buffer
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(string(v)))
	}
	return b.String()
}

// Holds reports whether a user has a permission set of the org's own whose name begins so.
func (c *Client) Holds(ctx context.Context, user bridge.SalesforceID, set string) (bool, error) {
	const op = "salesforce.Holds"
	statement := "SELECT Id, PermissionSet.Name FROM PermissionSetAssignment WHERE PermissionSet.NamespacePrefix = null AND AssigneeId = " +
		quote(string(user))
	var holds bool
	err := query(ctx, c, op, statement, func(r struct{ PermissionSet struct{ Name string } }) bool {
		holds = strings.HasPrefix(r.PermissionSet.Name, set)
		return !holds
	})
	return holds, err
}
