package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// TestMain lets this test's own binary be the function: a process that Lambda's variables were given to is one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	if why := os.Getenv("BROKEN"); why != "" {
		log.Fatal(why)
	}
	runtime.Start(behave)
}

// behave does what its order says.
func behave(ctx context.Context, order string) (any, error) {
	do, what, _ := strings.Cut(order, " ")
	switch do {
	case "echo":
		return what, nil
	case "pid":
		return os.Getpid(), nil
	case "environment":
		return os.Environ(), nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]string{
			"arn": lc.InvokedFunctionArn, "id": lc.AwsRequestID, "left": time.Until(deadline).String(), "trace": os.Getenv("_X_AMZN_TRACE_ID"),
		}, nil
	case "say":
		fmt.Println(what)
		return nil, nil
	case "error":
		return nil, errors.New(what)
	case "panic":
		panic(what)
	case "exit":
		os.Exit(7)
	case "answer": // so many bytes
		n, err := strconv.Atoi(what)
		return strings.Repeat("x", n), err
	case "take": // so many megabytes
		n, err := strconv.Atoi(what)
		memory := make([]byte, n<<20)
		for i := 0; i < len(memory); i += 4096 {
			memory[i] = 1
		}
		return len(memory), err
	case "hang": // with a child, whose process id it says
		child := exec.Command("/bin/sleep", "600")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return nil, err
		}
		fmt.Println("child", child.Process.Pid)
		select {}
	}
	return nil, fmt.Errorf("cannot %s", do)
}

// journal is a log that can be waited on.
type journal struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newJournal() *journal { return &journal{wrote: make(chan struct{}, 1)} }

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.wrote <- struct{}{}:
	default:
	}
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// wait returns what comes after the text in its line, once it was written n times.
func (j *journal) wait(t *testing.T, text string, n int) string {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		parts := strings.Split(j.String(), text)
		if line, _, whole := strings.Cut(parts[len(parts)-1], "\n"); len(parts) > n && whole {
			return line
		}
		select {
		case <-j.wrote:
		case <-late:
			t.Fatalf("nobody said %q; said was:\n%s", text, j)
		}
	}
}

func start(t *testing.T, change func(*Config)) (*Function, *journal) {
	t.Helper()
	said := newJournal()
	r, err := New(said)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Name: "local-Behave", Label: "behave", ARN: "arn:aws:lambda:us-east-1:000000000000:function:local-Behave", Binary: binary,
		Environ: []string{"GREETING=hello"}, Timeout: 10 * time.Second, Memory: 256, Concurrency: 4,
	}
	if change != nil {
		change(&c)
	}
	return r.Function(c), said
}

func invoke(t *testing.T, f *Function, order string) Result {
	t.Helper()
	payload, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	result, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatalf("%s: %v", order, err)
	}
	return result
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		order     string
		failed    string // FunctionError
		payload   string // contained in the payload
		said      string // contained in the log
		crashes   int
		survives  bool // the process is used again
		errorKind string
	}{
		"an answer":                       {order: "echo hello", payload: `"hello"`, survives: true},
		"an error":                        {order: "error no luck", failed: "Unhandled", errorKind: "errorString", payload: "no luck", survives: true},
		"a panic":                         {order: "panic oh no", failed: "Unhandled", errorKind: "string", payload: "oh no"},
		"a process that ends":             {order: "exit", failed: "Unhandled", errorKind: "Runtime.ExitError", payload: "exit status 7", said: "behave: Runtime exited with error: exit status 7", crashes: 1},
		"an answer that is too large":     {order: "answer 7000000", failed: "Unhandled", errorKind: "Function.ResponseSizeTooLarge", said: "more than 6291456 bytes"},
		"output goes to the log":          {order: "say it", payload: "null", said: "behave: it", survives: true},
		"more memory than it was granted": {order: "take 300", payload: "314572800", said: "Lambda would have killed it at 256 MB", survives: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, said := start(t, nil)
			pid := string(invoke(t, f, "pid").Payload)

			result := invoke(t, f, tc.order)
			if result.FunctionError != tc.failed || !bytes.Contains(result.Payload, []byte(tc.payload)) {
				t.Errorf("result = %q %.200s, want %q and %s", result.FunctionError, result.Payload, tc.failed, tc.payload)
			}
			if tc.errorKind != "" {
				if kind := decode[map[string]any](t, result.Payload)["errorType"]; kind != tc.errorKind {
					t.Errorf("errorType = %v, want %s", kind, tc.errorKind)
				}
			}
			if tc.said != "" {
				said.wait(t, tc.said, 1)
			}
			if crashes := f.Stats().Crashes; crashes != tc.crashes {
				t.Errorf("crashes = %d, want %d", crashes, tc.crashes)
			}
			if again := string(invoke(t, f, "pid").Payload); (again == pid) != tc.survives {
				t.Errorf("process %s after %s; used again: %t, want %t", again, pid, again == pid, tc.survives)
			}
		})
	}
}

func TestEnvironmentIsExactlyWhatLambdaGives(t *testing.T) {
	t.Setenv("HIDDEN", "from the shell")
	f, _ := start(t, nil)
	environ := decode[[]string](t, invoke(t, f, "environment").Payload)

	for _, want := range []string{
		"GREETING=hello", "AWS_LAMBDA_FUNCTION_NAME=local-Behave", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "_HANDLER=bootstrap",
	} {
		if !slices.Contains(environ, want) {
			t.Errorf("there is no %s in %q", want, environ)
		}
	}
	for _, variable := range environ {
		if strings.HasPrefix(variable, "HIDDEN=") || strings.HasPrefix(variable, "HOME=") {
			t.Errorf("%s was inherited", variable)
		}
	}
}

func TestInvocationContext(t *testing.T) {
	t.Parallel()
	f, _ := start(t, nil)
	got := decode[map[string]string](t, invoke(t, f, "context").Payload)

	if want := "arn:aws:lambda:us-east-1:000000000000:function:local-Behave"; got["arn"] != want {
		t.Errorf("arn = %s, want %s", got["arn"], want)
	}
	if got["id"] == "" || !strings.HasPrefix(got["trace"], "Root=1-") {
		t.Errorf("request id = %q, trace = %q; want both", got["id"], got["trace"])
	}
	if left, err := time.ParseDuration(got["left"]); err != nil || left < 8*time.Second || left > 10*time.Second {
		t.Errorf("time left = %s, want a little less than 10 s", got["left"])
	}
}

func TestTimeoutKillsTheProcessAndWhatItStarted(t *testing.T) {
	t.Parallel()
	f, said := start(t, func(c *Config) { c.Timeout = 500 * time.Millisecond })
	before := string(invoke(t, f, "pid").Payload)
	result := invoke(t, f, "hang")

	failure := decode[map[string]string](t, result.Payload)
	if result.FunctionError != "Unhandled" || failure["errorType"] != "Sandbox.Timedout" || !strings.HasSuffix(failure["errorMessage"], "Task timed out after 0.50 seconds") {
		t.Errorf("result = %s %v, want a timeout", result.FunctionError, failure)
	}
	child, err := strconv.Atoi(said.wait(t, "behave: child ", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := gone(t, child); err != nil {
		t.Errorf("the child lives: %v", err)
	}
	if after := string(invoke(t, f, "pid").Payload); after == before {
		t.Error("the next invocation got the process that hung")
	}
	if s := f.Stats(); s.Timeouts != 1 || s.Errors != 1 || s.Crashes != 0 || s.Running != 0 {
		t.Errorf("stats = %+v, want one timeout, which is one error", s)
	}
}

// gone waits until a process is dead. A dead one may stay for whoever adopted it to be waited for.
func gone(t *testing.T, pid int) error {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	late := time.After(5 * time.Second)
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if syscall.Kill(pid, 0) != nil || err == nil && bytes.Contains(status, []byte("State:\tZ")) {
			return nil
		}
		select {
		case <-look.C:
		case <-late:
			return fmt.Errorf("process %d: %s", pid, status)
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	f, said := start(t, nil)
	if f.Kill() {
		t.Error("killed a process before there was any")
	}
	invoke(t, f, "pid")
	if f.Kill() {
		t.Error("killed an idle process")
	}
	ended := make(chan Result)
	go func() {
		result, _ := f.Invoke(t.Context(), []byte(`"hang"`))
		ended <- result
	}()
	said.wait(t, "behave: child ", 1)
	if !f.Kill() {
		t.Fatal("killed nothing")
	}
	result := <-ended
	if result.FunctionError != "Unhandled" || !bytes.Contains(result.Payload, []byte("signal: killed")) {
		t.Errorf("result = %+v, want the signal", result)
	}
	if got := string(invoke(t, f, "echo back").Payload); got != `"back"` {
		t.Errorf("afterwards = %s, want it back", got)
	}
}

func TestConcurrencyIsCapped(t *testing.T) {
	t.Parallel()
	f, said := start(t, func(c *Config) { c.Concurrency = 2 })
	for range 2 {
		go func() { _, _ = f.Invoke(t.Context(), []byte(`"hang"`)) }()
	}
	said.wait(t, "behave: child ", 2)

	waits, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := f.Invoke(waits, []byte(`"echo third"`)); !errors.Is(err, context.Canceled) {
		t.Errorf("the third got in: %v", err)
	}
	if !f.Kill() {
		t.Fatal("killed nothing")
	}
	if got := string(invoke(t, f, "echo third").Payload); got != `"third"` {
		t.Errorf("after one ended = %s, want the third", got)
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"its own words are in the error": {func(c *Config) { c.Environ = append(c.Environ, "BROKEN=TABLE is not set") }, "TABLE is not set"},
		"there is no program":            {func(c *Config) { c.Binary = "/nowhere/bootstrap" }, "no such file"},
		"it ends without a word":         {func(c *Config) { c.Binary = "/bin/true" }, "could not start: exit status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := start(t, tc.change)
			err := f.Warm(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line with %q", err, tc.want)
			}
			result := invoke(t, f, "echo")
			if result.FunctionError != "Unhandled" || !bytes.Contains(result.Payload, []byte("Runtime.ExitError")) {
				t.Errorf("result = %+v, want an error of the function", result)
			}
		})
	}
}

func TestWarmProcessIsUsed(t *testing.T) {
	t.Parallel()
	f, _ := start(t, nil)
	if err := f.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := string(invoke(t, f, "pid").Payload)
	for range 5 {
		if pid := string(invoke(t, f, "pid").Payload); pid != first {
			t.Errorf("process %s, want %s again", pid, first)
		}
	}
	if s := f.Stats(); s.Invocations != 6 || s.PeakMemory < 1<<20 {
		t.Errorf("stats = %+v, want 6 invocations and some memory", s)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	f, said := start(t, nil)
	ended := make(chan Result)
	go func() {
		result, _ := f.Invoke(t.Context(), []byte(`"hang"`))
		ended <- result
	}()
	child, err := strconv.Atoi(said.wait(t, "behave: child ", 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.runtime.Close(); err != nil {
		t.Fatal(err)
	}
	if result := <-ended; !result.Closed || result.FunctionError == "" {
		t.Errorf("result = %+v, want a failure because of the end", result)
	}
	if err := gone(t, child); err != nil {
		t.Error(err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`"echo"`)); !errors.Is(err, ErrClosed) {
		t.Errorf("err = %v, want ErrClosed", err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	f, _ := start(t, nil)
	if _, err := f.Invoke(t.Context(), make([]byte, LargestPayload+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("err = %v, want ErrTooLarge", err)
	}
}
