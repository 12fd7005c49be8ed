// Command console is the Lambda behind every address but /oauth/: the pages with which people set up their
// ReferralHero account, connect Salesforce, start and follow imports, have subscribers kept in Salesforce, and see what is
// there, what was refused or has stopped, and why.
//
// It promises that nothing but the sign-in and the files of a page is answered without a session, that a
// session reaches its own account only, and that a form which comes from another site changes nothing. It
// works without scripts. A failure is shown to the person, who may try again; the log has its cause.
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
	settings := readSettings(&env)
	aws := env.AWS()
	if err := env.Err(); err != nil {
		log.Fatal(err)
	}
	lambda.Start(apigw.Serve(newConsole(settings, aws).handler()))
}
