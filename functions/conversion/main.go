// Command conversion is the Lambda that moves referrals because deals moved. Two queues start it: jobs about deals, from
// Outbound Messages, from polls of the org's history and from whatever else makes us look at one; and jobs that install, in
// the orgs, the flows that send these messages.
//
// It promises that ReferralHero is told of a deal once, whatever becomes of a worker and however often or late a job comes;
// and that a call whose answer was lost is looked into, and repeated only if that is harmless. A job that comes too early goes back to
// its queue with a delay. One whose worker dies five times becomes a dead letter, which its account sees, and which need not
// be sent again: the poll finds within a quarter of an hour what a message told of, the daily check what the poll
// missed, and a schedule every other step that is due. Subscribers who were changed go to the sync as hints.
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
	settings := readSettings(&env)
	aws := env.AWS()
	if err := env.Err(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(newWorkers(settings, aws))
}
