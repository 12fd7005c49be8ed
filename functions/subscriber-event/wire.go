package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/metric"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/store"
)

// settings are what the environment says.
type settings struct{ table, appSecret, stage, hints, changes string }

// inbox puts the inbox together, and makes the connections that its first webhook will need.
func (s settings) inbox(cloud aws.Config) inbox.Inbox {
	secret := &secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: s.appSecret}
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, secrets.DataKeys(secret))
	queues := sqs.NewFromConfig(cloud)
	metrics := &metric.Log{Out: os.Stdout, Stage: s.stage, Now: time.Now}
	warm(
		func(ctx context.Context) { _, _ = rows.HookAccount(ctx, bridge.NewToken()) },
		func(ctx context.Context) { _, _ = secrets.Load[struct{}](ctx, secret) },
		func(ctx context.Context) {
			_, _ = queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &s.hints})
		},
	)
	return inbox.Inbox{
		Hooks: rows, Webhooks: rows, Campaigns: rows, Replays: rows,
		Live:    queue.Topic[inbox.Hint]{Client: queues, URL: s.hints}.Send,
		Changes: queue.Topic[inbox.Hint]{Client: queues, URL: s.changes}.Send,
		Count:   func(o inbox.Outcome) { metrics.Put("Webhooks"+string(o), metric.Count, 1) },
		Now:     time.Now, Log: slog.Default(),
	}
}

// warm makes a first call of each kind at the same time. Lambda gives an initialisation its full speed, and a webhook must
// not wait for the first handshakes. What fails here fails again where it matters.
func warm(calls ...func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, call := range calls {
		all.Go(func() { call(ctx) })
	}
	all.Wait()
}
