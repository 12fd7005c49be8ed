package apigw

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// statuses is where kinds of failure become HTTP statuses.
var statuses = map[bridge.Kind]int{
	bridge.Invalid:        http.StatusBadRequest,
	bridge.Denied:         http.StatusForbidden,
	bridge.NotFound:       http.StatusNotFound,
	bridge.Conflict:       http.StatusConflict,
	bridge.Revoked:        http.StatusConflict,
	bridge.Throttled:      http.StatusTooManyRequests,
	bridge.Unavailable:    http.StatusServiceUnavailable,
	bridge.UnknownOutcome: http.StatusServiceUnavailable,
	bridge.Internal:       http.StatusInternalServerError,
}

// Status returns the HTTP status that says what err means; 200 for nil.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return statuses[bridge.KindOf(err)]
}

// Problem answers with what err means and, if there is one, its message for people, as JSON. What went
// wrong inside goes to the log, not to the caller.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	status := Status(err)
	Log(r, err, status)
	message, field := bridge.MessageOf(err)
	if message == "" {
		message = http.StatusText(status)
	}
	if after := bridge.AfterOf(err, 0); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
		Field string `json:"field,omitempty"`
	}{message, field})
}

// Log records a failed request by its route: the path may hold a secret.
func Log(r *http.Request, err error, status int) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	slog.Log(r.Context(), level, "request failed", "route", r.Pattern, "status", status, "kind", bridge.KindOf(err), "err", err)
}
