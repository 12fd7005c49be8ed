package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/proof"
)

// experiments are what can be proved, each with its figures.
var experiments = map[string]struct {
	begins string
	run    func(ctx context.Context, tell func(format string, args ...any)) (figures, error)
}{
	"import": {
		"importing with kills, then for memory, then through the hour's limit; about a quarter of an hour",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.Imports(ctx, ".", tell)
		},
	},
	"sync": {
		"sign-ups alone and in a flood, steady changes, backfills by collections and in bulk, histories with killed workers, foreign clients; half an hour",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.ProveSync(ctx, ".", tell)
		},
	},
	"conversions": {
		"posting Outbound Messages, planted bugs, and 1,000 days of deals with killed workers; a quarter of an hour",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.ProveConversions(ctx, ".", tell)
		},
	},
	"permissions": {
		"everything that functions do, for what they ask of AWS; some minutes",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.Permissions(ctx, ".", tell)
		},
	},
	"deploy": {
		"the template by others' checkers, packages, cold starts, another emulator, permissions, and releases that take over; a quarter of an hour",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.Deployment(ctx, ".", tell)
		},
	},
	"upgrade": {
		"one release takes over from another in the middle of an import, and back; two minutes",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.Upgrades(ctx, ".", tell)
		},
	},
	"connections": {
		"every state of the token refresh, a canary, the attacks, and a storm of 100 workers; some minutes",
		func(ctx context.Context, tell func(string, ...any)) (figures, error) {
			return proof.ProveConnections(ctx, ".", tell)
		},
	},
}

// figures are what an experiment found. They encode as JSON.
type figures interface {
	Err() error // which promise does not hold
}

// prove runs experiments and ends with what they found as one line of JSON. It fails if a promise does not hold.
func prove(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	what := "import"
	if len(args) > 0 {
		what = args[0]
	}
	experiment, known := experiments[what]
	if !known || len(args) > 1 {
		fmt.Fprintln(stderr, "prove: what? There is: "+strings.Join(slices.Sorted(maps.Keys(experiments)), ", "))
		return errUsage
	}
	began := time.Now()
	tell := func(format string, args ...any) {
		fmt.Fprintf(stdout, "%6s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	tell("%s", experiment.begins)
	found, failed := experiment.run(ctx, tell)
	if failed == nil {
		failed = found.Err()
	}
	return errors.Join(json.NewEncoder(stdout).Encode(found), failed)
}
