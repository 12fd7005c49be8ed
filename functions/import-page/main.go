// Command import-page is the Lambda that does the work of imports. It takes jobs from the queue of imports:
// plan the next pages, work on one page, or finish.
//
// It promises that every contact ends with exactly one outcome, whatever becomes of a worker, and that an
// import sends one mail at most. A job may come twice, late or out of order. One that comes too early goes back
// to the queue with a delay; one whose worker dies comes again, and after five deaths becomes a dead letter, which its
// account sees, and which need not be sent again: the sweep of the function schedule sends the import's open pages anew.
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
	lambda.Start(newWorker(settings, aws))
}
