package mail

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/sim/aws"
	"github.com/referralbridge/referralbridge/internal/sim/aws/ses"
)

var message = Message{To: "dana@example.com", Subject: "Import finished", Text: "1,000 contacts", HTML: "<p>1,000 contacts</p>", Tag: "import"}

func newSender(t *testing.T, fault *aws.Fault) (Sender, *aws.Server) {
	t.Helper()
	service := aws.New(aws.Options{Fault: func(string, string, *http.Request) *aws.Fault { return fault }})
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return NewSender(awssdk.Config{
		BaseEndpoint: &server.URL, Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, "bridge@example.com"), service
}

func TestSend(t *testing.T) {
	t.Parallel()
	sender, service := newSender(t, nil)
	if err := sender.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	sent := service.SES.Mails()
	if len(sent) != 1 {
		t.Fatalf("%d mails were sent, want 1", len(sent))
	}
	want := ses.Mail{ID: sent[0].ID, At: sent[0].At, Headers: sent[0].Headers, From: "bridge@example.com", To: []string{"dana@example.com"},
		Subject: message.Subject, Text: message.Text, HTML: message.HTML, Tags: map[string]string{"kind": "import"}}
	if diff := cmp.Diff(want, sent[0]); diff != "" {
		t.Errorf("mail (-want +got):\n%s", diff)
	}
}

func TestSendSaysWhetherTheMailMayHaveGoneOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault *aws.Fault
		kind  bridge.Kind
		sent  int
	}{
		"accepted, but no answer": {&aws.Fault{DropReply: true}, bridge.UnknownOutcome, 1},
		"SES is in trouble":       {&aws.Fault{Status: 500, Code: "InternalServiceErrorException", Message: "dana@example.com"}, bridge.UnknownOutcome, 0},
		"too many mails":          {&aws.Fault{Status: 429, Code: "TooManyRequestsException", Message: "dana@example.com"}, bridge.Throttled, 0},
		"rejected":                {&aws.Fault{Status: 400, Code: "MessageRejected", Message: "dana@example.com is on a list"}, bridge.Invalid, 0},
		"not allowed":             {&aws.Fault{Status: 403, Code: "AccessDeniedException", Message: "no"}, bridge.Denied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sender, service := newSender(t, tc.fault)
			err := sender.Send(t.Context(), message)
			if bridge.KindOf(err) != tc.kind || strings.Contains(err.Error(), "dana") {
				t.Errorf("Send = %v; want %s, and no address in it", err, tc.kind)
			}
			if got := len(service.SES.Mails()); got != tc.sent {
				t.Errorf("%d mails went out, want %d: the SDK must not try again by itself", got, tc.sent)
			}
		})
	}
}
