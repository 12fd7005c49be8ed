package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/budget"
	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the environment says.
type settings struct {
	table, appSecret, broker, heroURL, stage string
	hints, changes, runs, provisions         string // queues
	window                                   time.Duration
	bulk                                     int
	hosts                                    salesforce.Hosts
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), broker: env.Need("TOKEN_BROKER"), heroURL: env.Need("REFERRALHERO_URL"),
		stage: env.Need("STAGE"),
		hints: env.Need("HINTS_QUEUE"), changes: env.Need("CHANGES_QUEUE"), runs: env.Need("RUNS_QUEUE"), provisions: env.Need("PROVISIONS_QUEUE"),
		window: time.Duration(env.NeedInt("REFERRALHERO_WINDOW_SECONDS")) * time.Second, bulk: env.NeedInt("BULK_FROM"),
		hosts: salesforce.Hosts{Simulator: env.Simulator()},
	}
}

// newWorkers makes every client once, while Lambda gives an initialisation its full speed.
func newWorkers(s settings, cloud aws.Config) queue.Handler {
	metrics := &metric.Batch{Log: &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}}
	sealer := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret})
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, sealer)
	messages := sqs.NewFromConfig(cloud)
	hints := queue.Topic[syncer.Hint]{Client: messages, URL: s.hints}
	changes := queue.Topic[syncer.Hint]{Client: messages, URL: s.changes}
	runs := queue.Topic[syncer.Job]{Client: messages, URL: s.runs}
	provisions := queue.Topic[provision.Job]{Client: messages, URL: s.provisions}
	orgs := orgs{
		rows: rows, broker: invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: s.broker}, hosts: s.hosts,
		known: &sync.Map{}, used: metrics.OrgUsed,
	}
	worker := syncer.Worker{
		Rows: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows,
		Org:     func(c bridge.Connection) syncer.Org { return orgs.client(c) },
		Hero:    &referralhero.Client{BaseURL: s.heroURL, HTTP: referralhero.HTTPClient(), Left: metrics.CallsLeft},
		Budget:  budget.Budget{Store: rows, Length: s.window, Now: time.Now},
		Changes: changes.Send, Jobs: runs.Send, Took: metrics.Took("SyncSeconds"), Waits: metrics.LiveWaits, Now: time.Now, Log: slog.Default(), Bulk: s.bulk,
	}
	people := syncer.Service{Rows: rows, Jobs: runs.Send, Changes: changes.Send, Now: time.Now}
	fields := provision.Service{
		Connections: rows, Rows: rows, Jobs: provisions, Now: time.Now, Changed: people.Fields,
		Org: func(c bridge.Connection) provision.Org { return orgs.client(c) },
	}
	work := func(live bool) func(context.Context, []syncer.Hint) []error {
		return func(ctx context.Context, hints []syncer.Hint) []error { return worker.Hints(ctx, hints, live) }
	}
	return queue.Handler(queue.Queues{
		s.hints:      queue.Batch[syncer.Hint]{Work: work(true), Topic: hints, Log: slog.Default()}.Handle,
		s.changes:    queue.Batch[syncer.Hint]{Work: work(false), Topic: changes, Log: slog.Default()}.Handle,
		s.runs:       queue.Worker[syncer.Job]{Work: worker.Step, Topic: runs, Log: slog.Default()}.Handle,
		s.provisions: queue.Worker[provision.Job]{Work: fields.Work, Topic: provisions, Log: slog.Default()}.Handle,
	}.Handle).Then(metrics.Write)
}

// orgs keeps a client for each connection, so that one knows what the org said before.
type orgs struct {
	rows   *store.Store
	broker connect.Caller
	hosts  salesforce.Hosts
	known  *sync.Map // of *salesforce.Client by connection
	used   func(used, most int)
}

func (o orgs) client(c bridge.Connection) *salesforce.Client {
	if known, ok := o.known.Load(c.ID); ok {
		return known.(*salesforce.Client)
	}
	made := &salesforce.Client{HTTP: o.hosts.HTTPClient(), Hosts: o.hosts, Used: o.used, Tokens: connect.Tokens{
		Store: o.rows, Broker: o.broker, Account: c.Account, Connection: c.ID,
	}}
	kept, _ := o.known.LoadOrStore(c.ID, made)
	return kept.(*salesforce.Client)
}
