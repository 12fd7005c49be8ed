// Package apigw lets a net/http handler answer the events of an API Gateway HTTP API (payload format
// 2.0), and turns failures into answers.
package apigw

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// largest is what Lambda lets us answer.
const largest = 6<<20 - 64<<10

// Handler answers one event.
type Handler func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// Serve adapts h for lambda.Start. A handler that panics answers 500 and stays alive; an answer larger
// than Lambda takes becomes a 500 too.
func Serve(h http.Handler) Handler {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (response events.APIGatewayV2HTTPResponse, err error) {
		request, err := newRequest(ctx, event)
		if err != nil {
			slog.WarnContext(ctx, "request not readable", "route", event.RouteKey)
			return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest}, nil
		}
		w := &writer{header: http.Header{}}
		defer func() {
			if caught := recover(); caught != nil {
				// The type only: a panic's text may quote input.
				slog.ErrorContext(ctx, "handler panicked", "route", event.RouteKey, "type", fmt.Sprintf("%T", caught), "stack", string(debug.Stack()))
				response, err = events.APIGatewayV2HTTPResponse{StatusCode: http.StatusInternalServerError}, nil
			}
		}()
		h.ServeHTTP(w, request)
		return w.response(ctx), nil
	}
}

func newRequest(ctx context.Context, event events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			return nil, err
		}
	}
	// The gateway may hand over the path decoded; net/http wants it escaped.
	target := (&url.URL{Path: event.RawPath, RawQuery: event.RawQueryString}).String()
	if parsed, err := url.Parse(event.RawPath); err == nil && strings.Contains(event.RawPath, "%") {
		parsed.RawQuery = event.RawQueryString
		target = parsed.String()
	}
	request, err := http.NewRequestWithContext(ctx, event.RequestContext.HTTP.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range event.Headers {
		// Several headers of one name arrive joined by commas. They stay joined: values hold commas too.
		request.Header.Set(name, value)
	}
	if len(event.Cookies) > 0 {
		request.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	request.Host = request.Header.Get("Host")
	if request.Host == "" {
		request.Host = event.RequestContext.DomainName
	}
	request.RemoteAddr = event.RequestContext.HTTP.SourceIP
	request.RequestURI = target
	return request, nil
}

// writer collects an answer.
type writer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *writer) response(ctx context.Context) events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	if w.body.Len() > largest {
		slog.ErrorContext(ctx, "answer too large", "bytes", w.body.Len())
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusInternalServerError}
	}
	if w.header.Get("Content-Type") == "" && w.body.Len() > 0 {
		w.header.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	response := events.APIGatewayV2HTTPResponse{
		StatusCode: w.status, Headers: map[string]string{}, Cookies: w.header.Values("Set-Cookie"),
	}
	for name, values := range w.header {
		if name != "Set-Cookie" {
			response.Headers[name] = strings.Join(values, ", ")
		}
	}
	if body := w.body.Bytes(); utf8.Valid(body) {
		response.Body = string(body)
	} else {
		response.Body, response.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return response
}
