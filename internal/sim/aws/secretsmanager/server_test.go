package secretsmanager_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	client "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/secretsmanager"
)

func connect(t *testing.T, server *secretsmanager.Server) *client.Client {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return client.New(client.Options{Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("tester", "secret", "")})
}

func create(t *testing.T, c *client.Client, name, value string) *client.CreateSecretOutput {
	t.Helper()
	out, err := c.CreateSecret(t.Context(), &client.CreateSecretInput{Name: &name, SecretString: &value})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCurrentAndPrevious(t *testing.T) {
	t.Parallel()
	c := connect(t, secretsmanager.New(secretsmanager.Options{}))
	made := create(t, c, "app", "one")
	for _, value := range []string{"two", "three"} {
		if _, err := c.PutSecretValue(t.Context(), &client.PutSecretValueInput{SecretId: made.ARN, SecretString: &value}); err != nil {
			t.Fatal(err)
		}
	}
	partial := (*made.ARN)[:len(*made.ARN)-7]
	for name, tc := range map[string]struct {
		in   client.GetSecretValueInput
		want string
	}{
		"by name":                        {client.GetSecretValueInput{SecretId: aws.String("app")}, "three"},
		"by ARN":                         {client.GetSecretValueInput{SecretId: made.ARN}, "three"},
		"by ARN without its random end":  {client.GetSecretValueInput{SecretId: &partial}, "three"},
		"the previous one":               {client.GetSecretValueInput{SecretId: made.ARN, VersionStage: aws.String("AWSPREVIOUS")}, "two"},
		"one without a stage, by its id": {client.GetSecretValueInput{SecretId: made.ARN, VersionId: made.VersionId}, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.GetSecretValue(t.Context(), &tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if *out.SecretString != tc.want || *out.ARN != *made.ARN || *out.Name != "app" {
				t.Errorf("got %q of %s, want %q of %s", *out.SecretString, *out.ARN, tc.want, *made.ARN)
			}
		})
	}
	seen, err := c.DescribeSecret(t.Context(), &client.DescribeSecretInput{SecretId: aws.String("app")})
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]int{}
	for _, list := range seen.VersionIdsToStages {
		for _, stage := range list {
			stages[stage]++
		}
	}
	if diff := cmp.Diff(map[string]int{"AWSCURRENT": 1, "AWSPREVIOUS": 1}, stages); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}

func TestTheSameTokenIsTheSameVersion(t *testing.T) {
	t.Parallel()
	c := connect(t, secretsmanager.New(secretsmanager.Options{}))
	create(t, c, "app", "one")
	put := func(value string) (*client.PutSecretValueOutput, error) {
		return c.PutSecretValue(t.Context(), &client.PutSecretValueInput{SecretId: aws.String("app"), SecretString: &value,
			ClientRequestToken: aws.String("00000000-0000-0000-0000-000000000001")})
	}
	first, err := put("two")
	if err != nil {
		t.Fatal(err)
	}
	again, err := put("two")
	if err != nil || *again.VersionId != *first.VersionId {
		t.Errorf("the same again: %v, want the version that is there", err)
	}
	_, err = put("three")
	var exists *types.ResourceExistsException
	if !errors.As(err, &exists) {
		t.Errorf("another value with the same token: %v, want ResourceExistsException", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := connect(t, secretsmanager.New(secretsmanager.Options{}))
	create(t, c, "app", "one")
	create(t, c, "gone", "one")
	if _, err := c.DeleteSecret(t.Context(), &client.DeleteSecretInput{SecretId: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	get := func(in client.GetSecretValueInput) func() error {
		return func() error { _, err := c.GetSecretValue(t.Context(), &in); return err }
	}
	put := func(in client.PutSecretValueInput) func() error {
		return func() error { _, err := c.PutSecretValue(t.Context(), &in); return err }
	}
	make := func(in client.CreateSecretInput) func() error {
		return func() error { _, err := c.CreateSecret(t.Context(), &in); return err }
	}
	remove := func(in client.DeleteSecretInput) func() error {
		return func() error { _, err := c.DeleteSecret(t.Context(), &in); return err }
	}
	app, gone, value := aws.String("app"), aws.String("gone"), aws.String("v")
	for name, tc := range map[string]struct {
		do            func() error
		code, message string
	}{
		"no such secret":      {get(client.GetSecretValueInput{SecretId: aws.String("nothing")}), "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		"no such version":     {get(client.GetSecretValueInput{SecretId: app, VersionId: aws.String(strings.Repeat("x", 32))}), "ResourceNotFoundException", "VersionId: xxx"},
		"no such stage":       {get(client.GetSecretValueInput{SecretId: app, VersionStage: aws.String("AWSPREVIOUS")}), "ResourceNotFoundException", "staging label: AWSPREVIOUS"},
		"reading what goes":   {get(client.GetSecretValueInput{SecretId: gone}), "InvalidRequestException", "marked for deletion"},
		"writing what goes":   {put(client.PutSecretValueInput{SecretId: gone, SecretString: value}), "InvalidRequestException", "marked for deletion"},
		"making what goes":    {make(client.CreateSecretInput{Name: gone, SecretString: value}), "InvalidRequestException", "scheduled for deletion"},
		"making what is":      {make(client.CreateSecretInput{Name: app, SecretString: value}), "ResourceExistsException", "already exists"},
		"a bad name":          {make(client.CreateSecretInput{Name: aws.String("a b"), SecretString: value}), "ValidationException", "Invalid name"},
		"text and bytes":      {make(client.CreateSecretInput{Name: aws.String("b"), SecretString: value, SecretBinary: []byte("v")}), "InvalidParameterException", "both"},
		"no value":            {put(client.PutSecretValueInput{SecretId: app}), "InvalidRequestException", "either SecretString or SecretBinary"},
		"a value too long":    {put(client.PutSecretValueInput{SecretId: app, SecretString: aws.String(strings.Repeat("x", 65537))}), "ValidationException", "65536"},
		"a token too short":   {put(client.PutSecretValueInput{SecretId: app, SecretString: value, ClientRequestToken: aws.String("short")}), "InvalidParameterException", "32-64"},
		"a window too short":  {remove(client.DeleteSecretInput{SecretId: app, RecoveryWindowInDays: aws.Int64(6)}), "InvalidParameterException", "between 7 and 30"},
		"forced and a window": {remove(client.DeleteSecretInput{SecretId: app, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)}), "InvalidParameterException", "in conjunction"},
		"own key":             {make(client.CreateSecretInput{Name: aws.String("b"), KmsKeyId: value}), "ValidationException", "KmsKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			var api smithy.APIError
			if err := tc.do(); !errors.As(err, &api) || api.ErrorCode() != tc.code || !strings.Contains(api.ErrorMessage(), tc.message) {
				t.Errorf("error = %v, want %s with %q", err, tc.code, tc.message)
			}
		})
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := connect(t, secretsmanager.New(secretsmanager.Options{Now: func() time.Time { return now }}))
	create(t, c, "app", "one")
	create(t, c, "other", "one")
	out, err := c.DeleteSecret(t.Context(), &client.DeleteSecretInput{SecretId: aws.String("app"), RecoveryWindowInDays: aws.Int64(7)})
	if err != nil || !out.DeletionDate.Equal(now.AddDate(0, 0, 7)) {
		t.Fatalf("deletion: %v, want in seven days", err)
	}
	if _, err := c.DeleteSecret(t.Context(), &client.DeleteSecretInput{SecretId: aws.String("other"), ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	create(t, c, "other", "again, at once")
	now = now.AddDate(0, 0, 7)
	create(t, c, "app", "again, after the window")
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	before := secretsmanager.New(secretsmanager.Options{})
	made := create(t, connect(t, before), "app", "one")
	snapshot, err := before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	after := secretsmanager.New(secretsmanager.Options{})
	if err := after.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if err := after.Restore([]byte(`{"Version":2}`)); err == nil {
		t.Error("a snapshot of a version to come was read")
	}
	out, err := connect(t, after).GetSecretValue(t.Context(), &client.GetSecretValueInput{SecretId: made.ARN})
	if err != nil || *out.SecretString != "one" || *out.VersionId != *made.VersionId {
		t.Errorf("after the restart: %v, want the value and the version", err)
	}
}

func TestPermissionsNameTheARN(t *testing.T) {
	t.Parallel()
	s := secretsmanager.New(secretsmanager.Options{NewSuffix: func() string { return "AbCdEf" }})
	made := create(t, connect(t, s), "app", "one")
	for name, tc := range map[string]struct{ operation, body, resource string }{
		"a name":           {"GetSecretValue", `{"SecretId":"app"}`, *made.ARN},
		"an ARN":           {"GetSecretValue", `{"SecretId":"` + *made.ARN + `"}`, *made.ARN},
		"one that is not":  {"GetSecretValue", `{"SecretId":"nothing"}`, "arn:aws:secretsmanager:us-east-1:000000000000:secret:nothing"},
		"one to be made":   {"CreateSecret", `{"Name":"new"}`, "arn:aws:secretsmanager:us-east-1:000000000000:secret:new"},
		"an ARN of no use": {"GetSecretValue", `{"SecretId":"arn:aws:secretsmanager:us-east-1:000000000000:secret:x-123456"}`, "arn:aws:secretsmanager:us-east-1:000000000000:secret:x-123456"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.Permissions(tc.operation, []byte(tc.body))
			if len(got) != 1 || got[0].Action != "secretsmanager:"+tc.operation || got[0].Resource != tc.resource {
				t.Errorf("permissions = %v, want %s", got, tc.resource)
			}
		})
	}
}
