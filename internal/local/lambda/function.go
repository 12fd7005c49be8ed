// Package lambda runs functions as AWS Lambda does: each invocation in a process of the function's own
// binary, which asks for its work at the Runtime API. Processes are kept and used again; one that takes
// longer than the function's timeout is killed with everything that it started.
//
// See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// LargestPayload is the size in bytes up to which Lambda takes and gives payloads of a synchronous invocation.
const LargestPayload = 6 << 20

// Errors of Invoke, for which nothing was run.
var (
	ErrClosed   = errors.New("the function was shut down")
	ErrTooLarge = fmt.Errorf("the payload is larger than %d bytes", LargestPayload)
)

// Config describes a function.
type Config struct {
	Name        string        // as others call it
	Label       string        // as people call it: what is said about it begins with this
	ARN         string        // given to the function with each invocation
	Binary      string        // path of the program
	Environ     []string      // the whole environment, but for the variables that Lambda itself sets
	Timeout     time.Duration // of an invocation; the process is killed then
	Memory      int           // MB; a process that takes more is warned about, not killed
	Concurrency int           // most processes at a time; further invocations wait for a free one
}

// Result is how an invocation ended.
type Result struct {
	Payload       []byte // what the function answered, or a JSON object with errorType and errorMessage
	FunctionError string // "Unhandled" if the function failed, else empty
	Closed        bool   // it failed because the Runtime was closed
}

// Stats are what a function did since it was made.
type Stats struct {
	Invocations int   // that began
	Running     int   // that have not ended
	Errors      int   // that ended with an error of the function, crashes and timeouts included
	Timeouts    int   // that were killed at the timeout
	Crashes     int   // in which the process ended by itself, or by Kill
	Processes   int   // that were started
	PeakMemory  int64 // most bytes that one process of the function had resident
}

// Function is a function that can be invoked.
type Function struct {
	config  Config
	runtime *Runtime
	slots   chan struct{} // holds one value for each invocation that has, or starts, a process

	mu        sync.Mutex
	idle      []*process // the one used last is at the end
	processes map[*process]bool
	stats     Stats
	closed    bool
}

// Invoke runs the function with a payload and waits for the end. The error is about the invocation itself: what the
// function did wrong is in the result. When ctx ends Invoke returns, and the function runs on.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	if len(payload) > LargestPayload {
		return Result{}, ErrTooLarge
	}
	select {
	case <-f.runtime.closing: // else the next select might choose the free slot
		return Result{}, ErrClosed
	default:
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-f.runtime.closing:
		return Result{}, ErrClosed
	}
	f.count(func(s *Stats) { s.Invocations++; s.Running++ })
	ended := make(chan Result, 1)
	go func() {
		result := f.run(&invocation{id: uuid.NewString(), arn: f.config.ARN, payload: payload, answer: make(chan Result, 1)})
		f.count(func(s *Stats) {
			s.Running--
			if result.FunctionError != "" {
				s.Errors++
			}
		})
		<-f.slots
		ended <- result
	}()
	select {
	case result := <-ended:
		return result, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// Warm starts a process if there is none, and waits until it asks for work. The error says how the process ended
// instead, with its own last words.
func (f *Function) Warm(ctx context.Context) error {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.slots }()
	p, err := f.take()
	if err != nil {
		return err
	}
	f.release(p)
	return nil
}

// Cold starts a process for nothing, and returns how long it took from there to its asking for work.
func (f *Function) Cold(ctx context.Context) (time.Duration, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-f.slots }()
	began := time.Now()
	p, err := f.launch()
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	p.kill()
	<-p.exited
	return took, nil
}

// Kill kills one process that is in an invocation, and reports whether there was one.
func (f *Function) Kill() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.processes { // in an order that differs each time
		if p.busy() {
			p.kill()
			return true
		}
	}
	return false
}

// Stats returns what the function did so far.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *Function) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

// run gives an invocation to a process and waits for the end of either.
func (f *Function) run(inv *invocation) Result {
	p, err := f.hand(inv)
	if err != nil {
		return f.failed(inv, "Runtime.ExitError", err.Error())
	}
	timeout := time.NewTimer(f.config.Timeout)
	defer timeout.Stop()
	select {
	case result := <-inv.answer:
		f.remember(p)
		f.release(p)
		return result
	case <-p.exited:
		select {
		case result := <-inv.answer: // it answered, and then ended
			return result
		default:
		}
		f.count(func(s *Stats) { s.Crashes++ })
		return f.failed(inv, "Runtime.ExitError", "Runtime exited with error: "+p.how())
	case <-timeout.C:
		f.count(func(s *Stats) { s.Timeouts++ })
		f.remember(p)
		p.kill()
		<-p.exited
		return f.failed(inv, "Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", f.config.Timeout.Seconds()))
	}
}

// hand gives an invocation to a process that asks for work, and returns the process.
func (f *Function) hand(inv *invocation) (*process, error) {
	for {
		p, err := f.take()
		if err != nil {
			return nil, err
		}
		inv.deadline = time.Now().Add(f.config.Timeout)
		select {
		case p.work <- inv:
			return p, nil
		case <-p.exited: // while it was idle: there will be another
		case <-time.After(f.config.Timeout): // it never came back after its last answer
			p.kill()
		}
	}
}

// take returns a process that waits for work, or will soon, and starts one if there is none.
func (f *Function) take() (*process, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	for len(f.idle) > 0 {
		p := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if !p.gone() {
			f.mu.Unlock()
			return p, nil
		}
	}
	f.mu.Unlock()
	return f.launch()
}

// launch starts a process, and waits until it asks for work.
func (f *Function) launch() (*process, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	p, err := f.runtime.start(f)
	if err == nil {
		f.processes[p] = true
		f.stats.Processes++
	}
	f.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("could not start: %w", err)
	}

	slow := time.NewTimer(initTimeout)
	defer slow.Stop()
	select {
	case <-p.ready:
		return p, nil
	case <-slow.C:
		p.kill()
		<-p.exited
		return nil, p.fault(fmt.Sprintf("did not ask for work within %s", initTimeout))
	case <-p.exited:
		return nil, p.fault(p.how())
	}
}

// initTimeout is how long Lambda waits for a function's initialisation.
const initTimeout = 10 * time.Second

func (f *Function) release(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.gone() {
		f.idle = append(f.idle, p)
	}
}

// forget is called when a process ended.
func (f *Function) forget(p *process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.processes, p)
	f.stats.PeakMemory = max(f.stats.PeakMemory, p.peakAtExit())
}

// remember notes the memory that a process took so far.
func (f *Function) remember(p *process) {
	peak := p.peak()
	limit := int64(f.config.Memory) << 20
	f.mu.Lock()
	before := f.stats.PeakMemory
	f.stats.PeakMemory = max(before, peak)
	f.mu.Unlock()
	if limit > 0 && peak > limit && before <= limit {
		f.runtime.Say(f.config.Label, fmt.Sprintf("took %d MB of memory; Lambda would have killed it at %d MB", peak>>20, f.config.Memory))
	}
}

func (f *Function) failed(inv *invocation, kind, message string) Result {
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if !closed {
		f.runtime.Say(f.config.Label, message)
	}
	payload, _ := json.Marshal(map[string]string{ // strings only: cannot fail
		"errorType":    kind,
		"errorMessage": "RequestId: " + inv.id + " Error: " + message,
	})
	return Result{Payload: payload, FunctionError: unhandled, Closed: closed}
}

// unhandled is what Lambda calls each error of a function whose runtime is its own.
const unhandled = "Unhandled"

// close kills every process and returns when they are gone.
func (f *Function) close() {
	f.mu.Lock()
	f.closed = true
	var processes []*process
	for p := range f.processes {
		processes = append(processes, p)
		p.kill()
	}
	f.mu.Unlock()
	for _, p := range processes {
		<-p.exited
	}
}
