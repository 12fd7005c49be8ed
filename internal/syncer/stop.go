package syncer

import (
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// stop is why work does not go on now: either the same work is to come again after a time, or the whole campaign waits
// for a reason that a person can read.
type stop struct {
	after time.Duration
	waits string
	wait  time.Duration
	err   error // what happened, for operators
}

func (s *stop) Error() string {
	if s.err != nil {
		return "sync stopped: " + s.err.Error()
	}
	return "sync stopped"
}

func (s *stop) Unwrap() error { return s.err }

// Reasons for which a campaign waits, as a person reads them.
const (
	hourUsedUp      = "This hour's calls to ReferralHero are used up"
	heroDown        = "ReferralHero does not answer as it should"
	tokenRefused    = "ReferralHero refuses the API token. Enter a valid one under Account"
	campaignMissing = "ReferralHero does not know the campaign any more: it may be paused or deleted"
	orgDown         = "Salesforce does not answer as it should"
	orgSpent        = "The org's Salesforce API calls for today are nearly used up; the rest is left to you"
	orgRefuses      = "Salesforce refuses access. An administrator of the org has to allow the integration"
	connectionDead  = "The Salesforce connection has to be renewed. Reconnect it under Salesforce"
	connectionEnded = "The Salesforce account was disconnected. Connect it again, or choose another one"
	noPersons       = "The org has no person accounts. Choose contacts or leads"
	fieldsHidden    = "The connected user sees none of the fields yet. See the table of fields"
)

const (
	longWait  = 15 * time.Minute // until a wait is looked at again that only a person can end
	shortWait = time.Minute
	grace     = time.Minute // that the sweep lets a job be late which is on the queue
	// afterlife is how long Salesforce may still work at a call that it did not answer: ten minutes is its longest.
	afterlife = 10 * time.Minute
)

// ofHero says what an error of ReferralHero means for a campaign. full is how long its window of calls lasts.
func ofHero(err error, full time.Duration) error {
	s := &stop{err: err}
	switch bridge.KindOf(err) {
	case bridge.Throttled:
		s.waits, s.wait = hourUsedUp, bridge.AfterOf(err, full)
	case bridge.Revoked, bridge.Denied:
		s.waits, s.wait = tokenRefused, longWait
	case bridge.NotFound:
		s.waits, s.wait = campaignMissing, time.Hour
	case bridge.Unavailable, bridge.UnknownOutcome:
		s.waits, s.wait = heroDown, shortWait
	case bridge.Invalid: // reads cannot be wrong in themselves
		s.waits, s.wait = heroDown, longWait
	default:
		return err
	}
	return s
}

// ofOrg says what an error of Salesforce means for a campaign.
func ofOrg(err error) error {
	s := &stop{err: err}
	wait := bridge.AfterOf(err, longWait)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Throttled && wait <= shortWait:
		s.after = wait
	case kind == bridge.Throttled:
		s.waits, s.wait = orgSpent, wait
	case kind == bridge.Revoked && bridge.CodeOf(err) == "disconnected":
		s.waits, s.wait = connectionEnded, longWait
	case kind == bridge.Revoked:
		s.waits, s.wait = connectionDead, longWait
	case kind == bridge.Denied, kind == bridge.Invalid, kind == bridge.NotFound: // of a call, not of a record
		s.waits, s.wait = orgRefuses, longWait
	case kind == bridge.Unavailable, kind == bridge.UnknownOutcome:
		s.waits, s.wait = orgDown, shortWait
	default:
		return err
	}
	return s
}

// stopped returns the stop in err, if there is one.
func stopped(err error) (*stop, bool) {
	var s *stop
	return s, errors.As(err, &s)
}
