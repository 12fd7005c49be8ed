package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with functions and returns its root.
func module(t *testing.T, sources map[string]string) string {
	t.Helper()
	root := t.TempDir()
	sources["go.mod"] = "module example.com/small\n\ngo 1.26\n"
	for name, text := range sources {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestBuild(t *testing.T) {
	t.Parallel()
	root := module(t, map[string]string{
		"functions/one/main.go": "package main\n\nfunc main() {}\n",
		"functions/two/main.go": "package main\n\nfunc main() {}\n",
	})
	directory := filepath.Join(root, ".build")
	before := map[string]os.FileInfo{}
	for range 2 {
		if err := Build(t.Context(), root, directory, Target{}, "one", "two"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"one", "two"} {
			info, err := os.Stat(filepath.Join(directory, name))
			if err != nil {
				t.Fatal(err)
			}
			if was := before[name]; was != nil && !os.SameFile(was, info) {
				t.Errorf("%s was written anew though nothing had changed: a process may be running it", name)
			}
			before[name] = info
		}
	}
}

func TestBuildFails(t *testing.T) {
	t.Parallel()
	root := module(t, map[string]string{
		"functions/good/main.go":   "package main\n\nfunc main() {}\n",
		"functions/broken/main.go": "package main\n\nfunc main() {\n\tundefined()\n}\n",
	})
	for name, tc := range map[string]struct {
		folder, want string
	}{
		"the compiler's own lines": {"broken", "functions/broken/main.go:4:2: undefined: undefined"},
		"no such folder":           {"missing", "there is no folder functions/missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Build(t.Context(), root, filepath.Join(root, ".build"), Target{}, "good", tc.folder)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
		})
	}
}
