// Package mortal gives workers lives that end: before any call to the outside, or after the call was carried out and before its
// answer comes. What a worker leaves behind then is what tests of recovery are about.
package mortal

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Life is how many outside calls a worker lives to make. It dies before the next one, or, with After, when that was carried
// out and before its answer comes. A life of fewer than zero steps does not end.
type Life struct {
	Steps int
	After bool

	mu   sync.Mutex
	dead bool
	made int
	end  context.CancelFunc
}

type key struct{}

var errDead = errors.New("the worker is dead")

// Begin returns the context of one invocation with this life, which ends with the life or when the time is over.
func (l *Life) Begin(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, l), most)
	l.end = cancel
	return ctx, cancel
}

// Over tells whether the worker has died.
func (l *Life) Over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// Made returns how many calls the worker has begun.
func (l *Life) Made() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made
}

// Step is called before each call to the outside, and again when it is carried out (answered). It fails for the dead. Without a life
// it fails when the context has ended.
func Step(ctx context.Context, answered bool) error {
	l, _ := ctx.Value(key{}).(*Life)
	if l == nil {
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !answered {
		l.made++
	}
	if l.Steps >= 0 && !l.dead && l.made > l.Steps && l.After == answered {
		l.dead = true
		l.end()
	}
	if l.dead {
		return errDead
	}
	return nil
}

// Transport takes the steps of whoever sends requests.
type Transport struct{ http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := Step(r.Context(), false); err != nil {
		return nil, err
	}
	response, err := t.RoundTripper.RoundTrip(r)
	if dead := Step(r.Context(), true); dead != nil {
		if err == nil {
			response.Body.Close()
		}
		return nil, dead
	}
	return response, err
}
