package conversion

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
)

// Message is an Outbound Message as far as it is believed: which org says that it is from, and which records to look at.
type Message struct {
	Organization bridge.SalesforceID
	Records      []bridge.SalesforceID // one for each notification; empty where its id could not be read
	Session      bool                  // it had a session id, which nobody wants
}

// Tally names something about messages that is counted.
type Tally string

// The tallies.
const (
	Notifications Tally = "OutboundNotifications" // of a message, whose opportunities are on the queue
	Unusable      Tally = "OutboundUnusable"      // notifications about nothing that is an opportunity
	UnknownHook   Tally = "OutboundUnknownHook"   // messages to an address that we never gave, or that has ended
	OtherOrg      Tally = "OutboundOtherOrg"      // messages from a copy of the org
	NotWanted     Tally = "OutboundNotWanted"     // messages while no rule is on
	Gone          Tally = "OutboundGone"          // messages for a connection that the account has ended
	SessionSent   Tally = "OutboundSessionSent"   // messages with a session id
)

// Inbox takes Outbound Messages in. Its fields are set once.
type Inbox struct {
	Hooks       messageHooks
	Connections interface {
		Connection(context.Context, bridge.AccountID, bridge.ConnectionID) (bridge.Connection, error)
	}
	Jobs  jobs
	Count func(Tally, int)
	Now   func() time.Time
	Log   *slog.Logger
}

// opportunities begin with this.
const opportunityPrefix = "006"

// touchEvery is how often a hook notes that messages come.
const touchEvery = time.Minute

// Receive puts the opportunities of a message that came to a hook on the queue, as one job. After nil the message may be
// acknowledged: what it asks for is on the queue, or nobody wants it. That is so if it is from another org, such as a copy
// of the customer's, if no rule is on, or if the connection has ended; Salesforce would repeat it for a day, and be right
// in none of these cases. NotFound: there is no such hook. Any other error is ours, and the message has to come again.
func (i Inbox) Receive(ctx context.Context, token bridge.Secret, m Message) error {
	const op = "conversion.Receive"
	hook, err := i.Hooks.MessageHook(ctx, token)
	if err != nil {
		if bridge.KindOf(err) == bridge.NotFound {
			i.Count(UnknownHook, 1)
		}
		return bridge.E(op, "", err)
	}
	if m.Session {
		i.Count(SessionSent, 1)
	}
	c, err := i.Connections.Connection(ctx, hook.Account, hook.Connection)
	switch kind := bridge.KindOf(err); {
	case kind == bridge.NotFound, err == nil && c.Status == bridge.Disconnected:
		i.Count(Gone, 1)
		return nil
	case err != nil:
		return bridge.E(op, "", err)
	case c.Org.Key() != m.Organization.Key():
		i.Count(OtherOrg, 1)
		i.noteStranger(ctx, hook, m.Organization)
		return nil
	case hook.Off:
		i.Count(NotWanted, 1)
		i.noteMessage(ctx, hook)
		return nil
	}
	job := Job{Account: hook.Account, Connection: hook.Connection, At: i.Now().UTC().Truncate(time.Second)}
	var unusable int
	job.Opportunities, unusable = opportunities(m.Records)
	if unusable > 0 {
		i.Count(Unusable, unusable)
	}
	if len(job.Opportunities) > 0 {
		if err := i.Jobs.Send(ctx, 0, job); err != nil {
			return bridge.E(op, bridge.Unavailable, err)
		}
		i.Count(Notifications, len(m.Records)-unusable)
	}
	i.noteMessage(ctx, hook)
	return nil
}

// opportunities returns the short ids of the records that are opportunities, each once, and how many are none.
func opportunities(records []bridge.SalesforceID) (ids []string, unusable int) {
	ids = make([]string, 0, len(records))
	for _, r := range records {
		id := r.Key()
		switch {
		case len(id) < 15 || id[:len(opportunityPrefix)] != opportunityPrefix:
			unusable++
		case !slices.Contains(ids, id): // there are a hundred at most
			ids = append(ids, id)
		}
	}
	return ids, unusable
}

// noteMessage keeps when a message came last, to the minute.
func (i Inbox) noteMessage(ctx context.Context, was Hook) {
	now := i.Now()
	if now.Sub(was.LastAt) < touchEvery {
		return
	}
	h := was
	h.LastAt = now
	i.touch(ctx, h, was)
}

// noteStranger keeps which other org sends to the hook, for the doctor to tell.
func (i Inbox) noteStranger(ctx context.Context, was Hook, org bridge.SalesforceID) {
	now := i.Now()
	if now.Sub(was.StrangerAt) < touchEvery {
		return
	}
	h := was
	h.Stranger, h.StrangerAt = org, now
	i.touch(ctx, h, was)
}

// touch may fail: the message is dealt with by then.
func (i Inbox) touch(ctx context.Context, h, was Hook) {
	err := i.Hooks.TouchMessageHook(ctx, h, was)
	if err != nil && bridge.KindOf(err) != bridge.Conflict { // somebody else has noted it
		i.Log.WarnContext(ctx, "message not noted", "connection", h.Connection, "kind", bridge.KindOf(err), "err", err)
	}
}
