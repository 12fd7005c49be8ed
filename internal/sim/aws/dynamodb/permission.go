package dynamodb

import (
	"encoding/json"
	"slices"
	"strings"
)

// Permission is something that IAM would have to allow.
type Permission struct {
	Action   string // such as dynamodb:PutItem
	Resource string // ARN of a table or an index; * for an action that has no resource
}

// Permissions returns what a caller must be allowed to do so that a request with this X-Amz-Target and body may run, each
// once. A transaction is not an action of its own: it needs those that it is made of. A request that is broken needs what
// can be made out of it; the server refuses it anyway. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
func Permissions(target string, body []byte) []Permission {
	operation := strings.TrimPrefix(target, targetPrefix)
	type onTable struct{ TableName string }
	var in struct {
		TableName, IndexName string
		RequestItems         map[string]json.RawMessage
		TransactItems        []map[string]onTable
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil
	}
	var needed []Permission
	need := func(operation, resource string) {
		p := Permission{"dynamodb:" + operation, resource}
		if !slices.Contains(needed, p) {
			needed = append(needed, p)
		}
	}
	switch operation {
	case "ListTables":
		need(operation, "*")
	case "Query":
		if in.IndexName != "" {
			need(operation, indexARN(in.TableName, in.IndexName))
			break
		}
		need(operation, tableARN(in.TableName))
	case "BatchGetItem", "BatchWriteItem":
		for name := range in.RequestItems {
			need(operation, tableARN(name))
		}
	case "TransactGetItems", "TransactWriteItems":
		for _, actions := range in.TransactItems {
			for name, on := range actions {
				need(transactActions[name], tableARN(on.TableName))
			}
		}
	default:
		need(operation, tableARN(in.TableName))
	}
	slices.SortFunc(needed, func(a, b Permission) int { return strings.Compare(a.Action+a.Resource, b.Action+b.Resource) })
	return needed
}

// transactActions are the actions of IAM that the actions of a transaction need.
var transactActions = map[string]string{
	"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
}
