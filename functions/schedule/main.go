// Command schedule is the Lambda that a clock starts. Every minute it looks for imports that nobody is at, and
// puts them on the queue again; for campaigns whose comparison is due or was lost, and for records that Salesforce
// refused and that are worth another try; for what conversions have to do, such as a poll, a deal whose person was
// missing, or a call that is due; and for connections that have stopped to work, and tells their accounts by mail.
// Every six hours it has connections refreshed that nobody has used for a week, because Salesforce would end them.
// And it examines connections, and the fields and flows in their orgs, once a day, and finishes the erasing of accounts.
//
// It promises nothing about when it ran last: what is due stays due until a sweep has seen it. The scheduler
// may start it twice for the same minute; the second sweep finds the times moved on, or sends a job too many, which
// the queue's worker bears. A sweep that fails is repeated by the scheduler and ends in the schedule's
// dead-letter queue, and the next minute's sweep does its work.
package main

import (
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/referralbridge/referralbridge/internal/config"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	s := readSettings(&env)
	aws := env.AWS()
	if err := env.Err(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(handle(s.sweeps(aws)))
}
