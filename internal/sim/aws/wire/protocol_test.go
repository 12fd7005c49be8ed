package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	json10 := wire.Protocol{ContentType: "application/x-amz-json-1.0", Namespace: "com.amazonaws.sqs", Message: "message", Query: true}
	rest := wire.Protocol{ContentType: "application/json", Message: "Message", REST: true}
	for name, tc := range map[string]struct {
		protocol wire.Protocol
		err      error
		status   int
		body     string
		query    string
		kind     string
	}{
		"the service's own":     {json10, &wire.Error{Code: "QueueDoesNotExist", Query: "Gone", Message: "m"}, 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}`, "Gone;Sender", ""},
		"one that all have":     {json10, &wire.Error{Code: "ThrottlingException", Message: "m"}, 400, `{"__type":"com.amazon.coral.service#ThrottlingException","message":"m"}`, "Throttling;Sender", ""},
		"a fault of the server": {json10, &wire.Error{Status: 503, Code: "ServiceUnavailable", Message: "m"}, 503, `{"__type":"com.amazonaws.sqs#ServiceUnavailable","message":"m"}`, "ServiceUnavailable;Receiver", ""},
		"no Error at all":       {json10, errors.New("m"), 500, `{"__type":"com.amazonaws.sqs#InternalFailure","message":"m"}`, "InternalFailure;Receiver", ""},
		"in a header":           {rest, &wire.Error{Status: 404, Code: "NotFound", Message: "m", More: map[string]string{"Type": "User"}}, 404, `{"Message":"m","Type":"User"}`, "", "NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			tc.protocol.Refuse(w, tc.err)
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("status %d, %s; want %d, %s", w.Code, w.Body, tc.status, tc.body)
			}
			if got := w.Header().Get("X-Amzn-Query-Error"); got != tc.query {
				t.Errorf("query error = %q, want %q", got, tc.query)
			}
			if got := w.Header().Get("X-Amzn-Errortype"); got != tc.kind {
				t.Errorf("error type = %q, want %q", got, tc.kind)
			}
			if got := w.Header().Get("Content-Type"); got != tc.protocol.ContentType {
				t.Errorf("content type = %q, want %q", got, tc.protocol.ContentType)
			}
		})
	}
}

func TestSigner(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, "+
		"Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	got, err := wire.Signer(r)
	if want := (wire.Caller{AccessKey: "AKIA", Region: "us-east-1", Service: "sqs"}); err != nil || got != want {
		t.Errorf("caller = %+v, %v; want %+v", got, err, want)
	}
}
