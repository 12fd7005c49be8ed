package salesforce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

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
	// Used is told of what Usage returns whenever an answer says it. It may be nil.
	Used func(used, most int)

	usage         atomic.Pointer[usage]
	calls         atomic.Int64
	optOutHidden  atomic.Bool // the connected user may not see HasOptedOutOfEmail
	accountHidden atomic.Bool // nor which account a contact belongs to
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

// Calls returns how many requests this client has made so far. The org's allowance pays for each, whatever became of
// it.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// request is a call before it has a token.
type request struct {
	method, path string
	body         []byte    // nil: none
	upload       io.Reader // instead of body; then the call cannot be made again
	header       [][2]string
	writes       bool          // it may change something
	most         int64         // bytes that its answer may have; largest if 0
	patience     time.Duration // how long its answer may take; as long as HTTP says if 0
}

// unclear is what it means that a call has no answer: a read did no harm, a write may have been carried out.
func (r request) unclear() bridge.Kind {
	if r.writes {
		return bridge.UnknownOutcome
	}
	return bridge.Unavailable
}

// get reads a path into out, which is a pointer.
func (c *Client) get(ctx context.Context, op, path string, out any) error {
	return c.send(ctx, op, request{method: http.MethodGet, path: path}, into(out))
}

// into decodes an answer into out, which is a pointer.
func into(out any) func(io.Reader) error {
	return func(body io.Reader) error { return json.NewDecoder(body).Decode(out) }
}

// send makes a call and gives its answer to receive, whose error means that the answer is not readable. If Salesforce
// refuses the token, or the org has moved to another host, it asks for a newer token and tries again, once: such a
// call did nothing.
func (c *Client) send(ctx context.Context, op string, r request, receive func(io.Reader) error) error {
	token, err := c.Tokens.Token(ctx)
	if err != nil {
		return bridge.E(op, "", err)
	}
	err = c.once(ctx, op, token, r, receive)
	if code := bridge.CodeOf(err); code != sessionEnded && code != moved {
		return err
	}
	if r.upload != nil {
		return bridge.E(op, bridge.Unavailable, err)
	}
	if token, err = c.Tokens.Renew(ctx, token); err != nil {
		return bridge.E(op, "", err)
	}
	return c.once(ctx, op, token, r, receive)
}

func (c *Client) once(ctx context.Context, op string, token bridge.AccessToken, r request, receive func(io.Reader) error) error {
	origin, err := c.Hosts.Instance(token.Instance)
	if err != nil {
		return bridge.E(op, bridge.Denied, err)
	}
	body := r.upload
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	request, err := http.NewRequestWithContext(ctx, r.method, origin+r.path, body)
	if err != nil {
		return bridge.E(op, bridge.Internal, errRequest)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json; charset=UTF-8")
	}
	for _, h := range r.header {
		request.Header.Set(h[0], h[1])
	}
	request.Header.Set("Authorization", "Bearer "+token.Token.Reveal())
	client := *c.HTTP
	client.Timeout = cmp.Or(r.patience, client.Timeout)
	c.calls.Add(1)
	response, err := client.Do(request)
	if err != nil {
		return unanswered(op, r.unclear(), err)
	}
	defer drain(response.Body)
	if u, ok := parseUsage(response.Header.Get("Sforce-Limit-Info")); ok {
		c.usage.Store(&u)
		if c.Used != nil {
			c.Used(u.used, u.most)
		}
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return undone(refused(op, response), r.writes, response.StatusCode)
	}
	answer := &io.LimitedReader{R: response.Body, N: cmp.Or(r.most, largest) + 1}
	if err := receive(answer); err != nil {
		if answer.N <= 0 && !r.writes {
			return bridge.E(op, bridge.Internal, errTooLarge)
		}
		return bridge.E(op, r.unclear(), errUnreadable) // the decoder's own words may quote the answer
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
	return follow(ctx, c, op, data+"/query?q="+url.QueryEscape(statement), each)
}

// follow is query for a path.
func follow[T any](ctx context.Context, c *Client, op, path string, each func(T) bool) error {
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
		if !isPath(page.NextRecordsURL) {
			return bridge.E(op, bridge.Unavailable, errUnreadable)
		}
		path = page.NextRecordsURL
	}
}

// isPath reports whether an address that Salesforce gave for a further page is one of its API.
func isPath(next string) bool {
	return strings.HasPrefix(next, "/services/data/v") && !strings.ContainsAny(next, "?#\\")
}
