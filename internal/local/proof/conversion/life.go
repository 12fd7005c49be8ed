package conversion

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// life is how many outside calls a worker lives to make. It dies before the next one, or after that was carried out and
// before its answer comes.
type life struct {
	mu    sync.Mutex
	steps int // negative: lives on
	after bool
	dead  bool
	made  int
	end   func()
}

// born gives a worker a life: most live on.
func (w *world) born() *life {
	l := &life{steps: -1, after: w.roll(2) == 0}
	if w.roll(100) < w.faults.now().mortality {
		l.steps = w.roll(25)
	}
	return l
}

type lifeKey struct{}

var errDead = errors.New("the worker is dead")

// step is called before and after each call to the outside.
func step(ctx context.Context, answered bool) error {
	l, _ := ctx.Value(lifeKey{}).(*life)
	if l == nil {
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !answered {
		l.made++
	}
	if l.steps >= 0 && !l.dead && l.made > l.steps && l.after == answered {
		l.dead = true
		l.end()
	}
	if l.dead {
		return errDead
	}
	return nil
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// wire leads to a server in this process: what goes over it is HTTP, without a network. Whoever sends may have a life.
type wire struct{ to http.Handler }

func (w wire) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if err := step(r.Context(), false); err != nil {
		return nil, err
	}
	response, err = w.serve(r)
	if dead := step(r.Context(), true); dead != nil {
		return nil, dead
	}
	return response, err
}

// serve has the request answered; a server that cuts the connection answers nothing.
func (w wire) serve(r *http.Request) (response *http.Response, err error) {
	defer func() {
		if cut := recover(); cut != nil {
			if cut != http.ErrAbortHandler { //nolint:errorlint // a panic's value
				panic(cut)
			}
			response, err = nil, io.ErrUnexpectedEOF
		}
	}()
	in := r.Clone(context.WithoutCancel(r.Context())) // what was sent is carried out, whoever waits for it
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	w.to.ServeHTTP(recorder, in)
	response = recorder.Result()
	response.Request = r
	return response, nil
}
