package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/effect"
	"github.com/referralbridge/referralbridge/internal/erasure"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/mail"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the environment says.
type settings struct {
	table, appSecret, broker, baseURL, sender, stage string
	imports, changes, runs, provisions               string // queues
	conversions, plumbing                            string // more of them

	hosts  salesforce.Hosts
	toOrgs *http.Client
}

func readSettings(env *config.Env) settings {
	hosts := salesforce.Hosts{Simulator: env.Simulator()}
	return settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), broker: env.Need("TOKEN_BROKER"),
		imports: env.Need("IMPORTS_QUEUE"), changes: env.Need("CHANGES_QUEUE"), runs: env.Need("RUNS_QUEUE"), provisions: env.Need("PROVISIONS_QUEUE"),
		conversions: env.Need("CONVERSIONS_QUEUE"), plumbing: env.Need("PLUMBING_QUEUE"),
		baseURL: env.Need("BASE_URL"), sender: env.Need("SENDER_ADDRESS"), stage: env.Need("STAGE"),
		hosts: hosts, toOrgs: hosts.HTTPClient(),
	}
}

// sweeps are all that there is to look after, by the name that a schedule gives.
func (s settings) sweeps(cloud aws.Config) map[string]sweeper {
	data := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret})
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, data)
	broker := invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: s.broker}
	messages := sqs.NewFromConfig(cloud)
	pipes := queue.Topic[plumbing.Job]{Client: messages, URL: s.plumbing}
	metrics := &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}
	return map[string]sweeper{
		"due": importer.Sweep{Imports: rows, Jobs: queue.Topic[importer.Job]{Client: messages, URL: s.imports}, Now: time.Now, Log: slog.Default()},
		"sync": syncer.Sweep{
			Rows: rows, Now: time.Now, Log: slog.Default(),
			Changes: queue.Topic[syncer.Hint]{Client: messages, URL: s.changes}.Send, Jobs: queue.Topic[syncer.Job]{Client: messages, URL: s.runs}.Send,
		},
		"fields":      provision.Sweep{Setups: rows, Jobs: queue.Topic[provision.Job]{Client: messages, URL: s.provisions}, Now: time.Now},
		"conversions": conversion.Sweep{Rows: rows, Jobs: queue.Topic[conversion.Job]{Client: messages, URL: s.conversions}, Now: time.Now},
		"plumbing":    plumbing.Sweep{Installations: rows, Jobs: pipes, Now: time.Now},
		"notices": connect.Notices{
			Connections: rows, Accounts: rows, Mails: effect.Guard{Store: rows, Now: time.Now}, Mail: notices(mail.NewSender(cloud, s.sender)),
			BaseURL: s.baseURL, Now: time.Now,
		},
		"keep-alive": connect.KeepAlive{
			Grants: rows, Now: time.Now, Log: slog.Default(),
			Broker: broker, Idle: func(days float64) { metrics.Put("ConnectionIdleDays", metric.None, days) },
		},
		"examine": doctor.Sweep{Doctor: s.doctor(rows, broker), Reports: rows},
		"erase": erasure.Service{
			Rows: rows, Connections: leaving{connect.Service{Connections: rows, Broker: broker}, plumbing.Service{
				Installations: rows, Connections: rows, Hooks: rows, Jobs: pipes, Inbox: s.baseURL + conversion.Path, Now: time.Now,
				Org: func(c bridge.Connection) plumbing.Org { return s.client(rows, broker, c) },
			}},
			Imports: importer.Service{Imports: rows, Now: time.Now}, Now: time.Now, Log: slog.Default(),
		},
	}
}

func (s settings) doctor(rows *store.Store, broker connect.Caller) doctor.Service {
	return doctor.Service{
		Connections: rows, Reports: rows, Layout: rows.Layout, Now: time.Now,
		Org: func(c bridge.Connection) doctor.Org { return s.client(rows, broker, c) },
	}
}

func (s settings) client(rows *store.Store, broker connect.Caller, c bridge.Connection) *salesforce.Client {
	return &salesforce.Client{HTTP: s.toOrgs, Hosts: s.hosts, Tokens: connect.Tokens{
		Store: rows, Broker: broker, Account: c.Account, Connection: c.ID,
	}}
}

func notices(sender mail.Sender) func(context.Context, connect.Notice) error {
	return func(ctx context.Context, n connect.Notice) error {
		return sender.Send(ctx, mail.Message{To: n.To, Subject: n.Subject, Text: n.Text, HTML: n.HTML, Tag: "connection"})
	}
}
