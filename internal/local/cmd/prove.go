package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/proof"
)

// prove runs experiments and ends with what they found as one line of JSON. It fails if a promise does not hold.
func prove(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	what := "import"
	if len(args) > 0 {
		what = args[0]
	}
	if what != "import" || len(args) > 1 {
		fmt.Fprintln(stderr, "prove: what? There is: import")
		return errUsage
	}
	began := time.Now()
	tell := func(format string, args ...any) {
		fmt.Fprintf(stdout, "%6s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	tell("importing with kills, then for memory, then through the hour's limit; about a quarter of an hour")
	found, err := proof.Imports(ctx, ".", tell)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(found); err != nil {
		return err
	}
	return found.Err()
}
