package wire

import (
	"net/http"
	"regexp"
)

// Permission is something that IAM would have to allow.
type Permission struct {
	Action   string // as in a policy: sqs:SendMessage
	Resource string // an ARN, or * where AWS takes no other
}

// Caller is who signed a request, and for what.
type Caller struct {
	AccessKey, Region, Service string
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/\d{8}/([^/, ]+)/([^/, ]+)/aws4_request, ?SignedHeaders=[^ ,]+, ?Signature=[0-9a-f]{64}$`)

// Signer reads the caller from the Authorization header. The signature must be there but is not verified: there is no secret
// to verify it with.
func Signer(r *http.Request) (Caller, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Caller{}, &Error{Status: http.StatusForbidden, Code: "MissingAuthenticationTokenException", Query: "MissingAuthenticationToken",
			Message: "Request is missing Authentication Token"}
	}
	m := authorization.FindStringSubmatch(header)
	if m == nil {
		return Caller{}, &Error{Code: "IncompleteSignatureException", Query: "IncompleteSignature",
			Message: "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' of AWS4-HMAC-SHA256."}
	}
	return Caller{AccessKey: m[1], Region: m[2], Service: m[3]}, nil
}
