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
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the environment says.
type settings struct {
	table, appSecret, broker, baseURL, heroURL string
	stage                                      string
	conversions, plumbing, hints               string // queues
	window                                     time.Duration
	hosts                                      salesforce.Hosts
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), broker: env.Need("TOKEN_BROKER"),
		baseURL: env.Need("BASE_URL"), heroURL: env.Need("REFERRALHERO_URL"), stage: env.Need("STAGE"),
		conversions: env.Need("CONVERSIONS_QUEUE"), plumbing: env.Need("PLUMBING_QUEUE"), hints: env.Need("HINTS_QUEUE"),
		window: time.Duration(env.NeedInt("REFERRALHERO_WINDOW_SECONDS")) * time.Second,
		hosts:  salesforce.Hosts{Simulator: env.Simulator()},
	}
}

// newWorkers makes every client once, while Lambda gives an initialisation its full speed.
func newWorkers(s settings, cloud aws.Config) queue.Handler {
	metrics := &metric.Batch{Log: &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}}
	sealer := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret})
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, sealer)
	messages := sqs.NewFromConfig(cloud)
	deals := queue.Topic[conversion.Job]{Client: messages, URL: s.conversions}
	pipes := queue.Topic[plumbing.Job]{Client: messages, URL: s.plumbing}
	hints := queue.Topic[syncer.Hint]{Client: messages, URL: s.hints}
	orgs := orgs{
		rows: rows, broker: invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: s.broker}, hosts: s.hosts,
		known: &sync.Map{}, used: metrics.OrgUsed,
	}
	flows := plumbing.Service{
		Installations: rows, Connections: rows, Hooks: rows, Jobs: pipes, Inbox: s.baseURL + conversion.Path, Now: time.Now,
		Org: func(c bridge.Connection) plumbing.Org { return orgs.client(c) },
	}
	worker := conversion.Worker{
		Ledger: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows,
		Org:    func(c bridge.Connection) conversion.Org { return orgs.client(c) },
		Hero:   hero{&referralhero.Client{BaseURL: s.heroURL, HTTP: referralhero.HTTPClient(), Left: metrics.CallsLeft}},
		Jobs:   deals,
		Budget: budget.Budget{Store: rows, Length: s.window, Now: time.Now},
		Changed: func(ctx context.Context, account bridge.AccountID, campaign bridge.CampaignID, subscriber bridge.SubscriberID) error {
			return hints.Send(ctx, 0, syncer.Hint{
				Account: account, Campaign: campaign, Subscriber: subscriber, At: time.Now().UnixMilli(), Why: "conversion",
			})
		},
		LastMessage: lastMessage(flows), Took: metrics.Took("EventSeconds"), Waits: metrics.LiveWaits, Now: time.Now, Log: slog.Default(),
	}
	return queue.Handler(queue.Queues{
		s.conversions: queue.Worker[conversion.Job]{Work: worker.Handle, Topic: deals, Log: slog.Default()}.Handle,
		s.plumbing:    queue.Worker[plumbing.Job]{Work: flows.Work, Topic: pipes, Log: slog.Default()}.Handle,
	}.Handle).Then(metrics.Write)
}

type statuses interface {
	Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (plumbing.Status, error)
}

// lastMessage says when a message of a connection came last, and since when its org sends them; zero times if it does not.
func lastMessage(of statuses) func(context.Context, bridge.AccountID, bridge.ConnectionID) (last, since time.Time, err error) {
	return func(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (last, since time.Time, err error) {
		status, err := of.Status(ctx, account, id)
		if err != nil || status.Mode != plumbing.MessagesAndPoll {
			return time.Time{}, time.Time{}, err
		}
		return status.SeenAt, status.Since, nil
	}
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
