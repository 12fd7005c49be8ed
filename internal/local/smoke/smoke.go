// Package smoke tries what we assume of Salesforce and ReferralHero on a real org and a real campaign, with the clients
// that are deployed.
//
// It is harmless by construction: every call goes through a door that lets reads pass and refuses the rest; see door. It
// reads nothing of a production org unless told to. With Options.Write it makes one contact and one subscriber of its
// own, and removes both whatever happens meanwhile. It tells types and codes, never a credential or anything about a
// person.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Options say what to try, and with whose credentials.
type Options struct {
	Org  Org
	Hero Hero

	Production bool   // an org in production may be read; nothing is ever written there
	Write      bool   // one contact and one subscriber may be made
	Address    string // of the operator's own, for these two

	Now  func() time.Time
	Tell func(format string, args ...any) // takes a line for people
}

// Org is an org and a way into it. It is not tried if Instance is empty.
type Org struct {
	Instance string        // origin, such as "https://acme--test.sandbox.my.salesforce.com"
	Token    bridge.Secret // an access token; not needed with App
	App      bridge.App    // an app that may ask for a token by itself
}

// Hero is a campaign and a way to it. It is not tried if Token is empty.
type Hero struct {
	BaseURL  string // such as "https://app.referralhero.com/api/v2"
	Token    bridge.Secret
	Campaign bridge.CampaignID // may be empty if the account has only one
}

// Report counts what was found.
type Report struct {
	OK           int      `json:"ok"`
	Differs      int      `json:"differs"`
	NotTried     int      `json:"not_tried"`
	Salesforce   int      `json:"salesforce_calls"`
	ReferralHero int      `json:"referralhero_calls"`
	Left         []string `json:"left,omitempty"` // what was made and could not be removed
}

// Err says what a person has to look at, if anything.
func (r Report) Err() error {
	var problems []string
	if r.Differs > 0 {
		problems = append(problems, fmt.Sprintf("%d of our assumptions do not hold", r.Differs))
	}
	if len(r.Left) > 0 {
		problems = append(problems, "remove by hand: "+strings.Join(r.Left, ", "))
	}
	if problems == nil {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// The most calls that are made, which the door holds it to.
const (
	mostOrgCalls  = 60
	mostHeroCalls = 60
)

// Run tries everything and tells each assumption in a line. Its error means that it refused to begin.
func Run(ctx context.Context, o Options) (Report, error) {
	var r Report
	if o.Write && !strings.Contains(o.Address, "@") {
		return r, errors.New("to write, it needs an e-mail address of yours: a contact and a subscriber get it for some seconds")
	}
	announce(o)
	if err := tryOrg(ctx, o, &r); err != nil {
		return r, err
	}
	tryHero(ctx, o, &r)
	for _, u := range untried {
		r.tell(o.Tell, notTried, u.assumption, u.how)
	}
	return r, nil
}

// announce says beforehand what will be asked.
func announce(o Options) {
	if o.Org.Instance != "" {
		o.Tell("Salesforce, %s: at most %d of the org's API calls, and nothing that is read is kept:", o.Org.Instance, mostOrgCalls)
		o.Tell("what the org is, what the user may do, columns, some contacts, the deals of 30 days, and what we have installed.")
	}
	if !o.Hero.Token.Empty() {
		o.Tell("ReferralHero, %s: at most %d of the hour's calls: the campaigns, two pages of subscribers, one of these.", o.Hero.BaseURL, mostHeroCalls)
	}
	if o.Write {
		o.Tell("It WRITES: a contact named %q, for which the org's automation runs, and a subscriber with the address", lastName)
		o.Tell("that you gave, whom the campaign may mail. Both are removed at the end; the contact stays in the recycle bin.")
	}
	o.Tell("")
}

// untried cannot be found out by a program that does no harm. README's known limits have the same list.
var untried = []struct{ assumption, how string }{
	{"a refresh gives a new refresh token and ends the one before", "it would end a connection: connect a sandbox in the console, and look after three hours whether it is still active"},
	{"five collections of 200 fit into one call of an org with much automation", "switch syncing on for a campaign of 1,000 people in a sandbox that has this automation"},
	{"a production org says why it does not activate a flow", "add an event to track in an org in production: the page shows its words, and what to click"},
	{"ReferralHero's hour is fixed or rolling", "it would use the hour up: import 6,000 contacts, and look at Account when calls come back"},
	{"webhooks are signed in base64 or hexadecimal", "set the webhook up, press Test at ReferralHero, and look at Account: the last delivery is just now"},
	{"subscriber_updated is told of points and referrals", "with the webhook set up, change a test subscriber's points at ReferralHero, and look at Account for a delivery"},
	{"a transaction_id that is sent twice counts once", "transactions cannot be read: send one twice for a test subscriber, and look at ReferralHero's dashboard"},
}

type verdict string

const (
	ok       verdict = "ok"
	differs  verdict = "differs"
	notTried verdict = "not tried"
)

func (r *Report) tell(tell func(string, ...any), v verdict, assumption, note string) {
	switch v {
	case ok:
		r.OK++
	case differs:
		r.Differs++
	case notTried:
		r.NotTried++
	}
	if note != "" {
		assumption += " (" + note + ")"
	}
	tell("%-9s  %s", v, assumption)
}

// side is one of the other sides while it is tried.
type side struct {
	door   *door
	report *Report
	name   string
	print  func(string, ...any)
	closed string // why nothing more can be tried
}

// skipped says why something could not be tried.
type skipped string

func (s skipped) Error() string { return string(s) }

// otherwise says what was answered instead of what we assume.
type otherwise string

func (o otherwise) Error() string { return string(o) }

func unlike(format string, args ...any) error { return otherwise(fmt.Sprintf(format, args...)) }

// try tells whether an assumption holds, and returns whether it does. check returns what may be told beside it.
func (s *side) try(assumption string, check func() (note string, err error)) bool {
	assumption = s.name + ": " + assumption
	if s.closed != "" {
		s.report.tell(s.print, notTried, assumption, s.closed)
		return false
	}
	note, err := check()
	verdict, told := s.judge(note, err)
	s.report.tell(s.print, verdict, assumption, told)
	return verdict == ok
}

// need is try for what everything after it needs.
func (s *side) need(assumption string, check func() (string, error)) {
	if !s.try(assumption, check) && s.closed == "" {
		s.closed = "after that: " + assumption
	}
}

func (s *side) judge(note string, err error) (verdict, string) {
	var why skipped
	var instead otherwise
	switch {
	case err == nil:
		return ok, note
	case errors.As(err, &why):
		return notTried, string(why)
	case errors.As(err, &instead):
		return differs, string(instead) + "; answered " + s.door.answer().String()
	case errors.Is(err, errNotListed), errors.Is(err, errTooMany):
		return differs, err.Error() // our client asks in another way than it did when the list was written
	case s.door.answer().status == 0, bridge.KindOf(err) == bridge.Throttled:
		return notTried, "there was no answer to go by: " + err.Error()
	}
	return differs, err.Error() + "; answered " + s.door.answer().String()
}
