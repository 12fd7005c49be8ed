package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
)

// settings are what the environment says.
type settings struct {
	table, appSecret, brokerSecret, clientID string
	rescuePrefix                             string
	rest                                     time.Duration
	hosts                                    salesforce.Hosts
}

// broker puts the broker together. It makes no request yet.
func (s settings) broker(cloud aws.Config) *connect.Broker {
	manager := secretsmanager.NewFromConfig(cloud)
	own := &secrets.Reader{Client: manager, ID: s.brokerSecret}
	data := secrets.DataKeys(&secrets.Reader{Client: manager, ID: s.appSecret})
	ring := secrets.RefreshKeys(own)
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, data).WithRefreshTokens(ring)
	return &connect.Broker{
		Grants: rows, Connections: rows, Apps: rows, Log: slog.Default(), Rest: s.rest,
		Rescue: secrets.Rescue{Client: manager, Prefix: s.rescuePrefix, Ring: ring},
		Salesforce: salesforce.OAuth{
			HTTP: s.hosts.TokenClient(), Hosts: s.hosts, ClientID: s.clientID,
			Secret: func(ctx context.Context) (bridge.Secret, error) {
				document, err := secrets.Load[struct {
					ClientSecret string `json:"salesforceClientSecret"`
				}](ctx, own)
				return bridge.NewSecret(document.ClientSecret), err
			},
		},
	}
}

// handle answers invocations. A failure is part of the answer, so that its meaning survives.
func handle(broker connect.Caller) func(context.Context, connect.Request) (invoke.Answer[connect.Reply], error) {
	return func(ctx context.Context, r connect.Request) (invoke.Answer[connect.Reply], error) {
		reply, err := broker.Call(ctx, r)
		if err != nil {
			slog.WarnContext(ctx, "request failed", "task", r.Task, "account", r.Account, "connection", r.Connection,
				"kind", bridge.KindOf(err), "err", err)
		}
		return invoke.Wrap(reply, err), nil
	}
}
