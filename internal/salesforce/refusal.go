package salesforce

import (
	"encoding/json"
	"errors"
	"io"
	"net"
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
	unexplained  = "UNKNOWN_EXCEPTION"
	locked       = "UNABLE_TO_LOCK_ROW" // somebody else is writing the record, or its account
	halted       = "PROCESSING_HALTED"  // a part of a call had to do without an earlier one
)

// kinds says what Salesforce's error codes mean to us. A code that is not here is read by the status of
// its answer.
// https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
var kinds = map[string]bridge.Kind{
	sessionEnded:               bridge.Revoked,
	"INVALID_AUTH_HEADER":      bridge.Internal,
	"API_DISABLED_FOR_ORG":     bridge.Denied,
	"API_CURRENTLY_DISABLED":   bridge.Denied,
	"REQUEST_LIMIT_EXCEEDED":   bridge.Throttled,
	"SERVER_UNAVAILABLE":       bridge.Unavailable,
	unexplained:                bridge.Unavailable,
	"QUERY_TIMEOUT":            bridge.Unavailable,
	"REQUEST_RUNNING_TOO_LONG": bridge.Unavailable,
	"INVALID_QUERY_LOCATOR":    bridge.Unavailable, // the query has to begin anew
	"METHOD_NOT_ALLOWED":       bridge.Internal,
	"UNSUPPORTED_MEDIA_TYPE":   bridge.Internal,

	// Of statements.
	"OPERATION_TOO_LARGE":           bridge.Invalid,
	"MALFORMED_QUERY":               bridge.Invalid,
	noSuchField:                     bridge.Invalid,
	"INVALID_TYPE":                  bridge.Invalid,
	"INVALID_QUERY_FILTER_OPERATOR": bridge.Invalid,

	// Of records that are written: what is wrong with their data, in the eyes of the platform or of the customer.
	"REQUIRED_FIELD_MISSING":                  bridge.Invalid,
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       bridge.Invalid,
	"FIELD_FILTER_VALIDATION_EXCEPTION":       bridge.Invalid,
	"FIELD_INTEGRITY_EXCEPTION":               bridge.Invalid,
	"STRING_TOO_LONG":                         bridge.Invalid,
	"NUMBER_OUTSIDE_VALID_RANGE":              bridge.Invalid,
	"JSON_PARSER_ERROR":                       bridge.Invalid,
	"INVALID_EMAIL_ADDRESS":                   bridge.Invalid,
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": bridge.Invalid,
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    bridge.Invalid, // Apex of the customer failed
	"CANNOT_EXECUTE_FLOW_TRIGGER":             bridge.Invalid, // a flow of the customer failed

	// What another record has to do with it, or what became of this one.
	"DUPLICATES_DETECTED":          bridge.Conflict,
	"DUPLICATE_VALUE":              bridge.Conflict,
	"DUPLICATE_EXTERNAL_ID":        bridge.Conflict,
	"NOT_FOUND":                    bridge.NotFound,
	"ENTITY_IS_DELETED":            bridge.NotFound,
	"INVALID_CROSS_REFERENCE_KEY":  bridge.NotFound,
	"CANNOT_UPDATE_CONVERTED_LEAD": bridge.NotFound, // its contact is the one to write to
	locked:                         bridge.Throttled,
	"ENTITY_IS_LOCKED":             bridge.Unavailable, // by an approval process, for hours

	// What the connected user may not do, or the org has no room for.
	"INSUFFICIENT_ACCESS":                           bridge.Denied,
	"INSUFFICIENT_ACCESS_OR_READONLY":               bridge.Denied,
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": bridge.Denied,
	"INVALID_FIELD_FOR_INSERT_UPDATE":               bridge.Denied, // a field that the user may read only
	"TXN_SECURITY_NO_ACCESS":                        bridge.Denied,
	"LIMIT_EXCEEDED":                                bridge.Denied,
	"STORAGE_LIMIT_EXCEEDED":                        bridge.Denied,

	// What only a fault of ours can cause.
	"MISSING_ARGUMENT":    bridge.Internal,
	"MALFORMED_ID":        bridge.Internal,
	"EXCEEDED_ID_LIMIT":   bridge.Internal,
	"MIXED_DML_OPERATION": bridge.Internal,
	"INVALIDJOB":          bridge.Internal,

	// Of parts of a call, and of jobs.
	halted:                              bridge.Unavailable,
	"ALL_OR_NONE_OPERATION_ROLLED_BACK": bridge.Unavailable,
	"INVALIDJOBSTATE":                   bridge.Conflict,

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
// on; calls that run at the same time are over soon, and so is who holds a lock.
const (
	waitForQuota = 15 * time.Minute
	waitForCalls = 30 * time.Second
	waitForLock  = 5 * time.Second
)

var (
	errRequest    = errors.New("request cannot be built")
	errUnreadable = errors.New("answer not readable")
	errTooLarge   = errors.New("answer too large")
)

// code is what Salesforce's error codes look like. They are no longer than longestCode.
var code = regexp.MustCompile(`^[A-Z][A-Z_]{2}[A-Z_]*$`)

const longestCode = 64

// words are Salesforce's own. They may quote the statement that was refused, and so they are kept apart
// from the error's text.
type words struct{ text string }

func (words) Error() string { return "refused" }

// complaint is an error as the REST API writes it.
type complaint struct {
	ErrorCode string   `json:"errorCode"`
	Message   string   `json:"message"`
	Fields    []string `json:"fields"`
}

// about gives a code its meaning, unless e has one that the code does not change. A code that does not look like one
// is left out.
func (t complaint) about(e *bridge.Error) {
	if len(t.ErrorCode) > longestCode || !code.MatchString(t.ErrorCode) {
		return
	}
	e.Code, e.Err = t.ErrorCode, words{t.Message}
	if kind, known := kinds[e.Code]; known {
		e.Kind = kind
	}
	switch {
	case e.Code == locked, strings.Contains(t.Message, locked): // a trigger of the customer's passes on what it met
		e.Kind, e.After = bridge.Throttled, waitForLock
	case e.Kind == bridge.Throttled && strings.HasPrefix(t.Message, "Concurrent"):
		e.After = waitForCalls
	case e.Kind == bridge.Throttled:
		e.After = waitForQuota
	}
}

// refused reads an error answer.
func refused(op string, response *http.Response) *bridge.Error {
	e := &bridge.Error{Op: op, Kind: kindOfStatus(response.StatusCode)}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		e.Code = moved
		return e
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if plain := strings.TrimSpace(string(body)); kinds[plain] != "" {
		e.Code, e.Kind = plain, kinds[plain]
		return e
	}
	var told []complaint
	if err == nil && json.Unmarshal(body, &told) == nil && len(told) > 0 {
		told[0].about(e)
	}
	return e
}

// undone keeps Unavailable, which says that nothing was done, to what is sure of it. A write that Salesforce answers
// with a fault of its own may have been carried out, in part or in full, except when it was too busy to begin.
func undone(e *bridge.Error, wrote bool, status int) error {
	if e.Kind == bridge.Unavailable && wrote && status >= 500 && status != http.StatusServiceUnavailable {
		e.Kind = bridge.UnknownOutcome
	}
	return e
}

// unanswered gives the meaning of a request without an answer. One that was never connected was never sent.
func unanswered(op string, unclear bridge.Kind, err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		unclear = bridge.Unavailable
	}
	return bridge.E(op, unclear, withoutAddress(err))
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
