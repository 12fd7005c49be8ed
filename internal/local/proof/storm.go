package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/salesforce"
	"github.com/referralbridge/referralbridge/internal/secrets"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	simulated "github.com/referralbridge/referralbridge/internal/sim/salesforce"
	"github.com/referralbridge/referralbridge/internal/store"
)

// cloudOf returns what a function, named by its access key, needs to speak to the world's AWS.
func cloudOf(ctx context.Context, w *world.World, accessKey string) (awssdk.Config, error) {
	return config.LoadDefaultConfig(ctx, config.WithRegion(aws.Region), config.WithBaseEndpoint(w.AWSURL),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(accessKey, accessKey, "")))
}

// Storm is what became of many workers who met one refusal, again and again.
type Storm struct {
	Rounds     int
	TokenCalls int // most in a round; fewest, if that is none
	Revoked    int // rounds after which the grant was dead
}

// storms has 100 workers meet one expired access token, so many times over, with rotation on. Workers are the
// product's own client in this process; who answers them is the real token broker.
func storms(ctx context.Context, root string, rounds int, tell func(string, ...any)) (found Storm, err error) {
	const crowd = 100
	var account bridge.AccountID
	var once sync.Once
	w, err := world.Start(ctx, world.Options{
		Root: root, Salesforce: simulated.Options{Generated: 3},
		AWS: aws.Options{Watch: func(service, _ string, body []byte) {
			var request connect.Request
			if service == "lambda" && json.Unmarshal(body, &request) == nil && request.Task == connect.ExchangeCode {
				once.Do(func() { account = request.Account })
			}
		}},
		Stack: local.Options{
			Concurrency: map[string]int{"TokenBrokerFunction": 4},
			Parameters:  map[string]string{"RefreshRestSeconds": "0"}, // a round is a few hours in a moment
		},
	})
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	someone := person.New(w.Stack.URL)
	if err := someone.SignIn(ctx); err != nil {
		return found, err
	}
	connection, err := someone.Connect(ctx)
	if err != nil {
		return found, err
	}
	cloud, err := cloudOf(ctx, w, w.Stack.Ref(worker))
	if err != nil {
		return found, err
	}
	seal := secrets.DataKeys(&secrets.Reader{Client: secretsmanager.NewFromConfig(cloud), ID: w.Stack.Ref("AppSecret")})
	hosts := salesforce.Hosts{Simulator: w.OrgURL}
	client := &salesforce.Client{HTTP: hosts.HTTPClient(), Hosts: hosts, Tokens: connect.Tokens{
		Store:   store.New(dynamodb.NewFromConfig(cloud), w.Stack.Ref("Table"), seal),
		Broker:  invoke.Function[connect.Request, connect.Reply]{Client: lambda.NewFromConfig(cloud), Name: w.Stack.Model.Functions["OauthFunction"].Environment["TOKEN_BROKER"]},
		Account: account, Connection: connection,
	}}
	began := time.Now()
	for found.Rounds < rounds {
		w.Org.ExpireTokens()
		before := w.Org.Counts().Token
		team, ctx := errgroup.WithContext(ctx)
		for range crowd {
			team.Go(func() error { return work(ctx, client) })
		}
		err := team.Wait()
		if kind := bridge.KindOf(err); kind == bridge.Revoked || kind == bridge.Denied {
			found.Revoked++
		}
		if err != nil {
			return found, fmt.Errorf("storm: round %d: %w", found.Rounds+1, err)
		}
		found.Rounds++
		if calls := w.Org.Counts().Token - before; calls != 1 || found.TokenCalls == 0 {
			if found.TokenCalls = calls; calls != 1 {
				return found, fmt.Errorf("storm: %d token calls in round %d", calls, found.Rounds)
			}
		}
		if found.Rounds%50 == 0 {
			tell("storm: %d rounds of %d workers, one token call each, %.0f ms a round", found.Rounds, crowd,
				float64(time.Since(began).Milliseconds())/float64(found.Rounds))
		}
	}
	return found, nil
}

// work makes a call to the org, and comes back later for as long as it is told to.
func work(ctx context.Context, client *salesforce.Client) error {
	for {
		_, err := client.CountContacts(ctx, bridge.Selection{})
		if bridge.KindOf(err) != bridge.Throttled {
			return err
		}
		if err := connect.Moment(ctx); err != nil {
			return err
		}
	}
}
