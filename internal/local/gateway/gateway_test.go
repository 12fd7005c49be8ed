package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// answer is an Invoke that gives the same answer to everything.
func answer(text string) Invoke {
	return func(context.Context, string, []byte) ([]byte, string, error) { return []byte(text), "", nil }
}

func serve(t *testing.T, invoke Invoke, change func(*Gateway), routes ...Route) (*httptest.Server, *strings.Builder) {
	t.Helper()
	said := &strings.Builder{}
	if len(routes) == 0 {
		routes = []Route{{"ANY", "/{proxy+}", "Any"}}
	}
	g, err := New(routes, invoke, func(function, line string) { fmt.Fprintf(said, "%s: %s\n", function, line) })
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(g)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return server, said
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	routes := []Route{
		{"ANY", "/{proxy+}", "console"}, {"GET", "/", "root"}, {"POST", "/oauth/start", "start"},
		{"GET", "/oauth/callback/{environment}", "callback"}, {"GET", "/pets/{id}", "pet"}, {"GET", "/pets/dog", "dog"},
		{"ANY", "/pets/dog", "anydog"}, {"GET", "/pets/{proxy+}", "pets"}, {"GET", "/pets/{id}/toys/{toy}", "toy"},
	}
	for name, tc := range map[string]struct {
		method, path, function, key string
		parameters                  map[string]string
		withDefault                 bool
	}{
		"the root":                                {"GET", "/", "root", "GET /", nil, false},
		"the root by another method":              {"POST", "/", "", "", nil, false},
		"a literal path":                          {"POST", "/oauth/start", "start", "POST /oauth/start", nil, false},
		"its path by another method":              {"GET", "/oauth/start", "console", "ANY /{proxy+}", map[string]string{"proxy": "oauth/start"}, false},
		"a variable":                              {"GET", "/oauth/callback/sandbox", "callback", "GET /oauth/callback/{environment}", map[string]string{"environment": "sandbox"}, false},
		"a variable takes one segment":            {"GET", "/oauth/callback/a/b", "console", "ANY /{proxy+}", map[string]string{"proxy": "oauth/callback/a/b"}, false},
		"a variable takes something":              {"GET", "/oauth/callback/", "console", "ANY /{proxy+}", map[string]string{"proxy": "oauth/callback/"}, false},
		"literal before variable":                 {"GET", "/pets/dog", "dog", "GET /pets/dog", nil, false},
		"a method before any":                     {"PUT", "/pets/dog", "anydog", "ANY /pets/dog", nil, false},
		"variable before greedy":                  {"GET", "/pets/cat", "pet", "GET /pets/{id}", map[string]string{"id": "cat"}, false},
		"greedy before the one above it":          {"GET", "/pets/cat/food", "pets", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/food"}, false},
		"two variables":                           {"GET", "/pets/cat/toys/7", "toy", "GET /pets/{id}/toys/{toy}", map[string]string{"id": "cat", "toy": "7"}, false},
		"a path that is encoded comes decoded":    {"GET", "/pets/a%20b", "pet", "GET /pets/{id}", map[string]string{"id": "a b"}, false},
		"a slash that is encoded is a slash":      {"GET", "/pets/a%2Fb", "pets", "GET /pets/{proxy+}", map[string]string{"proxy": "a/b"}, false},
		"the default route if nothing else":       {"POST", "/", "rest", "$default", nil, true},
		"the default route not if something fits": {"GET", "/", "root", "GET /", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var function string
			var event events.APIGatewayV2HTTPRequest
			all := routes
			if tc.withDefault {
				all = append(routes[:len(routes):len(routes)], Route{"ANY", "$default", "rest"})
			}
			server, _ := serve(t, func(_ context.Context, f string, e []byte) ([]byte, string, error) {
				function = f
				return []byte(`{"statusCode":204}`), "", json.Unmarshal(e, &event)
			}, nil, all...)
			resp, body := do(t, request(t, tc.method, server.URL+tc.path, ""))
			if tc.function == "" {
				if resp.StatusCode != 404 || body != `{"message":"Not Found"}` {
					t.Errorf("answer = %d %s, want that there is no route", resp.StatusCode, body)
				}
				return
			}
			if function != tc.function || event.RouteKey != tc.key || len(tc.parameters) > 0 && !cmp.Equal(event.PathParameters, tc.parameters) {
				t.Errorf("got %s by %s with %v, want %s by %s with %v", function, event.RouteKey, event.PathParameters, tc.function, tc.key, tc.parameters)
			}
		})
	}
}

func TestRoutesRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		routes []Route
		want   string
	}{
		"the same twice":             {[]Route{{"GET", "/a", "x"}, {"GET", "/a", "y"}}, "there are two routes GET /a"},
		"no slash":                   {[]Route{{"GET", "a", "x"}}, "route GET a: the path has no slash at its beginning"},
		"something after the greedy": {[]Route{{"GET", "/{a+}/b", "x"}}, "route GET /{a+}/b: {a+} is not at the end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(tc.routes, nil, nil); err == nil || err.Error() != tc.want {
				t.Errorf("err = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	var raw []byte
	server, _ := serve(t, func(_ context.Context, _ string, event []byte) ([]byte, string, error) {
		raw = event
		return []byte(`{"statusCode":200}`), "", nil
	}, func(g *Gateway) {
		g.Account, g.ID = "000000000000", "api"
		g.Now = func() time.Time { return time.Date(2026, 11, 2, 3, 4, 5, 6e6, time.UTC) }
	}, Route{"POST", "/a/{id}", "F"})
	r := request(t, "POST", server.URL+"/a/b%20c?x=1&y=%26&x=2", `{"n":1}`)
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "X-Signature": {"t=1,v1=x"}, "X-Twice": {"a", "b"},
		"Cookie": {"a=1; b=2"}, "User-Agent": {"tester"}, "X-Forwarded-For": {"10.0.0.1"},
	}
	do(t, r)

	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "POST /a/{id}", RawPath: "/a/b c", RawQueryString: "x=1&y=%26&x=2", Cookies: []string{"a=1", "b=2"},
		Headers: map[string]string{
			"host": host, "content-type": "application/json", "x-signature": "t=1,v1=x", "x-twice": "a,b", "user-agent": "tester",
			"content-length": "7", "accept-encoding": "gzip", "x-forwarded-for": "10.0.0.1, 127.0.0.1", "x-forwarded-proto": "http",
			"x-forwarded-port": event.Headers["x-forwarded-port"],
		},
		QueryStringParameters: map[string]string{"x": "1,2", "y": "&"}, PathParameters: map[string]string{"id": "b c"}, Body: `{"n":1}`,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			AccountID: "000000000000", APIID: "api", DomainName: "127.0.0.1", DomainPrefix: "127", RouteKey: "POST /a/{id}", Stage: "$default",
			RequestID: event.RequestContext.RequestID, Time: "02/Nov/2026:03:04:05 +0000", TimeEpoch: 1793588645006,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "POST", Path: "/a/b c", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "tester"},
		},
	}
	if diff := cmp.Diff(event, want); diff != "" {
		t.Errorf("event, got before want:\n%s", diff)
	}
	if event.RequestContext.RequestID == "" {
		t.Error("there is no request id")
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		contentType, body, want string
		encoded                 bool
	}{
		"JSON":                     {"application/json; charset=utf-8", `{}`, `{}`, false},
		"text":                     {"text/plain", "hé", "hé", false},
		"SOAP":                     {"text/xml", "<a/>", "<a/>", false},
		"a form is encoded":        {"application/x-www-form-urlencoded", "a=b", "YT1i", true},
		"text that is no UTF-8":    {"text/plain", "\xff", "/w==", true},
		"anything else is encoded": {"image/png", "png", "cG5n", true},
		"no type":                  {"", "abc", "YWJj", true},
		"no body":                  {"image/png", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var event events.APIGatewayV2HTTPRequest
			server, _ := serve(t, func(_ context.Context, _ string, e []byte) ([]byte, string, error) {
				return []byte(`{"statusCode":200}`), "", json.Unmarshal(e, &event)
			}, nil)
			r := request(t, "POST", server.URL+"/x", tc.body)
			r.Header.Set("Content-Type", tc.contentType)
			do(t, r)
			if event.Body != tc.want || event.IsBase64Encoded != tc.encoded {
				t.Errorf("body = %q, encoded = %t; want %q, %t", event.Body, event.IsBase64Encoded, tc.want, tc.encoded)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const wrong = `{"message":"Internal Server Error"}`
	for name, tc := range map[string]struct {
		invoke Invoke
		status int
		body   string
		header http.Header // among others
		said   string
	}{
		"a response": {
			invoke: answer(`{"statusCode":201,"headers":{"content-type":"text/html","x-a":"1,2"},"cookies":["a=1","b=2; Path=/"],"body":"<p>"}`),
			status: 201, body: "<p>", header: http.Header{"Content-Type": {"text/html"}, "X-A": {"1,2"}, "Set-Cookie": {"a=1", "b=2; Path=/"}},
		},
		"a body that is encoded":   {invoke: answer(`{"statusCode":200,"body":"/w==","isBase64Encoded":true}`), status: 200, body: "\xff"},
		"no type is text":          {invoke: answer(`{"statusCode":200,"body":"x"}`), status: 200, body: "x", header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}},
		"a length that is wrong":   {invoke: answer(`{"statusCode":200,"body":"xyz","headers":{"Content-Length":"1"}}`), status: 200, body: "xyz"},
		"no status: all is body":   {invoke: answer(`{"a":1}`), status: 200, body: `{"a":1}`, header: http.Header{"Content-Type": {"application/json"}}},
		"a text":                   {invoke: answer(`"hello"`), status: 200, body: `hello`},
		"not JSON":                 {invoke: answer(`<p>`), status: 500, body: wrong, said: "Any: answered ANY /{proxy+} with what is no HTTP response: it is not JSON"},
		"a status that is none":    {invoke: answer(`{"statusCode":99}`), status: 500, body: wrong, said: "status code 99"},
		"a status that is a text":  {invoke: answer(`{"statusCode":"200"}`), status: 500, body: wrong, said: "cannot unmarshal"},
		"a header that is a list":  {invoke: answer(`{"statusCode":200,"headers":{"a":["b"]}}`), status: 500, body: wrong, said: "cannot unmarshal"},
		"a body that is no base64": {invoke: answer(`{"statusCode":200,"body":"!","isBase64Encoded":true}`), status: 500, body: wrong, said: "illegal base64"},
		"the function failed": {
			invoke: func(context.Context, string, []byte) ([]byte, string, error) {
				return []byte(`{"errorMessage":"secret"}`), "Unhandled", nil
			},
			status: 500, body: wrong,
		},
		"it was not run": {
			invoke: func(context.Context, string, []byte) ([]byte, string, error) { return nil, "", errors.New("shut down") },
			status: 503, body: `{"message":"Service Unavailable"}`,
		},
		"the event is too large": {
			invoke: func(context.Context, string, []byte) ([]byte, string, error) { return nil, "", ErrTooLarge },
			status: 413, body: `{"message":"Request Entity Too Large"}`,
		},
		"it takes too long": {
			invoke: func(ctx context.Context, _ string, _ []byte) ([]byte, string, error) {
				<-ctx.Done()
				return nil, "", ctx.Err()
			},
			status: 503, body: `{"message":"Service Unavailable"}`, said: "Any: did not answer ANY /{proxy+} within 50ms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, said := serve(t, tc.invoke, func(g *Gateway) { g.Longest = 50 * time.Millisecond })
			resp, body := do(t, request(t, "GET", server.URL+"/x", ""))
			if resp.StatusCode != tc.status || body != tc.body {
				t.Errorf("answer = %d %q, want %d %q", resp.StatusCode, body, tc.status, tc.body)
			}
			for name, want := range tc.header {
				if got := resp.Header[name]; !cmp.Equal(got, want) {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if !strings.Contains(said.String(), tc.said) {
				t.Errorf("said %q, want %q in it", said, tc.said)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, answer(`{"statusCode":200}`), nil)
	for name, tc := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"a body that just fits":    {func(r *http.Request) { body(r, largestBody) }, 200},
		"a body that does not":     {func(r *http.Request) { body(r, largestBody+1) }, 413},
		"headers that fit":         {func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", largestHeader-500)) }, 200},
		"headers that do not":      {func(r *http.Request) { r.Header.Set("X", strings.Repeat("x", largestHeader)) }, 431},
		"a query that is too long": {func(r *http.Request) { r.URL.RawQuery = strings.Repeat("x", largestHeader) }, 431},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "POST", server.URL+"/x", "")
			tc.change(r)
			if resp, _ := do(t, r); resp.StatusCode != tc.status {
				t.Errorf("status = %d, want %d", resp.StatusCode, tc.status)
			}
		})
	}
}

func body(r *http.Request, size int) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", size))), int64(size)
}
