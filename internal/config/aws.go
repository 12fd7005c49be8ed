package config

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// AWS returns how to reach AWS from a Lambda: region, credentials and endpoints come from the environment, by the names that
// the SDK's own loader reads. That loader also knows shared files, single sign-on, roles and instance metadata; none of
// them is there in a Lambda, and leaving them out makes every function half a megabyte smaller and quicker to start.
func (e *Env) AWS() aws.Config {
	credentials := aws.Credentials{
		AccessKeyID: e.Need("AWS_ACCESS_KEY_ID"), SecretAccessKey: e.Need("AWS_SECRET_ACCESS_KEY"), SessionToken: e.Optional("AWS_SESSION_TOKEN"),
		Source: "environment",
	}
	c := aws.Config{
		Region: e.Need("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil // Lambda gives a new process new ones
		}),
		ConfigSources: []any{endpoints{e}},
	}
	if origin := e.Optional("AWS_ENDPOINT_URL"); origin != "" {
		c.BaseEndpoint = &origin
	}
	return c
}

// endpoints are those of single services, such as AWS_ENDPOINT_URL_SECRETS_MANAGER.
type endpoints struct{ env *Env }

// GetServiceBaseEndpoint is what the SDK's clients ask for theirs.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	origin := e.env.Optional("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return origin, origin != "", nil
}
