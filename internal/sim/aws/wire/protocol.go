package wire

import (
	"errors"
	"hash/crc32"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// Error is a refusal as a service would word it.
type Error struct {
	Status  int    // of HTTP; 0 means 400
	Code    string // what an SDK's client branches on, such as QueueDoesNotExist
	Message string
	Query   string            // code of the query protocol that came before JSON, if it differs; only SQS still tells it
	More    map[string]string // further members of the body
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// common are the codes that the services inherit from AWS's own framework instead of defining them.
var common = map[string]bool{
	"AccessDeniedException": true, "IncompleteSignatureException": true, "InvalidParameterValueException": true,
	"InvalidSignatureException": true, "MissingAuthenticationTokenException": true, "MissingRequiredParameterException": true,
	"SerializationException": true, "ThrottlingException": true, "UnknownOperationException": true, "ValidationException": true,
}

// Protocol says how a service puts its answers on the wire.
type Protocol struct {
	ContentType string
	Namespace   string // of the error types that the service defines itself; empty if it sends bare codes
	Message     string // name of the member that carries an error's message: AWS writes it in both ways
	REST        bool   // the error's code travels in a header, not in the body
	Query       bool   // errors carry the code of the older query protocol too
	Checksum    bool   // errors carry a CRC-32 of their body, which the service's SDK clients compare
}

// Answer writes a successful answer.
func (p Protocol) Answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", p.ContentType)
	_, _ = w.Write(Encode(v)) // a client that has gone needs no answer
}

// Refuse writes an error. One that is no Error is a fault of ours, and answered as such.
func (p Protocol) Refuse(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
	}
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	h := w.Header()
	h.Set("Content-Type", p.ContentType)
	body := map[string]string{}
	if e.Message != "" {
		body[p.Message] = e.Message
	}
	maps.Copy(body, e.More)
	if p.REST {
		h.Set("X-Amzn-ErrorType", e.Code)
	} else {
		body["__type"] = p.qualified(e.Code)
	}
	if p.Query {
		code, fault := e.Query, "Sender"
		if code == "" {
			code = strings.TrimSuffix(e.Code, "Exception")
		}
		if status >= http.StatusInternalServerError {
			fault = "Receiver"
		}
		h.Set("X-Amzn-Query-Error", code+";"+fault)
	}
	encoded := Encode(body)
	if p.Checksum {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(encoded)), 10))
	}
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

func (p Protocol) qualified(code string) string {
	switch {
	case p.Namespace == "":
		return code
	case common[code]:
		return "com.amazon.coral.service#" + code
	}
	return p.Namespace + "#" + code
}
