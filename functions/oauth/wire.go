package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/signin"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the environment says.
type settings struct {
	table, baseURL, broker, clientID                 string
	imports, runs, provisions, conversions, plumbing string // queues
	hosts                                            salesforce.Hosts
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), baseURL: env.Need("BASE_URL"), broker: env.Need("TOKEN_BROKER"), clientID: env.Need("SALESFORCE_CLIENT_ID"),
		imports: env.Need("IMPORTS_QUEUE"), runs: env.Need("RUNS_QUEUE"), provisions: env.Need("PROVISIONS_QUEUE"),
		conversions: env.Need("CONVERSIONS_QUEUE"), plumbing: env.Need("PLUMBING_QUEUE"),
		hosts: salesforce.Hosts{Simulator: env.Simulator()},
	}
}

// routes puts the two ends of a consent together. It makes no request yet.
func (s settings) routes(cloud aws.Config) http.Handler {
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, nil)
	once := lambda.NewFromConfig(cloud, func(o *lambda.Options) {
		o.RetryMaxAttempts = 1 // Salesforce ends the grant of a code that is redeemed twice
	})
	service := connect.Service{
		Connections: rows, Consents: rows, BaseURL: s.baseURL,
		Salesforce: salesforce.OAuth{ClientID: s.clientID, Hosts: s.hosts},
		Broker:     invoke.Function[connect.Request, connect.Reply]{Client: once, Name: s.broker},
		Resume:     s.resume(rows, sqs.NewFromConfig(cloud)),
	}
	return routes(service, signin.Service{Store: rows}, signin.JarFor(s.baseURL))
}

// resume sets going all that waits for a connection, and returns how many imports these are. What fails goes on by itself,
// later.
func (s settings) resume(rows *store.Store, messages *sqs.Client) func(context.Context, bridge.AccountID, bridge.ConnectionID) (int, error) {
	imports := importer.Waker{Imports: rows, Jobs: queue.Topic[importer.Job]{Client: messages, URL: s.imports}, Now: time.Now}
	syncs := syncer.Service{Rows: rows, Jobs: queue.Topic[syncer.Job]{Client: messages, URL: s.runs}.Send, Now: time.Now}
	deals := conversion.Waker{Ledger: rows, Jobs: queue.Topic[conversion.Job]{Client: messages, URL: s.conversions}, Now: time.Now}
	fields := queue.Topic[provision.Job]{Client: messages, URL: s.provisions}
	flows := queue.Topic[plumbing.Job]{Client: messages, URL: s.plumbing} // their worker can open the row, and we cannot
	return func(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (int, error) {
		waited, err := imports.Wake(ctx, account, id)
		_, stalled := syncs.Wake(ctx, account, id)
		err = errors.Join(err, stalled, deals.Wake(ctx, account, id),
			fields.Send(ctx, 0, provision.Job{Account: account, Connection: id, Check: true}),
			flows.Send(ctx, 0, plumbing.Job{Account: account, Connection: id, Wake: true}))
		if err != nil {
			slog.WarnContext(ctx, "not all is resumed yet", "account", account, "connection", id, "err", err)
		}
		return waited.Imports, err
	}
}
