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
	"context"
	"errors"
	"io"
	"time"
)

// Options say what to run and where. Root, AWSEndpoint and the template's parameters without a default are
// needed; everything else has one.
type Options struct {
	Root       string            // the repository: template.yaml and functions/ are in it
	Template   string            // path of the template; Root/template.yaml if empty
	Binaries   string            // directory of built functions, one file per folder; built into Root/.build/local if empty
	Name       string            // stack name, the first part of every physical name; "local" if empty
	Parameters map[string]string // of the template
	Secrets    map[string]string // value of each secret by logical id
	Environ    map[string]string // more environment variables, for every function

	AWSEndpoint    string // of DynamoDB, SQS, Secrets Manager and SES
	LambdaEndpoint string // at which functions invoke each other; AWSEndpoint if empty
	AccessKey      string // credentials for AWSEndpoint; if empty each function has its own name as access key
	SecretKey      string

	Listen string    // address of the HTTP API; "127.0.0.1:0" if empty
	Log    io.Writer // what functions and the stack have to say, a line at a time; discarded if nil

	Timeouts     map[string]time.Duration // instead of the template's, by function
	Visibilities map[string]time.Duration // instead of the template's, by queue
	Schedules    map[string]time.Duration // period instead of the template's, by function; 0 switches it off
	Concurrency  map[string]int           // most processes at a time, by function
}

// Stack is the running system.
type Stack struct {
	URL string // of the HTTP API, without a slash at the end
}

// Stats are what a function did since the start.
type Stats struct {
	Invocations int   // that began
	Errors      int   // that ended with an error of the function, crashes and timeouts included
	Timeouts    int   // that were killed at the timeout
	Crashes     int   // in which the process ended
	PeakMemory  int64 // most bytes that one process of the function had resident
}

// Start runs the system until Close. It returns once every function has a process that waits for work.
// ctx covers the start only.
func Start(ctx context.Context, o Options) (*Stack, error) {
	return nil, errors.ErrUnsupported
}

// Close ends everything, child processes included, and returns when they are gone.
func (s *Stack) Close() error { return nil }

// Invoke runs the function with a payload, as Lambda's RequestResponse does. functionError is "Unhandled" if the
// function failed, and payload describes how.
func (s *Stack) Invoke(ctx context.Context, function string, payload []byte) (result []byte, functionError string, err error) {
	return nil, "", errors.ErrUnsupported
}

// Idle waits until no message is visible, delayed or in flight outside dead-letter queues, and no invocation runs.
func (s *Stack) Idle(ctx context.Context) error { return errors.ErrUnsupported }

// Kill kills one process of the function that is in an invocation, as a crash would. It reports whether there was one.
func (s *Stack) Kill(function string) bool { return false }

// Stats returns what the function did, by logical id.
func (s *Stack) Stats(function string) Stats { return Stats{} }

// Ref returns what the template's Ref gives for a resource: a queue's URL, a table's or function's name, a
// secret's ARN. It is empty for an unknown one.
func (s *Stack) Ref(logicalID string) string { return "" }
