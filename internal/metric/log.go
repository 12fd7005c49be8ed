// Package metric writes measurements as log lines that CloudWatch turns into metrics by itself, in its
// embedded metric format. So a function needs neither a client nor a permission to be measured.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metric

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Namespace is where CloudWatch shows our metrics.
const Namespace = "ReferralBridge"

// Unit is what a value counts, by CloudWatch's names.
type Unit string

// The units in use. CloudWatch has none for days.
const (
	Count   Unit = "Count"
	None    Unit = "None"
	Percent Unit = "Percent"
	Seconds Unit = "Seconds"
)

// Log writes metrics. Its only dimension is the stage: nothing in a line is about an account or a person.
type Log struct {
	Out   io.Writer // os.Stdout in a Lambda
	Stage string
	Now   func() time.Time

	mu sync.Mutex
}

// line is the format, as far as one metric needs it.
type line struct {
	AWS   directive `json:"_aws"`
	Stage string    `json:"Stage"`
}

type directive struct {
	Timestamp int64  `json:"Timestamp"` // Unix milliseconds
	Metrics   []list `json:"CloudWatchMetrics"`
}

type list struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

// Put writes one measurement.
func (l *Log) Put(name string, unit Unit, value float64) {
	l.write([]definition{{name, unit}}, map[string]any{name: value})
}

// write writes a line of what was measured, by name: a number or several.
func (l *Log) write(metrics []definition, measured map[string]any) {
	head, err := json.Marshal(line{directive{l.Now().UnixMilli(), []list{{
		Namespace: Namespace, Dimensions: [][]string{{"Stage"}}, Metrics: metrics,
	}}}, l.Stage})
	if err != nil {
		return // cannot be: it is text and numbers
	}
	tail, err := json.Marshal(measured)
	if err != nil {
		return // not a number, so not a measurement
	}
	text := append(head[:len(head)-1], ',')
	text = append(text, tail[1:]...)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.Out.Write(append(text, '\n')) // a metric that cannot be written must not stop the work
}
