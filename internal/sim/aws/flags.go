package aws

import (
	"flag"
	"math/rand/v2"
	"net/http"
)

// Flags defines the flags of an AWS that is served by itself, with faults to try a client against. The Options follow the
// flags once they are parsed.
func Flags(fs *flag.FlagSet) *Options {
	latency := fs.Duration("latency", 0, "let every answer take this much longer")
	throttle := fs.Float64("throttle", 0, "refuse this part of all requests as too many, e.g. 0.05")
	fail := fs.Float64("fail", 0, "refuse this part of all requests with an internal error")
	drop := fs.Float64("drop", 0, "do what is asked but send no answer, for this part of all requests")
	return &Options{Fault: func(service, _ string, _ *http.Request) *Fault {
		fault := &Fault{Delay: *latency}
		switch chance := rand.Float64(); {
		case chance < *throttle:
			fault.Status, fault.Code, fault.Message = throttled(service)
		case chance < *throttle+*fail:
			fault.Status, fault.Code, fault.Message = http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error."
		case chance < *throttle+*fail+*drop:
			fault.DropReply = true
		}
		return fault
	}}
}

// throttled is how a service says that it gets too many requests.
func throttled(service string) (status int, code, message string) {
	switch service {
	case "ses", "lambda":
		return http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded"
	case "dynamodb":
		return http.StatusBadRequest, "ThrottlingException", "Throughput exceeds the current capacity of your table or index."
	}
	return http.StatusBadRequest, "ThrottlingException", "Rate exceeded"
}
