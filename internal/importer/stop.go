package importer

import (
	"errors"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// stop is why work on an import does not go on now. Exactly one of its ways out is set.
type stop struct {
	after  time.Duration // the same job goes on then
	park   string        // the import waits, for this reason, for a time
	wait   time.Duration
	outage bool   // of the other side: wait, longer each time
	cause  string // the import ends early: words for a person
	gone   bool   // somebody paused or ended the import, or took over the page
	err    error  // what happened, for operators
}

func (s *stop) Error() string {
	if s.err != nil {
		return "import stopped: " + s.err.Error()
	}
	return "import stopped"
}

func (s *stop) Unwrap() error { return s.err }

// putOff returns the error that makes the queue bring the job again after a time.
func putOff(op string, after time.Duration) error {
	return &bridge.Error{Op: op, Kind: bridge.Throttled, After: max(after, time.Second)}
}

// Reasons for which an import waits, as a person reads them.
const (
	hourUsedUp      = "This hour's calls to ReferralHero are used up"
	heroSaysNo      = "ReferralHero says that this hour's calls are used up"
	heroDown        = "ReferralHero does not answer as it should"
	orgDown         = "Salesforce does not answer as it should"
	tokenRefused    = "ReferralHero refuses the API token. Enter a valid one under Account"
	connectionDead  = "The Salesforce connection has to be renewed. Reconnect it under Connections"
	connectionEnded = "The Salesforce account was disconnected. Connect it again under Connections"
	orgRefuses      = "Salesforce refuses access. An administrator of the org has to allow the integration"
	orgNearlySpent  = "80 % of the org's Salesforce API calls for today are used; the rest is left to you"
	campaignMissing = "ReferralHero does not list the campaign any more: it may be paused or deleted. Activate it there, then resume."
)

const (
	longWait  = 15 * time.Minute // until a park is looked at again that only a person can end
	shortWait = time.Minute      // up to which a page waits on the queue, without parking the import
)

// outageWait is how long an import rests that got nowhere for the given time.
func outageWait(stuck time.Duration) time.Duration {
	switch {
	case stuck < 2*time.Minute:
		return time.Minute
	case stuck < 5*time.Minute:
		return 2 * time.Minute
	case stuck < 15*time.Minute:
		return 5 * time.Minute
	default:
		return longWait
	}
}

// ofHero says what an error of ReferralHero means for an import. full is how long its window of calls lasts.
func ofHero(err error, full time.Duration) error {
	s := &stop{err: err}
	switch bridge.KindOf(err) {
	case bridge.Throttled:
		s.park, s.wait = heroSaysNo, bridge.AfterOf(err, full)
	case bridge.Revoked, bridge.Denied:
		s.park, s.wait = tokenRefused, longWait
	case bridge.NotFound:
		s.cause = campaignMissing
	case bridge.Unavailable, bridge.UnknownOutcome:
		s.park, s.outage = heroDown, true
	default:
		return err
	}
	return s
}

// ofOrg says what an error of Salesforce means for an import.
func ofOrg(err error) error {
	s := &stop{err: err}
	wait := bridge.AfterOf(err, longWait)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Throttled && wait <= shortWait:
		s.after = wait // another worker is renewing the connection, say
	case kind == bridge.Throttled:
		s.park, s.wait = orgNearlySpent, longWait
	case kind == bridge.Revoked && bridge.CodeOf(err) == "disconnected":
		s.park, s.wait = connectionEnded, longWait
	case kind == bridge.Revoked:
		s.park, s.wait = connectionDead, longWait
	case kind == bridge.Denied:
		s.park, s.wait = orgRefuses, longWait
	case kind == bridge.Invalid, kind == bridge.NotFound:
		if s.cause, _ = bridge.MessageOf(err); s.cause == "" {
			s.cause = "Salesforce does not accept the selection of contacts (" + code(err) + ")."
		}
	case kind == bridge.Unavailable, kind == bridge.UnknownOutcome:
		s.park, s.outage = orgDown, true
	default:
		return err
	}
	return s
}

// ofBudget says what an error of the budget means for an import.
func ofBudget(err error) error {
	wait := bridge.AfterOf(err, time.Second)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.Conflict, kind == bridge.Throttled && wait <= shortWait:
		return &stop{after: wait, err: err}
	case kind == bridge.Throttled:
		return &stop{park: hourUsedUp, wait: wait, err: err}
	default:
		return err
	}
}

// code is the other side's own code, or the kind.
func code(err error) string {
	if c := bridge.CodeOf(err); c != "" {
		return c
	}
	return string(bridge.KindOf(err))
}

var errTimeUp = &stop{after: time.Second, err: errors.New("the worker's time is nearly up")}
