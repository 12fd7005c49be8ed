// Command token-broker is the Lambda that alone holds refresh tokens and talks to Salesforce's token
// endpoint. Other functions invoke it and wait: to redeem the code of a consent, to get an access token
// that is newer than the one they have, or to end a connection.
//
// It promises that at most one refresh of a grant is under way at any time, and that a new token is
// stored before anybody uses it: in the table, or, if the table takes nothing for three seconds, in a secret
// of the connection's own, where the next invocation looks first. For that its time-out, 25 seconds, must stay shorter than the lease of a
// refresh, 60 seconds. Asking it again is always safe. A failure goes back to the caller with its
// meaning; nothing is queued here.
package main

import (
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/salesforce"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	s := settings{
		table: env.Need("TABLE"), appSecret: env.Need("APP_SECRET"), brokerSecret: env.Need("BROKER_SECRET"),
		clientID: env.Need("SALESFORCE_CLIENT_ID"), rescuePrefix: env.Need("RESCUE_PREFIX"),
		rest: env.NeedSeconds("REFRESH_REST_SECONDS"), hosts: salesforce.Hosts{Simulator: env.Simulator()},
	}
	aws := env.AWS()
	if err := env.Err(); err != nil { // says everything that is wrong, at once
		log.Fatal(err)
	}
	lambda.Start(handle(s.broker(aws)))
}
