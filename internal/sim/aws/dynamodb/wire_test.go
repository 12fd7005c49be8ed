package dynamodb_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
)

// reference is the address of another DynamoDB to compare with, such as AWS's DynamoDB Local, or empty.
var reference = os.Getenv("DYNAMODB_ENDPOINT")

// emulator serves a new server and returns its address.
func emulator(t testing.TB, o dynamodb.Options) (string, *dynamodb.Server) {
	t.Helper()
	s := dynamodb.New(o)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return web.URL, s
}

// call sends one request and returns the decoded answer. An error has a member __type.
func call(t fataler, endpoint, operation string, body any) map[string]any {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return callRaw(t, endpoint, operation, b)
}

// fataler is what testing.T and rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func callRaw(t fataler, endpoint, operation string, body []byte) map[string]any {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00")
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	defer w.Body.Close()
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	var out map[string]any
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("%s: %v in %s", operation, err, answer)
	}
	if _, failed := out["__type"]; failed != (w.StatusCode >= 400) {
		t.Fatalf("%s: status %d with %s", operation, w.StatusCode, answer)
	}
	return out
}

type object = map[string]any

// bridgeTable is the definition of a table like the one that this project deploys.
func bridgeTable(name string) object {
	return object{
		"TableName":   name,
		"BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []object{
			{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
			{"AttributeName": "shard", "AttributeType": "S"}, {"AttributeName": "dueAt", "AttributeType": "N"},
		},
		"KeySchema": []object{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}},
		"GlobalSecondaryIndexes": []object{{
			"IndexName":  "due",
			"KeySchema":  []object{{"AttributeName": "shard", "KeyType": "HASH"}, {"AttributeName": "dueAt", "KeyType": "RANGE"}},
			"Projection": object{"ProjectionType": "KEYS_ONLY"},
		}},
	}
}

func text(s string) object { return object{"S": s} }

func num(s string) object { return object{"N": s} }

func key(pk, sk string) object { return object{"pk": text(pk), "sk": text(sk)} }
