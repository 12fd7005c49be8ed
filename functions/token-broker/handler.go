package main

import (
	"context"
	"log/slog"

	"github.com/referralbridge/referralbridge/internal/bridge"
	"github.com/referralbridge/referralbridge/internal/connect"
	"github.com/referralbridge/referralbridge/internal/invoke"
	"github.com/referralbridge/referralbridge/internal/secrets"
)

// handle answers invocations: a failure is part of the answer, so that its meaning survives.
func handle(broker connect.Caller) func(context.Context, connect.Request) (invoke.Answer[connect.Reply], error) {
	return func(ctx context.Context, r connect.Request) (invoke.Answer[connect.Reply], error) {
		reply, err := broker.Call(ctx, r)
		if err != nil {
			slog.WarnContext(ctx, "request failed", "task", r.Task, "account", r.Account, "connection", r.Connection,
				"kind", bridge.KindOf(err), "err", err)
		}
		return invoke.Wrap(reply, err), nil
	}
}

// clientSecret reads our app's secret from the broker's.
func clientSecret(r *secrets.Reader) func(context.Context) (bridge.Secret, error) {
	return func(ctx context.Context) (bridge.Secret, error) {
		document, err := secrets.Load[struct {
			ClientSecret string `json:"salesforceClientSecret"`
		}](ctx, r)
		return bridge.NewSecret(document.ClientSecret), err
	}
}
