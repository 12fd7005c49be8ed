package cost_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/referralbridge/referralbridge/internal/local/cost"
)

// TestREADMEHasTheBill is there so that nobody is promised the bill of another template.
func TestREADMEHasTheBill(t *testing.T) {
	t.Parallel()
	f, err := cost.Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"habits": cost.Habits(f), "table of costs": cost.Table(f)} {
		if !strings.Contains(string(readme), "\n\n"+text+"\n") {
			t.Errorf("README has other %s than `make cost` prints, which are\n\n%s", what, text)
		}
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	const template = `
Resources:
  Plain: { Type: AWS::CloudWatch::Alarm, Properties: { MetricName: Errors } }
  Ratio:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Metrics:
        - { Id: errors, MetricStat: { Metric: { MetricName: Errors } } }
        - { Id: all, MetricStat: { Metric: { MetricName: Invocations } } }
        - { Id: ratio, Expression: errors / all }
  Both: { Type: AWS::CloudWatch::CompositeAlarm }
  Key: { Type: AWS::KMS::Key }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig: { DestinationConfig: { OnFailure: { Type: SQS, Destination: arn } } }
      Events:
        Jobs: { Type: SQS }
        Page: { Type: HttpApi }
        Often: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(5 minutes) } }
        Hourly: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 hour) } }
`
	read := func(text string) (cost.Fleet, error) {
		path := filepath.Join(t.TempDir(), "template.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return cost.Read(path)
	}
	got, err := read(template)
	if want := (cost.Fleet{Alarms: 3, Composites: 1, Keys: 1, Queues: 1, Routes: 1, Sweeps: 13}); err != nil || got != want {
		t.Errorf("fleet = %+v, %v, want %+v", got, err, want)
	}
	for what, wrong := range map[string]string{"no YAML": "\t{", "a schedule by the calendar": strings.Replace(template, "rate(1 hour)", "cron(0 3 * * ? *)", 1)} {
		if _, err := read(wrong); err == nil {
			t.Errorf("%s was counted", what)
		}
	}
}

// TestTheBillByHand recomputes lines from the words that stand beside them.
func TestTheBillByHand(t *testing.T) {
	t.Parallel()
	f := cost.Fleet{Alarms: 70, Composites: 1, Dashboards: 1, Filters: 4, Routes: 6, Keys: 3, Secrets: 2, Queues: 7, Sweeps: 360}
	got := map[string]cost.Line{}
	for _, l := range cost.Month(f) {
		got[l.What] = l
	}
	for what, tc := range map[string]struct{ subscribers, want float64 }{
		"alarms, dashboard": {1, 70*0.10 + 0.50 + 3},
		"metrics":           {1, (21 + 4 + 36) * 0.30},
		"keys, secrets":     {1, 3 + 2*0.40},
		"empty queues":      {1, 7 * 900 * 730 * 0.40 / 1e6},
		"schedules":         {1, 360 * 730 * (1 + 10*0.125) / 1e6},
		"DynamoDB, writes":  {1_000_000, 0.625 * (0.05*30.4*1.55 + 0.01*50 + 30.4*0.025)},
		"DynamoDB, storage": {1_000_000, 0.45 * (2 + 0.05*30.4)},
		"SQS":               {1_000_000, 0.40 * 1.2 * (0.05*30.4 + 0.03)},
		"API Gateway":       {1_000_000, 0.05*30.4 + 0.03 + 0.02},
	} {
		line, there := got[what]
		if !there || math.Abs(line.Cost(tc.subscribers)-tc.want) > 0.001 {
			t.Errorf("%s: %.4f, want %.4f (%s)", what, line.Cost(tc.subscribers), tc.want, line.Arithmetic)
		}
	}
	if got, want := cost.Once.Cost(1_000), (60+1300)*0.625e-6+(80+1300)*0.125e-6+15*0.40e-6+6.25*0.0000133334; math.Abs(got-want) > 1e-9 {
		t.Errorf("an import costs %g, want %g", got, want)
	}
}
