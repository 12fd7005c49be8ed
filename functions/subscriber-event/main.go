// Command subscriber-event is the Lambda that ReferralHero's webhooks call. It tells whose they are by a secret in the
// path, checks that ReferralHero has signed the body, and queues who may have changed: who came or went for
// subscriber-sync at once, the rest for when there is more of it.
//
// It promises that a delivery which was answered with 200 is queued, since that is done last, and that one which comes
// twice leaves what one leaves. No status but 200 counts for ReferralHero, which tries three times in five minutes and
// switches a webhook off after ten failures in a row. So 200 also goes to whatever is genuine and means nothing to us;
// 404 to an address that does not exist, 401 to what is not signed, 400 to what is no webhook, and 503 when we fail. All
// answers are empty. What gets lost on the way here is found by the next run of subscriber-sync over the campaign.
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
	s := settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), stage: env.Need("STAGE"),
		hints: env.Need("HINTS_QUEUE"), changes: env.Need("CHANGES_QUEUE"),
	}
	aws := env.AWS()
	if err := env.Err(); err != nil { // says everything that is wrong, at once
		log.Fatal(err)
	}
	lambda.Start(apigw.Serve(routes(s.inbox(aws))))
}
