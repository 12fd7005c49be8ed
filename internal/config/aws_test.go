package config

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func TestAWSIsFoundByTheEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"} {
		t.Setenv(name, "") // the SDK looks there too
	}
	lambda := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"}
	everywhere := map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
	one := map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:2"}
	for name, tc := range map[string]struct {
		variables     []map[string]string
		table, secret string
		missing       bool
	}{
		"in a Lambda":                     {variables: []map[string]string{lambda}},
		"with another AWS":                {variables: []map[string]string{lambda, everywhere}, table: "http://127.0.0.1:1", secret: "http://127.0.0.1:1"},
		"with one other service":          {variables: []map[string]string{lambda, one}, secret: "http://127.0.0.1:2"},
		"with another AWS and one more":   {variables: []map[string]string{lambda, everywhere, one}, table: "http://127.0.0.1:1", secret: "http://127.0.0.1:2"},
		"nowhere, which is said at start": {missing: true},
	} {
		t.Run(name, func(t *testing.T) {
			variables := map[string]string{}
			for _, some := range tc.variables {
				for name, value := range some {
					variables[name] = value
					t.Setenv(name, value)
				}
			}
			env := Env{Lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok }}
			c := env.AWS()
			if (env.Err() != nil) != tc.missing {
				t.Fatalf("Err() = %v", env.Err())
			}
			if tc.missing {
				return
			}
			credentials, err := c.Credentials.Retrieve(t.Context())
			if err != nil || credentials.AccessKeyID != "id" || credentials.SecretAccessKey != "key" || credentials.SessionToken != "token" {
				t.Errorf("the credentials are not those of the environment, %v", err)
			}
			if got := aws.ToString(dynamodb.NewFromConfig(c).Options().BaseEndpoint); got != tc.table {
				t.Errorf("DynamoDB is at %q, want %q", got, tc.table)
			}
			if got := aws.ToString(secretsmanager.NewFromConfig(c).Options().BaseEndpoint); got != tc.secret {
				t.Errorf("Secrets Manager is at %q, want %q", got, tc.secret)
			}
		})
	}
}
