// Package referralhero speaks to ReferralHero's REST API, version 2 (https://support.referralhero.com,
// "REST API Reference"): JSON over HTTPS, a bearer token for each account, 5,000 calls an hour.
//
// The reference is not precise about errors, so this client trusts little: an answer counts as a success
// only if it is JSON that says so, codes go before HTTP statuses, and whatever cannot be understood after a
// write was sent is an unknown outcome.
package referralhero

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Client calls ReferralHero. Every call takes the account's own API token, and none is repeated here:
// each one counts against the account's allowance. It is safe for concurrent use.
type Client struct {
	BaseURL string // such as "https://app.referralhero.com/api/v2"
	HTTP    *http.Client
	// Left is told how many calls an account has left in its hour whenever an answer says it. It may be nil.
	Left func(calls int)
}

// HTTPClient returns the client that this API wants: it gives up after 20 seconds, keeps connections for
// calls in parallel, and follows no redirect, since that would carry the token elsewhere.
func HTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{
		Transport:     transport,
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// silent is the quota of an answer that said nothing. Otherwise it is filled in as far as an answer could be read, also
// when the call failed.
var silent = bridge.Quota{Left: -1}

// largest is more than any answer of a page of fifty subscribers.
const largest = 1 << 20

// call makes one request and returns the data of a successful answer. in is nil for a read.
func (c *Client) call(ctx context.Context, op string, token bridge.Secret, method, path string, in any) (json.RawMessage, bridge.Quota, error) {
	if token.Empty() {
		return nil, silent, failure(op, "no_token", bridge.Revoked)
	}
	// A read without an answer did no harm; a write may have been carried out.
	unclear := bridge.Unavailable
	var body io.Reader
	if in != nil {
		unclear = bridge.UnknownOutcome
		text, err := json.Marshal(in)
		if err != nil {
			return nil, silent, bridge.E(op, bridge.Internal, err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.BaseURL, "/")+path, body)
	if err != nil {
		return nil, silent, bridge.E(op, bridge.Internal, errors.New("address not usable"))
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+token.Reveal())
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, silent, unanswered(op, unclear, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, largest+1))
	switch {
	case err != nil:
		return nil, silent, &bridge.Error{Op: op, Kind: unclear, Err: errors.New("the answer broke off")}
	case len(text) > largest:
		return nil, silent, &bridge.Error{Op: op, Kind: unclear, Err: errors.New("the answer is too long")}
	}
	data, quota, err := decode(op, unclear, response.StatusCode, text)
	if c.Left != nil && quota.Left >= 0 {
		c.Left(quota.Left)
	}
	if quota.At.IsZero() {
		if at, bad := http.ParseTime(response.Header.Get("Date")); bad == nil {
			quota.At = at
		}
	}
	var e *bridge.Error
	if errors.As(err, &e) && e.Kind == bridge.Throttled {
		e.After = retryAfter(response.Header.Get("Retry-After"))
	}
	return data, quota, err
}

// unanswered gives the meaning of a request without an answer. One that was never connected was never
// sent. The address is left out of the text.
func unanswered(op string, unclear bridge.Kind, err error) error {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		unclear = bridge.Unavailable
	}
	var located *url.Error
	if errors.As(err, &located) {
		err = located.Err
	}
	return &bridge.Error{Op: op, Kind: unclear, Err: err}
}

// retryAfter reads the header of that name in seconds. ReferralHero does not document one; 0 if there is
// none.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 || seconds > 24*3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
