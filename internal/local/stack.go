// Package local runs the deployed system on one machine, as template.yaml describes it.
//
// Start reads the template, creates its table, queues and secrets at an AWS endpoint, runs each function's
// real binary as child processes behind Lambda's Runtime API, and plays what AWS puts around them: the
// HTTP API's routes, SQS event source mappings, schedules and direct invocation, with hard timeouts. What
// it does not know in the template is an error that names the line, never ignored.
//
// Package world wires a Stack to the simulated other sides.
package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/referralbridge/referralbridge/internal/local/gateway"
	"github.com/referralbridge/referralbridge/internal/local/lambda"
	"github.com/referralbridge/referralbridge/internal/local/mapping"
	"github.com/referralbridge/referralbridge/internal/local/template"
)

// ErrNoFunction is what Invoke returns for a function that the template does not have.
var ErrNoFunction = errors.New("no such function")

// Options say what to run and where. Root, AWSEndpoint, the template's parameters without a default and a value for each
// of its secrets are needed; everything else has a default.
type Options struct {
	Root       string            // the repository: template.yaml and functions/ are in it
	Binaries   string            // directory of built functions, one file per folder; if empty they are built into Root/.build/local
	Name       string            // stack name, the first part of every physical name; "local" if empty
	Parameters map[string]string // of the template
	Secrets    map[string]string // value of each secret, by logical id
	Environ    map[string]string // more environment variables, for every function

	AWSEndpoint    string // URL of DynamoDB, SQS, Secrets Manager and SES
	TableEndpoint  string // URL of DynamoDB, if it is another
	LambdaEndpoint string // URL at which functions invoke each other; AWSEndpoint if empty
	AccessKey      string // credentials for AWSEndpoint; if empty each function's name is its access key
	SecretKey      string

	// Created is called with the stack when everything it needs is there, before the first process is started: from then on
	// functions may be invoked. It may be nil.
	Created func(*Stack)

	Listener net.Listener // of the HTTP API; any port of 127.0.0.1 if nil
	Log      io.Writer    // what functions and the stack have to say, a line at a time; discarded if nil

	// The following replace what the template says, by logical id, for tests and for faster clocks. A schedule of
	// 0 is switched off.
	Timeouts     map[string]time.Duration // of functions
	Visibilities map[string]time.Duration // of queues
	Schedules    map[string]time.Duration // periods of functions
	Concurrency  map[string]int           // most processes of a function at a time; 8 unless the template says less
	Patience     time.Duration            // before a scheduled invocation that failed is tried again; a minute if 0
}

// Stack is the running system.
type Stack struct {
	URL   string          // of the HTTP API, without a slash at the end
	Model *template.Model // what the template means, with real names

	functions map[string]*lambda.Function // by logical id
	names     map[string]string           // logical id by physical name
	physical  map[string]template.Physical
	runtime   *lambda.Runtime
	aws       *endpoint
	server    *http.Server
	asked     ledger

	stop    context.CancelFunc // ends polling and schedules
	working sync.WaitGroup     // polling and schedules
	closing sync.Once
}

// Stats are what a function did since the start.
type Stats = lambda.Stats

// Start runs the system until Close. It returns once every function has a process that waits for work, so that a function
// which cannot start is seen at once. ctx covers the start only.
func Start(ctx context.Context, o Options) (*Stack, error) {
	o = o.filled()
	t, err := template.Load(filepath.Join(o.Root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	in := template.Input{Parameters: o.Parameters, Region: Region, Account: "000000000000"}
	in.Physical = t.Names(o.Name, in.Region, in.Account, strings.TrimSuffix(o.AWSEndpoint, "/"))
	model, err := t.Model(in)
	if err != nil {
		return nil, err
	}
	if err := o.check(model); err != nil {
		return nil, err
	}
	if o.Binaries == "" {
		o.Binaries = filepath.Join(o.Root, ".build", "local")
		if err := Build(ctx, o.Root, o.Binaries, Target{}, Folders(model)...); err != nil {
			return nil, err
		}
	}
	aws, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	o.override(model)
	if in.Physical, err = aws.provision(ctx, model, in.Physical, o.Secrets); err != nil {
		return nil, err
	}
	if model, err = t.Model(in); err != nil { // again, with the real names
		return nil, err
	}
	o.override(model)
	s := &Stack{
		Model: model, physical: in.Physical, aws: aws,
		functions: map[string]*lambda.Function{}, names: map[string]string{},
	}
	if err := s.start(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Folders returns the folders below functions/ that the model needs.
func Folders(m *template.Model) []string {
	var folders []string
	for _, f := range m.Functions {
		folders = append(folders, f.Folder)
	}
	slices.Sort(folders)
	return folders
}

func (o Options) filled() Options {
	if o.Name == "" {
		o.Name = "local"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.LambdaEndpoint == "" {
		o.LambdaEndpoint = o.AWSEndpoint
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	return o
}

// check says what does not go together, before anything is made.
func (o Options) check(m *template.Model) error {
	var errs []error
	for _, id := range m.Secrets {
		if o.Secrets[id] == "" {
			errs = append(errs, fmt.Errorf("secret %s has no value", id))
		}
	}
	known := func(what string, ids iter.Seq[string], has func(id string) bool) {
		for _, id := range slices.Sorted(ids) {
			if !has(id) {
				errs = append(errs, fmt.Errorf("the template has no %s %s", what, id))
			}
		}
	}
	isFunction := func(id string) bool { return m.Functions[id] != nil }
	known("function", maps.Keys(o.Timeouts), isFunction)
	known("function", maps.Keys(o.Concurrency), isFunction)
	known("schedule of", maps.Keys(o.Schedules), func(id string) bool { return isFunction(id) && len(m.Functions[id].Schedules) > 0 })
	known("queue", maps.Keys(o.Visibilities), func(id string) bool { return m.Queues[id] != nil })
	known("secret", maps.Keys(o.Secrets), func(id string) bool { return slices.Contains(m.Secrets, id) })
	for _, f := range m.Functions {
		for _, mapped := range f.Mappings {
			q := m.Queues[mapped.Queue]
			switch {
			case q.Visibility < f.Timeout: // AWS refuses to create such a mapping
				errs = append(errs, fmt.Errorf("template.yaml:%d: queue visibility timeout: %s is less than function timeout: %s", mapped.Line, q.Visibility, f.Timeout))
			case q.Visibility < 6*f.Timeout:
				fmt.Fprintf(o.Log, "%s: the visibility timeout of %s should be at least six times the function's timeout of %s\n", f.Folder, mapped.Queue, f.Timeout)
			}
		}
	}
	return errors.Join(errs...)
}

// override puts what o says in the place of what the template says.
func (o Options) override(m *template.Model) {
	for id, timeout := range o.Timeouts {
		m.Functions[id].Timeout = timeout
	}
	for id, visibility := range o.Visibilities {
		m.Queues[id].Visibility = visibility
	}
	for id, every := range o.Schedules {
		for i := range m.Functions[id].Schedules {
			m.Functions[id].Schedules[i].Every = every
		}
	}
}

// mostProcesses is how far a function scales out if neither the template nor the options say less.
const mostProcesses = 8

func (s *Stack) start(ctx context.Context, o Options) error {
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	var err error
	if s.runtime, err = lambda.New(o.Log); err != nil {
		return err
	}
	binaries, err := filepath.Abs(o.Binaries)
	if err != nil {
		return err
	}
	for id, f := range s.Model.Functions {
		name := s.physical[id].Name
		most := cmp.Or(o.Concurrency[id], mostProcesses)
		if f.Reserved > 0 {
			most = min(most, f.Reserved)
		}
		s.names[name] = id
		s.functions[id] = s.runtime.Function(lambda.Config{
			Name: name, Label: f.Folder, ARN: s.physical[id].Attributes["Arn"],
			Binary: filepath.Join(binaries, f.Folder), Environ: o.environ(name, f.Environment),
			Timeout: f.Timeout, Memory: f.Memory, Concurrency: most,
		})
	}
	if o.Created != nil {
		o.Created(s)
	}
	if err := s.serve(o.Listener); err != nil {
		return err
	}
	if err := s.warm(ctx); err != nil {
		return err
	}
	for id, f := range s.Model.Functions {
		for _, m := range f.Mappings {
			source := &mapping.Mapping{
				Client: s.aws.sqs, QueueURL: s.physical[m.Queue].Ref, QueueARN: s.physical[m.Queue].Attributes["Arn"], Region: Region,
				BatchSize: m.BatchSize, Window: m.Window, Concurrency: cmp.Or(m.Concurrency, mostProcesses), PartialFailures: m.PartialFailures,
				Invoke: s.consumer(s.functions[id]),
				Say:    func(line string) { s.runtime.Say(f.Folder, line) },
			}
			s.working.Go(func() { source.Run(running) })
		}
		for _, schedule := range f.Schedules {
			if schedule.Every > 0 {
				s.working.Go(func() { s.keep(running, id, schedule, o.Patience) })
			}
		}
	}
	return nil
}

// environ is the environment of a function: what its processes get from Lambda and from the template.
func (o Options) environ(name string, variables map[string]string) []string {
	all := map[string]string{
		"AWS_REGION": Region, "AWS_DEFAULT_REGION": Region,
		"AWS_ACCESS_KEY_ID": cmp.Or(o.AccessKey, name), "AWS_SECRET_ACCESS_KEY": cmp.Or(o.SecretKey, name),
		"AWS_ENDPOINT_URL": o.AWSEndpoint, "AWS_ENDPOINT_URL_LAMBDA": o.LambdaEndpoint,
	}
	if o.TableEndpoint != "" {
		all["AWS_ENDPOINT_URL_DYNAMODB"] = o.TableEndpoint
	}
	maps.Copy(all, variables)
	maps.Copy(all, o.Environ)
	var environ []string
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// consumer gives batches of messages to a function.
func (s *Stack) consumer(f *lambda.Function) func(context.Context, []byte) mapping.Outcome {
	return func(ctx context.Context, event []byte) mapping.Outcome {
		result, err := f.Invoke(ctx, event)
		return mapping.Outcome{
			Answer: result.Payload,
			Failed: result.FunctionError != "" || err != nil,
			Closed: result.Closed || errors.Is(err, lambda.ErrClosed),
		}
	}
}

// serve answers the HTTP API.
func (s *Stack) serve(listener net.Listener) error {
	var routes []gateway.Route
	for id, f := range s.Model.Functions {
		for _, r := range f.Routes {
			routes = append(routes, gateway.Route{Method: r.Method, Path: r.Path, Function: id})
		}
	}
	api, err := gateway.New(routes, s.Invoke, func(function, line string) {
		s.runtime.Say(s.Model.Functions[function].Folder, line)
	})
	if err != nil {
		return err
	}
	if listener == nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	s.URL = "http://" + listener.Addr().String()
	s.server = &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // ends at Close
	return nil
}

// warm starts a process of each function.
func (s *Stack) warm(ctx context.Context) error {
	var starting sync.WaitGroup
	errs := make(chan error, len(s.functions))
	for id, f := range s.functions {
		starting.Go(func() {
			if err := f.Warm(ctx); err != nil {
				errs <- fmt.Errorf("%s: %w", s.Model.Functions[id].Folder, err)
			}
		})
	}
	starting.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Close ends everything, child processes included, and returns when they are gone. Messages whose work it cut short are
// visible again at once.
func (s *Stack) Close() error {
	var err error
	s.closing.Do(func() {
		s.stop()
		if s.server != nil {
			grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_ = s.server.Shutdown(grace) // the rest is cut off below
		}
		if s.runtime != nil {
			err = s.runtime.Close()
		}
		s.working.Wait()
		if s.server != nil {
			err = errors.Join(err, s.server.Close())
		}
	})
	return err
}

// function finds a function by its logical id or its physical name.
func (s *Stack) function(name string) *lambda.Function {
	if f := s.functions[name]; f != nil {
		return f
	}
	return s.functions[s.names[name]]
}

// Invoke runs a function, named by its logical id or its physical name, as Lambda's RequestResponse does. functionError is
// "Unhandled" if the function failed, and result describes how.
func (s *Stack) Invoke(ctx context.Context, function string, payload []byte) (result []byte, functionError string, err error) {
	f := s.function(function)
	if f == nil {
		return nil, "", fmt.Errorf("%w: %s", ErrNoFunction, function)
	}
	r, err := f.Invoke(ctx, payload)
	if errors.Is(err, lambda.ErrTooLarge) {
		err = gateway.ErrTooLarge
	}
	return r.Payload, r.FunctionError, err
}

// Cold starts a process of the function for nothing, and returns how long it took from there to its asking for work.
func (s *Stack) Cold(ctx context.Context, function string) (time.Duration, error) {
	f := s.function(function)
	if f == nil {
		return 0, fmt.Errorf("%w: %s", ErrNoFunction, function)
	}
	return f.Cold(ctx)
}

// Kill kills one process of the function that is in an invocation, as a crash would. It reports whether there was one.
func (s *Stack) Kill(function string) bool {
	f := s.function(function)
	return f != nil && f.Kill()
}

// Stats returns what the function did. It is zero for a function that the template does not have.
func (s *Stack) Stats(function string) Stats {
	f := s.function(function)
	if f == nil {
		return Stats{}
	}
	return f.Stats()
}

// Ref returns what Ref gives for a resource: a queue's URL, a table's or function's name, a secret's ARN. It is empty for
// an unknown one.
func (s *Stack) Ref(logicalID string) string { return s.physical[logicalID].Ref }

// Idle waits until there is nothing to do: no message waits or is in flight, but in dead-letter queues that nobody reads, and
// no invocation runs. Future schedules do not count.
func (s *Stack) Idle(ctx context.Context) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		idle, err := s.idle(ctx)
		if idle || err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Stack) idle(ctx context.Context) (bool, error) {
	began, running := s.activity()
	if running > 0 {
		return false, nil
	}
	dead := map[string]bool{}
	for _, f := range s.Model.Functions {
		for _, schedule := range f.Schedules {
			dead[schedule.DeadLetter] = true
		}
	}
	for _, q := range s.Model.Queues {
		dead[q.DeadLetter] = true
	}
	for _, f := range s.Model.Functions {
		for _, mapped := range f.Mappings {
			dead[mapped.Queue] = false
		}
	}
	for id := range s.Model.Queues {
		if dead[id] {
			continue
		}
		if n, err := s.aws.messages(ctx, s.physical[id].Ref); n > 0 || err != nil {
			return false, err
		}
	}
	// An invocation in between may have sent a message to a queue that was looked at before.
	since, running := s.activity()
	return running == 0 && since == began, nil
}

// activity returns how many invocations began since the start, and how many run.
func (s *Stack) activity() (began, running int) {
	for _, f := range s.functions {
		stats := f.Stats()
		began, running = began+stats.Invocations, running+stats.Running
	}
	return began, running
}
