package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/plumbing"
)

// leaving ends connections, and takes what sends us messages out of the org before.
type leaving struct {
	connect.Service
	flows plumbing.Service
}

// farewell is how long an org may take to let go of what we installed.
const farewell = 12 * time.Second

// Disconnect takes flow and message away as far as the org lets us: no account is kept by an org that does not.
func (l leaving) Disconnect(ctx context.Context, account bridge.AccountID, id bridge.ConnectionID) error {
	short, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if _, err := l.flows.Leave(short, account, id); err != nil {
		slog.WarnContext(ctx, "flow not removed", "account", account, "connection", id, "kind", bridge.KindOf(err), "err", err)
	}
	return l.Service.Disconnect(ctx, account, id)
}
