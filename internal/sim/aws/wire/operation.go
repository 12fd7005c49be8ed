package wire

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// Operation answers one request whose body is JSON.
type Operation func(r *http.Request, body []byte) (any, error)

// Do makes an Operation of a function that takes and returns a struct of its own.
func Do[In, Out any](f func(*http.Request, In) (Out, error)) Operation {
	return func(r *http.Request, body []byte) (any, error) {
		var in In
		if err := Decode(body, &in); err != nil {
			return nil, err
		}
		return f(r, in)
	}
}

// Serve runs the operation that X-Amz-Target names behind the prefix. Count, if not nil, hears of it first.
func Serve(w http.ResponseWriter, r *http.Request, p Protocol, prefix string, operations map[string]Operation, count func(operation string)) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), prefix)
	run := operations[name]
	if r.Method != http.MethodPost || !ok || run == nil {
		p.Refuse(w, UnknownOperation(r.Method+" "+r.Header.Get("X-Amz-Target")))
		return
	}
	if count != nil {
		count(name)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.Refuse(w, TooLarge(err))
		return
	}
	answer, err := run(r, body)
	if err != nil {
		p.Refuse(w, err)
		return
	}
	p.Answer(w, answer)
}

// UnknownOperation is the refusal of what is not known here, by name.
func UnknownOperation(name string) *Error {
	return &Error{Code: "UnknownOperationException", Query: "InvalidAction", Message: "The operation " + name + " is not supported here."}
}

// TooLarge is the refusal of a body that could not be read to its end.
func TooLarge(err error) *Error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException", Message: err.Error()}
	}
	return serialization("the body ended early: " + err.Error())
}
