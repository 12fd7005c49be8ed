package conversion

import (
	"context"
	"github.com/referralbridge/referralbridge/internal/sim/mortal"
	"io"
	"net/http"
	"net/http/httptest"
)

// born gives a worker a life: most live on.
func (w *world) born() *mortal.Life {
	l := &mortal.Life{Steps: -1, After: w.roll(2) == 0}
	if w.roll(100) < w.faults.now().mortality {
		l.Steps = w.roll(25)
	}
	return l
}

// to leads to a server, for somebody who may have a life.
func to(server http.Handler) http.RoundTripper { return mortal.Transport{RoundTripper: wire{server}} }

// wire leads to a server in this process: what goes over it is HTTP, without a network.
type wire struct{ to http.Handler }

// RoundTrip has the request answered; a server that cuts the connection answers nothing.
func (w wire) RoundTrip(r *http.Request) (response *http.Response, err error) {
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
