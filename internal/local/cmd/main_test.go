package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDispatch(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	export := filepath.Join(t.TempDir(), "export.csv")
	if err := os.WriteFile(export, []byte("Email\n\"unfinished"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		says string // on standard error
	}{
		"nothing":                        {nil, 2, "usage: cmd COMMAND [flags]"},
		"an unknown command":             {[]string{"dance"}, 2, "usage: cmd COMMAND [flags]"},
		"help":                           {[]string{"run", "-help"}, 0, "-listen-salesforce address"},
		"help of a simulator":            {[]string{"sim", "-what", "salesforce", "-help"}, 0, "-rotation"},
		"help without a simulator":       {[]string{"sim", "-help"}, 0, "aws, oidc, referralhero, salesforce"},
		"an unknown flag":                {[]string{"run", "-fast"}, 2, "flag provided but not defined: -fast"},
		"a word too many":                {[]string{"run", "fast"}, 2, `what is "fast"?`},
		"no simulator":                   {[]string{"sim"}, 1, `sim: which one? -what takes aws, oidc, referralhero, salesforce, not ""`},
		"a port in use":                  {[]string{"sim", "-what=aws", "-listen", address}, 1, "sim: " + address + " is in use by another program"},
		"a real org without its app":     {[]string{"run", "-salesforce", "real"}, 1, "run: -salesforce real needs -salesforce-client-id"},
		"no kind of org":                 {[]string{"run", "-salesforce", "imaginary"}, 1, "want simulated or real"},
		"an issuer without a client":     {[]string{"run", "-oidc-issuer", "https://issuer.example"}, 1, "run: -oidc-issuer needs -oidc-client-id"},
		"a file that is not there":       {[]string{"run", "-contacts", "nowhere.csv"}, 1, "run: open nowhere.csv: no such file"},
		"a file that cannot be read":     {[]string{"run", "-contacts", export}, 1, "run: " + export + ": line"},
		"help says which are needed":     {[]string{"smoke", "-help"}, 0, "REFERRALHERO_TOKEN"},
		"a template that is not there":   {[]string{"cost", "-root", t.TempDir()}, 1, "template.yaml: no such file"},
		"functions that cannot be found": {[]string{"build", "-root", t.TempDir()}, 1, "functions: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := dispatch(t.Context(), tc.args, &stdout, &stderr); code != tc.code {
				t.Errorf("exit code = %d, want %d", code, tc.code)
			}
			if !strings.Contains(stderr.String(), tc.says) {
				t.Errorf("said %q, want %q in it", stderr.String(), tc.says)
			}
			if tc.code == 1 && strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("said %q, want one line", stderr.String())
			}
		})
	}
}

func TestSimulatorsServe(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		args []string
		path string // that answers
		says string
	}{
		"aws":          {path: "/mails", says: "AWS_ENDPOINT_URL=http://127.0.0.1:"},
		"salesforce":   {args: []string{"-contacts", "3"}, path: "/services/data/", says: "consumer key     3MVG9"},
		"referralhero": {args: []string{"-speed", "60"}, path: "/", says: "Spring Referral"},
		"oidc":         {args: []string{"-redirect-uri", "http://127.0.0.1/back"}, path: "/.well-known/openid-configuration", says: "client id      referral-bridge"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			read, write := io.Pipe()
			ended := make(chan int, 1)
			go func() {
				ended <- dispatch(ctx, append([]string{"sim", "-what", what}, tc.args...), write, io.Discard)
				_ = write.Close()
			}()
			var said strings.Builder
			url := regexp.MustCompile(`at (http://\S+) until`)
			chunk := make([]byte, 4096)
			for !strings.Contains(said.String(), tc.says) {
				n, err := read.Read(chunk)
				said.Write(chunk[:n])
				if err != nil {
					t.Fatalf("%v after %q, want %q", err, said.String(), tc.says)
				}
			}
			go func() { _, _ = io.Copy(io.Discard, read) }()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url.FindStringSubmatch(said.String())[1]+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s = %d, want 200", tc.path, resp.StatusCode)
			}
			stop()
			if code := <-ended; code != 0 {
				t.Errorf("exit code = %d, want 0", code)
			}
		})
	}
}

func TestPackagesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	program := filepath.Join(directory, "program")
	if err := os.WriteFile(program, bytes.Repeat([]byte("code "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var packages [2][]byte
	for i := range packages {
		path := filepath.Join(directory, fmt.Sprint(i, ".zip"))
		size, err := pack(path, program)
		if err != nil {
			t.Fatal(err)
		}
		if packages[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if size != int64(len(packages[i])) {
			t.Errorf("size = %d, want %d", size, len(packages[i]))
		}
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Error("the two differ")
	}
	z, err := zip.NewReader(bytes.NewReader(packages[0]), int64(len(packages[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Errorf("content = %v, want an executable bootstrap", z.File)
	}
}
