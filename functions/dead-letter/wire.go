package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/store"
)

// settings are what the environment says.
type settings struct {
	table, stage string
	queues       map[letter.Queue]string // addresses
	dead         map[string]letter.Queue // by the addresses of their dead-letter queues
}

func readSettings(env *config.Env) settings {
	return settings{
		table: env.Need("TABLE"), stage: env.Need("STAGE"),
		queues: map[letter.Queue]string{
			letter.Imports: env.Need("IMPORTS_QUEUE"), letter.SubscriberHints: env.Need("HINTS_QUEUE"), letter.SubscriberChanges: env.Need("CHANGES_QUEUE"),
			letter.SyncRuns: env.Need("RUNS_QUEUE"), letter.Provisions: env.Need("PROVISIONS_QUEUE"),
			letter.Conversions: env.Need("CONVERSIONS_QUEUE"), letter.Plumbing: env.Need("PLUMBING_QUEUE"),
		},
		dead: map[string]letter.Queue{
			env.Need("IMPORTS_DEAD"): letter.Imports, env.Need("HINTS_DEAD"): letter.SubscriberHints, env.Need("CHANGES_DEAD"): letter.SubscriberChanges,
			env.Need("RUNS_DEAD"): letter.SyncRuns, env.Need("PROVISIONS_DEAD"): letter.Provisions,
			env.Need("CONVERSIONS_DEAD"): letter.Conversions, env.Need("PLUMBING_DEAD"): letter.Plumbing, env.Need("SCHEDULE_DEAD"): letter.Schedule,
		},
	}
}

// newOffice makes every client once, while Lambda gives an initialisation its full speed.
func newOffice(s settings, cloud aws.Config) office {
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, nil)
	metrics := &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}
	return office{
		Dead: queue.Dead{
			Record: letter.Recorder{Letters: rows, Count: func() { metrics.Put("DeadLetters", metric.Count, 1) }, Log: slog.Default()}.Record,
			Queues: s.dead, Now: time.Now, Log: slog.Default(),
		},
		Letters: letter.Service{Letters: rows, Send: queue.Returns{Client: sqs.NewFromConfig(cloud), URLs: s.queues}.Send, Now: time.Now},
	}
}
