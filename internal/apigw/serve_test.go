package apigw

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

func event(edit func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{RouteKey: "ANY /{proxy+}", RawPath: "/things/1"}
	e.RequestContext.HTTP.Method = http.MethodGet
	e.RequestContext.DomainName = "bridge.example.com"
	edit(&e)
	return e
}

func TestServeReadsTheEvent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*events.APIGatewayV2HTTPRequest)
		see  func(*http.Request) string
		want string
	}{
		"cookies": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=1", "session=x=y"} },
			see:  func(r *http.Request) string { c, _ := r.Cookie("session"); return c.Value },
			want: "x=y",
		},
		"a header whose value has commas": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"x-signature": "t=1,v1=x"} },
			see:  func(r *http.Request) string { return r.Header.Get("X-Signature") },
			want: "t=1,v1=x",
		},
		"a body in base64": {
			edit: func(e *events.APIGatewayV2HTTPRequest) {
				e.RequestContext.HTTP.Method, e.IsBase64Encoded = http.MethodPost, true
				e.Body = base64.StdEncoding.EncodeToString([]byte("a\x00\xff"))
			},
			see:  func(r *http.Request) string { b, _ := io.ReadAll(r.Body); return string(b) },
			want: "a\x00\xff",
		},
		"a query as it was sent": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "code=aPrx%3D%3D&state=1" },
			see:  func(r *http.Request) string { return r.URL.Query().Get("code") },
			want: "aPrx==",
		},
		"a path that the gateway decoded": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/things/a b" },
			see:  func(r *http.Request) string { return r.URL.Path },
			want: "/things/a b",
		},
		"a path that it did not": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/things/a%2Fb" },
			see:  func(r *http.Request) string { return r.URL.EscapedPath() },
			want: "/things/a%2Fb",
		},
		"the host that the person typed": {
			edit: func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"host": "own.example.com"} },
			see:  func(r *http.Request) string { return r.Host },
			want: "own.example.com",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			h := Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = tc.see(r) }))
			if _, err := h(t.Context(), event(tc.edit)); err != nil || got != tc.want {
				t.Errorf("saw %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestServeWritesTheAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		check   func(events.APIGatewayV2HTTPResponse) bool
	}{
		"several cookies stay apart": {
			handler: func(w http.ResponseWriter, _ *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
				http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			},
			check: func(r events.APIGatewayV2HTTPResponse) bool {
				return r.StatusCode == http.StatusOK && slices.Equal(r.Cookies, []string{"a=1", "b=2"}) && r.Headers["Set-Cookie"] == ""
			},
		},
		"text stays text": {
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Grüße") },
			check: func(r events.APIGatewayV2HTTPResponse) bool {
				return r.Body == "Grüße" && !r.IsBase64Encoded && strings.HasPrefix(r.Headers["Content-Type"], "text/plain")
			},
		},
		"other bytes go as base64": {
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0xfe}) },
			check: func(r events.APIGatewayV2HTTPResponse) bool {
				return r.IsBase64Encoded && r.Body == base64.StdEncoding.EncodeToString([]byte{0xff, 0xfe})
			},
		},
		"a handler that panics answers 500 and says nothing": {
			handler: func(http.ResponseWriter, *http.Request) { panic("secret") },
			check:   func(r events.APIGatewayV2HTTPResponse) bool { return r.StatusCode == 500 && r.Body == "" },
		},
		"an answer too large for Lambda": {
			handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 6<<20)) },
			check:   func(r events.APIGatewayV2HTTPResponse) bool { return r.StatusCode == 500 && r.Body == "" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Serve(tc.handler)(t.Context(), event(func(*events.APIGatewayV2HTTPRequest) {}))
			if err != nil || !tc.check(got) {
				t.Errorf("answered %d %v cookies %q, %d bytes, %v", got.StatusCode, got.Headers, got.Cookies, len(got.Body), err)
			}
		})
	}
}

func TestServeRefusesABodyThatIsNotBase64(t *testing.T) {
	t.Parallel()
	h := Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }))
	got, err := h(t.Context(), event(func(e *events.APIGatewayV2HTTPRequest) { e.IsBase64Encoded, e.Body = true, "%" }))
	if err != nil || got.StatusCode != http.StatusBadRequest {
		t.Errorf("answered %d, %v; want 400", got.StatusCode, err)
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	inside := errors.New("dial tcp 10.0.0.7: refused")
	for name, tc := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"a message for people":          {err: bridge.Say("op", bridge.Invalid, "url", "Type an address"), status: 400, says: `{"error":"Type an address","field":"url"}`},
		"nothing to say":                {err: bridge.E("op", bridge.NotFound, inside), status: 404, says: `{"error":"Not Found"}`},
		"an error without a meaning":    {err: inside, status: 500, says: `{"error":"Internal Server Error"}`},
		"the other side is down":        {err: bridge.E("op", bridge.Unavailable, inside), status: 503, says: `{"error":"Service Unavailable"}`},
		"wrapped, it keeps its message": {err: bridge.E("outer", "", bridge.Say("op", bridge.Conflict, "", "Already running")), status: 409, says: `{"error":"Already running"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &writer{header: http.Header{}}
			r, _ := http.NewRequest(http.MethodGet, "/", nil)
			Problem(w, r, tc.err)
			if got := strings.TrimSpace(w.body.String()); w.status != tc.status || got != tc.says {
				t.Errorf("answered %d %s, want %d %s", w.status, got, tc.status, tc.says)
			}
		})
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range []bridge.Kind{bridge.Invalid, bridge.Denied, bridge.NotFound, bridge.Conflict, bridge.Revoked,
		bridge.Throttled, bridge.Unavailable, bridge.Internal, bridge.UnknownOutcome} {
		if Status(&bridge.Error{Kind: kind}) == 0 {
			t.Errorf("%s has no status", kind)
		}
	}
}
