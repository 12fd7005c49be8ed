package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/referralbridge/referralbridge/internal/apigw"
	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/salesforce/outbound"
)

type inboxFunc func(bridge.Secret, conversion.Message) error

func (f inboxFunc) Receive(_ context.Context, token bridge.Secret, m conversion.Message) error {
	return f(token, m)
}

// envelope is one of those that the reader is tested with.
func envelope(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../internal/salesforce/outbound/testdata", name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// post is a message as API Gateway hands it over.
func post(body []byte, edit func(*events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{
		RouteKey: "POST /salesforce/outbound/{hook}", RawPath: "/salesforce/outbound/TOKEN", Body: string(body),
		Headers: map[string]string{"content-type": "text/xml; charset=UTF-8", "soapaction": `""`},
	}
	e.RequestContext.HTTP.Method = http.MethodPost
	if edit != nil {
		edit(&e)
	}
	return e
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	genuine := envelope(t, "accepted/as-Salesforce-sends-it")
	kind := func(text string) func(*events.APIGatewayV2HTTPRequest) {
		return func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-type"] = text }
	}
	for name, tc := range map[string]struct {
		body   []byte
		edit   func(*events.APIGatewayV2HTTPRequest)
		fails  error // of the inbox
		status int
	}{
		"queued, so acknowledged": {body: genuine, status: http.StatusOK},
		"as application/xml":      {body: genuine, edit: kind("application/xml"), status: http.StatusOK},
		"without a charset":       {body: genuine, edit: kind("text/xml"), status: http.StatusOK},
		"a charset in small letters and quotes": {
			body: genuine, edit: kind(`TEXT/XML;charset="utf-8"`), status: http.StatusOK,
		},
		"in base64": {
			body: genuine, status: http.StatusOK, edit: func(e *events.APIGatewayV2HTTPRequest) {
				e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(e.Body)), true
			},
		},
		"in what is no base64": {
			body: genuine, edit: func(e *events.APIGatewayV2HTTPRequest) { e.IsBase64Encoded = true }, status: http.StatusBadRequest,
		},
		"an address that nobody was given": {body: genuine, fails: &bridge.Error{Kind: bridge.NotFound}, status: http.StatusNotFound},
		"not queued, so Salesforce repeats": {
			body: genuine, fails: bridge.E("queue.Send", bridge.Unavailable, errors.New("no route to SQS")), status: http.StatusServiceUnavailable,
		},
		"the table is busy":              {body: genuine, fails: &bridge.Error{Kind: bridge.Throttled}, status: http.StatusServiceUnavailable},
		"a fault of ours":                {body: genuine, fails: errors.New("SQS"), status: http.StatusServiceUnavailable},
		"no time left":                   {body: genuine, fails: context.DeadlineExceeded, status: http.StatusServiceUnavailable},
		"not a message at all":           {body: []byte("hello"), status: http.StatusBadRequest},
		"nothing":                        {status: http.StatusBadRequest},
		"a document type":                {body: envelope(t, "refused/a-billion-laughs"), status: http.StatusBadRequest},
		"cut":                            {body: envelope(t, "refused/cut-in-the-middle"), status: http.StatusBadRequest},
		"as JSON":                        {body: genuine, edit: kind("application/json"), status: http.StatusBadRequest},
		"as a form":                      {body: genuine, edit: kind("application/x-www-form-urlencoded"), status: http.StatusBadRequest},
		"as SOAP 1.2":                    {body: genuine, edit: kind("application/soap+xml"), status: http.StatusBadRequest},
		"in another charset":             {body: genuine, edit: kind("text/xml; charset=iso-8859-1"), status: http.StatusBadRequest},
		"of no type":                     {body: genuine, edit: kind(""), status: http.StatusBadRequest},
		"of two types":                   {body: genuine, edit: kind("text/xml, application/json"), status: http.StatusBadRequest},
		"compressed":                     {body: genuine, edit: func(e *events.APIGatewayV2HTTPRequest) { e.Headers["content-encoding"] = "gzip" }, status: http.StatusBadRequest},
		"too large":                      {body: append(genuine, bytes.Repeat([]byte(" "), outbound.Largest)...), status: http.StatusRequestEntityTooLarge},
		"somebody looks with a browser":  {edit: func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET" }, status: http.StatusMethodNotAllowed},
		"an address with more behind it": {body: genuine, edit: func(e *events.APIGatewayV2HTTPRequest) { e.RawPath += "/more" }, status: http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received, counted := 0, map[conversion.Tally]int{}
			h := apigw.Serve(routes(inboxFunc(func(token bridge.Secret, m conversion.Message) error {
				received++
				if token.Reveal() != "TOKEN" || m.Organization != "00D5g000004AbCdEAK" || m.Session || len(m.Records) != 1 || m.Records[0] != "0065g00000XyZaBAAV" {
					t.Errorf("received %+v", m)
				}
				return tc.fails
			}), func(what conversion.Tally, n int) { counted[what] += n }))
			got, err := h(t.Context(), post(tc.body, tc.edit))
			if err != nil || got.StatusCode != tc.status {
				t.Errorf("status = %d, %v, want %d", got.StatusCode, err, tc.status)
			}
			acknowledged := strings.Contains(got.Body, "<Ack>true</Ack>") && got.Headers["Content-Type"] == "text/xml; charset=UTF-8"
			if acknowledged != (tc.status == http.StatusOK) {
				t.Errorf("acknowledged = %t: %q", acknowledged, got.Body)
			}
			if wanted := tc.status == http.StatusOK || tc.fails != nil; wanted != (received == 1) {
				t.Errorf("received %d times", received)
			}
			if strings.Contains(got.Body, "SQS") || strings.Contains(got.Body, "TOKEN") {
				t.Errorf("the answer gives something away: %q", got.Body)
			}
			if wrong := tc.status == http.StatusBadRequest && name != "in what is no base64" || tc.status == http.StatusRequestEntityTooLarge; wrong != (counted[refused] == 1) {
				t.Errorf("counted %v", counted)
			}
		})
	}
}

// TestRecordsInOneMessage has every record of an envelope arrive, those that cannot be read as well.
func TestRecordsInOneMessage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file    string
		records int
		session bool
	}{
		"a hundred":                          {"accepted/a-hundred-notifications", 100, false},
		"with a session id":                  {"accepted/a-session-id-of-old-times", 1, true},
		"about a record that cannot be read": {"accepted/values-of-unknown-forms", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got conversion.Message
			h := apigw.Serve(routes(inboxFunc(func(_ bridge.Secret, m conversion.Message) error { got = m; return nil }), func(conversion.Tally, int) {}))
			if _, err := h(t.Context(), post(envelope(t, tc.file), nil)); err != nil || len(got.Records) != tc.records || got.Session != tc.session {
				t.Errorf("%d records, session %t, %v, want %d, %t", len(got.Records), got.Session, err, tc.records, tc.session)
			}
		})
	}
}

// BenchmarkHandler is all of the handler but AWS: from the event to what the inbox is given, and back.
func BenchmarkHandler(b *testing.B) {
	for name, file := range map[string]string{"1": "accepted/as-Salesforce-sends-it", "100": "accepted/a-hundred-notifications"} {
		event, err := json.Marshal(post(envelope(b, file), nil))
		if err != nil {
			b.Fatal(err)
		}
		h := apigw.Serve(routes(inboxFunc(func(bridge.Secret, conversion.Message) error { return nil }), func(conversion.Tally, int) {}))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var e events.APIGatewayV2HTTPRequest
				if err := json.Unmarshal(event, &e); err != nil {
					b.Fatal(err)
				}
				if response, err := h(b.Context(), e); err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response.StatusCode, err)
				}
			}
		})
	}
}
