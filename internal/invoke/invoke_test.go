package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

type question struct{ N int }
type reply struct{ Twice int }

func newFunction(t *testing.T, fault *aws.Fault, f func(question) (reply, error)) Function[question, reply] {
	t.Helper()
	server := httptest.NewServer(aws.New(aws.Options{
		Fault: func(string, string, *http.Request) *aws.Fault { return fault },
		Invoke: func(_ context.Context, name string, payload []byte) ([]byte, string, error) {
			var q question
			if name != "broker" || json.Unmarshal(payload, &q) != nil {
				t.Errorf("called %q with %s", name, payload)
			}
			if q.N < 0 {
				return []byte(`{"errorMessage":"signal: killed"}`), "Unhandled", nil
			}
			answer, err := json.Marshal(Wrap(f(q)))
			return answer, "", err
		},
	}))
	t.Cleanup(server.Close)
	return Function[question, reply]{Name: "broker", Client: lambda.New(lambda.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), RetryMaxAttempts: 1,
	})}
}

func TestCall(t *testing.T) {
	t.Parallel()
	told := fmt.Errorf("inside: %w", &bridge.Error{Op: "connect.Renew", Kind: bridge.Revoked, Code: "invalid_grant", Message: "Connect again.", Field: "f",
		After: 90 * time.Second, Err: errors.New("token 5Aep")})
	for name, tc := range map[string]struct {
		n     int
		fails error
		fault *aws.Fault
		want  reply
		kind  bridge.Kind
	}{
		"an answer":                       {n: 21, want: reply{42}},
		"a failure that it meant to tell": {n: 1, fails: told, kind: bridge.Revoked},
		"it was killed":                   {n: -1, kind: bridge.UnknownOutcome},
		"its answer was lost":             {n: 1, fault: &aws.Fault{DropReply: true}, kind: bridge.UnknownOutcome},
		"too many run already":            {n: 1, fault: &aws.Fault{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded."}, kind: bridge.Throttled},
		"there is no such function":       {n: 1, fault: &aws.Fault{Status: 404, Code: "ResourceNotFoundException", Message: "?"}, kind: bridge.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunction(t, tc.fault, func(q question) (reply, error) { return reply{2 * q.N}, tc.fails })
			got, err := f.Call(t.Context(), question{tc.n})
			if bridge.KindOf(err) != tc.kind || (err == nil && got != tc.want) {
				t.Errorf("Call = %+v, %v; want %+v, %s", got, err, tc.want, tc.kind)
			}
			if err != nil && strings.Contains(err.Error(), "5Aep") {
				t.Errorf("the error brings out what was inside: %v", err)
			}
		})
	}
}

func TestAFailureKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	inside := &bridge.Error{Op: "connect.Renew", Kind: bridge.Throttled, Code: "rate_limit_exceeded", Message: "Wait.", Field: "f", After: 90 * time.Second}
	encoded, err := json.Marshal(Wrap(reply{}, inside))
	if err != nil {
		t.Fatal(err)
	}
	var answer Answer[reply]
	if err := json.Unmarshal(encoded, &answer); err != nil {
		t.Fatal(err)
	}
	_, got := answer.Unwrap()
	if diff := cmp.Diff(error(inside), got); diff != "" {
		t.Errorf("failure (-sent +got):\n%s", diff)
	}
}
