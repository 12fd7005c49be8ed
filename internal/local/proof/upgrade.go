package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/local"
	"github.com/referralbridge/referralbridge/internal/local/person"
	"github.com/referralbridge/referralbridge/internal/local/world"
	"github.com/referralbridge/referralbridge/internal/sim/referralhero"
	"github.com/referralbridge/referralbridge/internal/sim/salesforce"
)

// Upgrade is what came of letting one release take over from another in the middle of the work.
type Upgrade struct {
	Handovers int `json:"upgrade_handovers"`
	Contacts  int `json:"upgrade_contacts"` // that were imported meanwhile
	Lost      int `json:"upgrade_lost"`     // contacts without their outcome or with two, and subscribers whose record is not right
}

// Err says which promise does not hold.
func (u Upgrade) Err() error {
	return broken(map[string]bool{"two handovers": u.Handovers == 2, "contacts imported meanwhile": u.Contacts > 0, "nothing lost in a handover": u.Lost == 0})
}

// Upgrades lets this release take over from the one before in the middle of an import into a campaign that is synced, and
// then the other way round, as when a deployment is taken back.
func Upgrades(ctx context.Context, root string, tell func(format string, args ...any)) (found Upgrade, err error) {
	commit, err := deployedBefore(ctx, root)
	if err != nil {
		return found, fmt.Errorf("upgrade: %w", err)
	}
	before, err := os.MkdirTemp("", "release-before")
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(before)) }()
	if err := export(ctx, root, commit, before); err != nil {
		return found, fmt.Errorf("upgrade: %w", err)
	}
	tell("upgrade: the release before is %.10s", commit)
	if err := build(ctx, before); err != nil {
		return found, fmt.Errorf("upgrade: %.10s: %w", commit, err)
	}
	for what, handover := range map[string][2]string{"deployed": {before, root}, "taken back": {root, before}} {
		if err := hand(ctx, handover[0], handover[1], &found, func(format string, args ...any) { tell("upgrade, "+what+": "+format, args...) }); err != nil {
			return found, fmt.Errorf("upgrade, %s: %w", what, err)
		}
	}
	return found, nil
}

// build builds a release's functions where its stack will look for them, so that they are there when it is to start.
func build(ctx context.Context, root string) error {
	folders, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil {
		return err
	}
	for i, file := range folders {
		folders[i] = filepath.Base(filepath.Dir(file))
	}
	return local.Build(ctx, root, filepath.Join(root, ".build", "local"), local.Target{}, folders...)
}

// hand has the release in one repository begin an import and the one in the other end it. For a while both work.
func hand(ctx context.Context, from, to string, found *Upgrade, tell func(string, ...any)) (err error) {
	contacts := slices.Collect(salesforce.Generate(8000, 7)) // sixteen pages
	o := world.Options{
		Root: from,
		ReferralHero: referralhero.Options{
			Latency: 30 * time.Millisecond, WindowKind: referralhero.None, Lists: []referralhero.List{{Name: campaign, URL: "https://www.example.com/join"}},
		},
		Stack: local.Options{
			Timeouts: map[string]time.Duration{worker: 5 * time.Second}, Visibilities: map[string]time.Duration{"Imports": 5 * time.Second},
			Schedules: map[string]time.Duration{"ScheduleFunction": time.Second},
		},
	}
	o.Salesforce.Contacts = contacts
	w, err := world.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	someone := person.New(w.Stack.URL)
	list, connection, err := someone.SetUp(ctx, person.Account{Token: w.Hero.Token(), Notify: "dana@example.com", Allowance: 60_000, Campaign: campaign})
	if err != nil {
		return err
	}
	if err := someone.SyncOn(ctx, list, connection); err != nil {
		return err
	}
	if _, err := someone.Synced(ctx, list); err != nil {
		return err
	}
	id, _, err := someone.Import(ctx, list, connection, "https://www.example.com/join")
	if err != nil {
		return err
	}
	var (
		next   *local.Stack
		failed error
		shares [2]int // invocations of the import's worker: of the first release alone, and of the second beside it
	)
	progress, err := someone.Watch(ctx, id, 50*time.Millisecond, func(p person.Progress) {
		switch done := p.Counts.Sum(); {
		case failed != nil:
		case next == nil && done > len(contacts)/8:
			shares[0] = w.Stack.Stats(worker).Invocations
			next, failed = w.Beside(ctx, to)
		case next != nil && someone.Console != next.URL && done > len(contacts)/2 && next.Stats(worker).Invocations > 0:
			shares[1] = next.Stats(worker).Invocations
			failed = w.Leave(w.Stack)
			someone.Console = next.URL
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if next == nil || shares[0] == 0 || shares[1] == 0 {
		return fmt.Errorf("the import ended before both releases had a share in it: %v", shares)
	}
	expected, people := expect(contacts)
	r := result{progress: progress, expected: expected, people: people}
	for _, s := range w.Hero.Subscribers(string(list)) {
		r.members = append(r.members, s.Email)
	}
	lost, doubled := r.wrong()
	differ, err := settled(ctx, w, string(list))
	if err != nil {
		return err
	}
	found.Handovers++
	found.Contacts += progress.Counts.Sum()
	found.Lost += lost + doubled + len(differ)
	if progress.State != bridge.Done {
		found.Lost++
	}
	tell("%+v as %s, %d subscribers, %d whose record is not right %v; the worker was invoked %d times by the first release alone, %d times by the second while both worked",
		progress.Counts, progress.State, len(r.members), len(differ), differ[:min(3, len(differ))], shares[0], shares[1])
	return nil
}

// settled waits until the records show what ReferralHero says, for two minutes, and returns what differs.
func settled(ctx context.Context, w *world.World, list string) ([]string, error) {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(2 * time.Minute); ; {
		_, differ, err := Equal(ctx, w, list, false)
		if err != nil || len(differ) == 0 || time.Now().After(end) {
			return differ, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// deployedBefore names the commit that was deployed before what is in the repository now: the one before the newest that
// changed what a deployment takes.
func deployedBefore(ctx context.Context, root string) (string, error) {
	listed, err := output(ctx, root, "go", "list", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", "./functions/...")
	if err != nil {
		return "", err
	}
	top, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return "", err
	}
	paths := []string{":(exclude)*_test.go", "template.yaml", "go.mod"}
	for _, directory := range strings.Fields(listed) {
		if inside, err := filepath.Rel(top, directory); err == nil && filepath.IsLocal(inside) {
			paths = append(paths, inside)
		}
	}
	changed, err := output(ctx, root, "git", append([]string{"status", "--porcelain", "--"}, paths...)...)
	if err != nil || changed != "" {
		return "HEAD", err
	}
	newest, err := output(ctx, root, "git", append([]string{"log", "-1", "--format=%H", "--"}, paths...)...)
	if err != nil {
		return "", err
	}
	before, err := output(ctx, root, "git", "rev-parse", "--verify", newest+"^")
	if err != nil {
		return "", fmt.Errorf("this clone does not have the commit before %.10s: %w", newest, err)
	}
	return before, nil
}

// export puts a commit's files into a directory.
func export(ctx context.Context, root, commit, directory string) error {
	packed := filepath.Join(directory, ".tar")
	if _, err := output(ctx, root, "git", "archive", "--output", packed, commit); err != nil {
		return err
	}
	if _, err := output(ctx, directory, "tar", "-xf", packed); err != nil {
		return err
	}
	return os.Remove(packed)
}

// output runs a program in a directory and returns what it prints, also if it fails: the error has what it complains of.
func output(ctx context.Context, directory, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = directory
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return strings.TrimSpace(out.String()), fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(problems.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
