// Command subscriber-sync is the Lambda that keeps Salesforce equal to ReferralHero. Four queues start it: hints about
// subscribers that may have changed, live ones and others; steps of runs that compare a whole campaign; and
// jobs that set up the fourteen fields in an org.
//
// It promises that a record shows in the end what ReferralHero says, whatever becomes of a worker, and that a value
// that was read earlier never replaces one that was read later. A job may come twice, late or out of order. One that comes too
// early goes back to its queue with a delay. One whose worker dies five times becomes a dead letter, which its account sees,
// and which need not be sent again: a campaign's next run, at the latest after a day, finds whatever it was about.
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
