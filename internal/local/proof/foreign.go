package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// Foreign lets clients that others wrote for the real Salesforce read and write the simulated org, as `make foreign` does, and
// returns those that found nothing wrong with it, as in "jsforce 3.10.16". root is the top of the repository.
func Foreign(ctx context.Context, root string, tell func(format string, args ...any)) ([]string, error) {
	var events, problems bytes.Buffer
	test := exec.CommandContext(ctx, filepath.Join(root, ".ci/foreign/run"), "-json")
	test.Stdout, test.Stderr = &events, &problems
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) } // `go test` ends what it started
	test.WaitDelay = 10 * time.Second
	failed := test.Run()
	believers, said, err := believers(&events)
	tell("foreign clients: the simulated org passes for Salesforce with %v", believers)
	if failed != nil {
		err = errors.Join(err, fmt.Errorf("foreign clients: %w\n%s%s", failed, said, &problems))
	}
	return believers, err
}

// believers reads what `go test -json` tells: the clients whose tests passed, by the names that the tests gave them, and all that was said.
func believers(events io.Reader) (clients []string, said string, err error) {
	client := map[string]string{} // by test
	for decoder := json.NewDecoder(events); ; {
		var event struct{ Action, Test, Key, Value, Output string }
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF):
			slices.Sort(clients)
			return clients, said, nil
		case err != nil:
			return nil, said, err
		}
		said += event.Output
		switch {
		case event.Action == "attr" && event.Key == "client":
			client[event.Test] = event.Value
		case event.Action == "pass" && client[event.Test] != "":
			clients = append(clients, client[event.Test])
		}
	}
}
