// Command outbound-message is the Lambda that Salesforce posts its Outbound Messages to: it queues the opportunities that
// they are about, for the function conversion.
//
// It promises that whatever it acknowledges is on the queue, or wanted by nobody. Salesforce repeats a message for a day
// until it is acknowledged, so everything that goes wrong here is put right by the next attempt: nothing is kept for it.
// A message may be queued twice. Nothing that is in one is believed but which opportunities to look at.
package main

import (
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/config"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	s := settings{table: env.Need("TABLE"), conversions: env.Need("CONVERSIONS_QUEUE"), stage: env.Need("STAGE")}
	aws := env.AWS()
	if err := env.Err(); err != nil {
		log.Fatal(err)
	}
	inbox := s.inbox(aws)
	lambda.Start(apigw.Serve(routes(inbox, inbox.Count)))
}
