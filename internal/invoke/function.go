// Package invoke calls another Lambda function and waits for its answer.
package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Invoker is a lambda.Client, or Invoke.
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Invoke is the method of a lambda.Client by itself. The client's own type would keep its other eighty methods in a
// binary that also has templates, which may call any method by its name.
type Invoke func(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)

// Invoke calls a function.
func (f Invoke) Invoke(ctx context.Context, in *lambda.InvokeInput, options ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return f(ctx, in, options...)
}

// Function is a function that takes In and answers with Answer[Out]. Both must encode as JSON, and
// whoever puts a secret into them must mean to send it.
type Function[In, Out any] struct {
	Client Invoker
	Name   string // name or ARN
}

// Call invokes the function once. A failure that the function meant to tell keeps its kind, code and
// message. A crash, a time-out or a lost answer is an UnknownOutcome.
func (f Function[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	const op = "invoke.Call"
	var none Out
	payload, err := json.Marshal(in)
	if err != nil {
		return none, bridge.E(op, bridge.Internal, err)
	}
	result, err := f.Client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.Name, Payload: payload})
	if err != nil {
		return none, meaning(op, err)
	}
	if result.FunctionError != nil {
		return none, &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Code: *result.FunctionError}
	}
	var answer Answer[Out]
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		return none, &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Err: errors.New("answer not readable")}
	}
	return answer.Unwrap()
}

func meaning(op string, err error) error {
	var (
		busy    *types.TooManyRequestsException
		missing *types.ResourceNotFoundException
	)
	switch {
	case errors.As(err, &busy):
		return &bridge.Error{Op: op, Kind: bridge.Throttled, After: time.Second, Err: err}
	case errors.As(err, &missing):
		return &bridge.Error{Op: op, Kind: bridge.Internal, Err: err}
	default:
		return &bridge.Error{Op: op, Kind: bridge.UnknownOutcome, Err: err}
	}
}

// Answer carries a value or a failure between functions, so that a failure keeps its meaning.
type Answer[T any] struct {
	Value   T        `json:"value"`
	Failure *Failure `json:"failure,omitempty"`
}

// Failure is a bridge.Error without its cause: what is inside a function stays there.
type Failure struct {
	Op           string      `json:"op"`
	Kind         bridge.Kind `json:"kind"`
	Code         string      `json:"code,omitempty"`
	Message      string      `json:"message,omitempty"`
	Field        string      `json:"field,omitempty"`
	AfterSeconds float64     `json:"afterSeconds,omitempty"`
}

// Wrap makes an answer of what a use case returned.
func Wrap[T any](value T, err error) Answer[T] {
	if err == nil {
		return Answer[T]{Value: value}
	}
	failure := &Failure{Op: "invoke", Kind: bridge.KindOf(err), Code: bridge.CodeOf(err), AfterSeconds: bridge.AfterOf(err, 0).Seconds()}
	var e *bridge.Error
	if errors.As(err, &e) {
		failure.Op = e.Op
	}
	failure.Message, failure.Field = bridge.MessageOf(err)
	return Answer[T]{Failure: failure}
}

// Unwrap gives back what was wrapped.
func (a Answer[T]) Unwrap() (T, error) {
	if a.Failure == nil {
		return a.Value, nil
	}
	var none T
	return none, &bridge.Error{
		Op: a.Failure.Op, Kind: a.Failure.Kind, Code: a.Failure.Code, Message: a.Failure.Message, Field: a.Failure.Field,
		After: time.Duration(a.Failure.AfterSeconds * float64(time.Second)),
	}
}
