package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/inbox"
	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/syncer"
)

// invocation is what Lambda does with an event.
func invocation(t *testing.T, o office, event string) string {
	t.Helper()
	var in input
	if err := json.Unmarshal([]byte(event), &in); err != nil {
		t.Fatal(err)
	}
	answer, err := o.handle(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMessagesAndCommandsShareTheFunction(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		event string
		want  string
		kept  int
	}{
		"a message": {
			event: `{"Records":[{"messageId":"m-1","body":"{}","eventSourceARN":"arn:aws:sqs:us-east-1:1:ImportsDead"}]}`,
			want:  `{"batchItemFailures":`, kept: 1,
		},
		"a message of a queue that is not ours": {
			event: `{"Records":[{"messageId":"m-1","body":"{}","eventSourceARN":"arn:aws:sqs:us-east-1:1:Others"}]}`,
			want:  `[{"itemIdentifier":"m-1"}]`,
		},
		"a queue that there is not":    {event: `{"again":"Letters"}`, want: "there is no queue of that name"},
		"a look into one":              {event: `{"list":"Letters"}`, want: "there is no queue of that name"},
		"letters of schedules":         {event: `{"again":"Schedule","most":1}`, want: "the next sweep does the work"},
		"an operator who asks nothing": {event: `{}`, want: `"problem":"say {`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := 0
			o := office{Letters: letter.Service{Now: time.Now}, Dead: queue.Dead{
				Record: func(context.Context, letter.Letter) error { kept++; return nil },
				Queues: map[string]letter.Queue{"https://sqs.example/1/ImportsDead": letter.Imports}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			}}
			if got := invocation(t, o, tc.event); !strings.Contains(got, tc.want) || kept != tc.kept {
				t.Errorf("answer %s, %d kept; want %s and %d", got, kept, tc.want, tc.kept)
			}
		})
	}
}

// TestEveryJobSaysWhatItIsAbout sends a job of each type as its own senders do, and reads it as a dead letter.
func TestEveryJobSaysWhatItIsAbout(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(aws.New(aws.Options{}))
	t.Cleanup(server.Close)
	client := sqs.NewFromConfig(awssdk.Config{
		Region: aws.Region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	at := time.Now()
	for name, tc := range map[string]struct {
		send func(ctx context.Context, url string) error
		want letter.About
	}{
		"imports": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[importer.Job]{Client: client, URL: url}.Send(ctx, 0, importer.Job{Account: "a_1", Import: "i_1", Page: 3})
			},
			want: letter.About{Account: "a_1", Import: "i_1"},
		},
		"hints": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[inbox.Hint]{Client: client, URL: url}.Send(ctx, 0, inbox.Hint{Account: "a_1", Campaign: "MF1", Subscriber: "s_1"})
			},
			want: letter.About{Account: "a_1", Campaign: "MF1", Subscriber: "s_1"},
		},
		"changes": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[syncer.Hint]{Client: client, URL: url}.Send(ctx, 0, syncer.Hint{Account: "a_1", Campaign: "MF1", Subscriber: "s_1"})
			},
			want: letter.About{Account: "a_1", Campaign: "MF1", Subscriber: "s_1"},
		},
		"runs": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[syncer.Job]{Client: client, URL: url}.Send(ctx, 0, syncer.Job{Account: "a_1", Campaign: "MF1"})
			},
			want: letter.About{Account: "a_1", Campaign: "MF1"},
		},
		"provisions": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[provision.Job]{Client: client, URL: url}.Send(ctx, 0, provision.Job{Account: "a_1", Connection: "c_1"})
			},
			want: letter.About{Account: "a_1", Connection: "c_1"},
		},
		"conversions": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[conversion.Job]{Client: client, URL: url}.Send(ctx, 0, conversion.Job{
					Account: "a_1", Connection: "c_1", Campaign: "MF1", Opportunities: []string{"006000000000001"}, At: at})
			},
			want: letter.About{Account: "a_1", Connection: "c_1", Campaign: "MF1", Opportunities: []string{"006000000000001"}},
		},
		"plumbing": {
			send: func(ctx context.Context, url string) error {
				return queue.Topic[plumbing.Job]{Client: client, URL: url}.Send(ctx, 0, plumbing.Job{Account: "a_1", Connection: "c_1"})
			},
			want: letter.About{Account: "a_1", Connection: "c_1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.send(t.Context(), *made.QueueUrl); err != nil {
				t.Fatal(err)
			}
			got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl})
			if err != nil || len(got.Messages) != 1 {
				t.Fatalf("received %v, %v", got, err)
			}
			if diff := cmp.Diff(queue.About(*got.Messages[0].Body), tc.want); diff != "" {
				t.Errorf("it is about (-got +want):\n%s", diff)
			}
		})
	}
}
