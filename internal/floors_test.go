package internal

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/referralbridge/referralbridge/"

// floors lists the packages from the ground up. A package may import those of lower floors and none of
// its own.
var floors = [][]string{
	{"internal/bridge"},
	{"internal/effect", "internal/budget"},
	{"internal/signin", "internal/connect", "internal/campaign", "internal/importer", "internal/syncer", "internal/inbox", "internal/provision", "internal/conversion", "internal/doctor", "internal/erasure", "internal/plumbing", "internal/letter"},
	{"internal/salesforce", "internal/referralhero", "internal/oidc", "internal/store", "internal/queue", "internal/secrets",
		"internal/mail", "internal/metric", "internal/invoke", "internal/apigw", "internal/config"},
	{"functions/"},
}

// workshop is where nothing that is deployed may look. Inside it, the runner stands on the simulators, and
// its commands on the runner.
var workshop = [][]string{
	{"internal/sim/"},
	{"internal/local"},
}

// tools are libraries that belong to few: whoever else imports them has taken over somebody's job.
var tools = map[string][]string{
	"github.com/aws/aws-sdk-go-v2/service/dynamodb":       {"internal/store", "functions/"},
	"github.com/aws/aws-sdk-go-v2/service/sqs":            {"internal/queue", "functions/"},
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager": {"internal/secrets", "functions/"},
	"github.com/aws/aws-sdk-go-v2/service/sesv2":          {"internal/mail", "functions/"},
	"github.com/aws/aws-sdk-go-v2/service/lambda":         {"internal/invoke", "functions/"},
	"github.com/aws/aws-lambda-go":                        {"internal/apigw", "internal/queue", "functions/"},
	"html/template":                                       {"functions/console"},
	"text/template":                                       {},
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for from, imports := range imports(t) {
		floor, shipped := storey(from, floors)
		if _, inWorkshop := storey(from, workshop); !shipped && !inWorkshop && from != "internal" {
			t.Errorf("%s stands on no floor: add it to floors or to workshop", from)
		}
		for _, to := range imports {
			target, own := storey(to, floors)
			_, toWorkshop := storey(to, workshop)
			switch {
			case shipped && toWorkshop:
				t.Errorf("%s is deployed and imports %s, which is not", from, to)
			case shipped && own && target >= floor:
				t.Errorf("%s imports %s, which does not stand below it", from, to)
			}
		}
	}
}

func TestLibrariesStayWithTheirOwners(t *testing.T) {
	t.Parallel()
	for from, imports := range imports(t) {
		if _, shipped := storey(from, floors); !shipped {
			continue
		}
		for _, to := range imports {
			for library, owners := range tools {
				if to != library && !strings.HasPrefix(to, library+"/") {
					continue
				}
				if _, owned := storey(from, [][]string{owners}); !owned {
					t.Errorf("%s imports %s, which belongs to %v", from, to, owners)
				}
			}
		}
	}
}

// storey finds the floor of a package; a name that ends in a slash stands for all below it.
func storey(name string, floors [][]string) (int, bool) {
	for i, floor := range floors {
		for _, place := range floor {
			if name == strings.TrimSuffix(place, "/") || strings.HasPrefix(name, strings.TrimSuffix(place, "/")+"/") {
				return i, true
			}
		}
	}
	return 0, false
}

// imports returns what each of our packages imports, by name within the module for our own.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	command := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(strings.ReplaceAll(line, module, ""))
		found[words[0]] = words[1:]
	}
	if len(found) < 5 {
		t.Fatalf("go list found only %d packages", len(found))
	}
	return found
}
