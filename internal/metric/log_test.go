package metric

import (
	"bytes"
	"math"
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
