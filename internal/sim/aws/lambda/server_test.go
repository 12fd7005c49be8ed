package lambda_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/referralbridge/referralbridge/internal/sim/aws/lambda"
)

// functions are those of the tests.
func functions(_ context.Context, name string, payload []byte) ([]byte, string, error) {
	switch name {
	case "echo":
		return payload, "", nil
	case "broken":
		return []byte(`{"errorMessage":"no","errorType":"errorString"}`), "Unhandled", nil
	case "busy":
		return nil, "", fmt.Errorf("all of them work: %w", lambda.ErrThrottled)
	case "lost":
		return nil, "", errors.New("no machine")
	case "loud":
		return bytes.Repeat([]byte(" "), 6<<20+1), "", nil
	}
	return nil, "", lambda.ErrNotFound
}

func connect(t *testing.T) *client.Client {
	t.Helper()
	web := httptest.NewServer(lambda.New(lambda.Options{Invoke: functions, Alias: "live"}))
	t.Cleanup(web.Close)
	return client.New(client.Options{Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("tester", "secret", "")})
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	c := connect(t)
	for name, tc := range map[string]struct {
		in            client.InvokeInput
		payload       string
		functionError string
	}{
		"by name":               {client.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(`{"a":1}`)}, `{"a":1}`, ""},
		"by ARN":                {client.InvokeInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:echo"), Payload: []byte(`1`)}, `1`, ""},
		"by part of an ARN":     {client.InvokeInput{FunctionName: aws.String("000000000000:function:echo"), Payload: []byte(`2`)}, `2`, ""},
		"the version there is":  {client.InvokeInput{FunctionName: aws.String("echo"), Qualifier: aws.String("$LATEST"), Payload: []byte(`3`)}, `3`, ""},
		"by alias":              {client.InvokeInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:echo:live"), Payload: []byte(`4`)}, `4`, ""},
		"nothing is an object":  {client.InvokeInput{FunctionName: aws.String("echo")}, `{}`, ""},
		"a function that fails": {client.InvokeInput{FunctionName: aws.String("broken")}, `{"errorMessage":"no","errorType":"errorString"}`, "Unhandled"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.Invoke(t.Context(), &tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if string(out.Payload) != tc.payload || aws.ToString(out.FunctionError) != tc.functionError || out.StatusCode != 200 || *out.ExecutedVersion != "$LATEST" {
				t.Errorf("answer %s, error %q, status %d; want %s, %q, 200", out.Payload, aws.ToString(out.FunctionError), out.StatusCode, tc.payload, tc.functionError)
			}
		})
	}
}

func TestAnAnswerTooLargeIsAFailureOfTheFunction(t *testing.T) {
	t.Parallel()
	out, err := connect(t).Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("loud")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.FunctionError) != "Unhandled" || !strings.Contains(string(out.Payload), "Function.ResponseSizeTooLarge") {
		t.Errorf("answer %.100s, error %q; want Function.ResponseSizeTooLarge", out.Payload, aws.ToString(out.FunctionError))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := connect(t)
	for name, tc := range map[string]struct {
		in            client.InvokeInput
		code, message string
	}{
		"no such function": {client.InvokeInput{FunctionName: aws.String("nothing")}, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nothing"},
		"no such version":  {client.InvokeInput{FunctionName: aws.String("echo"), Qualifier: aws.String("7")}, "ResourceNotFoundException", "function:echo:7"},
		"a bad name":       {client.InvokeInput{FunctionName: aws.String("a b")}, "ValidationException", "functionName"},
		"too many at once": {client.InvokeInput{FunctionName: aws.String("busy")}, "TooManyRequestsException", "Rate Exceeded."},
		"no machine":       {client.InvokeInput{FunctionName: aws.String("lost")}, "ServiceException", "no machine"},
		"no JSON":          {client.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte("hello")}, "InvalidRequestContentException", "json"},
		"too large":        {client.InvokeInput{FunctionName: aws.String("echo"), Payload: bytes.Repeat([]byte("1"), 6<<20+1)}, "RequestTooLargeException", "6291456"},
		"without waiting":  {client.InvokeInput{FunctionName: aws.String("echo"), InvocationType: types.InvocationTypeEvent}, "InvalidParameterValueException", "Event"},
		"with its log":     {client.InvokeInput{FunctionName: aws.String("echo"), LogType: types.LogTypeTail}, "InvalidParameterValueException", "Tail"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Invoke(t.Context(), &tc.in)
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != tc.code || !strings.Contains(api.ErrorMessage(), tc.message) {
				t.Errorf("error = %v, want %s with %q", err, tc.code, tc.message)
			}
		})
	}
	var throttled *types.TooManyRequestsException
	if _, err := c.Invoke(t.Context(), &client.InvokeInput{FunctionName: aws.String("busy")}); !errors.As(err, &throttled) || throttled.Reason == "" {
		t.Errorf("error = %v, want TooManyRequestsException with its reason", err)
	}
}

func TestOtherOperationsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := connect(t).GetFunction(t.Context(), &client.GetFunctionInput{FunctionName: aws.String("echo")})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "UnknownOperationException" {
		t.Errorf("GetFunction: %v, want UnknownOperationException", err)
	}
}
