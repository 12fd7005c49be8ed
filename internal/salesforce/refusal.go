package salesforce

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Codes that this package acts on.
const (
	sessionEnded = "INVALID_SESSION_ID"
	moved        = "MOVED" // our word for a redirect: the org's host has a new name, which a refresh will tell
	noSuchField  = "INVALID_FIELD"
	wrongOrg     = "Wrong_Org"
)

// kinds says what Salesforce's error codes mean to us. A code that is not here is read by the status of
// its answer.
// https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
var kinds = map[string]bridge.Kind{
	sessionEnded:                      bridge.Revoked,
	"INVALID_AUTH_HEADER":             bridge.Internal,
	"API_DISABLED_FOR_ORG":            bridge.Denied,
	"API_CURRENTLY_DISABLED":          bridge.Denied,
	"REQUEST_LIMIT_EXCEEDED":          bridge.Throttled,
	"SERVER_UNAVAILABLE":              bridge.Unavailable,
	"UNKNOWN_EXCEPTION":               bridge.Unavailable,
	"QUERY_TIMEOUT":                   bridge.Unavailable,
	"REQUEST_RUNNING_TOO_LONG":        bridge.Unavailable,
	"OPERATION_TOO_LARGE":             bridge.Invalid,
	"INVALID_QUERY_LOCATOR":           bridge.Unavailable, // the query has to begin anew
	"MALFORMED_QUERY":                 bridge.Invalid,
	noSuchField:                       bridge.Invalid,
	"INVALID_TYPE":                    bridge.Invalid,
	"INVALID_QUERY_FILTER_OPERATOR":   bridge.Invalid,
	"INSUFFICIENT_ACCESS":             bridge.Denied,
	"INSUFFICIENT_ACCESS_OR_READONLY": bridge.Denied,
	"NOT_FOUND":                       bridge.NotFound,
	"ENTITY_IS_DELETED":               bridge.NotFound,
	"TXN_SECURITY_NO_ACCESS":          bridge.Denied,

	// What the identity service says, as plain text.
	wrongOrg:              bridge.Denied,
	"Missing_OAuth_Token": bridge.Internal,
	"Bad_OAuth_Token":     bridge.Revoked,
	"Bad_Id":              bridge.NotFound,
	"Inactive":            bridge.Denied,
	"No_Access":           bridge.Denied,
}

// statuses says what an answer means that has no code, such as the HTML page of an outage.
func kindOfStatus(status int) bridge.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return bridge.Revoked
	case status == http.StatusForbidden:
		return bridge.Denied
	case status == http.StatusNotFound, status == http.StatusGone:
		return bridge.NotFound
	case status == http.StatusTooManyRequests:
		return bridge.Throttled
	case status == http.StatusBadRequest:
		return bridge.Invalid
	case status >= 500, status == 420, status < 400: // 420: Salesforce's edge has no way to the org just now
		return bridge.Unavailable
	default:
		return bridge.Internal
	}
}

// Salesforce does not say how long to wait. The day's calls come back as the window of 24 hours rolls
// on; calls that run at the same time are over soon.
const (
	waitForQuota = 15 * time.Minute
	waitForCalls = 30 * time.Second
)

var (
	errRequest    = errors.New("request cannot be built")
	errUnreadable = errors.New("answer not readable")
	errTooLarge   = errors.New("answer too large")
)

// code is what Salesforce's error codes look like.
var code = regexp.MustCompile(`^[A-Z][A-Z_]{2,63}$`)

// words are Salesforce's own. They may quote the statement that was refused, and so they are kept apart
// from the error's text.
type words struct{ text string }

func (words) Error() string { return "refused" }

// refused reads an error answer.
func refused(op string, response *http.Response) error {
	e := &bridge.Error{Op: op, Kind: kindOfStatus(response.StatusCode)}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		e.Code = moved
		return e
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var told []struct {
		Message   string `json:"message"`
		ErrorCode string `json:"errorCode"`
	}
	if plain := strings.TrimSpace(string(body)); kinds[plain] != "" {
		e.Code, e.Kind = plain, kinds[plain]
		return e
	}
	if err != nil || json.Unmarshal(body, &told) != nil || len(told) == 0 || !code.MatchString(told[0].ErrorCode) {
		return e
	}
	e.Code, e.Err = told[0].ErrorCode, words{told[0].Message}
	if kind, known := kinds[e.Code]; known {
		e.Kind = kind
	}
	if e.Kind == bridge.Throttled {
		e.After = waitForQuota
		if strings.HasPrefix(told[0].Message, "Concurrent") {
			e.After = waitForCalls
		}
	}
	return e
}

// withoutAddress drops the URL that http.Client puts around its errors: it may hold a statement with
// people's addresses.
func withoutAddress(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
