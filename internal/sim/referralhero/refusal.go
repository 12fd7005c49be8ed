package referralhero

import "net/http"

// refusal is an error as the API tells it.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, message string) error { return &refusal{code, message} }

// statuses are the HTTP statuses of codes; all others go with 400. The vendor publishes no such table:
// these are what its SDKs and live clients have met.
var statuses = map[string]int{
	"invalid_list":         http.StatusUnauthorized,
	"subscriber_not_found": http.StatusForbidden,
	"too_many_calls":       http.StatusTooManyRequests,
	"not_found":            http.StatusNotFound,
	"internal_error":       http.StatusInternalServerError,
}

// status returns the HTTP status of a code.
func (o *Options) status(code string) int {
	if o.ErrorsAs200 {
		return http.StatusOK
	}
	switch code {
	case "no_token", "invalid_token", "inactive_account":
		return o.AuthStatus
	}
	return either(statuses[code], http.StatusBadRequest)
}
