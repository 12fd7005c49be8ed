package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// event is a request in payload format 2.0.
type event struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	RequestContext  requestContext    `json:"requestContext"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         contextHTTP `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type contextHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// request turns a request into an event. Like AWS it gives the path decoded, joins the values of a header or
// of a query parameter with commas, and encodes every body that is not text of a type that it knows, forms included.
func (g *Gateway) request(r *http.Request, match Route, variables map[string]string, body []byte) event {
	now := g.Now().UTC()
	source, port, _ := net.SplitHostPort(r.RemoteAddr)
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	prefix, _, _ := strings.Cut(host, ".")
	e := event{
		Version: "2.0", RouteKey: match.key(), RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{"host": r.Host}, PathParameters: variables,
		RequestContext: requestContext{
			AccountID: g.Account, APIID: g.ID, DomainName: host, DomainPrefix: prefix,
			HTTP:      contextHTTP{Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent()},
			RequestID: uuid.NewString(), RouteKey: match.key(), Stage: "$default",
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, value := range values {
				e.Cookies = append(e.Cookies, strings.Split(value, "; ")...)
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.Headers["x-forwarded-for"] = strings.TrimPrefix(e.Headers["x-forwarded-for"]+", "+source, ", ")
	e.Headers["x-forwarded-port"], e.Headers["x-forwarded-proto"] = port, "http"
	if len(body) > 0 {
		e.Headers["content-length"] = fmt.Sprint(len(body))
	}
	for name, values := range r.URL.Query() {
		if e.Query == nil {
			e.Query = map[string]string{}
		}
		e.Query[name] = strings.Join(values, ",")
	}
	if len(body) > 0 && (!isText(r.Header.Get("Content-Type")) || !utf8.Valid(body)) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	} else {
		e.Body = string(body)
	}
	return e
}

// isText reports whether the HTTP API hands over a body of the type as it is.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/xml", "application/javascript":
		return true
	default:
		return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
	}
}

// respond writes a function's answer. It fails before it writes anything if the answer is none of payload format 2.0.
func respond(w http.ResponseWriter, answer []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(answer, &keys); err != nil || keys["statusCode"] == nil {
		if !json.Valid(answer) {
			return errors.New("it is not JSON")
		}
		// Without a status code the whole answer is the body.
		w.Header().Set("Content-Type", "application/json")
		var text string
		if json.Unmarshal(answer, &text) == nil {
			_, _ = io.WriteString(w, text)
			return nil
		}
		_, _ = w.Write(bytes.TrimSpace(answer))
		return nil
	}
	var out struct {
		StatusCode      int               `json:"statusCode"`
		Headers         map[string]string `json:"headers"`
		Cookies         []string          `json:"cookies"`
		Body            string            `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return err
	}
	if out.StatusCode < 100 || out.StatusCode > 599 {
		return fmt.Errorf("status code %d", out.StatusCode)
	}
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
	}
	h := w.Header()
	for name, value := range out.Headers {
		h.Set(name, value)
	}
	for _, cookie := range out.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Del("Content-Length") // of the body as it is, whatever the function thought
	w.WriteHeader(out.StatusCode)
	_, _ = w.Write(body) // no body with 204 and 304
	return nil
}
