// Command oauth is the Lambda behind /oauth/: it sends people to Salesforce to give consent, and takes
// them in when they come back.
//
// It promises that a consent counts once, within ten minutes, and only for the signed-in session and the
// browser that began it. Whatever happens, the answer is a redirect to the console, which has words for
// it; nothing that came in is shown or logged. It holds no secret: the token broker redeems the code. A
// failure is the person's to repeat; nothing is queued here.
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	lambdaclient "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/config"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/signin"
	"github.com/referralbridge/referralbridge/internal/store"
)

func main() {
	slog.SetDefault(lambdacontext.NewLogger())
	var env config.Env
	table, baseURL, broker := env.Need("TABLE"), env.Need("BASE_URL"), env.Need("TOKEN_BROKER")
	page := salesforce.OAuth{ClientID: env.Need("SALESFORCE_CLIENT_ID"), Hosts: salesforce.Hosts{Simulator: env.Simulator()}}
	aws, err := awsconfig.LoadDefaultConfig(context.Background())
	if err := errors.Join(env.Err(), err); err != nil {
		log.Fatal(err)
	}
	rows := store.New(dynamodb.NewFromConfig(aws), table, nil)
	service := connect.Service{
		Connections: rows, Consents: rows, Salesforce: page, BaseURL: baseURL,
		Broker: invoke.Function[connect.Request, connect.Reply]{Client: lambdaclient.NewFromConfig(aws), Name: broker},
	}
	lambda.Start(apigw.Serve(routes(service, signin.Service{Store: rows}, signin.JarFor(baseURL))))
}
