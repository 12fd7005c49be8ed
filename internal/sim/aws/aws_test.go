package aws_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	mail "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws"
)

// clients are AWS's own, all pointed at one simulated AWS as AWS_ENDPOINT_URL does.
type clients struct {
	dynamodb *dynamodb.Client
	sqs      *sqs.Client
	secrets  *secretsmanager.Client
	ses      *sesv2.Client
	lambda   *lambda.Client
}

func connect(t *testing.T, server *aws.Server, accessKey string) clients {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	config := sdk.Config{Region: aws.Region, BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, "secret", "")}
	return clients{dynamodb.NewFromConfig(config), sqs.NewFromConfig(config), secretsmanager.NewFromConfig(config), sesv2.NewFromConfig(config), lambda.NewFromConfig(config)}
}

// deeds does one thing with each service, so that each thing depends on none of the others.
func (c clients) deeds(ctx context.Context) map[string]func() error {
	return map[string]func() error{
		"dynamodb": func() error {
			_, err := c.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{TableName: sdk.String("bridge"), Key: key("a")})
			return err
		},
		"sqs": func() error {
			_, err := c.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: sdk.String("jobs")})
			return err
		},
		"secretsmanager": func() error {
			_, err := c.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: sdk.String("app")})
			return err
		},
		"ses": func() error {
			_, err := c.ses.SendEmail(ctx, &sesv2.SendEmailInput{FromEmailAddress: sdk.String("Bridge <bridge@example.com>"),
				Destination: &mail.Destination{ToAddresses: []string{"ann@example.org"}},
				Content: &mail.EmailContent{Simple: &mail.Message{Subject: &mail.Content{Data: sdk.String("done")},
					Body: &mail.Body{Text: &mail.Content{Data: sdk.String("done")}}}}})
			return err
		},
		"lambda": func() error {
			_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: sdk.String("broker"), Payload: []byte(`{}`)})
			return err
		},
	}
}

func key(pk string) map[string]ddb.AttributeValue {
	return map[string]ddb.AttributeValue{"pk": &ddb.AttributeValueMemberS{Value: pk}}
}

// furnished is an AWS in which every deed succeeds.
func furnished(t *testing.T, o aws.Options) *aws.Server {
	t.Helper()
	if o.Invoke == nil {
		o.Invoke = func(_ context.Context, _ string, payload []byte) ([]byte, string, error) { return payload, "", nil }
	}
	authorize, fault := o.Authorize, o.Fault
	furnishing := true
	o.Authorize = func(accessKey, action, resource string) error {
		if furnishing || authorize == nil {
			return nil
		}
		return authorize(accessKey, action, resource)
	}
	o.Fault = func(service, operation string, r *http.Request) *aws.Fault {
		if furnishing || fault == nil {
			return nil
		}
		return fault(service, operation, r)
	}
	s := aws.New(o)
	c, ctx := connect(t, s, "furnisher"), t.Context()
	_, err1 := c.dynamodb.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: sdk.String("bridge"), BillingMode: ddb.BillingModePayPerRequest,
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: sdk.String("pk"), AttributeType: ddb.ScalarAttributeTypeS}},
		KeySchema:            []ddb.KeySchemaElement{{AttributeName: sdk.String("pk"), KeyType: ddb.KeyTypeHash}}})
	_, err2 := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: sdk.String("jobs")})
	_, err3 := c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: sdk.String("app"), SecretString: sdk.String("{}")})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	furnishing = false
	return s
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestEveryServiceAnswersItsOwnClient(t *testing.T) {
	t.Parallel()
	for name, deed := range connect(t, furnished(t, aws.Options{}), "tester").deeds(t.Context()) {
		t.Run(name, func(t *testing.T) {
			if err := deed(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]string{}
	s := furnished(t, aws.Options{Authorize: func(accessKey, action, resource string) error {
		mu.Lock()
		defer mu.Unlock()
		asked[accessKey+" "+action] = resource
		return errors.New("no policy allows it")
	}})
	c := connect(t, s, "import-page")
	for name, deed := range c.deeds(t.Context()) {
		err := deed()
		if got := code(err); got != "AccessDeniedException" && got != "AccessDenied" {
			t.Errorf("%s: error = %v, want AccessDeniedException", name, err)
		} else if want := "user/import-page is not authorized to perform: "; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "because no policy allows it") {
			t.Errorf("%s: error = %v, want it to say who may not do what, and why", name, err)
		}
	}
	arn := asked["import-page secretsmanager:GetSecretValue"]
	if !strings.HasPrefix(arn, "arn:aws:secretsmanager:us-east-1:000000000000:secret:app-") {
		t.Errorf("asked for the secret %s, want its ARN", arn)
	}
	want := map[string]string{
		"import-page dynamodb:GetItem":              "arn:aws:dynamodb:us-east-1:000000000000:table/bridge",
		"import-page sqs:GetQueueUrl":               "arn:aws:sqs:us-east-1:000000000000:jobs",
		"import-page secretsmanager:GetSecretValue": arn,
		"import-page ses:SendEmail":                 "arn:aws:ses:us-east-1:000000000000:identity/bridge@example.com",
		"import-page lambda:InvokeFunction":         "arn:aws:lambda:us-east-1:000000000000:function:broker",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if n := len(s.SES.Mails()); n != 0 {
		t.Errorf("%d mails were sent by somebody who may not, want 0", n)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := furnished(t, aws.Options{Fault: func(service, operation string, _ *http.Request) *aws.Fault {
		return &aws.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: service + " " + operation}
	}})
	for name, deed := range connect(t, s, "tester").deeds(t.Context()) {
		err := deed()
		if got := strings.TrimSuffix(code(err), "Exception"); got != "Throttling" || !strings.Contains(err.Error(), name+" ") {
			t.Errorf("%s: error = %v, want ThrottlingException of %s", name, err, name)
		}
	}
}

func TestAReplyCanBeLostAfterTheWork(t *testing.T) {
	t.Parallel()
	s := furnished(t, aws.Options{Fault: func(string, string, *http.Request) *aws.Fault { return &aws.Fault{DropReply: true} }})
	err := connect(t, s, "tester").deeds(t.Context())["ses"]()
	if err == nil || code(err) != "" {
		t.Errorf("error = %v, want a broken connection", err)
	}
	if n := len(s.SES.Mails()); n != 1 {
		t.Errorf("%d mails were sent, want 1: the answer was lost, not the work", n)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := aws.New(aws.Options{Fault: func(string, string, *http.Request) *aws.Fault { return &aws.Fault{Delay: time.Minute} }})
		start := time.Now()
		w := post(s, "AmazonSQS.ListQueues", `{}`, signed("sqs", aws.Region))
		if took := time.Since(start); took != time.Minute || w.Code != http.StatusOK {
			t.Errorf("status %d after %v, want 200 after a minute", w.Code, took)
		}
	})
}

func signed(service, region string) string {
	return "AWS4-HMAC-SHA256 Credential=tester/20261123/" + region + "/" + service + "/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
}

func post(s *aws.Server, target, body, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://aws.test/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestRequestsMustBeSignedForWhatTheyDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ authorization, code string }{
		"not signed":          {"", "MissingAuthenticationTokenException"},
		"a bearer's token":    {"Bearer xyz", "IncompleteSignatureException"},
		"no signature":        {"AWS4-HMAC-SHA256 Credential=tester/20261123/us-east-1/sqs/aws4_request", "IncompleteSignatureException"},
		"for another service": {signed("dynamodb", aws.Region), "InvalidSignatureException"},
		"for another region":  {signed("sqs", "eu-central-1"), "InvalidSignatureException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(aws.New(aws.Options{}), "AmazonSQS.ListQueues", `{}`, tc.authorization)
			if w.Code < 400 || !strings.Contains(w.Body.String(), tc.code) {
				t.Errorf("status %d, %s; want %s", w.Code, w.Body, tc.code)
			}
		})
	}
}

func TestUnknownServices(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{"another service": "AWSEvents.PutEvents", "nothing": "", "only a prefix": "AmazonSQS"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(aws.New(aws.Options{}), target, `{}`, signed("events", aws.Region))
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "UnknownOperationException") || !strings.Contains(w.Body.String(), target) {
				t.Errorf("status %d, %s; want UnknownOperationException that names %q", w.Code, w.Body, target)
			}
		})
	}
}

func TestMailsNeedNoSignature(t *testing.T) {
	t.Parallel()
	s := furnished(t, aws.Options{})
	if err := connect(t, s, "tester").deeds(t.Context())["ses"](); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/mails": "<h2>done</h2>", "/mails.json": `"subject":"done"`} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: status %d, %s; want %s in it", path, w.Code, w.Body, want)
		}
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "aws.json")
	before := furnished(t, aws.Options{})
	c := connect(t, before, "tester")
	_, err1 := c.dynamodb.PutItem(ctx, &dynamodb.PutItemInput{TableName: sdk.String("bridge"), Item: key("a")})
	_, err2 := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: sdk.String("http://elsewhere/000000000000/jobs"), MessageBody: sdk.String("m")})
	if err := errors.Join(err1, err2, c.deeds(ctx)["ses"](), before.Save(path)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v; want 0600: it has secrets in it", info.Mode(), err)
	}

	after := aws.New(aws.Options{Invoke: func(context.Context, string, []byte) ([]byte, string, error) { return nil, "", nil }})
	if err := after.Load(filepath.Join(t.TempDir(), "nothing.json")); err != nil {
		t.Errorf("loading what was never saved: %v", err)
	}
	if err := after.Load(path); err != nil {
		t.Fatal(err)
	}
	c = connect(t, after, "tester")
	for name, deed := range c.deeds(ctx) {
		if err := deed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	item, err := c.dynamodb.GetItem(ctx, &dynamodb.GetItemInput{TableName: sdk.String("bridge"), Key: key("a")})
	if err != nil || len(item.Item) != 1 {
		t.Errorf("the item is %v, %v; want it back", item, err)
	}
	out, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: sdk.String("http://elsewhere/000000000000/jobs")})
	if err != nil || len(out.Messages) != 1 {
		t.Errorf("received %v, %v; want the message", out, err)
	}
	if n := len(after.SES.Mails()); n != 2 {
		t.Errorf("%d mails, want the one from before and the one from now", n)
	}
}

func TestABadFileIsSaidAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no JSON":           `hello`,
		"a version to come": `{"version":2}`,
		"a service missing": `{"version":1,"services":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "aws.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := aws.New(aws.Options{}).Load(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error = %v, want one that names the file", err)
			}
		})
	}
}

func TestSaveReplacesTheFileInOneStep(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "aws.json")
	s := furnished(t, aws.Options{})
	for range 3 {
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v; want the file alone", files, err)
	}
	if err := s.Save(filepath.Join(folder, "no", "such", "folder")); err == nil {
		t.Error("saving into a folder that does not exist succeeded")
	}
}

// TestSaveWhileFunctionsRun would hang if an invocation, which makes requests of its own, held up Save or waited for it.
func TestSaveWhileFunctionsRun(t *testing.T) {
	t.Parallel()
	var c clients
	saved := make(chan struct{})
	running := make(chan struct{})
	s := furnished(t, aws.Options{Invoke: func(ctx context.Context, _ string, payload []byte) ([]byte, string, error) {
		close(running)
		<-saved
		return payload, "", c.deeds(ctx)["dynamodb"]()
	}})
	c = connect(t, s, "tester")
	ended := make(chan error)
	go func() { ended <- c.deeds(t.Context())["lambda"]() }()
	<-running
	if err := s.Save(filepath.Join(t.TempDir(), "aws.json")); err != nil {
		t.Error(err)
	}
	close(saved)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		arguments string
		status    int
		code      string
	}{
		"no flags":        {"", http.StatusOK, "{}"},
		"always too many": {"-throttle 1", http.StatusBadRequest, "ThrottlingException"},
		"always broken":   {"-fail 1", http.StatusInternalServerError, "InternalFailure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := flag.NewFlagSet("sim", flag.ContinueOnError)
			fs.SetOutput(io.Discard)
			o := aws.Flags(fs)
			if err := fs.Parse(strings.Fields(tc.arguments)); err != nil {
				t.Fatal(err)
			}
			w := post(aws.New(*o), "AmazonSQS.ListQueues", `{}`, signed("sqs", aws.Region))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.code) {
				t.Errorf("status %d, %s; want %d, %s", w.Code, w.Body, tc.status, tc.code)
			}
		})
	}
}
