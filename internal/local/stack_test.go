package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// TestMain lets this test's own binary be every function: a process that Lambda's variables were given to is one.
func TestMain(m *testing.M) {
	name := os.Getenv("AWS_LAMBDA_FUNCTION_NAME")
	if name == "" {
		os.Exit(m.Run())
	}
	if why := os.Getenv("BROKEN"); why != "" {
		log.Fatal(why)
	}
	switch name {
	case "local-WebFunction":
		lambda.Start(web)
	case "local-WorkFunction":
		lambda.Start(work)
	default:
		lambda.Start(func(input string) error {
			fmt.Println("ticked", input)
			return errors.New("no luck today")
		})
	}
}

// web answers with the environment, with the secret, or with what the worker answers.
func web(ctx context.Context, r events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	answer := events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return answer, err
	}
	switch r.RouteKey {
	case "GET /environment":
		answer.Body = strings.Join(os.Environ(), "\n")
	case "GET /secret":
		id := os.Getenv("SECRET")
		out, err := secretsmanager.NewFromConfig(c).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			return answer, err
		}
		answer.Body = *out.SecretString
	case "GET /table": // which its policies do not allow
		table := os.Getenv("TABLE")
		if _, err = dynamodb.NewFromConfig(c).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table}); err != nil {
			answer.Body = err.Error()
		}
	case "POST /jobs/{what}":
		name := os.Getenv("WORK")
		event, err := json.Marshal(map[string]any{"Records": []events.SQSMessage{{MessageId: "m", Body: r.PathParameters["what"]}}})
		if err != nil {
			return answer, err
		}
		out, err := awslambda.NewFromConfig(c).Invoke(ctx, &awslambda.InvokeInput{FunctionName: &name, Payload: event})
		if err != nil {
			return answer, err
		}
		answer.Body = string(out.Payload)
	}
	return answer, nil
}

// work does with each message what its body says.
func work(_ context.Context, event events.SQSEvent) (any, error) {
	var answer events.SQSEventResponse
	for _, m := range event.Records {
		fmt.Println("began", m.Body, m.Attributes["ApproximateReceiveCount"])
		switch m.Body {
		case "fail":
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		case "throw":
			return nil, errors.New("thrown")
		case "crash":
			os.Exit(3)
		case "mumble":
			return map[string]any{"batchItemFailures": []map[string]string{{"itemIdentifier": "somebody else"}}}, nil
		case "hang":
			select {}
		case "slow":
			time.Sleep(50 * time.Millisecond)
		}
		fmt.Println("ended", m.Body)
	}
	return answer, nil
}

const testTemplate = `
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Runtime: provided.al2023, Handler: bootstrap, Timeout: 2, MemorySize: 128, Environment: { Variables: { TABLE: !Ref Table } } }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      TimeToLiveSpecification: { AttributeName: expires, Enabled: true }
  Secret: { Type: AWS::SecretsManager::Secret }
  Jobs:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 12, RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 } }
  Dead: { Type: AWS::SQS::Queue }
  Api: { Type: AWS::Serverless::HttpApi }
  WebFunction:
    Type: AWS::Serverless::Function
    Properties:
      Environment: { Variables: { WORK: !Ref WorkFunction, SECRET: !Ref Secret, QUEUE: !Ref Jobs } }
      Policies:
        - Statement:
            - { Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt WorkFunction.Arn }
            - { Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref Secret }
      Events:
        Environment: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /environment } }
        Secret: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /secret } }
        Table: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /table } }
        Work: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: '/jobs/{what}' } }
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 2 }
  TickFunction:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Tick: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 hour), Input: '"at <aws.scheduler.scheduled-time>"' } }
`

// journal is a log that can be waited on.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.wrote <- struct{}{}:
	default:
	}
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wait returns once a text was written n times.
func (j *journal) wait(t *testing.T, text string, n int) {
	t.Helper()
	late := time.After(20 * time.Second)
	for strings.Count(j.String(), text) < n {
		select {
		case <-j.wrote:
		case <-late:
			t.Fatalf("nobody said %q %d times; said was:\n%s", text, n, j)
		}
	}
}

// cloud is an AWS for a stack.
type cloud struct {
	*aws.Server
	url   string
	stack atomic.Pointer[Stack]
}

func newCloud(t *testing.T) *cloud {
	c := &cloud{}
	c.Server = aws.New(aws.Options{
		Invoke: func(ctx context.Context, function string, payload []byte) ([]byte, string, error) {
			return c.stack.Load().Invoke(ctx, function, payload)
		},
		Authorize: func(accessKey, action, resource string) error {
			if s := c.stack.Load(); s != nil {
				return s.Authorize(accessKey, action, resource)
			}
			return nil
		},
	})
	server := httptest.NewServer(c.Server)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// options returns what a stack of the test's template needs. Its functions are this test's own binary.
func options(t *testing.T, c *cloud, template string) (Options, *journal) {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "template.yaml"), []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"web", "work", "tick"} {
		if err := os.Symlink(binary, filepath.Join(root, function)); err != nil {
			t.Fatal(err)
		}
	}
	said := &journal{wrote: make(chan struct{}, 1)}
	return Options{
		Root: root, Binaries: root, AWSEndpoint: c.url, Log: said, Secrets: map[string]string{"Secret": "open sesame"},
		Created: func(s *Stack) { c.stack.Store(s) },
	}, said
}

func start(t *testing.T, o Options) *Stack {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func send(t *testing.T, s *Stack, bodies ...string) {
	t.Helper()
	url := s.Ref("Jobs")
	for _, body := range bodies {
		if _, err := s.aws.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, s *Stack, queue string) int {
	t.Helper()
	n, err := s.aws.messages(t.Context(), s.Ref(queue))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func call(t *testing.T, method, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	o, said := options(t, c, testTemplate)
	o.Environ = map[string]string{"EXTRA": "more"}
	s := start(t, o)

	t.Run("the environment is the template's and Lambda's", func(t *testing.T) {
		_, body := call(t, "GET", s.URL+"/environment")
		environ := strings.Split(body, "\n")
		for _, want := range []string{
			"TABLE=local-Table", "WORK=local-WorkFunction", "QUEUE=" + s.Ref("Jobs"), "SECRET=" + s.Ref("Secret"), "EXTRA=more",
			"AWS_ENDPOINT_URL=" + c.url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local-WebFunction",
		} {
			if !slices.Contains(environ, want) {
				t.Errorf("there is no %s in\n%s", want, body)
			}
		}
	})
	t.Run("a secret is read by its name in the environment", func(t *testing.T) {
		if status, body := call(t, "GET", s.URL+"/secret"); status != 200 || body != "open sesame" {
			t.Errorf("answer = %d %s\n%s", status, body, said)
		}
	})
	t.Run("one function invokes another", func(t *testing.T) {
		status, body := call(t, "POST", s.URL+"/jobs/fail")
		if want := `{"batchItemFailures":[{"itemIdentifier":"m"}]}`; status != 200 || body != want {
			t.Errorf("answer = %d %s, want %s\n%s", status, body, want, said)
		}
	})
	t.Run("what the policies do not allow is denied", func(t *testing.T) {
		if status, body := call(t, "GET", s.URL+"/table"); status != 200 || !strings.Contains(body, "AccessDenied") {
			t.Errorf("answer = %d %s, want a denial", status, body)
		}
	})
	t.Run("no such route", func(t *testing.T) {
		if status, body := call(t, "GET", s.URL+"/nowhere"); status != 404 || body != `{"message":"Not Found"}` {
			t.Errorf("answer = %d %s", status, body)
		}
	})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bodies  []string
		dead    int
		began   int // of the first message
		errors  int
		crashes int
		change  func(*Options)
	}{
		"good ones are deleted":                  {bodies: []string{"good", "good", "good"}, began: 3},
		"one that fails five times is given up":  {bodies: []string{"fail"}, dead: 1, began: 5},
		"a function that fails":                  {bodies: []string{"throw"}, dead: 1, began: 5, errors: 5},
		"a process that ends":                    {bodies: []string{"crash"}, dead: 1, began: 5, errors: 5, crashes: 5},
		"a list of failures that makes no sense": {bodies: []string{"mumble"}, dead: 1, began: 5},
		"one that takes too long is killed each time": {
			bodies: []string{"hang"}, dead: 1, began: 5, errors: 5,
			change: func(o *Options) { o.Timeouts = map[string]time.Duration{"WorkFunction": 200 * time.Millisecond} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, said := options(t, newCloud(t), testTemplate)
			if tc.dead > 0 {
				o.Visibilities = map[string]time.Duration{"Jobs": 0} // no need to wait for the next receive
			}
			if tc.change != nil {
				tc.change(&o)
			}
			s := start(t, o)
			send(t, s, tc.bodies...)
			if err := s.Idle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if dead := count(t, s, "Dead"); dead != tc.dead {
				t.Errorf("dead letters = %d, want %d", dead, tc.dead)
			}
			said.wait(t, "work: began "+tc.bodies[0], tc.began)
			if stats := s.Stats("WorkFunction"); stats.Errors != tc.errors || stats.Crashes != tc.crashes {
				t.Errorf("stats = %+v, want %d errors and %d crashes", stats, tc.errors, tc.crashes)
			}
		})
	}
}

func TestOneThatFailsDoesNotHoldUpItsNeighbour(t *testing.T) {
	t.Parallel()
	o, said := options(t, newCloud(t), testTemplate)
	s := start(t, o)
	send(t, s, "fail", "good")
	said.wait(t, "work: ended good", 1)
	said.wait(t, "work: began fail 1", 1)
	// The good one is deleted; the other is there, and will not be seen for twelve seconds.
	for look := time.NewTicker(20 * time.Millisecond); s.Stats("WorkFunction").Running > 0 || count(t, s, "Jobs") > 1; {
		<-look.C
	}
	if n := count(t, s, "Jobs"); n != 1 {
		t.Errorf("messages = %d, want the one that failed", n)
	}
}

func TestConcurrencyOfAMapping(t *testing.T) {
	t.Parallel()
	o, said := options(t, newCloud(t), testTemplate)
	s := start(t, o)
	send(t, s, slices.Repeat([]string{"slow"}, 12)...)
	if err := s.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	said.wait(t, "work: ended slow", 12)
	if processes := s.Stats("WorkFunction").Processes; processes != 2 {
		t.Errorf("processes = %d, want 2: as many as may run at a time", processes)
	}
}

func TestCloseGivesMessagesBack(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	o, said := options(t, c, testTemplate)
	s := start(t, o)
	send(t, s, "hang")
	said.wait(t, "work: began hang", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	url := s.Ref("Jobs")
	out, err := s.aws.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil || len(out.Messages) != 1 {
		t.Errorf("received %v %v, want the message whose work was cut short", out, err)
	}
}

func TestKillAndStartAgain(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	o, said := options(t, c, testTemplate)
	s := start(t, o)
	send(t, s, "hang")
	said.wait(t, "work: began hang 1", 1)
	if !s.Kill("WorkFunction") {
		t.Error("nothing was killed")
	}
	said.wait(t, "work: Runtime exited with error: signal: killed", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	arn := s.Ref("Secret")

	o.Visibilities = map[string]time.Duration{"Jobs": time.Minute} // as after a change of the template
	o.Secrets = map[string]string{"Secret": "another"}
	again := start(t, o)
	if again.Ref("Secret") != arn {
		t.Errorf("secret = %s, want %s as before", again.Ref("Secret"), arn)
	}
	if _, body := call(t, "GET", again.URL+"/secret"); body != "another" {
		t.Errorf("secret's value = %s, want the new one", body)
	}
	if n := count(t, again, "Jobs"); n != 1 {
		t.Errorf("messages = %d, want the one that is left", n)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	o, said := options(t, newCloud(t), testTemplate)
	o.Schedules = map[string]time.Duration{"TickFunction": 100 * time.Millisecond}
	o.Patience = time.Millisecond
	s := start(t, o)
	said.wait(t, fmt.Sprintf("tick: ticked at %d-", time.Now().UTC().Year()), 6)
	said.wait(t, `tick: gave up a scheduled invocation after 3 attempts: {"errorMessage":"no luck today"`, 2)
	if stats := s.Stats("TickFunction"); stats.Errors < 6 {
		t.Errorf("stats = %+v, want 6 errors at least", stats)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(t *testing.T, o *Options)
		want   string
	}{
		"a secret without a value":   {func(_ *testing.T, o *Options) { o.Secrets = nil }, "secret Secret has no value"},
		"a secret that is not there": {func(_ *testing.T, o *Options) { o.Secrets["Other"] = "x" }, "the template has no secret Other"},
		"an override for nothing":    {func(_ *testing.T, o *Options) { o.Timeouts = map[string]time.Duration{"Nobody": 1} }, "the template has no function Nobody"},
		"no schedule to override":    {func(_ *testing.T, o *Options) { o.Schedules = map[string]time.Duration{"WebFunction": 1} }, "the template has no schedule of WebFunction"},
		"no AWS":                     {func(_ *testing.T, o *Options) { o.AWSEndpoint = "http://127.0.0.1:1" }, "connection refused"},
		"functions that cannot start": {
			func(_ *testing.T, o *Options) { o.Environ = map[string]string{"BROKEN": "TABLE is not set"} },
			"web: could not start: exit status 1: ",
		},
		"no program":  {func(_ *testing.T, o *Options) { o.Binaries = "/nowhere" }, "work: could not start: fork/exec /nowhere/work: no such file"},
		"no template": {func(_ *testing.T, o *Options) { o.Root = "/nowhere" }, "template.yaml: no such file"},
		"no folder":   {func(_ *testing.T, o *Options) { o.Binaries = "" }, "there is no folder functions/tick"},
		"a queue that shows messages again while they are worked on": {
			func(t *testing.T, o *Options) {
				text := strings.Replace(testTemplate, "VisibilityTimeout: 12", "VisibilityTimeout: 1", 1)
				if err := os.WriteFile(filepath.Join(o.Root, "template.yaml"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			"template.yaml:36: queue visibility timeout: 1s is less than function timeout: 2s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, newCloud(t), testTemplate)
			tc.change(t, &o)
			s, err := Start(t.Context(), o)
			if err == nil {
				t.Fatal("it started", s.Close())
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
		})
	}
}
