package salesforce

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// version is the API version that everything here was written for. Salesforce keeps a version for at
// least three years.
const version = "v66.0"

const data = "/services/data/" + version

// largest is the most that is read of an answer. A page of 2,000 contacts is about a megabyte.
const largest = 16 << 20

// Tokens gives the access tokens of one connection.
type Tokens interface {
	// Token returns the current one.
	Token(context.Context) (bridge.AccessToken, error)
	// Renew returns a newer one than that which Salesforce has refused.
	Renew(ctx context.Context, dead bridge.AccessToken) (bridge.AccessToken, error)
}

// Client calls the REST API of one org for one connection. It is safe for concurrent use; it must not
// be copied.
type Client struct {
	HTTP   *http.Client // Hosts.HTTPClient
	Hosts  Hosts
	Tokens Tokens

	usage        atomic.Pointer[usage]
	optOutHidden atomic.Bool // the connected user may not see HasOptedOutOfEmail
}

type usage struct{ used, most int }

// Usage returns how many of the org's API calls of the last 24 hours were used, by everybody, and how
// many there are, as the last answer told. Both are 0 before the first answer.
func (c *Client) Usage() (used, most int) {
	if u := c.usage.Load(); u != nil {
		return u.used, u.most
	}
	return 0, 0
}

// get reads a path into out, which is a pointer. If Salesforce refuses the token, it asks for a newer
// one and tries again, once.
func (c *Client) get(ctx context.Context, op, path string, out any) error {
	token, err := c.Tokens.Token(ctx)
	if err != nil {
		return bridge.E(op, "", err)
	}
	err = c.once(ctx, op, token, path, out)
	if code := bridge.CodeOf(err); code != sessionEnded && code != moved {
		return err
	}
	if token, err = c.Tokens.Renew(ctx, token); err != nil {
		return bridge.E(op, "", err)
	}
	return c.once(ctx, op, token, path, out)
}

func (c *Client) once(ctx context.Context, op string, token bridge.AccessToken, path string, out any) error {
	origin, err := c.Hosts.Instance(token.Instance)
	if err != nil {
		return bridge.E(op, bridge.Denied, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+path, nil)
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	request.Header.Set("Authorization", "Bearer "+token.Token.Reveal())
	request.Header.Set("Accept", "application/json")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return bridge.E(op, bridge.Unavailable, withoutAddress(err))
	}
	defer drain(response.Body)
	if u, ok := parseUsage(response.Header.Get("Sforce-Limit-Info")); ok {
		c.usage.Store(&u)
	}
	if response.StatusCode != http.StatusOK {
		return refused(op, response)
	}
	body := &io.LimitedReader{R: response.Body, N: largest + 1}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		if body.N <= 0 {
			return bridge.E(op, bridge.Internal, errTooLarge)
		}
		return bridge.E(op, bridge.Unavailable, errUnreadable) // the decoder's own words may quote the answer
	}
	return nil
}

// drain reads the rest of a body, if it is short, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

// parseUsage reads a header such as "api-usage=1832/115000, per-app-api-usage=17/250(appName=x)".
func parseUsage(header string) (usage, bool) {
	for part := range strings.SplitSeq(header, ",") {
		text, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		used, most, _ := strings.Cut(text, "/")
		u, err := strconv.Atoi(used)
		m, wrong := strconv.Atoi(most)
		return usage{u, m}, err == nil && wrong == nil && u >= 0 && m > 0
	}
	return usage{}, false
}

// answer is a page of a query's result.
type answer[T any] struct {
	TotalSize      int    `json:"totalSize"`
	Done           bool   `json:"done"`
	NextRecordsURL string `json:"nextRecordsUrl"`
	Records        []T    `json:"records"`
}

// query gives a statement's records to each, page by page, until each returns false.
func query[T any](ctx context.Context, c *Client, op, statement string, each func(T) bool) error {
	path := data + "/query?q=" + url.QueryEscape(statement)
	for {
		var page answer[T]
		if err := c.get(ctx, op, path, &page); err != nil {
			return err
		}
		for _, record := range page.Records {
			if !each(record) {
				return nil
			}
		}
		if page.Done {
			return nil
		}
		if !strings.HasPrefix(page.NextRecordsURL, "/services/data/v") || strings.ContainsAny(page.NextRecordsURL, "?#\\") {
			return bridge.E(op, bridge.Unavailable, errUnreadable)
		}
		path = page.NextRecordsURL
	}
}
