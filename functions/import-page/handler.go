package main

import (
	"context"
	"log/slog"
	"os"
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
	"github.com/referralbridge/referralbridge/internal/effect"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/mail"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/referralhero"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// settings are what the environment says.
type settings struct {
	table, imports, appSecret, broker, baseURL, sender, heroURL string
	changes, runs                                               string // queues of syncing
	stage                                                       string
	window                                                      time.Duration
	hosts                                                       salesforce.Hosts
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), imports: env.Need("IMPORTS_QUEUE"), appSecret: env.Need("APP_SECRET"), broker: env.Need("TOKEN_BROKER"),
		baseURL: env.Need("BASE_URL"), sender: env.Need("SENDER_ADDRESS"), heroURL: env.Need("REFERRALHERO_URL"),
		changes: env.Need("CHANGES_QUEUE"), runs: env.Need("RUNS_QUEUE"), stage: env.Need("STAGE"),
		window: time.Duration(env.NeedInt("REFERRALHERO_WINDOW_SECONDS")) * time.Second,
		hosts:  salesforce.Hosts{Simulator: env.Simulator()},
	}
}

// newWorker makes every client once, while Lambda gives an initialisation its full speed.
func newWorker(s settings, cloud aws.Config) queue.Handler {
	metrics := &metric.Batch{Log: &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}}
	sealer := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret})
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, sealer)
	messages := sqs.NewFromConfig(cloud)
	topic := queue.Topic[importer.Job]{Client: messages, URL: s.imports}
	broker := invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: s.broker}
	orgs, sender := s.hosts.HTTPClient(), mail.NewSender(cloud, s.sender)
	org := func(c bridge.Connection) *salesforce.Client {
		tokens := connect.Tokens{Store: rows, Broker: broker, Account: c.Account, Connection: c.ID}
		return &salesforce.Client{HTTP: orgs, Hosts: s.hosts, Tokens: tokens, Used: metrics.OrgUsed}
	}
	client := &referralhero.Client{BaseURL: s.heroURL, HTTP: referralhero.HTTPClient(), Left: metrics.CallsLeft}
	rations := budget.Budget{Store: rows, Length: s.window, Now: time.Now}
	fields := syncer.Worker{
		Rows: rows, Accounts: rows, Campaigns: rows, Connections: rows, Layouts: rows, Hero: client, Budget: rations,
		Org:     func(c bridge.Connection) syncer.Org { return org(c) },
		Changes: queue.Topic[syncer.Hint]{Client: messages, URL: s.changes}.Send, Jobs: queue.Topic[syncer.Job]{Client: messages, URL: s.runs}.Send,
		Now: time.Now, Log: slog.Default(),
	}
	worker := importer.Worker{
		Imports: rows, Accounts: rows, Connections: rows, Jobs: topic,
		Org:   func(c bridge.Connection) importer.Org { return org(c) },
		Added: keep(fields), Ended: compare(fields),
		Hero:    hero{client},
		Budget:  rations,
		Mails:   effect.Guard{Store: rows, Now: time.Now},
		Mail:    completionMail(sender),
		BaseURL: s.baseURL, Now: time.Now, Log: slog.Default(),
	}
	return queue.Handler(queue.Worker[importer.Job]{Work: worker.Handle, Topic: topic, Log: slog.Default()}.Handle).Then(metrics.Write)
}

// hero lets the importer speak to ReferralHero.
type hero struct{ client *referralhero.Client }

func (h hero) Add(ctx context.Context, token bridge.Secret, campaign bridge.CampaignID, p importer.Person) (importer.Subscriber, bridge.Quota, error) {
	s, quota, err := h.client.Add(ctx, token, campaign, referralhero.Person(p))
	return importer.Subscriber(s), quota, err
}

// keep has the fields of imported contacts written, with what the answers to the import's own calls said.
func keep(worker syncer.Worker) func(context.Context, bridge.Import, []importer.Added) error {
	return func(ctx context.Context, i bridge.Import, added []importer.Added) error {
		people := make([]syncer.Imported, len(added))
		for n, a := range added {
			people[n] = syncer.Imported(a)
		}
		return worker.Imported(ctx, i.Account, i.Options.Campaign, i.Options.Connection, people)
	}
}

// compare has everybody compared once an import is over: what its workers could not write, because they died, is found.
func compare(worker syncer.Worker) func(context.Context, bridge.Import) error {
	return func(ctx context.Context, i bridge.Import) error {
		return worker.Compare(ctx, i.Account, i.Options.Campaign, "import")
	}
}

func completionMail(sender mail.Sender) func(context.Context, importer.Message) error {
	return func(ctx context.Context, m importer.Message) error {
		return sender.Send(ctx, mail.Message{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Tag: "import-done"})
	}
}
