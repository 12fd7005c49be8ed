package conversion

import (
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// stop is why work does not go on now. It is put off to a time that the table remembers, for a reason that people can
// read.
type stop struct {
	reason string
	wait   time.Duration
	outage bool // of the other side: longer each time
	err    error
}

func (s *stop) Error() string {
	if s.err != nil {
		return "conversion stopped: " + s.err.Error()
	}
	return "conversion stopped"
}

func (s *stop) Unwrap() error { return s.err }

// putOff returns the error that makes the queue bring the job again after a time.
func putOff(op string, after time.Duration, err error) error {
	return &bridge.Error{Op: op, Kind: bridge.Throttled, After: max(after, time.Second), Err: err}
}

// Reasons for which work waits, as a person reads them.
const (
	hourUsedUp      = "This hour's calls to ReferralHero are used up"
	heroSaysNo      = "ReferralHero says that this hour's calls are used up"
	heroDown        = "ReferralHero does not answer as it should"
	orgDown         = "Salesforce does not answer as it should"
	tokenRefused    = "ReferralHero refuses the API token. Enter a valid one under Account"
	connectionDead  = "The Salesforce connection has to be renewed. Reconnect it under Connections"
	orgRefuses      = "Salesforce refuses access. An administrator of the org has to allow the integration to read opportunities and their contact roles"
	orgNearlySpent  = "80 % of the org's Salesforce API calls for today are used; the rest is left to you"
	campaignMissing = "ReferralHero does not list the campaign any more: it may be paused or deleted. Activate it there"
)

const (
	longWait  = 15 * time.Minute // until what only a person can end is looked at again
	shortWait = time.Minute      // up to which a job waits on the queue
)

// ofOrg says what an error of Salesforce means for the work.
func ofOrg(err error) error {
	wait := bridge.AfterOf(err, longWait)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Throttled && wait <= shortWait:
		return putOff("conversion.org", wait, err) // another worker is renewing the connection, say
	case kind == bridge.Throttled:
		return &stop{reason: orgNearlySpent, wait: longWait, err: err}
	case kind == bridge.Revoked:
		return &stop{reason: connectionDead, wait: longWait, err: err}
	case kind == bridge.Denied, kind == bridge.Invalid, kind == bridge.NotFound:
		reason, _ := bridge.MessageOf(err)
		if reason == "" {
			reason = orgRefuses
		}
		return &stop{reason: reason, wait: longWait, err: err}
	case kind == bridge.Unavailable, kind == bridge.UnknownOutcome:
		return &stop{reason: orgDown, outage: true, err: err}
	default:
		return err
	}
}

// waitOf is how long a stop asks to wait after some tries in a row.
func (s *stop) waitOf(tries int) time.Duration {
	if !s.outage {
		return s.wait
	}
	return outageWait(tries)
}

// outageWait is how long to wait after some failures in a row.
func outageWait(tries int) time.Duration {
	waits := []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute}
	if tries < len(waits) {
		return waits[tries]
	}
	return longWait
}

// stopped returns the stop in err's chain, if there is one.
func stopped(err error) (*stop, bool) {
	var s *stop
	return s, errors.As(err, &s)
}

var errTimeUp = errors.New("the worker's time is nearly up")
