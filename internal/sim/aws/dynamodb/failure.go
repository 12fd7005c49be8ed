package dynamodb

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// failure is an error as DynamoDB puts it on the wire.
type failure struct {
	status  int
	kind    string // the value of __type
	message string
	extra   map[string]any // members beside the message, such as the item that made a condition fail
}

func (f *failure) Error() string { return f.kind + ": " + f.message }

func (f *failure) body() map[string]any {
	body := map[string]any{"__type": f.kind, "message": f.message}
	maps.Copy(body, f.extra)
	return body
}

// asFailure returns err as a failure; one that is none is a fault of the emulator.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{status: http.StatusInternalServerError, kind: modelled + "InternalServerError", message: err.Error()}
}

const (
	modelled  = "com.amazonaws.dynamodb.v20120810#"
	validated = "com.amazon.coral.validate#ValidationException"
	malformed = "com.amazon.coral.service#SerializationException"
)

func invalid(format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, kind: validated, message: fmt.Sprintf(format, args...)}
}

// invalidValue is how DynamoDB words most of what is wrong with an item or a key.
func invalidValue(format string, args ...any) error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// unsupported refuses what AWS would do and this emulator does not.
func unsupported(format string, args ...any) error {
	return invalid("not in this emulator: "+format, args...)
}

func notSerialized(format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, kind: malformed, message: fmt.Sprintf(format, args...)}
}

func exception(name, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: modelled + name, message: fmt.Sprintf(format, args...)}
}

func noTable() error {
	return exception("ResourceNotFoundException", "Requested resource not found")
}

func conditionFailed(item document) *failure {
	f := exception("ConditionalCheckFailedException", "The conditional request failed")
	if item != nil {
		f.extra = map[string]any{"Item": item}
	}
	return f
}
