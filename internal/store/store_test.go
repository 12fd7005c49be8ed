package store

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/referralbridge/referralbridge/internal/bridge"
	emulator "github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
)

// newStore returns a store in a fresh table: in the embedded emulator, or in the DynamoDB that
// DYNAMODB_ENDPOINT names.
func newStore(t *testing.T) *Store {
	t.Helper()
	endpoint := os.Getenv("DYNAMODB_ENDPOINT")
	if endpoint == "" {
		server := httptest.NewServer(emulator.New(emulator.Options{}))
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	db := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	table := fmt.Sprintf("test-%d-%d", time.Now().UnixNano(), tables.Add(1))
	if err := provisioned.Table(t.Context(), db, table); err != nil {
		t.Fatalf("create table: %v", err)
	}
	sealer := reversing{}
	return New(db, table, sealer).WithRefreshTokens(sealer)
}

var tables atomic.Int64

// reversing is a Sealer that hides nothing and ties everything to its place, so that a test can look
// for plain text in the table and for a ciphertext in the wrong one.
type reversing struct{}

func (reversing) Seal(_ context.Context, plain bridge.Secret, associated string) ([]byte, error) {
	return []byte(associated + "\x00" + reverse(plain.Reveal())), nil
}

func (reversing) Open(_ context.Context, sealed []byte, associated string) (bridge.Secret, error) {
	text, found := strings.CutPrefix(string(sealed), associated+"\x00")
	if !found {
		return bridge.Secret{}, bridge.E("test.Open", bridge.Internal, fmt.Errorf("sealed for another place"))
	}
	return bridge.NewSecret(reverse(text)), nil
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
