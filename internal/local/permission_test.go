package local

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrants(t *testing.T) {
	t.Parallel()
	o, _ := options(t, newCloud(t), strings.Replace(testTemplate, "  WorkFunction:\n    Type: AWS::Serverless::Function\n    Properties:\n", `  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      Policies: [{ Statement: [{ Effect: Allow, Action: [sqs:ReceiveMessage, sqs:SendMessage], Resource: !GetAtt Jobs.Arn }] }]
`, 1))
	s := start(t, o)
	for range 2 {
		call(t, "GET", s.URL+"/secret")
	}
	call(t, "GET", s.URL+"/table")

	used := map[string]bool{}
	for _, g := range s.Grants() {
		used[g.Function+" "+g.Action] = !g.Unused()
	}
	if diff := cmp.Diff(used, map[string]bool{
		"WebFunction lambda:invokefunction": false, "WebFunction secretsmanager:getsecretvalue": true,
		"WorkFunction sqs:receivemessage": true /* by Lambda */, "WorkFunction sqs:sendmessage": false,
	}); diff != "" {
		t.Errorf("used, got before want:\n%s", diff)
	}
	if diff := cmp.Diff(s.Denied(), []Permission{{"WebFunction", "dynamodb:describetable", "arn:aws:dynamodb:us-east-1:000000000000:table/local-Table"}}); diff != "" {
		t.Errorf("denied, got before want:\n%s", diff)
	}
}
