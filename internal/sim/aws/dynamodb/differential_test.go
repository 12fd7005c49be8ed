package dynamodb_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
)

// step is one request of a random program.
type step struct {
	Operation string
	Body      object
}

func (s step) String() string {
	b, err := json.Marshal(s.Body)
	if err != nil {
		panic(err)
	}
	return s.Operation + " " + string(b)
}

var tables atomic.Int64

// newTable makes a table at an endpoint, with a name that no other test uses.
func newTable(t fataler, endpoint string) string {
	name := fmt.Sprintf("bridge-%d-%d", time.Now().UnixNano(), tables.Add(1))
	if out := call(t, endpoint, "CreateTable", bridgeTable(name)); out["__type"] != nil {
		t.Fatalf("CreateTable: %v", out)
	}
	return name
}

// TestDifferential runs random programs on the emulator and on another DynamoDB, and wants every answer and every error
// to be the same. What is known to differ is in normalise.
func TestDifferential(t *testing.T) {
	if reference == "" {
		t.Skip("DYNAMODB_ENDPOINT names no other DynamoDB; TestModel runs instead")
	}
	ours, _ := emulator(t, dynamodb.Options{})
	rapid.Check(t, func(t *rapid.T) {
		name := newTable(t, ours)
		if out := call(t, reference, "CreateTable", bridgeTable(name)); out["__type"] != nil {
			t.Fatalf("CreateTable: %v", out)
		}
		defer call(t, ours, "DeleteTable", object{"TableName": name})
		defer call(t, reference, "DeleteTable", object{"TableName": name})

		program := rapid.SliceOfN(rapid.Custom(drawStep), 1, 30).Draw(t, "program")
		for _, pk := range pks {
			program = append(program, step{"Query", object{"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": object{":p": text(pk)}}})
		}
		program = append(program, step{"Query", object{"IndexName": "due", "KeyConditionExpression": "#s = :p",
			"ExpressionAttributeNames": object{"#s": "shard"}, "ExpressionAttributeValues": object{":p": text("q")}}})
		for _, s := range program {
			body := onTable(s, name)
			got, want := call(t, ours, s.Operation, body), call(t, reference, s.Operation, body)
			normalise(got)
			normalise(want)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("%s\nanswers differ (-reference +emulator):\n%s", s, diff)
			}
		}
	})
}

// onTable completes a step's request with the name of the table.
func onTable(s step, table string) object {
	b, err := json.Marshal(s.Body)
	if err != nil {
		panic(err)
	}
	var body object
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(b), "TABLE", table)), &body); err != nil {
		panic(err)
	}
	if body["TransactItems"] == nil && body["RequestItems"] == nil {
		body["TableName"] = table
	}
	return body
}

// sameErrors are errors that are worded in several ways: by AWS and so by the emulator first, then by DynamoDB Local
// 3.3.1. Where a request has several faults, which of them is reported differs too.
var sameErrors = []struct {
	meaning string
	words   *regexp.Regexp
}{
	{"no such key", regexp.MustCompile(`^(The provided key element does not match the schema|One or more parameter values were invalid: Missing the key \w+ in the item|` +
		`The number of conditions on the keys is invalid|One of the required keys was not given a value)$`)},
	{"type of key", regexp.MustCompile(`^One or more parameter values were invalid: Type mismatch for key.*$`)},
	{"type of index key", regexp.MustCompile(`^(One or more parameter values were invalid: Type mismatch for Index Key.*|` +
		`The update expression attempted to update the secondary index key to unsupported type|Invalid attribute value type)$`)},
	{"size of key", regexp.MustCompile(`^(One or more parameter values were invalid: (Size of hashkey|Aggregated size of all range keys) has exceeded the.* size limit of ?\d+ bytes|` +
		`Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes)$`)},
	{"missing key condition", regexp.MustCompile(`^Query condition missed key schema element.*$`)},
	{"precision", regexp.MustCompile(`^(Attempting to store more than 38 significant digits in a Number|DynamoDB only supports precision up to 38 digits)$`)},
	{"limit", regexp.MustCompile(`^(1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value|Limit must be) greater than or equal to 1$`)},
	{"start outside", regexp.MustCompile(`^The provided starting key (is outside query boundaries based on provided conditions|does not match the range key predicate)$`)},
	{"operands", regexp.MustCompile(`(Two document paths (overlap|conflict) with each other|An expression attribute name used in the document path is not defined|` +
		`Incorrect operand type for operator or function|An expression attribute value used in expression is not defined|` +
		`The first operand must be distinct from|Invalid attribute type name found|The BETWEEN operator requires).*$`)},
	{"no table", regexp.MustCompile(`^(Requested resource not found|Cannot do operations on a non-existent table)$`)},
	{"execution", regexp.MustCompile(`^(The document path provided in the update expression is invalid for update|An operand in the update expression has an incorrect data type|` +
		`The provided expression refers to an attribute that does not exist in the item)$`)},
	{"nesting", regexp.MustCompile(`^.*Nesting Levels have exceeded supported limits.*$`)},
	{"types", regexp.MustCompile(`\{[A-Z,]+\}`)},
	{"failed", regexp.MustCompile(`^The conditional request failed\.?$`)},
}

func meaning(message any) string {
	m, _ := message.(string)
	for _, e := range sameErrors {
		m = e.words.ReplaceAllLiteralString(m, "<"+e.meaning+">")
	}
	return m
}

// normalise removes from an answer what may differ: the wording of errors, the order of the members of sets, and the
// order of items that have the same key in an index.
func normalise(out object) {
	if out["__type"] != nil {
		out["message"] = meaning(cmp.Or(out["message"], out["Message"]))
		delete(out, "Message")
	}
	reasons, _ := out["CancellationReasons"].([]any)
	for _, r := range reasons {
		reason := r.(object)
		if reason["Code"] == "ValidationError" {
			// DynamoDB Local refuses the whole request instead.
			clear(out)
			out["__type"], out["message"] = "com.amazon.coral.validate#ValidationException", meaning(reason["Message"])
			return
		}
		if reason["Message"] != nil {
			reason["Message"] = meaning(reason["Message"])
		}
	}
	if out["ScannedCount"] == 0.0 {
		delete(out, "ConsumedCapacity") // AWS charges for having looked; DynamoDB Local does not
	}
	if items, ok := out["Items"].([]any); ok {
		sortTies(items)
	}
	if responses, ok := out["Responses"].(object); ok {
		for _, items := range responses {
			slices.SortFunc(items.([]any), func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	sortSets(out)
}

// sortTies sorts neighbours that have the same key in the index, which may come in any order.
func sortTies(items []any) {
	for i := 0; i < len(items); {
		end := i + 1
		due := items[i].(object)["dueAt"]
		for end < len(items) && due != nil && gocmp.Equal(items[end].(object)["dueAt"], due) {
			end++
		}
		slices.SortFunc(items[i:end], func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		i = end
	}
}

// sortSets sorts the members of sets, and takes the zeros behind the point from numbers that were computed.
func sortSets(v any) {
	switch v := v.(type) {
	case object:
		if n, ok := v["N"].(string); ok && strings.Contains(n, ".") {
			v["N"] = strings.TrimSuffix(strings.TrimRight(n, "0"), ".")
		}
		for name, member := range v {
			if set, ok := member.([]any); ok && (name == "SS" || name == "NS" || name == "BS") {
				slices.SortFunc(set, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
			sortSets(member)
		}
	case []any:
		for _, member := range v {
			sortSets(member)
		}
	}
}

var (
	pks = []string{"a", "b"}
	sks = []string{"1", "2", "2x", "é", "\U0001F600"}
)

func drawKey(t *rapid.T) object {
	return key(rapid.SampledFrom(pks).Draw(t, "pk"), rapid.SampledFrom(sks).Draw(t, "sk"))
}

var scalars = []object{
	text("x"), text("xy"), text("é"), text(""), num("0"), num("1"), num("2"), num("-1.5"), num("100"), num("0.001"), num("12345678901234567890"),
	{"BOOL": true}, {"BOOL": false}, {"NULL": true}, {"B": "eA=="}, {"B": "eHk="}, {"B": ""},
}

var sets = []object{
	{"SS": []string{"x"}}, {"SS": []string{"y", "x"}}, {"NS": []string{"1", "2"}}, {"NS": []string{"2", "-1.5"}}, {"BS": []string{"eA=="}},
}

func drawValue(t *rapid.T, depth int) object {
	choice := rapid.IntRange(0, 13).Draw(t, "kind of value")
	switch {
	case choice < 8 || depth == 0:
		return rapid.SampledFrom(scalars).Draw(t, "scalar")
	case choice < 10:
		return rapid.SampledFrom(sets).Draw(t, "set")
	case choice < 12:
		l := []object{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			l = append(l, drawValue(t, depth-1))
		}
		return object{"L": l}
	}
	m := object{}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3).Draw(t, "members") {
		m[name] = drawValue(t, depth-1)
	}
	return object{"M": m}
}

var attributes = []string{"a", "b", "n", "m", "l", "ss"}

func drawItem(t *rapid.T) object {
	item := drawKey(t)
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(attributes), 0, 4, rapid.ID).Draw(t, "attributes") {
		item[name] = drawValue(t, 2)
	}
	if rapid.Bool().Draw(t, "sharded") {
		item["shard"] = text("q")
		item["dueAt"] = num(rapid.SampledFrom([]string{"1", "2", "-3", "10"}).Draw(t, "due"))
	}
	return item
}

// expression collects what an expression that is being drawn uses.
type expression struct {
	names, values object
}

func newExpression() *expression { return &expression{object{}, object{}} }

func (e *expression) put(body object) {
	if len(e.names) > 0 {
		body["ExpressionAttributeNames"] = e.names
	}
	if len(e.values) > 0 {
		body["ExpressionAttributeValues"] = e.values
	}
}

func (e *expression) path(t *rapid.T) string {
	p := rapid.SampledFrom([]string{"a", "b", "n", "m", "l", "ss", "m.x", "m.y", "m.x.y", "l[0]", "l[1]", "l[2].x", "m.x[0]", "#k", "#k.#l",
		"dueAt", "#s", "a", "n"}).Draw(t, "path")
	for placeholder, name := range map[string]string{"#k": "a", "#l": "x", "#s": "shard"} {
		if slices.Contains(strings.FieldsFunc(p, func(r rune) bool { return r == '.' || r == '[' }), placeholder) {
			e.names[placeholder] = name
		}
	}
	return p
}

func (e *expression) literal(t *rapid.T, v object) string {
	name := fmt.Sprintf(":v%d", len(e.values))
	if rapid.IntRange(0, 60).Draw(t, "undefined") == 0 {
		return ":undefined"
	}
	e.values[name] = v
	return name
}

func (e *expression) operand(t *rapid.T) string {
	switch rapid.IntRange(0, 9).Draw(t, "operand") {
	case 0, 1, 2, 3:
		return e.path(t)
	case 4:
		return "size(" + e.path(t) + ")"
	case 5:
		return "(" + e.path(t) + ")"
	}
	return e.literal(t, drawValue(t, 1))
}

func (e *expression) condition(t *rapid.T, depth int) string {
	choice := rapid.IntRange(0, 13).Draw(t, "condition")
	if depth == 0 {
		choice = min(choice, 9)
	}
	switch choice {
	case 0, 1, 2, 3:
		return e.operand(t) + " " + rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">="}).Draw(t, "comparator") + " " + e.operand(t)
	case 4:
		return e.operand(t) + " BETWEEN " + e.operand(t) + " AND " + e.operand(t)
	case 5:
		return e.operand(t) + " IN (" + e.operand(t) + ", " + e.operand(t) + ")"
	case 6:
		return rapid.SampledFrom([]string{"attribute_exists", "attribute_not_exists"}).Draw(t, "function") + "(" + e.path(t) + ")"
	case 7:
		return "attribute_type(" + e.path(t) + ", " + e.literal(t, text(rapid.SampledFrom([]string{"S", "N", "M", "SS", "X"}).Draw(t, "type"))) + ")"
	case 8:
		return "begins_with(" + e.operand(t) + ", " + e.operand(t) + ")"
	case 9:
		return "contains(" + e.operand(t) + ", " + e.operand(t) + ")"
	case 10:
		return e.condition(t, depth-1) + " AND " + e.condition(t, depth-1)
	case 11:
		return e.condition(t, depth-1) + " OR " + e.condition(t, depth-1)
	case 12:
		return "NOT " + e.condition(t, depth-1)
	}
	return "(" + e.condition(t, depth-1) + ")"
}

func (e *expression) sum(t *rapid.T) string {
	one := func() string {
		switch rapid.IntRange(0, 7).Draw(t, "term") {
		case 0, 1, 2:
			return e.path(t)
		case 3:
			return "if_not_exists(" + e.path(t) + ", " + e.literal(t, drawValue(t, 1)) + ")"
		case 4:
			return "list_append(" + e.path(t) + ", " + e.literal(t, object{"L": []object{drawValue(t, 0)}}) + ")"
		}
		return e.literal(t, drawValue(t, 2))
	}
	switch rapid.IntRange(0, 5).Draw(t, "sum") {
	case 0:
		return one() + " + " + e.literal(t, num("1.5"))
	case 1:
		return one() + " - " + one()
	}
	return one()
}

func (e *expression) update(t *rapid.T, path func(*rapid.T) string) string {
	clauses := map[string][]string{}
	for range rapid.IntRange(1, 3).Draw(t, "clauses") {
		switch rapid.IntRange(0, 6).Draw(t, "clause") {
		case 0, 1, 2, 3:
			clauses["SET"] = append(clauses["SET"], path(t)+" = "+e.sum(t))
		case 4:
			clauses["REMOVE"] = append(clauses["REMOVE"], path(t))
		case 5:
			clauses["ADD"] = append(clauses["ADD"], path(t)+" "+e.literal(t, rapid.SampledFrom(slices.Concat([]object{num("1"), num("2.5")}, sets, scalars[:2])).Draw(t, "addend")))
		case 6:
			clauses["DELETE"] = append(clauses["DELETE"], path(t)+" "+e.literal(t, rapid.SampledFrom(slices.Concat(sets, scalars[:1])).Draw(t, "less")))
		}
	}
	var sections []string
	for _, name := range slices.Sorted(maps.Keys(clauses)) {
		sections = append(sections, name+" "+strings.Join(clauses[name], ", "))
	}
	return strings.Join(sections, " ")
}

// garble breaks an expression now and then.
func garble(t *rapid.T, s string) string {
	if s == "" || rapid.IntRange(0, 24).Draw(t, "garble") != 0 {
		return s
	}
	words := strings.SplitAfter(s, " ")
	i := rapid.IntRange(0, len(words)-1).Draw(t, "where")
	junk := rapid.SampledFrom([]string{"", "AND ", "( ", ") ", ", ", "= ", "status ", "a ", ":q ", "#q ", "$ ", "foo(a) ", "[0] ", "0"}).Draw(t, "junk")
	return strings.Join(slices.Concat(words[:i], []string{junk}, words[i+1:]), "")
}

func drawStep(t *rapid.T) step {
	switch rapid.IntRange(0, 12).Draw(t, "operation") {
	case 0, 1, 2:
		return step{"PutItem", drawWrite(t, "Put", true)}
	case 3, 4, 5:
		return step{"UpdateItem", drawWrite(t, "Update", true)}
	case 6:
		return step{"DeleteItem", drawWrite(t, "Delete", true)}
	case 7:
		return step{"GetItem", drawGet(t)}
	case 8, 9:
		return step{"Query", drawQuery(t)}
	case 10:
		return drawTransaction(t)
	case 11:
		return drawBatch(t)
	}
	return drawBadKey(t)
}

// drawBadKey has no expressions: whether they or the keys are looked at first is not the same everywhere.
func drawBadKey(t *rapid.T) step {
	bad := rapid.SampledFrom([]object{
		{"pk": text("a")}, {"pk": text("a"), "x": text("1")}, {"pk": text(""), "sk": text("1")}, {"pk": text("a"), "sk": text("")},
		{"pk": text("a"), "sk": text("1"), "shard": text("")}, {"pk": text("a"), "sk": text("1"), "shard": num("1")},
		{"pk": text("a"), "sk": text(strings.Repeat("x", 1025))}, {"pk": text(strings.Repeat("x", 2049)), "sk": text("1")},
	}).Draw(t, "bad key")
	operation := rapid.SampledFrom([]string{"GetItem", "DeleteItem", "UpdateItem", "PutItem"}).Draw(t, "operation")
	switch rapid.IntRange(0, 5).Draw(t, "other faults") {
	case 0:
		return step{"UpdateItem", object{"Key": key("a", "1"), "UpdateExpression": "SET #k = a REMOVE sk", "ExpressionAttributeNames": object{"#k": "pk"}}}
	case 1:
		twice := object{"Delete": object{"TableName": "TABLE", "Key": key("a", "1")}}
		return step{"TransactWriteItems", object{"TransactItems": []object{twice, twice}}}
	}
	if operation == "PutItem" {
		return step{operation, object{"Item": bad}}
	}
	return step{operation, object{"Key": bad}}
}

func drawWrite(t *rapid.T, kind string, alone bool) object {
	body, e := object{}, newExpression()
	values := []string{"", "NONE", "ALL_OLD"}
	switch kind {
	case "Put":
		body["Item"] = drawItem(t)
	case "Update":
		body["Key"] = drawKey(t)
		path := e.path
		if alone && rapid.Bool().Draw(t, "whole attributes") {
			path = func(t *rapid.T) string { return rapid.SampledFrom(attributes).Draw(t, "attribute") }
			values = append(values, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
		}
		body["UpdateExpression"] = garble(t, e.update(t, path))
	default:
		body["Key"] = drawKey(t)
	}
	if kind == "ConditionCheck" || rapid.IntRange(0, 2).Draw(t, "conditional") > 0 {
		body["ConditionExpression"] = garble(t, e.condition(t, 2))
		body["ReturnValuesOnConditionCheckFailure"] = rapid.SampledFrom([]string{"ALL_OLD", "NONE"}).Draw(t, "on failure")
	}
	if alone {
		body["ReturnConsumedCapacity"] = "INDEXES"
		if v := rapid.SampledFrom(values).Draw(t, "return values"); v != "" {
			body["ReturnValues"] = v
		}
	}
	e.put(body)
	return body
}

func drawGet(t *rapid.T) object {
	body, e := object{"Key": drawKey(t)}, newExpression()
	if rapid.Bool().Draw(t, "projected") {
		paths := []string{}
		for range rapid.IntRange(1, 3).Draw(t, "paths") {
			paths = append(paths, e.path(t))
		}
		body["ProjectionExpression"] = garble(t, strings.Join(paths, ", "))
	}
	e.put(body)
	return body
}

func drawQuery(t *rapid.T) object {
	body, e := object{}, newExpression()
	body["ReturnConsumedCapacity"] = "TOTAL"
	paged := true // not with a bound that is inside: DynamoDB Local says that a page is the last if it ends at the bound
	if rapid.IntRange(0, 2).Draw(t, "indexed") == 0 {
		body["IndexName"] = "due"
		e.names["#h"] = "shard"
		body["KeyConditionExpression"] = "#h = " + e.literal(t, text("q"))
		due := func() string {
			return e.literal(t, num(rapid.SampledFrom([]string{"-3", "1", "1.5", "10", "100"}).Draw(t, "due")))
		}
		switch rapid.IntRange(0, 3).Draw(t, "sort") {
		case 0:
			body["KeyConditionExpression"] = garble(t, body["KeyConditionExpression"].(string)+" AND dueAt "+rapid.SampledFrom([]string{"=", "<", "<=", ">", ">="}).Draw(t, "comparator")+" "+due())
		case 1:
			body["KeyConditionExpression"] = body["KeyConditionExpression"].(string) + " AND dueAt BETWEEN " + due() + " AND " + due()
		}
	} else {
		sk := func() string {
			return e.literal(t, text(rapid.SampledFrom(append(sks, "", "22")).Draw(t, "bound")))
		}
		condition := "pk = " + e.literal(t, text(rapid.SampledFrom(pks).Draw(t, "pk")))
		switch rapid.IntRange(0, 4).Draw(t, "sort") {
		case 0:
			comparator := rapid.SampledFrom([]string{"=", "<", "<=", ">", ">=", "<>"}).Draw(t, "comparator")
			paged = comparator != "<=" && comparator != ">="
			condition += " AND sk " + comparator + " " + sk()
		case 1:
			paged = false
			condition += " AND sk BETWEEN " + sk() + " AND " + sk()
		case 2:
			condition += " AND begins_with(sk, " + sk() + ")"
		}
		body["KeyConditionExpression"] = garble(t, condition)
		if rapid.IntRange(0, 3).Draw(t, "filtered") == 0 {
			body["FilterExpression"] = garble(t, e.condition(t, 1))
		}
		if rapid.IntRange(0, 3).Draw(t, "continued") == 0 && paged {
			body["ExclusiveStartKey"] = drawKey(t)
		}
	}
	if rapid.Bool().Draw(t, "backward") {
		body["ScanIndexForward"] = false
	}
	if rapid.IntRange(0, 3).Draw(t, "limited") == 0 && paged && body["IndexName"] == nil {
		body["Limit"] = rapid.IntRange(0, 3).Draw(t, "limit")
	}
	if rapid.IntRange(0, 5).Draw(t, "counted") == 0 {
		body["Select"] = "COUNT"
	}
	e.put(body)
	return body
}

func drawTransaction(t *rapid.T) step {
	items := []object{}
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom(sks), 1, 3, rapid.ID).Draw(t, "keys") // two actions on one item are a fault
	if rapid.IntRange(0, 3).Draw(t, "reading") == 0 {
		for _, sk := range keys {
			body := drawGet(t)
			body["Key"].(object)["sk"] = text(sk)
			body["TableName"] = "TABLE"
			items = append(items, object{"Get": body})
		}
		return step{"TransactGetItems", object{"TransactItems": items}}
	}
	for _, sk := range keys {
		kind := rapid.SampledFrom([]string{"Put", "Update", "Delete", "ConditionCheck"}).Draw(t, "action")
		body := drawWrite(t, kind, false)
		for _, place := range []string{"Item", "Key"} {
			if item, ok := body[place].(object); ok {
				item["sk"] = text(sk)
			}
		}
		body["TableName"] = "TABLE"
		items = append(items, object{kind: body})
	}
	return step{"TransactWriteItems", object{"TransactItems": items}}
}

func drawBatch(t *rapid.T) step {
	if rapid.Bool().Draw(t, "reading") {
		keys := rapid.SliceOfN(rapid.Custom(drawKey), 1, 4).Draw(t, "keys")
		return step{"BatchGetItem", object{"RequestItems": object{"TABLE": object{"Keys": keys, "ConsistentRead": true}}}}
	}
	requests := []object{}
	for range rapid.IntRange(1, 4).Draw(t, "requests") {
		if rapid.Bool().Draw(t, "put") {
			requests = append(requests, object{"PutRequest": object{"Item": drawItem(t)}})
			continue
		}
		requests = append(requests, object{"DeleteRequest": object{"Key": drawKey(t)}})
	}
	return step{"BatchWriteItem", object{"RequestItems": object{"TABLE": requests}}}
}
