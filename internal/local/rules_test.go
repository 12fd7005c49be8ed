package local

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// resource is one of the template's, as it is written there. An intrinsic function is its argument, with its name in front: "!Ref Table".
type resource struct {
	id, kind   string
	properties map[string]any
}

// written reads the template without evaluating it: what is about AWS alone has no part in template.Model.
func written(t *testing.T) (resources []resource, globals map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		t.Fatal(err)
	}
	top := plain(&document).(map[string]any)
	for id, entry := range top["Resources"].(map[string]any) {
		r := resource{id: id, kind: entry.(map[string]any)["Type"].(string)}
		r.properties, _ = entry.(map[string]any)["Properties"].(map[string]any)
		resources = append(resources, r)
	}
	return resources, top["Globals"].(map[string]any)["Function"].(map[string]any)
}

func plain(node *yaml.Node) any {
	switch node.Kind {
	case yaml.DocumentNode:
		return plain(node.Content[0])
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			all[node.Content[i].Value] = plain(node.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		var all []any
		for _, item := range node.Content {
			all = append(all, plain(item))
		}
		return all
	}
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		return node.Tag + " " + node.Value
	}
	return node.Value
}

// texts returns every text in a value, wherever it is.
func texts(value any) (all []string) {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		for _, v := range value {
			all = append(all, texts(v)...)
		}
	case map[string]any:
		for _, v := range value {
			all = append(all, texts(v)...)
		}
	}
	return all
}

func ofKind(all []resource, kind string) (some []resource) {
	for _, r := range all {
		if r.kind == kind {
			some = append(some, r)
		}
	}
	return some
}

func TestTemplateGivesEachFunctionARoleAndALogOfItsOwn(t *testing.T) {
	t.Parallel()
	all, globals := written(t)
	if got := texts(globals["Architectures"]); !slices.Equal(got, []string{"arm64"}) {
		t.Errorf("architectures = %q, want arm64", got)
	}
	for _, f := range ofKind(all, "AWS::Serverless::Function") {
		name := strings.TrimSuffix(f.id, "Function")
		logging, _ := f.properties["LoggingConfig"].(map[string]any)
		for what, is := range map[string][2]any{
			"Role":          {f.properties["Role"], "!GetAtt " + name + "Role.Arn"},
			"LogGroup":      {logging["LogGroup"], "!Ref " + name + "Log"},
			"Architectures": {f.properties["Architectures"], nil},
			"Policies":      {f.properties["Policies"], nil}, // SAM would add some of AWS's own to them
		} {
			if is[0] != is[1] {
				t.Errorf("%s: %s = %v, want %v", f.id, what, is[0], is[1])
			}
		}
	}
}

// A version and its alias are what is deployed slowly and taken back; a stack is not the only one of its account.
func TestTemplateCallsAliasesAndNamesNothingThatIsThereOnce(t *testing.T) {
	t.Parallel()
	all, _ := written(t)
	schedules := 0
	for _, f := range ofKind(all, "AWS::Serverless::Function") {
		if environment, _ := f.properties["Environment"].(map[string]any); environment != nil {
			variables, _ := environment["Variables"].(map[string]any)
			for name, value := range variables {
				if text, _ := value.(string); strings.HasPrefix(text, "!Ref ") && strings.HasSuffix(text, "Function") {
					t.Errorf("%s: %s is %s, which is the newest code and no version", f.id, name, text)
				}
			}
		}
		events, _ := f.properties["Events"].(map[string]any)
		for name, event := range events {
			event, _ := event.(map[string]any)
			properties, _ := event["Properties"].(map[string]any)
			if event["Type"] != "ScheduleV2" {
				continue
			}
			if schedules++; properties["OmitName"] != "true" {
				t.Errorf("%s: the schedule %s has a name of its own, which another stage would have too", f.id, name)
			}
		}
	}
	if schedules != 9 {
		t.Errorf("%d schedules, want nine", schedules)
	}
}

func TestTemplateAllowsOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	m := deployed(t)
	for id, f := range m.Functions {
		for _, s := range f.Statements {
			for _, action := range s.Actions {
				// Of traces and network interfaces AWS knows no ARN that could be said beforehand.
				nameless := strings.HasPrefix(action, "xray:") || strings.HasPrefix(action, "ec2:") && id == "TokenBrokerFunction"
				for _, resource := range s.Resources {
					// A log's streams, and secrets that the broker itself makes, have the beginning of their names in common.
					part := strings.HasSuffix(resource, ":*") && strings.HasPrefix(action, "logs:") ||
						strings.HasSuffix(resource, "/rescue/*") && id == "TokenBrokerFunction"
					if strings.ContainsAny(resource, "*?") && !nameless && !part {
						t.Errorf("%s may %s on %s", id, action, resource)
					}
					if strings.HasSuffix(resource, "TokenKey") && id != "TokenBrokerFunction" {
						t.Errorf("%s may %s with the broker's key", id, action)
					}
				}
			}
		}
	}
}

func TestTemplateLogsAreSealedAndForgotten(t *testing.T) {
	t.Parallel()
	all, _ := written(t)
	for _, l := range ofKind(all, "AWS::Logs::LogGroup") {
		if l.properties["RetentionInDays"] == nil || l.properties["KmsKeyId"] != "!GetAtt LogKey.Arn" {
			t.Errorf("%s: retention %v, key %v; want some days and LogKey", l.id, l.properties["RetentionInDays"], l.properties["KmsKeyId"])
		}
	}
	for _, api := range ofKind(all, "AWS::Serverless::HttpApi") {
		format := strings.Join(texts(api.properties["AccessLogSettings"]), " ")
		if !strings.Contains(format, "$context.routeKey") || regexp.MustCompile(`\$context\.(path|identity|authorizer|.*[qQ]uery|http)`).MatchString(format) {
			t.Errorf("%s: what is logged of requests = %s, want routes, and neither paths nor queries nor people", api.id, format)
		}
	}
}

func TestTemplateProtectsWhatIsKept(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all, _ := written(t)
	for _, r := range all {
		switch r.kind {
		case "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::KMS::Key", "AWS::Cognito::UserPool":
			begin := strings.Index(string(text), "\n  "+r.id+":")
			head, _, _ := strings.Cut(string(text)[begin:], "    Properties:\n")
			if !strings.Contains(head, "DeletionPolicy: Retain") || !strings.Contains(head, "UpdateReplacePolicy: Retain") {
				t.Errorf("%s goes when the stack goes", r.id)
			}
		}
	}
	for _, table := range ofKind(all, "AWS::DynamoDB::Table") {
		said := strings.Join(texts(table.properties["SSESpecification"]), " ")
		if table.properties["DeletionProtectionEnabled"] != "true" || !strings.Contains(said, "!Ref DataKey") ||
			!slices.Equal(texts(table.properties["PointInTimeRecoverySpecification"]), []string{"true"}) {
			t.Errorf("%s: want protection from deletion, recovery to any point in time, and DataKey", table.id)
		}
	}
	var ruled []string
	for _, p := range ofKind(all, "AWS::SQS::QueuePolicy") {
		ruled = append(ruled, texts(p.properties["Queues"])...)
	}
	for _, q := range ofKind(all, "AWS::SQS::Queue") {
		if !slices.Contains(ruled, "!Ref "+q.id) {
			t.Errorf("%s takes messages without encryption and from other accounts: it is not among QueueRules", q.id)
		}
	}
}

// TestTemplateAlarms holds that what can go wrong has an alarm, that each alarm tells somebody, and that whoever is told finds what to do.
func TestTemplateAlarms(t *testing.T) {
	t.Parallel()
	all, _ := written(t)
	runbook, err := os.ReadFile(filepath.Join(root, "functions/RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sections []string // patterns of alarms' names
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(runbook), -1) {
		for _, name := range regexp.MustCompile("`([A-Za-z*]+)`").FindAllStringSubmatch(heading[1], -1) {
			sections = append(sections, name[1])
		}
	}
	alarms := slices.Concat(ofKind(all, "AWS::CloudWatch::Alarm"), ofKind(all, "AWS::CloudWatch::CompositeAlarm"))
	named := map[string]bool{}
	matched := map[string]bool{}
	for _, a := range alarms {
		named[a.id] = true
		if !slices.Contains(texts(a.properties["AlarmActions"]), "!Ref AlarmTopic") {
			t.Errorf("%s tells nobody", a.id)
		}
		if description, _ := a.properties["AlarmDescription"].(string); !strings.HasPrefix(description, "Page: ") && !strings.HasPrefix(description, "Ticket: ") {
			t.Errorf("%s does not say whether it can wait: %s", a.id, description)
		}
		found := false
		for _, pattern := range sections {
			if ok, _ := path.Match(pattern, a.id); ok {
				found, matched[pattern] = true, true
			}
		}
		if !found {
			t.Errorf("functions/RUNBOOK.md says nothing about %s", a.id)
		}
	}
	for _, pattern := range sections {
		if !matched[pattern] {
			t.Errorf("functions/RUNBOOK.md tells of %s, and there is no such alarm", pattern)
		}
	}
	m := deployed(t)
	for id := range m.Functions {
		if name := strings.TrimSuffix(id, "Function") + "Errors"; !named[name] {
			t.Errorf("there is no alarm %s", name)
		}
	}
	for id := range m.Queues {
		name := id + "Age"
		if strings.HasSuffix(id, "Dead") {
			name = id + "Letters"
		}
		if !named[name] {
			t.Errorf("there is no alarm %s", name)
		}
	}
}

// sourceOf is the source of a function and of all of ours that it is built from.
func sourceOf(t *testing.T, folder string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$at := .Dir}}{{range .GoFiles}}{{$at}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`,
		"github.com/referralbridge/referralbridge/functions/"+folder).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var source strings.Builder
	for _, name := range strings.Fields(string(out)) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	return source.String()
}

// TestTemplateMeasuresWhatTheCodeSays holds metrics and words of the log that the template relies on to the code.
func TestTemplateMeasuresWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	all, _ := written(t)
	functions := deployed(t).Functions
	sources := map[string]string{} // by log
	var source strings.Builder
	for _, folder := range []string{"functions", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			source.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	filtered := map[string]bool{}
	for _, f := range ofKind(all, "AWS::Logs::MetricFilter") {
		pattern, _ := f.properties["FilterPattern"].(string)
		messages := regexp.MustCompile(`\$\.message = "([^"]*)"`).FindAllStringSubmatch(pattern, -1)
		if len(messages) == 0 {
			t.Errorf("%s looks for nothing that is known here: %s", f.id, pattern)
		}
		log, _ := f.properties["LogGroupName"].(string)
		of := functions[strings.TrimSuffix(strings.TrimPrefix(log, "!Ref "), "Log")+"Function"]
		if of == nil {
			t.Errorf("%s looks into %s, which is no function's log", f.id, log)
			continue
		}
		if sources[log] == "" {
			sources[log] = sourceOf(t, of.Folder)
		}
		for _, message := range messages {
			if !strings.Contains(sources[log], `, "`+message[1]+`"`) {
				t.Errorf("%s looks for %q, which %s does not log", f.id, message[1], of.Folder)
			}
		}
		for _, transformation := range f.properties["MetricTransformations"].([]any) {
			filtered[transformation.(map[string]any)["MetricName"].(string)] = true
			pattern += transformation.(map[string]any)["MetricValue"].(string)
		}
		for _, field := range regexp.MustCompile(`\$\.(\w+)`).FindAllStringSubmatch(pattern, -1) {
			if field[1] != "message" && !strings.Contains(sources[log], `"`+field[1]+`"`) {
				t.Errorf("%s relies on the field %s, which %s does not log", f.id, field[1], of.Folder)
			}
		}
	}
	prefixed := regexp.MustCompile(`^Webhooks([A-Z]\w+)$`) // the rest of the name is an inbox.Outcome
	measured := func(name string) bool {
		if m := prefixed.FindStringSubmatch(name); m != nil {
			name = m[1]
		}
		return strings.Contains(source.String(), `"`+name+`"`)
	}
	for _, a := range ofKind(all, "AWS::CloudWatch::Alarm") {
		name, _ := a.properties["MetricName"].(string)
		switch namespace, _ := a.properties["Namespace"].(string); {
		case namespace == "ReferralBridge" && !measured(name):
			t.Errorf("%s is about %s, which nobody measures", a.id, name)
		case strings.HasPrefix(namespace, "!Sub ReferralBridge/") && !filtered[name]:
			t.Errorf("%s is about %s, which no filter counts", a.id, name)
		}
	}
	for _, d := range ofKind(all, "AWS::CloudWatch::Dashboard") {
		for _, shown := range regexp.MustCompile(`\["ReferralBridge(/\$\{Stage\})?","(\w+)"`).FindAllStringSubmatch(d.properties["DashboardBody"].(string), -1) {
			if shown[1] == "" && !measured(shown[2]) || shown[1] != "" && !filtered[shown[2]] {
				t.Errorf("%s shows %s, which nobody measures", d.id, shown[2])
			}
		}
	}
	if len(filtered) == 0 {
		t.Error("there are no filters")
	}
}
