package metric

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

func TestPut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := Log{Out: &out, Stage: "dev", Now: func() time.Time { return time.UnixMilli(1700000000123) }}
	l.Put("ConnectionIdleDays", None, 7.5)
	l.Put("Nonsense", None, math.NaN())
	const want = `{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"ReferralBridge","Dimensions":[["Stage"]],` +
		`"Metrics":[{"Name":"ConnectionIdleDays","Unit":"None"}]}]},"Stage":"dev","ConnectionIdleDays":7.5}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := Batch{Log: &Log{Out: &out, Stage: "dev", Now: func() time.Time { return time.UnixMilli(1700000000123) }}}
	b.Write() // nothing was measured, so nothing is written
	for i := range 101 {
		b.Add("EventSeconds", Seconds, float64(i))
	}
	b.Add("EventSeconds", Seconds, math.Inf(1))
	for _, left := range []float64{40, 12, 30} {
		b.Least("CallsLeft", Count, left)
		b.Most("Used", Percent, left)
	}
	b.Write()
	b.Write()
	first, rest, _ := strings.Cut(out.String(), "\n")
	const (
		head = `{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"ReferralBridge","Dimensions":[["Stage"]],"Metrics":[`
		// The values of a name are in their order, up to a hundred in a line.
		names = `{"Name":"CallsLeft","Unit":"Count"},{"Name":"EventSeconds","Unit":"Seconds"},{"Name":"Used","Unit":"Percent"}]}]},"Stage":"dev",`
	)
	if !strings.HasPrefix(first, head+names+`"CallsLeft":[12],"EventSeconds":[0,1,2,`) || !strings.HasSuffix(first, `,98,99],"Used":[40]}`) {
		t.Errorf("first line: %s", first)
	}
	if want := head + `{"Name":"EventSeconds","Unit":"Seconds"}]}]},"Stage":"dev","EventSeconds":[100]}` + "\n"; rest != want {
		t.Errorf("got  %s\nwant %s", rest, want)
	}
}

// TestBatchNames holds what several functions measure to its name and unit: alarms and the dashboard go by them.
func TestBatchNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := Batch{Log: &Log{Out: &out, Stage: "dev", Now: func() time.Time { return time.UnixMilli(1700000000123) }}}
	b.CallsLeft(300)
	b.CallsLeft(12)
	b.CallsLeft(40)
	b.OrgUsed(20_000, 100_000)
	b.OrgUsed(900, 1000)
	b.LiveWaits(time.Minute)
	b.LiveWaits(1500 * time.Millisecond)
	b.Took("EventSeconds")(2345678 * time.Microsecond)
	b.Took("EventSeconds")(0)
	b.Write()
	for _, want := range []string{
		`{"Name":"EventSeconds","Unit":"Seconds"}`, `{"Name":"LiveWaitSeconds","Unit":"Seconds"}`,
		`{"Name":"ReferralHeroCallsLeft","Unit":"Count"}`, `{"Name":"SalesforceUsedPercent","Unit":"Percent"}`,
		`"EventSeconds":[2.345,0]`, `"LiveWaitSeconds":[60]`, `"ReferralHeroCallsLeft":[12]`, `"SalesforceUsedPercent":[90]`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}
