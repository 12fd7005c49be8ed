package connect

import "github.com/referralbridge/referralbridge/internal/bridge"

// Problem is why a consent did not become a connection. The console has words for each.
type Problem string

// The problems.
const (
	BadDomain     Problem = "domain"        // what the person typed is no host of Salesforce; nothing was begun
	Declined      Problem = "denied"        // the person said no at Salesforce
	BadState      Problem = "state"         // the state is unknown, was used, or belongs to another browser
	Expired       Problem = "expired"       // the person took longer than ten minutes
	OtherSession  Problem = "session"       // signed out, or signed in anew, since the start
	NoExchange    Problem = "exchange"      // Salesforce did not accept the code
	OrgMismatch   Problem = "org_mismatch"  // the answers are about different orgs or users, or about another org than the connection's
	UserMismatch  Problem = "user_mismatch" // the connection is another user's of the org
	BadApp        Problem = "own_app"       // no consumer key and secret of an app; nothing was begun
	UntrustedHost Problem = "host"          // a host that is not Salesforce's
	AppRefused    Problem = "app"           // the org, or Salesforce, does not let our app in
	NoAnswer      Problem = "unavailable"   // Salesforce or we could not be reached; nothing is known to be wrong
)

// fail returns an error that ProblemOf reads back, also after a journey through the broker's answer.
func fail(op string, kind bridge.Kind, p Problem) error {
	return &bridge.Error{Op: op, Kind: kind, Code: string(p)}
}

// ProblemOf says which problem an error of Start or Finish is.
func ProblemOf(err error) Problem {
	switch p := Problem(bridge.CodeOf(err)); p {
	case BadDomain, Declined, BadState, Expired, OtherSession, NoExchange, OrgMismatch, UserMismatch, BadApp, UntrustedHost, AppRefused, NoAnswer:
		return p
	}
	switch bridge.KindOf(err) {
	case bridge.Denied:
		return AppRefused
	case bridge.Invalid, bridge.Revoked:
		return NoExchange
	default:
		return NoAnswer
	}
}
