package sqs_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/sim/aws/sqs"
)

// direct calls a server without a network between, so that its clock can be a test's.
type direct struct {
	t *testing.T
	*sqs.Server
}

type answer struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
	Messages   []struct {
		Body       string
		Handle     string `json:"ReceiptHandle"`
		Attributes map[string]string
	}
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func (d direct) call(operation, body string) answer {
	d.t.Helper()
	return d.callAs(d.t.Context(), operation, body)
}

func (d direct) callAs(ctx context.Context, operation, body string) answer {
	d.t.Helper()
	r := httptest.NewRequestWithContext(ctx, "POST", "http://sqs.test/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var out answer
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		d.t.Errorf("%s: answer %q: %v", operation, w.Body, err)
	}
	return out
}

// does is call for what must succeed.
func (d direct) does(operation, body string) answer {
	d.t.Helper()
	out := d.call(operation, body)
	if out.Type != "" {
		d.t.Fatalf("%s %s: %s: %s", operation, body, out.Type, out.Message)
	}
	return out
}

const jobs = `"QueueUrl":"http://sqs.test/000000000000/jobs"`

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		queue   string // attributes
		send    string // more members
		before  time.Duration
		visible bool // at that time
	}{
		"no delay":                      {visible: true},
		"just before the delay is over": {send: `,"DelaySeconds":900`, before: 900*time.Second - 1},
		"when the delay is over":        {send: `,"DelaySeconds":900`, before: 900 * time.Second, visible: true},
		"the queue's delay":             {queue: `"DelaySeconds":"5"`, before: 5*time.Second - 1},
		"a delay of none overrides it":  {queue: `"DelaySeconds":"5"`, send: `,"DelaySeconds":0`, visible: true},
		"just before it is too old":     {queue: `"MessageRetentionPeriod":"60"`, before: time.Minute - 1, visible: true},
		"too old":                       {queue: `"MessageRetentionPeriod":"60"`, before: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			d := direct{t, sqs.New(sqs.Options{Now: c.Now})}
			d.does("CreateQueue", `{"QueueName":"jobs","Attributes":{`+tc.queue+`}}`)
			d.does("SendMessage", `{`+jobs+`,"MessageBody":"m"`+tc.send+`}`)
			c.move(tc.before)
			if got := len(d.does("ReceiveMessage", `{`+jobs+`}`).Messages) == 1; got != tc.visible {
				t.Errorf("received = %t, want %t", got, tc.visible)
			}
		})
	}
}

func TestVisibilityByTheClock(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := direct{t, sqs.New(sqs.Options{Now: c.Now})}
	d.does("CreateQueue", `{"QueueName":"jobs","Attributes":{"VisibilityTimeout":"720"}}`)
	d.does("SendMessage", `{`+jobs+`,"MessageBody":"m"}`)
	first := d.does("ReceiveMessage", `{`+jobs+`}`).Messages[0]

	c.move(720*time.Second - 1)
	if n := len(d.does("ReceiveMessage", `{`+jobs+`}`).Messages); n != 0 {
		t.Fatal("visible before its time")
	}
	c.move(1)
	// Nobody has received it since: the first receiver may still take it back.
	d.does("ChangeMessageVisibility", `{`+jobs+`,"ReceiptHandle":"`+first.Handle+`","VisibilityTimeout":60}`)
	if n := len(d.does("ReceiveMessage", `{`+jobs+`}`).Messages); n != 0 {
		t.Fatal("visible although it was taken back")
	}
	c.move(time.Minute)
	if n := len(d.does("ReceiveMessage", `{`+jobs+`,"VisibilityTimeout":0}`).Messages); n != 1 {
		t.Fatal("not visible when its time was over")
	}
	second := d.does("ReceiveMessage", `{`+jobs+`}`).Messages[0]
	c.move(12*time.Hour - time.Minute)
	out := d.call("ChangeMessageVisibility", `{`+jobs+`,"ReceiptHandle":"`+second.Handle+`","VisibilityTimeout":61}`)
	if want := "Value 61 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"; out.Message != want {
		t.Errorf("hidden beyond twelve hours: %q, want %q", out.Message, want)
	}
}

func TestDeadLettersKeepTheirAge(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := direct{t, sqs.New(sqs.Options{Now: c.Now})}
	d.does("CreateQueue", `{"QueueName":"dead","Attributes":{"MessageRetentionPeriod":"120"}}`)
	d.does("CreateQueue", `{"QueueName":"jobs","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":1}"}}`)
	d.does("SendMessage", `{`+jobs+`,"MessageBody":"m"}`)
	d.does("ReceiveMessage", `{`+jobs+`}`)
	c.move(time.Minute)
	d.does("ReceiveMessage", `{`+jobs+`}`)
	dead := strings.ReplaceAll(jobs, "jobs", "dead")
	if n := len(d.does("ReceiveMessage", `{`+dead+`,"VisibilityTimeout":0}`).Messages); n != 1 {
		t.Fatalf("%d messages in the dead-letter queue, want 1", n)
	}
	c.move(time.Minute)
	if n := len(d.does("ReceiveMessage", `{`+dead+`}`).Messages); n != 0 {
		t.Errorf("the dead-letter queue keeps a message for longer than two minutes after it was first sent")
	}
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) direct {
		d := direct{t, sqs.New(sqs.Options{})}
		d.does("CreateQueue", `{"QueueName":"jobs","Attributes":{"ReceiveMessageWaitTimeSeconds":"20"}}`)
		return d
	}
	for name, tc := range map[string]struct {
		meanwhile func(d direct)
		messages  int
		took      time.Duration
	}{
		"nothing comes": {func(direct) {}, 0, 20 * time.Second},
		"a message comes": {func(d direct) {
			time.Sleep(7 * time.Second)
			d.does("SendMessage", `{`+jobs+`,"MessageBody":"m"}`)
		}, 1, 7 * time.Second},
		"a delay is over": {func(d direct) {
			d.does("SendMessage", `{`+jobs+`,"MessageBody":"m","DelaySeconds":9}`)
		}, 1, 9 * time.Second},
		"the delay is longer": {func(d direct) {
			d.does("SendMessage", `{`+jobs+`,"MessageBody":"m","DelaySeconds":21}`)
		}, 0, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // its clock stands still unless everybody waits
				d := setup(t)
				start := time.Now()
				go tc.meanwhile(d)
				got := d.does("ReceiveMessage", `{`+jobs+`}`)
				if len(got.Messages) != tc.messages || time.Since(start) != tc.took {
					t.Errorf("received %d messages after %v, want %d after %v", len(got.Messages), time.Since(start), tc.messages, tc.took)
				}
			})
		})
	}

	t.Run("a client that has gone takes nothing with it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := setup(t)
			ctx, leave := context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				d.callAs(ctx, "ReceiveMessage", `{`+jobs+`}`)
			}()
			synctest.Wait()
			leave()
			<-gone
			d.does("SendMessage", `{`+jobs+`,"MessageBody":"m"}`)
			if n := len(d.does("ReceiveMessage", `{`+jobs+`}`).Messages); n != 1 {
				t.Errorf("received %d messages, want 1", n)
			}
		})
	})

	t.Run("a queue that is deleted ends it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := setup(t)
			ended := make(chan answer)
			go func() { ended <- d.call("ReceiveMessage", `{`+jobs+`}`) }()
			synctest.Wait()
			d.does("DeleteQueue", `{`+jobs+`}`)
			if got := (<-ended).Type; got != "com.amazonaws.sqs#QueueDoesNotExist" {
				t.Errorf("the receive ended with %q, want QueueDoesNotExist", got)
			}
		})
	})
}

func TestEachMessageGoesToOneReceiver(t *testing.T) {
	t.Parallel()
	d := direct{t, sqs.New(sqs.Options{})}
	d.does("CreateQueue", `{"QueueName":"jobs"}`)
	const messages = 200
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range messages / 8 {
				d.call("SendMessage", `{`+jobs+`,"MessageBody":"m"}`)
			}
		})
		all.Go(func() {
			for {
				got := d.call("ReceiveMessage", `{`+jobs+`,"MaxNumberOfMessages":3,"WaitTimeSeconds":1}`).Messages
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, m := range got {
					seen[m.Handle]++
				}
				mu.Unlock()
				for _, m := range got {
					d.call("DeleteMessage", `{`+jobs+`,"ReceiptHandle":"`+m.Handle+`"}`)
				}
			}
		})
	}
	all.Wait()
	if len(seen) != messages {
		t.Errorf("received %d different messages, want %d", len(seen), messages)
	}
	for handle, n := range seen {
		if n != 1 {
			t.Errorf("message %s was received %d times", handle, n)
		}
	}
}

func TestSnapshotKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	c := newClock()
	before := direct{t, sqs.New(sqs.Options{Now: c.Now})}
	before.does("CreateQueue", `{"QueueName":"dead"}`)
	before.does("CreateQueue", `{"QueueName":"jobs","Attributes":{"VisibilityTimeout":"100","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":5}"}}`)
	before.does("SendMessage", `{`+jobs+`,"MessageBody":"in flight"}`)
	handle := before.does("ReceiveMessage", `{`+jobs+`}`).Messages[0].Handle
	before.does("SendMessage", `{`+jobs+`,"MessageBody":"waiting","MessageAttributes":{"a":{"DataType":"String","StringValue":"b"}}}`)
	before.does("SendMessage", `{`+jobs+`,"MessageBody":"delayed","DelaySeconds":30}`)
	all := `{` + jobs + `,"AttributeNames":["All"]}`
	want := before.does("GetQueueAttributes", all)

	snapshot, err := before.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	after := direct{t, sqs.New(sqs.Options{Now: c.Now})}
	if err := after.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, after.does("GetQueueAttributes", all)); diff != "" {
		t.Errorf("attributes (-before +after):\n%s", diff)
	}
	after.does("DeleteMessage", `{`+jobs+`,"ReceiptHandle":"`+handle+`"}`)
	if n := after.does("GetQueueAttributes", all).Attributes["ApproximateNumberOfMessagesNotVisible"]; n != "0" {
		t.Errorf("%s messages in flight, want 0: a receipt handle outlives a restart", n)
	}
	got := after.does("ReceiveMessage", `{`+jobs+`,"MaxNumberOfMessages":10}`).Messages
	if len(got) != 1 || got[0].Body != "waiting" {
		t.Errorf("received %v, want the waiting message", got)
	}
	if err := after.Restore([]byte(`{"Version":2}`)); err == nil {
		t.Error("a snapshot of a version to come was read")
	}
	if n := after.does("GetQueueAttributes", all).Attributes["ApproximateNumberOfMessagesDelayed"]; n != "1" {
		t.Errorf("%s messages delayed, want 1: a bad snapshot must change nothing", n)
	}
}

func TestStrictness(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		operation, body, kind, message string
	}{
		"an operation that SQS has": {"StartMessageMoveTask", `{}`, "UnknownOperationException", "StartMessageMoveTask"},
		"a member of FIFO queues":   {"SendMessage", `{` + jobs + `,"MessageBody":"m","MessageDeduplicationId":"1"}`, "ValidationException", "MessageDeduplicationId"},
		"a member inside a list":    {"SendMessageBatch", `{` + jobs + `,"Entries":[{"Id":"1","MessageBody":"m"},{"Id":"2","Colour":"red"}]}`, "ValidationException", "Entries.1.Colour"},
		"a member in lower case":    {"SendMessage", `{` + jobs + `,"messageBody":"m"}`, "ValidationException", "messageBody"},
		"text for a number":         {"ReceiveMessage", `{` + jobs + `,"MaxNumberOfMessages":"10"}`, "SerializationException", "MaxNumberOfMessages"},
		"no JSON":                   {"SendMessage", `Action=SendMessage`, "SerializationException", "not JSON"},
		"two documents":             {"SendMessage", `{}{}`, "SerializationException", "goes on"},
		"null":                      {"SendMessage", `null`, "SerializationException", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := direct{t, sqs.New(sqs.Options{})}
			d.does("CreateQueue", `{"QueueName":"jobs"}`)
			out := d.call(tc.operation, tc.body)
			if got := strings.TrimPrefix(out.Type, "com.amazon.coral.service#"); got != tc.kind || !strings.Contains(out.Message, tc.message) {
				t.Errorf("answer %s: %s; want %s and the name %s", out.Type, out.Message, tc.kind, tc.message)
			}
		})
	}
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	d := direct{t, sqs.New(sqs.Options{})}
	d.does("CreateQueue", `{"QueueName":"jobs"}`)
	d.does("SendMessageBatch", `{`+jobs+`,"Entries":[{"Id":"1","MessageBody":"m"},{"Id":"2","MessageBody":"m"}]}`)
	d.call("SendMessageBatch", `{`+jobs+`}`)
	want := map[string]int{"CreateQueue": 1, "SendMessageBatch": 2}
	if got := d.Requests(); !maps.Equal(got, want) {
		t.Errorf("requests = %v, want %v", got, want)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ operation, body, action, resource string }{
		"one message":  {"SendMessage", `{` + jobs + `}`, "sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:jobs"},
		"a batch":      {"DeleteMessageBatch", `{` + jobs + `}`, "sqs:DeleteMessage", "arn:aws:sqs:us-east-1:000000000000:jobs"},
		"a name":       {"GetQueueUrl", `{"QueueName":"jobs"}`, "sqs:GetQueueUrl", "arn:aws:sqs:us-east-1:000000000000:jobs"},
		"all queues":   {"ListQueues", `{}`, "sqs:ListQueues", "*"},
		"broken bytes": {"SendMessage", `{`, "sqs:SendMessage", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sqs.Permissions(tc.operation, []byte(tc.body))
			if len(got) != 1 || got[0].Action != tc.action || got[0].Resource != tc.resource {
				t.Errorf("permissions = %v, want %s on %s", got, tc.action, tc.resource)
			}
		})
	}
}

func FuzzServeHTTP(f *testing.F) {
	for _, operation := range []string{"CreateQueue", "SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "SetQueueAttributes"} {
		f.Add(operation, `{`+jobs+`,"MessageBody":"m","QueueName":"q","ReceiptHandle":"aGFuZGxl","VisibilityTimeout":1}`)
		f.Add(operation, `{`+jobs+`,"Attributes":{"RedrivePolicy":"{\"maxReceiveCount\":null}"},"Entries":[{"Id":"1","MessageBody":"m"}]}`)
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		if strings.Contains(body, "WaitTimeSeconds") {
			t.Skip("would wait")
		}
		d := direct{t, sqs.New(sqs.Options{})}
		d.does("CreateQueue", `{"QueueName":"jobs"}`)
		d.call(operation, body) // whatever it is, the answer is JSON
	})
}
