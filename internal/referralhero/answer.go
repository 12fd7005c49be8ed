package referralhero

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// kinds says what ReferralHero's error codes mean to us. Its documents disagree about HTTP statuses, so
// the code decides and the status only speaks where there is no known code.
var kinds = map[string]bridge.Kind{
	"no_token":                    bridge.Revoked,
	"invalid_token":               bridge.Revoked,
	"inactive_account":            bridge.Denied,
	"too_many_calls":              bridge.Throttled,
	"no_list_uuid":                bridge.Invalid,
	"invalid_list":                bridge.NotFound,
	"no_subscriber_id":            bridge.Invalid,
	"subscriber_not_found":        bridge.NotFound,
	"no_email_address":            bridge.Invalid,
	"invalid_email_address":       bridge.Invalid,
	"no_name":                     bridge.Invalid,
	"no_points":                   bridge.Invalid,
	"no_hosting_url":              bridge.Invalid,
	"error_list_creation":         bridge.Invalid,
	"subscriber_already_promoted": bridge.Conflict,
	"subscriber_not_promoted":     bridge.Conflict,
	"no_list_type":                bridge.Invalid,
	"unknown_list_type":           bridge.Invalid,
	"wrong_list_type":             bridge.Invalid,
}

// messages are for people, where a code means that a person has to act.
var messages = map[string]string{
	"no_token":         "There is no ReferralHero API token yet. Copy it from ReferralHero, Account, API.",
	"invalid_token":    "ReferralHero does not know this API token. Copy it again from ReferralHero, Account, API.",
	"inactive_account": "ReferralHero says that this account is inactive. Check its plan in ReferralHero.",
	"too_many_calls":   "ReferralHero's calls for this hour are used up.",
	"invalid_list":     "ReferralHero does not know this campaign any more. It may be paused or deleted.",
}

func failure(op, code string, kind bridge.Kind) error {
	return &bridge.Error{Op: op, Kind: kind, Code: code, Message: messages[code]}
}

// envelope is around every answer. On success there is data; on failure there is a code, and a message
// that we drop, since it may quote what was sent.
type envelope struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	Code      string          `json:"code"`
	CallsLeft number          `json:"calls_left"`
	Timestamp number          `json:"timestamp"`
}

// decode reads an answer. unclear is the kind of one that says neither yes nor no.
func decode(op string, unclear bridge.Kind, status int, text []byte) (json.RawMessage, bridge.Quota, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil || e.Status != "ok" && e.Status != "error" {
		return nil, silent, unreadable(op, unclear, status)
	}
	quota := bridge.Quota{Left: -1, At: e.Timestamp.time()}
	if left, ok := e.CallsLeft.count(); ok {
		quota.Left = left
	}
	if e.Status == "ok" && status < http.StatusMultipleChoices {
		return e.Data, quota, nil
	}
	if kind, known := kinds[e.Code]; known && e.Status == "error" {
		return nil, quota, failure(op, e.Code, kind)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return nil, quota, failure(op, "too_many_calls", bridge.Throttled)
	case e.Status == "error" && status == http.StatusNotFound:
		return nil, quota, &bridge.Error{Op: op, Kind: bridge.NotFound, Code: printable(e.Code)}
	case e.Status == "error" && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		return nil, quota, &bridge.Error{Op: op, Kind: bridge.Denied, Code: printable(e.Code)}
	case e.Status == "error" && status >= http.StatusBadRequest && status < http.StatusInternalServerError:
		return nil, quota, &bridge.Error{Op: op, Kind: bridge.Invalid, Code: printable(e.Code)}
	default:
		return nil, quota, &bridge.Error{Op: op, Kind: unclear, Code: printable(e.Code)}
	}
}

// unreadable gives the meaning of an answer that is not in ReferralHero's form: as a rule a gateway in
// front of it speaking.
func unreadable(op string, unclear bridge.Kind, status int) error {
	e := &bridge.Error{Op: op, Kind: unclear, Code: strconv.Itoa(status), Err: errors.New("not an answer of the API")}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind = bridge.Throttled
	case status >= http.StatusMultipleChoices && status < http.StatusInternalServerError && status != http.StatusRequestTimeout:
		e.Kind = bridge.Unavailable // turned away at the door
	}
	return e
}

// printable keeps an unknown code if it looks like one, so that nothing personal gets into an error.
func printable(code string) string {
	if len(code) > 40 {
		return "unknown"
	}
	for _, c := range code {
		if c != '_' && (c < 'a' || c > 'z') {
			return "unknown"
		}
	}
	return code
}

// number is a JSON number that may also come as text, as null, as "" or not at all.
type number struct {
	value float64
	set   bool
}

// UnmarshalJSON never fails: what is no number is not set.
func (n *number) UnmarshalJSON(text []byte) error {
	*n = number{}
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err == nil && !math.IsNaN(value) && !math.IsInf(value, 0) {
		*n = number{value, true}
	}
	return nil
}

// count returns a number of things, unless it is no such number.
func (n number) count() (int, bool) {
	if !n.set || n.value < 0 || n.value > 1e12 {
		return 0, false
	}
	return int(n.value), true
}

// things is count, or 0.
func (n number) things() int {
	count, _ := n.count()
	return count
}

// whole returns a number that may be negative, cut to whole ones; 0 unless it is such a number.
func (n number) whole() int {
	if !n.set || math.Abs(n.value) > 1e15 {
		return 0
	}
	return int(n.value)
}

// time returns the time of a number of Unix seconds; the zero time if there is none.
func (n number) time() time.Time {
	seconds, ok := n.count()
	if !ok || seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// text is a JSON text that may also come as null or not at all, or as a number where people wrote one.
type text string

// UnmarshalJSON never fails: what is no text is empty.
func (t *text) UnmarshalJSON(data []byte) error {
	*t = ""
	switch c := data[0]; {
	case c == '"':
		var s string
		if json.Unmarshal(data, &s) == nil {
			*t = text(s)
		}
	case c == '-' || c >= '0' && c <= '9':
		*t = text(data)
	}
	return nil
}

// truth is a JSON boolean that may also come as text, as null or not at all.
type truth bool

// UnmarshalJSON never fails: what is not true is false.
func (t *truth) UnmarshalJSON(data []byte) error {
	*t = string(data) == "true" || string(data) == `"true"`
	return nil
}
