package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/conversion"
	"github.com/referralbridge/referralbridge/internal/doctor"
	"github.com/referralbridge/referralbridge/internal/importer"
	"github.com/referralbridge/referralbridge/internal/plumbing"
	"github.com/referralbridge/referralbridge/internal/provision"
	"github.com/referralbridge/referralbridge/internal/queue"
)

// leaving ends connections, and takes what sends us messages out of the org before.
type leaving struct {
	connect.Service
	flows plumbing.Service
}

// farewell is how long an org may take to let go of what we installed.
const farewell = 12 * time.Second

// Disconnect takes flow and message away as far as the org lets us. Whoever wants to leave is not kept by an org that does
// not: what stays there is answered and ignored.
func (l leaving) Disconnect(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	short, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if _, err := l.flows.Leave(short, account, id); err != nil {
		slog.WarnContext(ctx, "flow not removed", "account", account, "connection", id, "kind", bridge.KindOf(err), "err", err)
	}
	return l.Service.Disconnect(ctx, account, id)
}

// waking sets everything going that waits for a connection, but for syncing.
type waking struct {
	imports importer.Waker
	flows   plumbing.Service
	deals   conversion.Waker
	fields  queue.Topic[provision.Job]
}

// Wake returns the imports that had waited. What else does not go on now does so by itself, hours later.
func (w waking) Wake(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (importer.Waiting, error) {
	for what, err := range map[string]error{
		"flows":  w.flows.Wake(ctx, account, id),
		"deals":  w.deals.Wake(ctx, account, id),
		"fields": w.fields.Send(ctx, 0, provision.Job{Account: account, Connection: id, Check: true}),
	} {
		if err != nil {
			slog.WarnContext(ctx, "not resumed yet", "what", what, "account", account, "connection", id, "kind", bridge.KindOf(err), "err", err)
		}
	}
	return w.imports.Wake(ctx, account, id)
}

type watches interface {
	Watch(ctx context.Context, account bridge.AccountID, connection bridge.ConnectionID) (bridge.Watch, error)
}

type flowStatus interface {
	Status(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) (plumbing.Status, error)
}

// installed tells the doctor what is wrong with the flow and the message of an org. What passes by itself, an examination
// finds too.
func installed(flows flowStatus, deals watches) func(context.Context, bridge.Connection) ([]doctor.Advice, error) {
	passing := map[plumbing.Fault]bool{plumbing.ConnectionDead: true, plumbing.CallsUsedUp: true, plumbing.OrgSilent: true}
	return func(ctx context.Context, c bridge.Connection) ([]doctor.Advice, error) {
		status, err := flows.Status(ctx, c.Account, c.ID)
		if err != nil {
			return nil, err
		}
		var all []doctor.Advice
		for _, t := range status.Troubles() {
			if !passing[t.Fault] {
				all = append(all, doctor.Advice{
					Check: "messages_" + doctor.Check(t.Fault), Level: doctor.Limiting, Title: t.Title, Effect: t.Effect, Who: t.Who,
					Remedy: t.Remedy, Details: t.Details, Setup: t.Setup, Link: t.Link,
				})
			}
		}
		watch, err := deals.Watch(ctx, c.Account, c.ID)
		if err == nil && !watch.SilentSince.IsZero() && len(all) == 0 {
			all = append(all, doctor.Advice{
				Check: "messages_silent", Level: doctor.Limiting, Title: "Messages about deals have stopped to come",
				Effect: "Deals are still looked at, but up to 15 minutes later.", Who: "An administrator of the Salesforce org",
				Remedy:  "Look under Setup > Outbound Messages for messages that wait or failed, and why. Messages that come again end this by themselves.",
				Details: []string{"Since " + watch.SilentSince.UTC().Format("2 January 2006, 15:04 UTC")},
			})
		}
		return all, err
	}
}
