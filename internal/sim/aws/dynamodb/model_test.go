package dynamodb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
)

// account is an item of the model: a counter with a version, maybe due.
type account struct {
	Pk, Sk  string
	Total   int
	Version int
	Due     int // 0 is never
}

func (a account) item() object {
	item := key(a.Pk, a.Sk)
	item["total"], item["version"] = num(strconv.Itoa(a.Total)), num(strconv.Itoa(a.Version))
	if a.Due > 0 {
		item["shard"], item["dueAt"] = text("q"), num(strconv.Itoa(a.Due))
	}
	return item
}

// model is the table as a map, in which everything is searched for.
type model map[string]account

// change is an action on an account as it is asked of the emulator, and as the model does it.
type change struct {
	name    string
	request object
	allowed func(m model) bool
	apply   func(m model)
}

func drawChange(t *rapid.T, pk, sk string) change {
	id := pk + "/" + sk
	n, due := rapid.IntRange(-3, 5).Draw(t, "amount"), rapid.IntRange(0, 3).Draw(t, "due")
	version := rapid.IntRange(0, 3).Draw(t, "version")
	onVersion := object{":v": num(strconv.Itoa(version)), ":n": num(strconv.Itoa(n)), ":one": num("1")}
	switch rapid.IntRange(0, 4).Draw(t, "change") {
	case 0:
		a := account{pk, sk, n, 0, due}
		return change{"Put", object{"Item": a.item()}, func(model) bool { return true }, func(m model) { m[id] = a }}
	case 1:
		a := account{pk, sk, n, 0, due}
		return change{"Put", object{"Item": a.item(), "ConditionExpression": "attribute_not_exists(pk)"},
			func(m model) bool { _, there := m[id]; return !there }, func(m model) { m[id] = a }}
	case 2:
		return change{"Update", object{"Key": key(pk, sk), "ConditionExpression": "version = :v",
			"UpdateExpression": "SET version = version + :one ADD #t :n", "ExpressionAttributeNames": object{"#t": "total"}, "ExpressionAttributeValues": onVersion},
			func(m model) bool { a, there := m[id]; return there && a.Version == version },
			func(m model) { a := m[id]; a.Version++; a.Total += n; m[id] = a }}
	case 3:
		return change{"Update", object{"Key": key(pk, sk), "ConditionExpression": "attribute_exists(dueAt) AND NOT #t < :n",
			"UpdateExpression": "REMOVE dueAt, #s", "ExpressionAttributeNames": object{"#t": "total", "#s": "shard"}, "ExpressionAttributeValues": object{":n": num(strconv.Itoa(n))}},
			func(m model) bool { a, there := m[id]; return there && a.Due > 0 && a.Total >= n },
			func(m model) { a := m[id]; a.Due = 0; m[id] = a }}
	}
	return change{"Delete", object{"Key": key(pk, sk), "ConditionExpression": "attribute_not_exists(version) OR version BETWEEN :z AND :v",
		"ExpressionAttributeValues": object{":v": num(strconv.Itoa(version)), ":z": num("0")}},
		func(m model) bool { a, there := m[id]; return !there || a.Version <= version }, func(m model) { delete(m, id) }}
}

// TestModel runs random programs on the emulator and on a model of them that is too simple to be wrong.
func TestModel(t *testing.T) {
	t.Parallel()
	endpoint, _ := emulator(t, dynamodb.Options{})
	rapid.Check(t, func(t *rapid.T) {
		table, m := newTable(t, endpoint), model{}
		defer call(t, endpoint, "DeleteTable", object{"TableName": table})
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			subjects := rapid.SliceOfNDistinct(rapid.SampledFrom(sks), 1, 3, rapid.ID).Draw(t, "subjects")
			pk := rapid.SampledFrom(pks).Draw(t, "pk")
			var changes []change
			for _, sk := range subjects {
				changes = append(changes, drawChange(t, pk, sk))
			}
			m.run(t, endpoint, table, changes)
			m.compare(t, endpoint, table, pk)
		}
	})
}

// run does one change by itself, and several in a transaction.
func (m model) run(t *rapid.T, endpoint, table string, changes []change) {
	codes, all := []string{}, true
	for _, c := range changes {
		c.request["TableName"] = table
		code := "None"
		if !c.allowed(m) {
			code, all = "ConditionalCheckFailed", false
		}
		codes = append(codes, code)
	}
	var out object
	want := ""
	if len(changes) == 1 {
		out = call(t, endpoint, changes[0].name+"Item", changes[0].request)
		if !all {
			want = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
		}
	} else {
		var actions []object
		for _, c := range changes {
			actions = append(actions, object{c.name: c.request})
		}
		out = call(t, endpoint, "TransactWriteItems", object{"TransactItems": actions})
		if !all {
			want = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
			var got []string
			for _, r := range out["CancellationReasons"].([]any) {
				got = append(got, r.(object)["Code"].(string))
			}
			if diff := gocmp.Diff(codes, got); diff != "" {
				t.Fatalf("reasons (-want +got):\n%s", diff)
			}
		}
	}
	if got, _ := out["__type"].(string); got != want {
		t.Fatalf("%v\nerror = %q %v, want %q", changes, got, out["message"], want)
	}
	if all {
		for _, c := range changes {
			c.apply(m)
		}
	}
}

// compare reads a partition and the index page by page, and wants what the model has.
func (m model) compare(t *rapid.T, endpoint, table, pk string) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	forward := rapid.Bool().Draw(t, "forward")
	var inTable, inIndex []account
	for _, a := range m {
		if a.Pk == pk {
			inTable = append(inTable, a)
		}
		if a.Due > 0 {
			inIndex = append(inIndex, a)
		}
	}
	slices.SortFunc(inTable, func(a, b account) int { return strings.Compare(a.Sk, b.Sk) })
	slices.SortFunc(inIndex, func(a, b account) int { return a.Due - b.Due })
	if !forward {
		slices.Reverse(inTable)
		slices.Reverse(inIndex)
	}

	got := pages(t, endpoint, object{"TableName": table, "Limit": limit, "ScanIndexForward": forward, "KeyConditionExpression": "pk = :p",
		"ExpressionAttributeValues": object{":p": text(pk)}})
	want := []any{}
	for _, a := range inTable {
		want = append(want, a.item())
	}
	if diff := gocmp.Diff(plain(want), any(got)); diff != "" {
		t.Fatalf("table (-want +got):\n%s", diff)
	}

	found := pages(t, endpoint, object{"TableName": table, "IndexName": "due", "Limit": limit, "ScanIndexForward": forward, "KeyConditionExpression": "#s = :q",
		"ExpressionAttributeNames": object{"#s": "shard"}, "ExpressionAttributeValues": object{":q": text("q")}})
	var order, due []string
	seen := map[string]bool{}
	for _, item := range found {
		order = append(order, item.(object)["dueAt"].(object)["N"].(string))
		seen[fmt.Sprint(item)] = true
	}
	for _, a := range inIndex {
		due = append(due, strconv.Itoa(a.Due))
	}
	if diff := gocmp.Diff(due, order); diff != "" || len(seen) != len(found) {
		t.Fatalf("index (-want +got), %d of %d distinct:\n%s", len(seen), len(found), diff)
	}
}

// pages follows a query to its end.
func pages(t fataler, endpoint string, body object) []any {
	items := []any{}
	for {
		out := call(t, endpoint, "Query", body)
		if out["__type"] != nil {
			t.Fatalf("Query: %v", out)
		}
		items = append(items, out["Items"].([]any)...)
		if out["LastEvaluatedKey"] == nil {
			return items
		}
		body["ExclusiveStartKey"] = out["LastEvaluatedKey"]
	}
}

// plain is v as it comes out of JSON.
func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}
