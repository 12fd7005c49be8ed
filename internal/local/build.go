package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Target is the platform that functions are built for. The zero value is this machine.
type Target struct{ OS, Architecture string }

// Build builds the functions in the folders below root/functions into a directory, one file for each, named as
// its folder. If it fails, the error has the compiler's own lines. Several programs may build into the same directory:
// they take turns, and those that come later have little to do.
func Build(ctx context.Context, root, directory string, target Target, folders ...string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	directory, err := filepath.Abs(directory)
	if err != nil {
		return err
	}
	arguments := []string{"build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", directory + string(filepath.Separator)}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(root, "functions", folder)); err != nil {
			return fmt.Errorf("there is no folder functions/%s", folder)
		}
		arguments = append(arguments, "./functions/"+folder)
	}
	turn, err := os.Create(filepath.Join(directory, ".turn"))
	if err != nil {
		return err
	}
	defer turn.Close() // which ends the turn
	if err := syscall.Flock(int(turn.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("waiting for another build: %w", err)
	}
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if target != (Target{}) {
		command.Env = append(command.Env, "GOOS="+target.OS, "GOARCH="+target.Architecture)
	}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if text := strings.TrimSpace(output.String()); text != "" {
			err = errors.New(text)
		}
		return fmt.Errorf("building the functions: %w", err)
	}
	return nil
}
