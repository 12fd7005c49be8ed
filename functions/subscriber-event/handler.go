package main

import (
	"context"
	"io"
	"net/http"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/inbox"
)

type receiver interface {
	Receive(ctx context.Context, hook bridge.Secret, signatures []string, body []byte) error
}

// statuses are what ReferralHero is told. Whatever else happens is ours to mend, and worth another attempt.
var statuses = map[bridge.Kind]int{
	"":              http.StatusOK,
	bridge.NotFound: http.StatusNotFound,
	bridge.Denied:   http.StatusUnauthorized,
	bridge.Invalid:  http.StatusBadRequest,
}

// routes answers webhooks.
func routes(in receiver) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+inbox.Path+"{hook}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, inbox.Largest+1)) // one more, so that too long shows
		if err != nil {
			err = bridge.E("subscriber-event", bridge.Invalid, err)
		} else {
			err = in.Receive(r.Context(), bridge.NewSecret(r.PathValue("hook")), r.Header.Values("X-ReferralHero-Signature"), body)
		}
		status, known := statuses[bridge.KindOf(err)]
		if !known {
			status = http.StatusServiceUnavailable
		}
		if err != nil {
			apigw.Log(r, err, status)
		}
		w.WriteHeader(status)
	})
	return mux
}
