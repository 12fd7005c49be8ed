// Command oauth is the Lambda behind /oauth/: it sends people to Salesforce to give consent, and takes
// them in when they come back.
//
// It promises that a consent counts once, within ten minutes, and only for the signed-in session and the
// browser that began it. Whatever happens, the answer is a redirect to the console, which has words for
// it; nothing that came in is shown or logged. It holds no secret: the token broker redeems the code. A
// failure is the person's to repeat; nothing is queued here.
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
	s := readSettings(&env)
	aws := env.AWS()
	if err := env.Err(); err != nil { // says everything that is wrong, at once
		log.Fatal(err)
	}
	lambda.Start(apigw.Serve(s.routes(aws)))
}
