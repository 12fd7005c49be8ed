package main

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/store"
)

// settings are what the environment says.
type settings struct {
	table, imports string
}

// sweeps are all that there is to look after, by the name that a schedule gives.
func (s settings) sweeps(cloud aws.Config) map[string]sweeper {
	rows := store.New(dynamodb.NewFromConfig(cloud), s.table, nil)
	jobs := queue.Topic[importer.Job]{Client: sqs.NewFromConfig(cloud), URL: s.imports}
	return map[string]sweeper{
		"due": importer.Sweep{Imports: rows, Jobs: jobs, Now: time.Now},
	}
}
