package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/lambda"
	"github.com/referralbridge/referralbridge/internal/local/world"
)

// Deploy is what can be known of a deployment without an account to deploy to.
type Deploy struct {
	CfnLintErrors  int     `json:"cfn_lint_errors"`
	SAMLintErrors  int     `json:"sam_lint_errors"`
	CheckovFailed  int     `json:"checkov_failed"`
	Missing        int     `json:"iam_missing"`
	Unused         int     `json:"iam_unused"`
	OtherEmulator  string  `json:"other_emulator_demo"` // "ok" if the demonstration passes on an AWS that we did not write
	UpgradeLost    int     `json:"upgrade_lost"`
	LargestPackage float64 `json:"zip_max_mb"`           // of the console; the others' are smaller
	FirstPollRatio float64 `json:"first_poll_ratio_max"` // from a process's start to its asking for work: the slowest function against an empty one, but for warming

	large []string // packages that are larger than they may be
	asked int      // checks that found something to look at
}

// Err says which promise does not hold.
func (d Deploy) Err() error {
	return broken(map[string]bool{
		"every checker found something to check":                       d.asked == 3,
		"no error of cfn-lint":                                         d.CfnLintErrors == 0,
		"no error of sam validate":                                     d.SAMLintErrors == 0,
		"no failed check of checkov":                                   d.CheckovFailed == 0,
		"no permission missing":                                        d.Missing == 0,
		"no permission unused":                                         d.Unused == 0,
		"the demonstration passes on another emulator":                 d.OtherEmulator == "ok",
		"nothing lost when releases take over from each other":         d.UpgradeLost == 0,
		"packages of at most 4.5 MB, 6.5 MB of the console":            d.LargestPackage > 0 && len(d.large) == 0,
		"asking for work within 2.5 times what an empty handler takes": d.FirstPollRatio > 0 && d.FirstPollRatio <= 2.5,
	})
}

// Deployment runs the experiments on what is deployed, one after the other, and tells how far it is.
func Deployment(ctx context.Context, root string, tell func(format string, args ...any)) (Deploy, error) {
	var found Deploy
	for _, experiment := range []func(context.Context, string, func(string, ...any), *Deploy) error{checkers, packages, firstPolls, otherEmulator} {
		if err := experiment(ctx, root, tell, &found); err != nil {
			return found, err
		}
	}
	allowed, err := Permissions(ctx, root, tell)
	if err != nil {
		return found, err
	}
	found.Missing, found.Unused = allowed.Missing, allowed.Unused
	upgrade, err := Upgrades(ctx, root, tell)
	found.UpgradeLost = upgrade.Lost
	return found, errors.Join(err, upgrade.Err())
}

// checkers asks those that others wrote about the template.
func checkers(ctx context.Context, root string, tell func(string, ...any), found *Deploy) error {
	said, failed := target(ctx, root, "cfn-lint", "ARGS=--format json")
	var matches []struct {
		Level, Message string
		Rule           struct{ ID string }
	}
	if err := json.Unmarshal([]byte(said), &matches); err != nil {
		return fmt.Errorf("cfn-lint: %w", errors.Join(failed, err))
	}
	for _, m := range matches {
		tell("cfn-lint: %s %s: %s", m.Level, m.Rule.ID, m.Message)
		if m.Level == "Error" {
			found.CfnLintErrors++
		}
	}
	found.asked++

	said, failed = target(ctx, root, "sam-lint")
	found.SAMLintErrors = len(samError.FindAllString(said, -1))
	if failed != nil && found.SAMLintErrors == 0 {
		return fmt.Errorf("sam validate: %w", failed)
	}
	if strings.Contains(said, "is a valid SAM Template") || failed != nil {
		found.asked++
	}

	said, failed = target(ctx, root, "checkov", "ARGS=--output json")
	var report struct {
		Summary struct{ Passed, Failed int }
	}
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		return fmt.Errorf("checkov: %w", errors.Join(failed, err))
	}
	found.CheckovFailed = report.Summary.Failed
	if report.Summary.Passed > 100 {
		found.asked++
	}
	tell("checkers: cfn-lint %d errors, sam validate %d errors, checkov %d passed and %d failed", found.CfnLintErrors, found.SAMLintErrors,
		report.Summary.Passed, report.Summary.Failed)
	return nil
}

// samError is how the linter in SAM begins an error.
var samError = regexp.MustCompile(`(?m)\bE\d{4}\b`)

// packages builds what is deployed, and weighs it.
func packages(ctx context.Context, root string, tell func(string, ...any), found *Deploy) error {
	directory, err := os.MkdirTemp("", "packages")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	if _, err := target(ctx, root, "build", "ARGS=-to "+directory); err != nil {
		return fmt.Errorf("packages: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.zip"))
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		size, most := float64(info.Size())/1e6, 4.5
		if info.Name() == "console.zip" {
			most = 6.5
		}
		if size > most {
			found.large = append(found.large, info.Name())
		}
		found.LargestPackage = max(found.LargestPackage, round(size))
		tell("packages: %-24s %.2f MB", info.Name(), size)
	}
	return nil
}

// firstPolls measures how long each function takes from its process's start to its asking for work, and an empty function beside it,
// in turns, so that whatever else the machine does meets both.
func firstPolls(ctx context.Context, root string, tell func(string, ...any), found *Deploy) (err error) {
	const rounds = 21
	directory, err := os.MkdirTemp("", "empty")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	binary := filepath.Join(directory, "empty")
	command := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", binary, "./internal/local/proof/empty")
	command.Dir, command.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("first polls: %w: %s", err, said)
	}
	runtime, err := lambda.New(io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	empty := runtime.Function(lambda.Config{Name: "empty", Label: "empty", Binary: binary, Timeout: 10 * time.Second, Concurrency: 1})
	w, err := world.Start(ctx, world.Options{Root: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	took := map[string][]float64{} // milliseconds
	measure := func(name string, cold func(context.Context) (time.Duration, error)) error {
		d, err := cold(ctx)
		took[name] = append(took[name], float64(d)/float64(time.Millisecond))
		return err
	}
	for range rounds {
		if err := measure("an empty handler", empty.Cold); err != nil {
			return err
		}
		for id, f := range w.Stack.Model.Functions {
			if err := measure(f.Folder, func(ctx context.Context) (time.Duration, error) { return w.Stack.Cold(ctx, id) }); err != nil {
				return err
			}
		}
	}
	least := quantile(took["an empty handler"], 0.5)
	for _, name := range slices.Sorted(maps.Keys(took)) {
		median := quantile(took[name], 0.5)
		ratio := round(median / least)
		if name != warming {
			found.FirstPollRatio = max(found.FirstPollRatio, ratio)
		}
		tell("first poll: %-24s %5.1f ms, %.2f of an empty handler's", name, median, ratio)
	}
	return nil
}

// warming is the function that makes its first calls to AWS before it asks for work, so that a webhook does not wait for them. How long
// they take is the network's matter.
const warming = "subscriber-event"

// otherEmulator runs the demonstration on an AWS that we did not write.
func otherEmulator(ctx context.Context, root string, tell func(string, ...any), found *Deploy) error {
	said, failed := target(ctx, root, "other")
	lines := strings.Split(said, "\n")
	last := lines[len(lines)-1]
	var result struct {
		Equal     bool
		Confirmed int
	}
	switch err := json.Unmarshal([]byte(last), &result); {
	case failed != nil:
		found.OtherEmulator = "failed"
		tell("other emulator: %s", said)
	case err != nil || !result.Equal || result.Confirmed != 1:
		found.OtherEmulator = "other result"
	default:
		found.OtherEmulator = "ok"
	}
	tell("other emulator: %s", last)
	return nil
}

// target makes a target and returns what it prints.
func target(ctx context.Context, root string, arguments ...string) (string, error) {
	return output(ctx, root, "make", append([]string{"--no-print-directory", "--silent"}, arguments...)...)
}
