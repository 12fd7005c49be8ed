package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/referralbridge/referralbridge/internal/local/cost"
)

// bills prints what a month at AWS costs, as README has it.
func bills(_ context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("cost", stderr)
	root := fs.String("root", ".", "`directory` of the repository")
	if err := parse(fs, args); err != nil {
		return err
	}
	fleet, err := cost.Read(filepath.Join(*root, "template.yaml"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, cost.Habits(fleet)+"\n"+cost.Table(fleet))
	return err
}
