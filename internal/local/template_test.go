package local

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/referralbridge/referralbridge/internal/letter"
	"github.com/referralbridge/referralbridge/internal/local/template"
	"github.com/referralbridge/referralbridge/internal/sim/aws/dynamodb"
	"github.com/referralbridge/referralbridge/internal/sim/provisioned"
)

const root = "../.."

// deployed is what the template means that is deployed, on one machine and in the cloud.
func deployed(t *testing.T) *template.Model {
	t.Helper()
	tmpl, err := template.Load(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := tmpl.Model(template.Input{
		Parameters: map[string]string{
			"BaseUrl": "https://bridge.example.com", "SalesforceClientId": "key", "SenderAddress": "imports@example.com",
			"OidcIssuer": "https://issuer.example.com", "OidcClientId": "client",
		},
		Region: Region, Account: "000000000000", Physical: tmpl.Names("test", Region, "000000000000", "http://aws"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTemplateHasEveryFunction(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() {
			folders = append(folders, entry.Name())
		}
	}
	if named := Folders(deployed(t)); !slices.Equal(named, folders) {
		t.Errorf("functions of the template = %q, want the folders %q", named, folders)
	}
}

func TestTestsWorkOnTheTableOfTheTemplate(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(dynamodb.New(dynamodb.Options{}))
	t.Cleanup(server.Close)
	cloud, err := connect(t.Context(), Options{AWSEndpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := provisioned.Table(t.Context(), cloud.dynamodb, "table"); err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.table(t.Context(), "table", deployed(t).Tables["Table"]); err != nil {
		t.Errorf("the table of tests is another one than that of the template: %v", err)
	}
}

func TestTemplateGivesFunctionsTheVariablesThatTheyReadAndNoOthers(t *testing.T) {
	t.Parallel()
	read := regexp.MustCompile(`env\.(?:(?:Need|NeedInt|NeedSeconds|Optional)\("([A-Z_]+)"\)|(Simulator)\(\))`)
	for id, f := range deployed(t).Functions {
		files, err := filepath.Glob(filepath.Join(root, "functions", f.Folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		wanted := map[string]bool{"STAGE": true} // the template gives it to all of them
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range read.FindAllStringSubmatch(string(source), -1) {
				names := []string{match[1]}
				if match[2] != "" {
					names = []string{"SALESFORCE_SIMULATOR", "STAGE"}
				}
				for _, name := range names {
					wanted[name] = true
					if _, ok := f.Environment[name]; !ok {
						t.Errorf("%s reads %s, and %s does not have it in the template", file, name, id)
					}
				}
			}
		}
		for name := range f.Environment {
			if !wanted[name] {
				t.Errorf("%s has %s in the template and does not read it", id, name)
			}
		}
	}
}

func TestTemplateQueues(t *testing.T) {
	t.Parallel()
	m := deployed(t)
	dead := map[string]bool{}
	for _, q := range m.Queues {
		dead[q.DeadLetter] = true
	}
	mapped := map[string]bool{}
	for id, f := range m.Functions {
		for _, source := range f.Mappings {
			mapped[source.Queue] = true
			if q := m.Queues[source.Queue]; q.Visibility < 6*f.Timeout {
				t.Errorf("line %d: %s shows messages again after %s; want six times the %s that %s may take", q.Line, source.Queue, q.Visibility, f.Timeout, id)
			}
			if !source.PartialFailures {
				t.Errorf("line %d: a message of %s that fails takes its neighbours along", source.Line, source.Queue)
			}
		}
		for _, schedule := range f.Schedules {
			dead[schedule.DeadLetter] = true
			if schedule.DeadLetter == "" {
				t.Errorf("line %d: a schedule without a dead-letter queue", schedule.Line)
			}
		}
	}
	for id, q := range m.Queues {
		if !mapped[id] {
			t.Errorf("line %d: nobody reads %s", q.Line, id)
		}
		switch {
		case dead[id]:
			if q.Retention < 14*24*time.Hour {
				t.Errorf("line %d: dead letters in %s are kept for %s; want 14 days", q.Line, id, q.Retention)
			}
		case q.DeadLetter == "" || q.MaxReceives < 5:
			t.Errorf("line %d: %s gives up after %d receives into %q; want a dead-letter queue after at least 5", q.Line, id, q.MaxReceives, q.DeadLetter)
		}
	}
}

// TestTemplateSendsDeadLettersToTheirOwner holds that what a queue gives up is known by the queue's name.
func TestTemplateSendsDeadLettersToTheirOwner(t *testing.T) {
	t.Parallel()
	m := deployed(t)
	want := map[string]bool{}
	for _, q := range letter.Queues {
		want[string(q)+"Dead"] = true
	}
	for id, q := range m.Queues {
		if q.DeadLetter != "" && (q.DeadLetter != id+"Dead" || !want[q.DeadLetter]) {
			t.Errorf("line %d: %s gives messages up to %s, which no letter comes from", q.Line, id, q.DeadLetter)
		}
	}
	for _, source := range m.Functions["DeadLetterFunction"].Mappings {
		if !want[source.Queue] {
			t.Errorf("line %d: letters come from %s twice, or are of no queue", source.Line, source.Queue)
		}
		delete(want, source.Queue)
	}
	for id := range want {
		t.Errorf("nobody makes letters of what is in %s", id)
	}
}

func TestTemplateNobodyMayScanOrDoEverything(t *testing.T) {
	t.Parallel()
	for id, f := range deployed(t).Functions {
		for _, s := range f.Statements {
			for _, action := range s.Actions {
				if s.Allow && (action == "dynamodb:scan" || strings.Contains(action, "*")) {
					t.Errorf("%s may %s", id, action)
				}
			}
		}
	}
}

func TestTemplateKnowsWhereEveryRouteGoes(t *testing.T) {
	t.Parallel()
	routes := map[string]string{}
	for id, f := range deployed(t).Functions {
		for _, r := range f.Routes {
			key := r.Method + " " + r.Path
			if other := routes[key]; other != "" {
				t.Errorf("%s goes to %s and to %s", key, other, id)
			}
			routes[key] = id
		}
	}
	for _, want := range []string{"GET /", "ANY /{proxy+}", "POST /oauth/start", "GET /oauth/callback/{environment}"} {
		if routes[want] == "" {
			t.Errorf("there is no route %s among %q", want, slices.Sorted(maps.Keys(routes)))
		}
	}
}
