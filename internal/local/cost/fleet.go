package cost

import (
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Read counts what a template has that costs something whether it is used or not. What is there under a condition is left
// out, but for what the default parameters bring.
func Read(path string) (Fleet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Fleet{}, err
	}
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		return Fleet{}, fmt.Errorf("%s: %w", path, err)
	}
	c := counter{kinds: map[string]int{}}
	c.count(&document)
	if c.err != nil {
		return Fleet{}, fmt.Errorf("%s: %w", path, c.err)
	}
	return Fleet{
		Alarms: c.metrics + c.kinds["AWS::CloudWatch::Alarm"] - c.several, Composites: c.kinds["AWS::CloudWatch::CompositeAlarm"],
		Dashboards: c.kinds["AWS::CloudWatch::Dashboard"], Filters: c.kinds["AWS::Logs::MetricFilter"], Routes: c.kinds["HttpApi"],
		Keys: c.kinds["AWS::KMS::Key"], Secrets: c.kinds["AWS::SecretsManager::Secret"], Queues: c.kinds["SQS"], Sweeps: c.sweeps,
	}, nil
}

// counter goes through a template.
type counter struct {
	kinds   map[string]int // resources and what starts functions, by type
	several int            // alarms of several metrics
	metrics int            // in these
	sweeps  float64        // an hour
	err     error
}

func (c *counter) count(node *yaml.Node) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			value := node.Content[i+1]
			switch node.Content[i].Value {
			case "Type":
				if !has(node, "Destination") { // of what failed: that starts nothing
					c.kinds[value.Value]++
				}
			case "Metrics":
				c.several++
			case "MetricStat":
				c.metrics++
			case "ScheduleExpression":
				c.sweeps += c.rate(value.Value)
			}
		}
	}
	for _, below := range node.Content {
		c.count(below)
	}
}

func has(node *yaml.Node, name string) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return true
		}
	}
	return false
}

// rate reads how often an hour something is done.
func (c *counter) rate(expression string) float64 {
	var every int
	var unit string
	if _, err := fmt.Sscanf(expression, "rate(%d %s", &every, &unit); err != nil || every < 1 {
		c.err = fmt.Errorf("what is %q?", expression)
		return 0
	}
	switch unit = strings.TrimSuffix(strings.TrimSuffix(unit, ")"), "s"); unit {
	case "minute":
		return 60 / float64(every)
	case "hour":
		return 1 / float64(every)
	case "day":
		return 1 / 24.0 / float64(every)
	}
	c.err = fmt.Errorf("what is %q?", expression)
	return 0
}
