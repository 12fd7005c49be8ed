package sqs

import (
	"fmt"
	"net/http"

	"github.com/referralbridge/referralbridge/internal/sim/aws/wire"
)

func invalid(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterValueException", Query: "InvalidParameterValue", Message: message}
}

func invalidValue(value any, parameter, reason string) *wire.Error {
	return invalid(fmt.Sprintf("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason))
}

func missing(parameter string) *wire.Error {
	return &wire.Error{Code: "MissingRequiredParameterException", Query: "MissingParameter",
		Message: fmt.Sprintf("The request must contain the parameter %s.", parameter)}
}

func noQueue() *wire.Error {
	return &wire.Error{Code: "QueueDoesNotExist", Query: "AWS.SimpleQueueService.NonExistentQueue", Message: "The specified queue does not exist."}
}

func badHandle(handle string) *wire.Error {
	return &wire.Error{Status: http.StatusNotFound, Code: "ReceiptHandleIsInvalid",
		Message: fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle)}
}

func unsupported(message string) *wire.Error {
	return &wire.Error{Code: "UnsupportedOperation", Query: "AWS.SimpleQueueService.UnsupportedOperation", Message: message}
}

// batchRule is the refusal of a whole batch.
func batchRule(code, message string) *wire.Error {
	return &wire.Error{Code: code, Query: "AWS.SimpleQueueService." + code, Message: message}
}
