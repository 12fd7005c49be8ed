package lambda

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Runtime serves the Runtime API to the processes of its functions, each under a path of its own, so that
// it knows who asks.
type Runtime struct {
	listener net.Listener
	server   *http.Server
	closing  chan struct{}

	logging sync.Mutex
	log     io.Writer

	mu        sync.Mutex
	functions []*Function
	processes map[string]*process // by id
	closed    bool
}

// New returns a Runtime that listens on 127.0.0.1. Each line that a function writes goes to log with the function's
// label before it.
func New(log io.Writer) (*Runtime, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for functions: %w", err)
	}
	r := &Runtime{listener: listener, log: log, closing: make(chan struct{}), processes: map[string]*process{}}
	mux := http.NewServeMux()
	const api = "/{process}/2018-06-01/runtime/"
	mux.HandleFunc("GET "+api+"invocation/next", r.from(r.next))
	mux.HandleFunc("POST "+api+"invocation/{id}/response", r.from(r.response))
	mux.HandleFunc("POST "+api+"invocation/{id}/error", r.from(r.failure))
	mux.HandleFunc("POST "+api+"init/error", r.from(r.initError))
	mux.HandleFunc("/{process}/", r.from(func(w http.ResponseWriter, req *http.Request, p *process) {
		r.Say(p.label, "asked for "+req.Method+" "+req.URL.Path+", which the local Runtime API does not have")
		refuse(w, http.StatusNotFound, "InvalidRequest", "no such route")
	}))
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends at Close
	return r, nil
}

// Function adds a function. No process is started before it is needed.
func (r *Runtime) Function(c Config) *Function {
	f := &Function{config: c, runtime: r, slots: make(chan struct{}, max(1, c.Concurrency)), processes: map[*process]bool{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.functions = append(r.functions, f)
	return f
}

// Close kills every process and returns when they are gone.
func (r *Runtime) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	functions := r.functions
	r.mu.Unlock()
	close(r.closing)
	for _, f := range functions {
		f.close()
	}
	return r.server.Close()
}

// start starts a process of f.
func (r *Runtime) start(f *Function) (*process, error) {
	id := rand.Text()
	p := &process{
		id: id, label: f.config.Label, command: exec.Command(f.config.Binary),
		output: &output{line: func(line string) { r.Say(f.config.Label, line) }},
		work:   make(chan *invocation), ready: make(chan struct{}), exited: make(chan struct{}),
	}
	p.command.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + r.listener.Addr().String() + "/" + id,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.config.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.config.Memory),
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.config.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + id,
		"_HANDLER=bootstrap",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}, f.config.Environ...)
	p.command.Stdout, p.command.Stderr = p.output, p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to handle
	p.command.WaitDelay = time.Second                           // for output of anything that it left behind
	r.mu.Lock()
	r.processes[id] = p
	r.mu.Unlock()
	if err := p.command.Start(); err != nil {
		r.mu.Lock()
		delete(r.processes, id)
		r.mu.Unlock()
		return nil, err
	}
	go func() {
		p.wait()
		r.mu.Lock()
		delete(r.processes, id)
		r.mu.Unlock()
		f.forget(p)
		close(p.exited)
	}()
	return p, nil
}

// from finds the process that asks.
func (r *Runtime) from(handle func(http.ResponseWriter, *http.Request, *process)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		p := r.processes[req.PathValue("process")]
		r.mu.Unlock()
		if p == nil {
			refuse(w, http.StatusForbidden, "InvalidProcess", "no such process")
			return
		}
		handle(w, req, p)
	}
}

func (r *Runtime) next(w http.ResponseWriter, req *http.Request, p *process) {
	p.asked.Do(func() { close(p.ready) })
	select {
	case inv := <-p.work:
		p.begin(inv)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
		h.Set("Lambda-Runtime-Trace-Id", traceID())
		_, _ = w.Write(inv.payload) // if the process is gone, that is seen elsewhere
	case <-req.Context().Done(): // the process is gone, or will be killed
	}
}

func (r *Runtime) response(w http.ResponseWriter, req *http.Request, p *process) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, LargestPayload))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		r.Say(p.label, fmt.Sprintf("answered with more than %d bytes", LargestPayload))
		payload, _ := json.Marshal(map[string]string{ // strings only: cannot fail
			"errorType":    "Function.ResponseSizeTooLarge",
			"errorMessage": fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", LargestPayload),
		})
		r.finish(w, req, p, http.StatusRequestEntityTooLarge, Result{Payload: payload, FunctionError: unhandled})
		return
	}
	if err != nil {
		return // the process went away in the middle
	}
	if kind := req.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": "the response ended with an error"})
		r.finish(w, req, p, http.StatusAccepted, Result{Payload: payload, FunctionError: unhandled})
		return
	}
	r.finish(w, req, p, http.StatusAccepted, Result{Payload: body})
}

func (r *Runtime) failure(w http.ResponseWriter, req *http.Request, p *process) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, LargestPayload))
	if err != nil {
		return // the process went away in the middle
	}
	r.finish(w, req, p, http.StatusAccepted, Result{Payload: body, FunctionError: unhandled})
}

// finish gives the result to whoever waits for it. An answer to anything but the current invocation is refused.
func (r *Runtime) finish(w http.ResponseWriter, req *http.Request, p *process, status int, result Result) {
	inv, ok := p.end(req.PathValue("id"))
	if !ok {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "this is not the current invocation")
		return
	}
	inv.answer <- result
	w.WriteHeader(status)
}

// initError takes the report of a function that could not initialise. Its process will end, and the report
// is the last thing that it says.
func (r *Runtime) initError(w http.ResponseWriter, req *http.Request, p *process) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, req.Body, 64<<10)) // as much of it as there is
	_, _ = p.output.Write(append(body, '\n'))
	w.WriteHeader(http.StatusAccepted)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}

// Say writes one line about a function to the log.
func (r *Runtime) Say(label, line string) {
	r.logging.Lock()
	defer r.logging.Unlock()
	fmt.Fprintf(r.log, "%s: %s\n", label, line)
}

// traceID returns the id of a trace that nobody records, in X-Ray's form.
func traceID() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", time.Now().Unix(), hex.EncodeToString(b[:12]), hex.EncodeToString(b[12:]))
}
