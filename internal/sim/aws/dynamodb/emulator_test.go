package dynamodb_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
)

// The tests in this file are of what only the emulator has.

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// must is call for what may not fail.
func must(t *testing.T, endpoint, operation string, body any) object {
	t.Helper()
	out := call(t, endpoint, operation, body)
	if out["__type"] != nil {
		t.Fatalf("%s: %v %v", operation, out["__type"], out["message"])
	}
	return out
}

func TestUnits(t *testing.T) {
	t.Parallel()
	kilobytes := func(n int) object { return text(strings.Repeat("x", n<<10)) }
	due := func(pk, sk, at string, more object) object {
		item := key(pk, sk)
		item["shard"], item["dueAt"], item["x"] = text("q"), num(at), more
		return item
	}
	put := func(item object) func(string) object {
		return func(table string) object { return object{"TableName": table, "Item": item} }
	}
	for name, tc := range map[string]struct {
		operation   string
		body        func(table string) object
		read, write float64
	}{
		"a small item":                                  {"PutItem", put(key("a", "1")), 0, 1},
		"a KB and a bit":                                {"PutItem", put(object{"pk": text("a"), "sk": text("1"), "x": kilobytes(1)}), 0, 2},
		"smaller than what it replaces":                 {"PutItem", put(key("a", "large")), 0, 4},
		"a new entry of an index":                       {"PutItem", put(due("a", "1", "1", text("x"))), 0, 2},
		"an entry that moves in the index":              {"PutItem", put(due("a", "due", "2", text("x"))), 0, 3},
		"an entry that the index shows in the same way": {"PutItem", put(due("a", "due", "1", text("y"))), 0, 1},
		"a condition that fails on a large item": {"DeleteItem", func(table string) object {
			return object{"TableName": table, "Key": key("a", "large"), "ConditionExpression": "attribute_not_exists(pk)"}
		}, 0, 4},
		"a deletion with its entry": {"DeleteItem", func(table string) object { return object{"TableName": table, "Key": key("a", "due")} }, 0, 2},
		"a transaction": {"TransactWriteItems", func(table string) object {
			return object{"TransactItems": []object{
				{"Put": object{"TableName": table, "Item": due("a", "1", "1", text("x"))}},
				{"ConditionCheck": object{"TableName": table, "Key": key("a", "large"), "ConditionExpression": "attribute_exists(pk)"}},
			}}
		}, 0, 2*2 + 2*4},
		"a transaction that is cancelled": {"TransactWriteItems", func(table string) object {
			return object{"TransactItems": []object{
				{"Put": object{"TableName": table, "Item": key("a", "1")}},
				{"ConditionCheck": object{"TableName": table, "Key": key("a", "large"), "ConditionExpression": "attribute_not_exists(pk)"}},
			}}
		}, 0, 2*1 + 2*4},
		"a batch": {"BatchWriteItem", func(table string) object {
			return object{"RequestItems": object{table: []object{{"PutRequest": object{"Item": key("a", "1")}}, {"DeleteRequest": object{"Key": key("a", "due")}}}}}
		}, 0, 1 + 2},
		"an eventual read": {"GetItem", func(table string) object { return object{"TableName": table, "Key": key("a", "large")} }, 0.5, 0},
		"a consistent read": {"GetItem", func(table string) object {
			return object{"TableName": table, "Key": key("a", "due"), "ConsistentRead": true}
		}, 1, 0},
		"a read of nothing": {"GetItem", func(table string) object { return object{"TableName": table, "Key": key("no", "no")} }, 0.5, 0},
		"reads in a transaction": {"TransactGetItems", func(table string) object {
			return object{"TransactItems": []object{{"Get": object{"TableName": table, "Key": key("a", "due")}}, {"Get": object{"TableName": table, "Key": key("no", "no")}}}}
		}, 4, 0},
		"a query of both, together over 4 KB": {"Query", func(table string) object {
			return object{"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": object{":p": text("a")}, "ConsistentRead": true}
		}, 2, 0},
		"a request that is refused": {"PutItem", put(object{"pk": text("a")}), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, s := emulator(t, dynamodb.Options{})
			table := newTable(t, endpoint)
			must(t, endpoint, "PutItem", object{"TableName": table, "Item": object{"pk": text("a"), "sk": text("large"), "x": text(strings.Repeat("x", 4<<10-20))}})
			must(t, endpoint, "PutItem", object{"TableName": table, "Item": due("a", "due", "1", text("x"))})
			s.ResetUnits()
			call(t, endpoint, tc.operation, tc.body(table))
			want := dynamodb.Units{Read: tc.read, Write: tc.write, Requests: map[string]int{tc.operation: 1}}
			if diff := gocmp.Diff(want, s.Units()); diff != "" {
				t.Errorf("units (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientRequestToken(t *testing.T) {
	t.Parallel()
	c := newClock()
	endpoint, s := emulator(t, dynamodb.Options{Now: c.Now})
	table := newTable(t, endpoint)
	add := func(n string) object {
		return call(t, endpoint, "TransactWriteItems", object{"ClientRequestToken": "token", "ReturnConsumedCapacity": "TOTAL", "TransactItems": []object{{"Update": object{
			"TableName": table, "Key": key("a", "1"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": object{":n": num(n)}}}}})
	}
	total := func() string {
		out := must(t, endpoint, "GetItem", object{"TableName": table, "Key": key("a", "1")})
		return out["Item"].(object)["n"].(object)["N"].(string)
	}
	add("1")
	s.ResetUnits()
	if again := add("1"); total() != "1" || s.Units().Write != 0 || again["__type"] != nil {
		t.Errorf("the same again: total %s, write units %v, answer %v; want nothing done", total(), s.Units().Write, again)
	}
	if other := add("2"); other["__type"] != "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException" || total() != "1" {
		t.Errorf("another with the same token: total %s, answer %v; want it refused", total(), other)
	}
	saved, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(saved); err != nil {
		t.Fatal(err)
	}
	c.advance(10*time.Minute - time.Second)
	if add("1"); total() != "1" {
		t.Errorf("total just before the token ends = %s, want 1", total())
	}
	c.advance(time.Second)
	if add("2"); total() != "3" {
		t.Errorf("total after the token ended = %s, want 3", total())
	}
}

func TestExpireNow(t *testing.T) {
	t.Parallel()
	c := newClock()
	endpoint, s := emulator(t, dynamodb.Options{Now: c.Now})
	table := newTable(t, endpoint)
	must(t, endpoint, "UpdateTimeToLive", object{"TableName": table, "TimeToLiveSpecification": object{"AttributeName": "expires", "Enabled": true}})
	at := func(d time.Duration) object { return num(strconv.FormatInt(c.Now().Add(d).Unix(), 10)) }
	for sk, expires := range map[string]object{"past": at(-time.Second), "now": at(0), "future": at(time.Hour), "never": num("0"), "text": text("1")} {
		item := key("a", sk)
		item["expires"], item["shard"], item["dueAt"] = expires, text("q"), num("1")
		must(t, endpoint, "PutItem", object{"TableName": table, "Item": item})
	}
	left := func(query object) []string {
		query["TableName"] = table
		var sks []string
		for _, item := range pages(t, endpoint, query) {
			sks = append(sks, item.(object)["sk"].(object)["S"].(string))
		}
		slices.Sort(sks)
		return sks
	}
	all := func() []string {
		return left(object{"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": object{":p": text("a")}})
	}
	indexed := func() []string {
		return left(object{"IndexName": "due", "KeyConditionExpression": "#s = :p", "ExpressionAttributeNames": object{"#s": "shard"}, "ExpressionAttributeValues": object{":p": text("q")}})
	}
	if got := all(); len(got) != 5 {
		t.Errorf("before the sweep there are %v, want all five", got)
	}
	if n := s.ExpireNow(); n != 1 {
		t.Errorf("expired = %d, want 1", n)
	}
	want := []string{"future", "never", "now", "text"}
	if got := all(); !slices.Equal(got, want) {
		t.Errorf("left = %v, want %v", got, want)
	}
	if got := indexed(); !slices.Equal(got, want) {
		t.Errorf("left in the index = %v, want %v", got, want)
	}
	c.advance(2 * time.Hour)
	if n := s.ExpireNow(); n != 2 {
		t.Errorf("expired two hours later = %d, want 2", n)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	c := newClock()
	endpoint, from := emulator(t, dynamodb.Options{Now: c.Now})
	table := newTable(t, endpoint)
	must(t, endpoint, "UpdateTimeToLive", object{"TableName": table, "TimeToLiveSpecification": object{"AttributeName": "expires", "Enabled": true}})
	for i := range 50 {
		item := key("a", strconv.Itoa(i))
		item["shard"], item["dueAt"], item["b"] = text("q"), num(strconv.Itoa(-i)), object{"BS": []string{"AA==", "/w=="}}
		item["m"] = object{"M": object{"<é\u2028>": object{"L": []object{{"NULL": true}, {"BOOL": false}, num("1e-130"), text("")}}}}
		must(t, endpoint, "PutItem", object{"TableName": table, "Item": item})
	}
	saved, err := from.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, to := emulator(t, dynamodb.Options{Now: c.Now})
	if err := to.Restore(saved); err != nil {
		t.Fatal(err)
	}
	for _, request := range []struct {
		operation string
		body      object
	}{
		{"ListTables", object{}},
		{"DescribeTable", object{"TableName": table}},
		{"DescribeTimeToLive", object{"TableName": table}},
		{"Query", object{"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": object{":p": text("a")}}},
		{"Query", object{"TableName": table, "IndexName": "due", "KeyConditionExpression": "#s = :p", "ExpressionAttributeNames": object{"#s": "shard"}, "ExpressionAttributeValues": object{":p": text("q")}}},
	} {
		if diff := gocmp.Diff(must(t, endpoint, request.operation, request.body), must(t, elsewhere, request.operation, request.body)); diff != "" {
			t.Errorf("%s (-saved +restored):\n%s", request.operation, diff)
		}
	}
	for name, broken := range map[string]string{
		"no JSON":         "{",
		"another version": `{"Version":2}`,
		"a broken table":  `{"Version":1,"Tables":[{"Definition":{"TableName":"some","BillingMode":"PAY_PER_REQUEST"}}]}`,
		"a broken item":   strings.Replace(string(saved), `"pk":{"S":"a"}`, `"pk":{"N":"a"}`, 1),
	} {
		if err := to.Restore([]byte(broken)); err == nil {
			t.Errorf("%s was restored", name)
		}
	}
	if again, err := to.Snapshot(); err != nil || string(again) != string(saved) {
		t.Errorf("the snapshot after refused ones differs from the first (%v)", err)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	endpoint, _ := emulator(t, dynamodb.Options{Now: newClock().Now})
	create := func(change func(object)) object {
		definition := bridgeTable("bridge")
		change(definition)
		return call(t, endpoint, "CreateTable", definition)
	}
	for name, tc := range map[string]struct {
		change func(object)
		fails  string
	}{
		"a short name":           {func(d object) { d["TableName"] = "no" }, "between 3 and 255 characters"},
		"provisioned":            {func(d object) { d["BillingMode"] = "PROVISIONED" }, "PAY_PER_REQUEST"},
		"a stream":               {func(d object) { d["StreamSpecification"] = object{"StreamEnabled": true} }, "the parameter StreamSpecification"},
		"an undefined attribute": {func(d object) { d["AttributeDefinitions"] = []object{{"AttributeName": "pk", "AttributeType": "S"}} }, "not defined in AttributeDefinitions"},
		"an unused attribute":    {func(d object) { delete(d, "GlobalSecondaryIndexes") }, "Some AttributeDefinitions are not used"},
		"a key of another type":  {func(d object) { d["AttributeDefinitions"].([]object)[0]["AttributeType"] = "BOOL" }, "enum value set: [B, N, S]"},
		"a sort key alone":       {func(d object) { d["KeySchema"] = []object{{"AttributeName": "pk", "KeyType": "RANGE"}} }, "not a HASH key"},
		"two hash keys":          {func(d object) { d["KeySchema"].([]object)[1]["KeyType"] = "HASH" }, "not a RANGE key"},
		"one attribute twice":    {func(d object) { d["KeySchema"].([]object)[1]["AttributeName"] = "pk" }, "have the same name"},
		"an index of nothing":    {func(d object) { d["GlobalSecondaryIndexes"].([]object)[0]["Projection"] = object{} }, "Unknown ProjectionType"},
		"an index of nothing more": {func(d object) {
			d["GlobalSecondaryIndexes"].([]object)[0]["Projection"] = object{"ProjectionType": "INCLUDE"}
		}, "NonKeyAttributes is not specified"},
	} {
		t.Run(name, func(t *testing.T) {
			if out := create(tc.change); out["__type"] == nil || !strings.Contains(out["message"].(string), tc.fails) {
				t.Errorf("answer = %v, want a failure about %q", out, tc.fails)
			}
		})
	}
	created := create(func(d object) {
		d["DeletionProtectionEnabled"], d["SSESpecification"] = true, object{"Enabled": true}
	})["TableDescription"].(object)
	described := must(t, endpoint, "DescribeTable", object{"TableName": "bridge"})["Table"]
	if diff := gocmp.Diff(any(created), described); diff != "" {
		t.Errorf("table (-created +described):\n%s", diff)
	}
	if arn := created["TableArn"]; arn != "arn:aws:dynamodb:us-east-1:000000000000:table/bridge" {
		t.Errorf("ARN = %v", arn)
	}
	if again := create(func(object) {}); again["__type"] != "com.amazonaws.dynamodb.v20120810#ResourceInUseException" {
		t.Errorf("created again: %v", again)
	}
	if out := call(t, endpoint, "DeleteTable", object{"TableName": "bridge"}); !strings.Contains(out["message"].(string), "protected against deletion") {
		t.Errorf("deletion of a protected table: %v", out)
	}
	must(t, endpoint, "UpdateContinuousBackups", object{"TableName": "bridge", "PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true}})
	for _, name := range []string{"b-1", "b-2", "b-3"} {
		must(t, endpoint, "CreateTable", bridgeTable(name))
	}
	must(t, endpoint, "DeleteTable", object{"TableName": "b-2"})
	first := must(t, endpoint, "ListTables", object{"Limit": 2})
	second := must(t, endpoint, "ListTables", object{"Limit": 2, "ExclusiveStartTableName": first["LastEvaluatedTableName"]})
	got := append(first["TableNames"].([]any), second["TableNames"].([]any)...)
	if want := []any{"b-1", "b-3", "bridge"}; !slices.Equal(got, want) || second["LastEvaluatedTableName"] != nil {
		t.Errorf("tables = %v, want %v", got, want)
	}
}

func TestBatchReadsUpTo16MB(t *testing.T) {
	t.Parallel()
	endpoint, _ := emulator(t, dynamodb.Options{})
	table := newTable(t, endpoint)
	var keys []object
	for i := range 50 {
		item := key("a", strconv.Itoa(i))
		keys = append(keys, key("a", strconv.Itoa(i)))
		item["x"] = text(strings.Repeat("x", 390<<10))
		must(t, endpoint, "PutItem", object{"TableName": table, "Item": item})
	}
	wanted := object{table: object{"Keys": keys, "ProjectionExpression": "#k", "ExpressionAttributeNames": object{"#k": "sk"}}}
	var got int
	for rounds := 1; len(wanted) > 0; rounds++ {
		out := must(t, endpoint, "BatchGetItem", object{"RequestItems": wanted})
		got += len(out["Responses"].(object)[table].([]any))
		if wanted = out["UnprocessedKeys"].(object); rounds == 1 && len(wanted) != 1 || rounds > 2 {
			t.Fatalf("round %d leaves %v", rounds, wanted)
		}
	}
	if got != len(keys) {
		t.Errorf("items = %d, want %d", got, len(keys))
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	const bridge = "arn:aws:dynamodb:us-east-1:000000000000:table/bridge"
	for name, tc := range map[string]struct {
		operation, body string
		want            []dynamodb.Permission
	}{
		"an item":             {"PutItem", `{"TableName":"bridge"}`, []dynamodb.Permission{{"dynamodb:PutItem", bridge}}},
		"a query":             {"Query", `{"TableName":"bridge"}`, []dynamodb.Permission{{"dynamodb:Query", bridge}}},
		"a query of an index": {"Query", `{"TableName":"bridge","IndexName":"due"}`, []dynamodb.Permission{{"dynamodb:Query", bridge + "/index/due"}}},
		"a batch":             {"BatchWriteItem", `{"RequestItems":{"bridge":[],"other":[]}}`, []dynamodb.Permission{{"dynamodb:BatchWriteItem", bridge}, {"dynamodb:BatchWriteItem", strings.Replace(bridge, "bridge", "other", 1)}}},
		"a transaction": {"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"bridge"}},{"ConditionCheck":{"TableName":"bridge"}},{"Put":{"TableName":"bridge"}}]}`,
			[]dynamodb.Permission{{"dynamodb:ConditionCheckItem", bridge}, {"dynamodb:PutItem", bridge}}},
		"a transaction that reads": {"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"bridge"}}]}`, []dynamodb.Permission{{"dynamodb:GetItem", bridge}}},
		"no resource":              {"ListTables", `{}`, []dynamodb.Permission{{"dynamodb:ListTables", "*"}}},
		"no JSON":                  {"PutItem", `{`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := gocmp.Diff(tc.want, dynamodb.Permissions("DynamoDB_20120810."+tc.operation, []byte(tc.body))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	endpoint, _ := emulator(t, dynamodb.Options{})
	w, err := http.Get(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	w.Body.Close()
	if w.StatusCode != http.StatusBadRequest {
		t.Errorf("status of GET = %d, want 400", w.StatusCode)
	}
	for name, body := range map[string]string{"no JSON": "{", "more than JSON": "{}{}", "an array": "[]", "a string": `"x"`, "nothing": ""} {
		if out := callRaw(t, endpoint, "GetItem", []byte(body)); out["__type"] != "com.amazon.coral.service#SerializationException" {
			t.Errorf("%s: %v, want SerializationException", name, out)
		}
	}
}

func TestEveryItemOperationRefusesToWrite(t *testing.T) {
	t.Parallel()
	endpoint, s := emulator(t, dynamodb.Options{})
	table := newTable(t, endpoint)
	before, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	item := key("a", "1")
	bad := key("a", "")
	for name, request := range map[string]struct {
		operation string
		body      object
	}{
		"a batch with one bad item": {"BatchWriteItem", object{"RequestItems": object{table: []object{{"PutRequest": object{"Item": item}}, {"PutRequest": object{"Item": bad}}}}}},
		"a transaction with one bad item": {"TransactWriteItems", object{"TransactItems": []object{
			{"Put": object{"TableName": table, "Item": item}}, {"Put": object{"TableName": table, "Item": bad}}}}},
		"a transaction with a failed condition": {"TransactWriteItems", object{"TransactItems": []object{
			{"Put": object{"TableName": table, "Item": item}}, {"ConditionCheck": object{"TableName": table, "Key": key("b", "1"), "ConditionExpression": "attribute_exists(pk)"}}}}},
		"an update whose condition fails": {"UpdateItem", object{"TableName": table, "Key": item, "UpdateExpression": "SET n = n", "ConditionExpression": "attribute_exists(pk)"}},
		"an update that fails":            {"UpdateItem", object{"TableName": table, "Key": item, "UpdateExpression": "SET n = n"}},
	} {
		if out := call(t, endpoint, request.operation, request.body); out["__type"] == nil {
			t.Errorf("%s: %v, want an error", name, out)
		}
	}
	if after, err := s.Snapshot(); err != nil || string(after) != string(before) {
		t.Errorf("something was written (%v): %s", err, after)
	}
}
