// Command schedule is the Lambda that a clock starts: it looks every minute for imports that nobody is at, and
// puts them on the queue again.
//
// It promises nothing about when it ran last: what is due stays due until a sweep has seen it. The scheduler
// may start it twice for the same minute; the second sweep finds the times moved on, or sends a job too many, which
// the queue's worker bears. A sweep that fails is repeated by the scheduler and ends in the schedule's
// dead-letter queue, and the next minute's sweep does its work.
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/referralbridge/referralbridge/internal/config"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	s := settings{table: env.Need("TABLE"), imports: env.Need("IMPORTS_QUEUE")}
	aws, err := awsconfig.LoadDefaultConfig(context.Background())
	if err := errors.Join(env.Err(), err); err != nil {
		log.Fatal(err)
	}
	lambda.Start(handle(s.sweeps(aws)))
}
