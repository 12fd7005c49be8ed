package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what a failure means to whoever has to act on it. It is the whole vocabulary: every
// adapter translates foreign errors into it, and every edge translates out of it.
type Kind string

// The kinds. Internal is what an error without a kind is taken for.
const (
	Invalid        Kind = "invalid"         // the request is wrong; repeating it cannot help
	Denied         Kind = "denied"          // the caller may not do this; somebody has to grant something
	NotFound       Kind = "not_found"       // there is no such thing
	Conflict       Kind = "conflict"        // somebody else was first; read again, then decide
	Revoked        Kind = "revoked"         // the credential is dead; only a person can renew it
	Throttled      Kind = "throttled"       // the other side, or our own budget, asks for patience; see After
	Unavailable    Kind = "unavailable"     // the other side is down; nothing was done; try again
	Internal       Kind = "internal"        // a fault of ours
	UnknownOutcome Kind = "unknown_outcome" // it may or may not have happened; look before repeating
)

// Permanent reports whether repeating the same work unchanged is pointless.
func (k Kind) Permanent() bool {
	switch k {
	case Invalid, Denied, NotFound, Revoked:
		return true
	default:
		return false
	}
}

// Error is a failure with its meaning. Its text is for operators; Message is for people.
type Error struct {
	Op      string        // the operation that failed, such as "salesforce.Query"
	Kind    Kind          // what it means
	Code    string        // the other side's own code, such as "REQUEST_LIMIT_EXCEEDED"; may be empty
	Message string        // what a person should read and do; may be empty
	Field   string        // the form field that Message belongs to; may be empty
	After   time.Duration // how long to wait before trying again; 0 if nobody said
	Err     error         // the cause; may be nil
}

// Error names the operation, the kind and the cause. It holds no input of the failed request.
func (e *Error) Error() string {
	text := e.Op + ": " + string(e.Kind)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E returns an error of the given kind, or nil if err is nil. A kind that err already carries is
// kept only if kind is empty.
func E(op string, kind Kind, err error) error {
	if err == nil {
		return nil
	}
	if kind != "" {
		return &Error{Op: op, Kind: kind, Err: err}
	}
	wrapped := &Error{Op: op, Kind: KindOf(err), Err: err}
	var inner *Error
	if errors.As(err, &inner) {
		wrapped.Message, wrapped.Field, wrapped.After = inner.Message, inner.Field, inner.After
	}
	return wrapped
}

// Say returns an error of the given kind whose message a person may read. field names the form field
// that it is about, or is empty.
func Say(op string, kind Kind, field, format string, args ...any) error {
	return &Error{Op: op, Kind: kind, Field: field, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns what err means: the kind of the outermost Error in its chain. A context that ended is
// Unavailable, since the work may be tried again; anything else without a kind is Internal. KindOf(nil)
// is the empty Kind.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	default:
		return Internal
	}
}

// CodeOf returns the first foreign code in err's chain, or "".
func CodeOf(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Code != "" {
			return e.Code
		}
	}
	return ""
}

// AfterOf returns how long err asks to wait, or fallback if it does not say.
func AfterOf(err error, fallback time.Duration) time.Duration {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.After > 0 {
			return e.After
		}
	}
	return fallback
}

// MessageOf returns the first message for a person in err's chain and the form field that it is about,
// or two empty strings.
func MessageOf(err error) (message, field string) {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Message != "" {
			return e.Message, e.Field
		}
	}
	return "", ""
}
