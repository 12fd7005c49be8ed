package dynamodb

import (
	"encoding/json"
	"testing"
)

// FuzzExpressions wants that no text makes a parser panic, and that what it accepts can be evaluated.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"a = :v AND (b.c[1] <> #n OR NOT attribute_exists(d))", "a BETWEEN :v AND :w", "size(a) IN (:v, :w)", "contains(a, :v)", "((a) = b",
		"SET a = if_not_exists(b, :v) + :w, c[3].d = list_append(e, :l) REMOVE f ADD g :w DELETE h :s", "SET a = (b - :w)", "a, b.c[0], #n", "pk = :v AND begins_with(sk, :v)",
		"", " ", "(", ")", ":", "#", "a[", "a.", "\xff", "NOT", "SET", "size(", "a[99999999999999999999]",
	} {
		f.Add(seed)
	}
	one, _ := parseDecimal("1")
	strings, _ := newSet("S", []value{text("x")})
	with := expressions{
		ExpressionAttributeNames:  map[string]string{"#n": "n"},
		ExpressionAttributeValues: literals{":v": text("x"), ":w": number{one}, ":l": list{text("y")}, ":s": strings},
	}
	item := document{"pk": text("p"), "a": text("xyz"), "b": document{"c": list{number{one}, text("x")}}, "g": number{one}, "h": strings}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := with.substitutions("", &source)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := parse("ConditionExpression", &source, s, conditionRule); err == nil {
			c.holds(item)
			c.holds(nil)
			if k, err := newKeyCondition(c); err == nil {
				k.bounds(keySchema{keyAttribute{"pk", "S"}, keyAttribute{"sk", "S"}})
			}
		}
		if u, err := parse("UpdateExpression", &source, s, updateRule); err == nil {
			before, _ := json.Marshal(item)
			if changed, err := u.apply(item); err == nil {
				changed.project(u.paths)
			}
			if after, _ := json.Marshal(item); string(after) != string(before) {
				t.Errorf("%q changed the old item from %s to %s", source, before, after)
			}
		}
		if paths, err := parse("ProjectionExpression", &source, s, projection); err == nil {
			item.project(paths)
		}
	})
}

// FuzzItem wants that an item which is accepted is written as it is read.
func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"S":"x"},"b":{"N":"-1.5e3"},"c":{"B":"AA=="},"d":{"BOOL":true},"e":{"NULL":true}}`, `{"a":{"L":[{"M":{"b":{"SS":["y","x"]}}},{"NS":["2","1"]},{"BS":["AA==","AQ=="]}]}}`,
		`{}`, `{"":{"S":""}}`, `{"a":{"S":"\ud800"}}`, `{"a":{}}`, `{"a":null}`, `[]`, `{"a":{"S":1}}`, `{"a":{"N":"1e400"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second struct{ Item document }
		if decode([]byte(`{"Item":`+string(body)+`}`), &first) != nil || first.Item == nil {
			return
		}
		written, err := first.Item.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := decode([]byte(`{"Item":`+string(written)+`}`), &second); err != nil {
			t.Fatalf("%s was written as %s: %v", body, written, err)
		}
		if !equal(first.Item, second.Item) || first.Item.itemSize() != second.Item.itemSize() {
			t.Errorf("%s was written as %s", body, written)
		}
	})
}
